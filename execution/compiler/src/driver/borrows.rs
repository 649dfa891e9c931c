//! Finds both ends of a conflict between borrows: where the reference in the way was made, and where it is used later.
//!
//! The verifier says only which instruction it refuses. This walks the function's code once more, and keeps for each
//! reference which places it may point into and which instruction made it. The walk decides nothing: if it finds no
//! culprit, the message stands without one.

use std::collections::{BTreeMap, BTreeSet};

use noema_bytecode::{Bytecode, CodeUnit, CompiledModule, FunctionDefinition, SignatureToken};

use crate::diagnostics::Span;
use crate::emit::FunctionMap;

/// How often a block is walked at most: sets only grow, so this is never reached by code of sane size.
const ROUNDS_MAX: usize = 10_000;

/// What a reference points into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Root {
    Local(u8),
    Param(u8),
    Global(u16),
}

/// A root and the instruction that made the reference into it, if any did.
type Loan = (Root, Option<usize>);
type Loans = BTreeSet<Loan>;

/// The two ends of a conflict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Culprit {
    /// Where the reference in the way was made.
    pub(super) made: Option<Span>,
    /// Where it is used later.
    pub(super) used: Option<Span>,
    /// The local that holds it, if it has a name.
    pub(super) name: Option<String>,
    /// The local that is in conflict, if it has a name.
    pub(super) place: Option<String>,
}

/// Explains the refusal of the instruction at `offset` of the function at `position`.
pub(super) fn culprit(module: &CompiledModule, position: usize, map: &FunctionMap, offset: usize) -> Option<Culprit> {
    let definition = module.function_defs.get(position)?;
    let unit = definition.code.as_ref()?;
    let walk = Walk::new(module, definition, unit);
    let state = walk.state_before(offset)?;
    let op = unit.code.get(offset)?;
    let operands = walk.pops(op).min(state.stack.len());
    let below = state.stack.len() - operands;
    let wanted: BTreeSet<Root> = match op {
        Bytecode::MoveLoc(local)
        | Bytecode::CopyLoc(local)
        | Bytecode::StLoc(local)
        | Bytecode::MutBorrowLoc(local)
        | Bytecode::ImmBorrowLoc(local) => [Root::Local(*local)].into(),
        _ => match global(op, module) {
            Some(root) => [root].into(),
            None => state.stack[below..].iter().flatten().map(|(root, _)| *root).collect(),
        },
    };
    // A reference in another operand, one that waits on the stack, or one in a local that is read later.
    let is_call = matches!(op, Bytecode::Call(_) | Bytecode::CallGeneric(_));
    let last_operand = if is_call { state.stack.len() } else { below };
    let mut found: Option<Culprit> = None;
    for (slot, loans) in state.locals.iter().enumerate() {
        let Some(made) = matching(loans, &wanted) else { continue };
        let Some(used) = walk.next_read(offset, slot) else { continue };
        found =
            Some(Culprit { made: span(map, made), used: span(map, Some(used)), name: name(map, slot), place: None });
    }
    if found.is_none() {
        let hit = state.stack[..last_operand]
            .iter()
            .enumerate()
            .rev()
            .filter_map(|(height, loans)| Some((height, matching(loans, &wanted)?)))
            .next();
        if let Some((height, made)) = hit {
            let used = if height >= below { Some(offset) } else { walk.consumer(offset, state.stack.len(), height) };
            found = Some(Culprit { made: span(map, made), used: span(map, used), name: None, place: None });
        }
    }
    let mut found = found?;
    found.place = wanted.iter().find_map(|root| match root {
        Root::Local(slot) | Root::Param(slot) => name(map, usize::from(*slot)),
        Root::Global(_) => None,
    });
    Some(found)
}

fn matching(loans: &Loans, wanted: &BTreeSet<Root>) -> Option<Option<usize>> {
    loans.iter().filter(|(root, _)| wanted.contains(root)).map(|(_, made)| *made).max()
}

fn span(map: &FunctionMap, offset: Option<usize>) -> Option<Span> {
    map.code.get(offset?).copied()
}

fn name(map: &FunctionMap, slot: usize) -> Option<String> {
    let name = map.params.get(slot).or_else(|| map.locals.get(slot.checked_sub(map.params.len())?))?;
    (!name.starts_with('%')).then(|| name.to_string())
}

/// The resource type that an instruction touches.
fn global(op: &Bytecode, module: &CompiledModule) -> Option<Root> {
    let index = match op {
        Bytecode::MutBorrowGlobal(index) | Bytecode::ImmBorrowGlobal(index) | Bytecode::MoveFrom(index) => *index,
        Bytecode::MutBorrowGlobalGeneric(index)
        | Bytecode::ImmBorrowGlobalGeneric(index)
        | Bytecode::MoveFromGeneric(index) => module.struct_def_instantiations.get(index.index())?.def,
        _ => return None,
    };
    u16::try_from(index.index()).ok().map(Root::Global)
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct State {
    locals: Vec<Loans>,
    stack: Vec<Loans>,
}

struct Walk<'a> {
    module: &'a CompiledModule,
    unit: &'a CodeUnit,
    /// The state at the start of each block that is reached.
    entries: BTreeMap<usize, State>,
}

impl<'a> Walk<'a> {
    fn new(module: &'a CompiledModule, definition: &FunctionDefinition, unit: &'a CodeUnit) -> Self {
        let handle = &module.function_handles[definition.function.index()];
        let params = &module.signatures[handle.parameters.index()].0;
        let locals = &module.signatures[unit.locals.index()].0;
        let mut entry = State { locals: vec![Loans::new(); params.len() + locals.len()], stack: Vec::new() };
        for (position, ty) in params.iter().enumerate() {
            if is_reference(ty) {
                let slot = u8::try_from(position).unwrap_or(u8::MAX);
                entry.locals[position].insert((Root::Param(slot), None));
            }
        }
        let mut walk = Self { module, unit, entries: BTreeMap::new() };
        walk.run(entry);
        walk
    }

    fn run(&mut self, entry: State) {
        self.entries.insert(0, entry);
        let mut work = vec![0];
        for _ in 0..ROUNDS_MAX {
            let Some(start) = work.pop() else { return };
            let mut state = self.entries[&start].clone();
            let mut offset = start;
            while offset < self.unit.code.len() {
                self.apply(offset, &mut state);
                if self.unit.code[offset].is_branch() || self.is_target(offset + 1) {
                    break;
                }
                offset += 1;
            }
            for next in self.successors(offset) {
                if self.join(next, &state) && !work.contains(&next) {
                    work.push(next);
                }
            }
        }
    }

    fn join(&mut self, at: usize, state: &State) -> bool {
        let Some(known) = self.entries.get_mut(&at) else {
            self.entries.insert(at, State { locals: state.locals.clone(), stack: Vec::new() });
            return true;
        };
        let mut changed = false;
        for (own, other) in known.locals.iter_mut().zip(&state.locals) {
            let before = own.len();
            own.extend(other.iter().copied());
            changed |= own.len() > before;
        }
        changed
    }

    fn is_target(&self, offset: usize) -> bool {
        let at = |target: &u16| usize::from(*target) == offset;
        self.unit.code.iter().any(|op| op.target().as_ref().is_some_and(at))
            || self.unit.jump_tables.iter().any(|table| table.targets.iter().any(at))
    }

    fn successors(&self, offset: usize) -> Vec<usize> {
        let Some(op) = self.unit.code.get(offset) else { return Vec::new() };
        let mut next: Vec<usize> = op.target().into_iter().map(usize::from).collect();
        if let Bytecode::VariantSwitch(table) = op
            && let Some(table) = self.unit.jump_tables.get(table.index())
        {
            next.extend(table.targets.iter().map(|target| usize::from(*target)));
        }
        if !op.is_unconditional_branch() && offset + 1 < self.unit.code.len() {
            next.push(offset + 1);
        }
        next
    }

    /// The state just before an instruction.
    fn state_before(&self, offset: usize) -> Option<State> {
        let (start, entry) = self.entries.range(..=offset).next_back()?;
        let mut state = entry.clone();
        for at in *start..offset {
            self.apply(at, &mut state);
        }
        Some(state)
    }

    /// The next instruction that reads a local before it gets another value.
    fn next_read(&self, offset: usize, slot: usize) -> Option<usize> {
        let op = self.unit.code.get(offset)?;
        let mut work = if op.is_branch() { self.successors(offset) } else { vec![offset + 1] };
        let mut seen: BTreeSet<usize> = BTreeSet::new();
        let mut nearest: Option<usize> = None;
        while let Some(at) = work.pop() {
            if !seen.insert(at) {
                continue;
            }
            match self.unit.code.get(at) {
                // A dead reference is released by moving it out and dropping it: that is no use.
                Some(Bytecode::MoveLoc(local))
                    if usize::from(*local) == slot && matches!(self.unit.code.get(at + 1), Some(Bytecode::Pop)) => {}
                Some(Bytecode::MoveLoc(local)) if usize::from(*local) == slot => {
                    nearest = Some(nearest.map_or(at, |known| known.min(at)));
                }
                Some(Bytecode::CopyLoc(local)) if usize::from(*local) == slot => {
                    nearest = Some(nearest.map_or(at, |known| known.min(at)));
                }
                Some(Bytecode::StLoc(local)) if usize::from(*local) == slot => {}
                Some(_) => work.extend(self.successors(at)),
                None => {}
            }
        }
        nearest
    }

    /// The instruction that takes the value at `height` off the stack.
    fn consumer(&self, offset: usize, mut depth: usize, height: usize) -> Option<usize> {
        for at in offset..self.unit.code.len() {
            let op = &self.unit.code[at];
            let pops = self.pops(op);
            if depth.saturating_sub(pops) <= height {
                return Some(at);
            }
            depth = depth - pops + self.pushes(op);
            if op.is_branch() {
                return None;
            }
        }
        None
    }

    fn signature(&self, op: &Bytecode) -> Option<(&'a [SignatureToken], &'a [SignatureToken])> {
        let handle = match op {
            Bytecode::Call(index) => *index,
            Bytecode::CallGeneric(index) => self.module.function_instantiations.get(index.index())?.handle,
            _ => return None,
        };
        let handle = self.module.function_handles.get(handle.index())?;
        let params = &self.module.signatures.get(handle.parameters.index())?.0;
        Some((params, &self.module.signatures.get(handle.return_.index())?.0))
    }

    fn fields(&self, op: &Bytecode) -> usize {
        use noema_bytecode::StructFieldInformation as Fields;
        let of_struct = |index: usize| match self.module.struct_defs.get(index).map(|one| &one.fields) {
            Some(Fields::Declared(fields)) => fields.len(),
            _ => 0,
        };
        let of_variant = |index: usize| {
            let handle = self.module.variant_handles.get(index)?;
            let variants = &self.module.enum_defs.get(handle.enum_def.index())?.variants;
            Some(variants.get(usize::from(handle.variant))?.fields.len())
        };
        let of_instance = |index: usize| {
            let handle = self.module.variant_instantiation_handles.get(index)?;
            let instance = self.module.enum_def_instantiations.get(handle.enum_def.index())?;
            let variants = &self.module.enum_defs.get(instance.def.index())?.variants;
            Some(variants.get(usize::from(handle.variant))?.fields.len())
        };
        match op {
            Bytecode::Pack(index) | Bytecode::Unpack(index) => of_struct(index.index()),
            Bytecode::PackGeneric(index) | Bytecode::UnpackGeneric(index) => {
                let instance = self.module.struct_def_instantiations.get(index.index());
                instance.map_or(0, |instance| of_struct(instance.def.index()))
            }
            Bytecode::PackVariant(index)
            | Bytecode::UnpackVariant(index)
            | Bytecode::UnpackVariantImmRef(index)
            | Bytecode::UnpackVariantMutRef(index) => of_variant(index.index()).unwrap_or(0),
            Bytecode::PackVariantGeneric(index)
            | Bytecode::UnpackVariantGeneric(index)
            | Bytecode::UnpackVariantGenericImmRef(index)
            | Bytecode::UnpackVariantGenericMutRef(index) => of_instance(index.index()).unwrap_or(0),
            _ => 0,
        }
    }

    fn pops(&self, op: &Bytecode) -> usize {
        use Bytecode as B;
        match op {
            B::Call(_) | B::CallGeneric(_) => self.signature(op).map_or(0, |(params, _)| params.len()),
            B::Pack(_) | B::PackGeneric(_) | B::PackVariant(_) | B::PackVariantGeneric(_) => self.fields(op),
            B::VecPack(_, count) => usize::try_from(*count).unwrap_or(0),
            B::WriteRef | B::VecImmBorrow(_) | B::VecMutBorrow(_) | B::VecPushBack(_) => 2,
            B::MoveTo(_) | B::MoveToGeneric(_) => 2,
            B::VecSwap(_) => 3,
            B::Add | B::Sub | B::Mul | B::Mod | B::Div | B::BitOr | B::BitAnd | B::Xor | B::Shl | B::Shr => 2,
            B::Or | B::And | B::Eq | B::Neq | B::Lt | B::Gt | B::Le | B::Ge => 2,
            B::LdU8(_) | B::LdU16(_) | B::LdU32(_) | B::LdU64(_) | B::LdU128(_) | B::LdU256(_) | B::LdConst(_) => 0,
            B::LdTrue | B::LdFalse | B::CopyLoc(_) | B::MoveLoc(_) | B::MutBorrowLoc(_) | B::ImmBorrowLoc(_) => 0,
            B::Branch(_) | B::Nop | B::Ret => 0,
            _ => 1,
        }
    }

    fn pushes(&self, op: &Bytecode) -> usize {
        use Bytecode as B;
        match op {
            B::Call(_) | B::CallGeneric(_) => self.signature(op).map_or(0, |(_, results)| results.len()),
            B::Unpack(_) | B::UnpackGeneric(_) | B::UnpackVariant(_) | B::UnpackVariantGeneric(_) => self.fields(op),
            B::UnpackVariantImmRef(_)
            | B::UnpackVariantMutRef(_)
            | B::UnpackVariantGenericImmRef(_)
            | B::UnpackVariantGenericMutRef(_) => self.fields(op),
            B::VecUnpack(_, count) => usize::try_from(*count).unwrap_or(0),
            B::Pop | B::Ret | B::BrTrue(_) | B::BrFalse(_) | B::Branch(_) | B::Abort | B::Nop | B::StLoc(_) => 0,
            B::WriteRef | B::VecPushBack(_) | B::VecSwap(_) | B::VariantSwitch(_) => 0,
            B::MoveTo(_) | B::MoveToGeneric(_) => 0,
            _ => 1,
        }
    }

    fn apply(&self, offset: usize, state: &mut State) {
        use Bytecode as B;
        let op = &self.unit.code[offset];
        let keep = state.stack.len().saturating_sub(self.pops(op));
        let operands = state.stack.split_off(keep);
        let through =
            |made: usize| -> Loans { operands.iter().flatten().map(|(root, _)| (*root, Some(made))).collect() };
        match op {
            B::CopyLoc(slot) => state.stack.push(state.locals.get(usize::from(*slot)).cloned().unwrap_or_default()),
            B::MoveLoc(slot) => {
                let loans = state.locals.get_mut(usize::from(*slot)).map(std::mem::take);
                state.stack.push(loans.unwrap_or_default());
            }
            B::StLoc(slot) => {
                if let (Some(local), Some(loans)) = (state.locals.get_mut(usize::from(*slot)), operands.first()) {
                    local.clone_from(loans);
                }
            }
            B::MutBorrowLoc(slot) | B::ImmBorrowLoc(slot) => {
                state.stack.push([(Root::Local(*slot), Some(offset))].into());
            }
            B::FreezeRef => state.stack.extend(operands),
            B::MutBorrowField(_)
            | B::MutBorrowFieldGeneric(_)
            | B::ImmBorrowField(_)
            | B::ImmBorrowFieldGeneric(_)
            | B::VecImmBorrow(_)
            | B::VecMutBorrow(_) => state.stack.push(through(offset)),
            B::UnpackVariantImmRef(_)
            | B::UnpackVariantMutRef(_)
            | B::UnpackVariantGenericImmRef(_)
            | B::UnpackVariantGenericMutRef(_) => {
                state.stack.extend(vec![through(offset); self.fields(op)]);
            }
            B::MutBorrowGlobal(_)
            | B::MutBorrowGlobalGeneric(_)
            | B::ImmBorrowGlobal(_)
            | B::ImmBorrowGlobalGeneric(_) => {
                let root = global(op, self.module);
                state.stack.push(root.map(|root| (root, Some(offset))).into_iter().collect());
            }
            B::Call(_) | B::CallGeneric(_) => {
                let results = self.signature(op).map_or(&[][..], |(_, results)| results);
                for result in results {
                    state.stack.push(if is_reference(result) { through(offset) } else { Loans::new() });
                }
            }
            _ => state.stack.extend(vec![Loans::new(); self.pushes(op)]),
        }
    }
}

fn is_reference(ty: &SignatureToken) -> bool {
    matches!(ty, SignatureToken::Reference(_) | SignatureToken::MutableReference(_))
}
