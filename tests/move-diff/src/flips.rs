//! Flips bits and bytes of real modules and compares our verdict with the official verifier's.
//!
//! The modules are the standard library's and those that the official compiler made (what the official tool can take:
//! no global storage, no natives), and generated ones. Each gets a function `probe` of no arguments: calling it makes
//! the official tool read and verify the module, and say nothing else. A flip that takes `probe`, or the module's name,
//! away cannot be judged and is drawn again.

use std::collections::BTreeMap;
use std::sync::Arc;

use noema_bytecode::{
    Bytecode, CodeUnit, CompiledModule, FunctionDefinition, FunctionHandle, FunctionHandleIndex, IdentifierIndex,
    Signature, SignatureIndex, Version, Visibility,
};
use noema_types::{Address, Identifier, ModuleId};
use noema_verifier::{Limits, verify_linked, verify_module};

use crate::campaign::official_features;
use crate::dice::Dice;
use crate::generate;
use crate::official::{Answer, Official, Question};
use crate::world::World;

/// What a verifier says of bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// They are no module.
    Unreadable,
    /// They are a module that breaks a rule, by the name of the status.
    Rejected(String),
    /// They are a sound module.
    Accepted,
}

/// A module to flip bits of, and what it is verified with.
#[derive(Debug, Clone)]
pub struct Subject {
    /// What it is called in reports.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
    id: ModuleId,
    others: Vec<CompiledModule>,
    other_bytes: Vec<Vec<u8>>,
}

/// A difference of verdicts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    /// What ours says, with its words.
    pub ours: (Verdict, String),
    /// What the official one says.
    pub theirs: Verdict,
}

/// What a campaign came to.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Flips judged by both.
    pub judged: u64,
    /// Flips of which the official tool said nothing.
    pub silent: BTreeMap<String, u64>,
    /// Verdicts that both gave, and how often.
    pub equal: BTreeMap<Verdict, u64>,
    /// Differences: both verdicts, how often, and the first: subject and bytes.
    pub different: BTreeMap<(Verdict, Verdict), (u64, String, Vec<u8>)>,
}

const PROBE: &str = "probe";
const OFFICIAL: [(&str, &[u8]); 3] = [
    ("shapes", include_bytes!("../../../execution/bytecode/tests/fixtures/shapes.mv")),
    ("plain_sui7", include_bytes!("../../../execution/bytecode/tests/fixtures/plain_sui7.mv")),
    ("plain_v6", include_bytes!("../../../execution/bytecode/tests/fixtures/plain_v6.mv")),
];

/// Address that library modules are moved to: the official tool has its own at 0x1.
fn relocated() -> Address {
    let mut bytes = [0; 32];
    bytes[31] = 0x42;
    Address(bytes)
}

/// Adds a public function without arguments that returns at once.
fn add_probe(module: &mut CompiledModule) {
    let name = Identifier::new(PROBE).expect("a word");
    module.identifiers.push(name);
    let empty = module.signatures.iter().position(|one| one.0.is_empty()).unwrap_or_else(|| {
        module.signatures.push(Signature(Vec::new()));
        module.signatures.len() - 1
    });
    let empty = SignatureIndex::new(empty);
    module.function_handles.push(FunctionHandle {
        module: module.self_module_handle,
        name: IdentifierIndex::new(module.identifiers.len() - 1),
        parameters: empty,
        return_: empty,
        type_parameters: Vec::new(),
    });
    module.function_defs.push(FunctionDefinition {
        function: FunctionHandleIndex::new(module.function_handles.len() - 1),
        visibility: Visibility::Public,
        is_entry: false,
        acquires: Vec::new(),
        code: Some(CodeUnit { locals: empty, code: vec![Bytecode::Ret], jump_tables: Vec::new() }),
    });
}

fn has_probe(module: &CompiledModule) -> bool {
    module.find_function(PROBE).is_some_and(|(_, def)| {
        let handle = module.function_handle_at(def.function);
        def.visibility == Visibility::Public
            && module.signature_at(handle.parameters).is_empty()
            && module.signature_at(handle.return_).is_empty()
            && handle.type_parameters.is_empty()
    })
}

/// Whether the instruction is one of global storage, which Sui's reader refuses.
fn is_global(instruction: &Bytecode) -> bool {
    matches!(
        instruction,
        Bytecode::Exists(_)
            | Bytecode::ExistsGeneric(_)
            | Bytecode::MoveFrom(_)
            | Bytecode::MoveFromGeneric(_)
            | Bytecode::MoveTo(_)
            | Bytecode::MoveToGeneric(_)
            | Bytecode::MutBorrowGlobal(_)
            | Bytecode::MutBorrowGlobalGeneric(_)
            | Bytecode::ImmBorrowGlobal(_)
            | Bytecode::ImmBorrowGlobalGeneric(_)
    )
}

fn uses_globals(module: &CompiledModule) -> bool {
    module.function_defs.iter().filter_map(|def| def.code.as_ref()).any(|unit| unit.code.iter().any(is_global))
}

/// Whether the official tool can take it: no global storage, no natives, nothing of the framework's.
fn is_plain(module: &CompiledModule) -> bool {
    module.function_defs.iter().all(|def| def.code.is_some()) && !uses_globals(module)
}

/// A subject of modules at one address: the first is the one whose bits are flipped.
fn subject(name: &str, mut module: CompiledModule, mut others: Vec<CompiledModule>) -> Subject {
    module.metadata.clear();
    for other in &mut others {
        other.metadata.clear();
    }
    add_probe(&mut module);
    let write = |module: &CompiledModule| module.serialize().expect("it was read or generated");
    Subject {
        name: name.to_owned(),
        bytes: write(&module),
        id: module.self_id(),
        other_bytes: others.iter().map(write).collect(),
        others,
    }
}

/// Modules to flip bits of: those of the library that the official tool accepts, those of the official compiler, and
/// `generated` made ones, from `seed` on.
pub fn subjects(
    library: &BTreeMap<ModuleId, Arc<CompiledModule>>,
    seed: u64,
    generated: u64,
    tool: &mut Official,
) -> Vec<Subject> {
    let mut found = Vec::new();
    let mut plain: BTreeMap<ModuleId, CompiledModule> = BTreeMap::new();
    for (id, module) in library {
        if is_plain(module) {
            plain.insert(id.clone(), (**module).clone());
        }
    }
    // Only modules whose dependencies are plain too.
    loop {
        let lacking: Vec<ModuleId> = plain
            .iter()
            .filter(|(_, module)| module.immediate_dependencies().any(|other| !plain.contains_key(&other)))
            .map(|(id, _)| id.clone())
            .collect();
        if lacking.is_empty() {
            break;
        }
        for id in lacking {
            plain.remove(&id);
        }
    }
    for module in plain.values_mut() {
        for address in module.address_identifiers.iter_mut().filter(|one| **one == Address::ONE) {
            *address = relocated();
        }
        module.friend_decls.clear();
    }
    for (id, module) in &plain {
        let others = plain.iter().filter(|(other, _)| *other != id).map(|(_, other)| other.clone()).collect();
        found.push(subject(id.name.as_str(), module.clone(), others));
    }
    for (name, bytes) in OFFICIAL {
        let module = CompiledModule::deserialize(bytes).expect("the fixtures are modules");
        found.push(subject(name, module, Vec::new()));
    }
    for seed in seed..seed + generated {
        let (program, _) = generate::program(seed, &World::default(), official_features(seed));
        let mut modules = program.modules;
        let Some(last) = modules.pop() else { continue };
        found.push(subject(&format!("generated {seed}"), last, modules));
    }
    // What either does not take as it is says nothing when it is flipped.
    found.retain(|one| matches!(judge(one, &one.bytes), Some((Verdict::Accepted, _))));
    found.retain(|one| ask(tool, one, &one.bytes) == Ok(Verdict::Accepted));
    found
}

/// Our verdict on a changed subject, in one word and in many; `None` if the official tool cannot be asked about it.
#[must_use]
pub fn judge(subject: &Subject, bytes: &[u8]) -> Option<(Verdict, String)> {
    let module = match CompiledModule::deserialize(bytes) {
        Ok(module) => module,
        Err(error) => return Some((Verdict::Unreadable, error.to_string())),
    };
    if module.self_id() != subject.id || !has_probe(&module) || module.version == Version::V5 || uses_globals(&module) {
        return None;
    }
    let verdict = verify_module(&module, &Limits::default()).and_then(|()| {
        let mut all: BTreeMap<ModuleId, Arc<CompiledModule>> =
            subject.others.iter().map(|one| (one.self_id(), Arc::new(one.clone()))).collect();
        all.insert(module.self_id(), Arc::new(module.clone()));
        // The tool links what the module uses, not what uses it.
        verify_linked(&module, &all, &Limits::default())
    });
    Some(match verdict {
        Ok(()) => (Verdict::Accepted, String::new()),
        Err(error) => (Verdict::Rejected(error.status.name().to_owned()), error.to_string()),
    })
}

/// The official verdict.
///
/// # Errors
/// What the tool said if that is no verdict.
pub fn ask(tool: &mut Official, subject: &Subject, bytes: &[u8]) -> Result<Verdict, String> {
    let address = subject.id.address.to_short_hex();
    let mut modules = vec![bytes.to_vec()];
    modules.extend(subject.other_bytes.iter().cloned());
    let question =
        Question { address: &address, module: subject.id.name.as_str(), function: PROBE, args: &[], modules: &modules };
    match tool.ask(&question) {
        Answer::Results(_) => Ok(Verdict::Accepted),
        Answer::Rejected(status) => Ok(Verdict::Rejected(older_name(&status).to_owned())),
        Answer::Failure { status, .. } => Ok(Verdict::Rejected(older_name(&status).to_owned())),
        Answer::Unreadable => Ok(Verdict::Unreadable),
        Answer::None(words) => Err(words),
    }
}

/// The name of a status before Sui renamed it.
fn older_name(name: &str) -> &str {
    match name {
        "FIELD_EXISTS_MUTABLE_BORROW_ERROR" => "BORROWFIELD_EXISTS_MUTABLE_BORROW_ERROR",
        other => other,
    }
}

/// Where the function definitions are: most of the rules are about them.
fn code_range(bytes: &[u8]) -> Option<std::ops::Range<usize>> {
    let mut at = 8;
    let mut number = || {
        let (mut value, mut shift) = (0usize, 0);
        loop {
            let byte = *bytes.get(at)?;
            at += 1;
            value |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
    };
    let tables = number()?;
    let mut functions = None;
    for _ in 0..tables {
        let (kind, start, length) = (number()?, number()?, number()?);
        if kind == 0xc {
            functions = Some(start..start + length);
        }
    }
    let functions = functions?;
    Some(at + functions.start..at + functions.end)
}

/// Changes one to three bits or bytes.
#[must_use]
pub fn flip(bytes: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut flipped = bytes.to_vec();
    // Behind the magic and the version: what those do is tested elsewhere.
    let code = code_range(bytes).filter(|_| dice.percent(60)).unwrap_or(8..bytes.len());
    let at = |dice: &mut Dice| code.start + dice.index(code.len());
    match dice.below(10) {
        0..6 => flipped[at(dice)] ^= 1 << dice.below(8),
        6 | 7 => {
            let value = dice.any() as u8;
            flipped[at(dice)] = value;
        }
        8 => {
            let (one, other) = (at(dice), at(dice));
            flipped.swap(one, other);
        }
        _ => {
            for _ in 0..2 {
                flipped[at(dice)] ^= 1 << dice.below(8);
            }
        }
    }
    flipped
}

/// Runs so many flips.
///
/// # Errors
/// If the official tool is not there.
pub fn run(
    library: &BTreeMap<ModuleId, Arc<CompiledModule>>,
    seed: u64,
    flips: u64,
    say: &mut dyn FnMut(&str),
) -> Result<Report, String> {
    let mut tool = Official::find()?;
    let mut dice = Dice::new(seed);
    let subjects = subjects(library, seed, (flips / 200).clamp(3, 100), &mut tool);
    let names: Vec<&str> = subjects.iter().map(|one| one.name.as_str()).filter(|name| !name.contains(' ')).collect();
    say(&format!("{} modules, among them {}", subjects.len(), names.join(", ")));
    let mut report = Report::default();
    while report.judged < flips {
        let subject = dice.pick(&subjects);
        let bytes = flip(&subject.bytes, &mut dice);
        let Some((ours, words)) = judge(subject, &bytes) else { continue };
        let theirs = match ask(&mut tool, subject, &bytes) {
            Ok(theirs) => theirs,
            Err(words) => {
                *report.silent.entry(words.chars().take(100).collect()).or_default() += 1;
                continue;
            }
        };
        report.judged += 1;
        if ours == theirs {
            *report.equal.entry(ours).or_default() += 1;
        } else {
            let entry = report
                .different
                .entry((ours, theirs))
                .or_insert_with(|| (0, format!("{}: {words}", subject.name), bytes));
            entry.0 += 1;
        }
    }
    Ok(report)
}

impl Report {
    /// Says it all.
    pub fn say(&self, say: &mut dyn FnMut(&str)) {
        let equal: u64 = self.equal.values().sum();
        say(&format!("{} flips judged by both: {equal} equal, {} differ", self.judged, self.judged - equal));
        for (verdict, count) in &self.equal {
            say(&format!("  {count:7}  {verdict:?}"));
        }
        for ((ours, theirs), (count, first, bytes)) in &self.different {
            say(&format!("  {count:7}  ours {ours:?}, official {theirs:?}; first: {first}"));
            say(&format!("           {}", hex::encode(bytes)));
        }
        if !self.silent.is_empty() {
            say(&format!("  no verdict of the official tool: {:?}", self.silent));
        }
    }
}

/// Whether a difference is one of those that `execution/verifier/README.md` explains.
#[must_use]
pub fn is_explained((ours, theirs): &(Verdict, Verdict)) -> bool {
    let Verdict::Rejected(ours) = ours else { return false };
    match theirs {
        // A dependency that does not exist: ours is the linking pass' word, theirs the loader's.
        Verdict::Rejected(theirs) if ours == "MISSING_DEPENDENCY" => theirs == "LINKER_ERROR",
        // The tool runs without a limit of pushes in a block.
        _ => ours == "VALUE_STACK_PUSH_OVERFLOW",
    }
}
