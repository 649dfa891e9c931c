//! Campaigns: many seeds, what they showed, and the smallest program of each difference.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use noema_bytecode::disassemble;

use crate::body::Features;
use crate::compiler_peer::OfficialCompiler;
use crate::generate::{self, Program, Yield};
use crate::official::{Answer, Official, Question};
use crate::run::{self, ALL, Bench, End};
use crate::shrink::shrink;
use crate::source;
use crate::traps::{self, Verdict};
use crate::world::World;

/// What to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Programs through our interpreters.
    pub programs: u64,
    /// Programs through the official VM.
    pub official: u64,
    /// Source texts through both compilers and all machines.
    pub sources: u64,
    /// First seed.
    pub start: u64,
    /// Only this seed, and show it.
    pub one: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self { programs: 0, official: 0, sources: 0, start: fresh_seed(), one: None }
    }
}

/// A seed from the clock, below 2^48 so that it is easy to type.
#[must_use]
pub fn fresh_seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (now.as_nanos() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16
}

/// Differences shown in full, at most.
const SHOWN_MAX: u64 = 5;

/// What programs for our own interpreters may use, by seed: enums in half of them.
#[must_use]
pub fn own_features(seed: u64) -> Features {
    Features { enums: seed.is_multiple_of(2), globals: true, library: true, plain_calls: false }
}

/// What the official VM can take.
#[must_use]
pub fn official_features(seed: u64) -> Features {
    Features { enums: seed.is_multiple_of(2), globals: false, library: false, plain_calls: true }
}

/// How much less gas than needed a program is run with, too, in thousandths.
fn cuts(seed: u64) -> [u64; 2] {
    let mut dice = crate::dice::Dice::new(!seed);
    [dice.below(1000), dice.below(1000)]
}

/// Runs a campaign; gives the number of differences.
///
/// # Errors
/// If the official tool is wanted and not there.
pub fn run(options: &Options, say: &mut dyn FnMut(&str)) -> Result<u64, String> {
    let bench = Bench::new();
    if let Some(seed) = options.one {
        return one(&bench, seed, options.official > 0, say);
    }
    let programs = if options.programs + options.official + options.sources == 0 { 1_000 } else { options.programs };
    let mut differences = own(&bench, options.start, programs, say);
    if options.official > 0 {
        differences += official(&bench, options.start, options.official, say)?;
    }
    if options.sources > 0 {
        differences += sources(&bench, options.start, options.sources, say)?;
    }
    Ok(differences)
}

/// Programs through our interpreters.
pub fn own(bench: &Bench, start: u64, programs: u64, say: &mut dyn FnMut(&str)) -> u64 {
    let mut differences = 0;
    let mut statistics = Statistics::default();
    for seed in start..start + programs {
        let (program, yielded) = generate::program(seed, &bench.world, own_features(seed));
        statistics.add(&yielded);
        if let Err(error) = generate::verify(&program, &bench.library) {
            differences += 1;
            say(&format!("seed {seed}: the modules do not link: {error}"));
            continue;
        }
        statistics.count_ends(bench, &program);
        let cuts = cuts(seed);
        if let Some(words) = run::difference(bench, &program, &cuts) {
            differences += 1;
            say(&format!("seed {seed}: {words}"));
            if differences <= SHOWN_MAX {
                let shows = |candidate: &Program| {
                    generate::verify(candidate, &bench.library).is_ok()
                        && run::difference(bench, candidate, &cuts).is_some()
                };
                show(&shrink(&program, shows), say);
            }
        }
    }
    say(&format!("{programs} programs from seed {start} through {ALL:?}: {differences} differences"));
    statistics.say(say);
    differences
}

/// What a campaign reached.
#[derive(Debug, Default)]
pub struct Statistics {
    yielded: Yield,
    /// How calls ended: status and how often.
    pub ends: BTreeMap<String, u64>,
    gas: u64,
    writes: u64,
    events: u64,
}

impl Statistics {
    fn add(&mut self, yielded: &Yield) {
        self.yielded.functions += yielded.functions;
        self.yielded.refused += yielded.refused;
        self.yielded.given_up += yielded.given_up;
    }

    fn count_ends(&mut self, bench: &Bench, program: &Program) {
        let outcome = bench.run(ALL[0], program, &[]);
        self.writes += outcome.writes.0.len() as u64;
        self.events += outcome.events.len() as u64;
        for call in outcome.calls {
            self.gas += call.gas;
            let end = match call.end {
                End::Results(_) => "results".to_owned(),
                End::Failure { status, .. } => status.name().to_owned(),
                End::Broken(_) => "broken".to_owned(),
            };
            *self.ends.entry(end).or_default() += 1;
        }
    }

    fn say(&self, say: &mut dyn FnMut(&str)) {
        let Yield { functions, refused, given_up } = self.yielded;
        say(&format!("  {functions} functions generated, {refused} bodies refused on the way, {given_up} given up"));
        say(&format!("  calls: {:?}", self.ends));
        say(&format!("  gas {}, writes {}, events {}", self.gas, self.writes, self.events));
    }
}

/// Shows a program as text.
pub fn show(program: &Program, say: &mut dyn FnMut(&str)) {
    for module in &program.modules {
        say(&disassemble(module));
    }
    for (key, bytes) in &program.state {
        say(&format!("state {key:?}: {}", hex::encode(bytes)));
    }
    for call in &program.calls {
        let args: Vec<String> = call.args.iter().map(hex::encode).collect();
        let types: Vec<String> = call.type_args.iter().map(ToString::to_string).collect();
        say(&format!("call {}::{} <{}> ({})", call.module, call.function, types.join(", "), args.join(", ")));
    }
}

fn one(bench: &Bench, seed: u64, is_official: bool, say: &mut dyn FnMut(&str)) -> Result<u64, String> {
    if is_official {
        let (program, _) = generate::program(seed, &World::default(), official_features(seed));
        show(&program, say);
        let mut tool = Official::find()?;
        let words = official_difference(bench, &mut tool, &program);
        say(&format!("{words:?}"));
        return Ok(u64::from(matches!(words, Compared::Different(_))));
    }
    let (program, _) = generate::program(seed, &bench.world, own_features(seed));
    show(&program, say);
    for which in ALL {
        say(&format!("{which:?}: {:#?}", bench.run(*which, &program, &[])));
    }
    Ok(own(bench, seed, 1, say))
}

/// What a comparison with the official VM came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compared {
    /// Equal in all that both say.
    Equal,
    /// The official VM gave no verdict, or one of its own limits ended the run.
    NoVerdict(String),
    /// Different, in words.
    Different(String),
}

/// Compares every call of a program with the official VM's.
pub fn official_difference(bench: &Bench, tool: &mut Official, program: &Program) -> Compared {
    let modules: Vec<Vec<u8>> = program
        .modules
        .iter()
        .map(|module| module.serialize().expect("generated modules are within the format"))
        .collect();
    let mut compared = Compared::NoVerdict("no call that it can take".to_owned());
    for call in program.calls.iter().filter(|call| call.type_args.is_empty()) {
        let alone = Program { calls: vec![call.clone()], ..program.clone() };
        let ours = bench.run(ALL[0], &alone, &[]);
        let [ours] = ours.calls.as_slice() else { continue };
        let question = Question {
            address: "0x42",
            module: call.module.name.as_str(),
            function: call.function.as_str(),
            args: &call.args,
            modules: &modules,
        };
        match compare_with(&ours.end, &tool.ask(&question)) {
            Compared::Equal => compared = Compared::Equal,
            Compared::NoVerdict(words) if matches!(compared, Compared::NoVerdict(_)) => {
                compared = Compared::NoVerdict(words);
            }
            Compared::NoVerdict(_) => {}
            Compared::Different(words) => return Compared::Different(format!("{}: {words}", call.function)),
        }
    }
    compared
}

fn compare_with(ours: &End, theirs: &Answer) -> Compared {
    let different = || Compared::Different(format!("ours {ours:?}, official {theirs:?}"));
    match (ours, theirs) {
        (_, Answer::None(words)) => Compared::NoVerdict(words.clone()),
        // Prices and limits of size are each chain's own.
        (End::Failure { status, .. }, _) if is_own_limit(status.name()) => {
            Compared::NoVerdict(status.name().to_owned())
        }
        (_, Answer::Failure { status, .. }) if is_own_limit(status) => Compared::NoVerdict(status.clone()),
        (End::Results(results), Answer::Results(theirs)) => {
            if results.iter().map(|(_, bytes)| bytes).eq(theirs) {
                Compared::Equal
            } else {
                different()
            }
        }
        (
            End::Failure { status, sub_status, place },
            Answer::Failure { status: name, sub_status: theirs, place: at },
        ) => {
            let is_same_place = match (place, at) {
                (Some((module, function, offset)), Some((name, index, instruction))) => {
                    module.rsplit("::").next() == Some(name) && (function, offset) == (index, instruction)
                }
                (_, None) => true,
                (None, Some(_)) => false,
            };
            if status.name() == name && sub_status == theirs && is_same_place { Compared::Equal } else { different() }
        }
        _ => different(),
    }
}

fn is_own_limit(status: &str) -> bool {
    matches!(
        status,
        "OUT_OF_GAS"
            | "MEMORY_LIMIT_EXCEEDED"
            | "VM_MAX_TYPE_DEPTH_REACHED"
            | "VM_MAX_TYPE_NODES_REACHED"
            | "VM_MAX_VALUE_DEPTH_REACHED"
    )
}

/// Programs through the official VM.
///
/// # Errors
/// If the tool is not there.
pub fn official(bench: &Bench, start: u64, programs: u64, say: &mut dyn FnMut(&str)) -> Result<u64, String> {
    let mut tool = Official::find()?;
    let (mut equal, mut differences) = (0, 0);
    let mut silent: BTreeMap<String, u64> = BTreeMap::new();
    for seed in start..start + programs {
        let (program, _) = generate::program(seed, &World::default(), official_features(seed));
        match official_difference(bench, &mut tool, &program) {
            Compared::Equal => equal += 1,
            Compared::NoVerdict(words) => *silent.entry(words.chars().take(80).collect()).or_default() += 1,
            Compared::Different(words) => {
                differences += 1;
                say(&format!("seed {seed} (official): {words}"));
                if differences <= SHOWN_MAX {
                    let tool = std::cell::RefCell::new(&mut tool);
                    let shows = |candidate: &Program| {
                        generate::verify(candidate, &bench.library).is_ok()
                            && matches!(
                                official_difference(bench, &mut tool.borrow_mut(), candidate),
                                Compared::Different(_)
                            )
                    };
                    show(&shrink(&program, shows), say);
                }
            }
        }
    }
    say(&format!(
        "{programs} programs from seed {start} through the official VM: {equal} equal, {differences} differences"
    ));
    if !silent.is_empty() {
        say(&format!("  no verdict: {silent:?}"));
    }
    Ok(differences)
}

/// Source texts through both compilers; what either made through every machine.
///
/// # Errors
/// If an official tool is not there.
pub fn sources(bench: &Bench, start: u64, count: u64, say: &mut dyn FnMut(&str)) -> Result<u64, String> {
    let mut compiler = OfficialCompiler::start()?;
    let mut machine = Official::find()?;
    let mut ends: BTreeMap<String, u64> = BTreeMap::new();
    let mut differences = 0;
    for seed in start..start + count {
        let text = source::program(seed);
        match compare_source(bench, &mut compiler, &mut machine, &text) {
            Ok(end) => *ends.entry(end).or_default() += 1,
            Err(words) => {
                differences += 1;
                say(&format!("seed {seed} (source): {words}"));
                if differences <= SHOWN_MAX {
                    say(&text);
                }
            }
        }
    }
    say(&format!("{count} source texts from seed {start} through both compilers: {differences} differences; {ends:?}"));
    Ok(differences)
}

fn compare_source(
    bench: &Bench,
    compiler: &mut OfficialCompiler,
    machine: &mut Official,
    text: &str,
) -> Result<String, String> {
    let wanted = Verdict::Is(Vec::new());
    let theirs = traps::official(bench, compiler, machine, text, &wanted)?;
    let modules = match (traps::compile(text), &theirs) {
        (_, None) => return Ok("no verdict".to_owned()),
        (Err(_), Some(Verdict::Refused)) => return Ok("refused by both".to_owned()),
        (Err(failure), Some(other)) => return Err(format!("ours refuses what comes to {other:?}: {failure}")),
        // Ours is a union of dialects: it takes more, which the list of traps says case by case.
        (Ok(_), Some(Verdict::Refused)) => return Ok("refused by the official compiler only".to_owned()),
        (Ok(modules), Some(_)) => modules,
    };
    let theirs = theirs.expect("just seen");
    let bytes: Vec<_> = modules.iter().map(|module| module.serialize().expect("it is a module")).collect();
    let mut found: Vec<(String, Verdict)> = ALL
        .iter()
        .map(|which| (format!("{which:?}"), traps::run_ours(bench, *which, modules.clone(), &wanted)))
        .collect();
    found.extend(traps::run_official(machine, "0x42", &bytes).map(|verdict| ("the official VM".to_owned(), verdict)));
    match found.into_iter().find(|(_, verdict)| *verdict != theirs) {
        Some((who, verdict)) => Err(format!("official {theirs:?}, compiled by ours {verdict:?} on {who}")),
        None => Ok(match theirs {
            Verdict::Is(_) => "a value".to_owned(),
            Verdict::Fails(status, _) => status,
            Verdict::Compiles | Verdict::Refused => "no run".to_owned(),
        }),
    }
}
