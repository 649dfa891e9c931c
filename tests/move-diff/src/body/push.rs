//! Pushes a value or a reference of a wanted type.

use std::collections::BTreeSet;

use noema_bytecode::{Ability, Bytecode as B};
use noema_types::U256;

use super::{ADDRESSES, CALLS_MAX, Maker, Root, Step};
use crate::world::{Function, INTEGERS, Shape, Ty};

impl Maker<'_> {
    /// Pushes a value of the type, made in at most so many steps down.
    pub(super) fn push(&mut self, ty: &Ty, fuel: u32) -> Step {
        let choice = self.dice.below(100);
        if choice < 45 && self.attempt(|maker| maker.push_local(ty)).is_some() {
            return Some(());
        }
        if fuel > 0 {
            let made = match choice {
                0..60 if ty.bits() > 0 => self.attempt(|maker| maker.push_arithmetic(ty, fuel - 1)),
                60..66 => self.attempt(|maker| maker.push_read(ty, fuel - 1)),
                66..74 => self.attempt(|maker| maker.push_call_result(ty, fuel - 1)),
                74..78 if *ty == Ty::Bool => self.attempt(|maker| maker.push_comparison(fuel - 1)),
                78..81 if ty.bits() > 0 => self.attempt(|maker| maker.push_cast(ty, fuel - 1)),
                81..84 if *ty == Ty::U64 => self.attempt(|maker| maker.push_length(fuel - 1)),
                _ => None,
            };
            if made.is_some() {
                return made;
            }
        }
        if self.attempt(|maker| maker.push_new(ty, fuel)).is_some() {
            return Some(());
        }
        if self.attempt(|maker| maker.push_local(ty)).is_some() {
            return Some(());
        }
        self.attempt(|maker| maker.push_call_result(ty, fuel.saturating_sub(1)))
    }

    /// Copies or moves a local's value.
    pub(super) fn push_local(&mut self, ty: &Ty) -> Step {
        let held = self.locals_where(|_, _, local| local.is_full && local.ty == *ty);
        if held.is_empty() {
            return None;
        }
        let at = *self.dice.pick(&held);
        let local = self.state.locals[usize::from(at)].clone();
        let root = Root::Local(at);
        let may_copy = self.has(ty, Ability::Copy) && !self.is_borrowed_mutably(root);
        let is_own_depth = local.depth == self.state.depth || (!ty.is_ref() && self.has(ty, Ability::Drop));
        let may_move = !local.is_reserved && is_own_depth && !self.is_borrowed(root);
        if may_copy && (!may_move || self.dice.percent(75)) {
            self.emit(B::CopyLoc(at));
            match &local.borrow {
                Some(borrow) => self.push_operand(ty.clone(), borrow.roots.clone()),
                None => self.push_value_operand(ty.clone()),
            }
            return Some(());
        }
        if !may_move {
            return None;
        }
        self.emit(B::MoveLoc(at));
        let slot = &mut self.state.locals[usize::from(at)];
        slot.is_full = false;
        let borrow = slot.borrow.take();
        self.state.stack.push(super::Operand { ty: ty.clone(), borrow });
        Some(())
    }

    pub(super) fn push_literal(&mut self, ty: &Ty) -> Step {
        // Mostly small, or nothing would get past its first sum.
        let bytes = if self.dice.percent(80) {
            let mut bytes = [0; 32];
            bytes[0] = self.dice.between(1, 20) as u8;
            bytes
        } else {
            self.dice.interesting(ty.bits().max(8))
        };
        let word = u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes"));
        let instruction = match ty {
            Ty::Bool => {
                if self.dice.percent(50) {
                    B::LdTrue
                } else {
                    B::LdFalse
                }
            }
            Ty::U8 => B::LdU8(bytes[0]),
            Ty::U16 => B::LdU16(word as u16),
            Ty::U32 => B::LdU32(word as u32),
            Ty::U64 => B::LdU64(word),
            Ty::U128 => B::LdU128(Box::new(u128::from_le_bytes(bytes[..16].try_into().expect("sixteen bytes")))),
            Ty::U256 => B::LdU256(Box::new(U256::from_le_bytes(bytes))),
            Ty::Address => {
                let mut address = vec![0; 32];
                address[31] = if self.dice.percent(75) { ADDRESSES[0] } else { *self.dice.pick(&ADDRESSES) };
                B::LdConst(self.builder.constant(self.world, ty, address))
            }
            _ => return None,
        };
        self.emit(instruction);
        self.push_value_operand(ty.clone());
        Some(())
    }

    fn push_new(&mut self, ty: &Ty, fuel: u32) -> Step {
        match ty {
            Ty::Vector(element) => {
                if **element == Ty::U8 && self.dice.percent(40) {
                    return self.push_bytes();
                }
                let count = if fuel == 0 { 0 } else { self.dice.below(4) };
                for _ in 0..count {
                    self.push(element, fuel - 1)?;
                }
                self.pop_many(count as usize)?;
                let signature = self.builder.signature(self.world, std::slice::from_ref(&**element));
                self.emit(B::VecPack(signature, count));
                self.push_value_operand(ty.clone());
                Some(())
            }
            Ty::Data(..) => self.pack(ty, fuel),
            _ => self.push_literal(ty),
        }
    }

    fn push_bytes(&mut self) -> Step {
        let count = self.dice.below(12);
        let mut data = vec![count as u8];
        // Often text, so that functions on strings get past their checks.
        let is_text = self.dice.percent(70);
        data.extend(
            self.dice.bytes(count as usize).into_iter().map(|byte| if is_text { b'a' + byte % 26 } else { byte }),
        );
        let ty = Ty::U8.vector();
        let constant = self.builder.constant(self.world, &ty, data);
        self.emit(B::LdConst(constant));
        self.push_value_operand(ty);
        Some(())
    }

    fn pack(&mut self, ty: &Ty, fuel: u32) -> Step {
        let Ty::Data(id, types) = ty else { return None };
        let world = self.world;
        let below = fuel.saturating_sub(1);
        match &world.datatypes[*id].shape {
            Shape::Struct(fields) => {
                let def = self.builder.struct_def(*id)?;
                for field in fields {
                    self.push(&field.substitute(types), below)?;
                }
                self.pop_many(fields.len())?;
                if types.is_empty() {
                    self.emit(B::Pack(def));
                } else {
                    let at = self.builder.struct_of(world, def, types);
                    self.emit(B::PackGeneric(at));
                }
            }
            Shape::Enum(variants) => {
                let def = self.builder.enum_def(*id)?;
                let variant = if fuel == 0 { 0 } else { self.dice.index(variants.len()) };
                for field in &variants[variant] {
                    self.push(&field.substitute(types), below)?;
                }
                self.pop_many(variants[variant].len())?;
                if types.is_empty() {
                    let at = self.builder.variant(def, variant as u16);
                    self.emit(B::PackVariant(at));
                } else {
                    let at = self.builder.variant_of(world, def, variant as u16, types);
                    self.emit(B::PackVariantGeneric(at));
                }
            }
        }
        self.push_value_operand(ty.clone());
        Some(())
    }

    fn push_arithmetic(&mut self, ty: &Ty, fuel: u32) -> Step {
        self.push(ty, fuel)?;
        if self.dice.percent(25) {
            // A store between the operands: what the first was copied from may change.
            self.attempt(|maker| maker.store_something(fuel));
        }
        let operation = self.dice.below(11);
        if operation >= 9 {
            // Shifts mostly within the width.
            if self.dice.percent(85) {
                let amount = self.dice.below(u64::from(ty.bits())) as u8;
                self.emit(B::LdU8(amount));
                self.push_value_operand(Ty::U8);
            } else {
                self.push(&Ty::U8, fuel)?;
            }
        } else {
            self.push(ty, fuel)?;
            // A divisor that is zero, or a difference below zero, ends nearly every function.
            if matches!(operation, 6 | 7) && self.dice.percent(70) {
                self.push_one(ty);
                self.pop_many(1)?;
                self.emit(B::BitOr);
            }
        }
        let operations =
            [B::Add, B::BitAnd, B::Mul, B::BitAnd, B::BitOr, B::Xor, B::Div, B::Mod, B::Sub, B::Shl, B::Shr];
        self.pop_many(2)?;
        self.emit(operations[operation as usize].clone());
        self.push_value_operand(ty.clone());
        Some(())
    }

    /// Pushes a 1 of an integer type.
    fn push_one(&mut self, ty: &Ty) {
        self.emit(match ty {
            Ty::U8 => B::LdU8(1),
            Ty::U16 => B::LdU16(1),
            Ty::U32 => B::LdU32(1),
            Ty::U64 => B::LdU64(1),
            Ty::U128 => B::LdU128(Box::new(1)),
            _ => B::LdU256(Box::new(U256::from(1))),
        });
        self.push_value_operand(ty.clone());
    }

    /// Stores a cheap value in a local that is there already.
    fn store_something(&mut self, fuel: u32) -> Step {
        let targets = self.locals_where(|maker, at, local| !local.ty.is_ref() && maker.may_store(at));
        if targets.is_empty() {
            return None;
        }
        let at = *self.dice.pick(&targets);
        let ty = self.state.locals[usize::from(at)].ty.clone();
        self.push(&ty, fuel.min(1))?;
        self.store(at)
    }

    fn push_cast(&mut self, ty: &Ty, fuel: u32) -> Step {
        let from = self.dice.pick(&INTEGERS).clone();
        self.push(&from, fuel)?;
        self.pop()?;
        self.emit(match ty {
            Ty::U8 => B::CastU8,
            Ty::U16 => B::CastU16,
            Ty::U32 => B::CastU32,
            Ty::U64 => B::CastU64,
            Ty::U128 => B::CastU128,
            Ty::U256 => B::CastU256,
            _ => return None,
        });
        self.push_value_operand(ty.clone());
        Some(())
    }

    fn push_comparison(&mut self, fuel: u32) -> Step {
        match self.dice.below(4) {
            0 | 1 => {
                let ty = self.dice.pick(&INTEGERS).clone();
                self.push(&ty, fuel)?;
                self.push(&ty, fuel)?;
                let operation = self.dice.pick(&[B::Lt, B::Gt, B::Le, B::Ge, B::Eq, B::Neq]).clone();
                self.pop_many(2)?;
                self.emit(operation);
            }
            2 => {
                let ty = self.some_type()?;
                if !self.has(&ty, Ability::Drop) {
                    return None;
                }
                self.push(&ty, fuel)?;
                self.push(&ty, fuel)?;
                self.equality()?;
            }
            _ => {
                let ty = self.some_type()?;
                self.push_ref(&ty, false, fuel)?;
                self.push_ref(&ty, false, fuel)?;
                self.equality()?;
            }
        }
        self.push_value_operand(Ty::Bool);
        Some(())
    }

    fn equality(&mut self) -> Step {
        let operation = if self.dice.percent(60) { B::Eq } else { B::Neq };
        self.pop_many(2)?;
        self.emit(operation);
        Some(())
    }

    /// The type of some local that holds a value.
    pub(super) fn some_type(&mut self) -> Step<Ty> {
        let held = self.locals_where(|_, _, local| local.is_full && !local.ty.is_ref() && local.ty != Ty::Signer);
        if held.is_empty() {
            return Some(self.dice.pick(&INTEGERS).clone());
        }
        let at = *self.dice.pick(&held);
        Some(self.state.locals[usize::from(at)].ty.clone())
    }

    fn push_read(&mut self, ty: &Ty, fuel: u32) -> Step {
        if !self.has(ty, Ability::Copy) {
            return None;
        }
        let is_mutable = self.dice.percent(30);
        self.push_ref(ty, is_mutable, fuel)?;
        self.read_top()
    }

    /// Reads through the reference on top.
    pub(super) fn read_top(&mut self) -> Step {
        let top = self.state.stack.last()?.clone();
        let (Ty::Ref(inner) | Ty::MutRef(inner)) = &top.ty else { return None };
        if !self.has(inner, Ability::Copy) || !self.is_usable(top.borrow.as_ref()?, false) {
            return None;
        }
        self.pop();
        self.emit(B::ReadRef);
        self.push_value_operand((**inner).clone());
        Some(())
    }

    fn push_length(&mut self, fuel: u32) -> Step {
        let vectors = self.locals_where(|_, _, local| local.is_full && matches!(local.ty, Ty::Vector(_)));
        if vectors.is_empty() {
            return None;
        }
        let at = *self.dice.pick(&vectors);
        let ty = self.state.locals[usize::from(at)].ty.clone();
        self.push_ref(&ty, false, fuel)?;
        self.length_of_top()
    }

    pub(super) fn length_of_top(&mut self) -> Step {
        let (Ty::Ref(inner) | Ty::MutRef(inner)) = self.state.stack.last()?.ty.clone() else { return None };
        let Ty::Vector(element) = *inner else { return None };
        self.pop();
        let signature = self.builder.signature(self.world, std::slice::from_ref(&*element));
        self.emit(B::VecLen(signature));
        self.push_value_operand(Ty::U64);
        Some(())
    }

    /// A small index: mostly in range.
    pub(super) fn push_index(&mut self) -> Step {
        if self.dice.percent(10) {
            return self.push(&Ty::U64, 1);
        }
        let index = if self.dice.percent(80) { 0 } else { self.dice.below(4) };
        self.emit(B::LdU64(index));
        self.push_value_operand(Ty::U64);
        Some(())
    }

    /// Pushes a reference to a value of the type.
    pub(super) fn push_ref(&mut self, ty: &Ty, is_mutable: bool, fuel: u32) -> Step {
        if self.dice.percent(30) && self.attempt(|maker| maker.push_held_ref(ty, is_mutable)).is_some() {
            return Some(());
        }
        if self.dice.percent(35) && self.attempt(|maker| maker.push_part_ref(ty, is_mutable)).is_some() {
            return Some(());
        }
        if self.features.globals
            && self.dice.percent(20)
            && self.attempt(|maker| maker.push_global_ref(ty, is_mutable)).is_some()
        {
            return Some(());
        }
        let held = self.locals_where(|maker, at, local| local.ty == *ty && maker.may_borrow(at, is_mutable));
        if !held.is_empty() && self.dice.percent(80) {
            let at = *self.dice.pick(&held);
            return self.borrow_local(at, is_mutable);
        }
        if *ty == Ty::Signer {
            return self.push_held_ref(ty, is_mutable);
        }
        self.push(ty, fuel)?;
        let at = self.new_local(ty)?;
        self.store(at)?;
        self.borrow_local(at, is_mutable)
    }

    fn may_borrow(&self, at: u8, is_mutable: bool) -> bool {
        let local = &self.state.locals[usize::from(at)];
        let root = Root::Local(at);
        let is_free = if is_mutable { !self.is_borrowed(root) } else { !self.is_borrowed_mutably(root) };
        local.is_full && !local.ty.is_ref() && is_free && !(is_mutable && local.is_reserved)
    }

    pub(super) fn borrow_local(&mut self, at: u8, is_mutable: bool) -> Step {
        if !self.may_borrow(at, is_mutable) {
            return None;
        }
        self.emit(if is_mutable { B::MutBorrowLoc(at) } else { B::ImmBorrowLoc(at) });
        let ty = self.state.locals[usize::from(at)].ty.clone().borrowed(is_mutable);
        self.push_operand(ty, BTreeSet::from([Root::Local(at)]));
        Some(())
    }

    /// Copies a reference that a local holds, frozen if need be.
    fn push_held_ref(&mut self, ty: &Ty, is_mutable: bool) -> Step {
        let exact = ty.clone().borrowed(is_mutable);
        let stronger = ty.clone().borrowed(true);
        let held = self.locals_where(|maker, _, local| {
            local.is_full
                && (local.ty == exact || (!is_mutable && local.ty == stronger))
                && local.borrow.as_ref().is_some_and(|borrow| maker.is_usable(borrow, is_mutable))
        });
        if held.is_empty() {
            return None;
        }
        let at = *self.dice.pick(&held);
        let local = self.state.locals[usize::from(at)].clone();
        let roots = local.borrow?.roots;
        self.emit(B::CopyLoc(at));
        if local.ty != exact {
            self.emit(B::FreezeRef);
        }
        self.push_operand(exact, roots);
        Some(())
    }

    /// A reference to what a result may refer to: a parameter's place.
    pub(super) fn push_param_ref(&mut self, ty: &Ty, is_mutable: bool) -> Step {
        self.push_held_ref(ty, is_mutable)?;
        let roots = &self.state.stack.last()?.borrow.as_ref()?.roots;
        roots.iter().all(|root| matches!(root, Root::Param(_))).then_some(())
    }

    /// Borrows a field or an element of what a local holds or refers to.
    fn push_part_ref(&mut self, ty: &Ty, is_mutable: bool) -> Step {
        let world = self.world;
        let mut places = Vec::new();
        for at in self.locals_where(|_, _, local| local.is_full) {
            let held = &self.state.locals[usize::from(at)].ty;
            let value = if let Ty::Ref(inner) | Ty::MutRef(inner) = held { inner } else { held };
            if is_mutable && matches!(held, Ty::Ref(_)) {
                continue;
            }
            match value {
                Ty::Vector(element) if **element == *ty => places.push((at, None)),
                Ty::Data(id, types) if self.builder.struct_def(*id).is_some() => {
                    let Shape::Struct(fields) = &world.datatypes[*id].shape else { continue };
                    let matching = fields.iter().enumerate().filter(|(_, field)| field.substitute(types) == *ty);
                    places.extend(matching.map(|(field, _)| (at, Some(field as u16))));
                }
                _ => {}
            }
        }
        if places.is_empty() {
            return None;
        }
        let (at, field) = *self.dice.pick(&places);
        let held = self.state.locals[usize::from(at)].ty.clone();
        match held {
            Ty::Ref(inner) | Ty::MutRef(inner) => self.push_held_ref(&inner, is_mutable)?,
            _ => self.borrow_local(at, is_mutable)?,
        }
        match field {
            Some(field) => self.borrow_field(field),
            None => {
                self.push_index()?;
                self.borrow_element()
            }
        }
    }

    /// Borrows a field of what the top operand refers to.
    pub(super) fn borrow_field(&mut self, field: u16) -> Step {
        let top = self.pop()?;
        let is_mutable = matches!(top.ty, Ty::MutRef(_));
        let (Ty::Ref(inner) | Ty::MutRef(inner)) = &top.ty else { return None };
        let Ty::Data(id, types) = &**inner else { return None };
        let world = self.world;
        let Shape::Struct(fields) = &world.datatypes[*id].shape else { return None };
        let def = self.builder.struct_def(*id)?;
        let borrow = top.borrow?;
        if !self.is_usable(&borrow, is_mutable) {
            return None;
        }
        let instruction = match (types.is_empty(), is_mutable) {
            (true, true) => B::MutBorrowField(self.builder.field(def, field)),
            (true, false) => B::ImmBorrowField(self.builder.field(def, field)),
            (false, true) => B::MutBorrowFieldGeneric(self.builder.field_of(world, def, field, types)),
            (false, false) => B::ImmBorrowFieldGeneric(self.builder.field_of(world, def, field, types)),
        };
        self.emit(instruction);
        let ty = fields.get(usize::from(field))?.substitute(types).borrowed(is_mutable);
        self.push_operand(ty, borrow.roots);
        Some(())
    }

    /// Borrows the element whose vector and index are on top.
    pub(super) fn borrow_element(&mut self) -> Step {
        let operands = self.pop_many(2)?;
        let is_mutable = matches!(operands[0].ty, Ty::MutRef(_));
        let (Ty::Ref(inner) | Ty::MutRef(inner)) = &operands[0].ty else { return None };
        let Ty::Vector(element) = &**inner else { return None };
        let borrow = operands[0].borrow.as_ref()?;
        if !self.is_usable(borrow, is_mutable) {
            return None;
        }
        let signature = self.builder.signature(self.world, std::slice::from_ref(&**element));
        self.emit(if is_mutable { B::VecMutBorrow(signature) } else { B::VecImmBorrow(signature) });
        self.push_operand((**element).clone().borrowed(is_mutable), borrow.roots.clone());
        Some(())
    }

    /// Borrows a resource of the type.
    pub(super) fn push_global_ref(&mut self, ty: &Ty, is_mutable: bool) -> Step {
        let Ty::Data(id, types) = ty else { return None };
        let def = self.builder.struct_def(*id)?;
        let root = Root::Global(*id);
        let is_free = if is_mutable { !self.is_borrowed(root) } else { !self.is_borrowed_mutably(root) };
        if !self.has(ty, Ability::Key) || !is_free {
            return None;
        }
        self.push(&Ty::Address, 0)?;
        self.pop()?;
        let instruction = match (types.is_empty(), is_mutable) {
            (true, true) => B::MutBorrowGlobal(def),
            (true, false) => B::ImmBorrowGlobal(def),
            (false, true) => B::MutBorrowGlobalGeneric(self.builder.struct_of(self.world, def, types)),
            (false, false) => B::ImmBorrowGlobalGeneric(self.builder.struct_of(self.world, def, types)),
        };
        self.emit(instruction);
        self.push_operand(ty.clone().borrowed(is_mutable), BTreeSet::from([root]));
        Some(())
    }

    /// Calls a function whose only result has the type.
    fn push_call_result(&mut self, ty: &Ty, fuel: u32) -> Step {
        let world = self.world;
        let mut found = Vec::new();
        for at in self.callable {
            let function = &world.functions[*at];
            if let [result] = function.results.as_slice() {
                let mut types = vec![None; function.type_params.len()];
                if unify(result, ty, &mut types) {
                    found.push((*at, types));
                }
            }
        }
        if found.is_empty() {
            return None;
        }
        let (at, types) = self.dice.pick(&found).clone();
        self.call(at, types, fuel)
    }

    /// Calls a function; type arguments that are not given are drawn.
    pub(super) fn call(&mut self, at: usize, types: Vec<Option<Ty>>, fuel: u32) -> Step {
        let function = &self.world.functions[at];
        if self.state.calls >= CALLS_MAX || (self.state.loops > 0 && self.dice.percent(60)) {
            return None;
        }
        self.state.calls += 1;
        let mut chosen = Vec::new();
        for (given, constraint) in types.into_iter().zip(&function.type_params) {
            let ty = match given {
                Some(ty) => ty,
                None => self.some_type()?,
            };
            if !constraint.is_subset(self.abilities(&ty)) || ty.nodes() > 6 || ty.is_ref() {
                return None;
            }
            chosen.push(ty);
        }
        for (position, param) in function.params.iter().enumerate() {
            let param = param.substitute(&chosen);
            match &param {
                Ty::Ref(inner) => self.push_ref(inner, false, fuel)?,
                Ty::MutRef(inner) => self.push_ref(inner, true, fuel)?,
                _ if position == 0 && function.is_recursive => {
                    let depth = self.dice.below(5);
                    self.emit(B::LdU64(depth));
                    self.push_value_operand(Ty::U64);
                }
                _ => self.push(&param, fuel)?,
            }
        }
        self.finish_call(function, &chosen)
    }

    /// Calls with the arguments on the stack.
    pub(super) fn finish_call(&mut self, function: &Function, types: &[Ty]) -> Step {
        let arguments = self.pop_many(function.params.len())?;
        let (mut all, mut mutable) = (BTreeSet::new(), BTreeSet::new());
        for borrow in arguments.iter().filter_map(|one| one.borrow.as_ref()) {
            if borrow.is_mutable && !self.is_usable(borrow, true) {
                return None;
            }
            all.extend(borrow.roots.iter().copied());
            if borrow.is_mutable {
                mutable.extend(borrow.roots.iter().copied());
            }
        }
        let is_own = function.module == self.function.module;
        if is_own && self.borrows().any(|one| one.roots.iter().any(|root| matches!(root, Root::Global(_)))) {
            return None;
        }
        if types.is_empty() {
            let handle = self.builder.function(self.world, function);
            self.emit(B::Call(handle));
        } else {
            let at = self.builder.function_of(self.world, function, types);
            self.emit(B::CallGeneric(at));
        }
        for result in &function.results {
            let result = result.substitute(types);
            match &result {
                Ty::Ref(_) => self.push_operand(result, all.clone()),
                Ty::MutRef(_) => self.push_operand(result, mutable.clone()),
                _ => self.push_value_operand(result),
            }
        }
        Some(())
    }
}

/// Finds type arguments that make `pattern` equal to `ty`.
fn unify(pattern: &Ty, ty: &Ty, types: &mut [Option<Ty>]) -> bool {
    match (pattern, ty) {
        (Ty::Param(index), _) => match &types[usize::from(*index)] {
            Some(known) => known == ty,
            None => {
                types[usize::from(*index)] = Some(ty.clone());
                true
            }
        },
        (Ty::Vector(left), Ty::Vector(right)) => unify(left, right, types),
        (Ty::Data(left, lefts), Ty::Data(right, rights)) => {
            left == right && lefts.iter().zip(rights).all(|(left, right)| unify(left, right, types))
        }
        (Ty::Ref(_) | Ty::MutRef(_), _) => false,
        _ => pattern == ty,
    }
}
