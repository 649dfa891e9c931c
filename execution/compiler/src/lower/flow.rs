//! What depends on the flow of control.
//!
//! 1. Code that nothing reaches is removed.
//! 2. Liveness, backwards: a read that is the last one becomes a move; a store that nothing reads becomes a drop.
//! 3. Availability, forwards: reads of locals without a value are errors, and so are values without `drop` that are
//!    overwritten or left over at a return. A reference that is still in its local but dead is released at the start of
//!    the block where it is dead: else it would keep what it points to borrowed, and the verifier would refuse later
//!    uses.

use std::collections::BTreeMap;

use noema_bytecode::{Ability, AbilitySet};

use crate::diagnostics::{Diagnostic, Diagnostics, Span, codes};
use crate::name::{FunInfo, Globals};
use crate::typing::{Builtin, Ty, Usage};

use super::ir::{Code, Ins, Label, Op, Slot, VecOp};

/// A set of slots.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Set(Vec<u64>);

impl Set {
    fn new(slots: usize) -> Self {
        Self(vec![0; slots.div_ceil(64)])
    }

    fn has(&self, slot: Slot) -> bool {
        self.0[slot / 64] >> (slot % 64) & 1 == 1
    }

    fn add(&mut self, slot: Slot) {
        self.0[slot / 64] |= 1 << (slot % 64);
    }

    fn remove(&mut self, slot: Slot) {
        self.0[slot / 64] &= !(1 << (slot % 64));
    }

    /// Adds all of `other`; `true` if that changed anything.
    fn join(&mut self, other: &Self) -> bool {
        let mut changed = false;
        for (own, other) in self.0.iter_mut().zip(&other.0) {
            changed |= *own | *other != *own;
            *own |= *other;
        }
        changed
    }

    fn intersects(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).any(|(a, b)| a & b != 0)
    }
}

/// A straight piece of code. `ops` may begin with labels.
struct Block {
    ops: Vec<Ins>,
    next: Vec<usize>,
}

/// Runs the analyses and rewrites the code.
pub(super) fn finish(globals: &Globals, function: &FunInfo, code: Code, diagnostics: &mut Diagnostics) -> Code {
    let slots = code.slots.len();
    let constraints = function.constraints();
    let abilities: Vec<AbilitySet> = code.slots.iter().map(|slot| slot.ty.abilities(globals, &constraints)).collect();
    let mut flow = Flow {
        globals,
        blocks: split(code.ops),
        is_ref: code.slots.iter().map(|slot| slot.ty.is_ref()).collect(),
        code: Code { params: code.params, slots: code.slots, ops: Vec::new() },
        abilities,
        live_out: Vec::new(),
        live_in: Vec::new(),
        own_refs: Set::new(slots),
        borrowed: Set::new(slots),
    };
    flow.survey();
    flow.liveness();
    flow.choose_moves(diagnostics);
    flow.clean();
    flow.liveness();
    flow.availability(function, diagnostics);
    flow.join()
}

/// Splits code into blocks and drops those that nothing reaches.
fn split(ops: Vec<Ins>) -> Vec<Block> {
    let mut blocks: Vec<Block> = vec![Block { ops: Vec::new(), next: Vec::new() }];
    for ins in ops {
        let last = blocks.last().expect("there is a block");
        let starts = match &ins.op {
            Op::Label(_) => last.ops.iter().any(|ins| !matches!(ins.op, Op::Label(_))),
            _ => last.ops.last().is_some_and(|ins| ins.op.is_jump()),
        };
        if starts {
            blocks.push(Block { ops: Vec::new(), next: Vec::new() });
        }
        blocks.last_mut().expect("there is a block").ops.push(ins);
    }
    connect(&mut blocks);
    let mut reached = vec![false; blocks.len()];
    let mut work = vec![0];
    while let Some(block) = work.pop() {
        if !std::mem::replace(&mut reached[block], true) {
            work.extend(&blocks[block].next);
        }
    }
    let mut kept: Vec<Block> =
        blocks.into_iter().zip(reached).filter(|(_, reached)| *reached).map(|(block, _)| block).collect();
    connect(&mut kept);
    kept
}

fn connect(blocks: &mut [Block]) {
    let mut positions: BTreeMap<Label, usize> = BTreeMap::new();
    for (position, block) in blocks.iter().enumerate() {
        for ins in &block.ops {
            if let Op::Label(label) = ins.op {
                positions.insert(label, position);
            }
        }
    }
    let count = blocks.len();
    for (position, block) in blocks.iter_mut().enumerate() {
        let last = block.ops.last().map(|ins| &ins.op);
        block.next.clear();
        if !last.is_some_and(Op::diverges) && position + 1 < count {
            block.next.push(position + 1);
        }
        match last {
            Some(Op::Switch(_, targets)) => {
                block.next.extend(targets.iter().filter_map(|label| positions.get(label)));
            }
            Some(op) => block.next.extend(op.target().and_then(|label| positions.get(&label))),
            None => {}
        }
    }
}

const ASSIGNED: u8 = 1;
const UNASSIGNED: u8 = 2;
const MOVED: u8 = 4;

/// What may have happened to each slot, and where it was moved.
#[derive(Clone, PartialEq, Eq)]
struct State {
    flags: Vec<u8>,
    moved_at: Vec<Option<Span>>,
}

impl State {
    fn join(&mut self, other: &Self) -> bool {
        let mut changed = false;
        for (own, other) in self.flags.iter_mut().zip(&other.flags) {
            changed |= *own | *other != *own;
            *own |= *other;
        }
        for (own, other) in self.moved_at.iter_mut().zip(&other.moved_at) {
            if own.is_none() && other.is_some() {
                *own = *other;
            }
        }
        changed
    }
}

struct Flow<'a> {
    globals: &'a Globals,
    code: Code,
    blocks: Vec<Block>,
    abilities: Vec<AbilitySet>,
    is_ref: Vec<bool>,
    live_in: Vec<Set>,
    live_out: Vec<Set>,
    /// References that may point to what this function owns: all but parameters that are never assigned.
    own_refs: Set,
    /// Slots whose address is taken.
    borrowed: Set,
}

impl Flow<'_> {
    fn survey(&mut self) {
        for (slot, is_ref) in self.is_ref.iter().enumerate() {
            if *is_ref && slot >= self.code.params {
                self.own_refs.add(slot);
            }
        }
        for ins in self.blocks.iter().flat_map(|block| &block.ops) {
            match ins.op {
                Op::Store(slot) if self.is_ref[slot] => self.own_refs.add(slot),
                Op::BorrowLocal(_, slot) => self.borrowed.add(slot),
                _ => {}
            }
        }
    }

    fn liveness(&mut self) {
        let slots = self.code.slots.len();
        self.live_in = vec![Set::new(slots); self.blocks.len()];
        self.live_out = vec![Set::new(slots); self.blocks.len()];
        let mut changed = true;
        while changed {
            changed = false;
            for position in (0..self.blocks.len()).rev() {
                let mut live = Set::new(slots);
                for next in &self.blocks[position].next {
                    live.join(&self.live_in[*next]);
                }
                self.live_out[position] = live.clone();
                for ins in self.blocks[position].ops.iter().rev() {
                    step_back(&mut live, &ins.op);
                }
                changed |= self.live_in[position].join(&live);
            }
        }
    }

    /// Turns last reads into moves and stores that nothing reads into drops.
    fn choose_moves(&mut self, diagnostics: &mut Diagnostics) {
        for position in 0..self.blocks.len() {
            let mut ops = std::mem::take(&mut self.blocks[position].ops);
            let below = self.references_below(&ops);
            let mut live = self.live_out[position].clone();
            for (index, ins) in ops.iter_mut().enumerate().rev() {
                match &mut ins.op {
                    Op::Store(slot) if !live.has(*slot) && self.abilities[*slot].has(Ability::Drop) => {
                        let info = &self.code.slots[*slot];
                        if info.is_user && !info.name.starts_with('_') && *slot >= self.code.params {
                            diagnostics.push(
                                Diagnostic::new(
                                    codes::UNUSED_ASSIGNMENT,
                                    ins.span,
                                    format!("the value given to `{}` here is never read", info.name),
                                )
                                .secondary(info.span, "declared here"),
                            );
                        }
                        ins.op = Op::Pop;
                    }
                    Op::Load(slot, usage) => {
                        let slot = *slot;
                        *usage = match *usage {
                            Usage::Infer if !self.abilities[slot].has(Ability::Copy) => Usage::Move,
                            Usage::Infer | Usage::Copy if live.has(slot) => Usage::Copy,
                            Usage::Infer if !self.abilities[slot].has(Ability::Drop) => Usage::Move,
                            Usage::Infer | Usage::Copy => {
                                let may_be_borrowed =
                                    self.borrowed.has(slot) && (below[index] || live.intersects(&self.own_refs));
                                if may_be_borrowed { Usage::Copy } else { Usage::Move }
                            }
                            Usage::Move => Usage::Move,
                        };
                    }
                    _ => {}
                }
                step_back(&mut live, &ins.op);
            }
            self.blocks[position].ops = ops;
        }
    }

    /// For each instruction whether a reference lies on the stack before it.
    fn references_below(&self, ops: &[Ins]) -> Vec<bool> {
        let mut stack: Vec<bool> = Vec::new();
        ops.iter()
            .map(|ins| {
                let before = stack.iter().any(|is_ref| *is_ref);
                self.apply(&ins.op, &mut stack);
                before
            })
            .collect()
    }

    /// Which of the values on the stack are references, after an instruction.
    fn apply(&self, op: &Op, stack: &mut Vec<bool>) {
        let (pops, pushes): (usize, Vec<bool>) = match op {
            Op::Pop | Op::Abort | Op::Store(_) | Op::BrTrue(_) | Op::BrFalse(_) | Op::Switch(..) => (1, vec![]),
            Op::Ret => (stack.len(), vec![]),
            Op::Branch(_) | Op::Label(_) => (0, vec![]),
            Op::ReadRef | Op::Not | Op::Cast(_) => (1, vec![false]),
            Op::WriteRef => (2, vec![]),
            Op::Freeze | Op::BorrowField(..) => (1, vec![true]),
            Op::Binary(_) => (2, vec![false]),
            Op::LdBool(_) | Op::LdInt(..) | Op::LdConst(..) | Op::LdErrorCode(_) => (0, vec![false]),
            Op::Load(slot, _) => (0, vec![self.is_ref[*slot]]),
            Op::BorrowLocal(..) => (0, vec![true]),
            Op::Call(function, args) => {
                let info = self.globals.function(*function);
                let results = match info.result.subst(args) {
                    Ty::Tuple(parts) => parts.iter().map(Ty::is_ref).collect(),
                    Ty::Never => vec![],
                    other => vec![other.is_ref()],
                };
                (info.params.len(), results)
            }
            Op::Pack(data, variant, _) => (self.globals.datatype(*data).packed_values(*variant), vec![false]),
            Op::Unpack(data, variant, _) => (1, vec![false; self.globals.datatype(*data).packed_values(*variant)]),
            Op::UnpackRef(_, data, variant, _) => {
                (1, vec![true; self.globals.datatype(*data).fields_of(Some(*variant)).len()])
            }
            Op::Global(builtin, ..) => match builtin {
                Builtin::MoveTo => (2, vec![]),
                Builtin::BorrowGlobal(_) => (1, vec![true]),
                Builtin::MoveFrom | Builtin::Exists => (1, vec![false]),
            },
            Op::Vector(op, _) => match op {
                VecOp::Pack(count) => (usize::try_from(*count).unwrap_or(0), vec![false]),
                VecOp::Len => (1, vec![false]),
                VecOp::Borrow(_) => (2, vec![true]),
                VecOp::PushBack => (2, vec![]),
                VecOp::PopBack => (1, vec![false]),
                VecOp::Unpack(count) => (1, vec![false; usize::try_from(*count).unwrap_or(0)]),
                VecOp::Swap => (3, vec![]),
            },
        };
        stack.truncate(stack.len().saturating_sub(pops));
        stack.extend(pushes);
    }

    /// Removes pairs of instructions that undo each other.
    fn clean(&mut self) {
        for (position, block) in self.blocks.iter_mut().enumerate() {
            // Liveness behind each instruction, to know that a slot stored and at once moved is not read elsewhere.
            let mut live = self.live_out[position].clone();
            let mut live_after: Vec<Option<bool>> = vec![None; block.ops.len()];
            for (index, ins) in block.ops.iter().enumerate().rev() {
                if let Op::Load(slot, _) = ins.op {
                    live_after[index] = Some(live.has(slot));
                }
                step_back(&mut live, &ins.op);
            }
            let mut kept: Vec<Ins> = Vec::with_capacity(block.ops.len());
            for (ins, live_after) in std::mem::take(&mut block.ops).into_iter().zip(live_after) {
                let previous = kept.last().map(|ins| &ins.op);
                let cancels = match (&ins.op, previous) {
                    (Op::Load(slot, Usage::Move), Some(Op::Store(stored))) => {
                        slot == stored && live_after == Some(false)
                    }
                    (Op::Pop, Some(Op::LdBool(_) | Op::LdInt(..) | Op::LdConst(..) | Op::Load(_, Usage::Copy))) => true,
                    _ => false,
                };
                if cancels {
                    kept.pop();
                } else {
                    kept.push(ins);
                }
            }
            block.ops = kept;
        }
    }

    /// Checks that every read has a value and that values without `drop` are consumed; releases dead references.
    fn availability(&mut self, function: &FunInfo, diagnostics: &mut Diagnostics) {
        let slots = self.code.slots.len();
        let mut entry = State { flags: vec![UNASSIGNED; slots], moved_at: vec![None; slots] };
        entry.flags[..self.code.params].fill(ASSIGNED);
        let mut states: Vec<Option<State>> = vec![None; self.blocks.len()];
        states[0] = Some(entry);
        let mut work = vec![0];
        while let Some(position) = work.pop() {
            let mut state = states[position].clone().expect("blocks in the queue have a state");
            for slot in self.dead_references(position, &state) {
                state.flags[slot] = MOVED;
            }
            for ins in &self.blocks[position].ops {
                step(&mut state, ins);
            }
            for next in self.blocks[position].next.clone() {
                let changed = match &mut states[next] {
                    Some(known) => known.join(&state),
                    empty => {
                        *empty = Some(state.clone());
                        true
                    }
                };
                if changed && !work.contains(&next) {
                    work.push(next);
                }
            }
        }
        let mut reporter =
            Reporter { code: &self.code, abilities: &self.abilities, function, reported: Set::new(slots) };
        for (position, state) in states.into_iter().enumerate() {
            let Some(mut state) = state else { continue };
            let dead = self.dead_references(position, &state);
            for slot in &dead {
                state.flags[*slot] = MOVED;
            }
            for ins in &self.blocks[position].ops {
                reporter.check(&state, ins, self.globals, diagnostics);
                step(&mut state, ins);
            }
            let block = &mut self.blocks[position];
            let start = block.ops.iter().take_while(|ins| matches!(ins.op, Op::Label(_))).count();
            let span = block.ops.get(start).map_or(function.span, |ins| ins.span);
            let released = dead
                .into_iter()
                .flat_map(|slot| [Ins { op: Op::Load(slot, Usage::Move), span }, Ins { op: Op::Pop, span }]);
            block.ops.splice(start..start, released);
        }
    }

    /// References that lie in their slots at the start of a block although nothing reads them any more.
    fn dead_references(&self, position: usize, state: &State) -> Vec<Slot> {
        (0..self.code.slots.len())
            .filter(|slot| {
                self.own_refs.has(*slot) && state.flags[*slot] == ASSIGNED && !self.live_in[position].has(*slot)
            })
            .collect()
    }

    /// Joins the blocks and keeps only the slots that are still used.
    fn join(self) -> Code {
        let mut ops: Vec<Ins> = self.blocks.into_iter().flat_map(|block| block.ops).collect();
        remove_idle_jumps(&mut ops);
        let mut positions: Vec<Option<Slot>> = vec![None; self.code.slots.len()];
        for (slot, position) in positions.iter_mut().enumerate().take(self.code.params) {
            *position = Some(slot);
        }
        let mut slots = self.code.slots[..self.code.params].to_vec();
        for ins in &mut ops {
            if let Op::Load(slot, _) | Op::Store(slot) | Op::BorrowLocal(_, slot) = &mut ins.op {
                let position = positions[*slot].get_or_insert_with(|| {
                    slots.push(self.code.slots[*slot].clone());
                    slots.len() - 1
                });
                *slot = *position;
            }
        }
        Code { params: self.code.params, slots, ops }
    }
}

/// A conditional jump over a jump becomes the opposite jump: `BrFalse a; Branch b; a:` is `BrTrue b; a:`.
fn turn_conditions(ops: &mut Vec<Ins>) {
    let mut removed = vec![false; ops.len()];
    for index in 0..ops.len().saturating_sub(2) {
        let (Op::BrTrue(over) | Op::BrFalse(over), Op::Branch(target)) = (&ops[index].op, &ops[index + 1].op) else {
            continue;
        };
        let (over, target) = (*over, *target);
        let mut behind = ops[index + 2..].iter().take_while(|ins| matches!(ins.op, Op::Label(_)));
        if behind.any(|ins| ins.op == Op::Label(over)) {
            ops[index].op =
                if matches!(ops[index].op, Op::BrTrue(_)) { Op::BrFalse(target) } else { Op::BrTrue(target) };
            removed[index + 1] = true;
        }
    }
    let mut position = 0;
    ops.retain(|_| {
        position += 1;
        !removed[position - 1]
    });
}

/// Removes jumps to what comes next, and sends jumps to jumps straight to the end.
fn remove_idle_jumps(ops: &mut Vec<Ins>) {
    let mut aliases: BTreeMap<Label, Label> = BTreeMap::new();
    for (index, ins) in ops.iter().enumerate() {
        let Op::Label(label) = ins.op else { continue };
        let first = ops[index..].iter().find(|ins| !matches!(ins.op, Op::Label(_)));
        if let Some(Op::Branch(target)) = first.map(|ins| &ins.op)
            && *target != label
        {
            aliases.insert(label, *target);
        }
    }
    let follow = |label: &mut Label| {
        // A circle of empty jumps is an endless loop; any of its labels will do.
        for _ in 0..aliases.len() {
            match aliases.get(label) {
                Some(next) => *label = *next,
                None => break,
            }
        }
    };
    for ins in ops.iter_mut() {
        match &mut ins.op {
            Op::Branch(label) | Op::BrTrue(label) | Op::BrFalse(label) => follow(label),
            Op::Switch(_, labels) => labels.iter_mut().for_each(follow),
            _ => {}
        }
    }
    turn_conditions(ops);
    let mut index = 0;
    while index < ops.len() {
        if let Op::Branch(target) = ops[index].op {
            let is_next = ops[index + 1..]
                .iter()
                .take_while(|ins| matches!(ins.op, Op::Label(_)))
                .any(|ins| ins.op == Op::Label(target));
            if is_next {
                ops.remove(index);
                continue;
            }
        }
        index += 1;
    }
    let mut reachable = true;
    let used: std::collections::BTreeSet<Label> = ops
        .iter()
        .flat_map(|ins| match &ins.op {
            Op::Switch(_, labels) => labels.clone(),
            op => op.target().into_iter().collect(),
        })
        .collect();
    ops.retain(|ins| {
        if let Op::Label(label) = ins.op {
            reachable |= used.contains(&label);
        }
        let keep = reachable;
        if ins.op.diverges() {
            reachable = false;
        }
        keep
    });
}

fn step_back(live: &mut Set, op: &Op) {
    match op {
        Op::Store(slot) => live.remove(*slot),
        Op::Load(slot, _) | Op::BorrowLocal(_, slot) => live.add(*slot),
        _ => {}
    }
}

fn step(state: &mut State, ins: &Ins) {
    match ins.op {
        Op::Store(slot) => {
            state.flags[slot] = ASSIGNED;
            state.moved_at[slot] = None;
        }
        Op::Load(slot, Usage::Move) => {
            state.flags[slot] = MOVED;
            state.moved_at[slot] = Some(ins.span);
        }
        _ => {}
    }
}

/// Turns bad states into messages, once for each slot.
struct Reporter<'a> {
    code: &'a Code,
    abilities: &'a [AbilitySet],
    function: &'a FunInfo,
    reported: Set,
}

impl Reporter<'_> {
    fn check(&mut self, state: &State, ins: &Ins, globals: &Globals, diagnostics: &mut Diagnostics) {
        match ins.op {
            Op::Load(slot, _) | Op::BorrowLocal(_, slot) => self.read(state, slot, ins.span, globals, diagnostics),
            Op::Store(slot) if state.flags[slot] & ASSIGNED != 0 => {
                self.leftover(slot, ins.span, "this assignment would drop it", globals, diagnostics);
            }
            Op::Ret => {
                for slot in 0..self.code.slots.len() {
                    if state.flags[slot] & ASSIGNED != 0 {
                        self.leftover(slot, ins.span, "the function returns here", globals, diagnostics);
                    }
                }
            }
            _ => {}
        }
    }

    fn read(&mut self, state: &State, slot: Slot, span: Span, globals: &Globals, diagnostics: &mut Diagnostics) {
        let flags = state.flags[slot];
        if flags == ASSIGNED || flags == 0 || self.reported.has(slot) {
            return;
        }
        self.reported.add(slot);
        let info = &self.code.slots[slot];
        let name = if info.name.is_empty() { "this value".to_owned() } else { format!("`{}`", info.name) };
        let sometimes = if flags & ASSIGNED != 0 { " on some path" } else { "" };
        if flags & MOVED != 0 {
            let mut diagnostic =
                Diagnostic::new(codes::USE_AFTER_MOVE, span, format!("{name} was moved out{sometimes}"))
                    .label("used here after the move");
            if let Some(moved) = state.moved_at[slot] {
                let words = if moved == span { "moved here, in an earlier round of the loop" } else { "moved here" };
                diagnostic = diagnostic.secondary(moved, words);
            }
            if !self.abilities[slot].has(Ability::Copy) {
                let shown = info.ty.display(globals, &self.function.type_param_names());
                diagnostic = diagnostic.note(format!("`{shown}` lacks `copy`, so using it moves it"));
            }
            diagnostics.push(diagnostic);
        } else {
            diagnostics.push(
                Diagnostic::new(codes::UNASSIGNED_LOCAL, span, format!("{name} has no value{sometimes}"))
                    .secondary(info.span, "declared here without a value"),
            );
        }
    }

    fn leftover(&mut self, slot: Slot, span: Span, why: &str, globals: &Globals, diagnostics: &mut Diagnostics) {
        if self.abilities[slot].has(Ability::Drop) || self.reported.has(slot) {
            return;
        }
        self.reported.add(slot);
        let info = &self.code.slots[slot];
        let shown = info.ty.display(globals, &self.function.type_param_names());
        let name = if info.name.is_empty() { "this value".to_owned() } else { format!("`{}`", info.name) };
        diagnostics.push(
            Diagnostic::new(
                codes::UNUSED_VALUE,
                info.span,
                format!("{name} still holds a `{shown}`, which lacks `drop`"),
            )
            .secondary(span, why)
            .help("take the value apart, return it, or pass it on"),
        );
    }
}
