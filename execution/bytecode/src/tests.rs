//! Round trips of random modules, hostile bytes, and each error of the reader.

use noema_execution_api::StatusCode;
use noema_types::{Address, Identifier};
use proptest::prelude::*;

use crate::cursor::{Cursor, write_uleb};
use crate::encoding::MAGIC;
use crate::*;

/// A small generator; every table has at least two entries, so that 0 and 1 are valid indices everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: u64) -> u64 {
        (self.next() >> 11) % bound
    }

    fn flip(&mut self) -> u16 {
        (self.below(2)) as u16
    }

    fn many<T>(&mut self, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let count = 2 + self.below(3);
        (0..count).map(|_| make(self)).collect()
    }

    fn abilities(&mut self) -> AbilitySet {
        AbilitySet::from_bits(self.below(16) as u8).unwrap()
    }

    /// A type. Datatype handle 0 takes no type arguments, 1 takes two.
    fn token(&mut self, type_parameters: u64, depth: u64, has_new_integers: bool) -> SignatureToken {
        use SignatureToken as T;
        let simple = [T::Bool, T::U8, T::U64, T::U128, T::Address, T::Signer, T::U16, T::U32, T::U256];
        let inner = |this: &mut Self| Box::new(this.token(type_parameters, depth + 1, has_new_integers));
        match self.below(if depth > 4 { 2 } else { 7 }) {
            0 if type_parameters > 0 => T::TypeParameter(self.below(type_parameters) as u16),
            2 => T::Vector(inner(self)),
            3 => T::Reference(inner(self)),
            4 => T::MutableReference(inner(self)),
            5 => T::Datatype(DatatypeHandleIndex(0)),
            6 => T::DatatypeInstantiation(Box::new((DatatypeHandleIndex(1), vec![*inner(self), *inner(self)]))),
            _ => simple[self.below(if has_new_integers { 9 } else { 6 }) as usize].clone(),
        }
    }

    fn field(&mut self, type_parameters: u64, new: bool) -> FieldDefinition {
        FieldDefinition { name: IdentifierIndex(self.flip()), signature: self.token(type_parameters, 0, new) }
    }

    /// An instruction whose indices are 0 or 1.
    fn instruction(&mut self, version: Version) -> Bytecode {
        let last = [(Version::V5, 0x47), (Version::V6, 0x4D), (Version::Sui7, 0x56)];
        let last = last.into_iter().find(|(one, _)| *one == version).unwrap().1;
        let mut bytes = vec![1 + self.below(last) as u8];
        bytes.push(self.flip() as u8);
        bytes.extend(self.next().to_le_bytes().repeat(4));
        Bytecode::read(&mut Cursor::new(&bytes, 0, version)).unwrap()
    }

    fn code(&mut self, version: Version, enums: &[EnumDefinition]) -> CodeUnit {
        let code = (0..2 + self.below(40)).map(|_| self.instruction(version)).collect();
        let jump_table = |this: &mut Self| {
            let head = this.flip();
            let targets = enums[usize::from(head)].variants.iter().map(|_| this.flip()).collect();
            VariantJumpTable { head_enum: EnumDefIndex(head), targets }
        };
        let jump_tables = if version == Version::Sui7 { self.many(jump_table) } else { Vec::new() };
        CodeUnit { locals: SignatureIndex(self.flip()), code, jump_tables }
    }

    fn common(&mut self, version: Version) -> CompiledModule {
        let new = version > Version::V5;
        let any_handle =
            |r: &mut Self| ModuleHandle { address: AddressIdentifierIndex(r.flip()), name: IdentifierIndex(r.flip()) };
        let datatype = |r: &mut Self, type_parameters: usize| DatatypeHandle {
            module: ModuleHandleIndex(r.flip()),
            name: IdentifierIndex(r.flip()),
            abilities: r.abilities(),
            type_parameters: (0..type_parameters)
                .map(|_| DatatypeTypeParameter { constraints: r.abilities(), is_phantom: r.flip() == 1 })
                .collect(),
        };
        let id = noema_types::ModuleId::new(Address::ONE, Identifier::new("m").unwrap());
        CompiledModule {
            version,
            self_module_handle: ModuleHandleIndex(self.flip()),
            module_handles: self.many(any_handle),
            datatype_handles: vec![datatype(self, 0), datatype(self, 2)],
            function_handles: self.many(|r| FunctionHandle {
                module: ModuleHandleIndex(r.flip()),
                name: IdentifierIndex(r.flip()),
                parameters: SignatureIndex(r.flip()),
                return_: SignatureIndex(r.flip()),
                type_parameters: vec![r.abilities(), r.abilities()],
            }),
            function_instantiations: self.many(|r| FunctionInstantiation {
                handle: FunctionHandleIndex(r.flip()),
                type_parameters: SignatureIndex(r.flip()),
            }),
            signatures: self.many(|r| Signature(r.many(|r| r.token(2, 0, new)))),
            identifiers: self.many(|r| Identifier::new(format!("name_{}", r.below(1000))).unwrap()),
            address_identifiers: self.many(|r| Address::from_u8(r.next() as u8)),
            constants: self.many(|r| Constant { type_: r.token(0, 0, new), data: r.many(|r| r.next() as u8) }),
            metadata: self.many(|r| Metadata { key: r.many(|r| r.next() as u8), value: vec![] }),
            ..CompiledModule::empty(&id)
        }
    }

    fn module(&mut self, version: Version) -> CompiledModule {
        let new = version > Version::V5;
        let mut module = self.common(version);
        module.friend_decls =
            self.many(|r| ModuleHandle { address: AddressIdentifierIndex(r.flip()), name: IdentifierIndex(r.flip()) });
        module.struct_defs = (0..2)
            .map(|handle| StructDefinition {
                handle: DatatypeHandleIndex(handle),
                fields: StructFieldInformation::Declared(self.many(|r| r.field(u64::from(handle) * 2, new))),
            })
            .collect();
        module
            .struct_defs
            .push(StructDefinition { handle: DatatypeHandleIndex(0), fields: StructFieldInformation::Native });
        module.field_handles = self.many(|r| FieldHandle { owner: StructDefIndex(r.flip()), field: r.flip() });
        module.struct_def_instantiations = self.many(|r| StructDefInstantiation {
            def: StructDefIndex(r.flip()),
            type_parameters: SignatureIndex(r.flip()),
        });
        module.field_instantiations = self.many(|r| FieldInstantiation {
            handle: FieldHandleIndex(r.flip()),
            type_parameters: SignatureIndex(r.flip()),
        });
        if version == Version::Sui7 {
            self.enums(&mut module);
        }
        let enums = module.enum_defs.clone();
        module.function_defs = self.many(|r| FunctionDefinition {
            function: FunctionHandleIndex(r.flip()),
            visibility: [Visibility::Private, Visibility::Public, Visibility::Friend][r.below(3) as usize],
            is_entry: r.flip() == 1,
            acquires: r.many(|r| StructDefIndex(r.flip())),
            code: (r.below(4) > 0).then(|| r.code(version, &enums)),
        });
        module
    }

    fn enums(&mut self, module: &mut CompiledModule) {
        module.enum_defs = (0..2)
            .map(|handle| EnumDefinition {
                handle: DatatypeHandleIndex(handle),
                variants: self.many(|r| VariantDefinition {
                    name: IdentifierIndex(r.flip()),
                    fields: r.many(|r| r.field(u64::from(handle) * 2, true)),
                }),
            })
            .collect();
        module.enum_def_instantiations = self
            .many(|r| EnumDefInstantiation { def: EnumDefIndex(r.flip()), type_parameters: SignatureIndex(r.flip()) });
        module.variant_handles = self.many(|r| VariantHandle { enum_def: EnumDefIndex(r.flip()), variant: r.flip() });
        module.variant_instantiation_handles = self
            .many(|r| VariantInstantiationHandle { enum_def: EnumDefInstantiationIndex(r.flip()), variant: r.flip() });
    }

    fn script(&mut self, version: Version) -> CompiledScript {
        let mut module = self.common(version);
        module.self_module_handle = ModuleHandleIndex::new(module.module_handles.len());
        module.module_handles.push(ModuleHandle {
            address: AddressIdentifierIndex::new(module.address_identifiers.len()),
            name: IdentifierIndex::new(module.identifiers.len()),
        });
        module.identifiers.push(Identifier::new("<SELF>").unwrap());
        module.address_identifiers.push(Address::ZERO);
        CompiledScript {
            module,
            type_parameters: vec![self.abilities(), self.abilities()],
            parameters: SignatureIndex(self.flip()),
            code: CodeUnit {
                locals: SignatureIndex(0),
                code: vec![Bytecode::LdU64(self.next()), Bytecode::CallGeneric(FunctionInstantiationIndex(1))],
                jump_tables: vec![],
            },
        }
    }
}

fn versions() -> impl Strategy<Value = Version> {
    prop_oneof![Just(Version::V5), Just(Version::V6), Just(Version::Sui7)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn modules_survive_a_round_trip(seed in 1u64.., version in versions()) {
        let module = Random(seed).module(version);
        let bytes = module.serialize().unwrap();
        let read = CompiledModule::deserialize(&bytes).unwrap();
        prop_assert_eq!(&read, &module);
        prop_assert_eq!(read.serialize().unwrap(), bytes);
        prop_assert!(disassemble(&module).lines().count() > 10);
    }

    #[test]
    fn scripts_survive_a_round_trip(seed in 1u64.., version in versions()) {
        let script = Random(seed).script(version);
        let bytes = script.serialize().unwrap();
        let read = CompiledScript::deserialize(&bytes).unwrap();
        prop_assert_eq!(&read, &script);
        prop_assert_eq!(read.serialize().unwrap(), bytes);
        prop_assert!(disassemble_script(&script).contains("CallGeneric"));
    }

    #[test]
    fn mutated_modules_do_not_panic(seed in 1u64.., version in versions(), changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5)) {
        let mut bytes = Random(seed).module(version).serialize().unwrap();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(module) = CompiledModule::deserialize(&bytes) {
            let _ = disassemble(&module);
        }
        if let Ok(script) = CompiledScript::deserialize(&bytes) {
            let _ = disassemble_script(&script);
        }
    }

    #[test]
    fn random_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), version in versions(), with_header in any::<bool>()) {
        let header = [MAGIC.as_slice(), &version.word().to_le_bytes()].concat();
        let bytes = if with_header { [header, bytes].concat() } else { bytes };
        let _ = CompiledModule::deserialize(&bytes);
        let _ = CompiledScript::deserialize(&bytes);
    }
}

fn status_of(bytes: &[u8]) -> StatusCode {
    CompiledModule::deserialize(bytes).unwrap_err().status
}

fn smallest() -> CompiledModule {
    CompiledModule::empty(&noema_types::ModuleId::new(Address::ONE, Identifier::new("m").unwrap()))
}

#[test]
fn the_smallest_module_has_known_bytes() {
    let bytes = smallest().serialize().unwrap();
    let expected = [
        vec![0xA1, 0x1C, 0xEB, 0x0B, 6, 0, 0, 0],
        vec![3, 1, 0, 2, 7, 2, 2, 8, 4, 32],
        vec![0, 0, 1, b'm'],
        Address::ONE.0.to_vec(),
        vec![0],
    ];
    assert_eq!(bytes, expected.concat());
    assert_eq!(CompiledModule::deserialize(&bytes).unwrap(), smallest());
}

#[test]
fn each_malformed_header_has_its_status() {
    let good = smallest().serialize().unwrap();
    let with = |changes: &[(usize, u8)]| {
        let mut bytes = good.clone();
        changes.iter().for_each(|(at, byte)| bytes[*at] = *byte);
        status_of(&bytes)
    };
    assert_eq!(with(&[(0, 0)]), StatusCode::BAD_MAGIC);
    assert_eq!(status_of(&[0xA1]), StatusCode::BAD_MAGIC);
    assert_eq!(with(&[(4, 7)]), StatusCode::UNKNOWN_VERSION);
    assert_eq!(with(&[(9, 9)]), StatusCode::UNKNOWN_TABLE_TYPE);
    assert_eq!(with(&[(12, 1)]), StatusCode::DUPLICATE_TABLE);
    assert_eq!(with(&[(13, 3)]), StatusCode::BAD_HEADER_TABLE);
    assert_eq!(with(&[(17, 33)]), StatusCode::MALFORMED);
    assert_eq!(with(&[(17, 34)]), StatusCode::BAD_HEADER_TABLE);
    assert_eq!(with(&[(18, 1)]), StatusCode::INDEX_OUT_OF_BOUNDS);
    assert_eq!(with(&[(21, b'-')]), StatusCode::MALFORMED);
}

#[test]
fn numbers_must_be_minimal() {
    let cursor = |bytes: &[u8]| Cursor::new(bytes, 0, Version::V6).uleb("it", u64::MAX);
    assert_eq!(cursor(&[0x80, 0x00]).unwrap_err().status, StatusCode::MALFORMED);
    assert_eq!(cursor(&[0xFF; 10]).unwrap_err().status, StatusCode::MALFORMED);
    assert_eq!(cursor(&[0x80]).unwrap_err().status, StatusCode::MALFORMED);
    for number in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
        let mut bytes = Vec::new();
        write_uleb(&mut bytes, number);
        assert_eq!(cursor(&bytes).unwrap(), number);
    }
}

/// A claim of many entries costs nothing unless the entries are there.
#[test]
fn counts_are_limited_by_what_follows() {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(6u32.to_le_bytes());
    bytes.extend([1, 5, 0, 3, 0xFF, 0x01, 1]);
    let error = CompiledModule::deserialize(&bytes).unwrap_err();
    assert_eq!(error.status, StatusCode::MALFORMED);
    assert!(error.message.contains("255"), "{error}");
}

#[test]
fn types_may_be_256_deep_and_no_deeper() {
    let nested = |depth: usize| {
        let mut module = smallest();
        let token = (1..depth).fold(SignatureToken::U8, |inner, _| SignatureToken::Vector(Box::new(inner)));
        module.signatures.push(Signature(vec![token]));
        module
    };
    let deep = nested(256);
    let bytes = deep.serialize().unwrap();
    assert_eq!(CompiledModule::deserialize(&bytes).unwrap(), deep);
    assert!(matches!(nested(257).serialize(), Err(WriteError::TooLarge { .. })));
}

#[test]
fn enums_turn_version_6_into_suis_7_and_do_not_fit_5() {
    let mut module = Random(7).module(Version::Sui7);
    module.version = Version::V6;
    let read = CompiledModule::deserialize(&module.serialize().unwrap()).unwrap();
    assert_eq!(read.version, Version::Sui7);
    module.version = Version::V5;
    assert!(matches!(module.serialize(), Err(WriteError::NotInVersion { version: 5, .. })));
}

#[test]
fn a_script_needs_its_pseudo_module_last() {
    let mut script = Random(7).script(Version::V6);
    script.module.identifiers.push(Identifier::new("later").unwrap());
    assert_eq!(script.serialize(), Err(WriteError::PseudoModuleNotLast));
    let module_bytes = Random(7).module(Version::V6).serialize().unwrap();
    assert_eq!(CompiledScript::deserialize(&module_bytes).unwrap_err().status, StatusCode::MALFORMED);
}

#[test]
fn each_index_out_of_bounds_is_found() {
    let breakages: [fn(&mut CompiledModule); 14] = [
        |m| m.self_module_handle = ModuleHandleIndex(99),
        |m| m.module_handles[0].address = AddressIdentifierIndex(99),
        |m| m.datatype_handles[0].name = IdentifierIndex(99),
        |m| m.function_handles[0].parameters = SignatureIndex(99),
        |m| m.field_handles[0].field = 99,
        |m| m.struct_def_instantiations[0].def = StructDefIndex(99),
        |m| m.variant_handles[0].variant = 99,
        |m| m.constants[0].type_ = SignatureToken::TypeParameter(0),
        |m| m.friend_decls[0].name = IdentifierIndex(99),
        |m| m.struct_defs[0].handle = DatatypeHandleIndex(99),
        |m| m.function_defs[0].code = Some(code(vec![Bytecode::Branch(1)])),
        |m| m.function_defs[0].code = Some(code(vec![Bytecode::CopyLoc(200)])),
        |m| m.function_defs[0].code = Some(code(vec![Bytecode::VariantSwitch(VariantJumpTableIndex(0))])),
        |m| m.function_defs[0].code = Some(code(vec![Bytecode::VecLen(SignatureIndex(99))])),
    ];
    for (number, breakage) in breakages.into_iter().enumerate() {
        let mut module = Random(3).module(Version::Sui7);
        check_module_bounds(&module).unwrap();
        breakage(&mut module);
        let error = check_module_bounds(&module).unwrap_err();
        assert_eq!(error.status, StatusCode::INDEX_OUT_OF_BOUNDS, "breakage {number}: {error}");
    }
}

fn code(code: Vec<Bytecode>) -> CodeUnit {
    CodeUnit { locals: SignatureIndex(0), code, jump_tables: vec![] }
}

#[test]
fn type_arguments_must_match_the_handle() {
    let mut module = Random(3).module(Version::V6);
    module.signatures[0].0[0] = SignatureToken::Datatype(DatatypeHandleIndex(1));
    let error = check_module_bounds(&module).unwrap_err();
    assert_eq!(error.status, StatusCode::NUMBER_OF_TYPE_ARGUMENTS_MISMATCH);
}

#[test]
fn a_jump_table_has_one_target_per_variant() {
    let mut module = Random(3).module(Version::Sui7);
    let mut body = code(vec![Bytecode::Ret]);
    body.jump_tables = vec![VariantJumpTable { head_enum: EnumDefIndex(0), targets: vec![0; 99] }];
    module.function_defs[0].code = Some(body);
    assert_eq!(check_module_bounds(&module).unwrap_err().status, StatusCode::PARTIAL_ENUM_SWITCH);
}

#[test]
fn locals_are_at_most_255() {
    let mut module = Random(3).module(Version::V6);
    module.signatures[0] = Signature(vec![SignatureToken::U8; 128]);
    module.function_handles[0].parameters = SignatureIndex(0);
    module.function_defs[0].function = FunctionHandleIndex(0);
    module.function_defs[0].code = Some(code(vec![Bytecode::Ret]));
    assert_eq!(check_module_bounds(&module).unwrap_err().status, StatusCode::TOO_MANY_LOCALS);
}
