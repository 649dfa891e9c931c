//! The abstract stack: pushing, popping, and bringing operands where instructions want them.

use std::sync::Arc;

use super::super::code::{Op, Ty};
use super::super::layout::{Kind, Layout};
use super::{Entry, Loc, Lowering, too_large};
use crate::error::{Result, invariant};

impl Lowering<'_, '_> {
    /// The home of the next operand.
    pub(super) fn next_home(&self) -> Result<u16> {
        match self.stack.last() {
            None => Ok(self.first_home),
            Some(entry) => entry.home.checked_add(entry.ty.words()).ok_or_else(too_large),
        }
    }

    /// Pushes an operand; gives its home.
    pub(super) fn push(&mut self, ty: Ty, loc: Loc) -> Result<u16> {
        let home = self.next_home()?;
        let end = home.checked_add(ty.words()).ok_or_else(too_large)?;
        self.frame = self.frame.max(usize::from(end));
        self.stack.push(Entry { ty, loc, home });
        Ok(home)
    }

    pub(super) fn pop(&mut self) -> Result<Entry> {
        self.stack.pop().ok_or_else(|| invariant("an instruction without its operands"))
    }

    /// The slot that holds an operand; emits what brings it there.
    pub(super) fn slot(&mut self, entry: &Entry) -> Result<u16> {
        Ok(match entry.loc {
            Loc::Home => entry.home,
            Loc::Local { slot, .. } => slot,
            Loc::Field { base, bytes: 0, .. } => base,
            _ => {
                self.bring_home(entry)?;
                entry.home
            }
        })
    }

    /// Emits what puts an operand into its home.
    pub(super) fn bring_home(&mut self, entry: &Entry) -> Result<()> {
        match entry.loc {
            Loc::Home => {}
            Loc::Local { slot, .. } => self.emit_move(entry.home, slot, entry.ty.words()),
            Loc::Const(word) => {
                let at = self.constant(word)?;
                self.emit(Op::Const(entry.home, at));
            }
            Loc::Addr { slot } => self.emit(Op::Lea(entry.home, slot)),
            Loc::Field { base, bytes: 0, .. } => self.emit_move(entry.home, base, 1),
            Loc::Field { base, bytes, .. } => self.emit(Op::Offset(entry.home, base, bytes)),
        }
        Ok(())
    }

    /// Brings the topmost operands home; gives the first one's home, or that of the next operand if there are none.
    pub(super) fn bring_home_top(&mut self, count: usize) -> Result<u16> {
        let first = self.stack.len().checked_sub(count).ok_or_else(|| invariant("missing operands"))?;
        for at in first..self.stack.len() {
            let entry = self.stack[at].clone();
            self.bring_home(&entry)?;
            self.stack[at].loc = Loc::Home;
        }
        match self.stack.get(first) {
            Some(entry) => Ok(entry.home),
            None => self.next_home(),
        }
    }

    /// Brings home what reads a local that is about to change.
    pub(super) fn spill(&mut self, changed: u8) -> Result<bool> {
        let mut has_spilled = false;
        for at in 0..self.stack.len() {
            let reads = match self.stack[at].loc {
                Loc::Local { local, .. } => local == changed,
                Loc::Field { local, .. } => local == Some(changed),
                _ => false,
            };
            if reads {
                let entry = self.stack[at].clone();
                self.bring_home(&entry)?;
                self.stack[at].loc = Loc::Home;
                has_spilled = true;
            }
        }
        Ok(has_spilled)
    }

    pub(super) fn emit_move(&mut self, to: u16, from: u16, words: u16) {
        if to == from {
            return;
        }
        self.emit(match words {
            1 => Op::Mov(to, from),
            2 => Op::Mov2(to, from),
            4 => Op::Mov4(to, from),
            _ => Op::MovN(to, from, words),
        });
    }

    /// Puts an operand into a slot that is not its home, if possible by letting the instruction that made it write there.
    pub(super) fn store(&mut self, to: u16, entry: &Entry, may_redirect: bool) -> Result<()> {
        if let Loc::Const(word) = entry.loc {
            let at = self.constant(word)?;
            self.emit(Op::Const(to, at));
            return Ok(());
        }
        if entry.loc == Loc::Home
            && may_redirect
            && self.code.len() > self.block_start
            && let Some(last) = self.code.last_mut()
            && last.result_words() == Some(entry.ty.words())
            && let Some(result) = last.result()
            && *result == entry.home
        {
            *result = to;
            return Ok(());
        }
        let from = self.slot(entry)?;
        self.emit_move(to, from, entry.ty.words());
        Ok(())
    }

    /// The layout of a value.
    pub(super) fn value_layout(entry: &Entry) -> Result<Arc<Layout>> {
        match &entry.ty {
            Ty::Value(layout) => Ok(Arc::clone(layout)),
            Ty::Ref(..) => Err(invariant("a reference where a value is wanted")),
        }
    }

    /// The layout of what a reference leads to.
    pub(super) fn referent(entry: &Entry) -> Result<Arc<Layout>> {
        match &entry.ty {
            Ty::Ref(layout, _) => Ok(Arc::clone(layout)),
            Ty::Value(_) => Err(invariant("a value where a reference is wanted")),
        }
    }

    /// A slot with the address, and bytes to add.
    pub(super) fn address(&mut self, entry: &Entry) -> Result<(u16, u16)> {
        match entry.loc {
            Loc::Field { base, bytes, .. } => Ok((base, bytes)),
            _ => Ok((self.slot(entry)?, 0)),
        }
    }

    /// Loads a value that is copied without charge from an address.
    pub(super) fn emit_load(&mut self, to: u16, base: u16, bytes: u16, layout: &Layout) {
        self.emit(match layout.kind {
            Kind::Bool | Kind::U8 => Op::Load1(to, base, bytes),
            Kind::U16 => Op::Load2(to, base, bytes),
            Kind::U32 => Op::Load4(to, base, bytes),
            _ if layout.words == 1 => Op::Load8(to, base, bytes),
            _ => Op::LoadN(layout.words as u8, to, base, bytes),
        });
    }

    pub(super) fn emit_store(&mut self, base: u16, bytes: u16, from: u16, layout: &Layout) {
        self.emit(match layout.kind {
            Kind::Bool | Kind::U8 => Op::Store1(base, bytes, from),
            Kind::U16 => Op::Store2(base, bytes, from),
            Kind::U32 => Op::Store4(base, bytes, from),
            _ if layout.words == 1 => Op::Store8(base, bytes, from),
            _ => Op::StoreN(layout.words as u8, base, bytes, from),
        });
    }
}
