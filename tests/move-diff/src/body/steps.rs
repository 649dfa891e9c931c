//! One random instruction, or few, on what the stack holds.

use noema_bytecode::{Ability, Bytecode as B};

use super::{Maker, Root, STACK_MAX, Step};
use crate::world::{INTEGERS, Shape, Ty};

impl Maker<'_> {
    /// A run of steps that leaves the stack as it was.
    pub(super) fn walk(&mut self) -> Step {
        let height = self.state.stack.len();
        for _ in 0..self.dice.between(2, 10) {
            self.attempt(Self::step);
        }
        self.drain(height)
    }

    fn step(&mut self) -> Step {
        if self.state.stack.len() >= STACK_MAX {
            return self.consume();
        }
        match self.dice.below(20) {
            0..4 => self.step_push(),
            4 => self.step_write(),
            5 => self.step_vector(),
            6 => self.step_call(),
            7 if self.features.globals => self.step_global(),
            8 => self.consume(),
            _ => self.step_on_top(),
        }
    }

    fn step_push(&mut self) -> Step {
        if self.dice.percent(50) {
            let ty = self.some_type()?;
            return self.push(&ty, 2);
        }
        if self.dice.percent(25) {
            let ty = self.some_type()?;
            let is_mutable = self.dice.percent(50);
            return self.push_ref(&ty, is_mutable, 1);
        }
        let ty = match self.dice.below(8) {
            0 => Ty::Bool,
            1 => Ty::Address,
            2 => Ty::U8.vector(),
            3 => self.own_type()?,
            _ => self.dice.pick(&INTEGERS).clone(),
        };
        self.push(&ty, 2)
    }

    /// A datatype of this module with drawn arguments.
    fn own_type(&mut self) -> Step<Ty> {
        let own: Vec<usize> =
            (0..self.world.datatypes.len()).filter(|id| self.builder.defined(*id).is_some()).collect();
        if own.is_empty() {
            return None;
        }
        let id = *self.dice.pick(&own);
        let mut types = Vec::new();
        for param in &self.world.datatypes[id].params {
            let ty = self.some_type()?;
            if !param.constraints.is_subset(self.abilities(&ty)) || ty.nodes() > 3 {
                return None;
            }
            types.push(ty);
        }
        Some(Ty::Data(id, types))
    }

    /// Writes through a reference.
    fn step_write(&mut self) -> Step {
        let ty = self.some_type()?;
        if !self.has(&ty, Ability::Drop) {
            return None;
        }
        self.push(&ty, 2)?;
        self.push_ref(&ty, true, 1)?;
        let borrow = self.state.stack.last()?.borrow.clone()?;
        if !self.is_usable(&borrow, true) {
            return None;
        }
        self.pop_many(2)?;
        self.emit(B::WriteRef);
        Some(())
    }

    fn step_vector(&mut self) -> Step {
        let held = self.locals_where(|_, _, local| local.is_full && matches!(local.ty, Ty::Vector(_)));
        if held.is_empty() {
            return None;
        }
        let ty = self.state.locals[usize::from(*self.dice.pick(&held))].ty.clone();
        let Ty::Vector(element) = ty.clone() else { return None };
        let signature = self.builder.signature(self.world, std::slice::from_ref(&*element));
        let choice = self.dice.below(6);
        if choice == 5 {
            self.push(&ty, 1)?;
            self.pop()?;
            let count = self.dice.below(3);
            self.emit(B::VecUnpack(signature, count));
            (0..count).for_each(|_| self.push_value_operand((*element).clone()));
            return Some(());
        }
        self.push_ref(&ty, choice != 4, 1)?;
        match choice {
            0 | 1 => {
                self.push(&element, 1)?;
                self.check_writable(1)?;
                self.pop_many(2)?;
                self.emit(B::VecPushBack(signature));
            }
            2 => {
                self.check_writable(0)?;
                self.pop()?;
                self.emit(B::VecPopBack(signature));
                self.push_value_operand(*element);
            }
            3 => {
                self.push_index()?;
                self.push_index()?;
                self.check_writable(2)?;
                self.pop_many(3)?;
                self.emit(B::VecSwap(signature));
            }
            _ => {
                self.push_index()?;
                self.borrow_element()?;
            }
        }
        Some(())
    }

    /// Whether the reference so far below the top may be written through.
    fn check_writable(&self, below: usize) -> Step {
        let at = self.state.stack.len().checked_sub(below + 1)?;
        let borrow = self.state.stack[at].borrow.as_ref()?;
        self.is_usable(borrow, true).then_some(())
    }

    fn step_call(&mut self) -> Step {
        if self.callable.is_empty() {
            return None;
        }
        let at = *self.dice.pick(self.callable);
        let types = vec![None; self.world.functions[at].type_params.len()];
        self.call(at, types, 2)
    }

    /// A use of global storage that moves values, or asks.
    pub(super) fn step_global(&mut self) -> Step {
        let world = self.world;
        let resources: Vec<usize> = (0..world.datatypes.len())
            .filter(|id| self.builder.struct_def(*id).is_some() && world.datatypes[*id].abilities.has(Ability::Key))
            .collect();
        if resources.is_empty() {
            return None;
        }
        let id = *self.dice.pick(&resources);
        let def = self.builder.struct_def(id)?;
        let mut types = Vec::new();
        for param in &world.datatypes[id].params {
            let ty = self.dice.pick(&[Ty::U8, Ty::U64, Ty::Bool]).clone();
            param.constraints.is_subset(self.abilities(&ty)).then_some(())?;
            types.push(ty);
        }
        let ty = Ty::Data(id, types.clone());
        if !self.has(&ty, Ability::Key) {
            return None;
        }
        let instance = (!types.is_empty()).then(|| self.builder.struct_of(world, def, &types));
        match self.dice.below(9) {
            0 => {
                self.push(&Ty::Address, 0)?;
                self.pop()?;
                self.emit(instance.map_or(B::Exists(def), B::ExistsGeneric));
                self.push_value_operand(Ty::Bool);
            }
            1 | 2 => {
                self.push_ref(&Ty::Signer, false, 0)?;
                self.push(&ty, 2)?;
                self.pop_many(2)?;
                self.emit(instance.map_or(B::MoveTo(def), B::MoveToGeneric));
            }
            3 => {
                if self.is_borrowed(Root::Global(id)) {
                    return None;
                }
                self.push(&Ty::Address, 0)?;
                self.pop()?;
                self.emit(instance.map_or(B::MoveFrom(def), B::MoveFromGeneric));
                self.push_value_operand(ty);
            }
            4 => {
                let is_mutable = self.dice.percent(50);
                self.push_global_ref(&ty, is_mutable)?;
            }
            _ => self.write_resource(&ty)?,
        }
        Some(())
    }

    /// Writes a field of a resource, or all of it.
    fn write_resource(&mut self, ty: &Ty) -> Step {
        let Ty::Data(id, types) = ty else { return None };
        let Shape::Struct(fields) = &self.world.datatypes[*id].shape else { return None };
        let field = self.dice.index(fields.len());
        let is_whole = self.dice.percent(20);
        let value = if is_whole { ty.clone() } else { fields[field].substitute(types) };
        if !self.has(&value, Ability::Drop) {
            return None;
        }
        self.push(&value, 2)?;
        self.push_global_ref(ty, true)?;
        if !is_whole {
            self.borrow_field(field as u16)?;
        }
        self.pop_many(2)?;
        self.emit(B::WriteRef);
        Some(())
    }

    /// Something that the top operand allows.
    fn step_on_top(&mut self) -> Step {
        let Some(top) = self.state.stack.last().cloned() else { return self.step_push() };
        match &top.ty {
            Ty::Bool => self.step_bool(),
            ty if ty.bits() > 0 => self.step_integer(ty),
            Ty::Ref(_) | Ty::MutRef(_) => self.step_reference(),
            Ty::Data(id, types) if self.dice.percent(40) => {
                let def = self.builder.struct_def(*id)?;
                self.pop();
                self.unpack(*id, def, types)
            }
            _ => self.consume(),
        }
    }

    fn step_bool(&mut self) -> Step {
        let operation = self.dice.pick(&[B::And, B::Or, B::Not]).clone();
        if operation != B::Not {
            self.push(&Ty::Bool, 1)?;
            self.pop()?;
        }
        self.emit(operation);
        Some(())
    }

    fn step_integer(&mut self, ty: &Ty) -> Step {
        let height = self.state.stack.len();
        let has_two = height >= 2 && self.state.stack[height - 2].ty == *ty;
        match self.dice.below(6) {
            0 => self.step_cast(),
            1 => self.store_somewhere(),
            _ => {
                if !has_two {
                    self.push(ty, 1)?;
                }
                self.pop_many(2)?;
                let operations = [
                    B::Add,
                    B::Sub,
                    B::Mul,
                    B::Div,
                    B::Mod,
                    B::BitAnd,
                    B::BitOr,
                    B::Xor,
                    B::Xor,
                    B::Lt,
                    B::Gt,
                    B::Le,
                    B::Ge,
                    B::Eq,
                    B::Neq,
                ];
                let at = self.dice.index(operations.len());
                self.emit(operations[at].clone());
                self.push_value_operand(if at < 9 { ty.clone() } else { Ty::Bool });
                Some(())
            }
        }
    }

    fn step_cast(&mut self) -> Step {
        let casts = [B::CastU8, B::CastU16, B::CastU32, B::CastU64, B::CastU128, B::CastU256];
        let at = self.dice.index(casts.len());
        self.pop()?;
        self.emit(casts[at].clone());
        self.push_value_operand(INTEGERS[at].clone());
        Some(())
    }

    fn step_reference(&mut self) -> Step {
        let top = self.state.stack.last()?.clone();
        let (Ty::Ref(inner) | Ty::MutRef(inner)) = &top.ty else { return None };
        let is_mutable = matches!(top.ty, Ty::MutRef(_));
        match self.dice.below(6) {
            0 | 1 => self.read_top(),
            2 => self.store_somewhere(),
            3 if is_mutable => {
                if !self.is_usable(top.borrow.as_ref()?, true) {
                    return None;
                }
                self.pop();
                self.emit(B::FreezeRef);
                self.push_operand((**inner).clone().borrowed(false), top.borrow?.roots);
                Some(())
            }
            _ => match &**inner {
                Ty::Vector(_) if self.dice.percent(50) => self.length_of_top(),
                Ty::Vector(_) => {
                    self.push_index()?;
                    self.borrow_element()
                }
                Ty::Data(id, _) => {
                    let Shape::Struct(fields) = &self.world.datatypes[*id].shape else { return None };
                    if fields.is_empty() {
                        return None;
                    }
                    let field = self.dice.index(fields.len()) as u16;
                    self.borrow_field(field)
                }
                _ => self.read_top(),
            },
        }
    }
}
