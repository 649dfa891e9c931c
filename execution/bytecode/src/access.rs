//! Looks up entries of the tables.

use noema_types::Identifier;

use crate::limits::{JUMP_TABLES_MAX, TABLE_ENTRIES_MAX, VARIANT_HANDLE_INDEX_MAX};
use crate::{
    AbilitySet, AddressIdentifierIndex, CompiledModule, ConstantIndex, DatatypeHandleIndex, EnumDefIndex,
    EnumDefInstantiation, EnumDefInstantiationIndex, EnumDefinition, FieldDefinition, FieldHandle, FieldHandleIndex,
    FieldInstantiation, FieldInstantiationIndex, FunctionDefIndex, FunctionHandle, FunctionHandleIndex,
    FunctionInstantiation, FunctionInstantiationIndex, IdentifierIndex, ModuleHandleIndex, SignatureIndex,
    SignatureToken, StructDefIndex, StructDefInstantiation, StructDefInstantiationIndex, VariantDefinition,
    VariantHandle, VariantHandleIndex, VariantInstantiationHandle, VariantInstantiationHandleIndex,
    VariantJumpTableIndex,
};

/// A position in a table, as the format writes it.
pub(crate) trait TableIndex: Copy {
    /// What it points at, for messages.
    const NAME: &'static str;
    /// The largest the format can say.
    const MAX: u16;
    fn wrap(value: u16) -> Self;
    fn number(self) -> u16;
}

macro_rules! table_indices {
    ($($type:ident $name:literal $max:expr;)*) => {$(
        impl TableIndex for $type {
            const NAME: &'static str = $name;
            const MAX: u16 = {
                assert!($max <= u16::MAX as usize, "indices are 16 bits");
                $max as u16
            };

            fn wrap(value: u16) -> Self {
                Self(value)
            }

            fn number(self) -> u16 {
                self.0
            }
        }
    )*};
}

table_indices! {
    ModuleHandleIndex "a module handle's index" TABLE_ENTRIES_MAX;
    DatatypeHandleIndex "a datatype handle's index" TABLE_ENTRIES_MAX;
    FunctionHandleIndex "a function handle's index" TABLE_ENTRIES_MAX;
    FieldHandleIndex "a field handle's index" TABLE_ENTRIES_MAX;
    StructDefInstantiationIndex "a struct instantiation's index" TABLE_ENTRIES_MAX;
    FunctionInstantiationIndex "a function instantiation's index" TABLE_ENTRIES_MAX;
    FieldInstantiationIndex "a field instantiation's index" TABLE_ENTRIES_MAX;
    SignatureIndex "a signature's index" TABLE_ENTRIES_MAX;
    IdentifierIndex "an identifier's index" TABLE_ENTRIES_MAX;
    AddressIdentifierIndex "an address's index" TABLE_ENTRIES_MAX;
    ConstantIndex "a constant's index" TABLE_ENTRIES_MAX;
    StructDefIndex "a struct's index" TABLE_ENTRIES_MAX;
    FunctionDefIndex "a function's index" TABLE_ENTRIES_MAX;
    EnumDefIndex "an enum's index" TABLE_ENTRIES_MAX;
    EnumDefInstantiationIndex "an enum instantiation's index" TABLE_ENTRIES_MAX;
    VariantHandleIndex "a variant handle's index" VARIANT_HANDLE_INDEX_MAX;
    VariantInstantiationHandleIndex "a variant instantiation's index" VARIANT_HANDLE_INDEX_MAX;
    VariantJumpTableIndex "a jump table's index" JUMP_TABLES_MAX;
}

/// Lookups by index. Indices must be in bounds (the reader checks them).
impl CompiledModule {
    /// The field handle at `index`.
    #[must_use]
    pub fn field_handle_at(&self, index: FieldHandleIndex) -> &FieldHandle {
        &self.field_handles[index.index()]
    }

    /// The field instantiation at `index`.
    #[must_use]
    pub fn field_instantiation_at(&self, index: FieldInstantiationIndex) -> &FieldInstantiation {
        &self.field_instantiations[index.index()]
    }

    /// The function instantiation at `index`.
    #[must_use]
    pub fn function_instantiation_at(&self, index: FunctionInstantiationIndex) -> &FunctionInstantiation {
        &self.function_instantiations[index.index()]
    }

    /// The struct instantiation at `index`.
    #[must_use]
    pub fn struct_instantiation_at(&self, index: StructDefInstantiationIndex) -> &StructDefInstantiation {
        &self.struct_def_instantiations[index.index()]
    }

    /// The constant at `index`.
    #[must_use]
    pub fn constant_at(&self, index: ConstantIndex) -> &crate::Constant {
        &self.constants[index.index()]
    }

    /// The enum at `index`.
    #[must_use]
    pub fn enum_def_at(&self, index: EnumDefIndex) -> &EnumDefinition {
        &self.enum_defs[index.index()]
    }

    /// The enum instantiation at `index`.
    #[must_use]
    pub fn enum_instantiation_at(&self, index: EnumDefInstantiationIndex) -> &EnumDefInstantiation {
        &self.enum_def_instantiations[index.index()]
    }

    /// The variant handle at `index`.
    #[must_use]
    pub fn variant_handle_at(&self, index: VariantHandleIndex) -> &VariantHandle {
        &self.variant_handles[index.index()]
    }

    /// The variant instantiation at `index`.
    #[must_use]
    pub fn variant_instantiation_at(&self, index: VariantInstantiationHandleIndex) -> &VariantInstantiationHandle {
        &self.variant_instantiation_handles[index.index()]
    }

    /// The variant that a handle names.
    #[must_use]
    pub fn variant_of(&self, handle: &VariantHandle) -> &VariantDefinition {
        &self.enum_def_at(handle.enum_def).variants[usize::from(handle.variant)]
    }

    /// The field that a handle names; it must not be of a native struct.
    #[must_use]
    pub fn field_of(&self, handle: &FieldHandle) -> &FieldDefinition {
        let fields = self.struct_def_at(handle.owner).declared_fields().expect("bounds: native structs have no fields");
        &fields[usize::from(handle.field)]
    }

    /// Name of the datatype at `index`.
    #[must_use]
    pub fn datatype_name(&self, index: DatatypeHandleIndex) -> &Identifier {
        self.identifier_at(self.datatype_handle_at(index).name)
    }

    /// Name of the struct at `index`.
    #[must_use]
    pub fn struct_name(&self, index: StructDefIndex) -> &Identifier {
        self.datatype_name(self.struct_def_at(index).handle)
    }

    /// The struct of this module with this name.
    #[must_use]
    pub fn find_struct(&self, name: &str) -> Option<(StructDefIndex, &crate::StructDefinition)> {
        self.struct_defs
            .iter()
            .enumerate()
            .find(|(_, def)| self.datatype_name(def.handle).as_str() == name)
            .map(|(position, def)| (StructDefIndex::new(position), def))
    }

    /// The enum of this module with this name.
    #[must_use]
    pub fn find_enum(&self, name: &str) -> Option<(EnumDefIndex, &EnumDefinition)> {
        self.enum_defs
            .iter()
            .enumerate()
            .find(|(_, def)| self.datatype_name(def.handle).as_str() == name)
            .map(|(position, def)| (EnumDefIndex::new(position), def))
    }

    /// The handle of a function of this module.
    #[must_use]
    pub fn handle_of(&self, index: FunctionDefIndex) -> &FunctionHandle {
        self.function_handle_at(self.function_def_at(index).function)
    }

    /// Abilities of a type where type parameters have the abilities `constraints`.
    #[must_use]
    pub fn abilities_of(&self, token: &SignatureToken, constraints: &[AbilitySet]) -> AbilitySet {
        match token {
            SignatureToken::Signer => AbilitySet::SIGNER,
            SignatureToken::Reference(_) | SignatureToken::MutableReference(_) => AbilitySet::REFERENCES,
            SignatureToken::TypeParameter(index) => constraints[usize::from(*index)],
            SignatureToken::Datatype(handle) => self.datatype_handle_at(*handle).abilities,
            SignatureToken::Vector(element) => {
                AbilitySet::of_instance(AbilitySet::VECTOR, [(self.abilities_of(element, constraints), false)])
            }
            SignatureToken::DatatypeInstantiation(instance) => {
                let (handle, arguments) = instance.as_ref();
                let handle = self.datatype_handle_at(*handle);
                let arguments = arguments.iter().zip(&handle.type_parameters);
                let arguments = arguments
                    .map(|(argument, parameter)| (self.abilities_of(argument, constraints), parameter.is_phantom));
                AbilitySet::of_instance(handle.abilities, arguments)
            }
            _ => AbilitySet::PRIMITIVES,
        }
    }
}
