//! Writes modules and scripts.

use noema_types::{Address, Identifier};

use crate::access::TableIndex;
use crate::cursor::write_uleb;
use crate::encoding::{MAGIC, TableKind, flag, type_code};
use crate::limits::{
    ACQUIRES_MAX, BYTECODE_COUNT_MAX, CONSTANT_BYTES_MAX, FIELDS_MAX, JUMP_TABLES_MAX, METADATA_BYTES_MAX,
    METADATA_KEY_BYTES_MAX, SIGNATURE_TOKEN_DEPTH_MAX, SIGNATURE_TYPES_MAX, TABLE_ENTRIES_MAX, TYPE_PARAMETERS_MAX,
    VARIANTS_MAX,
};
use crate::{
    AbilitySet, CodeUnit, CompiledModule, CompiledScript, Constant, DatatypeHandle, EnumDefinition, FieldDefinition,
    FunctionDefinition, FunctionHandle, Metadata, ModuleHandle, SignatureToken, StructDefinition,
    StructFieldInformation, Version, WriteError,
};

impl CompiledModule {
    /// The module as bytes, in canonical form.
    ///
    /// The version is the module's own, but for a module of version 6 that has enums: that is written as Sui's 7.
    ///
    /// # Errors
    /// [`WriteError`] if a table is too long for the format, or version 5 is asked to hold what it cannot say.
    pub fn serialize(&self) -> Result<Vec<u8>, WriteError> {
        let writer = Writer { version: self.version_to_write()? };
        let mut out = writer.header_and_tables(self)?;
        write_index(&mut out, self.self_module_handle);
        Ok(out)
    }

    fn has_enums(&self) -> bool {
        !self.enum_defs.is_empty()
            || !self.enum_def_instantiations.is_empty()
            || !self.variant_handles.is_empty()
            || !self.variant_instantiation_handles.is_empty()
            || self.function_defs.iter().filter_map(|def| def.code.as_ref()).any(|code| !code.jump_tables.is_empty())
    }

    fn version_to_write(&self) -> Result<Version, WriteError> {
        match self.version {
            Version::V6 if self.has_enums() => Ok(Version::Sui7),
            Version::V5 if self.has_enums() => Err(not_in(Version::V5, "an enum")),
            version => Ok(version),
        }
    }
}

impl CompiledScript {
    /// The script as bytes, in canonical form.
    ///
    /// # Errors
    /// [`WriteError`] if a table is too long for the format, if there are definitions, or if the pseudo-module is not
    /// the last identifier, address and module handle.
    pub fn serialize(&self) -> Result<Vec<u8>, WriteError> {
        let tables = self.tables_to_write()?;
        let version = match tables.version {
            Version::V6 if !self.code.jump_tables.is_empty() => Version::Sui7,
            version => version,
        };
        let writer = Writer { version };
        let mut out = writer.header_and_tables(&tables)?;
        writer.ability_sets(&mut out, &self.type_parameters)?;
        write_index(&mut out, self.parameters);
        writer.code_unit(&mut out, &self.code)?;
        Ok(out)
    }

    /// The tables without the pseudo-module.
    fn tables_to_write(&self) -> Result<CompiledModule, WriteError> {
        let mut tables = self.module.clone();
        let definitions = [
            (tables.struct_defs.is_empty(), "struct"),
            (tables.function_defs.is_empty(), "function"),
            (tables.enum_defs.is_empty(), "enum"),
            (tables.friend_decls.is_empty(), "friend"),
            (tables.field_handles.is_empty(), "field handle"),
            (tables.field_instantiations.is_empty(), "field instantiation"),
            (tables.struct_def_instantiations.is_empty(), "struct instantiation"),
            (tables.enum_def_instantiations.is_empty(), "enum instantiation"),
            (tables.variant_handles.is_empty(), "variant handle"),
            (tables.variant_instantiation_handles.is_empty(), "variant instantiation"),
        ];
        if let Some((_, what)) = definitions.into_iter().find(|(is_empty, _)| !is_empty) {
            return Err(WriteError::NotInScript(what));
        }
        let (handle, name, address) =
            (tables.module_handles.pop(), tables.identifiers.pop(), tables.address_identifiers.pop());
        let (Some(handle), Some(name), Some(address)) = (handle, name, address) else {
            return Err(WriteError::PseudoModuleNotLast);
        };
        let is_last = tables.self_module_handle.index() == tables.module_handles.len()
            && handle.name.index() == tables.identifiers.len()
            && handle.address.index() == tables.address_identifiers.len();
        if !is_last || name.as_str() != PSEUDO_MODULE_NAME || address != Address::ZERO {
            return Err(WriteError::PseudoModuleNotLast);
        }
        Ok(tables)
    }
}

/// Name of the module that stands for a script.
pub(crate) const PSEUDO_MODULE_NAME: &str = "<SELF>";

fn not_in(version: Version, what: &'static str) -> WriteError {
    WriteError::NotInVersion { what, version: version.word() }
}

fn write_index<I: TableIndex>(out: &mut Vec<u8>, index: I) {
    write_uleb(out, u64::from(index.number()));
}

fn write_count(out: &mut Vec<u8>, what: &'static str, count: usize, max: usize) -> Result<(), WriteError> {
    if count > max {
        return Err(WriteError::TooLarge { what, value: count as u64, max: max as u64 });
    }
    write_uleb(out, count as u64);
    Ok(())
}

fn write_blob(out: &mut Vec<u8>, what: &'static str, bytes: &[u8], max: usize) -> Result<(), WriteError> {
    write_count(out, what, bytes.len(), max)?;
    out.extend_from_slice(bytes);
    Ok(())
}

struct Writer {
    version: Version,
}

/// Collects the tables and the directory that says where they are.
struct Tables {
    directory: Vec<u8>,
    content: Vec<u8>,
    count: u8,
}

impl Tables {
    fn add<T>(
        &mut self,
        kind: TableKind,
        entries: &[T],
        mut write: impl FnMut(&mut Vec<u8>, &T) -> Result<(), WriteError>,
    ) -> Result<(), WriteError> {
        if entries.is_empty() {
            return Ok(());
        }
        if entries.len() > TABLE_ENTRIES_MAX {
            return Err(too_large("the length of a table", entries.len(), TABLE_ENTRIES_MAX));
        }
        let start = self.content.len();
        for entry in entries {
            write(&mut self.content, entry)?;
        }
        self.directory.push(kind as u8);
        for number in [start, self.content.len() - start] {
            write_count(&mut self.directory, "the size of a table", number, u32::MAX as usize)?;
        }
        self.count += 1;
        Ok(())
    }
}

fn too_large(what: &'static str, value: usize, max: usize) -> WriteError {
    WriteError::TooLarge { what, value: value as u64, max: max as u64 }
}

impl Writer {
    fn header_and_tables(&self, module: &CompiledModule) -> Result<Vec<u8>, WriteError> {
        let mut tables = Tables { directory: Vec::new(), content: Vec::new(), count: 0 };
        self.common_tables(&mut tables, module)?;
        self.definition_tables(&mut tables, module)?;
        self.enum_tables(&mut tables, module)?;
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&self.version.word().to_le_bytes());
        out.push(tables.count);
        out.append(&mut tables.directory);
        out.append(&mut tables.content);
        Ok(out)
    }

    fn common_tables(&self, tables: &mut Tables, module: &CompiledModule) -> Result<(), WriteError> {
        tables.add(TableKind::ModuleHandles, &module.module_handles, write_module_handle)?;
        tables.add(TableKind::DatatypeHandles, &module.datatype_handles, |out, handle| {
            self.datatype_handle(out, handle)
        })?;
        tables.add(TableKind::FunctionHandles, &module.function_handles, |out, handle| {
            self.function_handle(out, handle)
        })?;
        tables.add(TableKind::FunctionInstantiations, &module.function_instantiations, |out, instance| {
            write_index(out, instance.handle);
            write_index(out, instance.type_parameters);
            Ok(())
        })?;
        tables.add(TableKind::Signatures, &module.signatures, |out, signature| self.tokens(out, &signature.0))?;
        tables.add(TableKind::Identifiers, &module.identifiers, write_identifier)?;
        tables.add(TableKind::Addresses, &module.address_identifiers, |out, address| {
            out.extend_from_slice(&address.0);
            Ok(())
        })?;
        tables.add(TableKind::Constants, &module.constants, |out, Constant { type_, data }| {
            self.token(out, type_, 1)?;
            write_blob(out, "the length of a constant", data, CONSTANT_BYTES_MAX)
        })?;
        tables.add(TableKind::Metadata, &module.metadata, |out, Metadata { key, value }| {
            write_blob(out, "the length of a metadata key", key, METADATA_KEY_BYTES_MAX)?;
            write_blob(out, "the length of a metadata value", value, METADATA_BYTES_MAX)
        })
    }

    fn definition_tables(&self, tables: &mut Tables, module: &CompiledModule) -> Result<(), WriteError> {
        tables.add(TableKind::StructDefs, &module.struct_defs, |out, def| self.struct_def(out, def))?;
        tables.add(TableKind::StructDefInstantiations, &module.struct_def_instantiations, |out, instance| {
            write_index(out, instance.def);
            write_index(out, instance.type_parameters);
            Ok(())
        })?;
        tables.add(TableKind::FunctionDefs, &module.function_defs, |out, def| self.function_def(out, def))?;
        tables.add(TableKind::FieldHandles, &module.field_handles, |out, handle| {
            write_index(out, handle.owner);
            write_count(out, "the position of a field", usize::from(handle.field), FIELDS_MAX)
        })?;
        tables.add(TableKind::FieldInstantiations, &module.field_instantiations, |out, instance| {
            write_index(out, instance.handle);
            write_index(out, instance.type_parameters);
            Ok(())
        })?;
        tables.add(TableKind::Friends, &module.friend_decls, write_module_handle)
    }

    fn enum_tables(&self, tables: &mut Tables, module: &CompiledModule) -> Result<(), WriteError> {
        tables.add(TableKind::EnumDefs, &module.enum_defs, |out, def| self.enum_def(out, def))?;
        tables.add(TableKind::EnumDefInstantiations, &module.enum_def_instantiations, |out, instance| {
            write_index(out, instance.def);
            write_index(out, instance.type_parameters);
            Ok(())
        })?;
        tables.add(TableKind::VariantHandles, &module.variant_handles, |out, handle| {
            write_index(out, handle.enum_def);
            write_count(out, "the tag of a variant", usize::from(handle.variant), VARIANTS_MAX)
        })?;
        tables.add(TableKind::VariantInstantiationHandles, &module.variant_instantiation_handles, |out, handle| {
            write_index(out, handle.enum_def);
            write_count(out, "the tag of a variant", usize::from(handle.variant), VARIANTS_MAX)
        })
    }

    fn datatype_handle(&self, out: &mut Vec<u8>, handle: &DatatypeHandle) -> Result<(), WriteError> {
        write_index(out, handle.module);
        write_index(out, handle.name);
        out.push(handle.abilities.bits());
        write_count(out, "the number of type parameters", handle.type_parameters.len(), TYPE_PARAMETERS_MAX)?;
        for parameter in &handle.type_parameters {
            out.push(parameter.constraints.bits());
            out.push(u8::from(parameter.is_phantom));
        }
        Ok(())
    }

    fn function_handle(&self, out: &mut Vec<u8>, handle: &FunctionHandle) -> Result<(), WriteError> {
        write_index(out, handle.module);
        write_index(out, handle.name);
        write_index(out, handle.parameters);
        write_index(out, handle.return_);
        self.ability_sets(out, &handle.type_parameters)
    }

    fn ability_sets(&self, out: &mut Vec<u8>, sets: &[AbilitySet]) -> Result<(), WriteError> {
        write_count(out, "the number of type parameters", sets.len(), TYPE_PARAMETERS_MAX)?;
        out.extend(sets.iter().map(|set| set.bits()));
        Ok(())
    }

    fn tokens(&self, out: &mut Vec<u8>, tokens: &[SignatureToken]) -> Result<(), WriteError> {
        write_count(out, "the number of types in a signature", tokens.len(), SIGNATURE_TYPES_MAX)?;
        tokens.iter().try_for_each(|token| self.token(out, token, 1))
    }

    fn token(&self, out: &mut Vec<u8>, token: &SignatureToken, depth: usize) -> Result<(), WriteError> {
        if depth > SIGNATURE_TOKEN_DEPTH_MAX {
            return Err(too_large("the depth of a type", depth, SIGNATURE_TOKEN_DEPTH_MAX));
        }
        let is_new = matches!(token, SignatureToken::U16 | SignatureToken::U32 | SignatureToken::U256);
        if is_new && self.version == Version::V5 {
            return Err(not_in(self.version, "u16, u32 or u256"));
        }
        out.push(type_byte(token));
        match token {
            SignatureToken::Vector(inner)
            | SignatureToken::Reference(inner)
            | SignatureToken::MutableReference(inner) => self.token(out, inner, depth + 1)?,
            SignatureToken::Datatype(handle) => write_index(out, *handle),
            SignatureToken::TypeParameter(index) => write_uleb(out, u64::from(*index)),
            SignatureToken::DatatypeInstantiation(instance) => {
                let (handle, arguments) = instance.as_ref();
                write_index(out, *handle);
                write_count(out, "the number of type arguments", arguments.len(), SIGNATURE_TYPES_MAX)?;
                arguments.iter().try_for_each(|argument| self.token(out, argument, depth + 1))?;
            }
            _ => {}
        }
        Ok(())
    }

    fn fields(&self, out: &mut Vec<u8>, fields: &[FieldDefinition]) -> Result<(), WriteError> {
        write_count(out, "the number of fields", fields.len(), FIELDS_MAX)?;
        for field in fields {
            write_index(out, field.name);
            self.token(out, &field.signature, 1)?;
        }
        Ok(())
    }

    fn struct_def(&self, out: &mut Vec<u8>, def: &StructDefinition) -> Result<(), WriteError> {
        write_index(out, def.handle);
        match &def.fields {
            StructFieldInformation::Native => out.push(flag::STRUCT_NATIVE),
            StructFieldInformation::Declared(fields) => {
                out.push(flag::STRUCT_DECLARED);
                self.fields(out, fields)?;
            }
        }
        Ok(())
    }

    fn enum_def(&self, out: &mut Vec<u8>, def: &EnumDefinition) -> Result<(), WriteError> {
        write_index(out, def.handle);
        out.push(flag::ENUM_DECLARED);
        write_count(out, "the number of variants", def.variants.len(), VARIANTS_MAX)?;
        for variant in &def.variants {
            write_index(out, variant.name);
            self.fields(out, &variant.fields)?;
        }
        Ok(())
    }

    fn function_def(&self, out: &mut Vec<u8>, def: &FunctionDefinition) -> Result<(), WriteError> {
        write_index(out, def.function);
        out.push(def.visibility as u8);
        let native = if def.code.is_none() { flag::FUNCTION_NATIVE } else { 0 };
        let entry = if def.is_entry { flag::FUNCTION_ENTRY } else { 0 };
        out.push(native | entry);
        write_count(out, "the number of acquired structs", def.acquires.len(), ACQUIRES_MAX)?;
        def.acquires.iter().for_each(|index| write_index(out, *index));
        def.code.as_ref().map_or(Ok(()), |code| self.code_unit(out, code))
    }

    fn code_unit(&self, out: &mut Vec<u8>, code: &CodeUnit) -> Result<(), WriteError> {
        write_index(out, code.locals);
        write_count(out, "the number of instructions", code.code.len(), BYTECODE_COUNT_MAX)?;
        for instruction in &code.code {
            if instruction.since() > self.version {
                return Err(not_in(self.version, instruction.name()));
            }
            instruction.write(out);
        }
        if self.version != Version::Sui7 {
            return if code.jump_tables.is_empty() { Ok(()) } else { Err(not_in(self.version, "a jump table")) };
        }
        write_count(out, "the number of jump tables", code.jump_tables.len(), JUMP_TABLES_MAX)?;
        for jumps in &code.jump_tables {
            write_index(out, jumps.head_enum);
            write_count(out, "the number of jump targets", jumps.targets.len(), VARIANTS_MAX)?;
            out.push(flag::JUMP_TABLE_FULL);
            jumps.targets.iter().for_each(|target| write_uleb(out, u64::from(*target)));
        }
        Ok(())
    }
}

fn write_module_handle(out: &mut Vec<u8>, handle: &ModuleHandle) -> Result<(), WriteError> {
    write_index(out, handle.address);
    write_index(out, handle.name);
    Ok(())
}

fn write_identifier(out: &mut Vec<u8>, identifier: &Identifier) -> Result<(), WriteError> {
    write_blob(out, "the length of an identifier", identifier.as_str().as_bytes(), TABLE_ENTRIES_MAX)
}

fn type_byte(token: &SignatureToken) -> u8 {
    match token {
        SignatureToken::Bool => type_code::BOOL,
        SignatureToken::U8 => type_code::U8,
        SignatureToken::U16 => type_code::U16,
        SignatureToken::U32 => type_code::U32,
        SignatureToken::U64 => type_code::U64,
        SignatureToken::U128 => type_code::U128,
        SignatureToken::U256 => type_code::U256,
        SignatureToken::Address => type_code::ADDRESS,
        SignatureToken::Signer => type_code::SIGNER,
        SignatureToken::Vector(_) => type_code::VECTOR,
        SignatureToken::Datatype(_) => type_code::DATATYPE,
        SignatureToken::DatatypeInstantiation(_) => type_code::DATATYPE_INSTANTIATION,
        SignatureToken::Reference(_) => type_code::REFERENCE,
        SignatureToken::MutableReference(_) => type_code::MUTABLE_REFERENCE,
        SignatureToken::TypeParameter(_) => type_code::TYPE_PARAMETER,
    }
}
