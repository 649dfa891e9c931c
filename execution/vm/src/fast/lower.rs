//! Lowering: stack bytecode becomes register code.
//!
//! One pass over each function. The operand stack is empty at every border of a block (the verifier's stack pass), so an
//! abstract stack inside a block is enough. Each entry of it has a *home*, the temporary that it would have if everything
//! below it were in its home too; so arguments that are all at home lie beside each other, as a callee wants its
//! parameters and a struct its fields.
//!
//! # Pending operands
//! An entry may stand for something else than its home: a constant, a local, an address. Nothing is emitted for it until
//! someone needs it in a register. A *pending local* must not change meaning meanwhile:
//! - a store to the local first brings the pending entries that read it home (`spill`);
//! - a local that is ever borrowed mutably is never pending: a write through the reference, here or in a callee, would
//!   go unnoticed.
//!
//! So `x + { x = 10; x }` and `x + bump(&mut x)` see the old x.
//!
//! # Ownership
//! Values that own blocks are moved, never shared: `MoveLoc` of such a local leaves zero words behind, which own nothing;
//! such locals are zero at entry; a store drops what was there; a return drops what is left.
//!
//! # Gas and places
//! Each block starts with its charge, summed over bytecode. Charges that depend on sizes, and the memory limit, have
//! instructions of their own at the offset of the instruction of bytecode. Two instructions of bytecode become one only if
//! at most one of them can fail; the one keeps that one's offset.

mod data;
mod flow;
mod operands;

use std::sync::Arc;

use noema_bytecode::{Bytecode, SignatureToken};
use noema_execution_api::{DynamicCosts, StatusCode};
use noema_types::TypeTag;

use super::code::{Failing, Function, Op, Resource, Site, Ty};
use super::layout::{Kind, Layout};
use super::world::World;
use crate::cost::Block;
use crate::error::{Failure, Result, fail_because, invariant};
use crate::loader::{Callee, Loader};
use crate::module::{Body, LoadedModule};
use crate::types::{TypeArgs, close};

/// An operand of bytecode.
#[derive(Debug, Clone)]
struct Entry {
    ty: Ty,
    loc: Loc,
    home: u16,
}

/// Where an operand is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loc {
    Home,
    /// In the words of a local, which is not borrowed mutably anywhere.
    Local {
        slot: u16,
        local: u8,
    },
    /// A number or bool of one word.
    Const(u64),
    /// The address of a slot.
    Addr {
        slot: u16,
    },
    /// An address in a slot, and bytes to add to it. The slot is the entry's home or a local.
    Field {
        base: u16,
        local: Option<u8>,
        bytes: u16,
    },
}

struct Local {
    slot: u16,
    ty: Ty,
    /// Whether any instruction borrows it mutably.
    is_mutably_borrowed: bool,
}

struct Lowering<'l, 'a> {
    loader: &'l mut Loader<'a>,
    world: &'l World,
    costs: DynamicCosts,
    /// The module's position in the session.
    module: u32,
    loaded: Arc<LoadedModule>,
    type_args: Arc<TypeArgs>,
    locals: Vec<Local>,
    results: Vec<Ty>,
    stack: Vec<Entry>,
    code: Vec<Op>,
    offsets: Vec<u16>,
    pool: Vec<u64>,
    layouts: Vec<Arc<Layout>>,
    constants: Vec<Option<Arc<Layout>>>,
    sites: Vec<Site>,
    resources: Vec<Resource>,
    tables: Vec<Vec<u32>>,
    failures: Vec<Failing>,
    /// Offset of the instruction of bytecode that is being lowered.
    at: u16,
    /// Instructions before this one belong to other blocks.
    block_start: usize,
    /// First slot after the locals.
    first_home: u16,
    /// Words of the frame.
    frame: usize,
    /// The rest of the block cannot be reached.
    is_dead: bool,
    /// Where each block starts, by bytecode offset.
    labels: Vec<Option<u32>>,
    /// Jumps to resolve: position and bytecode offset.
    jumps: Vec<(usize, u16)>,
    /// Whether targets may be out of reach of the short jumps.
    is_long: bool,
}

/// Lowers a function for its type arguments.
pub(super) fn lower(
    loader: &mut Loader<'_>,
    world: &World,
    callee: Callee,
    type_args: &Arc<TypeArgs>,
) -> Result<Function> {
    let is_too_large =
        |failure: &Failure| matches!(failure, Failure::Status { status: StatusCode::PROGRAM_TOO_COMPLEX, .. });
    match lower_with(loader, world, callee, type_args, false) {
        // Jumps may have been too short.
        Err(failure) if is_too_large(&failure) => lower_with(loader, world, callee, type_args, true),
        other => other,
    }
}

fn lower_with(
    loader: &mut Loader<'_>,
    world: &World,
    callee: Callee,
    type_args: &Arc<TypeArgs>,
    is_long: bool,
) -> Result<Function> {
    let loaded = Arc::clone(loader.module(callee.module));
    let function = &loaded.functions[usize::from(callee.function)];
    let mut lowering = Lowering::new(loader, world, callee.module, &loaded, type_args);
    lowering.is_long = is_long;
    let parameters = lowering.types(&function.parameters)?;
    lowering.results = lowering.types(&function.results)?;
    let (native, operands) = match &function.body {
        Body::Code { code, blocks, local_types, jump_tables, operands, .. } => {
            lowering.add_locals(&parameters, local_types, code)?;
            lowering.body(code, blocks, jump_tables)?;
            (None, *operands)
        }
        Body::Native(native) => (Some(*native), 0),
        Body::MissingNative => {
            let message = format!("native {}::{} is not implemented", loaded.id, function.name);
            return Err(fail_because(StatusCode::MISSING_DEPENDENCY, message));
        }
    };
    let Lowering {
        results,
        code,
        offsets,
        pool,
        layouts,
        constants,
        sites,
        resources,
        tables,
        failures,
        frame,
        locals,
        ..
    } = lowering;
    let function = Function {
        index: callee.function,
        type_args: Arc::clone(type_args),
        parameters,
        results,
        native,
        code,
        offsets,
        pool,
        layouts,
        constants,
        sites,
        resources,
        tables,
        failures,
        frame_bytes: frame as u64 * 8,
        operands,
        locals: locals.into_iter().map(|local| (local.slot, local.ty)).collect(),
        loaded,
    };
    super::check::check(&function);
    if loader.is_paranoid() {
        super::check::check_slots(&function);
    }
    Ok(function)
}

impl<'l, 'a> Lowering<'l, 'a> {
    fn new(
        loader: &'l mut Loader<'a>,
        world: &'l World,
        module: u32,
        loaded: &Arc<LoadedModule>,
        type_args: &Arc<TypeArgs>,
    ) -> Self {
        let costs = loader.schedule().dynamic.clone();
        Self {
            loader,
            world,
            costs,
            module,
            loaded: Arc::clone(loaded),
            type_args: Arc::clone(type_args),
            locals: Vec::new(),
            results: Vec::new(),
            stack: Vec::new(),
            code: Vec::new(),
            offsets: Vec::new(),
            pool: Vec::new(),
            layouts: Vec::new(),
            constants: Vec::new(),
            sites: Vec::new(),
            resources: Vec::new(),
            tables: Vec::new(),
            failures: Vec::new(),
            at: 0,
            block_start: 0,
            first_home: 0,
            frame: 0,
            is_dead: false,
            labels: Vec::new(),
            jumps: Vec::new(),
            is_long: false,
        }
    }

    /// The layout of a closed type.
    fn layout(&mut self, tag: &TypeTag) -> Result<Arc<Layout>> {
        self.world.layout(self.loader, tag)
    }

    /// The layout of a token of the module, closed over the instance's type arguments.
    fn layout_of(&mut self, token: &SignatureToken) -> Result<Arc<Layout>> {
        let tag = close(&self.loaded.module, token, &self.type_args.tags)?;
        self.layout(&tag)
    }

    fn ty(&mut self, token: &SignatureToken) -> Result<Ty> {
        match token.referent() {
            Some(inner) => Ok(Ty::Ref(self.layout_of(inner)?, token.is_mutable_reference())),
            None => Ok(Ty::Value(self.layout_of(token)?)),
        }
    }

    fn types(&mut self, tokens: &[SignatureToken]) -> Result<Vec<Ty>> {
        tokens.iter().map(|token| self.ty(token)).collect()
    }

    fn primitive(&mut self, tag: TypeTag) -> Result<Ty> {
        Ok(Ty::Value(self.layout(&tag)?))
    }

    /// Gives every local its slots and emits what makes owning ones own nothing.
    fn add_locals(&mut self, parameters: &[Ty], others: &[SignatureToken], code: &[Bytecode]) -> Result<()> {
        let others = self.types(others)?;
        let mut slot = 0u16;
        for ty in parameters.iter().chain(&others) {
            let words = ty.words();
            self.locals.push(Local { slot, ty: ty.clone(), is_mutably_borrowed: false });
            slot = slot.checked_add(words).ok_or_else(too_large)?;
        }
        for instruction in code {
            if let Bytecode::MutBorrowLoc(at) = instruction {
                self.local_mut(*at)?.is_mutably_borrowed = true;
            }
        }
        self.first_home = slot;
        self.frame = usize::from(slot);
        for at in parameters.len()..self.locals.len() {
            let (slot, words) = (self.locals[at].slot, self.locals[at].ty.words());
            if self.locals[at].ty.owning().is_some() {
                self.emit(Op::Zero(slot, words));
            }
        }
        Ok(())
    }

    fn local(&self, at: u8) -> Result<&Local> {
        self.locals.get(usize::from(at)).ok_or_else(|| invariant("a local that does not exist"))
    }

    fn local_mut(&mut self, at: u8) -> Result<&mut Local> {
        self.locals.get_mut(usize::from(at)).ok_or_else(|| invariant("a local that does not exist"))
    }

    fn body(&mut self, code: &[Bytecode], blocks: &[Block], jump_tables: &[Vec<u16>]) -> Result<()> {
        self.labels = vec![None; code.len() + 1];
        for (at, instruction) in code.iter().enumerate() {
            self.at = u16::try_from(at).map_err(|_| too_large())?;
            if blocks[at].is_start {
                self.start_block(&blocks[at])?;
            }
            if !self.is_dead {
                self.instruction(instruction, jump_tables)?;
            }
        }
        for (position, target) in std::mem::take(&mut self.jumps) {
            let label = self.labels.get(usize::from(target)).copied().flatten();
            let label = label.ok_or_else(|| invariant("a jump to no block"))?;
            let distance = i64::from(label) - (position as i64 + 1);
            self.code[position] = self.code[position].with_distance(distance).ok_or_else(too_large)?;
        }
        for target in self.tables.iter_mut().flatten() {
            let label = self.labels.get(*target as usize).copied().flatten();
            *target = label.ok_or_else(|| invariant("a switch to no block"))?;
        }
        Ok(())
    }

    fn start_block(&mut self, block: &Block) -> Result<()> {
        if !self.is_dead && !self.stack.is_empty() {
            return Err(invariant("operands at the border of a block"));
        }
        self.stack.clear();
        self.is_dead = false;
        self.labels[usize::from(self.at)] = Some(u32::try_from(self.code.len()).map_err(|_| too_large())?);
        // One charge holds 32 bits; running out takes everything, so several are as good as one.
        let first = u32::try_from(block.gas).unwrap_or(u32::MAX);
        self.emit(Op::Charge(block.instructions, first));
        self.emit_gas(block.gas - u64::from(first));
        self.block_start = self.code.len();
        Ok(())
    }

    fn emit(&mut self, op: Op) {
        self.code.push(op);
        self.offsets.push(self.at);
    }

    fn emit_gas(&mut self, mut gas: u64) {
        while gas > 0 {
            let part = u32::try_from(gas).unwrap_or(u32::MAX);
            self.emit(Op::Gas(part));
            gas -= u64::from(part);
        }
    }

    /// Emits the end of the run, and skips the rest of the block.
    fn emit_failure(&mut self, failure: Failure) -> Result<()> {
        let Failure::Status { status, message, .. } = failure else {
            return Err(Box::new(failure));
        };
        let at = u16::try_from(self.failures.len()).map_err(|_| too_large())?;
        self.failures.push(Failing { status, message });
        self.emit(Op::Fail(at));
        self.is_dead = true;
        self.stack.clear();
        Ok(())
    }

    /// The last instruction of the block so far.
    fn last(&self) -> Option<Op> {
        if self.code.len() > self.block_start { self.code.last().copied() } else { None }
    }

    fn remove_last(&mut self) {
        self.code.pop();
        self.offsets.pop();
    }

    /// A number in the pool.
    fn constant(&mut self, word: u64) -> Result<u16> {
        let at = self.pool.iter().position(|known| *known == word).unwrap_or(self.pool.len());
        if at == self.pool.len() {
            self.pool.push(word);
        }
        u16::try_from(at).map_err(|_| too_large())
    }

    fn constants(&mut self, words: &[u64]) -> Result<u16> {
        let at = self.pool.windows(words.len()).position(|known| known == words).unwrap_or(self.pool.len());
        if at == self.pool.len() {
            self.pool.extend_from_slice(words);
        }
        u16::try_from(at).map_err(|_| too_large())
    }

    fn layout_index(&mut self, layout: &Arc<Layout>) -> Result<u16> {
        let known = self.layouts.iter().position(|known| Arc::ptr_eq(known, layout));
        let at = known.unwrap_or(self.layouts.len());
        if known.is_none() {
            self.layouts.push(Arc::clone(layout));
        }
        u16::try_from(at).map_err(|_| too_large())
    }
}

#[cold]
fn too_large() -> Box<Failure> {
    fail_because(StatusCode::PROGRAM_TOO_COMPLEX, "a function is too large to be lowered")
}

/// Bits of an integer type of one word.
fn bits(layout: &Layout) -> u8 {
    match layout.kind {
        Kind::U8 => 8,
        Kind::U16 => 16,
        Kind::U32 => 32,
        _ => 64,
    }
}
