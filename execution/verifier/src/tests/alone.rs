//! Passes over tables: limits to instantiation loops, and acquires.

use noema_bytecode::Bytecode as B;

use super::*;

#[test]
fn an_empty_module_is_fine() {
    Builder::new("m").verify().unwrap();
}

#[test]
fn indices_out_of_bounds_come_first() {
    let mut builder = Builder::new("m");
    builder.function("f", Body::new(vec![B::CopyLoc(0), B::Ret]));
    assert_eq!(builder.status(), StatusCode::INDEX_OUT_OF_BOUNDS);
    builder.module.module_handles.clear();
    assert_eq!(builder.status(), StatusCode::NO_MODULE_HANDLES);
}

#[test]
fn limits_hold() {
    let many = |count: usize, token: Token| vec![token; count];
    let with_parameters = |parameters: &[Token]| Body::new(vec![B::Ret]).parameters(parameters);
    assert_eq!(status(verify_body(with_parameters(&many(129, Token::U8)))), StatusCode::TOO_MANY_PARAMETERS);
    verify_body(with_parameters(&many(128, Token::U8))).unwrap();
    assert_eq!(status(verify_body(Body::new(vec![B::Ret]).generics(&[""; 33]))), StatusCode::TOO_MANY_TYPE_PARAMETERS);
    let nested = |depth: usize| (1..depth).fold(Token::U8, |inner, _| vector(inner));
    verify_body(with_parameters(&[nested(256)])).unwrap();
    let mut builder = Builder::new("m");
    let list = builder.generic_struct("L", "drop", &[("", true)], &[("v", Token::U8)]);
    let heavy = (0..64).fold(Token::U8, |inner, _| builder.type_with(list, &[inner]));
    builder.function("f", Body::new(vec![B::Ret]).parameters(&[heavy]));
    assert_eq!(builder.status(), StatusCode::TOO_MANY_TYPE_NODES);
}

#[test]
fn definitions_are_limited() {
    let mut builder = Builder::new("m");
    for number in 0..201 {
        builder.structure(&format!("S{number}"), "drop", &[("v", Token::U8)]);
    }
    assert_eq!(builder.status(), StatusCode::MAX_STRUCT_DEFINITIONS_REACHED);
    let mut builder = Builder::new("m");
    let names: Vec<_> = (0..31).map(|number| format!("f{number}")).collect();
    let fields: Vec<_> = names.iter().map(|name| (name.as_str(), Token::U8)).collect();
    builder.structure("S", "drop", &fields);
    assert_eq!(builder.status(), StatusCode::MAX_FIELD_DEFINITIONS_REACHED);
    let mut builder = Builder::new("m");
    for number in 0..1001 {
        builder.function(&format!("f{number}"), Body::new(vec![B::Ret]));
    }
    assert_eq!(builder.status(), StatusCode::MAX_FUNCTION_DEFINITIONS_REACHED);
}

#[test]
fn entries_are_unique() {
    type Breakage = fn(&mut CompiledModule);
    let breakages: [(Breakage, StatusCode); 9] = [
        (|m| m.identifiers.push(m.identifiers[0].clone()), StatusCode::DUPLICATE_ELEMENT),
        (|m| m.address_identifiers.push(m.address_identifiers[0]), StatusCode::DUPLICATE_ELEMENT),
        (|m| m.signatures.push(m.signatures[0].clone()), StatusCode::DUPLICATE_ELEMENT),
        (|m| m.module_handles.push(m.module_handles[0]), StatusCode::DUPLICATE_ELEMENT),
        (|m| m.datatype_handles.push(m.datatype_handles[0].clone()), StatusCode::DUPLICATE_ELEMENT),
        (|m| m.function_defs.push(m.function_defs[0].clone()), StatusCode::DUPLICATE_ELEMENT),
        (|m| m.struct_defs.push(m.struct_defs[0].clone()), StatusCode::DUPLICATE_ELEMENT),
        (|m| m.function_defs.clear(), StatusCode::UNIMPLEMENTED_HANDLE),
        (|m| m.struct_defs[0].fields = StructFieldInformation::Declared(vec![]), StatusCode::ZERO_SIZED_STRUCT),
    ];
    let mut builder = Builder::new("m");
    builder.structure("S", "drop", &[("v", Token::U8)]);
    builder.function("f", Body::new(vec![B::Ret]));
    builder.verify().unwrap();
    for (number, (breakage, expected)) in breakages.into_iter().enumerate() {
        let mut broken = builder.clone();
        breakage(&mut broken.module);
        assert_eq!(broken.status(), expected, "breakage {number}");
    }
}

#[test]
fn fields_and_variants_have_different_names_and_enums_have_variants() {
    let mut builder = Builder::new("m");
    builder.structure("S", "drop", &[("v", Token::U8), ("v", Token::U8)]);
    assert_eq!(builder.status(), StatusCode::DUPLICATE_ELEMENT);
    let mut builder = Builder::new("m");
    builder.enumeration("E", "drop", &[("A", &[]), ("A", &[])]);
    assert_eq!(builder.status(), StatusCode::DUPLICATE_ELEMENT);
    let mut builder = Builder::new("m");
    builder.enumeration("E", "drop", &[]);
    assert_eq!(builder.status(), StatusCode::ZERO_SIZED_ENUM);
}

#[test]
fn definitions_belong_to_the_module() {
    let mut builder = Builder::new("m");
    builder.structure("S", "drop", &[("v", Token::U8)]);
    let other = builder.other_module("other");
    builder.module.datatype_handles[0].module = other;
    assert_eq!(builder.status(), StatusCode::INVALID_MODULE_HANDLE);
}

#[test]
fn references_are_outermost() {
    let body = |token| Body::new(vec![B::Ret]).parameters(&[token]);
    verify_body(body(mutable(Token::U8))).unwrap();
    for inner in [reference(reference(Token::U8)), vector(reference(Token::U8)), mutable(vector(mutable(Token::U8)))] {
        assert_eq!(status(verify_body(body(inner))), StatusCode::INVALID_SIGNATURE_TOKEN);
    }
    let mut builder = Builder::new("m");
    builder.structure("S", "drop", &[("v", reference(Token::U8))]);
    assert_eq!(builder.status(), StatusCode::INVALID_SIGNATURE_TOKEN);
}

#[test]
fn type_arguments_meet_constraints() {
    let mut builder = Builder::new("m");
    let coin = builder.structure("Coin", "store", &[("v", Token::U64)]);
    let copier = builder.function("copier", Body::new(vec![B::Ret]).generics(&["copy drop"]));
    let of_number = builder.instance(copier, &[Token::U8]);
    builder.function("good", Body::new(vec![B::CallGeneric(of_number), B::Ret]));
    builder.verify().unwrap();
    let of_coin = builder.instance(copier, &[builder.type_of(coin)]);
    let mut bad = builder.clone();
    bad.function("bad", Body::new(vec![B::CallGeneric(of_coin), B::Ret]));
    assert_eq!(bad.status(), StatusCode::CONSTRAINT_NOT_SATISFIED);
    let of_two = builder.instance(copier, &[Token::U8, Token::U8]);
    builder.function("bad", Body::new(vec![B::CallGeneric(of_two), B::Ret]));
    assert_eq!(builder.status(), StatusCode::NUMBER_OF_TYPE_ARGUMENTS_MISMATCH);
}

#[test]
fn constraints_hold_at_every_mention_of_a_type() {
    let mut builder = Builder::new("m");
    let boxed = builder.generic_struct("Box", "drop", &[("copy", false)], &[("v", Token::TypeParameter(0))]);
    let of_signer = builder.type_with(boxed, &[Token::Signer]);
    builder.function("f", Body::new(vec![B::Ret]).parameters(&[vector(of_signer)]));
    assert_eq!(builder.status(), StatusCode::CONSTRAINT_NOT_SATISFIED);
}

#[test]
fn phantom_parameters_are_not_values() {
    let mut builder = Builder::new("m");
    builder.generic_struct("S", "drop", &[("", true)], &[("v", vector(Token::TypeParameter(0)))]);
    assert_eq!(builder.status(), StatusCode::INVALID_PHANTOM_TYPE_PARAM_POSITION);
    let mut builder = Builder::new("m");
    let inner = builder.generic_struct("S", "drop", &[("", true)], &[("v", Token::U8)]);
    let field = builder.type_with(inner, &[Token::TypeParameter(0)]);
    builder.generic_struct("T", "drop", &[("", true)], &[("v", field)]);
    builder.verify().unwrap();
}

#[test]
fn generic_instructions_are_for_generic_things() {
    let mut builder = Builder::new("m");
    let boxed = builder.generic_struct("Box", "drop", &[("", false)], &[("v", Token::U64)]);
    builder.function("f", Body::new(vec![B::LdU64(1), B::Pack(boxed), B::Pop, B::Ret]));
    assert_eq!(builder.status(), StatusCode::GENERIC_MEMBER_OPCODE_MISMATCH);
    let mut builder = Builder::new("m");
    let generic = builder.function("g", Body::new(vec![B::Ret]).generics(&[""]));
    builder.function("f", Body::new(vec![B::Call(generic), B::Ret]));
    assert_eq!(builder.status(), StatusCode::GENERIC_MEMBER_OPCODE_MISMATCH);
    let mut builder = Builder::new("m");
    let element = builder.signature(&[Token::U8]);
    builder.function("f", Body::new(vec![B::VecPack(element, u64::MAX), B::Pop, B::Ret]));
    assert_eq!(builder.status(), StatusCode::CONSTRAINT_NOT_SATISFIED);
}

#[test]
fn constants_are_values_of_their_type() {
    let verify = |type_: Token, data: &[u8]| {
        let mut builder = Builder::new("m");
        builder.module.constants.push(Constant { type_, data: data.to_vec() });
        builder.verify()
    };
    verify(Token::U64, &[0; 8]).unwrap();
    verify(vector(vector(Token::U8)), &[2, 0, 1, 9]).unwrap();
    verify(Token::Bool, &[1]).unwrap();
    assert_eq!(status(verify(Token::Signer, &[0; 32])), StatusCode::INVALID_CONSTANT_TYPE);
    assert_eq!(status(verify(vector(Token::Signer), &[0])), StatusCode::INVALID_CONSTANT_TYPE);
    let malformed: [(Token, &[u8]); 7] = [
        (Token::Bool, &[2]),
        (Token::Bool, &[]),
        (Token::U64, &[0; 7]),
        (Token::U64, &[0; 9]),
        (vector(Token::U8), &[2, 1]),
        (vector(Token::U8), &[0x80, 0]),
        (vector(Token::U8), &[0xFF, 0xFF, 0xFF, 0xFF, 0x1F]),
    ];
    for (type_, data) in malformed {
        assert_eq!(status(verify(type_, data)), StatusCode::MALFORMED_CONSTANT_DATA);
    }
}

#[test]
fn friends_are_others_at_the_same_address() {
    let mut builder = Builder::new("m");
    let name = builder.name("other");
    builder.module.friend_decls.push(ModuleHandle { address: AddressIdentifierIndex(0), name });
    builder.verify().unwrap();
    let mut own = builder.clone();
    own.module.friend_decls[0] = own.module.module_handles[0];
    assert_eq!(own.status(), StatusCode::INVALID_FRIEND_DECL_WITH_SELF);
    builder.module.address_identifiers.push(Address::from_u8(9));
    builder.module.friend_decls[0].address = AddressIdentifierIndex(1);
    assert_eq!(builder.status(), StatusCode::INVALID_FRIEND_DECL_WITH_MODULES_OUTSIDE_ACCOUNT_ADDRESS);
}

#[test]
fn fields_have_the_abilities_of_their_struct() {
    let mut builder = Builder::new("m");
    let coin = builder.structure("Coin", "store", &[("v", Token::U64)]);
    builder.structure("Purse", "key store", &[("coins", vector(builder.type_of(coin)))].clone());
    builder.generic_struct("Box", "copy drop store key", &[("", false)], &[("v", Token::TypeParameter(0))]);
    builder.verify().unwrap();
    let mut bad = builder.clone();
    bad.structure("Copier", "copy", &[("coin", builder.type_of(coin))]);
    assert_eq!(bad.status(), StatusCode::FIELD_MISSING_TYPE_ABILITY);
    builder.structure("Holder", "key", &[("signer", Token::Signer)]);
    assert_eq!(builder.status(), StatusCode::FIELD_MISSING_TYPE_ABILITY);
}

#[test]
fn data_does_not_contain_itself() {
    let mut builder = Builder::new("m");
    let first = builder.structure("A", "drop", &[("v", Token::U8)]);
    let second = builder.structure("B", "drop", &[("a", vector(builder.type_of(first)))]);
    builder.verify().unwrap();
    let back = builder.type_of(second);
    builder.module.struct_defs[0].fields = StructFieldInformation::Declared(builder.fields(&[("b", back)]));
    assert_eq!(builder.status(), StatusCode::RECURSIVE_STRUCT_DEFINITION);
    let mut builder = Builder::new("m");
    let list = builder.enumeration("List", "drop", &[("Nil", &[]), ("Cons", &[("v", Token::U8)])]);
    builder.verify().unwrap();
    let tail = builder.enum_type(list);
    builder.module.enum_defs[0].variants[1].fields = builder.fields(&[("tail", vector(tail))]);
    assert_eq!(builder.status(), StatusCode::RECURSIVE_ENUM_DEFINITION);
}

#[test]
fn instances_are_finite() {
    let recursive = |argument: Token| {
        let mut builder = Builder::new("m");
        let function = builder.function("f", Body::new(vec![B::Ret]).generics(&[""]));
        let instance = builder.instance(function, &[argument]);
        builder.last_code().code = vec![B::CallGeneric(instance), B::Ret];
        builder.verify()
    };
    recursive(Token::TypeParameter(0)).unwrap();
    recursive(vector(Token::U8)).unwrap();
    assert_eq!(status(recursive(vector(Token::TypeParameter(0)))), StatusCode::LOOP_IN_INSTANTIATION_GRAPH);
}

#[test]
fn instances_are_finite_through_other_functions() {
    let mut builder = Builder::new("m");
    let first = builder.function("f", Body::new(vec![B::Ret]).generics(&["", ""]));
    let swapped = builder.instance(first, &[vector(Token::TypeParameter(1)), Token::U8]);
    let second = builder.function("g", Body::new(vec![B::CallGeneric(swapped), B::Ret]).generics(&["", ""]));
    let onward = builder.instance(second, &[Token::U8, Token::TypeParameter(0)]);
    builder.module.function_defs[0].code.as_mut().unwrap().code = vec![B::CallGeneric(onward), B::Ret];
    let error = builder.verify().unwrap_err();
    assert_eq!(error.status, StatusCode::LOOP_IN_INSTANTIATION_GRAPH);
    assert_eq!(error.location.function.unwrap().1.as_str(), "g");
}

/// A module with resource R and a function that moves it out.
fn with_resource(acquires: bool) -> (Builder, StructDefIndex, FunctionHandleIndex) {
    let mut builder = Builder::new("m");
    let resource = builder.structure("R", "key drop", &[("v", Token::U64)]);
    let code = vec![B::MoveLoc(0), B::MoveFrom(resource), B::Pop, B::Ret];
    let acquired = if acquires { vec![resource] } else { vec![] };
    let take = builder.function("take", Body::new(code).parameters(&[Token::Address]).acquires(&acquired));
    (builder, resource, take)
}

#[test]
fn acquires_is_exact() {
    let (builder, ..) = with_resource(false);
    assert_eq!(builder.status(), StatusCode::MISSING_ACQUIRES_ANNOTATION);
    let (mut builder, resource, take) = with_resource(true);
    builder.verify().unwrap();
    let code = vec![B::MoveLoc(0), B::Call(take), B::Ret];
    let caller = Body::new(code).parameters(&[Token::Address]);
    let mut silent = builder.clone();
    silent.function("caller", caller.clone());
    assert_eq!(silent.status(), StatusCode::MISSING_ACQUIRES_ANNOTATION);
    builder.function("caller", caller.acquires(&[resource]));
    builder.verify().unwrap();
    let mut doubled = builder.clone();
    doubled.last_function().acquires = vec![resource, resource];
    assert_eq!(doubled.status(), StatusCode::DUPLICATE_ACQUIRES_ANNOTATION);
    builder.function("idle", Body::new(vec![B::Ret]).acquires(&[resource]));
    assert_eq!(builder.status(), StatusCode::EXTRANEOUS_ACQUIRES_ANNOTATION);
}

#[test]
fn exists_and_move_to_do_not_acquire() {
    let mut builder = Builder::new("m");
    let resource = builder.structure("R", "key drop", &[("v", Token::U64)]);
    let code = vec![
        B::MoveLoc(0),
        B::LdU64(1),
        B::Pack(resource),
        B::MoveTo(resource),
        B::MoveLoc(1),
        B::Exists(resource),
        B::Pop,
        B::Ret,
    ];
    builder.function("f", Body::new(code).parameters(&[reference(Token::Signer), Token::Address]));
    builder.verify().unwrap();
}

#[test]
fn work_is_bounded() {
    let mut builder = Builder::new("m");
    builder.function("f", Body::new(vec![B::Nop, B::Ret]));
    let limits = Limits { meter_units_per_function: 2, ..Limits::default() };
    assert_eq!(status(verify_module(&builder.module, &limits)), StatusCode::PROGRAM_TOO_COMPLEX);
    let limits = Limits { meter_units_per_module: 2, ..Limits::default() };
    assert_eq!(status(verify_module(&builder.module, &limits)), StatusCode::PROGRAM_TOO_COMPLEX);
}
