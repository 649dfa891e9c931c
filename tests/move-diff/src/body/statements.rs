//! Statements: runs of steps, and control around them. The stack is empty between them.

use noema_bytecode::{Ability, Bytecode as B, VariantJumpTable, VariantJumpTableIndex};

use super::{ADDRESSES, CODE_MAX, Local, Maker, State, Step};
use crate::world::{Shape, Ty};

impl Maker<'_> {
    /// A statement, if one can be made here.
    pub(super) fn statement(&mut self) {
        if self.state.code.len() > CODE_MAX {
            return;
        }
        let is_deep = self.state.depth >= 3;
        let choice = self.dice.below(100);
        self.attempt(|maker| match choice {
            50..62 if !is_deep => maker.branch(),
            62..72 if !is_deep && maker.state.loops < 2 => maker.repeat(),
            72..80 if !is_deep => maker.switch(),
            80..83 => maker.stop_if(),
            83..86 => maker.break_if(),
            86..92 if maker.features.globals => maker.ensure_resource(),
            92..95 if maker.function.is_recursive => maker.recurse(),
            95..97 => maker.unreachable_code(),
            _ => maker.walk(),
        });
    }

    fn statements(&mut self, most: u64) {
        for _ in 0..self.dice.between(1, most) {
            self.statement();
        }
    }

    /// A block one level down: references and values without `drop` that it makes end with it.
    fn block(&mut self, most: u64) -> Step {
        self.state.depth += 1;
        self.statements(most);
        self.release_references(self.state.depth);
        self.empty_undroppable()?;
        self.state.depth -= 1;
        Some(())
    }

    fn condition(&mut self) -> Step {
        self.push(&Ty::Bool, 3)?;
        self.pop().map(drop)
    }

    fn branch(&mut self) -> Step {
        self.condition()?;
        let is_true = self.dice.percent(50);
        let jump = self.emit(if is_true { B::BrTrue(0) } else { B::BrFalse(0) });
        let before = self.state.locals.clone();
        self.block(3)?;
        let after_one = self.state.locals.clone();
        if self.dice.percent(30) {
            self.land(jump);
            self.meet(&[before, after_one]);
            return Some(());
        }
        let end = self.emit(B::Branch(0));
        self.land(jump);
        self.enter_with(&before);
        self.block(3)?;
        let after_other = self.state.locals.clone();
        self.land(end);
        self.meet(&[after_one, after_other]);
        Some(())
    }

    /// Goes on with what locals held at another point; locals made since exist and are empty.
    fn enter_with(&mut self, before: &[Local]) {
        for (position, local) in self.state.locals.iter_mut().enumerate() {
            match before.get(position) {
                Some(known) => *local = known.clone(),
                None => (local.is_full, local.borrow) = (false, None),
            }
        }
    }

    /// Goes on where paths meet: a local is full if it is on all of them, and may point where it points on any.
    fn meet(&mut self, paths: &[Vec<Local>]) {
        for (position, local) in self.state.locals.iter_mut().enumerate() {
            local.is_full = paths.iter().all(|path| path.get(position).is_some_and(|one| one.is_full));
            let mut borrows = paths.iter().filter_map(|path| path.get(position)?.borrow.as_ref());
            let mut joined = borrows.next().cloned();
            if let Some(joined) = &mut joined {
                for other in borrows {
                    joined.roots.extend(&other.roots);
                    joined.stamp = joined.stamp.max(other.stamp);
                }
            }
            local.borrow = if local.is_full { joined } else { None };
        }
    }

    /// A loop with a counter that nothing else writes.
    fn repeat(&mut self) -> Step {
        let counter_ty = self.dice.pick(&[Ty::U64, Ty::U64, Ty::U8]).clone();
        let load = |value: u64| if counter_ty == Ty::U8 { B::LdU8(value as u8) } else { B::LdU64(value) };
        let counter = self.new_local(&counter_ty)?;
        self.emit(load(0));
        self.emit(B::StLoc(counter));
        let slot = &mut self.state.locals[usize::from(counter)];
        (slot.is_full, slot.is_reserved) = (true, true);
        let head = self.here();
        self.emit(B::CopyLoc(counter));
        let rounds = self.dice.between(0, 4);
        self.emit(load(rounds));
        self.emit(B::Lt);
        let exit = self.emit(B::BrFalse(0));
        let at_head = self.state.locals.clone();
        let full = self.locals_where(|_, _, local| local.is_full);
        self.state.loops += 1;
        self.state.breaks.push(Vec::new());
        self.state.loop_heads.push(full.clone());
        self.block(3)?;
        // What the next round relies on is put back.
        for at in full {
            let local = self.state.locals[usize::from(at)].clone();
            if !local.is_full {
                self.push(&local.ty, 2)?;
                self.store(at)?;
            }
        }
        self.release_references(self.state.depth + 1);
        self.emit(B::CopyLoc(counter));
        self.emit(load(1));
        self.emit(B::Add);
        self.emit(B::StLoc(counter));
        self.emit(B::Branch(head));
        self.land(exit);
        for jump in self.state.breaks.pop()? {
            self.land(jump);
        }
        self.state.loop_heads.pop();
        self.state.loops -= 1;
        self.enter_with(&at_head);
        Some(())
    }

    fn break_if(&mut self) -> Step {
        let full = self.state.loop_heads.last()?.clone();
        self.condition()?;
        if full.iter().any(|at| !self.state.locals[usize::from(*at)].is_full) {
            return None;
        }
        let is_true = self.dice.percent(50);
        let jump = self.emit(if is_true { B::BrTrue(0) } else { B::BrFalse(0) });
        self.state.breaks.last_mut()?.push(jump);
        Some(())
    }

    /// Looks at an enum of this module, variant by variant.
    fn switch(&mut self) -> Step {
        let held = self.locals_where(|maker, _, local| {
            let value = if let Ty::Ref(inner) | Ty::MutRef(inner) = &local.ty { inner } else { &local.ty };
            local.is_full && matches!(value, Ty::Data(id, _) if maker.builder.enum_def(*id).is_some())
        });
        if held.is_empty() {
            return self.make_enum();
        }
        let at = *self.dice.pick(&held);
        let ty = self.state.locals[usize::from(at)].ty.clone();
        let value = if let Ty::Ref(inner) | Ty::MutRef(inner) = ty { *inner } else { ty };
        let Ty::Data(id, types) = &value else { return None };
        let def = self.builder.enum_def(*id)?;
        let world = self.world;
        let Shape::Enum(variants) = &world.datatypes[*id].shape else { return None };
        self.push_ref(&value, false, 0)?;
        self.pop()?;
        let table = self.state.jump_tables.len();
        self.state.jump_tables.push(VariantJumpTable { head_enum: def, targets: vec![0; variants.len()] });
        self.emit(B::VariantSwitch(VariantJumpTableIndex::new(table)));
        let before = self.state.locals.clone();
        let (mut paths, mut ends) = (Vec::new(), Vec::new());
        // Targets in any order, sometimes one for several variants.
        for (variant, fields) in variants.iter().enumerate() {
            if variant > 0 && self.dice.percent(15) {
                let other = self.state.jump_tables[table].targets[variant - 1];
                self.state.jump_tables[table].targets[variant] = other;
                continue;
            }
            self.state.jump_tables[table].targets[variant] = self.here();
            self.enter_with(&before);
            self.state.depth += 1;
            self.attempt(|maker| maker.take_variant(&value, types, def, variant as u16, fields));
            self.state.depth -= 1;
            self.block(2)?;
            paths.push(self.state.locals.clone());
            ends.push(self.emit(B::Branch(0)));
        }
        ends.into_iter().for_each(|jump| self.land(jump));
        self.meet(&paths);
        Some(())
    }

    fn make_enum(&mut self) -> Step {
        let enums: Vec<usize> = (0..self.world.datatypes.len())
            .filter(|id| self.builder.enum_def(*id).is_some() && self.world.datatypes[*id].params.is_empty())
            .collect();
        if enums.is_empty() {
            return None;
        }
        let ty = Ty::Data(*self.dice.pick(&enums), vec![]);
        self.push(&ty, 3)?;
        let at = self.new_local(&ty)?;
        self.store(at)
    }

    /// Unpacks a variant, by value or by reference.
    fn take_variant(
        &mut self,
        value: &Ty,
        types: &[Ty],
        def: noema_bytecode::EnumDefIndex,
        variant: u16,
        fields: &[Ty],
    ) -> Step {
        let height = self.state.stack.len();
        let plain = types.is_empty().then(|| self.builder.variant(def, variant));
        let world = self.world;
        let choice = self.dice.below(3);
        if choice == 0 {
            self.push_local(value)?;
            self.pop()?;
            let instruction = match plain {
                Some(at) => B::UnpackVariant(at),
                None => B::UnpackVariantGeneric(self.builder.variant_of(world, def, variant, types)),
            };
            self.emit(instruction);
            fields.iter().for_each(|field| self.push_value_operand(field.substitute(types)));
        } else {
            let is_mutable = choice == 1;
            self.push_ref(value, is_mutable, 0)?;
            let borrow = self.pop()?.borrow?;
            if !self.is_usable(&borrow, is_mutable) {
                return None;
            }
            let instruction = match (plain, is_mutable) {
                (Some(at), true) => B::UnpackVariantMutRef(at),
                (Some(at), false) => B::UnpackVariantImmRef(at),
                (None, true) => B::UnpackVariantGenericMutRef(self.builder.variant_of(world, def, variant, types)),
                (None, false) => B::UnpackVariantGenericImmRef(self.builder.variant_of(world, def, variant, types)),
            };
            self.emit(instruction);
            for field in fields {
                self.push_operand(field.substitute(types).borrowed(is_mutable), borrow.roots.clone());
            }
        }
        for _ in 0..2 {
            self.attempt(Self::walk);
        }
        self.drain(height)
    }

    /// Ends the function early: by an abort or with results.
    fn stop_if(&mut self) -> Step {
        self.condition()?;
        let jump = self.emit(B::BrFalse(0));
        let before: State = self.state.clone();
        if self.dice.percent(60) {
            self.push(&Ty::U64, 1)?;
            self.pop()?;
            self.emit(B::Abort);
        } else {
            self.release_references(1);
            let lacks = |maker: &Self, _, local: &Local| local.is_full && !maker.has(&local.ty, Ability::Drop);
            if !self.locals_where(lacks).is_empty() {
                return None;
            }
            self.return_()?;
        }
        let after = std::mem::take(&mut self.state);
        let made = after.locals[before.locals.len()..].to_vec();
        self.state = State { code: after.code, jump_tables: after.jump_tables, next_stamp: after.next_stamp, ..before };
        self.state.locals.extend(made.into_iter().map(|local| Local { is_full: false, borrow: None, ..local }));
        self.land(jump);
        Some(())
    }

    /// `if (!exists<T>(@signer)) move_to(signer, ..)`: so that what borrows finds something.
    fn ensure_resource(&mut self) -> Step {
        if self.dice.percent(30) {
            let height = self.state.stack.len();
            self.step_global()?;
            return self.drain(height);
        }
        let world = self.world;
        let plain = |id: &usize| {
            let data = &world.datatypes[*id];
            data.params.is_empty() && data.abilities.has(Ability::Key) && self.builder.struct_def(*id).is_some()
        };
        let resources: Vec<usize> = (0..world.datatypes.len()).filter(plain).collect();
        if resources.is_empty() {
            return None;
        }
        let id = *self.dice.pick(&resources);
        let def = self.builder.struct_def(id)?;
        let mut address = vec![0; 32];
        address[31] = ADDRESSES[0];
        let constant = self.builder.constant(world, &Ty::Address, address);
        self.emit(B::LdConst(constant));
        self.emit(B::Exists(def));
        let jump = self.emit(B::BrTrue(0));
        let before = self.state.locals.clone();
        self.state.depth += 1;
        self.push_ref(&Ty::Signer, false, 0)?;
        self.push(&Ty::Data(id, vec![]), 3)?;
        self.pop_many(2)?;
        self.emit(B::MoveTo(def));
        self.release_references(self.state.depth);
        self.empty_undroppable()?;
        self.state.depth -= 1;
        let after = self.state.locals.clone();
        self.land(jump);
        self.meet(&[before, after]);
        Some(())
    }

    /// Calls itself with one less.
    fn recurse(&mut self) -> Step {
        if self.state.has_recursed || self.state.loops > 0 {
            return None;
        }
        self.state.has_recursed = true;
        let height = self.state.stack.len();
        self.emit(B::CopyLoc(0));
        self.emit(B::LdU64(1));
        self.emit(B::Sub);
        self.push_value_operand(Ty::U64);
        let function = self.function;
        for param in &function.params[1..] {
            match param {
                Ty::Ref(inner) => self.push_ref(inner, false, 1)?,
                Ty::MutRef(inner) => self.push_ref(inner, true, 1)?,
                _ => self.push(param, 1)?,
            }
        }
        let types: Vec<Ty> = (0..function.type_params.len()).map(|at| Ty::Param(at as u16)).collect();
        self.finish_call(function, &types)?;
        self.drain(height)
    }

    /// Code that nothing jumps to.
    fn unreachable_code(&mut self) -> Step {
        let jump = self.emit(B::Branch(0));
        self.emit(B::LdU64(7));
        let is_endless = self.dice.percent(50);
        self.emit(if is_endless { B::Pop } else { B::Abort });
        if is_endless {
            let here = self.state.code.len() - 2;
            self.emit(B::Branch(here as u16));
        }
        self.land(jump);
        Some(())
    }
}
