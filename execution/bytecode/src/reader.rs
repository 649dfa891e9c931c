//! Reads modules and scripts.

use noema_execution_api::StatusCode;
use noema_types::{Address, Identifier, ModuleId};

use crate::access::TableIndex;
use crate::cursor::Cursor;
use crate::encoding::{MAGIC, TableKind, flag, type_code};
use crate::limits::{
    ACQUIRES_MAX, BYTECODE_COUNT_MAX, CONSTANT_BYTES_MAX, FIELDS_MAX, JUMP_TABLES_MAX, METADATA_BYTES_MAX,
    METADATA_KEY_BYTES_MAX, MODULE_BYTES_MAX, SIGNATURE_TOKEN_DEPTH_MAX, SIGNATURE_TYPES_MAX, TABLE_ENTRIES_MAX,
    TABLES_MAX, TYPE_PARAMETERS_MAX, VARIANTS_MAX,
};
use crate::writer::PSEUDO_MODULE_NAME;
use crate::{
    AbilitySet, AddressIdentifierIndex, Bytecode, CodeUnit, CompiledModule, CompiledScript, Constant, DatatypeHandle,
    DatatypeTypeParameter, EnumDefInstantiation, EnumDefinition, FieldDefinition, FieldHandle, FieldInstantiation,
    FunctionDefinition, FunctionHandle, FunctionInstantiation, IdentifierIndex, Metadata, ModuleHandle,
    ModuleHandleIndex, ReadError, Signature, SignatureToken, StructDefInstantiation, StructDefinition,
    StructFieldInformation, VariantDefinition, VariantHandle, VariantInstantiationHandle, VariantJumpTable, Version,
    Visibility, check_module_bounds, check_script_bounds,
};

type Result<T> = std::result::Result<T, ReadError>;

impl CompiledModule {
    /// Reads a module; every index of the result is in bounds.
    ///
    /// # Errors
    /// [`ReadError`] if the bytes are no module of a known version, or an index is out of bounds.
    pub fn deserialize(bytes: &[u8]) -> Result<Self> {
        let (mut module, mut rest) = read_tables(bytes, false)?;
        module.self_module_handle = index(&mut rest)?;
        expect_end(&rest)?;
        check_module_bounds(&module)?;
        Ok(module)
    }
}

impl CompiledScript {
    /// Reads a script; every index of the result is in bounds.
    ///
    /// # Errors
    /// [`ReadError`] if the bytes are no script of a known version, or an index is out of bounds.
    pub fn deserialize(bytes: &[u8]) -> Result<Self> {
        let (mut module, mut rest) = read_tables(bytes, true)?;
        let type_parameters = ability_sets(&mut rest)?;
        let parameters = index(&mut rest)?;
        let code = code_unit(&mut rest)?;
        expect_end(&rest)?;
        add_pseudo_module(&mut module)?;
        let script = Self { module, type_parameters, parameters, code };
        check_script_bounds(&script)?;
        Ok(script)
    }
}

/// Appends the module `0x0::<SELF>`, so that a script's tables are those of a module.
fn add_pseudo_module(module: &mut CompiledModule) -> Result<()> {
    let longest = module.module_handles.len().max(module.identifiers.len()).max(module.address_identifiers.len());
    if longest >= TABLE_ENTRIES_MAX {
        return Err(ReadError::in_tables(StatusCode::MALFORMED, "no room for the script's pseudo-module"));
    }
    module.self_module_handle = ModuleHandleIndex::new(module.module_handles.len());
    module.module_handles.push(ModuleHandle {
        address: AddressIdentifierIndex::new(module.address_identifiers.len()),
        name: IdentifierIndex::new(module.identifiers.len()),
    });
    module.identifiers.push(pseudo_module_name());
    module.address_identifiers.push(Address::ZERO);
    Ok(())
}

fn pseudo_module_name() -> Identifier {
    Identifier::new(PSEUDO_MODULE_NAME).expect("<SELF> is a valid identifier")
}

/// A line of the directory: where a table is.
#[derive(Debug, Clone, Copy)]
struct Table {
    kind: TableKind,
    start: usize,
    size: usize,
}

fn version(cursor: &mut Cursor<'_>) -> Result<Version> {
    let magic = cursor.array::<4>().map_err(|error| ReadError { status: StatusCode::BAD_MAGIC, ..error })?;
    if magic != MAGIC {
        return Err(ReadError::at(StatusCode::BAD_MAGIC, 0, "the first four bytes are not a11ceb0b"));
    }
    let word = u32::from_le_bytes(cursor.array()?);
    Version::from_word(word).ok_or_else(|| {
        let hint = match word >> 24 {
            0x0A => "; build with `--bytecode-version 6`",
            _ => "",
        };
        let message = format!(
            "version word {word:#010x} is none of 5, 6 and Sui's 0x05000007 (an Aptos build has 7 or more{hint})"
        );
        ReadError::at(StatusCode::UNKNOWN_VERSION, MAGIC.len(), message)
    })
}

/// Reads header, directory and tables; returns what follows them.
fn read_tables(bytes: &[u8], is_script: bool) -> Result<(CompiledModule, Cursor<'_>)> {
    let mut cursor = Cursor::new(bytes, 0, Version::V6);
    let version = version(&mut cursor)?;
    cursor.version = version;
    if bytes.len() > MODULE_BYTES_MAX {
        let message = format!("the binary has {} bytes, at most {MODULE_BYTES_MAX} are allowed", bytes.len());
        return Err(ReadError::at(StatusCode::MALFORMED, 0, message));
    }
    let directory = directory(&mut cursor, is_script)?;
    let content_base = cursor.offset();
    let content = cursor
        .take(directory.iter().map(|table| table.size).sum())
        .map_err(|error| ReadError { status: StatusCode::BAD_HEADER_TABLE, ..error })?;
    let nameless = ModuleId::new(Address::ZERO, pseudo_module_name());
    let mut module = CompiledModule { version, ..CompiledModule::empty(&nameless) };
    module.module_handles.clear();
    module.identifiers.clear();
    module.address_identifiers.clear();
    for Table { kind, start, size } in directory {
        let mut table = Cursor::new(&content[start..start + size], content_base + start, version);
        read_table(&mut module, kind, &mut table)?;
    }
    Ok((module, cursor))
}

fn directory(cursor: &mut Cursor<'_>, is_script: bool) -> Result<Vec<Table>> {
    let count = cursor.count("the number of tables", u8::MAX.into())?;
    if count > TABLES_MAX {
        return Err(cursor.error(StatusCode::DUPLICATE_TABLE, format!("{count} tables, but {TABLES_MAX} kinds")));
    }
    let mut tables = Vec::with_capacity(count);
    for _ in 0..count {
        let at = cursor.offset();
        let byte = cursor.byte()?;
        let kind = TableKind::from_byte(byte)
            .ok_or_else(|| ReadError::at(StatusCode::UNKNOWN_TABLE_TYPE, at, format!("table kind {byte:#04x}")))?;
        if kind.is_for_enums() && cursor.version != Version::Sui7 {
            return Err(ReadError::at(StatusCode::UNKNOWN_TABLE_TYPE, at, "tables of enums need Sui's version 7"));
        }
        if is_script && kind.is_definition() {
            return Err(ReadError::at(StatusCode::MALFORMED, at, format!("a script has no table {kind:?}")));
        }
        let mut number =
            |what| cursor.uleb(what, u32::MAX.into()).map(|number| usize::try_from(number).expect("below 2^32"));
        tables.push(Table { kind, start: number("a table's offset")?, size: number("a table's size")? });
    }
    check_contiguous(&tables, cursor)?;
    Ok(tables)
}

/// Tables must cover the content without gap or overlap, each kind at most once.
fn check_contiguous(tables: &[Table], cursor: &Cursor<'_>) -> Result<()> {
    let mut by_start = tables.to_vec();
    by_start.sort_by_key(|table| table.start);
    let mut end = 0;
    for table in by_start {
        if table.start != end || table.size == 0 {
            let Table { kind, start, size } = table;
            let message = format!("table {kind:?} has {size} bytes at {start}, the table before it ends at {end}");
            return Err(cursor.error(StatusCode::BAD_HEADER_TABLE, message));
        }
        end += table.size;
    }
    let mut kinds: Vec<_> = tables.iter().map(|table| table.kind).collect();
    kinds.sort_unstable();
    if let Some(pair) = kinds.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(cursor.error(StatusCode::DUPLICATE_TABLE, format!("two tables {:?}", pair[0])));
    }
    Ok(())
}

fn expect_end(cursor: &Cursor<'_>) -> Result<()> {
    if cursor.is_at_end() {
        return Ok(());
    }
    Err(cursor.error(StatusCode::TRAILING_BYTES, format!("{} bytes after the end", cursor.remaining())))
}

/// Reads entries until the table ends.
fn entries<'a, T>(table: &mut Cursor<'a>, mut read: impl FnMut(&mut Cursor<'a>) -> Result<T>) -> Result<Vec<T>> {
    let mut entries = Vec::new();
    while !table.is_at_end() {
        if entries.len() == TABLE_ENTRIES_MAX {
            return Err(table.malformed(format!("a table has more than {TABLE_ENTRIES_MAX} entries")));
        }
        entries.push(read(table)?);
    }
    Ok(entries)
}

fn read_table(module: &mut CompiledModule, kind: TableKind, table: &mut Cursor<'_>) -> Result<()> {
    match kind {
        TableKind::ModuleHandles => module.module_handles = entries(table, module_handle)?,
        TableKind::DatatypeHandles => module.datatype_handles = entries(table, datatype_handle)?,
        TableKind::FunctionHandles => module.function_handles = entries(table, function_handle)?,
        TableKind::FunctionInstantiations => {
            module.function_instantiations = entries(table, |from| {
                Ok(FunctionInstantiation { handle: index(from)?, type_parameters: index(from)? })
            })?;
        }
        TableKind::Signatures => module.signatures = entries(table, |from| Ok(Signature(tokens(from)?)))?,
        TableKind::Identifiers => module.identifiers = entries(table, identifier)?,
        TableKind::Addresses => module.address_identifiers = entries(table, |from| Ok(Address(from.array()?)))?,
        TableKind::Constants => module.constants = entries(table, constant)?,
        TableKind::Metadata => module.metadata = entries(table, metadata)?,
        TableKind::StructDefs => module.struct_defs = entries(table, struct_def)?,
        TableKind::StructDefInstantiations => {
            module.struct_def_instantiations =
                entries(table, |from| Ok(StructDefInstantiation { def: index(from)?, type_parameters: index(from)? }))?;
        }
        TableKind::FunctionDefs => module.function_defs = entries(table, function_def)?,
        TableKind::FieldHandles => {
            module.field_handles = entries(table, |from| {
                Ok(FieldHandle { owner: index(from)?, field: small(from, "a field's position", FIELDS_MAX)? })
            })?;
        }
        TableKind::FieldInstantiations => {
            module.field_instantiations =
                entries(table, |from| Ok(FieldInstantiation { handle: index(from)?, type_parameters: index(from)? }))?;
        }
        TableKind::Friends => module.friend_decls = entries(table, module_handle)?,
        TableKind::EnumDefs => module.enum_defs = entries(table, enum_def)?,
        TableKind::EnumDefInstantiations => {
            module.enum_def_instantiations =
                entries(table, |from| Ok(EnumDefInstantiation { def: index(from)?, type_parameters: index(from)? }))?;
        }
        TableKind::VariantHandles => {
            module.variant_handles = entries(table, |from| {
                Ok(VariantHandle { enum_def: index(from)?, variant: small(from, "a variant's tag", VARIANTS_MAX)? })
            })?;
        }
        TableKind::VariantInstantiationHandles => {
            module.variant_instantiation_handles = entries(table, |from| {
                let enum_def = index(from)?;
                Ok(VariantInstantiationHandle { enum_def, variant: small(from, "a variant's tag", VARIANTS_MAX)? })
            })?;
        }
    }
    Ok(())
}

fn index<I: TableIndex>(from: &mut Cursor<'_>) -> Result<I> {
    let value = from.uleb(I::NAME, I::MAX.into())?;
    Ok(I::wrap(u16::try_from(value).expect("checked against MAX")))
}

fn small(from: &mut Cursor<'_>, what: &str, max: usize) -> Result<u16> {
    Ok(u16::try_from(from.uleb(what, max as u64)?).expect("limits of the format fit 16 bits"))
}

fn module_handle(from: &mut Cursor<'_>) -> Result<ModuleHandle> {
    Ok(ModuleHandle { address: index(from)?, name: index(from)? })
}

fn ability_set(from: &mut Cursor<'_>) -> Result<AbilitySet> {
    let byte = from.byte()?;
    AbilitySet::from_bits(byte)
        .ok_or_else(|| from.error(StatusCode::UNKNOWN_ABILITY, format!("ability bits {byte:#04x}")))
}

fn ability_sets(from: &mut Cursor<'_>) -> Result<Vec<AbilitySet>> {
    let count = from.count("the number of type parameters", TYPE_PARAMETERS_MAX)?;
    (0..count).map(|_| ability_set(from)).collect()
}

fn datatype_handle(from: &mut Cursor<'_>) -> Result<DatatypeHandle> {
    let (module, name, abilities) = (index(from)?, index(from)?, ability_set(from)?);
    let count = from.count("the number of type parameters", TYPE_PARAMETERS_MAX)?;
    let type_parameter = |_| {
        let constraints = ability_set(from)?;
        let is_phantom = from.uleb("a phantom flag", 1)? == 1;
        Ok(DatatypeTypeParameter { constraints, is_phantom })
    };
    let type_parameters = (0..count).map(type_parameter).collect::<Result<_>>()?;
    Ok(DatatypeHandle { module, name, abilities, type_parameters })
}

fn function_handle(from: &mut Cursor<'_>) -> Result<FunctionHandle> {
    Ok(FunctionHandle {
        module: index(from)?,
        name: index(from)?,
        parameters: index(from)?,
        return_: index(from)?,
        type_parameters: ability_sets(from)?,
    })
}

fn identifier(from: &mut Cursor<'_>) -> Result<Identifier> {
    let at = from.offset();
    let bytes = from.blob("an identifier's length", TABLE_ENTRIES_MAX)?;
    if bytes.len() > noema_types::limits::IDENTIFIER_BYTES_MAX {
        let message = format!("an identifier has {} bytes", bytes.len());
        return Err(ReadError::at(StatusCode::IDENTIFIER_TOO_LONG, at, message));
    }
    std::str::from_utf8(bytes)
        .ok()
        .and_then(|text| Identifier::new(text).ok())
        .ok_or_else(|| ReadError::at(StatusCode::MALFORMED, at, "not an identifier"))
}

fn constant(from: &mut Cursor<'_>) -> Result<Constant> {
    let type_ = token(from, 1)?;
    Ok(Constant { type_, data: from.blob("a constant's length", CONSTANT_BYTES_MAX)?.to_vec() })
}

fn metadata(from: &mut Cursor<'_>) -> Result<Metadata> {
    let key = from.blob("a metadata key's length", METADATA_KEY_BYTES_MAX)?.to_vec();
    Ok(Metadata { key, value: from.blob("a metadata value's length", METADATA_BYTES_MAX)?.to_vec() })
}

fn tokens(from: &mut Cursor<'_>) -> Result<Vec<SignatureToken>> {
    let count = from.count("the number of types in a signature", SIGNATURE_TYPES_MAX)?;
    (0..count).map(|_| token(from, 1)).collect()
}

fn token(from: &mut Cursor<'_>, depth: usize) -> Result<SignatureToken> {
    if depth > SIGNATURE_TOKEN_DEPTH_MAX {
        return Err(from.malformed(format!("a type is deeper than {SIGNATURE_TOKEN_DEPTH_MAX}")));
    }
    let at = from.offset();
    let code = from.byte()?;
    if from.version == Version::V5 && matches!(code, type_code::U16 | type_code::U32 | type_code::U256) {
        return Err(ReadError::at(StatusCode::MALFORMED, at, "u16, u32 and u256 need version 6"));
    }
    Ok(match code {
        type_code::BOOL => SignatureToken::Bool,
        type_code::U8 => SignatureToken::U8,
        type_code::U16 => SignatureToken::U16,
        type_code::U32 => SignatureToken::U32,
        type_code::U64 => SignatureToken::U64,
        type_code::U128 => SignatureToken::U128,
        type_code::U256 => SignatureToken::U256,
        type_code::ADDRESS => SignatureToken::Address,
        type_code::SIGNER => SignatureToken::Signer,
        type_code::VECTOR => SignatureToken::Vector(Box::new(token(from, depth + 1)?)),
        type_code::REFERENCE => SignatureToken::Reference(Box::new(token(from, depth + 1)?)),
        type_code::MUTABLE_REFERENCE => SignatureToken::MutableReference(Box::new(token(from, depth + 1)?)),
        type_code::DATATYPE => SignatureToken::Datatype(index(from)?),
        type_code::TYPE_PARAMETER => {
            SignatureToken::TypeParameter(small(from, "a type parameter's position", TABLE_ENTRIES_MAX)?)
        }
        type_code::DATATYPE_INSTANTIATION => {
            let handle = index(from)?;
            let count = from.count("the number of type arguments", SIGNATURE_TYPES_MAX)?;
            if count == 0 {
                return Err(ReadError::at(StatusCode::MALFORMED, at, "an instantiation without type arguments"));
            }
            let arguments = (0..count).map(|_| token(from, depth + 1)).collect::<Result<_>>()?;
            SignatureToken::DatatypeInstantiation(Box::new((handle, arguments)))
        }
        _ => return Err(ReadError::at(StatusCode::UNKNOWN_SERIALIZED_TYPE, at, format!("type code {code:#04x}"))),
    })
}

fn fields(from: &mut Cursor<'_>) -> Result<Vec<FieldDefinition>> {
    let count = from.count("the number of fields", FIELDS_MAX)?;
    (0..count).map(|_| Ok(FieldDefinition { name: index(from)?, signature: token(from, 1)? })).collect()
}

fn struct_def(from: &mut Cursor<'_>) -> Result<StructDefinition> {
    let handle = index(from)?;
    let fields = match from.byte()? {
        flag::STRUCT_NATIVE => StructFieldInformation::Native,
        flag::STRUCT_DECLARED => StructFieldInformation::Declared(fields(from)?),
        other => return Err(from.error(StatusCode::UNKNOWN_NATIVE_STRUCT_FLAG, format!("struct flag {other:#04x}"))),
    };
    Ok(StructDefinition { handle, fields })
}

fn enum_def(from: &mut Cursor<'_>) -> Result<EnumDefinition> {
    let handle = index(from)?;
    let flag = from.byte()?;
    if flag != flag::ENUM_DECLARED {
        return Err(from.error(StatusCode::UNKNOWN_ENUM_FLAG, format!("enum flag {flag:#04x}")));
    }
    let count = from.count("the number of variants", VARIANTS_MAX)?;
    let variant = |_| Ok(VariantDefinition { name: index(from)?, fields: fields(from)? });
    Ok(EnumDefinition { handle, variants: (0..count).map(variant).collect::<Result<_>>()? })
}

fn function_def(from: &mut Cursor<'_>) -> Result<FunctionDefinition> {
    let function = index(from)?;
    let visibility = match from.byte()? {
        0x0 => Visibility::Private,
        0x1 => Visibility::Public,
        0x3 => Visibility::Friend,
        other => return Err(from.malformed(format!("visibility {other:#04x}"))),
    };
    let flags = from.byte()?;
    if flags & !(flag::FUNCTION_NATIVE | flag::FUNCTION_ENTRY) != 0 {
        return Err(from.error(StatusCode::INVALID_FLAG_BITS, format!("function flags {flags:#04x}")));
    }
    let count = from.count("the number of acquired structs", ACQUIRES_MAX)?;
    let acquires = (0..count).map(|_| index(from)).collect::<Result<_>>()?;
    let is_native = flags & flag::FUNCTION_NATIVE != 0;
    let code = if is_native { None } else { Some(code_unit(from)?) };
    Ok(FunctionDefinition { function, visibility, is_entry: flags & flag::FUNCTION_ENTRY != 0, acquires, code })
}

fn code_unit(from: &mut Cursor<'_>) -> Result<CodeUnit> {
    let locals = index(from)?;
    let count = from.count("the number of instructions", BYTECODE_COUNT_MAX)?;
    let code = (0..count).map(|_| Bytecode::read(from)).collect::<Result<_>>()?;
    let jump_tables = if from.version == Version::Sui7 { jump_tables(from)? } else { Vec::new() };
    Ok(CodeUnit { locals, code, jump_tables })
}

fn jump_tables(from: &mut Cursor<'_>) -> Result<Vec<VariantJumpTable>> {
    let count = from.count("the number of jump tables", JUMP_TABLES_MAX)?;
    let jump_table = |_| {
        let head_enum = index(from)?;
        let targets = from.count("the number of jump targets", VARIANTS_MAX)?;
        let flag = from.byte()?;
        if flag != flag::JUMP_TABLE_FULL {
            return Err(from.error(StatusCode::UNKNOWN_JUMP_TABLE_FLAG, format!("jump table flag {flag:#04x}")));
        }
        let targets = (0..targets).map(|_| small(from, "a jump target", BYTECODE_COUNT_MAX)).collect::<Result<_>>()?;
        Ok(VariantJumpTable { head_enum, targets })
    };
    (0..count).map(jump_table).collect()
}
