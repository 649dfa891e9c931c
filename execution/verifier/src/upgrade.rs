//! A new version of a module keeps the promises of the old one.
//!
//! Stored values were written with the old layout, and other modules were verified against the old signatures; neither
//! is looked at again when a module is replaced. So:
//! - every struct and enum stays, with the same fields (names, order, types) and variants, at least the old abilities,
//!   type parameters that ask for no more, and phantom ones that stay phantom;
//! - every public function stays public with the same parameters, results and type parameters that ask for no more; an
//!   entry function stays one, with the same parameters;
//! - friends stay, and so do `public(friend)` functions, unless every module that was a friend is replaced together with
//!   this one ([`check_upgrade_in_package`]).
//!
//! Added: structs, enums, functions, friends, abilities. Private functions, bodies, constants and attributes are free.

use std::collections::BTreeSet;

use noema_bytecode::{
    CompiledModule, DatatypeHandleIndex, EnumDefinition, FieldDefinition, FunctionDefIndex, FunctionDefinition,
    StructDefinition, Visibility,
};
use noema_execution_api::StatusCode;
use noema_types::ModuleId;

use crate::linking::{same_type, same_types};
use crate::{Result, VerifyError};

/// Whether `new` may replace `old`, whoever else uses it.
///
/// # Errors
/// BACKWARD_INCOMPATIBLE_MODULE_UPDATE, saying which promise is broken.
pub fn check_upgrade(old: &CompiledModule, new: &CompiledModule) -> Result {
    Upgrade { old, new, friends_are_fixed: true }.check()
}

/// Whether `new` may replace `old` when the modules of `package` are replaced (and linked anew) at the same time.
///
/// # Errors
/// As [`check_upgrade`].
pub fn check_upgrade_in_package(old: &CompiledModule, new: &CompiledModule, package: &BTreeSet<ModuleId>) -> Result {
    let friends_are_fixed = !old.immediate_friends().all(|friend| package.contains(&friend));
    Upgrade { old, new, friends_are_fixed }.check()
}

struct Upgrade<'a> {
    old: &'a CompiledModule,
    new: &'a CompiledModule,
    friends_are_fixed: bool,
}

impl Upgrade<'_> {
    fn fail(&self, message: String) -> Result {
        Err(VerifyError::in_module(self.new, StatusCode::BACKWARD_INCOMPATIBLE_MODULE_UPDATE, message))
    }

    fn check(&self) -> Result {
        if self.old.self_id() != self.new.self_id() {
            return self.fail(format!("the module was {}", self.old.self_id()));
        }
        self.old.struct_defs.iter().try_for_each(|def| self.check_struct(def))?;
        self.old.enum_defs.iter().try_for_each(|def| self.check_enum(def))?;
        for (position, def) in self.old.function_defs.iter().enumerate() {
            self.check_function(FunctionDefIndex::new(position), def)?;
        }
        if self.friends_are_fixed {
            let friends: BTreeSet<_> = self.new.immediate_friends().collect();
            if let Some(lost) = self.old.immediate_friends().find(|friend| !friends.contains(friend)) {
                return self.fail(format!("{lost} is no longer a friend"));
            }
        }
        Ok(())
    }

    fn check_struct(&self, old: &StructDefinition) -> Result {
        let name = self.old.datatype_name(old.handle).as_str();
        let Some((_, new)) = self.new.find_struct(name) else {
            return self.fail(format!("struct {name} is gone"));
        };
        self.check_datatype(name, old.handle, new.handle)?;
        let same = match (old.declared_fields(), new.declared_fields()) {
            (None, None) => true,
            (Some(old), Some(new)) => self.same_fields(old, new),
            _ => false,
        };
        if same { Ok(()) } else { self.fail(format!("the fields of struct {name} have changed")) }
    }

    fn check_enum(&self, old: &EnumDefinition) -> Result {
        let name = self.old.datatype_name(old.handle).as_str();
        let Some((_, new)) = self.new.find_enum(name) else {
            return self.fail(format!("enum {name} is gone"));
        };
        self.check_datatype(name, old.handle, new.handle)?;
        let same = old.variants.len() == new.variants.len()
            && old.variants.iter().zip(&new.variants).all(|(old, new)| {
                self.old.identifier_at(old.name) == self.new.identifier_at(new.name)
                    && self.same_fields(&old.fields, &new.fields)
            });
        if same { Ok(()) } else { self.fail(format!("the variants of enum {name} have changed")) }
    }

    fn check_datatype(&self, name: &str, old: DatatypeHandleIndex, new: DatatypeHandleIndex) -> Result {
        let (old, new) = (self.old.datatype_handle_at(old), self.new.datatype_handle_at(new));
        if !old.abilities.is_subset(new.abilities) {
            return self.fail(format!("{name} has lost abilities: {:?}, now {:?}", old.abilities, new.abilities));
        }
        let fits =
            old.type_parameters.len() == new.type_parameters.len()
                && old.type_parameters.iter().zip(&new.type_parameters).all(|(old, new)| {
                    new.constraints.is_subset(old.constraints) && (!old.is_phantom || new.is_phantom)
                });
        if fits { Ok(()) } else { self.fail(format!("the type parameters of {name} have changed")) }
    }

    fn same_fields(&self, old: &[FieldDefinition], new: &[FieldDefinition]) -> bool {
        old.len() == new.len()
            && old.iter().zip(new).all(|(old, new)| {
                self.old.identifier_at(old.name) == self.new.identifier_at(new.name)
                    && same_type((self.old, &old.signature), (self.new, &new.signature))
            })
    }

    fn check_function(&self, index: FunctionDefIndex, old: &FunctionDefinition) -> Result {
        let is_promised = match old.visibility {
            Visibility::Public => true,
            Visibility::Friend => self.friends_are_fixed || old.is_entry,
            Visibility::Private => old.is_entry,
        };
        if !is_promised {
            return Ok(());
        }
        let name = self.old.function_name(index).as_str();
        let Some((_, new)) = self.new.find_function(name) else {
            return self.fail(format!("function {name} is gone"));
        };
        let is_visible = match old.visibility {
            Visibility::Public => new.visibility == Visibility::Public,
            Visibility::Friend => !self.friends_are_fixed || new.visibility != Visibility::Private,
            Visibility::Private => true,
        };
        if !is_visible {
            return self.fail(format!("function {name} is less visible than it was"));
        }
        if old.is_entry && !new.is_entry {
            return self.fail(format!("function {name} is no longer an entry"));
        }
        self.check_signature(name, old, new)
    }

    fn check_signature(&self, name: &str, old: &FunctionDefinition, new: &FunctionDefinition) -> Result {
        let (old, new) = (self.old.function_handle_at(old.function), self.new.function_handle_at(new.function));
        let same =
            |one, other| same_types((self.old, self.old.signature_at(one)), (self.new, self.new.signature_at(other)));
        let generics_fit = old.type_parameters.len() == new.type_parameters.len()
            && old.type_parameters.iter().zip(&new.type_parameters).all(|(old, new)| new.is_subset(*old));
        if generics_fit && same(old.parameters, new.parameters) && same(old.return_, new.return_) {
            return Ok(());
        }
        self.fail(format!("the signature of function {name} has changed"))
    }
}
