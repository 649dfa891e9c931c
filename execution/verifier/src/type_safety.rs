//! Every instruction gets operands of the types it works on.
//!
//! Locals have one type for the whole body and the stack is empty between blocks, so one pass over each block with a
//! stack of types decides it. It also checks the abilities that instructions need: `copy` to copy, `drop` to discard,
//! `key` for global storage. Without it a number could be used as a reference, and a coin be copied.
//!
//! Types can grow when fields of generic structs are instantiated; the meter charges the nodes of every type pushed.

use std::borrow::Cow;

use noema_bytecode::{
    Ability, Bytecode, DatatypeHandleIndex, FieldDefinition, FieldHandleIndex, FunctionHandleIndex, SignatureIndex,
    SignatureToken, StructDefIndex, VariantHandleIndex, VariantInstantiationHandleIndex,
};
use noema_execution_api::StatusCode;

use crate::Result;
use crate::flow_graph::FlowGraph;
use crate::function::Function;
use crate::meter::Meter;

pub(crate) fn check(function: &Function<'_>, graph: &FlowGraph, meter: &mut Meter) -> Result {
    for block in &graph.blocks {
        let mut checker = Checker { function, meter, stack: Vec::new(), offset: 0 };
        for offset in block.range.clone() {
            checker.offset = offset;
            checker.charge(1)?;
            checker.instruction(&function.code.code[offset])?;
        }
    }
    Ok(())
}

type Token = SignatureToken;

struct Checker<'a, 'm> {
    function: &'a Function<'a>,
    meter: &'m mut Meter,
    stack: Vec<Token>,
    offset: usize,
}

/// The fields of a struct or variant with its type.
struct Shape<'a> {
    type_: Token,
    fields: &'a [FieldDefinition],
    arguments: &'a [Token],
}

fn instantiate<'t>(token: &'t Token, arguments: &[Token]) -> Cow<'t, Token> {
    if arguments.is_empty() { Cow::Borrowed(token) } else { Cow::Owned(token.substitute(arguments)) }
}

fn reference(inner: Token, is_mutable: bool) -> Token {
    if is_mutable { Token::MutableReference(Box::new(inner)) } else { Token::Reference(Box::new(inner)) }
}

impl<'a> Checker<'a, '_> {
    fn pop(&mut self) -> Token {
        self.stack.pop().expect("the stack pass has counted the operands")
    }

    fn push(&mut self, token: Token) -> Result {
        self.charge(token.nodes())?;
        self.stack.push(token);
        Ok(())
    }

    fn fail<T>(&self, status: StatusCode, message: impl Into<String>) -> Result<T> {
        let name = self.function.code.code[self.offset].name();
        Err(self.function.error(status, self.offset, format!("{name}: {}", message.into())))
    }

    fn expect(&self, found: &Token, expected: &Token, status: StatusCode) -> Result {
        if found == expected {
            return Ok(());
        }
        self.fail(status, format!("expected {expected:?}, found {found:?}"))
    }

    fn pop_expecting(&mut self, expected: &Token, status: StatusCode) -> Result {
        let found = self.pop();
        self.expect(&found, expected, status)
    }

    fn needs(&self, token: &Token, ability: Ability, status: StatusCode) -> Result {
        if self.function.abilities(token).has(ability) {
            return Ok(());
        }
        self.fail(status, format!("{token:?} has no {}", ability.name()))
    }

    fn datatype(&self, handle: DatatypeHandleIndex, arguments: &[Token]) -> Token {
        if arguments.is_empty() {
            Token::Datatype(handle)
        } else {
            Token::DatatypeInstantiation(Box::new((handle, arguments.to_vec())))
        }
    }

    fn structure(&self, def: StructDefIndex, arguments: &'a [Token]) -> Result<Shape<'a>> {
        let def = self.function.module.struct_def_at(def);
        match def.declared_fields() {
            Some(fields) => Ok(Shape { type_: self.datatype(def.handle, arguments), fields, arguments }),
            None => self.fail(StatusCode::PACK_TYPE_MISMATCH_ERROR, "the struct is native"),
        }
    }

    fn struct_type(&self, def: StructDefIndex, arguments: &[Token]) -> Token {
        self.datatype(self.function.module.struct_def_at(def).handle, arguments)
    }

    fn generic(&mut self, index: noema_bytecode::StructDefInstantiationIndex) -> Result<(StructDefIndex, &'a [Token])> {
        let instance = self.function.module.struct_instantiation_at(index);
        Ok((instance.def, self.type_arguments(instance.type_parameters)?))
    }

    fn type_arguments(&mut self, index: SignatureIndex) -> Result<&'a [Token]> {
        let arguments = self.function.module.signature_at(index);
        self.charge(arguments.iter().map(Token::nodes).sum())?;
        Ok(arguments)
    }

    fn charge(&mut self, units: u64) -> Result {
        self.meter.charge(units).map_err(|error| self.function.too_complex(error))
    }

    fn variant(&self, index: VariantHandleIndex) -> Shape<'a> {
        let module = self.function.module;
        let handle = module.variant_handle_at(index);
        let type_ = self.datatype(module.enum_def_at(handle.enum_def).handle, &[]);
        Shape { type_, fields: &module.variant_of(handle).fields, arguments: &[] }
    }

    fn generic_variant(&mut self, index: VariantInstantiationHandleIndex) -> Result<Shape<'a>> {
        let module = self.function.module;
        let handle = module.variant_instantiation_at(index);
        let instance = module.enum_instantiation_at(handle.enum_def);
        let def = module.enum_def_at(instance.def);
        let arguments = self.type_arguments(instance.type_parameters)?;
        let fields = &def.variants[usize::from(handle.variant)].fields;
        Ok(Shape { type_: self.datatype(def.handle, arguments), fields, arguments })
    }

    fn pack(&mut self, shape: Shape<'_>) -> Result {
        for field in shape.fields.iter().rev() {
            let found = self.pop();
            let expected = instantiate(&field.signature, shape.arguments);
            self.expect(&found, &expected, StatusCode::PACK_TYPE_MISMATCH_ERROR)?;
        }
        self.push(shape.type_)
    }

    fn unpack(&mut self, shape: Shape<'_>) -> Result {
        self.pop_expecting(&shape.type_, StatusCode::UNPACK_TYPE_MISMATCH_ERROR)?;
        shape.fields.iter().try_for_each(|field| self.push(instantiate(&field.signature, shape.arguments).into_owned()))
    }

    /// Unlike a field's borrow, an immutable one needs an immutable reference here.
    fn unpack_reference(&mut self, shape: Shape<'_>, is_mutable: bool) -> Result {
        let operand = reference(shape.type_, is_mutable);
        self.pop_expecting(&operand, StatusCode::UNPACK_TYPE_MISMATCH_ERROR)?;
        shape.fields.iter().try_for_each(|field| {
            self.push(reference(instantiate(&field.signature, shape.arguments).into_owned(), is_mutable))
        })
    }

    /// Pops a reference to `inner`; a mutable one will do where an immutable one is enough.
    fn pop_reference_to(&mut self, inner: &Token, is_mutable: bool, status: StatusCode) -> Result {
        let found = self.pop();
        let is_strong_enough = found.is_mutable_reference() || !is_mutable;
        match found.referent() {
            Some(referent) if is_strong_enough => self.expect(referent, inner, status),
            _ => self.fail(status, format!("expected a reference to {inner:?}, found {found:?}")),
        }
    }

    fn borrow_field(&mut self, index: FieldHandleIndex, arguments: &'a [Token], is_mutable: bool) -> Result {
        let handle = self.function.module.field_handle_at(index);
        let owner = self.struct_type(handle.owner, arguments);
        self.pop_reference_to(&owner, is_mutable, StatusCode::BORROWFIELD_TYPE_MISMATCH_ERROR)?;
        let field = self.function.module.field_of(handle);
        self.push(reference(instantiate(&field.signature, arguments).into_owned(), is_mutable))
    }

    fn call(&mut self, handle: FunctionHandleIndex, arguments: &[Token]) -> Result {
        let module = self.function.module;
        let handle = module.function_handle_at(handle);
        for parameter in module.signature_at(handle.parameters).iter().rev() {
            let found = self.pop();
            let expected = instantiate(parameter, arguments);
            self.expect(&found, &expected, StatusCode::CALL_TYPE_MISMATCH_ERROR)?;
        }
        let mut results = module.signature_at(handle.return_).iter();
        results.try_for_each(|result| self.push(instantiate(result, arguments).into_owned()))
    }

    fn exists(&mut self, def: StructDefIndex, arguments: &[Token]) -> Result {
        let status = StatusCode::EXISTS_WITHOUT_KEY_ABILITY_OR_BAD_ARGUMENT;
        self.needs(&self.struct_type(def, arguments), Ability::Key, status)?;
        self.pop_expecting(&Token::Address, status)?;
        self.push(Token::Bool)
    }

    fn move_from(&mut self, def: StructDefIndex, arguments: &[Token]) -> Result {
        let resource = self.struct_type(def, arguments);
        self.needs(&resource, Ability::Key, StatusCode::MOVEFROM_WITHOUT_KEY_ABILITY)?;
        self.pop_expecting(&Token::Address, StatusCode::MOVEFROM_TYPE_MISMATCH_ERROR)?;
        self.push(resource)
    }

    fn move_to(&mut self, def: StructDefIndex, arguments: &[Token]) -> Result {
        let resource = self.struct_type(def, arguments);
        self.needs(&resource, Ability::Key, StatusCode::MOVETO_WITHOUT_KEY_ABILITY)?;
        let status = StatusCode::MOVETO_TYPE_MISMATCH_ERROR;
        self.pop_expecting(&resource, status)?;
        self.pop_expecting(&reference(Token::Signer, false), status)
    }

    fn borrow_global(&mut self, def: StructDefIndex, arguments: &[Token], is_mutable: bool) -> Result {
        self.pop_expecting(&Token::Address, StatusCode::BORROWGLOBAL_TYPE_MISMATCH_ERROR)?;
        let resource = self.struct_type(def, arguments);
        self.needs(&resource, Ability::Key, StatusCode::BORROWGLOBAL_WITHOUT_KEY_ABILITY)?;
        self.push(reference(resource, is_mutable))
    }

    fn borrow_local(&mut self, local: u8, is_mutable: bool) -> Result {
        let type_ = self.function.local(local);
        if type_.is_reference() {
            return self.fail(StatusCode::BORROWLOC_REFERENCE_ERROR, format!("local {local} is a reference"));
        }
        self.push(reference(type_.clone(), is_mutable))
    }

    fn element(&self, index: SignatureIndex) -> &'a Token {
        &self.function.module.signature_at(index)[0]
    }

    fn pop_vector_of(&mut self, element: &Token, is_mutable: bool) -> Result {
        let found = self.pop();
        let is_strong_enough = found.is_mutable_reference() || !is_mutable;
        match found.referent() {
            Some(Token::Vector(inner)) if is_strong_enough => self.expect(inner, element, StatusCode::TYPE_MISMATCH),
            _ => self.fail(StatusCode::TYPE_MISMATCH, format!("expected a reference to a vector, found {found:?}")),
        }
    }

    fn cast(&mut self, to: Token) -> Result {
        let found = self.pop();
        if !found.is_integer() {
            return self.fail(StatusCode::INTEGER_OP_TYPE_MISMATCH_ERROR, format!("found {found:?}"));
        }
        self.push(to)
    }

    fn pop_equal_integers(&mut self) -> Result<Token> {
        let (right, left) = (self.pop(), self.pop());
        if !left.is_integer() || left != right {
            return self.fail(StatusCode::INTEGER_OP_TYPE_MISMATCH_ERROR, format!("found {left:?} and {right:?}"));
        }
        Ok(left)
    }

    fn switch(&mut self, jumps: noema_bytecode::VariantJumpTableIndex) -> Result {
        let head = self.function.code.jump_tables[jumps.index()].head_enum;
        let expected = self.function.module.enum_def_at(head).handle;
        let found = self.pop();
        match &found {
            Token::Reference(inner) if inner.as_datatype().is_some_and(|(handle, _)| handle == expected) => Ok(()),
            Token::Reference(inner) => self.fail(StatusCode::ENUM_TYPE_MISMATCH, format!("found {inner:?}")),
            _ => {
                let message = format!("expected an immutable reference to the enum, found {found:?}");
                self.fail(StatusCode::ENUM_SWITCH_BAD_OPERAND, message)
            }
        }
    }

    fn instruction(&mut self, instruction: &Bytecode) -> Result {
        use Bytecode as B;
        match instruction {
            B::Pop => {
                let found = self.pop();
                self.needs(&found, Ability::Drop, StatusCode::POP_WITHOUT_DROP_ABILITY)
            }
            B::BrTrue(_) | B::BrFalse(_) => self.pop_expecting(&Token::Bool, StatusCode::BR_TYPE_MISMATCH_ERROR),
            B::Abort => self.pop_expecting(&Token::U64, StatusCode::ABORT_TYPE_MISMATCH_ERROR),
            B::Branch(_) | B::Nop => Ok(()),
            B::VariantSwitch(jumps) => self.switch(*jumps),
            B::Ret => {
                let mut results = self.function.results.iter().rev();
                results.try_for_each(|result| self.pop_expecting(result, StatusCode::RET_TYPE_MISMATCH_ERROR))
            }
            B::LdU8(_) => self.push(Token::U8),
            B::LdU16(_) => self.push(Token::U16),
            B::LdU32(_) => self.push(Token::U32),
            B::LdU64(_) => self.push(Token::U64),
            B::LdU128(_) => self.push(Token::U128),
            B::LdU256(_) => self.push(Token::U256),
            B::LdConst(index) => self.push(self.function.module.constant_at(*index).type_.clone()),
            B::LdTrue | B::LdFalse => self.push(Token::Bool),
            B::CastU8 => self.cast(Token::U8),
            B::CastU16 => self.cast(Token::U16),
            B::CastU32 => self.cast(Token::U32),
            B::CastU64 => self.cast(Token::U64),
            B::CastU128 => self.cast(Token::U128),
            B::CastU256 => self.cast(Token::U256),
            B::Call(handle) => self.call(*handle, &[]),
            B::CallGeneric(index) => {
                let instance = self.function.module.function_instantiation_at(*index);
                let arguments = self.type_arguments(instance.type_parameters)?;
                self.call(instance.handle, arguments)
            }
            B::CopyLoc(_) | B::MoveLoc(_) | B::StLoc(_) | B::MutBorrowLoc(_) | B::ImmBorrowLoc(_) => {
                self.local_instruction(instruction)
            }
            B::ReadRef | B::WriteRef | B::FreezeRef => self.reference_instruction(instruction),
            B::Add | B::Sub | B::Mul | B::Mod | B::Div | B::BitOr | B::BitAnd | B::Xor => {
                let operand = self.pop_equal_integers()?;
                self.push(operand)
            }
            B::Lt | B::Gt | B::Le | B::Ge => {
                self.pop_equal_integers()?;
                self.push(Token::Bool)
            }
            B::Shl | B::Shr | B::Or | B::And | B::Not | B::Eq | B::Neq => self.operator(instruction),
            B::VecPack(..)
            | B::VecLen(_)
            | B::VecImmBorrow(_)
            | B::VecMutBorrow(_)
            | B::VecPushBack(_)
            | B::VecPopBack(_)
            | B::VecUnpack(..)
            | B::VecSwap(_) => self.vector_instruction(instruction),
            _ => self.datatype_instruction(instruction),
        }
    }

    fn local_instruction(&mut self, instruction: &Bytecode) -> Result {
        match instruction {
            Bytecode::CopyLoc(local) => {
                let type_ = self.function.local(*local);
                self.needs(type_, Ability::Copy, StatusCode::COPYLOC_WITHOUT_COPY_ABILITY)?;
                self.push(type_.clone())
            }
            Bytecode::MoveLoc(local) => self.push(self.function.local(*local).clone()),
            Bytecode::StLoc(local) => {
                self.pop_expecting(self.function.local(*local), StatusCode::STLOC_TYPE_MISMATCH_ERROR)
            }
            Bytecode::MutBorrowLoc(local) => self.borrow_local(*local, true),
            Bytecode::ImmBorrowLoc(local) => self.borrow_local(*local, false),
            _ => unreachable!("only called for instructions on locals"),
        }
    }

    fn reference_instruction(&mut self, instruction: &Bytecode) -> Result {
        let found = self.pop();
        match (instruction, found) {
            (Bytecode::FreezeRef, Token::MutableReference(inner)) => self.push(Token::Reference(inner)),
            (Bytecode::FreezeRef, found) => {
                self.fail(StatusCode::FREEZEREF_TYPE_MISMATCH_ERROR, format!("found {found:?}"))
            }
            (Bytecode::ReadRef, Token::Reference(inner) | Token::MutableReference(inner)) => {
                self.needs(&inner, Ability::Copy, StatusCode::READREF_WITHOUT_COPY_ABILITY)?;
                self.push(*inner)
            }
            (Bytecode::ReadRef, found) => {
                self.fail(StatusCode::READREF_TYPE_MISMATCH_ERROR, format!("found {found:?}"))
            }
            (Bytecode::WriteRef, Token::MutableReference(inner)) => {
                self.needs(&inner, Ability::Drop, StatusCode::WRITEREF_WITHOUT_DROP_ABILITY)?;
                self.pop_expecting(&inner, StatusCode::WRITEREF_TYPE_MISMATCH_ERROR)
            }
            (_, found) => self.fail(StatusCode::WRITEREF_NO_MUTABLE_REFERENCE_ERROR, format!("found {found:?}")),
        }
    }

    fn operator(&mut self, instruction: &Bytecode) -> Result {
        let boolean = StatusCode::BOOLEAN_OP_TYPE_MISMATCH_ERROR;
        match instruction {
            Bytecode::Not => self.pop_expecting(&Token::Bool, boolean)?,
            Bytecode::Or | Bytecode::And => {
                self.pop_expecting(&Token::Bool, boolean)?;
                self.pop_expecting(&Token::Bool, boolean)?;
            }
            Bytecode::Shl | Bytecode::Shr => {
                self.pop_expecting(&Token::U8, StatusCode::INTEGER_OP_TYPE_MISMATCH_ERROR)?;
                let left = self.pop();
                return self.shifted(left);
            }
            _ => {
                let status = StatusCode::EQUALITY_OP_TYPE_MISMATCH_ERROR;
                let right = self.pop();
                self.needs(&right, Ability::Drop, status)?;
                self.pop_expecting(&right, status)?;
            }
        }
        self.push(Token::Bool)
    }

    fn shifted(&mut self, left: Token) -> Result {
        if !left.is_integer() {
            return self.fail(StatusCode::INTEGER_OP_TYPE_MISMATCH_ERROR, format!("found {left:?}"));
        }
        self.push(left)
    }

    fn vector_instruction(&mut self, instruction: &Bytecode) -> Result {
        use Bytecode as B;
        let mismatch = StatusCode::TYPE_MISMATCH;
        match instruction {
            B::VecPack(element, count) => {
                let element = self.element(*element);
                (0..*count).try_for_each(|_| self.pop_expecting(element, mismatch))?;
                self.push(Token::Vector(Box::new(element.clone())))
            }
            B::VecUnpack(element, count) => {
                let element = self.element(*element);
                match self.pop() {
                    Token::Vector(inner) => self.expect(&inner, element, mismatch)?,
                    found => return self.fail(mismatch, format!("expected a vector, found {found:?}")),
                }
                (0..*count).try_for_each(|_| self.push(element.clone()))
            }
            B::VecLen(element) => {
                self.pop_vector_of(self.element(*element), false)?;
                self.push(Token::U64)
            }
            B::VecImmBorrow(element) | B::VecMutBorrow(element) => {
                let is_mutable = matches!(instruction, B::VecMutBorrow(_));
                let element = self.element(*element);
                self.pop_expecting(&Token::U64, mismatch)?;
                self.pop_vector_of(element, is_mutable)?;
                self.push(reference(element.clone(), is_mutable))
            }
            B::VecPushBack(element) => {
                let element = self.element(*element);
                self.pop_expecting(element, mismatch)?;
                self.pop_vector_of(element, true)
            }
            B::VecPopBack(element) => {
                let element = self.element(*element);
                self.pop_vector_of(element, true)?;
                self.push(element.clone())
            }
            B::VecSwap(element) => {
                self.pop_expecting(&Token::U64, mismatch)?;
                self.pop_expecting(&Token::U64, mismatch)?;
                self.pop_vector_of(self.element(*element), true)
            }
            _ => unreachable!("only called for instructions on vectors"),
        }
    }

    fn datatype_instruction(&mut self, instruction: &Bytecode) -> Result {
        use Bytecode as B;
        match instruction {
            B::Pack(def) => {
                let shape = self.structure(*def, &[])?;
                self.pack(shape)
            }
            B::Unpack(def) => {
                let shape = self.structure(*def, &[])?;
                self.unpack(shape)
            }
            B::Exists(def) => self.exists(*def, &[]),
            B::MoveFrom(def) => self.move_from(*def, &[]),
            B::MoveTo(def) => self.move_to(*def, &[]),
            B::MutBorrowGlobal(def) => self.borrow_global(*def, &[], true),
            B::ImmBorrowGlobal(def) => self.borrow_global(*def, &[], false),
            B::MutBorrowField(field) => self.borrow_field(*field, &[], true),
            B::ImmBorrowField(field) => self.borrow_field(*field, &[], false),
            B::MutBorrowFieldGeneric(index) | B::ImmBorrowFieldGeneric(index) => {
                let instance = self.function.module.field_instantiation_at(*index);
                let arguments = self.type_arguments(instance.type_parameters)?;
                self.borrow_field(instance.handle, arguments, matches!(instruction, B::MutBorrowFieldGeneric(_)))
            }
            B::PackVariant(index) => {
                let shape = self.variant(*index);
                self.pack(shape)
            }
            B::UnpackVariant(index) => {
                let shape = self.variant(*index);
                self.unpack(shape)
            }
            B::UnpackVariantImmRef(index) => {
                let shape = self.variant(*index);
                self.unpack_reference(shape, false)
            }
            B::UnpackVariantMutRef(index) => {
                let shape = self.variant(*index);
                self.unpack_reference(shape, true)
            }
            B::PackVariantGeneric(index) => {
                let shape = self.generic_variant(*index)?;
                self.pack(shape)
            }
            B::UnpackVariantGeneric(index) => {
                let shape = self.generic_variant(*index)?;
                self.unpack(shape)
            }
            B::UnpackVariantGenericImmRef(index) => {
                let shape = self.generic_variant(*index)?;
                self.unpack_reference(shape, false)
            }
            B::UnpackVariantGenericMutRef(index) => {
                let shape = self.generic_variant(*index)?;
                self.unpack_reference(shape, true)
            }
            B::PackGeneric(index)
            | B::UnpackGeneric(index)
            | B::ExistsGeneric(index)
            | B::MoveFromGeneric(index)
            | B::MoveToGeneric(index)
            | B::MutBorrowGlobalGeneric(index)
            | B::ImmBorrowGlobalGeneric(index) => {
                let (def, arguments) = self.generic(*index)?;
                match instruction {
                    B::PackGeneric(_) => {
                        let shape = self.structure(def, arguments)?;
                        self.pack(shape)
                    }
                    B::UnpackGeneric(_) => {
                        let shape = self.structure(def, arguments)?;
                        self.unpack(shape)
                    }
                    B::ExistsGeneric(_) => self.exists(def, arguments),
                    B::MoveFromGeneric(_) => self.move_from(def, arguments),
                    B::MoveToGeneric(_) => self.move_to(def, arguments),
                    _ => self.borrow_global(def, arguments, matches!(instruction, B::MutBorrowGlobalGeneric(_))),
                }
            }
            _ => unreachable!("all other instructions are handled before"),
        }
    }
}
