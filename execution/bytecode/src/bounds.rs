//! Checks that every index points into its table.
//!
//! After this pass all lookups of [`CompiledModule`] are total: type argument counts match their handles, type
//! parameters exist where they are used, locals exist, jumps land in the function, and a jump table has one target per
//! variant. Everything else in this project
//! that walks a module relies on it. The attack it stops is the plainest: a module whose index makes the node read
//! outside a table, that is, panic.
//!
//! Time is linear in the module: what an instruction needs to know about a signature is computed once per signature.

use noema_execution_api::StatusCode;

use crate::limits::LOCALS_MAX;
use crate::{
    Bytecode, CodeUnit, CompiledModule, CompiledScript, EnumDefInstantiationIndex, EnumDefinition, FieldDefinition,
    FunctionHandle, FunctionHandleIndex, ReadError, SignatureIndex, SignatureToken, StructFieldInformation,
};

type Result = std::result::Result<(), ReadError>;

/// Checks every index of a module.
///
/// # Errors
/// [`ReadError`] with `INDEX_OUT_OF_BOUNDS`, `NUMBER_OF_TYPE_ARGUMENTS_MISMATCH`, `TOO_MANY_LOCALS`,
/// `PARTIAL_ENUM_SWITCH` or `NO_MODULE_HANDLES`, saying which entry of which table is wrong.
pub fn check_module_bounds(module: &CompiledModule) -> Result {
    let checker = Checker::new(module);
    checker.handles()?;
    checker.types()?;
    checker.definitions()?;
    checker.instantiations()?;
    checker.functions()
}

/// Checks every index of a script.
///
/// # Errors
/// As [`check_module_bounds`].
pub fn check_script_bounds(script: &CompiledScript) -> Result {
    check_module_bounds(&script.module)?;
    let checker = Checker::new(&script.module);
    let type_parameters = script.type_parameters.len();
    checker.signature("the script", 0, script.parameters, type_parameters)?;
    checker.code("the script", 0, &script.code, script.parameters, type_parameters)
}

struct Checker<'a> {
    module: &'a CompiledModule,
    /// For each signature, one more than the largest type parameter in it.
    type_parameters_used: Vec<usize>,
}

fn type_parameters_in(token: &SignatureToken) -> usize {
    token
        .preorder()
        .map(|(token, _)| if let SignatureToken::TypeParameter(index) = token { usize::from(*index) + 1 } else { 0 })
        .max()
        .unwrap_or(0)
}

fn bounds(owner: &str, position: usize, what: &str, index: usize, length: usize) -> Result {
    if index < length {
        return Ok(());
    }
    let message = format!("{owner} {position}: {what} {index} does not exist, there are {length}");
    Err(ReadError::in_tables(StatusCode::INDEX_OUT_OF_BOUNDS, message))
}

impl<'a> Checker<'a> {
    fn new(module: &'a CompiledModule) -> Self {
        let used = |tokens: &[SignatureToken]| tokens.iter().map(type_parameters_in).max().unwrap_or(0);
        let type_parameters_used = module.signatures.iter().map(|signature| used(&signature.0)).collect();
        Self { module, type_parameters_used }
    }

    fn handles(&self) -> Result {
        let module = self.module;
        if module.module_handles.is_empty() {
            return Err(ReadError::in_tables(StatusCode::NO_MODULE_HANDLES, "the module has no module handle"));
        }
        let (addresses, names) = (module.address_identifiers.len(), module.identifiers.len());
        bounds("the module", 0, "own module handle", module.self_module_handle.index(), module.module_handles.len())?;
        for (owner, handles) in [("module handle", &module.module_handles), ("friend", &module.friend_decls)] {
            for (position, handle) in handles.iter().enumerate() {
                bounds(owner, position, "address", handle.address.index(), addresses)?;
                bounds(owner, position, "name", handle.name.index(), names)?;
            }
        }
        for (position, handle) in module.datatype_handles.iter().enumerate() {
            bounds("datatype handle", position, "module", handle.module.index(), module.module_handles.len())?;
            bounds("datatype handle", position, "name", handle.name.index(), names)?;
        }
        for (position, handle) in module.function_handles.iter().enumerate() {
            bounds("function handle", position, "module", handle.module.index(), module.module_handles.len())?;
            bounds("function handle", position, "name", handle.name.index(), names)?;
            for signature in [handle.parameters, handle.return_] {
                self.signature("function handle", position, signature, handle.type_parameters.len())?;
            }
        }
        Ok(())
    }

    fn types(&self) -> Result {
        for (position, signature) in self.module.signatures.iter().enumerate() {
            signature.0.iter().try_for_each(|token| self.token("signature", position, token))?;
        }
        for (position, constant) in self.module.constants.iter().enumerate() {
            self.token("constant", position, &constant.type_)?;
            bounds_of_parameters("constant", position, type_parameters_in(&constant.type_), 0)?;
        }
        Ok(())
    }

    fn definitions(&self) -> Result {
        let module = self.module;
        for (position, def) in module.struct_defs.iter().enumerate() {
            bounds("struct", position, "datatype handle", def.handle.index(), module.datatype_handles.len())?;
            if let StructFieldInformation::Declared(fields) = &def.fields {
                let type_parameters = module.datatype_handle_at(def.handle).type_parameters.len();
                self.fields("struct", position, fields, type_parameters)?;
            }
        }
        for (position, def) in module.enum_defs.iter().enumerate() {
            bounds("enum", position, "datatype handle", def.handle.index(), module.datatype_handles.len())?;
            let type_parameters = module.datatype_handle_at(def.handle).type_parameters.len();
            for variant in &def.variants {
                bounds("enum", position, "variant name", variant.name.index(), module.identifiers.len())?;
                self.fields("enum", position, &variant.fields, type_parameters)?;
            }
        }
        for (position, handle) in module.field_handles.iter().enumerate() {
            bounds("field handle", position, "struct", handle.owner.index(), module.struct_defs.len())?;
            let fields = module.struct_def_at(handle.owner).declared_fields().map_or(0, <[_]>::len);
            bounds("field handle", position, "field", usize::from(handle.field), fields)?;
        }
        for (position, handle) in module.variant_handles.iter().enumerate() {
            bounds("variant handle", position, "enum", handle.enum_def.index(), module.enum_defs.len())?;
            self.variant("variant handle", position, module.enum_def_at(handle.enum_def), handle.variant)?;
        }
        Ok(())
    }

    fn fields(&self, owner: &str, position: usize, fields: &[FieldDefinition], type_parameters: usize) -> Result {
        fields.iter().try_for_each(|field| {
            bounds(owner, position, "field name", field.name.index(), self.module.identifiers.len())?;
            self.token(owner, position, &field.signature)?;
            bounds_of_parameters(owner, position, type_parameters_in(&field.signature), type_parameters)
        })
    }

    fn variant(&self, owner: &str, position: usize, def: &EnumDefinition, variant: u16) -> Result {
        bounds(owner, position, "variant", usize::from(variant), def.variants.len())
    }

    fn instantiations(&self) -> Result {
        let module = self.module;
        let signatures = module.signatures.len();
        for (position, instance) in module.struct_def_instantiations.iter().enumerate() {
            bounds("struct instantiation", position, "struct", instance.def.index(), module.struct_defs.len())?;
            bounds("struct instantiation", position, "signature", instance.type_parameters.index(), signatures)?;
        }
        for (position, instance) in module.function_instantiations.iter().enumerate() {
            let handles = module.function_handles.len();
            bounds("function instantiation", position, "function handle", instance.handle.index(), handles)?;
            bounds("function instantiation", position, "signature", instance.type_parameters.index(), signatures)?;
        }
        for (position, instance) in module.field_instantiations.iter().enumerate() {
            let handles = module.field_handles.len();
            bounds("field instantiation", position, "field handle", instance.handle.index(), handles)?;
            bounds("field instantiation", position, "signature", instance.type_parameters.index(), signatures)?;
        }
        for (position, instance) in module.enum_def_instantiations.iter().enumerate() {
            bounds("enum instantiation", position, "enum", instance.def.index(), module.enum_defs.len())?;
            bounds("enum instantiation", position, "signature", instance.type_parameters.index(), signatures)?;
        }
        for (position, handle) in module.variant_instantiation_handles.iter().enumerate() {
            let instances = module.enum_def_instantiations.len();
            bounds("variant instantiation", position, "enum instantiation", handle.enum_def.index(), instances)?;
            let def = module.enum_def_at(module.enum_instantiation_at(handle.enum_def).def);
            self.variant("variant instantiation", position, def, handle.variant)?;
        }
        Ok(())
    }

    fn token(&self, owner: &str, position: usize, token: &SignatureToken) -> Result {
        for (token, _) in token.preorder() {
            let Some((handle, arguments)) = token.as_datatype() else { continue };
            let handles = &self.module.datatype_handles;
            bounds(owner, position, "datatype handle", handle.index(), handles.len())?;
            let expected = handles[handle.index()].type_parameters.len();
            if arguments.len() != expected {
                let found = arguments.len();
                let message = format!(
                    "{owner} {position}: datatype handle {handle} takes {expected} type arguments, found {found}"
                );
                return Err(ReadError::in_tables(StatusCode::NUMBER_OF_TYPE_ARGUMENTS_MISMATCH, message));
            }
        }
        Ok(())
    }

    /// `index` exists, and mentions only the first `type_parameters` type parameters.
    fn signature(&self, owner: &str, position: usize, index: SignatureIndex, type_parameters: usize) -> Result {
        bounds(owner, position, "signature", index.index(), self.module.signatures.len())?;
        bounds_of_parameters(owner, position, self.type_parameters_used[index.index()], type_parameters)
    }

    fn functions(&self) -> Result {
        let module = self.module;
        for (position, def) in module.function_defs.iter().enumerate() {
            bounds("function", position, "function handle", def.function.index(), module.function_handles.len())?;
            for acquired in &def.acquires {
                bounds("function", position, "acquired struct", acquired.index(), module.struct_defs.len())?;
            }
            let handle: &FunctionHandle = module.function_handle_at(def.function);
            if let Some(code) = &def.code {
                self.code("function", position, code, handle.parameters, handle.type_parameters.len())?;
            }
        }
        Ok(())
    }

    fn code(
        &self,
        owner: &str,
        position: usize,
        code: &CodeUnit,
        parameters: SignatureIndex,
        type_parameters: usize,
    ) -> Result {
        self.signature(owner, position, code.locals, type_parameters)?;
        let locals = self.module.signature_at(parameters).len() + self.module.signature_at(code.locals).len();
        if locals > LOCALS_MAX {
            let message = format!("{owner} {position} has {locals} locals, at most {LOCALS_MAX} are allowed");
            return Err(ReadError::in_tables(StatusCode::TOO_MANY_LOCALS, message));
        }
        for jumps in &code.jump_tables {
            bounds(owner, position, "enum of a jump table", jumps.head_enum.index(), self.module.enum_defs.len())?;
            let variants = self.module.enum_def_at(jumps.head_enum).variants.len();
            if jumps.targets.len() != variants {
                let message = format!(
                    "{owner} {position}: a jump table has {} targets for {variants} variants",
                    jumps.targets.len()
                );
                return Err(ReadError::in_tables(StatusCode::PARTIAL_ENUM_SWITCH, message));
            }
            for target in &jumps.targets {
                bounds(owner, position, "jump target", usize::from(*target), code.code.len())?;
            }
        }
        let body = Body { checker: self, code, locals, type_parameters };
        code.code.iter().try_for_each(|instruction| {
            body.instruction(instruction).map_err(|error| ReadError {
                message: format!("{owner} {position}, {}: {}", instruction.name(), error.message),
                ..error
            })
        })
    }
}

fn bounds_of_parameters(owner: &str, position: usize, used: usize, declared: usize) -> Result {
    if used <= declared { Ok(()) } else { bounds(owner, position, "type parameter", used - 1, declared) }
}

struct Body<'a> {
    checker: &'a Checker<'a>,
    code: &'a CodeUnit,
    locals: usize,
    type_parameters: usize,
}

impl Body<'_> {
    fn index(&self, what: &str, index: usize, length: usize) -> Result {
        bounds("operand", 0, what, index, length)
    }

    fn signature(&self, index: SignatureIndex) -> Result {
        self.checker.signature("operand", 0, index, self.type_parameters)
    }

    fn function(&self, index: FunctionHandleIndex) -> Result {
        self.index("function handle", index.index(), self.checker.module.function_handles.len())
    }

    fn enum_instance(&self, index: EnumDefInstantiationIndex) -> Result {
        self.signature(self.checker.module.enum_instantiation_at(index).type_parameters)
    }

    #[rustfmt::skip]
    fn instruction(&self, instruction: &Bytecode) -> Result {
        use Bytecode as B;
        let module = self.checker.module;
        match instruction {
            B::BrTrue(target) | B::BrFalse(target) | B::Branch(target) => {
                self.index("jump target", usize::from(*target), self.code.code.len())
            }
            B::CopyLoc(local) | B::MoveLoc(local) | B::StLoc(local) | B::MutBorrowLoc(local) | B::ImmBorrowLoc(local) => {
                self.index("local", usize::from(*local), self.locals)
            }
            B::LdConst(constant) => self.index("constant", constant.index(), module.constants.len()),
            B::Call(function) => self.function(*function),
            B::CallGeneric(instance) => {
                self.index("function instantiation", instance.index(), module.function_instantiations.len())?;
                self.signature(module.function_instantiation_at(*instance).type_parameters)
            }
            B::MutBorrowField(field) | B::ImmBorrowField(field) => {
                self.index("field handle", field.index(), module.field_handles.len())
            }
            B::MutBorrowFieldGeneric(field) | B::ImmBorrowFieldGeneric(field) => {
                self.index("field instantiation", field.index(), module.field_instantiations.len())?;
                self.signature(module.field_instantiation_at(*field).type_parameters)
            }
            B::Pack(def) | B::Unpack(def) | B::Exists(def) | B::MoveFrom(def) | B::MoveTo(def)
            | B::MutBorrowGlobal(def) | B::ImmBorrowGlobal(def) => {
                self.index("struct", def.index(), module.struct_defs.len())
            }
            B::PackGeneric(def) | B::UnpackGeneric(def) | B::ExistsGeneric(def) | B::MoveFromGeneric(def)
            | B::MoveToGeneric(def) | B::MutBorrowGlobalGeneric(def) | B::ImmBorrowGlobalGeneric(def) => {
                self.index("struct instantiation", def.index(), module.struct_def_instantiations.len())?;
                self.signature(module.struct_instantiation_at(*def).type_parameters)
            }
            B::VecPack(element, _) | B::VecUnpack(element, _) | B::VecLen(element) | B::VecImmBorrow(element)
            | B::VecMutBorrow(element) | B::VecPushBack(element) | B::VecPopBack(element) | B::VecSwap(element) => {
                self.signature(*element)
            }
            B::PackVariant(variant) | B::UnpackVariant(variant) | B::UnpackVariantImmRef(variant)
            | B::UnpackVariantMutRef(variant) => {
                self.index("variant handle", variant.index(), module.variant_handles.len())
            }
            B::PackVariantGeneric(variant) | B::UnpackVariantGeneric(variant)
            | B::UnpackVariantGenericImmRef(variant) | B::UnpackVariantGenericMutRef(variant) => {
                let instances = module.variant_instantiation_handles.len();
                self.index("variant instantiation", variant.index(), instances)?;
                self.enum_instance(module.variant_instantiation_at(*variant).enum_def)
            }
            B::VariantSwitch(jumps) => self.index("jump table", jumps.index(), self.code.jump_tables.len()),
            B::Pop | B::Ret | B::LdU8(_) | B::LdU16(_) | B::LdU32(_) | B::LdU64(_) | B::LdU128(_) | B::LdU256(_)
            | B::CastU8 | B::CastU16 | B::CastU32 | B::CastU64 | B::CastU128 | B::CastU256 | B::LdTrue | B::LdFalse
            | B::ReadRef | B::WriteRef | B::FreezeRef | B::Add | B::Sub | B::Mul | B::Mod | B::Div | B::BitOr
            | B::BitAnd | B::Xor | B::Shl | B::Shr | B::Or | B::And | B::Not | B::Eq | B::Neq | B::Lt | B::Gt
            | B::Le | B::Ge | B::Abort | B::Nop => Ok(()),
        }
    }
}
