//! Shows modules and scripts as text.
//!
//! Names are resolved; jump targets are instruction numbers, and every basic block starts with its label. The text is
//! for people: it is not read back. Indices must be in bounds (the reader checks them).

use std::collections::BTreeSet;
use std::fmt::{self, Write};

use noema_types::Address;

use crate::{
    AbilitySet, Bytecode, CodeUnit, CompiledModule, CompiledScript, Constant, DatatypeHandle, FieldDefinition,
    FieldHandleIndex, FunctionDefinition, FunctionHandleIndex, ModuleHandleIndex, SignatureIndex, SignatureToken,
    StructDefIndex, StructFieldInformation, Version, Visibility,
};

/// Bytes of a constant that are shown, at most.
const CONSTANT_BYTES_SHOWN: usize = 64;

/// The module as text.
#[must_use]
pub fn disassemble(module: &CompiledModule) -> String {
    let mut out = String::new();
    write_module(&mut out, module).expect("writing to a string does not fail");
    out
}

/// The script as text.
#[must_use]
pub fn disassemble_script(script: &CompiledScript) -> String {
    let mut out = String::new();
    write_script(&mut out, script).expect("writing to a string does not fail");
    out
}

fn version_name(version: Version) -> &'static str {
    match version {
        Version::V5 => "5",
        Version::V6 => "6",
        Version::Sui7 => "7 (Sui)",
    }
}

fn write_module(out: &mut String, module: &CompiledModule) -> fmt::Result {
    let id = module.self_id();
    writeln!(out, "// Move bytecode version {}", version_name(module.version))?;
    writeln!(out, "module {}::{} {{", short(id.address), id.name.as_str())?;
    for friend in module.immediate_friends() {
        writeln!(out, "    friend {}::{};", short(friend.address), friend.name.as_str())?;
    }
    for def in &module.struct_defs {
        let handle = module.datatype_handle_at(def.handle);
        match &def.fields {
            StructFieldInformation::Native => writeln!(out, "\n    native struct {};", DatatypeHead(module, handle))?,
            StructFieldInformation::Declared(fields) => {
                writeln!(out, "\n    struct {} {{", DatatypeHead(module, handle))?;
                write_fields(out, module, fields, "        ")?;
                writeln!(out, "    }}")?;
            }
        }
    }
    for def in &module.enum_defs {
        writeln!(out, "\n    enum {} {{", DatatypeHead(module, module.datatype_handle_at(def.handle)))?;
        for variant in &def.variants {
            writeln!(out, "        {} {{", module.identifier_at(variant.name).as_str())?;
            write_fields(out, module, &variant.fields, "            ")?;
            writeln!(out, "        }}")?;
        }
        writeln!(out, "    }}")?;
    }
    for def in &module.function_defs {
        write_function(out, module, def)?;
    }
    write_constants(out, module)?;
    writeln!(out, "}}")
}

fn write_script(out: &mut String, script: &CompiledScript) -> fmt::Result {
    let module = &script.module;
    writeln!(out, "// Move bytecode version {}", version_name(module.version))?;
    writeln!(out, "script {{")?;
    let generics = FunctionGenerics(&script.type_parameters);
    let parameters = Parameters(module, module.signature_at(script.parameters));
    writeln!(out, "    main{generics}({parameters}) {{")?;
    write_code(out, module, &script.code, module.signature_at(script.parameters))?;
    writeln!(out, "    }}")?;
    write_constants(out, module)?;
    writeln!(out, "}}")
}

fn write_fields(out: &mut String, module: &CompiledModule, fields: &[FieldDefinition], indent: &str) -> fmt::Result {
    fields.iter().try_for_each(|field| {
        let name = module.identifier_at(field.name).as_str();
        writeln!(out, "{indent}{name}: {},", Type(module, &field.signature))
    })
}

fn write_constants(out: &mut String, module: &CompiledModule) -> fmt::Result {
    if !module.constants.is_empty() {
        writeln!(out)?;
    }
    for (position, Constant { type_, data }) in module.constants.iter().enumerate() {
        writeln!(out, "    const #{position}: {} = {};", Type(module, type_), ConstantValue(type_, data))?;
    }
    Ok(())
}

fn write_function(out: &mut String, module: &CompiledModule, def: &FunctionDefinition) -> fmt::Result {
    let handle = module.function_handle_at(def.function);
    let visibility = match def.visibility {
        Visibility::Private => "",
        Visibility::Public => "public ",
        Visibility::Friend => "public(friend) ",
    };
    let entry = if def.is_entry { "entry " } else { "" };
    let native = if def.code.is_none() { "native " } else { "" };
    let name = module.identifier_at(handle.name).as_str();
    let generics = FunctionGenerics(&handle.type_parameters);
    let parameters = Parameters(module, module.signature_at(handle.parameters));
    write!(out, "\n    {visibility}{entry}{native}fun {name}{generics}({parameters})")?;
    write_results(out, module, handle.return_)?;
    if !def.acquires.is_empty() {
        let names: Vec<_> = def.acquires.iter().map(|index| module.struct_name(*index).as_str()).collect();
        write!(out, " acquires {}", names.join(", "))?;
    }
    let Some(code) = &def.code else { return writeln!(out, ";") };
    writeln!(out, " {{")?;
    write_code(out, module, code, module.signature_at(handle.parameters))?;
    writeln!(out, "    }}")
}

fn write_results(out: &mut String, module: &CompiledModule, results: SignatureIndex) -> fmt::Result {
    match module.signature_at(results) {
        [] => Ok(()),
        [one] => write!(out, ": {}", Type(module, one)),
        many => write!(out, ": ({})", Types(module, many)),
    }
}

/// Positions where blocks start.
fn leaders(code: &CodeUnit) -> BTreeSet<usize> {
    let mut leaders = BTreeSet::from([0]);
    for (position, instruction) in code.code.iter().enumerate() {
        leaders.extend(instruction.target().map(usize::from));
        if let Bytecode::VariantSwitch(jumps) = instruction {
            leaders.extend(code.jump_tables[jumps.index()].targets.iter().map(|target| usize::from(*target)));
        }
        if instruction.is_branch() {
            leaders.insert(position + 1);
        }
    }
    leaders
}

fn write_code(
    out: &mut String,
    module: &CompiledModule,
    code: &CodeUnit,
    parameters: &[SignatureToken],
) -> fmt::Result {
    let locals: Vec<_> = parameters.iter().chain(module.signature_at(code.locals)).collect();
    for (position, local) in locals.iter().enumerate().skip(parameters.len()) {
        writeln!(out, "        local {position}: {}", Type(module, local))?;
    }
    let leaders = leaders(code);
    for (position, instruction) in code.code.iter().enumerate() {
        if leaders.contains(&position) {
            writeln!(out, "      L{position}:")?;
        }
        let operands = Operands { module, code, locals: &locals, instruction };
        writeln!(out, "        {position:>5}: {}{operands}", instruction.name())?;
    }
    Ok(())
}

fn short(address: Address) -> String {
    address.to_short_hex()
}

/// `0x1::coin`, or nothing for the module itself.
fn qualifier(module: &CompiledModule, index: ModuleHandleIndex) -> String {
    if index == module.self_module_handle {
        return String::new();
    }
    let id = module.module_id_of(module.module_handle_at(index));
    format!("{}::{}::", short(id.address), id.name.as_str())
}

struct Type<'a>(&'a CompiledModule, &'a SignatureToken);

impl fmt::Display for Type<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(module, token) = self;
        match token {
            SignatureToken::Bool => f.write_str("bool"),
            SignatureToken::U8 => f.write_str("u8"),
            SignatureToken::U16 => f.write_str("u16"),
            SignatureToken::U32 => f.write_str("u32"),
            SignatureToken::U64 => f.write_str("u64"),
            SignatureToken::U128 => f.write_str("u128"),
            SignatureToken::U256 => f.write_str("u256"),
            SignatureToken::Address => f.write_str("address"),
            SignatureToken::Signer => f.write_str("signer"),
            SignatureToken::TypeParameter(index) => write!(f, "T{index}"),
            SignatureToken::Vector(inner) => write!(f, "vector<{}>", Type(module, inner)),
            SignatureToken::Reference(inner) => write!(f, "&{}", Type(module, inner)),
            SignatureToken::MutableReference(inner) => write!(f, "&mut {}", Type(module, inner)),
            SignatureToken::Datatype(_) | SignatureToken::DatatypeInstantiation(_) => {
                let (handle, arguments) = token.as_datatype().expect("matched a datatype");
                let owner = qualifier(module, module.datatype_handle_at(handle).module);
                write!(f, "{owner}{}{}", module.datatype_name(handle).as_str(), Arguments(module, arguments))
            }
        }
    }
}

struct Types<'a>(&'a CompiledModule, &'a [SignatureToken]);

impl fmt::Display for Types<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.1.iter().enumerate().try_for_each(|(position, token)| {
            let separator = if position > 0 { ", " } else { "" };
            write!(f, "{separator}{}", Type(self.0, token))
        })
    }
}

/// `<u64, T0>`, or nothing.
struct Arguments<'a>(&'a CompiledModule, &'a [SignatureToken]);

impl fmt::Display for Arguments<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.1.is_empty() { Ok(()) } else { write!(f, "<{}>", Types(self.0, self.1)) }
    }
}

/// `a0: u64, a1: &T0`.
struct Parameters<'a>(&'a CompiledModule, &'a [SignatureToken]);

impl fmt::Display for Parameters<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.1.iter().enumerate().try_for_each(|(position, token)| {
            let separator = if position > 0 { ", " } else { "" };
            write!(f, "{separator}a{position}: {}", Type(self.0, token))
        })
    }
}

struct Abilities(AbilitySet, &'static str);

impl fmt::Display for Abilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.0.iter().map(crate::Ability::name).collect();
        f.write_str(&names.join(self.1))
    }
}

struct FunctionGenerics<'a>(&'a [AbilitySet]);

impl fmt::Display for FunctionGenerics<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_generics(f, self.0.iter().map(|constraints| (*constraints, false)))
    }
}

fn write_generics(f: &mut fmt::Formatter<'_>, all: impl ExactSizeIterator<Item = (AbilitySet, bool)>) -> fmt::Result {
    if all.len() == 0 {
        return Ok(());
    }
    f.write_char('<')?;
    for (position, (constraints, is_phantom)) in all.enumerate() {
        let separator = if position > 0 { ", " } else { "" };
        let phantom = if is_phantom { "phantom " } else { "" };
        write!(f, "{separator}{phantom}T{position}")?;
        if !constraints.is_empty() {
            write!(f, ": {}", Abilities(constraints, " + "))?;
        }
    }
    f.write_char('>')
}

/// `Coin<phantom T0> has store`.
struct DatatypeHead<'a>(&'a CompiledModule, &'a DatatypeHandle);

impl fmt::Display for DatatypeHead<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.identifier_at(self.1.name).as_str())?;
        write_generics(f, self.1.type_parameters.iter().map(|one| (one.constraints, one.is_phantom)))?;
        if self.1.abilities.is_empty() { Ok(()) } else { write!(f, " has {}", Abilities(self.1.abilities, ", ")) }
    }
}

struct ConstantValue<'a>(&'a SignatureToken, &'a [u8]);

impl fmt::Display for ConstantValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(type_, data) = self;
        match (type_, *data) {
            (SignatureToken::Bool, [0]) => return f.write_str("false"),
            (SignatureToken::Bool, [1]) => return f.write_str("true"),
            (token, bytes) if token.is_integer() && bytes.len() <= 32 => {
                return write!(f, "{}", noema_types::U256::from_le_slice(bytes));
            }
            (SignatureToken::Vector(element), [length, text @ ..])
                if **element == SignatureToken::U8 && usize::from(*length) == text.len() && *length < 128 =>
            {
                return write!(f, "b\"{}\"", text.escape_ascii());
            }
            _ => {}
        }
        f.write_str("0x")?;
        data.iter().take(CONSTANT_BYTES_SHOWN).try_for_each(|byte| write!(f, "{byte:02x}"))?;
        if data.len() > CONSTANT_BYTES_SHOWN { write!(f, ".. ({} bytes)", data.len()) } else { Ok(()) }
    }
}

struct Operands<'a> {
    module: &'a CompiledModule,
    code: &'a CodeUnit,
    locals: &'a [&'a SignatureToken],
    instruction: &'a Bytecode,
}

impl Operands<'_> {
    fn function(
        &self,
        f: &mut fmt::Formatter<'_>,
        index: FunctionHandleIndex,
        arguments: &[SignatureToken],
    ) -> fmt::Result {
        let module = self.module;
        let handle = module.function_handle_at(index);
        let (owner, name) = (qualifier(module, handle.module), module.identifier_at(handle.name).as_str());
        let parameters = Types(module, module.signature_at(handle.parameters));
        write!(f, " {owner}{name}{}({parameters})", Arguments(module, arguments))?;
        let mut results = String::new();
        write_results(&mut results, module, handle.return_)?;
        f.write_str(&results)
    }

    fn structure(
        &self,
        f: &mut fmt::Formatter<'_>,
        index: StructDefIndex,
        arguments: &[SignatureToken],
    ) -> fmt::Result {
        write!(f, " {}{}", self.module.struct_name(index).as_str(), Arguments(self.module, arguments))
    }

    fn field(&self, f: &mut fmt::Formatter<'_>, index: FieldHandleIndex, arguments: &[SignatureToken]) -> fmt::Result {
        let handle = self.module.field_handle_at(index);
        self.structure(f, handle.owner, arguments)?;
        let field = self.module.field_of(handle);
        write!(f, ".{}: {}", self.module.identifier_at(field.name).as_str(), Type(self.module, &field.signature))
    }

    fn variant(
        &self,
        f: &mut fmt::Formatter<'_>,
        def: &crate::EnumDefinition,
        variant: u16,
        arguments: &[SignatureToken],
    ) -> fmt::Result {
        let name = self.module.datatype_name(def.handle).as_str();
        let variant = self.module.identifier_at(def.variants[usize::from(variant)].name).as_str();
        write!(f, " {name}{}::{variant}", Arguments(self.module, arguments))
    }
}

impl fmt::Display for Operands<'_> {
    #[rustfmt::skip]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use Bytecode as B;
        let module = self.module;
        match self.instruction {
            B::BrTrue(target) | B::BrFalse(target) | B::Branch(target) => write!(f, " L{target}"),
            B::VariantSwitch(jumps) => {
                let jumps = &self.code.jump_tables[jumps.index()];
                let def = module.enum_def_at(jumps.head_enum);
                write!(f, " {} [", module.datatype_name(def.handle).as_str())?;
                for (variant, target) in def.variants.iter().zip(&jumps.targets) {
                    write!(f, " {}: L{target}", module.identifier_at(variant.name).as_str())?;
                }
                f.write_str(" ]")
            }
            B::LdU8(value) => write!(f, " {value}"),
            B::LdU16(value) => write!(f, " {value}"),
            B::LdU32(value) => write!(f, " {value}"),
            B::LdU64(value) => write!(f, " {value}"),
            B::LdU128(value) => write!(f, " {value}"),
            B::LdU256(value) => write!(f, " {value}"),
            B::LdConst(index) => {
                let Constant { type_, data } = module.constant_at(*index);
                write!(f, " #{index}: {} = {}", Type(module, type_), ConstantValue(type_, data))
            }
            B::CopyLoc(local) | B::MoveLoc(local) | B::StLoc(local) | B::MutBorrowLoc(local) | B::ImmBorrowLoc(local) => {
                write!(f, " {local}: {}", Type(module, self.locals[usize::from(*local)]))
            }
            B::Call(index) => self.function(f, *index, &[]),
            B::CallGeneric(index) => {
                let instance = module.function_instantiation_at(*index);
                self.function(f, instance.handle, module.signature_at(instance.type_parameters))
            }
            B::MutBorrowField(index) | B::ImmBorrowField(index) => self.field(f, *index, &[]),
            B::MutBorrowFieldGeneric(index) | B::ImmBorrowFieldGeneric(index) => {
                let instance = module.field_instantiation_at(*index);
                self.field(f, instance.handle, module.signature_at(instance.type_parameters))
            }
            B::Pack(def) | B::Unpack(def) | B::Exists(def) | B::MoveFrom(def) | B::MoveTo(def)
            | B::MutBorrowGlobal(def) | B::ImmBorrowGlobal(def) => self.structure(f, *def, &[]),
            B::PackGeneric(index) | B::UnpackGeneric(index) | B::ExistsGeneric(index) | B::MoveFromGeneric(index)
            | B::MoveToGeneric(index) | B::MutBorrowGlobalGeneric(index) | B::ImmBorrowGlobalGeneric(index) => {
                let instance = module.struct_instantiation_at(*index);
                self.structure(f, instance.def, module.signature_at(instance.type_parameters))
            }
            B::VecPack(element, count) | B::VecUnpack(element, count) => {
                write!(f, "{} {count}", Arguments(module, module.signature_at(*element)))
            }
            B::VecLen(element) | B::VecImmBorrow(element) | B::VecMutBorrow(element) | B::VecPushBack(element)
            | B::VecPopBack(element) | B::VecSwap(element) => {
                write!(f, "{}", Arguments(module, module.signature_at(*element)))
            }
            B::PackVariant(index) | B::UnpackVariant(index) | B::UnpackVariantImmRef(index)
            | B::UnpackVariantMutRef(index) => {
                let handle = module.variant_handle_at(*index);
                self.variant(f, module.enum_def_at(handle.enum_def), handle.variant, &[])
            }
            B::PackVariantGeneric(index) | B::UnpackVariantGeneric(index) | B::UnpackVariantGenericImmRef(index)
            | B::UnpackVariantGenericMutRef(index) => {
                let handle = module.variant_instantiation_at(*index);
                let instance = module.enum_instantiation_at(handle.enum_def);
                let arguments = module.signature_at(instance.type_parameters);
                self.variant(f, module.enum_def_at(instance.def), handle.variant, arguments)
            }
            _ => Ok(()),
        }
    }
}
