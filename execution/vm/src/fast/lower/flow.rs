//! Locals, constants, arithmetic, jumps and calls.

use std::sync::Arc;

use noema_bytecode::{Bytecode, FunctionHandleIndex, SignatureIndex};
use noema_types::TypeTag;

use super::super::code::{Op, Site, Ty, Wide};
use super::super::layout::Kind;
use super::super::mem::Link;
use super::{Entry, Loc, Lowering, bits, too_large};
use crate::error::{Result, invariant};
use crate::types::TypeArgs;

impl Lowering<'_, '_> {
    pub(super) fn instruction(&mut self, instruction: &Bytecode, jump_tables: &[Vec<u16>]) -> Result<()> {
        use Bytecode as B;
        match instruction {
            B::Nop => Ok(()),
            B::Pop => self.drop_top(),
            B::Ret => self.ret(),
            B::Abort => {
                let code = self.pop()?;
                let code = self.slot(&code)?;
                self.emit(Op::Abort(code));
                Ok(())
            }
            B::Branch(target) => {
                self.jump_always(*target);
                Ok(())
            }
            B::BrTrue(target) => self.branch(true, *target),
            B::BrFalse(target) => self.branch(false, *target),
            B::LdU8(number) => self.number(u64::from(*number), TypeTag::U8),
            B::LdU16(number) => self.number(u64::from(*number), TypeTag::U16),
            B::LdU32(number) => self.number(u64::from(*number), TypeTag::U32),
            B::LdU64(number) => self.number(*number, TypeTag::U64),
            B::LdU128(number) => self.wide_number(&[**number as u64, (**number >> 64) as u64], TypeTag::U128),
            B::LdU256(number) => self.wide_number(&number.into_limbs(), TypeTag::U256),
            B::LdTrue => self.number(1, TypeTag::Bool),
            B::LdFalse => self.number(0, TypeTag::Bool),
            B::LdConst(at) => self.load_constant(at.index()),
            B::CastU8 => self.cast(TypeTag::U8),
            B::CastU16 => self.cast(TypeTag::U16),
            B::CastU32 => self.cast(TypeTag::U32),
            B::CastU64 => self.cast(TypeTag::U64),
            B::CastU128 => self.cast(TypeTag::U128),
            B::CastU256 => self.cast(TypeTag::U256),
            B::CopyLoc(at) => self.copy_local(*at),
            B::MoveLoc(at) => self.move_local(*at),
            B::StLoc(at) => self.store_local(*at),
            B::MutBorrowLoc(at) => self.borrow_local(*at, true),
            B::ImmBorrowLoc(at) => self.borrow_local(*at, false),
            B::Call(handle) => self.call(*handle, &Arc::default()),
            B::CallGeneric(at) => {
                let instance = *self.loaded.module.function_instantiation_at(*at);
                match self.close(instance.type_parameters)? {
                    Some(type_args) => self.call(instance.handle, &type_args),
                    None => Ok(()),
                }
            }
            B::Add => self.arithmetic(Wide::Add),
            B::Sub => self.arithmetic(Wide::Sub),
            B::Mul => self.arithmetic(Wide::Mul),
            B::Div => self.arithmetic(Wide::Div),
            B::Mod => self.arithmetic(Wide::Mod),
            B::BitAnd | B::And => self.arithmetic(Wide::And),
            B::BitOr | B::Or => self.arithmetic(Wide::Or),
            B::Xor => self.arithmetic(Wide::Xor),
            B::Shl => self.arithmetic(Wide::Shl),
            B::Shr => self.arithmetic(Wide::Shr),
            B::Not => self.not(),
            B::Lt => self.order(Wide::Lt, false),
            B::Gt => self.order(Wide::Lt, true),
            B::Le => self.order(Wide::Le, false),
            B::Ge => self.order(Wide::Le, true),
            B::Eq => self.equality(true),
            B::Neq => self.equality(false),
            B::VariantSwitch(at) => {
                let targets = jump_tables.get(usize::from(at.0)).ok_or_else(|| invariant("no such jump table"))?;
                self.switch(targets)
            }
            other => self.data(other),
        }
    }

    /// Closes the type arguments of a generic instruction, charged. `None`: it fails there, always.
    pub(super) fn close(&mut self, signature: SignatureIndex) -> Result<Option<Arc<TypeArgs>>> {
        match self.loader.close_signature(self.module, signature, &self.type_args) {
            Ok(closed) => {
                let gas = self.costs.type_node.times(closed.nodes).0;
                self.emit_gas(gas);
                Ok(Some(closed))
            }
            Err(failure) => self.emit_failure(*failure).map(|()| None),
        }
    }

    fn drop_top(&mut self) -> Result<()> {
        let entry = self.pop()?;
        if let Some(layout) = entry.ty.owning() {
            let at = self.layout_index(&Arc::clone(layout))?;
            let slot = self.slot(&entry)?;
            self.emit(Op::Drop(slot, at));
        }
        Ok(())
    }

    fn number(&mut self, word: u64, tag: TypeTag) -> Result<()> {
        let ty = self.primitive(tag)?;
        self.push(ty, Loc::Const(word)).map(drop)
    }

    pub(super) fn wide_number(&mut self, words: &[u64], tag: TypeTag) -> Result<()> {
        let ty = self.primitive(tag)?;
        let at = self.constants(words)?;
        let home = self.push(ty, Loc::Home)?;
        self.emit(Op::ConstN(home, at, words.len() as u16));
        Ok(())
    }

    fn copy_local(&mut self, at: u8) -> Result<()> {
        let local = self.local(at)?;
        let (slot, ty, is_shared) = (local.slot, local.ty.clone(), local.is_mutably_borrowed);
        if let Ty::Value(layout) = &ty
            && !layout.is_primitive()
        {
            let layout = self.layout_index(layout)?;
            let home = self.push(ty, Loc::Home)?;
            self.emit(Op::CopySlot(home, slot, layout));
            return Ok(());
        }
        self.read_local(at, slot, ty, is_shared)
    }

    /// Pushes words of a local that own nothing.
    fn read_local(&mut self, local: u8, slot: u16, ty: Ty, is_shared: bool) -> Result<()> {
        if !is_shared {
            return self.push(ty, Loc::Local { slot, local }).map(drop);
        }
        let words = ty.words();
        let home = self.push(ty, Loc::Home)?;
        self.emit_move(home, slot, words);
        Ok(())
    }

    fn move_local(&mut self, at: u8) -> Result<()> {
        let local = self.local(at)?;
        let (slot, ty, is_shared) = (local.slot, local.ty.clone(), local.is_mutably_borrowed);
        if ty.owning().is_none() {
            return self.read_local(at, slot, ty, is_shared);
        }
        // Fields of it may be pending.
        self.spill(at)?;
        let words = ty.words();
        let home = self.push(ty, Loc::Home)?;
        self.emit(if words == 1 { Op::Take(home, slot) } else { Op::TakeN(home, slot, words) });
        Ok(())
    }

    fn store_local(&mut self, at: u8) -> Result<()> {
        let entry = self.pop()?;
        let has_spilled = self.spill(at)?;
        let local = self.local(at)?;
        let slot = local.slot;
        if let Some(layout) = local.ty.owning().cloned() {
            let layout = self.layout_index(&layout)?;
            self.emit(Op::Drop(slot, layout));
            return self.store(slot, &entry, false);
        }
        self.store(slot, &entry, !has_spilled)
    }

    fn borrow_local(&mut self, at: u8, mutable: bool) -> Result<()> {
        let local = self.local(at)?;
        let Ty::Value(layout) = &local.ty else { return Err(invariant("a reference to a reference")) };
        let (ty, slot) = (Ty::Ref(Arc::clone(layout), mutable), local.slot);
        self.push(ty, Loc::Addr { slot }).map(drop)
    }

    /// Two operands of one type: `(left, right)`.
    fn pair(&mut self) -> Result<(Entry, Entry)> {
        let right = self.pop()?;
        Ok((self.pop()?, right))
    }

    fn arithmetic(&mut self, op: Wide) -> Result<()> {
        let (left, right) = self.pair()?;
        let layout = Self::value_layout(&left)?;
        if layout.words > 1 {
            let (a, b) = (self.slot(&left)?, self.slot(&right)?);
            let home = self.push(left.ty, Loc::Home)?;
            self.emit(if layout.words == 2 { Op::Wide2(op, home, a, b) } else { Op::Wide4(op, home, a, b) });
            return Ok(());
        }
        let bits = bits(&layout);
        let is_commutative = matches!(op, Wide::Add | Wide::Mul);
        let (left, right) = match (left.loc, right.loc) {
            (Loc::Const(_), loc) if is_commutative && !matches!(loc, Loc::Const(_)) => (right, left),
            _ => (left, right),
        };
        let (ty, result) = (left.ty.clone(), left.home.min(right.home));
        if let (64, Loc::Const(word)) = (bits, right.loc)
            && matches!(op, Wide::Add | Wide::Sub | Wide::Mul | Wide::Div | Wide::Mod)
        {
            let a = self.slot(&left)?;
            let k = self.constant(word)?;
            self.emit(match op {
                Wide::Add => Op::AddC(result, a, k),
                Wide::Sub => Op::SubC(result, a, k),
                Wide::Mul => Op::MulC(result, a, k),
                Wide::Div => Op::DivC(result, a, k),
                _ => Op::ModC(result, a, k),
            });
            return self.push(ty, Loc::Home).map(drop);
        }
        let (a, b) = (self.slot(&left)?, self.slot(&right)?);
        self.emit(match op {
            Wide::Add if bits < 64 => Op::AddN(bits, result, a, b),
            Wide::Mul if bits < 64 => Op::MulN(bits, result, a, b),
            Wide::Add => Op::Add(result, a, b),
            Wide::Sub => Op::Sub(result, a, b),
            Wide::Mul => Op::Mul(result, a, b),
            Wide::Div => Op::Div(result, a, b),
            Wide::Mod => Op::Mod(result, a, b),
            Wide::And => Op::And(result, a, b),
            Wide::Or => Op::Or(result, a, b),
            Wide::Xor => Op::Xor(result, a, b),
            Wide::Shl => Op::Shl(bits, result, a, b),
            _ => Op::Shr(bits, result, a, b),
        });
        self.push(ty, Loc::Home).map(drop)
    }

    fn not(&mut self) -> Result<()> {
        let entry = self.pop()?;
        let s = self.slot(&entry)?;
        let home = self.push(entry.ty, Loc::Home)?;
        self.emit(Op::Not(home, s));
        Ok(())
    }

    /// `left < right` or `left <= right`, the other way round if `is_swapped`.
    fn order(&mut self, op: Wide, is_swapped: bool) -> Result<()> {
        let (left, right) = self.pair()?;
        let layout = Self::value_layout(&left)?;
        let ty = self.primitive(TypeTag::Bool)?;
        if layout.words > 1 {
            let (mut a, mut b) = (self.slot(&left)?, self.slot(&right)?);
            if is_swapped {
                (a, b) = (b, a);
            }
            let home = self.push(ty, Loc::Home)?;
            self.emit(if layout.words == 2 { Op::Wide2(op, home, a, b) } else { Op::Wide4(op, home, a, b) });
            return Ok(());
        }
        let result = left.home;
        if let Loc::Const(word) = right.loc {
            let a = self.slot(&left)?;
            let k = self.constant(word)?;
            self.emit(match (op, is_swapped) {
                (Wide::Lt, false) => Op::LtC(result, a, k),
                (Wide::Lt, true) => Op::GtC(result, a, k),
                (_, false) => Op::LeC(result, a, k),
                (_, true) => Op::GeC(result, a, k),
            });
        } else {
            let (mut a, mut b) = (self.slot(&left)?, self.slot(&right)?);
            if is_swapped {
                (a, b) = (b, a);
            }
            self.emit(if op == Wide::Lt { Op::Lt(result, a, b) } else { Op::Le(result, a, b) });
        }
        self.push(ty, Loc::Home).map(drop)
    }

    fn equality(&mut self, wanted: bool) -> Result<()> {
        if let Ty::Ref(layout, _) = &self.stack.last().ok_or_else(|| invariant("missing operands"))?.ty {
            let layout = Arc::clone(layout);
            return self.equality_of_references(&layout, wanted);
        }
        let right = self.stack.last().ok_or_else(|| invariant("missing operands"))?;
        let layout = Self::value_layout(right)?;
        let ty = self.primitive(TypeTag::Bool)?;
        if !layout.is_primitive() {
            let home = self.bring_home_top(2)?;
            let at = self.layout_index(&layout)?;
            self.emit(Op::EqSlots(home, at, wanted));
            self.pair()?;
            return self.push(ty, Loc::Home).map(drop);
        }
        let (left, right) = self.pair()?;
        let result = left.home;
        if layout.words > 1 {
            let (a, b) = (self.slot(&left)?, self.slot(&right)?);
            let op = if wanted { Wide::Eq } else { Wide::Ne };
            self.emit(if layout.words == 2 { Op::Wide2(op, result, a, b) } else { Op::Wide4(op, result, a, b) });
        } else if let Loc::Const(word) = right.loc {
            let a = self.slot(&left)?;
            let k = self.constant(word)?;
            self.emit(if wanted { Op::EqC(result, a, k) } else { Op::NeC(result, a, k) });
        } else {
            let (a, b) = (self.slot(&left)?, self.slot(&right)?);
            self.emit(if wanted { Op::Eq(result, a, b) } else { Op::Ne(result, a, b) });
        }
        self.push(ty, Loc::Home).map(drop)
    }

    fn equality_of_references(&mut self, layout: &Arc<super::Layout>, wanted: bool) -> Result<()> {
        let home = self.bring_home_top(2)?;
        let at = self.layout_index(layout)?;
        self.emit(Op::EqAt(home, at, wanted));
        self.pair()?;
        let ty = self.primitive(TypeTag::Bool)?;
        self.push(ty, Loc::Home).map(drop)
    }

    fn cast(&mut self, to: TypeTag) -> Result<()> {
        let entry = self.pop()?;
        let from = Self::value_layout(&entry)?;
        let ty = self.primitive(to)?;
        let Ty::Value(to) = &ty else { return Err(invariant("a cast to a reference")) };
        let bytes = |kind: &Kind| match kind {
            Kind::U8 => Ok(1u8),
            Kind::U16 => Ok(2),
            Kind::U32 => Ok(4),
            Kind::U64 => Ok(8),
            Kind::U128 => Ok(16),
            Kind::U256 => Ok(32),
            _ => Err(invariant("a cast of no integer")),
        };
        let (from, to) = (bytes(&from.kind)?, bytes(&to.kind)?);
        if from == to || (from <= to && to <= 8) {
            // The same words.
            return self.push(ty, entry.loc).map(drop);
        }
        let s = self.slot(&entry)?;
        let home = self.push(ty, Loc::Home)?;
        self.emit(Op::Cast((from, to), home, s));
        Ok(())
    }

    pub(super) fn jump(&mut self, op: Op, target: u16) {
        self.jumps.push((self.code.len(), target));
        self.emit(op);
    }

    fn jump_always(&mut self, target: u16) {
        match self.last() {
            // The sum is the one that can fail; its offset stays.
            Some(Op::AddC(d, a, k)) if d == a && !self.is_long => {
                let at = self.offsets.last().copied().unwrap_or(self.at);
                self.remove_last();
                self.jump(Op::AddJump(d, k, 0), target);
                if let Some(last) = self.offsets.last_mut() {
                    *last = at;
                }
            }
            _ => self.jump(Op::Jump(0), target),
        }
    }

    fn branch(&mut self, wanted: bool, target: u16) -> Result<()> {
        let entry = self.pop()?;
        if let Loc::Const(word) = entry.loc {
            if (word != 0) == wanted {
                self.jump_always(target);
            }
            return Ok(());
        }
        if entry.loc == Loc::Home
            && !self.is_long
            && let Some(op) = self.last().and_then(|last| fused(last, entry.home, wanted))
        {
            let at = self.offsets.last().copied().unwrap_or(self.at);
            self.remove_last();
            self.jump(op, target);
            // Neither can fail.
            if let Some(last) = self.offsets.last_mut() {
                *last = at;
            }
            return Ok(());
        }
        let s = self.slot(&entry)?;
        self.jump(if wanted { Op::JumpIf(s, 0) } else { Op::JumpUnless(s, 0) }, target);
        Ok(())
    }

    fn switch(&mut self, targets: &[u16]) -> Result<()> {
        let entry = self.pop()?;
        let layout = Self::referent(&entry)?;
        let p = self.slot(&entry)?;
        let layout = self.layout_index(&layout)?;
        let table = u16::try_from(self.tables.len()).map_err(|_| too_large())?;
        self.tables.push(targets.iter().map(|target| u32::from(*target)).collect());
        self.emit(Op::Switch(p, table, layout));
        Ok(())
    }

    fn call(&mut self, handle: FunctionHandleIndex, type_args: &Arc<TypeArgs>) -> Result<()> {
        let module = Arc::clone(&self.loaded.module);
        let declared = module.function_handle_at(handle);
        let count = module.signature_at(declared.parameters).len();
        let mut results = Vec::new();
        for token in module.signature_at(declared.return_) {
            let inner = token.referent().unwrap_or(token);
            let layout = crate::types::close(&module, inner, &type_args.tags).and_then(|tag| self.layout(&tag));
            let layout = match layout {
                Ok(layout) => layout,
                Err(failure) => return self.emit_failure(*failure),
            };
            results.push(match token.referent() {
                Some(_) => Ty::Ref(layout, token.is_mutable_reference()),
                None => Ty::Value(layout),
            });
        }
        let base = self.bring_home_top(count)?;
        let below = self.stack.len() - count;
        let argument_words = self.next_home()? - base;
        let result_words = results.iter().map(Ty::words).sum();
        self.stack.truncate(below);
        let site = u16::try_from(self.sites.len()).map_err(|_| too_large())?;
        let type_args = Arc::clone(type_args);
        self.sites.push(Site { handle, type_args, argument_words, result_words, link: Link::new() });
        self.emit(Op::Call(base, site, u16::try_from(below).map_err(|_| too_large())?));
        results.into_iter().try_for_each(|ty| self.push(ty, Loc::Home).map(drop))
    }

    fn ret(&mut self) -> Result<()> {
        if self.stack.len() != self.results.len() {
            return Err(invariant("a return with another number of operands than the function has results"));
        }
        let owning: Vec<_> =
            self.locals.iter().filter_map(|local| Some((local.slot, Arc::clone(local.ty.owning()?)))).collect();
        for (slot, layout) in owning {
            let layout = self.layout_index(&layout)?;
            self.emit(Op::Drop(slot, layout));
        }
        match self.stack.len() {
            0 => self.emit(Op::Return0),
            1 => {
                let entry = self.pop()?;
                let slot = self.slot(&entry)?;
                let words = entry.ty.words();
                self.emit(if words == 1 { Op::Return1(slot) } else { Op::ReturnN(slot, words) });
            }
            count => {
                let first = self.bring_home_top(count)?;
                let words = self.next_home()? - first;
                self.stack.clear();
                self.emit(Op::ReturnN(first, words));
            }
        }
        Ok(())
    }
}

/// A comparison and the jump that looks at its result, as one.
fn fused(comparison: Op, home: u16, wanted: bool) -> Option<Op> {
    let mut comparison = comparison;
    if comparison.result().copied() != Some(home) {
        return None;
    }
    Some(match (comparison, wanted) {
        (Op::Lt(_, a, b), true) => Op::JumpLt(a, b, 0),
        (Op::Lt(_, a, b), false) => Op::JumpLe(b, a, 0),
        (Op::Le(_, a, b), true) => Op::JumpLe(a, b, 0),
        (Op::Le(_, a, b), false) => Op::JumpLt(b, a, 0),
        (Op::Eq(_, a, b), true) | (Op::Ne(_, a, b), false) => Op::JumpEq(a, b, 0),
        (Op::Eq(_, a, b), false) | (Op::Ne(_, a, b), true) => Op::JumpNe(a, b, 0),
        (Op::LtC(_, a, k), true) | (Op::GeC(_, a, k), false) => Op::JumpLtC(a, k, 0),
        (Op::LeC(_, a, k), true) | (Op::GtC(_, a, k), false) => Op::JumpLeC(a, k, 0),
        (Op::GtC(_, a, k), true) | (Op::LeC(_, a, k), false) => Op::JumpGtC(a, k, 0),
        (Op::GeC(_, a, k), true) | (Op::LtC(_, a, k), false) => Op::JumpGeC(a, k, 0),
        (Op::EqC(_, a, k), true) | (Op::NeC(_, a, k), false) => Op::JumpEqC(a, k, 0),
        (Op::EqC(_, a, k), false) | (Op::NeC(_, a, k), true) => Op::JumpNeC(a, k, 0),
        _ => return None,
    })
}
