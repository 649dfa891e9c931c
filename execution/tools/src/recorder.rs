//! Watches runs of the reference interpreter and counts.

use std::collections::BTreeMap;

use noema_bytecode::{Bytecode, CompiledModule};
use noema_execution_api::InternalGas;
use noema_types::{CodeLocation, ModuleId};
use noema_vm::{TraceFrame, Tracer};

use crate::profile::Profile;

/// The code whose execution is counted.
#[derive(Debug, Default)]
pub(crate) struct CodeIndex {
    modules: BTreeMap<ModuleId, Vec<FunctionCode>>,
    instructions: usize,
}

/// A function's place among the counters.
#[derive(Debug)]
struct FunctionCode {
    first: usize,
    is_branch: Vec<bool>,
}

impl CodeIndex {
    pub(crate) fn new<'m>(modules: impl IntoIterator<Item = &'m CompiledModule>) -> Self {
        let mut index = Self::default();
        for module in modules {
            let functions = module.function_defs.iter().map(|def| {
                let code = def.code.as_ref().map(|unit| unit.code.as_slice()).unwrap_or_default();
                let first = index.instructions;
                index.instructions += code.len();
                FunctionCode { first, is_branch: code.iter().map(is_choice).collect() }
            });
            let functions = functions.collect();
            index.modules.insert(module.self_id(), functions);
        }
        index
    }

    /// The counter of an instruction.
    pub(crate) fn counter(&self, module: &ModuleId, function: usize, offset: usize) -> Option<usize> {
        let function = self.modules.get(module)?.get(function)?;
        (offset < function.is_branch.len()).then(|| function.first + offset)
    }
}

/// Whether control can go on in more than one place.
pub(crate) const fn is_choice(instruction: &Bytecode) -> bool {
    matches!(instruction, Bytecode::BrTrue(_) | Bytecode::BrFalse(_) | Bytecode::VariantSwitch(_))
}

/// What was executed how often.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// By counter.
    pub(crate) instructions: Vec<u64>,
    /// From a choice (its counter) to the offset that came next.
    pub(crate) taken: BTreeMap<(usize, u16), u64>,
}

impl Counts {
    pub(crate) fn merge(&mut self, other: &Self) {
        let length = self.instructions.len().max(other.instructions.len());
        self.instructions.resize(length, 0);
        for (sum, count) in self.instructions.iter_mut().zip(&other.instructions) {
            *sum += count;
        }
        for (edge, count) in &other.taken {
            *self.taken.entry(*edge).or_default() += count;
        }
    }
}

/// A function that is running.
#[derive(Debug)]
struct Frame<'i> {
    code: Option<&'i FunctionCode>,
    /// The choice just made, if the last instruction was one.
    choice: Option<usize>,
}

/// Counts one run.
#[derive(Debug)]
pub(crate) struct Recorder<'i> {
    index: &'i CodeIndex,
    frames: Vec<Frame<'i>>,
    /// Gas up to the last event; what comes later belongs to the frame then on top.
    used: u64,
    pub(crate) counts: Counts,
    pub(crate) profile: Profile,
}

impl<'i> Recorder<'i> {
    pub(crate) fn new(index: &'i CodeIndex) -> Self {
        let counts = Counts { instructions: vec![0; index.instructions], taken: BTreeMap::new() };
        Self { index, frames: Vec::new(), used: 0, counts, profile: Profile::default() }
    }

    fn pay(&mut self, used: InternalGas) {
        match used.0.checked_sub(self.used) {
            Some(paid) => self.profile.pay(paid),
            None => self.profile.refund(self.used - used.0),
        }
        self.used = used.0;
    }

    /// Ends the run: what was paid last belongs to the frame still on top.
    pub(crate) fn finish(&mut self, used: InternalGas) {
        self.pay(used);
        while self.frames.pop().is_some() {
            self.profile.leave();
        }
    }
}

impl Tracer for Recorder<'_> {
    fn enter(&mut self, function: TraceFrame, used: InternalGas) {
        self.pay(used);
        let (name, code) = match &function.location {
            CodeLocation::Module(id) => {
                let code = self.index.modules.get(id).and_then(|all| all.get(usize::from(function.function)));
                (format!("{}::{}::{}", id.address.to_short_hex(), id.name, function.name), code)
            }
            CodeLocation::Script => (format!("script::{}", function.name), None),
        };
        self.profile.enter(name);
        self.frames.push(Frame { code, choice: None });
    }

    fn leave(&mut self, used: InternalGas) {
        self.pay(used);
        self.frames.pop();
        self.profile.leave();
    }

    fn at(&mut self, code_offset: u16, used: InternalGas) {
        self.pay(used);
        let Some(Frame { code: Some(code), choice }) = self.frames.last_mut() else { return };
        if let Some(from) = choice.take() {
            *self.counts.taken.entry((from, code_offset)).or_default() += 1;
        }
        let offset = usize::from(code_offset);
        if let Some(is_branch) = code.is_branch.get(offset) {
            self.counts.instructions[code.first + offset] += 1;
            *choice = is_branch.then_some(code.first + offset);
        }
    }
}
