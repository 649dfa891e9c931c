//! What a module says about other modules is what they are.
//!
//! A module carries its own copy of the names, abilities and types of what it uses. The passes over one module trust
//! that copy; here it is compared with the definitions. Otherwise a module could claim that another's struct has
//! `copy`, or call a function with other parameters than it takes.
//!
//! A claim may be weaker than the definition (fewer abilities of a struct, stronger constraints on its own arguments),
//! so that an upgrade which adds abilities does not break its users.

use std::collections::BTreeMap;
use std::sync::Arc;

use noema_bytecode::{
    CompiledModule, CompiledScript, DatatypeHandle, FunctionDefinition, FunctionHandle, SignatureToken, Visibility,
};
use noema_execution_api::StatusCode;
use noema_types::ModuleId;

use crate::{Limits, Result, VerifyError, cycles};

/// Where modules come from.
pub trait ModuleSource {
    /// The module, or `None` if there is none. A source that can fail notes it and answers `None`.
    fn module(&self, id: &ModuleId) -> Option<Arc<CompiledModule>>;
}

impl ModuleSource for BTreeMap<ModuleId, Arc<CompiledModule>> {
    fn module(&self, id: &ModuleId) -> Option<Arc<CompiledModule>> {
        self.get(id).cloned()
    }
}

impl<F: Fn(&ModuleId) -> Option<Arc<CompiledModule>>> ModuleSource for F {
    fn module(&self, id: &ModuleId) -> Option<Arc<CompiledModule>> {
        self(id)
    }
}

/// Compares a module with those it names, and checks that neither use nor friendship forms a circle.
///
/// The module must have passed [`crate::verify_module`]; `source` need not hold it. Of the modules in `source` only
/// their names and tables are read; that they are verified themselves is the caller's matter.
///
/// # Errors
/// [`VerifyError`]: MISSING_DEPENDENCY, LOOKUP_FAILED, TYPE_MISMATCH, CYCLIC_MODULE_DEPENDENCY,
/// CYCLIC_MODULE_FRIENDSHIP, INVALID_FRIEND_DECL_WITH_MODULES_IN_DEPENDENCIES or MAX_DEPENDENCY_DEPTH_REACHED.
pub fn verify_linked(module: &CompiledModule, source: &dyn ModuleSource, limits: &Limits) -> Result {
    Linker::new(module, Some(module.self_id()), source)?.check()?;
    cycles::check(module, source, limits)
}

/// Compares a script with the modules it names. A script is nobody's friend.
///
/// # Errors
/// [`VerifyError`]: MISSING_DEPENDENCY, LOOKUP_FAILED or TYPE_MISMATCH.
pub fn verify_script_linked(script: &CompiledScript, source: &dyn ModuleSource) -> Result {
    Linker::new(&script.module, None, source)?.check()
}

struct Linker<'a> {
    module: &'a CompiledModule,
    /// `None` for a script.
    own: Option<ModuleId>,
    /// For each module handle, the module; `None` for the module itself.
    used: Vec<Option<Used>>,
}

struct Used {
    module: Arc<CompiledModule>,
    functions: BTreeMap<String, usize>,
    datatypes: BTreeMap<String, usize>,
}

impl Used {
    fn new(module: Arc<CompiledModule>) -> Self {
        let functions = module.function_defs.iter().enumerate();
        let name = |def: &FunctionDefinition| module.identifier_at(module.function_handle_at(def.function).name);
        let functions = functions.map(|(position, def)| (name(def).as_str().to_owned(), position)).collect();
        let structs = module.struct_defs.iter().map(|def| def.handle);
        let handles = structs.chain(module.enum_defs.iter().map(|def| def.handle));
        let datatypes =
            handles.map(|handle| (module.datatype_name(handle).as_str().to_owned(), handle.index())).collect();
        Self { functions, datatypes, module }
    }
}

impl<'a> Linker<'a> {
    fn new(module: &'a CompiledModule, own: Option<ModuleId>, source: &dyn ModuleSource) -> Result<Self> {
        let mut used = Vec::with_capacity(module.module_handles.len());
        for (position, handle) in module.module_handles.iter().enumerate() {
            if position == module.self_module_handle.index() {
                used.push(None);
                continue;
            }
            let id = module.module_id_of(handle);
            let Some(found) = source.module(&id) else {
                let message = format!("module {}::{} does not exist", id.address.to_short_hex(), id.name.as_str());
                let status = StatusCode::MISSING_DEPENDENCY;
                return Err(VerifyError::at_entry(module, "module handle", position, status, message));
            };
            used.push(Some(Used::new(found)));
        }
        Ok(Self { module, own, used })
    }

    fn check(&self) -> Result {
        for (position, handle) in self.module.datatype_handles.iter().enumerate() {
            if let Some(used) = &self.used[handle.module.index()] {
                self.check_datatype(handle, used)
                    .map_err(|(status, message)| self.error("datatype handle", position, status, message))?;
            }
        }
        for (position, handle) in self.module.function_handles.iter().enumerate() {
            if let Some(used) = &self.used[handle.module.index()] {
                self.check_function(handle, used)
                    .map_err(|(status, message)| self.error("function handle", position, status, message))?;
            }
        }
        Ok(())
    }

    fn error(&self, table: &'static str, position: usize, status: StatusCode, message: String) -> VerifyError {
        VerifyError::at_entry(self.module, table, position, status, message)
    }

    fn check_datatype(&self, handle: &DatatypeHandle, used: &Used) -> std::result::Result<(), (StatusCode, String)> {
        let name = self.module.identifier_at(handle.name).as_str();
        let Some(position) = used.datatypes.get(name) else {
            return Err((StatusCode::LOOKUP_FAILED, format!("the module has no struct or enum {name}")));
        };
        let defined = &used.module.datatype_handles[*position];
        let parameters_fit = handle.type_parameters.len() == defined.type_parameters.len()
            && handle.type_parameters.iter().zip(&defined.type_parameters).all(|(claimed, defined)| {
                defined.constraints.is_subset(claimed.constraints) && (!claimed.is_phantom || defined.is_phantom)
            });
        if !handle.abilities.is_subset(defined.abilities) || !parameters_fit {
            let message = format!("{name} has other abilities or type parameters than is claimed here");
            return Err((StatusCode::TYPE_MISMATCH, message));
        }
        Ok(())
    }

    fn check_function(&self, handle: &FunctionHandle, used: &Used) -> std::result::Result<(), (StatusCode, String)> {
        let name = self.module.identifier_at(handle.name).as_str();
        let Some(position) = used.functions.get(name) else {
            return Err((StatusCode::LOOKUP_FAILED, format!("the module has no function {name}")));
        };
        let definition = &used.module.function_defs[*position];
        if !self.may_call(definition, &used.module) {
            return Err((StatusCode::LOOKUP_FAILED, format!("{name} is not visible here")));
        }
        let defined = used.module.function_handle_at(definition.function);
        let generics_fit = handle.type_parameters.len() == defined.type_parameters.len()
            && handle.type_parameters.iter().zip(&defined.type_parameters).all(|(one, other)| other.is_subset(*one));
        let same = |claimed, of_definition| {
            same_types(
                (self.module, self.module.signature_at(claimed)),
                (&used.module, used.module.signature_at(of_definition)),
            )
        };
        if !generics_fit || !same(handle.parameters, defined.parameters) || !same(handle.return_, defined.return_) {
            let message = format!("{name} has another signature than is claimed here");
            return Err((StatusCode::TYPE_MISMATCH, message));
        }
        Ok(())
    }

    fn may_call(&self, definition: &FunctionDefinition, owner: &CompiledModule) -> bool {
        match definition.visibility {
            Visibility::Public => true,
            Visibility::Private => false,
            Visibility::Friend => {
                self.own.as_ref().is_some_and(|own| owner.immediate_friends().any(|friend| friend == *own))
            }
        }
    }
}

/// Whether types of two modules are the same, by the names of their datatypes.
pub(crate) fn same_types(
    (left_module, left): (&CompiledModule, &[SignatureToken]),
    (right_module, right): (&CompiledModule, &[SignatureToken]),
) -> bool {
    left.len() == right.len()
        && left.iter().zip(right).all(|(one, other)| same_type((left_module, one), (right_module, other)))
}

pub(crate) fn same_type(
    (left_module, left): (&CompiledModule, &SignatureToken),
    (right_module, right): (&CompiledModule, &SignatureToken),
) -> bool {
    use SignatureToken as T;
    match (left, right) {
        (T::Vector(one), T::Vector(other))
        | (T::Reference(one), T::Reference(other))
        | (T::MutableReference(one), T::MutableReference(other)) => {
            same_type((left_module, one), (right_module, other))
        }
        (T::Datatype(one), T::Datatype(other)) => same_datatype(
            left_module,
            left_module.datatype_handle_at(*one),
            right_module,
            right_module.datatype_handle_at(*other),
        ),
        (T::DatatypeInstantiation(one), T::DatatypeInstantiation(other)) => {
            let (one_handle, other_handle) =
                (left_module.datatype_handle_at(one.0), right_module.datatype_handle_at(other.0));
            same_datatype(left_module, one_handle, right_module, other_handle)
                && same_types((left_module, &one.1), (right_module, &other.1))
        }
        (T::Datatype(_) | T::DatatypeInstantiation(_), _) | (_, T::Datatype(_) | T::DatatypeInstantiation(_)) => false,
        // What is left holds no index into a module: type parameters are positions.
        (one, other) => one == other,
    }
}

fn same_datatype(left: &CompiledModule, one: &DatatypeHandle, right: &CompiledModule, other: &DatatypeHandle) -> bool {
    left.identifier_at(one.name) == right.identifier_at(other.name)
        && left.module_id_of(left.module_handle_at(one.module))
            == right.module_id_of(right.module_handle_at(other.module))
}
