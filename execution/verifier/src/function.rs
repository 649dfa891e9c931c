//! A function body with everything the passes ask about it.

use std::rc::Rc;

use noema_bytecode::{
    AbilitySet, CodeOffset, CodeUnit, CompiledModule, CompiledScript, FunctionDefIndex, FunctionDefinition,
    FunctionHandleIndex, LocalIndex, SignatureToken,
};
use noema_execution_api::StatusCode;

use crate::VerifyError;
use crate::meter::OutOfUnits;

/// A function of a module that has a body, or a script.
#[derive(Debug)]
pub(crate) struct Function<'a> {
    pub(crate) module: &'a CompiledModule,
    /// `None` for a script.
    pub(crate) definition: Option<(FunctionDefIndex, &'a FunctionDefinition)>,
    pub(crate) type_parameters: &'a [AbilitySet],
    pub(crate) parameters: &'a [SignatureToken],
    pub(crate) results: &'a [SignatureToken],
    /// Types of all locals, parameters first.
    pub(crate) locals: Vec<&'a SignatureToken>,
    pub(crate) code: &'a CodeUnit,
    /// For each function handle, the definition if it is this module's.
    definitions: Rc<[Option<FunctionDefIndex>]>,
}

impl<'a> Function<'a> {
    /// The functions of a module that are not native, in table order.
    pub(crate) fn all(module: &'a CompiledModule) -> impl Iterator<Item = Self> {
        let mut definitions = vec![None; module.function_handles.len()];
        for (position, definition) in module.function_defs.iter().enumerate() {
            definitions[definition.function.index()] = Some(FunctionDefIndex::new(position));
        }
        let definitions: Rc<[_]> = definitions.into();
        module.function_defs.iter().enumerate().filter_map(move |(position, definition)| {
            let code = definition.code.as_ref()?;
            let handle = module.function_handle_at(definition.function);
            let parameters = module.signature_at(handle.parameters);
            Some(Self {
                module,
                definition: Some((FunctionDefIndex::new(position), definition)),
                type_parameters: &handle.type_parameters,
                parameters,
                results: module.signature_at(handle.return_),
                locals: parameters.iter().chain(module.signature_at(code.locals)).collect(),
                code,
                definitions: Rc::clone(&definitions),
            })
        })
    }

    pub(crate) fn of_script(script: &'a CompiledScript) -> Self {
        let module = &script.module;
        let parameters = module.signature_at(script.parameters);
        Self {
            module,
            definition: None,
            type_parameters: &script.type_parameters,
            parameters,
            results: &[],
            locals: parameters.iter().chain(module.signature_at(script.code.locals)).collect(),
            code: &script.code,
            definitions: Rc::from([]),
        }
    }

    pub(crate) fn local(&self, index: LocalIndex) -> &'a SignatureToken {
        self.locals[usize::from(index)]
    }

    /// The definition that a call reaches, if it is this module's.
    pub(crate) fn callee(&self, handle: FunctionHandleIndex) -> Option<&'a FunctionDefinition> {
        let index = self.definitions.get(handle.index()).copied().flatten()?;
        Some(self.module.function_def_at(index))
    }

    pub(crate) fn abilities(&self, token: &SignatureToken) -> AbilitySet {
        self.module.abilities_of(token, self.type_parameters)
    }

    pub(crate) fn error(&self, status: StatusCode, offset: usize, message: impl Into<String>) -> VerifyError {
        let mut error = self.error_anywhere(status, message);
        error.location.offset = Some(CodeOffset::try_from(offset).expect("a function has at most 65,535 instructions"));
        error
    }

    pub(crate) fn error_anywhere(&self, status: StatusCode, message: impl Into<String>) -> VerifyError {
        match self.definition {
            Some((index, _)) => VerifyError::in_function(self.module, index, status, message),
            None => VerifyError::in_module(self.module, status, message),
        }
    }

    pub(crate) fn too_complex(&self, _: OutOfUnits) -> VerifyError {
        self.error_anywhere(OutOfUnits::STATUS, OutOfUnits::MESSAGE)
    }
}
