//! Results of earlier runs: modules that have not changed are not compiled again.
//!
//! A module is found under the hash of all it depends on: the compiler's version, the options, the text of its own file,
//! the values of its named addresses, and the interfaces of every other file. A file's interface is its text without the
//! bodies of plain functions; a file with inline functions or macros is its own interface as a whole, since their bodies
//! go where they are called. So a wrong hit would need a collision of hashes. An entry carries the hash of its own
//! bytes: what is cut off, changed or of another format counts as not there. Modules with warnings are not kept, so that
//! the warnings come again.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use noema_bytecode::CompiledModule;
use noema_types::{Address, Hash};

use crate::diagnostics::{FileId, Files, Span, Symbol};
use crate::emit::{FunctionMap, SourceMap};
use crate::expand::ast::{Edition, ModuleIdent, Program};
use crate::limits::CACHE_ENTRIES_MAX;
use crate::parse::ast::{FunctionBody, FunctionKind};

use super::Options;

/// Changes with the compiler: entries of other versions are not found.
const FORMAT: &str = concat!("noema-compiler ", env!("CARGO_PKG_VERSION"), " cache 1");

/// Where results are kept between runs. Losing or damaging entries costs time and nothing else.
pub trait Cache {
    /// The entry of a key, if there is one.
    fn get(&self, key: &Hash) -> Option<Vec<u8>>;
    /// Keeps an entry, if possible.
    fn put(&self, key: &Hash, entry: &[u8]);
}

/// Keeps each entry as a file of a folder, which is made when first needed.
#[derive(Clone, Debug)]
pub struct FolderCache {
    folder: PathBuf,
}

impl FolderCache {
    /// A cache in `folder`. What earlier versions of the sources left there is removed once it is much.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        let folder = folder.into();
        if std::fs::read_dir(&folder).is_ok_and(|entries| entries.count() > CACHE_ENTRIES_MAX) {
            let _ = std::fs::remove_dir_all(&folder);
        }
        Self { folder }
    }

    fn path(&self, key: &Hash) -> PathBuf {
        let name: String = key.0.iter().map(|byte| format!("{byte:02x}")).collect();
        self.folder.join(name)
    }
}

impl Cache for FolderCache {
    fn get(&self, key: &Hash) -> Option<Vec<u8>> {
        std::fs::read(self.path(key)).ok()
    }

    fn put(&self, key: &Hash, entry: &[u8]) {
        let path = self.path(key);
        let unfinished = path.with_extension(format!("{}.new", std::process::id()));
        // Renaming is atomic: whoever reads at the same time sees all of an entry or none. Errors cost only time.
        let _ = std::fs::create_dir_all(&self.folder)
            .and_then(|()| std::fs::write(&unfinished, entry))
            .and_then(|()| std::fs::rename(&unfinished, &path));
    }
}

/// The keys of all modules of a program.
pub(super) fn keys(program: &Program, files: &Files, options: Options) -> BTreeMap<ModuleIdent, Hash> {
    let interfaces = interfaces(program, files);
    let all: Vec<&[u8]> = interfaces.values().map(|hash| hash.0.as_slice()).collect();
    // One hash for everyone else's interface and the own one: a change of the own interface changes the own text too.
    let everyone = Hash::sha3(&all);
    let mode = [u8::from(options.test)];
    program
        .modules
        .iter()
        .map(|(ident, module)| {
            let text = files.get(module.span.file).map_or("", |file| &*file.text);
            let mut addresses = Vec::new();
            for (name, value) in module.addresses.iter() {
                put_bytes(&mut addresses, name.as_bytes());
                addresses.extend_from_slice(&value.0);
            }
            let edition = match module.edition {
                Edition::Noema => "noema",
                Edition::Legacy => "legacy",
                Edition::E2024 => "2024",
            };
            let parts = [
                FORMAT.as_bytes(),
                &mode,
                edition.as_bytes(),
                &ident.address.0,
                ident.name.as_bytes(),
                &Hash::sha3(&[text.as_bytes()]).0,
                &Hash::sha3(&[&addresses]).0,
                &everyone.0,
                module.package.as_bytes(),
                &[u8::from(module.is_target)],
            ];
            // Each part behind its length, so that no two lists of parts are one text.
            let mut whole = Vec::new();
            parts.iter().for_each(|part| put_bytes(&mut whole, part));
            (ident.clone(), Hash::sha3(&[&whole]))
        })
        .collect()
}

/// The hash of each file's interface, by path.
fn interfaces(program: &Program, files: &Files) -> BTreeMap<Symbol, Hash> {
    let mut bodies: BTreeMap<FileId, Option<Vec<Span>>> = BTreeMap::new();
    for module in program.modules.values() {
        let known = bodies.entry(module.span.file).or_insert_with(|| Some(Vec::new()));
        for function in &module.functions {
            match (&function.item.body, function.item.kind, &mut *known) {
                (FunctionBody::Block(block), FunctionKind::Plain, Some(spans)) => spans.push(block.span),
                (FunctionBody::Native(_), ..) | (_, FunctionKind::Plain, None) => {}
                _ => *known = None,
            }
        }
    }
    let mut interfaces = BTreeMap::new();
    for (file, spans) in bodies {
        let Some(entry) = files.get(file) else { continue };
        let mut spans = spans.unwrap_or_default();
        spans.sort();
        let mut whole = Vec::new();
        let mut from = 0;
        for span in spans {
            put_bytes(&mut whole, entry.text.get(from..span.start as usize).unwrap_or_default().as_bytes());
            from = span.end as usize;
        }
        put_bytes(&mut whole, entry.text.get(from..).unwrap_or_default().as_bytes());
        interfaces.insert(Symbol::from(&*entry.path), Hash::sha3(&[entry.path.as_bytes(), &whole]));
    }
    interfaces
}

/// What is kept of a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) bytes: Vec<u8>,
    pub(super) source_map: SourceMap,
    /// Modules whose `public(package)` functions it calls.
    pub(super) package_calls: BTreeSet<ModuleIdent>,
    /// Modules that call its own: they are among its friends.
    pub(super) package_callers: BTreeSet<ModuleIdent>,
}

impl Entry {
    /// The bytes of the entry; spans keep the paths of their files.
    pub(super) fn encode(&self, files: &Files) -> Vec<u8> {
        let mut out = Vec::new();
        put_bytes(&mut out, &self.bytes);
        for idents in [&self.package_calls, &self.package_callers] {
            put_length(&mut out, idents.len());
            for ident in idents {
                out.extend_from_slice(&ident.address.0);
                put_bytes(&mut out, ident.name.as_bytes());
            }
        }
        let mut paths: Vec<FileId> = Vec::new();
        let mut body = Vec::new();
        put_length(&mut body, self.source_map.functions.len());
        for function in &self.source_map.functions {
            put_bytes(&mut body, function.name.as_bytes());
            put_span(&mut body, &mut paths, function.span);
            for names in [&function.type_params, &function.params, &function.locals] {
                put_length(&mut body, names.len());
                names.iter().for_each(|name| put_bytes(&mut body, name.as_bytes()));
            }
            put_length(&mut body, function.code.len());
            function.code.iter().for_each(|span| put_span(&mut body, &mut paths, *span));
        }
        put_length(&mut out, paths.len());
        paths.iter().for_each(|file| put_bytes(&mut out, files.path(*file).as_bytes()));
        out.extend_from_slice(&body);
        let mut whole = Hash::sha3(&[&out]).0.to_vec();
        whole.extend_from_slice(&out);
        whole
    }

    /// Reads an entry; `None` if it is damaged or speaks of files that are not there.
    pub(super) fn decode(bytes: &[u8], files: &BTreeMap<&str, FileId>) -> Option<Self> {
        let (sum, rest) = bytes.split_at_checked(Hash::LENGTH)?;
        if Hash::sha3(&[rest]).0 != sum {
            return None;
        }
        let mut reader = Reader { rest };
        let binary = reader.bytes()?.to_vec();
        let package_calls = reader.idents()?;
        let package_callers = reader.idents()?;
        let count = reader.length()?;
        let mut paths = Vec::new();
        for _ in 0..count {
            paths.push(*files.get(std::str::from_utf8(reader.bytes()?).ok()?)?);
        }
        let mut functions = Vec::new();
        for _ in 0..reader.length()? {
            functions.push(FunctionMap {
                name: reader.symbol()?,
                span: reader.span(&paths)?,
                type_params: reader.symbols()?,
                params: reader.symbols()?,
                locals: reader.symbols()?,
                code: {
                    let mut code = Vec::new();
                    for _ in 0..reader.length()? {
                        code.push(reader.span(&paths)?);
                    }
                    code
                },
            });
        }
        let is_whole = reader.rest.is_empty();
        let source_map = SourceMap { functions };
        is_whole.then_some(Self { bytes: binary, source_map, package_calls, package_callers })
    }

    /// The module, if the binary is one.
    pub(super) fn module(&self) -> Option<CompiledModule> {
        CompiledModule::deserialize(&self.bytes).ok()
    }
}

fn put_length(out: &mut Vec<u8>, length: usize) {
    out.extend_from_slice(&u32::try_from(length).expect("tables of one module are small").to_le_bytes());
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_length(out, bytes.len());
    out.extend_from_slice(bytes);
}

fn put_span(out: &mut Vec<u8>, paths: &mut Vec<FileId>, span: Span) {
    let file = paths.iter().position(|known| *known == span.file).unwrap_or_else(|| {
        paths.push(span.file);
        paths.len() - 1
    });
    put_length(out, file);
    out.extend_from_slice(&span.start.to_le_bytes());
    out.extend_from_slice(&span.end.to_le_bytes());
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn number(&mut self) -> Option<u32> {
        let (bytes, rest) = self.rest.split_first_chunk::<4>()?;
        self.rest = rest;
        Some(u32::from_le_bytes(*bytes))
    }

    fn length(&mut self) -> Option<usize> {
        usize::try_from(self.number()?).ok()
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.length()?;
        let (bytes, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(bytes)
    }

    fn symbol(&mut self) -> Option<Symbol> {
        std::str::from_utf8(self.bytes()?).ok().map(Symbol::from)
    }

    fn symbols(&mut self) -> Option<Vec<Symbol>> {
        let mut symbols = Vec::new();
        for _ in 0..self.length()? {
            symbols.push(self.symbol()?);
        }
        Some(symbols)
    }

    fn span(&mut self, paths: &[FileId]) -> Option<Span> {
        let file = *paths.get(self.length()?)?;
        Some(Span::new(file, self.number()?, self.number()?))
    }

    fn idents(&mut self) -> Option<BTreeSet<ModuleIdent>> {
        let mut idents = BTreeSet::new();
        for _ in 0..self.length()? {
            let (address, rest) = self.rest.split_first_chunk::<{ Address::LENGTH }>()?;
            self.rest = rest;
            idents.insert(ModuleIdent { address: Address(*address), name: self.symbol()? });
        }
        Some(idents)
    }
}
