//! Types are well formed: references only outermost, constraints of type parameters met, phantoms only where they may be.
//!
//! A reference inside a struct or vector would outlive what it points at. An argument without an ability that the
//! parameter promises would let generic code copy or drop what must not be. A phantom parameter used as a field would
//! make the same of a type that claims abilities regardless of that argument.

use noema_bytecode::{
    AbilitySet, Bytecode, CompiledModule, CompiledScript, DatatypeTypeParameter, FieldDefinition, SignatureIndex,
    SignatureToken,
};
use noema_execution_api::StatusCode;

use crate::function::Function;
use crate::meter::{Meter, OutOfUnits};
use crate::{Result, VerifyError};

pub(crate) fn check(module: &CompiledModule, meter: &mut Meter) -> Result {
    let mut checker = Checker { module, meter };
    checker.signatures()?;
    checker.function_handles()?;
    checker.fields()?;
    Function::all(module).try_for_each(|function| checker.code(&function))
}

pub(crate) fn check_script(script: &CompiledScript, meter: &mut Meter) -> Result {
    let mut checker = Checker { module: &script.module, meter };
    checker.signatures()?;
    checker.function_handles()?;
    let parameters = script.module.signature_at(script.parameters);
    checker
        .instances(parameters, &script.type_parameters)
        .map_err(|fault| fault.at(&script.module, "signature", script.parameters.index()))?;
    checker.code(&Function::of_script(script))
}

/// A broken rule, before it is known where.
struct Fault(StatusCode, String);

impl Fault {
    fn at(self, module: &CompiledModule, table: &'static str, position: usize) -> VerifyError {
        VerifyError::at_entry(module, table, position, self.0, self.1)
    }
}

impl From<OutOfUnits> for Fault {
    fn from(_: OutOfUnits) -> Self {
        Self(OutOfUnits::STATUS, OutOfUnits::MESSAGE.to_owned())
    }
}

type Checked = std::result::Result<(), Fault>;

struct Checker<'a, 'm> {
    module: &'a CompiledModule,
    meter: &'m mut Meter,
}

impl Checker<'_, '_> {
    fn signatures(&self) -> Result {
        for (position, signature) in self.module.signatures.iter().enumerate() {
            for token in &signature.0 {
                let value = token.referent().unwrap_or(token);
                no_references(value).map_err(|fault| fault.at(self.module, "signature", position))?;
            }
        }
        Ok(())
    }

    fn function_handles(&mut self) -> Result {
        let module = self.module;
        for (position, handle) in module.function_handles.iter().enumerate() {
            for signature in [handle.return_, handle.parameters] {
                self.instances(module.signature_at(signature), &handle.type_parameters)
                    .map_err(|fault| fault.at(module, "function handle", position))?;
            }
        }
        Ok(())
    }

    fn fields(&mut self) -> Result {
        let module = self.module;
        for (position, def) in module.struct_defs.iter().enumerate() {
            let type_parameters = &module.datatype_handle_at(def.handle).type_parameters;
            self.fields_of(def.declared_fields().unwrap_or_default(), type_parameters)
                .map_err(|fault| fault.at(module, "struct", position))?;
        }
        for (position, def) in module.enum_defs.iter().enumerate() {
            let type_parameters = &module.datatype_handle_at(def.handle).type_parameters;
            for variant in &def.variants {
                self.fields_of(&variant.fields, type_parameters).map_err(|fault| fault.at(module, "enum", position))?;
            }
        }
        Ok(())
    }

    fn fields_of(&mut self, fields: &[FieldDefinition], type_parameters: &[DatatypeTypeParameter]) -> Checked {
        let constraints: Vec<_> = type_parameters.iter().map(|parameter| parameter.constraints).collect();
        fields.iter().try_for_each(|field| {
            no_references(&field.signature)?;
            self.instances(std::slice::from_ref(&field.signature), &constraints)?;
            self.phantoms(&field.signature, false, type_parameters)
        })
    }

    /// A phantom type parameter occurs only as an argument for a phantom parameter.
    fn phantoms(&self, token: &SignatureToken, is_phantom: bool, parameters: &[DatatypeTypeParameter]) -> Checked {
        match token {
            SignatureToken::TypeParameter(index) if !is_phantom && parameters[usize::from(*index)].is_phantom => {
                let message = format!("phantom type parameter {index} is used as a value");
                Err(Fault(StatusCode::INVALID_PHANTOM_TYPE_PARAM_POSITION, message))
            }
            SignatureToken::Vector(inner) => self.phantoms(inner, false, parameters),
            SignatureToken::DatatypeInstantiation(instance) => {
                let (handle, arguments) = instance.as_ref();
                let formals = &self.module.datatype_handle_at(*handle).type_parameters;
                let mut pairs = arguments.iter().zip(formals);
                pairs.try_for_each(|(argument, formal)| self.phantoms(argument, formal.is_phantom, parameters))
            }
            _ => Ok(()),
        }
    }

    /// Every instantiated datatype in `tokens` meets its constraints.
    fn instances(&mut self, tokens: &[SignatureToken], constraints: &[AbilitySet]) -> Checked {
        for (token, _) in tokens.iter().flat_map(SignatureToken::preorder) {
            self.meter.charge(1)?;
            if let SignatureToken::DatatypeInstantiation(instance) = token {
                let (handle, arguments) = instance.as_ref();
                let formals = &self.module.datatype_handle_at(*handle).type_parameters;
                self.arguments(arguments, formals.iter().map(|formal| formal.constraints), constraints)?;
            }
        }
        Ok(())
    }

    /// `arguments` are as many as `formals` and have the abilities they ask for.
    fn arguments(
        &mut self,
        arguments: &[SignatureToken],
        formals: impl ExactSizeIterator<Item = AbilitySet>,
        constraints: &[AbilitySet],
    ) -> Checked {
        let (expected, found) = (formals.len(), arguments.len());
        if expected != found {
            let message = format!("expected {expected} type arguments, found {found}");
            return Err(Fault(StatusCode::NUMBER_OF_TYPE_ARGUMENTS_MISMATCH, message));
        }
        for (position, (argument, required)) in arguments.iter().zip(formals).enumerate() {
            self.meter.charge(argument.nodes())?;
            let given = self.module.abilities_of(argument, constraints);
            if !required.is_subset(given) {
                let message = format!("type argument {position} needs {required:?} and has {given:?}");
                return Err(Fault(StatusCode::CONSTRAINT_NOT_SATISFIED, message));
            }
        }
        Ok(())
    }

    fn code(&mut self, function: &Function<'_>) -> Result {
        let locals = self.module.signature_at(function.code.locals);
        self.instances(locals, function.type_parameters)
            .map_err(|Fault(status, message)| function.error_anywhere(status, message))?;
        for (offset, instruction) in function.code.code.iter().enumerate() {
            self.instruction(instruction, function.type_parameters)
                .map_err(|Fault(status, message)| function.error(status, offset, message))?;
        }
        Ok(())
    }

    fn instruction(&mut self, instruction: &Bytecode, constraints: &[AbilitySet]) -> Checked {
        use Bytecode as B;
        let module = self.module;
        match instruction {
            B::CallGeneric(index) => {
                let instance = module.function_instantiation_at(*index);
                let formals = &module.function_handle_at(instance.handle).type_parameters;
                self.type_arguments(instance.type_parameters, formals.iter().copied(), constraints)
            }
            B::PackGeneric(index)
            | B::UnpackGeneric(index)
            | B::ExistsGeneric(index)
            | B::MoveFromGeneric(index)
            | B::MoveToGeneric(index)
            | B::ImmBorrowGlobalGeneric(index)
            | B::MutBorrowGlobalGeneric(index) => {
                let instance = module.struct_instantiation_at(*index);
                self.datatype(module.struct_def_at(instance.def).handle, instance.type_parameters, constraints)
            }
            B::ImmBorrowFieldGeneric(index) | B::MutBorrowFieldGeneric(index) => {
                let instance = module.field_instantiation_at(*index);
                let owner = module.field_handle_at(instance.handle).owner;
                self.datatype(module.struct_def_at(owner).handle, instance.type_parameters, constraints)
            }
            B::PackVariantGeneric(index)
            | B::UnpackVariantGeneric(index)
            | B::UnpackVariantGenericImmRef(index)
            | B::UnpackVariantGenericMutRef(index) => {
                let instance = module.enum_instantiation_at(module.variant_instantiation_at(*index).enum_def);
                self.datatype(module.enum_def_at(instance.def).handle, instance.type_parameters, constraints)
            }
            B::VecPack(element, _)
            | B::VecUnpack(element, _)
            | B::VecLen(element)
            | B::VecImmBorrow(element)
            | B::VecMutBorrow(element)
            | B::VecPushBack(element)
            | B::VecPopBack(element)
            | B::VecSwap(element) => {
                let arguments = module.signature_at(*element);
                self.arguments(arguments, [AbilitySet::EMPTY].into_iter(), constraints)?;
                arguments.iter().try_for_each(no_references)?;
                self.instances(arguments, constraints)
            }
            _ => Ok(()),
        }
    }

    fn datatype(
        &mut self,
        handle: noema_bytecode::DatatypeHandleIndex,
        arguments: SignatureIndex,
        constraints: &[AbilitySet],
    ) -> Checked {
        let formals = &self.module.datatype_handle_at(handle).type_parameters;
        self.type_arguments(arguments, formals.iter().map(|formal| formal.constraints), constraints)
    }

    fn type_arguments(
        &mut self,
        arguments: SignatureIndex,
        formals: impl ExactSizeIterator<Item = AbilitySet>,
        constraints: &[AbilitySet],
    ) -> Checked {
        let arguments = self.module.signature_at(arguments);
        arguments.iter().try_for_each(no_references)?;
        self.arguments(arguments, formals, constraints)?;
        self.instances(arguments, constraints)
    }
}

fn no_references(token: &SignatureToken) -> Checked {
    if token.preorder().any(|(token, _)| token.is_reference()) {
        return Err(Fault(StatusCode::INVALID_SIGNATURE_TOKEN, "a reference inside a type".to_owned()));
    }
    Ok(())
}
