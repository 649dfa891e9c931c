//! Feeds the reader and the verifier bytes that nobody made on purpose: no panic, and no input that takes longer than
//! its meter allows.
//!
//! Inputs are random bytes, modules with changed bytes, modules cut and joined, and modules whose tables were changed
//! and written again (so that they get past the reader). The verifier's time is held against what its meter charged:
//! an input whose time exceeds a constant plus so much for each byte and each unit is reported. Time is measured, so
//! the bound is wide and the slowest inputs are measured again before they count.

use std::time::{Duration, Instant};

use noema_bytecode::{Bytecode, CompiledModule, CompiledScript, SignatureToken};
use noema_verifier::{Limits, verify_module, verify_script};

use crate::campaign::own_features;
use crate::dice::Dice;
use crate::generate;
use crate::run::Bench;

/// What a campaign came to.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Inputs tried.
    pub inputs: u64,
    /// Of these, what the reader took.
    pub read: u64,
    /// Of these, what the verifier accepted.
    pub accepted: u64,
    /// The slowest input, its time and length.
    pub slowest: (Duration, usize),
    /// Inputs that took longer than they may, three times in a row.
    pub too_slow: Vec<(Duration, Vec<u8>)>,
}

/// Time for any input at all.
const BASE: Duration = Duration::from_millis(20);
/// Time for each byte: what the passes do that is linear in the module.
const PER_BYTE: Duration = Duration::from_micros(5);
/// Units of the meter that a millisecond covers, at least.
const UNITS_PER_MS: u64 = 4_000;

/// What the time of an input may be: constant, linear, and all that the meter allows a module.
#[must_use]
pub fn time_max(length: usize, units: u64) -> Duration {
    BASE + PER_BYTE * u32::try_from(length).unwrap_or(u32::MAX) + Duration::from_millis(units / UNITS_PER_MS)
}

/// Valid modules to start from.
#[must_use]
pub fn seeds(bench: &Bench, seed: u64) -> Vec<Vec<u8>> {
    let write = |module: &CompiledModule| module.serialize().expect("it was compiled or generated");
    let mut all: Vec<Vec<u8>> = bench.library.values().map(|module| write(module)).collect();
    for seed in seed..seed + 60 {
        let (program, _) = generate::program(seed, &bench.world, own_features(seed));
        all.extend(program.modules.iter().map(write));
    }
    all
}

/// Tries inputs for so long.
#[must_use]
pub fn run(bench: &Bench, seed: u64, time: Duration) -> Report {
    let mut dice = Dice::new(seed);
    let valid = seeds(bench, seed);
    let start = Instant::now();
    let mut report = Report::default();
    while start.elapsed() < time {
        for _ in 0..64 {
            let input = input(&valid, &mut dice);
            try_one(&input, &mut report);
        }
    }
    report
}

/// Reads and verifies one input and notes its time.
pub fn try_one(input: &[u8], report: &mut Report) {
    let started = Instant::now();
    let (was_read, was_accepted) = judge(input);
    let mut took = started.elapsed();
    report.inputs += 1;
    report.read += u64::from(was_read);
    report.accepted += u64::from(was_accepted);
    if took > report.slowest.0 {
        report.slowest = (took, input.len());
    }
    // All that any module may use: what it did use is less, and not known outside.
    let allowed = time_max(input.len(), Limits::default().meter_units_per_module);
    for _ in 0..3 {
        if took <= allowed {
            return;
        }
        let again = Instant::now();
        judge(input);
        took = took.min(again.elapsed());
    }
    report.too_slow.push((took, input.to_vec()));
}

fn judge(input: &[u8]) -> (bool, bool) {
    if let Ok(script) = CompiledScript::deserialize(input) {
        let _ = verify_script(&script, &Limits::default());
        return (true, false);
    }
    let Ok(module) = CompiledModule::deserialize(input) else { return (false, false) };
    let again = module.serialize().expect("what was read can be written");
    assert_eq!(CompiledModule::deserialize(&again).as_ref(), Ok(&module), "what was written reads as it was");
    (true, verify_module(&module, &Limits::default()).is_ok())
}

/// An input.
#[must_use]
pub fn input(valid: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    match dice.below(20) {
        0 => {
            let length = dice.index(300);
            let mut bytes = dice.bytes(length);
            // Past the magic and the version.
            if length > 9 && dice.percent(80) {
                bytes[..8].copy_from_slice(&[0xa1, 0x1c, 0xeb, 0x0b, *dice.pick(&[5, 6, 7]), 0, 0, 0]);
            }
            bytes
        }
        1 => {
            let (one, other) = (dice.pick(valid), dice.pick(valid));
            let (head, tail) = (dice.index(one.len()), dice.index(other.len()));
            [&one[..head], &other[tail..]].concat()
        }
        2..10 => {
            let mut bytes = dice.pick(valid).clone();
            for _ in 0..dice.between(1, 4) {
                let at = dice.index(bytes.len());
                bytes[at] = dice.any() as u8;
            }
            bytes
        }
        _ => changed_tables(valid, dice),
    }
}

/// A valid module with entries of its tables changed within their bounds.
fn changed_tables(valid: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let bytes = dice.pick(valid);
    let mut module = CompiledModule::deserialize(bytes).expect("it is valid");
    for _ in 0..dice.between(1, 4) {
        change(&mut module, dice);
    }
    module.serialize().unwrap_or_else(|_| bytes.clone())
}

fn change(module: &mut CompiledModule, dice: &mut Dice) {
    let signatures = module.signatures.len();
    let bodies: Vec<usize> =
        (0..module.function_defs.len()).filter(|at| module.function_defs[*at].code.is_some()).collect();
    match dice.below(8) {
        0 if signatures > 0 => {
            let from = dice.index(signatures);
            let to = dice.index(signatures);
            let token = module.signatures[from].0.first().cloned();
            if let Some(token) = token {
                let wrapped = if dice.percent(50) { SignatureToken::Vector(Box::new(token)) } else { token };
                module.signatures[to].0.push(wrapped);
            }
        }
        1 if !module.function_handles.is_empty() => {
            let at = dice.index(module.function_handles.len());
            let signature = noema_bytecode::SignatureIndex::new(dice.index(signatures.max(1)));
            if dice.percent(50) {
                module.function_handles[at].parameters = signature;
            } else {
                module.function_handles[at].return_ = signature;
            }
        }
        2 if !module.datatype_handles.is_empty() => {
            let at = dice.index(module.datatype_handles.len());
            let bits = dice.below(16) as u8;
            module.datatype_handles[at].abilities = noema_bytecode::AbilitySet::from_bits(bits).expect("four bits");
        }
        _ if !bodies.is_empty() => {
            let (one, other) = (*dice.pick(&bodies), *dice.pick(&bodies));
            let donor = module.function_defs[other].code.clone().expect("it has a body").code;
            let unit = module.function_defs[one].code.as_mut().expect("it has a body");
            change_code(&mut unit.code, &donor, dice);
        }
        _ => {}
    }
}

fn change_code(code: &mut Vec<Bytecode>, donor: &[Bytecode], dice: &mut Dice) {
    if code.is_empty() || donor.is_empty() {
        return;
    }
    let at = dice.index(code.len());
    match dice.below(6) {
        0 => code[at] = dice.pick(donor).clone(),
        1 => drop(code.remove(at)),
        2 => code.insert(at, dice.pick(donor).clone()),
        3 => {
            let other = dice.index(code.len());
            code.swap(at, other);
        }
        4 => {
            let from = dice.index(donor.len());
            let to = (from + dice.index(12)).min(donor.len());
            let piece = donor[from..to].to_vec();
            code.splice(at..at, piece);
        }
        _ => {
            let target = dice.index(code.len()) as u16;
            code[at] =
                dice.pick(&[Bytecode::Branch(target), Bytecode::BrTrue(target), Bytecode::BrFalse(target)]).clone();
        }
    }
    if code.is_empty() {
        code.push(Bytecode::Ret);
    }
}

impl Report {
    /// Says it all.
    pub fn say(&self, say: &mut dyn FnMut(&str)) {
        say(&format!(
            "{} inputs, {} read, {} accepted; the slowest took {:?} ({} bytes); {} slower than they may be",
            self.inputs,
            self.read,
            self.accepted,
            self.slowest.0,
            self.slowest.1,
            self.too_slow.len()
        ));
        for (took, bytes) in &self.too_slow {
            say(&format!("  {took:?}: {}", hex::encode(bytes)));
        }
    }
}
