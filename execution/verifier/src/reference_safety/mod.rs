//! References are never dangling, and what can be written is seen by one reference only.
//!
//! Abstract interpretation with a *borrow graph* ([`graph`]): at each point it knows which references borrow from which
//! locals, globals and other references, and by which path. The rules:
//! - a local is moved, overwritten or left only when nothing borrows from it, and read only when nothing borrows from it
//!   mutably;
//! - `WriteRef`, vector updates and calls need a mutable reference from which nothing borrows;
//! - reading, freezing and comparing need that nothing borrows mutably from the reference;
//! - different fields are different places; elements of a vector, and resources of one struct whatever their address or
//!   type arguments, are one place;
//! - a result of a call may be anywhere in the arguments it could come from: a mutable one in the mutable arguments, an
//!   immutable one in all;
//! - a function returns no reference into its locals or into global storage;
//! - a function that acquires a resource is not called, and the resource not moved out, while a reference into it lives.
//!
//! The fast interpreter's references are bare pointers: without this pass, a program could keep one into a vector that
//! has been moved or grown, that is, read and write memory that is no longer its own.
//!
//! Releasing a reference splices it out of the graph, so precision survives copies and moves. At the end of a block the
//! references in locals are renamed after their local; where paths meet, edges are united. Each step charges the meter
//! for the nodes and edges it touches.

mod graph;
mod state;

use noema_bytecode::{
    Bytecode, FieldHandleIndex, FunctionHandleIndex, StructDefIndex, StructDefInstantiationIndex, VariantHandleIndex,
    VariantInstantiationHandleIndex,
};

use crate::Result;
use crate::absint;
use crate::acquires::acquires_of;
use crate::flow_graph::FlowGraph;
use crate::function::Function;
use crate::meter::Meter;
use graph::{Label, RefId};
use state::{Checked, Held, State};

pub(crate) fn check(function: &Function<'_>, graph: &FlowGraph, meter: &mut Meter) -> Result {
    absint::run(graph, State::new(function), meter, |state, block, meter| {
        let mut machine = Machine { function, state, stack: Vec::new() };
        for offset in block.range.clone() {
            let instruction = &function.code.code[offset];
            machine.state.limit_work(meter.remaining());
            machine.instruction(instruction).map_err(|status| {
                let message = format!("{} while a borrow that it would break is live", instruction.name());
                function.error(status, offset, message)
            })?;
            let work = 1 + machine.state.take_work();
            meter.charge(work).map_err(|error| function.too_complex(error))?;
        }
        assert!(machine.stack.is_empty(), "the stack pass leaves nothing between blocks");
        state.canonicalize();
        meter.charge(state.take_work()).map_err(|error| function.too_complex(error))
    })
}

struct Machine<'a, 's> {
    function: &'a Function<'a>,
    state: &'s mut State<'a>,
    stack: Vec<Held>,
}

impl Machine<'_, '_> {
    fn pop(&mut self) -> Held {
        self.stack.pop().expect("the stack pass has counted the operands")
    }

    fn pop_reference(&mut self) -> RefId {
        self.pop().expect("the type pass has checked that this is a reference")
    }

    fn pop_many(&mut self, count: usize) -> Vec<Held> {
        self.stack.split_off(self.stack.len() - count)
    }

    /// Pops and pushes values that are no references.
    fn values(&mut self, pops: usize, pushes: usize) {
        let kept = self.stack.len() - pops;
        let are_values = self.stack[kept..].iter().all(Option::is_none);
        assert!(are_values, "the type pass has checked that these are values");
        self.stack.truncate(kept);
        self.stack.extend(std::iter::repeat_n(None, pushes));
    }

    fn push_result(&mut self, held: Checked<Held>) -> Checked {
        self.stack.push(held?);
        Ok(())
    }

    fn field_count(&self, def: StructDefIndex) -> usize {
        self.function.module.struct_def_at(def).declared_fields().map_or(0, <[_]>::len)
    }

    fn generic_struct(&self, index: StructDefInstantiationIndex) -> StructDefIndex {
        self.function.module.struct_instantiation_at(index).def
    }

    fn borrow_field(&mut self, index: FieldHandleIndex, is_mutable: bool) -> Checked {
        let handle = self.function.module.field_handle_at(index);
        let id = self.pop_reference();
        let borrowed = self.state.borrow_parts(id, &[Label::Field(handle.owner, handle.field)], is_mutable)?;
        self.stack.extend(borrowed);
        Ok(())
    }

    fn variant_labels(&self, index: VariantHandleIndex) -> Vec<Label> {
        let handle = self.function.module.variant_handle_at(index);
        let count = self.function.module.variant_of(handle).fields.len();
        labels(handle.enum_def, handle.variant, count)
    }

    fn generic_variant_labels(&self, index: VariantInstantiationHandleIndex) -> Vec<Label> {
        let module = self.function.module;
        let handle = module.variant_instantiation_at(index);
        let def = module.enum_instantiation_at(handle.enum_def).def;
        let count = module.enum_def_at(def).variants[usize::from(handle.variant)].fields.len();
        labels(def, handle.variant, count)
    }

    fn unpack_reference(&mut self, parts: &[Label], is_mutable: bool) -> Checked {
        let id = self.pop_reference();
        let borrowed = self.state.borrow_parts(id, parts, is_mutable)?;
        self.stack.extend(borrowed);
        Ok(())
    }

    fn borrow_global(&mut self, def: StructDefIndex, is_mutable: bool) -> Checked {
        self.values(1, 0);
        let borrowed = self.state.borrow_global(def, is_mutable);
        self.push_result(borrowed)
    }

    fn move_from(&mut self, def: StructDefIndex) -> Checked {
        self.values(1, 1);
        self.state.move_from(def)
    }

    fn call(&mut self, handle: FunctionHandleIndex) -> Checked {
        let module = self.function.module;
        let acquired = acquires_of(self.function, handle);
        let handle = module.function_handle_at(handle);
        let arguments = self.pop_many(module.signature_at(handle.parameters).len());
        let results = self.state.call(&arguments, acquired, module.signature_at(handle.return_))?;
        self.stack.extend(results);
        Ok(())
    }

    #[rustfmt::skip]
    fn instruction(&mut self, instruction: &Bytecode) -> Checked {
        use Bytecode as B;
        match instruction {
            B::Pop => {
                let held = self.pop();
                self.state.release(held);
            }
            B::CopyLoc(local) => {
                let copied = self.state.copy_local(*local);
                self.push_result(copied)?;
            }
            B::MoveLoc(local) => {
                let moved = self.state.move_local(*local);
                self.push_result(moved)?;
            }
            B::StLoc(local) => {
                let held = self.pop();
                self.state.store_local(*local, held)?;
            }
            B::MutBorrowLoc(local) | B::ImmBorrowLoc(local) => {
                let borrowed = self.state.borrow_local(*local, matches!(instruction, B::MutBorrowLoc(_)));
                self.push_result(borrowed)?;
            }
            B::FreezeRef => {
                let id = self.pop_reference();
                let frozen = self.state.freeze(id);
                self.push_result(frozen)?;
            }
            B::ReadRef => {
                let id = self.pop_reference();
                self.state.read(id)?;
                self.stack.push(None);
            }
            B::WriteRef => {
                let id = self.pop_reference();
                self.values(1, 0);
                self.state.write(id)?;
            }
            B::Eq | B::Neq => {
                let (right, left) = (self.pop(), self.pop());
                self.state.compare(left, right)?;
                self.stack.push(None);
            }
            B::Ret => {
                let results = self.pop_many(self.function.results.len());
                self.state.return_(&results)?;
            }
            B::Call(handle) => self.call(*handle)?,
            B::CallGeneric(index) => self.call(self.function.module.function_instantiation_at(*index).handle)?,
            B::VariantSwitch(_) => {
                let id = self.pop_reference();
                self.state.switch(id)?;
            }
            B::Branch(_) | B::Nop => {}
            B::BrTrue(_) | B::BrFalse(_) | B::Abort => self.values(1, 0),
            B::LdU8(_) | B::LdU16(_) | B::LdU32(_) | B::LdU64(_) | B::LdU128(_) | B::LdU256(_) | B::LdConst(_)
            | B::LdTrue | B::LdFalse => self.values(0, 1),
            B::CastU8 | B::CastU16 | B::CastU32 | B::CastU64 | B::CastU128 | B::CastU256 | B::Not
            | B::Exists(_) | B::ExistsGeneric(_) => self.values(1, 1),
            B::Add | B::Sub | B::Mul | B::Mod | B::Div | B::BitOr | B::BitAnd | B::Xor | B::Shl | B::Shr
            | B::Or | B::And | B::Lt | B::Gt | B::Le | B::Ge => self.values(2, 1),
            B::VecPack(..) | B::VecUnpack(..) | B::VecLen(_) | B::VecImmBorrow(_) | B::VecMutBorrow(_)
            | B::VecPushBack(_) | B::VecPopBack(_) | B::VecSwap(_) => self.vector_instruction(instruction)?,
            _ => self.datatype_instruction(instruction)?,
        }
        Ok(())
    }

    fn vector_instruction(&mut self, instruction: &Bytecode) -> Checked {
        use Bytecode as B;
        match instruction {
            B::VecPack(_, count) => self.values(usize::try_from(*count).expect("the stack pass bounds it"), 1),
            B::VecUnpack(_, count) => self.values(1, usize::try_from(*count).expect("the stack pass bounds it")),
            B::VecLen(_) => {
                let id = self.pop_reference();
                self.state.use_vector(id, false)?;
                self.stack.push(None);
            }
            B::VecImmBorrow(_) | B::VecMutBorrow(_) => {
                self.values(1, 0);
                let id = self.pop_reference();
                let element = self.state.borrow_element(id, matches!(instruction, B::VecMutBorrow(_)));
                self.push_result(element)?;
            }
            B::VecPushBack(_) | B::VecSwap(_) => {
                self.values(if matches!(instruction, B::VecSwap(_)) { 2 } else { 1 }, 0);
                let id = self.pop_reference();
                self.state.use_vector(id, true)?;
            }
            B::VecPopBack(_) => {
                let id = self.pop_reference();
                self.state.use_vector(id, true)?;
                self.stack.push(None);
            }
            _ => unreachable!("only called for instructions on vectors"),
        }
        Ok(())
    }

    fn datatype_instruction(&mut self, instruction: &Bytecode) -> Checked {
        use Bytecode as B;
        match instruction {
            B::Pack(def) => self.values(self.field_count(*def), 1),
            B::PackGeneric(index) => self.values(self.field_count(self.generic_struct(*index)), 1),
            B::Unpack(def) => self.values(1, self.field_count(*def)),
            B::UnpackGeneric(index) => self.values(1, self.field_count(self.generic_struct(*index))),
            B::MutBorrowField(field) => self.borrow_field(*field, true)?,
            B::ImmBorrowField(field) => self.borrow_field(*field, false)?,
            B::MutBorrowFieldGeneric(index) | B::ImmBorrowFieldGeneric(index) => {
                let handle = self.function.module.field_instantiation_at(*index).handle;
                self.borrow_field(handle, matches!(instruction, B::MutBorrowFieldGeneric(_)))?;
            }
            B::MutBorrowGlobal(def) => self.borrow_global(*def, true)?,
            B::ImmBorrowGlobal(def) => self.borrow_global(*def, false)?,
            B::MutBorrowGlobalGeneric(index) => self.borrow_global(self.generic_struct(*index), true)?,
            B::ImmBorrowGlobalGeneric(index) => self.borrow_global(self.generic_struct(*index), false)?,
            B::MoveFrom(def) => self.move_from(*def)?,
            B::MoveFromGeneric(index) => self.move_from(self.generic_struct(*index))?,
            B::MoveTo(_) | B::MoveToGeneric(_) => {
                self.values(1, 0);
                let signer = self.pop();
                self.state.release(signer);
            }
            B::PackVariant(index) => self.values(self.variant_labels(*index).len(), 1),
            B::PackVariantGeneric(index) => self.values(self.generic_variant_labels(*index).len(), 1),
            B::UnpackVariant(index) => self.values(1, self.variant_labels(*index).len()),
            B::UnpackVariantGeneric(index) => self.values(1, self.generic_variant_labels(*index).len()),
            B::UnpackVariantImmRef(index) => self.unpack_reference(&self.variant_labels(*index), false)?,
            B::UnpackVariantMutRef(index) => self.unpack_reference(&self.variant_labels(*index), true)?,
            B::UnpackVariantGenericImmRef(index) => {
                self.unpack_reference(&self.generic_variant_labels(*index), false)?;
            }
            B::UnpackVariantGenericMutRef(index) => {
                self.unpack_reference(&self.generic_variant_labels(*index), true)?;
            }
            _ => unreachable!("all other instructions are handled before"),
        }
        Ok(())
    }
}

fn labels(def: noema_bytecode::EnumDefIndex, variant: u16, count: usize) -> Vec<Label> {
    let count = u16::try_from(count).expect("the format allows at most 255 fields");
    (0..count).map(|field| Label::VariantField(def, variant, field)).collect()
}
