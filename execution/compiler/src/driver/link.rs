//! From the expanded program to binaries.

use std::collections::{BTreeMap, BTreeSet};

use noema_bytecode::{CompiledModule, Metadata};
use noema_execution_api::module_metadata::MODULE_METADATA_KEY;
use noema_types::Hash;

use crate::diagnostics::{Diagnostic, Diagnostics, FileId, Files, codes};
use crate::emit::{Link, emit_module, emit_script};
use crate::expand::ast::{ModuleIdent, Program};
use crate::lower::{Codes, Op, acquires, lower};
use crate::name::{FunKind, Globals, Vis, collect};
use crate::typing::{DataId, FunId, ModId, check_bodies as check, prepare};

use super::cache::{self, Cache, Entry};
use super::{CompiledScriptUnit, CompiledUnit, Options, verify};

/// Compiles a program; `None` after errors. Modules that `cache` knows are not compiled again.
pub(super) fn compile(
    program: &Program,
    files: &Files,
    options: Options,
    cache: Option<&dyn Cache>,
    diagnostics: &mut Diagnostics,
) -> Option<(Vec<CompiledUnit>, Vec<CompiledScriptUnit>)> {
    let mut globals = collect(program, diagnostics);
    let keys = match cache {
        Some(_) if !diagnostics.has_errors() => cache::keys(program, files, options),
        _ => BTreeMap::new(),
    };
    let mut known = find_known(&globals, files, cache, &keys);
    prepare(program, &mut globals, diagnostics);
    let bodies = check(program, &globals, &|module| !known.contains_key(&module), diagnostics);
    let mut codes = lower(&globals, &bodies, diagnostics);
    if diagnostics.has_errors() {
        return None;
    }
    let mut package_callers = package_callers(&globals, &codes, &known);
    // Who calls a module's functions decides on its friends.
    let stale: BTreeSet<ModId> = known
        .iter()
        .filter(|(id, known)| package_callers.get(id).cloned().unwrap_or_default() != known.entry.package_callers)
        .map(|(id, _)| *id)
        .collect();
    if !stale.is_empty() {
        known.retain(|id, _| !stale.contains(id));
        let bodies = check(program, &globals, &|module| !known.contains_key(&module), diagnostics);
        codes = lower(&globals, &bodies, diagnostics);
        package_callers = self::package_callers(&globals, &codes, &known);
        if diagnostics.has_errors() {
            return None;
        }
    }
    let acquired = acquires(&globals, &codes);
    check_acquires(&globals, &acquired, &known, diagnostics);
    let link = Link { globals: &globals, files, codes: &codes, acquires: &acquired, package_callers: &package_callers };
    let mut modules = Vec::new();
    let mut scripts = Vec::new();
    for position in 0..globals.modules.len() {
        let id = ModId(u32::try_from(position).expect("modules are few"));
        if globals.module(id).is_script {
            if globals.module(id).is_target {
                scripts.extend(script_unit(&link, id, diagnostics));
            }
        } else if let Some(known) = known.get(&id) {
            modules.push(known_unit(&globals, id, known, diagnostics));
        } else {
            modules.extend(module_unit(&link, id, diagnostics));
        }
    }
    let modules = in_dependency_order(&globals, modules, diagnostics)?;
    if diagnostics.has_errors() {
        return None;
    }
    verify::verify(&modules, &scripts, diagnostics);
    if let Some(cache) = cache {
        let link = Keep { globals: &globals, files, codes: &codes, callers: &package_callers, keys: &keys };
        link.keep(cache, &modules, &known, diagnostics);
    }
    Some((modules, scripts))
}

/// A module that was compiled in an earlier run.
struct Known {
    entry: Entry,
    module: CompiledModule,
}

fn find_known(
    globals: &Globals,
    files: &Files,
    cache: Option<&dyn Cache>,
    keys: &BTreeMap<ModuleIdent, Hash>,
) -> BTreeMap<ModId, Known> {
    let Some(cache) = cache else { return BTreeMap::new() };
    let paths: BTreeMap<&str, FileId> = files.iter().map(|(id, file)| (&*file.path, id)).collect();
    keys.iter()
        .filter_map(|(ident, key)| {
            let entry = Entry::decode(&cache.get(key)?, &paths)?;
            let module = entry.module()?;
            Some((*globals.module_ids.get(ident)?, Known { entry, module }))
        })
        .collect()
}

fn known_unit(globals: &Globals, id: ModId, known: &Known, diagnostics: &mut Diagnostics) -> CompiledUnit {
    let info = globals.module(id);
    CompiledUnit {
        ident: info.ident.clone(),
        package: info.package.clone(),
        is_target: info.is_target,
        module: known.module.clone(),
        bytes: known.entry.bytes.clone(),
        source_map: known.entry.source_map.clone(),
        metadata: crate::metadata::describe(globals, id, diagnostics),
        docs: crate::metadata::documentation(globals, id),
    }
}

/// What is needed to keep results.
struct Keep<'a> {
    globals: &'a Globals,
    files: &'a Files,
    codes: &'a Codes,
    callers: &'a BTreeMap<ModId, BTreeSet<ModuleIdent>>,
    keys: &'a BTreeMap<ModuleIdent, Hash>,
}

impl Keep<'_> {
    /// Keeps every new module about whose file there was nothing to say.
    fn keep(
        &self,
        cache: &dyn Cache,
        modules: &[CompiledUnit],
        known: &BTreeMap<ModId, Known>,
        diagnostics: &Diagnostics,
    ) {
        if diagnostics.has_errors() {
            return;
        }
        let noisy: BTreeSet<FileId> = diagnostics.iter().filter_map(|one| one.span().map(|span| span.file)).collect();
        let mut calls: BTreeMap<ModId, BTreeSet<ModuleIdent>> = BTreeMap::new();
        for (caller, callee) in package_calls(self.globals, self.codes) {
            calls.entry(caller).or_default().insert(self.globals.module(callee).ident.clone());
        }
        for unit in modules {
            let (Some(id), Some(key)) = (self.globals.module_ids.get(&unit.ident), self.keys.get(&unit.ident)) else {
                continue;
            };
            if known.contains_key(id) || noisy.contains(&self.globals.module(*id).span.file) {
                continue;
            }
            let entry = Entry {
                bytes: unit.bytes.clone(),
                source_map: unit.source_map.clone(),
                package_calls: calls.remove(id).unwrap_or_default(),
                package_callers: self.callers.get(id).cloned().unwrap_or_default(),
            };
            cache.put(key, &entry.encode(self.files));
        }
    }
}

fn module_unit(link: &Link<'_>, id: ModId, diagnostics: &mut Diagnostics) -> Option<CompiledUnit> {
    let info = link.globals.module(id);
    let (mut module, source_map) = emit_module(link, id, diagnostics);
    let metadata = crate::metadata::describe(link.globals, id, diagnostics);
    if !metadata.is_empty() {
        match metadata.to_bytes() {
            Ok(value) => module.metadata.push(Metadata { key: MODULE_METADATA_KEY.to_vec(), value }),
            Err(error) => too_large(info.name.span, &error.to_string(), diagnostics),
        }
    }
    let bytes = match module.serialize() {
        Ok(bytes) => bytes,
        Err(error) => {
            too_large(info.name.span, &error.to_string(), diagnostics);
            return None;
        }
    };
    Some(CompiledUnit {
        ident: info.ident.clone(),
        package: info.package.clone(),
        is_target: info.is_target,
        module,
        bytes,
        source_map,
        metadata,
        docs: crate::metadata::documentation(link.globals, id),
    })
}

fn script_unit(link: &Link<'_>, id: ModId, diagnostics: &mut Diagnostics) -> Option<CompiledScriptUnit> {
    let info = link.globals.module(id);
    let (script, source_map) = emit_script(link, id, diagnostics)?;
    match script.serialize() {
        Ok(bytes) => {
            let name = link.globals.function(*info.functions.first()?).name.value.clone();
            Some(CompiledScriptUnit { name, script, bytes, source_map })
        }
        Err(error) => {
            too_large(info.name.span, &error.to_string(), diagnostics);
            None
        }
    }
}

fn too_large(span: crate::diagnostics::Span, problem: &str, diagnostics: &mut Diagnostics) {
    diagnostics.push(
        Diagnostic::new(codes::TOO_LARGE, span, format!("this module cannot be written: {problem}"))
            .help("split the module"),
    );
}

/// A written `acquires` list must name exactly what the function acquires.
fn check_acquires(
    globals: &Globals,
    acquired: &BTreeMap<FunId, BTreeSet<DataId>>,
    known: &BTreeMap<ModId, Known>,
    diagnostics: &mut Diagnostics,
) {
    let empty = BTreeSet::new();
    for (position, info) in globals.functions.iter().enumerate() {
        let id = FunId(u32::try_from(position).expect("functions are fewer than 2^32"));
        let (Some(written), FunKind::Plain | FunKind::Native) = (&info.acquires, info.kind) else { continue };
        if known.contains_key(&info.module) {
            continue;
        }
        let inferred = acquired.get(&id).unwrap_or(&empty);
        let names = || {
            inferred.iter().map(|data| globals.datatype(*data).name.value.to_string()).collect::<Vec<_>>().join(", ")
        };
        let mut seen = BTreeSet::new();
        for (data, span) in written {
            if !seen.insert(*data) {
                diagnostics.push(Diagnostic::new(codes::BAD_ACQUIRES, *span, "this struct is listed twice"));
            } else if !inferred.contains(data) {
                let name = &globals.datatype(*data).name.value;
                diagnostics.push(
                    Diagnostic::new(codes::ACQUIRES_EXTRA, *span, format!("the function does not acquire `{name}`"))
                        .note("only borrow_global, borrow_global_mut and move_from, and calls that do so, acquire")
                        .help("remove it, or leave the whole list out: it is inferred"),
                );
            }
        }
        for data in inferred.difference(&seen) {
            let name = &globals.datatype(*data).name.value;
            diagnostics.push(
                Diagnostic::new(
                    codes::ACQUIRES_MISSING,
                    info.name.span,
                    format!("`{}` acquires `{name}`, which its list leaves out", info.name.value),
                )
                .help(format!("write `acquires {}`, or leave the whole list out: it is inferred", names())),
            );
        }
    }
}

/// Calls of `public(package)` functions: caller's and callee's module.
fn package_calls(globals: &Globals, codes: &Codes) -> Vec<(ModId, ModId)> {
    let mut calls = Vec::new();
    for (caller, code) in codes {
        let module = globals.function(*caller).module;
        for ins in &code.ops {
            if let Op::Call(callee, _) = &ins.op {
                let info = globals.function(*callee);
                if info.vis == Vis::Package && info.module != module {
                    calls.push((module, info.module));
                }
            }
        }
    }
    calls
}

/// Who calls the `public(package)` functions of each module.
fn package_callers(
    globals: &Globals,
    codes: &Codes,
    known: &BTreeMap<ModId, Known>,
) -> BTreeMap<ModId, BTreeSet<ModuleIdent>> {
    let mut callers: BTreeMap<ModId, BTreeSet<ModuleIdent>> = BTreeMap::new();
    for (caller, callee) in package_calls(globals, codes) {
        callers.entry(callee).or_default().insert(globals.module(caller).ident.clone());
    }
    for (caller, known) in known {
        for callee in &known.entry.package_calls {
            if let Some(callee) = globals.module_ids.get(callee) {
                callers.entry(*callee).or_default().insert(globals.module(*caller).ident.clone());
            }
        }
    }
    callers
}

/// Puts dependencies first; reports circles, and friends that the module depends on.
fn in_dependency_order(
    globals: &Globals,
    units: Vec<CompiledUnit>,
    diagnostics: &mut Diagnostics,
) -> Option<Vec<CompiledUnit>> {
    let positions: BTreeMap<ModuleIdent, usize> =
        units.iter().enumerate().map(|(position, unit)| (unit.ident.clone(), position)).collect();
    let edges: Vec<Vec<usize>> = units
        .iter()
        .map(|unit| {
            unit.module
                .immediate_dependencies()
                .filter_map(|id| {
                    let ident = ModuleIdent { address: id.address, name: id.name.as_str().into() };
                    positions.get(&ident).copied()
                })
                .collect()
        })
        .collect();
    let mut order = Order { edges: &edges, state: vec![Mark::New; units.len()], sorted: Vec::new(), path: Vec::new() };
    for start in 0..units.len() {
        if let Some(circle) = order.visit(start) {
            let names: Vec<String> = circle.iter().map(|position| format!("`{}`", units[*position].ident)).collect();
            let span = module_span(globals, &units[circle[0]].ident);
            diagnostics.push(
                Diagnostic::new(
                    codes::MODULE_CYCLE,
                    span,
                    format!("modules depend on each other: {}", names.join(" → ")),
                )
                .help("move what both need into a third module"),
            );
            return None;
        }
    }
    check_friend_edges(globals, &units, &edges, &positions, diagnostics);
    let mut units: Vec<Option<CompiledUnit>> = units.into_iter().map(Some).collect();
    Some(order.sorted.iter().filter_map(|position| units[*position].take()).collect())
}

fn module_span(globals: &Globals, ident: &ModuleIdent) -> crate::diagnostics::Span {
    globals.module_ids.get(ident).map(|id| globals.module(*id).name.span).unwrap_or_default()
}

fn check_friend_edges(
    globals: &Globals,
    units: &[CompiledUnit],
    edges: &[Vec<usize>],
    positions: &BTreeMap<ModuleIdent, usize>,
    diagnostics: &mut Diagnostics,
) {
    for (position, unit) in units.iter().enumerate() {
        let Some(id) = globals.module_ids.get(&unit.ident) else { continue };
        let friends = &globals.module(*id).friends;
        if friends.is_empty() {
            continue;
        }
        let mut reached = BTreeSet::new();
        let mut work = vec![position];
        while let Some(next) = work.pop() {
            work.extend(edges[next].iter().filter(|dependency| reached.insert(**dependency)));
        }
        for (friend, span) in friends {
            if positions.get(friend).is_some_and(|friend| reached.contains(friend)) {
                diagnostics.push(
                    Diagnostic::new(
                        codes::OWN_DEPENDENCY_AS_FRIEND,
                        *span,
                        format!("`{}` depends on its friend `{friend}`", unit.ident),
                    )
                    .help("a friend calls this module, so this module cannot use it"),
                );
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    New,
    Open,
    Done,
}

struct Order<'a> {
    edges: &'a [Vec<usize>],
    state: Vec<Mark>,
    sorted: Vec<usize>,
    path: Vec<usize>,
}

impl Order<'_> {
    /// Visits a module and what it depends on; a circle if there is one.
    fn visit(&mut self, position: usize) -> Option<Vec<usize>> {
        match self.state[position] {
            Mark::Done => return None,
            Mark::Open => {
                let start = self.path.iter().position(|known| *known == position).unwrap_or(0);
                let mut circle = self.path[start..].to_vec();
                circle.push(position);
                return Some(circle);
            }
            Mark::New => {}
        }
        self.state[position] = Mark::Open;
        self.path.push(position);
        for next in &self.edges[position] {
            if let Some(circle) = self.visit(*next) {
                return Some(circle);
            }
        }
        self.path.pop();
        self.state[position] = Mark::Done;
        self.sorted.push(position);
        None
    }
}
