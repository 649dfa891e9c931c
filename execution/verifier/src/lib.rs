//! Verifies Move bytecode, pass by pass.
//!
//! Nothing is published, and nothing is run by an interpreter that trusts it, before every pass here has accepted it:
//! memory safety rests on them. The passes run in the order of [`verify_module`]'s source and the first failure is the
//! verdict, so the order is part of a transaction's result. Each pass is one file whose doc says the rule and the attack
//! it stops.
//!
//! 1. [`verify_module`] and [`verify_script`] look at one module or script alone.
//! 2. [`verify_linked`] and [`verify_script_linked`] compare it with the modules it names.
//! 3. [`check_upgrade`] compares a module with the version it replaces.
//! 4. [`check_publishable`] adds the rules of a chain: what a transaction can call, and attributes that are true.
//!
//! [`verify_package`] does 1, 2 and 4 for modules that are published together.
//!
//! Verdicts depend on nothing but the bytes of the modules and the [`Limits`]: the meter counts integers.
//!
//! Not here yet: the structured control flow that version 5 asked for; its modules are held to version 6's rule, which
//! accepts more and is what the later passes need.

mod absint;
mod acquires;
mod constants;
mod control_flow;
mod cycles;
mod duplication;
mod entry_signatures;
mod error;
mod field_abilities;
mod flow_graph;
mod friends;
mod function;
mod instantiation_loops;
mod instruction_consistency;
pub mod limits;
mod linking;
mod locals_safety;
mod metadata;
mod meter;
mod module_limits;
mod package;
mod recursive_data;
mod reference_safety;
mod signatures;
mod stack_usage;
mod type_safety;
mod upgrade;

use noema_bytecode::{CompiledModule, CompiledScript, ReadError};

pub use error::{Location, VerifyError};
pub use limits::Limits;
pub use linking::{ModuleSource, verify_linked, verify_script_linked};
pub use metadata::check_publishable;
pub use package::verify_package;
pub use upgrade::{check_upgrade, check_upgrade_in_package};

use function::Function;
use meter::Meter;

type Result<T = ()> = std::result::Result<T, VerifyError>;

/// Verifies a module alone.
///
/// # Errors
/// [`VerifyError`] of the first pass that rejects it.
pub fn verify_module(module: &CompiledModule, limits: &Limits) -> Result {
    noema_bytecode::check_module_bounds(module).map_err(|error| out_of_bounds(module, error))?;
    module_limits::check(module, limits)?;
    duplication::check(module)?;
    let mut meter = Meter::new(limits.meter_units_per_module);
    signatures::check(module, &mut meter)?;
    instruction_consistency::check(module)?;
    constants::check(module)?;
    friends::check(module)?;
    field_abilities::check(module)?;
    recursive_data::check(module)?;
    instantiation_loops::check(module)?;
    for function in Function::all(module) {
        check_function(&function, limits, &mut meter)?;
        acquires::check(&function)?;
    }
    Ok(())
}

/// Verifies a script alone.
///
/// # Errors
/// [`VerifyError`] of the first pass that rejects it.
pub fn verify_script(script: &CompiledScript, limits: &Limits) -> Result {
    noema_bytecode::check_script_bounds(script).map_err(|error| out_of_bounds(&script.module, error))?;
    module_limits::check(&script.module, limits)?;
    module_limits::check_script(script, limits)?;
    duplication::check_script(script)?;
    let mut meter = Meter::new(limits.meter_units_per_module);
    signatures::check_script(script, &mut meter)?;
    let function = Function::of_script(script);
    instruction_consistency::check_script(&function)?;
    constants::check(&script.module)?;
    check_function(&function, limits, &mut meter)?;
    entry_signatures::check_script(script)
}

/// The passes over one body, in order; each relies on those before it.
fn check_function(function: &Function<'_>, limits: &Limits, meter: &mut Meter) -> Result {
    meter.enter_function(limits.meter_units_per_function);
    let graph = control_flow::check(function, limits)?;
    stack_usage::check(function, &graph, limits)?;
    type_safety::check(function, &graph, meter)?;
    locals_safety::check(function, &graph, meter)?;
    reference_safety::check(function, &graph, meter)
}

fn out_of_bounds(module: &CompiledModule, error: ReadError) -> VerifyError {
    let has_name = module.self_module_handle.index() < module.module_handles.len();
    let named = has_name.then(|| module.module_handle_at(module.self_module_handle)).filter(|handle| {
        handle.name.index() < module.identifiers.len() && handle.address.index() < module.address_identifiers.len()
    });
    VerifyError {
        status: error.status,
        location: Box::new(Location { module: named.map(|handle| module.module_id_of(handle)), ..Location::default() }),
        message: error.message,
    }
}

#[cfg(test)]
mod tests;
