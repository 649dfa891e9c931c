//! Passes over bodies: control flow, stack, types, locals.

use noema_bytecode::Bytecode as B;

use super::*;

fn verdict(body: Body) -> StatusCode {
    status(verify_body(body))
}

#[test]
fn code_ends_in_a_branch() {
    assert_eq!(verdict(Body::new(vec![])), StatusCode::EMPTY_CODE_UNIT);
    assert_eq!(verdict(Body::new(vec![B::Nop])), StatusCode::INVALID_FALL_THROUGH);
    assert_eq!(verdict(Body::new(vec![B::LdTrue, B::BrTrue(0)])), StatusCode::INVALID_FALL_THROUGH);
    verify_body(Body::new(vec![B::Branch(0)])).unwrap();
}

#[test]
fn loops_have_one_head() {
    // 0 jumps to 4 or falls to 2; 2 and 4 jump to each other: two ways into the loop.
    let code = vec![B::LdTrue, B::BrTrue(4), B::LdTrue, B::BrTrue(4), B::LdTrue, B::BrTrue(2), B::Ret];
    assert_eq!(verdict(Body::new(code)), StatusCode::INVALID_LOOP_SPLIT);
    let code = vec![B::LdTrue, B::BrTrue(4), B::LdTrue, B::BrTrue(0), B::LdTrue, B::BrTrue(0), B::Ret];
    verify_body(Body::new(code)).unwrap();
}

/// `depth` loops inside one another: head h jumps out or goes on; the innermost jumps back to each head in turn.
fn nested_loops(depth: u16) -> Vec<B> {
    let mut code = vec![B::Nop; usize::from(depth)];
    // Each head needs a block of its own, so heads are targets of the jumps below.
    for head in (0..depth).rev() {
        code.extend([B::LdTrue, B::BrTrue(head)]);
    }
    code.push(B::Ret);
    code
}

#[test]
fn loops_nest_five_deep() {
    verify_body(Body::new(nested_loops(5))).unwrap();
    assert_eq!(verdict(Body::new(nested_loops(6))), StatusCode::LOOP_MAX_DEPTH_REACHED);
}

#[test]
fn blocks_are_limited() {
    let branches = |count: usize| {
        let mut code = vec![[B::LdTrue, B::BrTrue(0)]; count].concat();
        code.iter_mut().skip(1).step_by(2).enumerate().for_each(|(n, b)| *b = B::BrTrue((n as u16 + 1) * 2));
        code.push(B::Ret);
        code
    };
    verify_body(Body::new(branches(1023))).unwrap();
    assert_eq!(verdict(Body::new(branches(1024))), StatusCode::TOO_MANY_BASIC_BLOCKS);
}

#[test]
fn blocks_leave_the_stack_empty() {
    assert_eq!(verdict(Body::new(vec![B::Pop, B::Ret])), StatusCode::NEGATIVE_STACK_SIZE_WITHIN_BLOCK);
    assert_eq!(verdict(Body::new(vec![B::LdTrue, B::Ret])), StatusCode::POSITIVE_STACK_SIZE_AT_BLOCK_END);
    let through_a_border = vec![B::LdU64(1), B::Branch(2), B::Pop, B::Ret];
    assert_eq!(verdict(Body::new(through_a_border)), StatusCode::POSITIVE_STACK_SIZE_AT_BLOCK_END);
    let unreachable = vec![B::Ret, B::Pop, B::Ret];
    assert_eq!(verdict(Body::new(unreachable)), StatusCode::NEGATIVE_STACK_SIZE_WITHIN_BLOCK);
    let too_high = [vec![B::LdTrue; 1025], vec![B::Pop; 1025], vec![B::Ret]].concat();
    assert_eq!(verdict(Body::new(too_high)), StatusCode::VALUE_STACK_OVERFLOW);
    let many_pushes = [vec![[B::LdTrue, B::Pop]; 10_001].concat(), vec![B::Ret]].concat();
    assert_eq!(verdict(Body::new(many_pushes)), StatusCode::VALUE_STACK_PUSH_OVERFLOW);
}

/// A body that runs `code` on one parameter of each type, taken by number.
fn with(parameters: &[Token], code: Vec<B>) -> Body {
    Body::new([code, vec![B::Ret]].concat()).parameters(parameters)
}

#[test]
fn operands_have_the_right_types() {
    let cases: [(Vec<Token>, Vec<B>, StatusCode); 22] = [
        (vec![], vec![B::LdU8(1), B::LdU64(1), B::Add, B::Pop], StatusCode::INTEGER_OP_TYPE_MISMATCH_ERROR),
        (vec![], vec![B::LdTrue, B::LdTrue, B::Add, B::Pop], StatusCode::INTEGER_OP_TYPE_MISMATCH_ERROR),
        (vec![], vec![B::LdU64(1), B::LdU64(1), B::Shl, B::Pop], StatusCode::INTEGER_OP_TYPE_MISMATCH_ERROR),
        (vec![], vec![B::LdTrue, B::CastU8, B::Pop], StatusCode::INTEGER_OP_TYPE_MISMATCH_ERROR),
        (vec![], vec![B::LdTrue, B::LdU8(1), B::And, B::Pop], StatusCode::BOOLEAN_OP_TYPE_MISMATCH_ERROR),
        (vec![], vec![B::LdU8(0), B::Not, B::Pop], StatusCode::BOOLEAN_OP_TYPE_MISMATCH_ERROR),
        (vec![], vec![B::LdU8(0), B::BrTrue(0)], StatusCode::BR_TYPE_MISMATCH_ERROR),
        (vec![], vec![B::LdU8(0), B::Abort], StatusCode::ABORT_TYPE_MISMATCH_ERROR),
        (vec![], vec![B::LdU8(0), B::LdU64(0), B::Eq, B::Pop], StatusCode::EQUALITY_OP_TYPE_MISMATCH_ERROR),
        (vec![Token::U64], vec![B::LdU8(0), B::StLoc(0)], StatusCode::STLOC_TYPE_MISMATCH_ERROR),
        (vec![Token::Signer], vec![B::CopyLoc(0), B::Pop], StatusCode::COPYLOC_WITHOUT_COPY_ABILITY),
        (vec![reference(Token::U8)], vec![B::ImmBorrowLoc(0), B::Pop], StatusCode::BORROWLOC_REFERENCE_ERROR),
        (vec![], vec![B::LdU8(0), B::ReadRef, B::Pop], StatusCode::READREF_TYPE_MISMATCH_ERROR),
        (
            vec![reference(Token::Signer)],
            vec![B::MoveLoc(0), B::ReadRef, B::Pop],
            StatusCode::READREF_WITHOUT_COPY_ABILITY,
        ),
        (
            vec![reference(Token::U8)],
            vec![B::MoveLoc(0), B::FreezeRef, B::Pop],
            StatusCode::FREEZEREF_TYPE_MISMATCH_ERROR,
        ),
        (
            vec![reference(Token::U8)],
            vec![B::LdU8(0), B::MoveLoc(0), B::WriteRef],
            StatusCode::WRITEREF_NO_MUTABLE_REFERENCE_ERROR,
        ),
        (
            vec![mutable(Token::U8)],
            vec![B::LdU64(0), B::MoveLoc(0), B::WriteRef],
            StatusCode::WRITEREF_TYPE_MISMATCH_ERROR,
        ),
        (
            vec![mutable(Token::TypeParameter(0)), Token::TypeParameter(0)],
            vec![B::MoveLoc(1), B::MoveLoc(0), B::WriteRef],
            StatusCode::WRITEREF_WITHOUT_DROP_ABILITY,
        ),
        (vec![Token::TypeParameter(0)], vec![B::MoveLoc(0), B::Pop], StatusCode::POP_WITHOUT_DROP_ABILITY),
        (vec![], vec![B::LdU8(1), B::LdU64(1), B::Lt, B::Pop], StatusCode::INTEGER_OP_TYPE_MISMATCH_ERROR),
        (
            vec![Token::TypeParameter(0), Token::TypeParameter(0)],
            vec![B::MoveLoc(0), B::MoveLoc(1), B::Eq, B::Pop],
            StatusCode::EQUALITY_OP_TYPE_MISMATCH_ERROR,
        ),
        (
            vec![Token::U64],
            vec![B::MoveLoc(0), B::LdU8(1), B::CastU64, B::Xor, B::LdTrue, B::Neq, B::Pop],
            StatusCode::EQUALITY_OP_TYPE_MISMATCH_ERROR,
        ),
    ];
    for (number, (parameters, code, expected)) in cases.into_iter().enumerate() {
        assert_eq!(verdict(with(&parameters, code).generics(&[""])), expected, "case {number}");
    }
}

#[test]
fn right_operands_are_accepted() {
    let code = vec![
        B::MoveLoc(0),
        B::LdU8(3),
        B::Shl,
        B::CastU256,
        B::Pop,
        B::LdU8(7),
        B::CopyLoc(1),
        B::WriteRef,
        B::MoveLoc(1),
        B::FreezeRef,
        B::ReadRef,
        B::CastU64,
        B::Abort,
    ];
    verify_body(Body::new(code).parameters(&[Token::U16, mutable(Token::U8)])).unwrap();
}

#[test]
fn returns_and_calls_have_the_declared_types() {
    assert_eq!(
        verdict(Body::new(vec![B::LdU8(0), B::Ret]).results(&[Token::U64])),
        StatusCode::RET_TYPE_MISMATCH_ERROR
    );
    let mut builder = Builder::new("m");
    let callee = builder.function("g", Body::new(vec![B::Ret]).parameters(&[Token::U64]));
    builder.function("f", Body::new(vec![B::LdU8(0), B::Call(callee), B::Ret]));
    assert_eq!(builder.status(), StatusCode::CALL_TYPE_MISMATCH_ERROR);
}

#[test]
fn generic_calls_substitute_their_arguments() {
    let call = |argument: Token, constant: B| {
        let mut builder = Builder::new("m");
        let identity = Body::new(vec![B::MoveLoc(0), B::Ret])
            .generics(&[""])
            .parameters(&[Token::TypeParameter(0)])
            .results(&[Token::TypeParameter(0)]);
        let identity = builder.function("id", identity);
        let instance = builder.instance(identity, &[argument]);
        let body = Body::new(vec![constant, B::CallGeneric(instance), B::LdU8(1), B::Add, B::Pop, B::Ret]);
        builder.function("f", body);
        builder.verify()
    };
    call(Token::U8, B::LdU8(1)).unwrap();
    assert_eq!(status(call(Token::U64, B::LdU8(1))), StatusCode::CALL_TYPE_MISMATCH_ERROR);
    assert_eq!(status(call(Token::U64, B::LdU64(1))), StatusCode::INTEGER_OP_TYPE_MISMATCH_ERROR);
}

#[test]
fn structs_are_packed_and_borrowed_by_their_types() {
    let mut builder = Builder::new("m");
    let pair = builder.structure("P", "drop", &[("a", Token::U64), ("b", Token::U8)]);
    let other = builder.structure("Q", "drop", &[("a", Token::U64)]);
    let field = builder.field(pair, 1);
    let run = |code: Vec<B>| {
        let mut builder = builder.clone();
        builder.function("f", Body::new([code, vec![B::Ret]].concat()).locals(&[builder.type_of(pair)]));
        builder.verify()
    };
    let make = vec![B::LdU64(1), B::LdU8(2), B::Pack(pair)];
    let after = |more: Vec<B>| [make.clone(), more].concat();
    run(after(vec![B::Unpack(pair), B::Pop, B::Pop])).unwrap();
    run(after(vec![B::StLoc(0), B::ImmBorrowLoc(0), B::ImmBorrowField(field), B::ReadRef, B::Pop])).unwrap();
    assert_eq!(status(run(vec![B::LdU8(2), B::LdU64(1), B::Pack(pair), B::Pop])), StatusCode::PACK_TYPE_MISMATCH_ERROR);
    assert_eq!(status(run(after(vec![B::Unpack(other), B::Pop]))), StatusCode::UNPACK_TYPE_MISMATCH_ERROR);
    let through_immutable = vec![B::StLoc(0), B::ImmBorrowLoc(0), B::MutBorrowField(field), B::Pop];
    assert_eq!(status(run(after(through_immutable))), StatusCode::BORROWFIELD_TYPE_MISMATCH_ERROR);
}

#[test]
fn globals_need_key_and_the_right_operands() {
    let mut builder = Builder::new("m");
    let keyed = builder.structure("K", "key drop", &[("v", Token::U64)]);
    let plain = builder.structure("P", "drop", &[("v", Token::U64)]);
    let run = |code: Vec<B>| {
        let mut builder = builder.clone();
        let parameters = [Token::Address, reference(Token::Signer), Token::Signer, Token::U64];
        builder.function("f", Body::new([code, vec![B::Ret]].concat()).parameters(&parameters).acquires(&[]));
        status(builder.verify())
    };
    let pack = |def| [B::MoveLoc(3), B::Pack(def)];
    let cases = [
        (vec![B::MoveLoc(0), B::Exists(plain), B::Pop], StatusCode::EXISTS_WITHOUT_KEY_ABILITY_OR_BAD_ARGUMENT),
        (vec![B::MoveLoc(3), B::Exists(keyed), B::Pop], StatusCode::EXISTS_WITHOUT_KEY_ABILITY_OR_BAD_ARGUMENT),
        (vec![B::MoveLoc(0), B::MoveFrom(plain), B::Pop], StatusCode::MOVEFROM_WITHOUT_KEY_ABILITY),
        (vec![B::MoveLoc(3), B::MoveFrom(keyed), B::Pop], StatusCode::MOVEFROM_TYPE_MISMATCH_ERROR),
        (vec![B::MoveLoc(0), B::ImmBorrowGlobal(plain), B::Pop], StatusCode::BORROWGLOBAL_WITHOUT_KEY_ABILITY),
        (vec![B::MoveLoc(3), B::MutBorrowGlobal(keyed), B::Pop], StatusCode::BORROWGLOBAL_TYPE_MISMATCH_ERROR),
        (
            [vec![B::MoveLoc(1)], pack(plain).to_vec(), vec![B::MoveTo(plain)]].concat(),
            StatusCode::MOVETO_WITHOUT_KEY_ABILITY,
        ),
        (
            [vec![B::MoveLoc(2)], pack(keyed).to_vec(), vec![B::MoveTo(keyed)]].concat(),
            StatusCode::MOVETO_TYPE_MISMATCH_ERROR,
        ),
        (vec![B::MoveLoc(1), B::LdU64(1), B::MoveTo(keyed)], StatusCode::MOVETO_TYPE_MISMATCH_ERROR),
    ];
    for (number, (code, expected)) in cases.into_iter().enumerate() {
        assert_eq!(run(code), expected, "case {number}");
    }
}

#[test]
fn vector_instructions_check_element_and_reference() {
    let mut builder = Builder::new("m");
    let bytes = builder.signature(&[Token::U8]);
    let none = builder.signature(&[]);
    let run = |code: Vec<B>| {
        let mut builder = builder.clone();
        let parameters = [vector(Token::U64), vector(Token::U8)];
        builder.function("f", Body::new([code, vec![B::Ret]].concat()).parameters(&parameters));
        builder.verify()
    };
    run(vec![B::MutBorrowLoc(1), B::LdU8(1), B::VecPushBack(bytes)]).unwrap();
    run(vec![B::LdU8(1), B::LdU8(2), B::VecPack(bytes, 2), B::VecUnpack(bytes, 2), B::Pop, B::Pop]).unwrap();
    let mismatches = [
        vec![B::MutBorrowLoc(0), B::LdU8(1), B::VecPushBack(bytes)],
        vec![B::ImmBorrowLoc(1), B::LdU8(1), B::VecPushBack(bytes)],
        vec![B::ImmBorrowLoc(0), B::VecLen(bytes), B::Pop],
        vec![B::ImmBorrowLoc(1), B::LdU8(0), B::VecImmBorrow(bytes), B::Pop],
        vec![B::LdU64(1), B::VecPack(bytes, 1), B::Pop],
        vec![B::MoveLoc(0), B::VecUnpack(bytes, 0)],
        vec![B::ImmBorrowLoc(1), B::VecPopBack(bytes), B::Pop],
    ];
    for (number, code) in mismatches.into_iter().enumerate() {
        assert_eq!(status(run(code)), StatusCode::TYPE_MISMATCH, "case {number}");
    }
    let no_element = run(vec![B::VecPack(none, 0), B::Pop]);
    assert_eq!(status(no_element), StatusCode::NUMBER_OF_TYPE_ARGUMENTS_MISMATCH);
}

#[test]
fn enums_are_packed_switched_and_unpacked() {
    let mut builder = Builder::new("m");
    let shape = builder.enumeration("Shape", "drop", &[("Dot", &[]), ("Disc", &[("r", Token::U64)])]);
    let (dot, disc) = (builder.variant(shape, 0), builder.variant(shape, 1));
    let type_ = builder.enum_type(shape);
    let run = |code: Vec<B>| {
        let mut builder = builder.clone();
        let body = Body::new(code).parameters(std::slice::from_ref(&type_)).locals(&[Token::U64]);
        builder.function("f", body);
        builder.last_code().jump_tables = vec![VariantJumpTable { head_enum: EnumDefIndex(0), targets: vec![2, 3] }];
        builder.verify()
    };
    let switch = B::VariantSwitch(VariantJumpTableIndex(0));
    let tail = [B::Ret, B::MoveLoc(0), B::UnpackVariant(disc), B::Pop, B::Ret];
    let good = [vec![B::ImmBorrowLoc(0), switch.clone()], tail.to_vec()].concat();
    run(good).unwrap();
    let by_mutable = [vec![B::MutBorrowLoc(0), switch.clone()], tail.to_vec()].concat();
    assert_eq!(status(run(by_mutable)), StatusCode::ENUM_SWITCH_BAD_OPERAND);
    let filler = vec![B::Branch(2), B::Nop, B::Branch(3)];
    let not_an_enum = vec![B::LdU64(1), B::StLoc(1), B::ImmBorrowLoc(1), switch];
    assert_eq!(status(run([filler.clone(), not_an_enum].concat())), StatusCode::ENUM_TYPE_MISMATCH);
    let wrong_field = [filler.clone(), vec![B::LdU8(1), B::PackVariant(disc), B::Pop, B::Ret]].concat();
    assert_eq!(status(run(wrong_field)), StatusCode::PACK_TYPE_MISMATCH_ERROR);
    let wrong_value = [filler.clone(), vec![B::LdU8(1), B::UnpackVariant(dot), B::Ret]].concat();
    assert_eq!(status(run(wrong_value)), StatusCode::UNPACK_TYPE_MISMATCH_ERROR);
    let mutable_for_immutable = vec![B::MutBorrowLoc(0), B::UnpackVariantImmRef(disc), B::Pop, B::Ret];
    let mutable_for_immutable = [filler.clone(), mutable_for_immutable].concat();
    assert_eq!(status(run(mutable_for_immutable)), StatusCode::UNPACK_TYPE_MISMATCH_ERROR);
    let immutable = [filler, vec![B::ImmBorrowLoc(0), B::UnpackVariantMutRef(disc), B::Pop, B::Ret]].concat();
    assert_eq!(status(run(immutable)), StatusCode::UNPACK_TYPE_MISMATCH_ERROR);
}

#[test]
fn locals_are_read_only_when_assigned() {
    let body = |code: Vec<B>| Body::new([code, vec![B::Ret]].concat()).locals(&[Token::U64]);
    assert_eq!(verdict(body(vec![B::CopyLoc(0), B::Pop])), StatusCode::COPYLOC_UNAVAILABLE_ERROR);
    assert_eq!(verdict(body(vec![B::MoveLoc(0), B::Pop])), StatusCode::MOVELOC_UNAVAILABLE_ERROR);
    assert_eq!(verdict(body(vec![B::ImmBorrowLoc(0), B::Pop])), StatusCode::BORROWLOC_UNAVAILABLE_ERROR);
    verify_body(body(vec![B::LdU64(1), B::StLoc(0), B::MoveLoc(0), B::Pop])).unwrap();
    let moved_twice = vec![B::LdU64(1), B::StLoc(0), B::MoveLoc(0), B::Pop, B::MoveLoc(0), B::Pop];
    assert_eq!(verdict(body(moved_twice)), StatusCode::MOVELOC_UNAVAILABLE_ERROR);
}

#[test]
fn an_assignment_on_one_path_is_not_enough() {
    let code = vec![B::LdTrue, B::BrTrue(4), B::LdU64(1), B::StLoc(0), B::MoveLoc(0), B::Pop, B::Ret];
    let error = verify_body(Body::new(code).locals(&[Token::U64])).unwrap_err();
    assert_eq!(error.status, StatusCode::MOVELOC_UNAVAILABLE_ERROR);
    assert_eq!(error.location.offset, Some(4));
}

#[test]
fn a_move_in_a_loop_is_found_the_second_time_round() {
    let code = vec![B::MoveLoc(0), B::Pop, B::LdTrue, B::BrTrue(0), B::Ret];
    assert_eq!(verdict(Body::new(code).parameters(&[Token::U64])), StatusCode::MOVELOC_UNAVAILABLE_ERROR);
}

#[test]
fn values_without_drop_are_not_lost() {
    let generic = |code: Vec<B>, parameters: &[Token]| Body::new(code).generics(&[""]).parameters(parameters);
    let one = [Token::TypeParameter(0)];
    assert_eq!(verdict(generic(vec![B::Ret], &one)), StatusCode::UNSAFE_RET_UNUSED_VALUES_WITHOUT_DROP);
    verify_body(generic(vec![B::LdU64(1), B::Abort], &one)).unwrap();
    verify_body(generic(vec![B::MoveLoc(0), B::Ret], &one).results(&one)).unwrap();
    let two = [Token::TypeParameter(0), Token::TypeParameter(0)];
    let overwrite = generic(vec![B::MoveLoc(0), B::StLoc(1), B::LdU64(1), B::Abort], &two);
    assert_eq!(verdict(overwrite), StatusCode::STLOC_UNSAFE_TO_DESTROY_ERROR);
    let on_one_path = vec![B::LdTrue, B::BrTrue(4), B::LdU64(0), B::Abort, B::Ret];
    assert_eq!(verdict(generic(on_one_path, &one)), StatusCode::UNSAFE_RET_UNUSED_VALUES_WITHOUT_DROP);
}

/// Types that grow at every step cost more than they may.
#[test]
fn growing_types_run_out_of_units() {
    let mut builder = Builder::new("m");
    let wide: Vec<_> = (0..25).map(|n| format!("f{n}")).collect();
    let list = vector(Token::TypeParameter(0));
    let fields: Vec<_> = wide.iter().map(|name| (name.as_str(), list.clone())).collect();
    let boxed = builder.generic_struct("Box", "drop", &[("", false)], &fields);
    let big = (0..40).fold(Token::U8, |inner, _| builder.type_with(boxed, &[vector(inner)]));
    let of_big = builder.struct_instance(boxed, std::slice::from_ref(&big));
    let type_ = builder.type_with(boxed, &[big]);
    let unpack = [vec![B::MoveLoc(0), B::UnpackGeneric(of_big)], vec![B::Pop; 25]].concat();
    let repeated: Vec<_> = unpack.iter().cloned().cycle().take(unpack.len() * 2300).collect();
    let blocks: Vec<_> = repeated.into_iter().chain([B::Ret]).collect();
    builder.function("f", Body::new(blocks).parameters(&[type_]));
    let limits = Limits { pushes_per_block: u64::MAX, meter_units_per_function: 1_000_000, ..Limits::default() };
    assert_eq!(status(verify_module(&builder.module, &limits)), StatusCode::PROGRAM_TOO_COMPLEX);
}
