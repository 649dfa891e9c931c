//! The reference pass, rule by rule.

use noema_bytecode::Bytecode as B;

use super::*;

/// A module with a pair, a nested pair, a resource and an enum to borrow from.
struct World {
    builder: Builder,
    pair: StructDefIndex,
    resource: StructDefIndex,
    a: FieldHandleIndex,
    b: FieldHandleIndex,
    numbers: SignatureIndex,
}

fn world() -> World {
    let mut builder = Builder::new("m");
    let pair = builder.structure("P", "copy drop", &[("a", Token::U64), ("b", Token::U64)]);
    let resource = builder.structure("R", "key drop", &[("v", Token::U64)]);
    let (a, b) = (builder.field(pair, 0), builder.field(pair, 1));
    let numbers = builder.signature(&[Token::U64]);
    World { builder, pair, resource, a, b, numbers }
}

impl World {
    fn run(&self, body: Body) -> Result<(), VerifyError> {
        let mut builder = self.builder.clone();
        builder.function("test", body);
        builder.verify()
    }

    fn verdict(&self, body: Body) -> StatusCode {
        status(self.run(body))
    }

    fn pair(&self) -> Token {
        self.builder.type_of(self.pair)
    }
}

fn ret(code: Vec<B>) -> Body {
    Body::new([code, vec![B::Ret]].concat())
}

#[test]
fn a_borrowed_local_is_not_moved_overwritten_or_read() {
    let world = world();
    let local =
        |code: Vec<B>| ret(code).parameters(&[Token::U64]).locals(&[mutable(Token::U64), reference(Token::U64)]);
    let borrow_mut = [B::MutBorrowLoc(0), B::StLoc(1)];
    let use_mut = [B::MoveLoc(1), B::ReadRef, B::Pop];
    let while_borrowed = |middle: Vec<B>| local([borrow_mut.to_vec(), middle, use_mut.to_vec()].concat());
    let cases = [
        (vec![B::MoveLoc(0), B::Pop], StatusCode::MOVELOC_EXISTS_BORROW_ERROR),
        (vec![B::LdU64(1), B::StLoc(0)], StatusCode::STLOC_UNSAFE_TO_DESTROY_ERROR),
        (vec![B::CopyLoc(0), B::Pop], StatusCode::COPYLOC_EXISTS_BORROW_ERROR),
        (vec![B::ImmBorrowLoc(0), B::Pop], StatusCode::BORROWLOC_EXISTS_BORROW_ERROR),
    ];
    for (middle, expected) in cases {
        assert_eq!(world.verdict(while_borrowed(middle.clone())), expected);
        // After the last use the same is fine.
        world.run(local([borrow_mut.to_vec(), use_mut.to_vec(), middle].concat())).unwrap();
    }
    let shared = [B::ImmBorrowLoc(0), B::StLoc(2), B::CopyLoc(0), B::Pop, B::MoveLoc(2), B::ReadRef, B::Pop];
    world.run(local(shared.to_vec())).unwrap();
}

#[test]
fn writing_needs_a_reference_nobody_else_has() {
    let world = world();
    // b = copy of a (a reborrow); writing through a while b lives is an error, through b is not.
    let two = |code: Vec<B>| ret(code).parameters(&[mutable(Token::U64)]).locals(&[mutable(Token::U64)]);
    let reborrow = [B::CopyLoc(0), B::StLoc(1)];
    let write = |local| [B::LdU64(1), B::CopyLoc(local), B::WriteRef];
    let read = |local| [B::MoveLoc(local), B::ReadRef, B::Pop];
    world.run(two([reborrow.to_vec(), write(1).to_vec(), read(1).to_vec(), read(0).to_vec()].concat())).unwrap();
    // Reading through the parent while a mutable child lives is an error too.
    let parent_read = [reborrow.to_vec(), read(0).to_vec(), write(1).to_vec()].concat();
    assert_eq!(world.verdict(two(parent_read)), StatusCode::READREF_EXISTS_MUTABLE_BORROW_ERROR);
    let parent_write = [reborrow.to_vec(), vec![B::LdU64(1), B::MoveLoc(0), B::WriteRef], read(1).to_vec()].concat();
    assert_eq!(world.verdict(two(parent_write)), StatusCode::WRITEREF_EXISTS_BORROW_ERROR);
    // A frozen reference only reads, but its parent must not write while it lives.
    let frozen = ret(vec![
        B::CopyLoc(0),
        B::FreezeRef,
        B::StLoc(1),
        B::LdU64(1),
        B::MoveLoc(0),
        B::WriteRef,
        B::MoveLoc(1),
        B::ReadRef,
        B::Pop,
    ]);
    let frozen = frozen.parameters(&[mutable(Token::U64)]).locals(&[reference(Token::U64)]);
    assert_eq!(world.verdict(frozen), StatusCode::WRITEREF_EXISTS_BORROW_ERROR);
    let freeze_parent = ret(vec![
        B::CopyLoc(0),
        B::StLoc(1),
        B::MoveLoc(0),
        B::FreezeRef,
        B::Pop,
        B::LdU64(1),
        B::MoveLoc(1),
        B::WriteRef,
    ]);
    let freeze_parent = freeze_parent.parameters(&[mutable(Token::U64)]).locals(&[mutable(Token::U64)]);
    assert_eq!(world.verdict(freeze_parent), StatusCode::FREEZEREF_EXISTS_MUTABLE_BORROW_ERROR);
}

#[test]
fn different_fields_are_different_places() {
    let world = world();
    let body = |code: Vec<B>| {
        ret(code).parameters(&[mutable(world.pair())]).locals(&[mutable(Token::U64), mutable(Token::U64)])
    };
    let borrow = |field, local| [B::CopyLoc(0), B::MutBorrowField(field), B::StLoc(local)];
    let write = |local| [B::LdU64(1), B::MoveLoc(local), B::WriteRef];
    let two_fields = [borrow(world.a, 1), borrow(world.b, 2), write(1), write(2)].concat();
    world.run(body(two_fields)).unwrap();
    // The second reference took the first one as borrowed from it.
    let one_field_twice = [borrow(world.a, 1), borrow(world.a, 2), write(2), write(1)].concat();
    assert_eq!(world.verdict(body(one_field_twice)), StatusCode::WRITEREF_EXISTS_BORROW_ERROR);
    let whole_while_part = [borrow(world.a, 1).to_vec(), vec![B::MoveLoc(0), B::ReadRef, B::Pop], write(1).to_vec()];
    assert_eq!(world.verdict(body(whole_while_part.concat())), StatusCode::READREF_EXISTS_MUTABLE_BORROW_ERROR);
    let other_field_read = vec![
        B::CopyLoc(0),
        B::MutBorrowField(world.a),
        B::StLoc(1),
        B::CopyLoc(0),
        B::ImmBorrowField(world.b),
        B::ReadRef,
        B::Pop,
        B::LdU64(1),
        B::MoveLoc(1),
        B::WriteRef,
    ];
    // The copy of the pair's reference sits between the pair and field a, so reading b through it sees only b.
    world.run(body(other_field_read)).unwrap();
    let same_field_read = vec![
        B::CopyLoc(0),
        B::MutBorrowField(world.a),
        B::StLoc(1),
        B::CopyLoc(0),
        B::ImmBorrowField(world.a),
        B::ReadRef,
        B::Pop,
        B::LdU64(1),
        B::MoveLoc(1),
        B::WriteRef,
    ];
    assert_eq!(world.verdict(body(same_field_read)), StatusCode::BORROWFIELD_EXISTS_MUTABLE_BORROW_ERROR);
}

#[test]
fn elements_of_a_vector_are_one_place() {
    let world = world();
    let body = |code: Vec<B>| {
        ret(code).parameters(&[mutable(vector(Token::U64))]).locals(&[mutable(Token::U64), mutable(Token::U64)])
    };
    let borrow = |local| [B::CopyLoc(0), B::LdU64(0), B::VecMutBorrow(world.numbers), B::StLoc(local)];
    let write = |local| [B::LdU64(1), B::MoveLoc(local), B::WriteRef];
    world.run(body([borrow(1).to_vec(), write(1).to_vec(), borrow(2).to_vec(), write(2).to_vec()].concat())).unwrap();
    let two = [borrow(1).to_vec(), borrow(2).to_vec(), write(1).to_vec(), write(2).to_vec()].concat();
    assert_eq!(world.verdict(body(two)), StatusCode::VEC_BORROW_ELEMENT_EXISTS_MUTABLE_BORROW_ERROR);
    let push = [borrow(1).to_vec(), vec![B::MoveLoc(0), B::LdU64(1), B::VecPushBack(world.numbers)], write(1).to_vec()];
    assert_eq!(world.verdict(body(push.concat())), StatusCode::VEC_UPDATE_EXISTS_MUTABLE_BORROW_ERROR);
    let pop = [borrow(1).to_vec(), vec![B::MoveLoc(0), B::VecPopBack(world.numbers), B::Pop], write(1).to_vec()];
    assert_eq!(world.verdict(body(pop.concat())), StatusCode::VEC_UPDATE_EXISTS_MUTABLE_BORROW_ERROR);
    let swap = vec![B::MoveLoc(0), B::LdU64(0), B::LdU64(1), B::VecSwap(world.numbers)];
    let swap = [borrow(1).to_vec(), swap, write(1).to_vec()].concat();
    assert_eq!(world.verdict(body(swap)), StatusCode::VEC_UPDATE_EXISTS_MUTABLE_BORROW_ERROR);
}

#[test]
fn calls_get_unshared_references_and_results_borrow_from_arguments() {
    let mut world = world();
    let two = Body::new(vec![B::Ret]).parameters(&[mutable(Token::U64), mutable(Token::U64)]);
    let two = world.builder.function("two", two);
    let pick = Body::new(vec![B::MoveLoc(0), B::Ret]);
    let pick = pick.parameters(&[mutable(Token::U64), mutable(Token::U64)]).results(&[mutable(Token::U64)]);
    let pick = world.builder.function("pick", pick);
    let view = Body::new(vec![B::MoveLoc(0), B::FreezeRef, B::Ret]);
    let view = view.parameters(&[mutable(Token::U64)]).results(&[reference(Token::U64)]);
    let view = world.builder.function("view", view);
    let locals = |code: Vec<B>| {
        ret(code).parameters(&[Token::U64, Token::U64]).locals(&[mutable(Token::U64), reference(Token::U64)])
    };
    world.run(locals(vec![B::MutBorrowLoc(0), B::MutBorrowLoc(1), B::Call(two)])).unwrap();
    let twice = locals(vec![B::MutBorrowLoc(0), B::MutBorrowLoc(0), B::Call(two)]);
    assert_eq!(world.verdict(twice), StatusCode::CALL_BORROWED_MUTABLE_REFERENCE_ERROR);
    // The result may be in either argument.
    let picked = [B::MutBorrowLoc(0), B::MutBorrowLoc(1), B::Call(pick), B::StLoc(2)];
    let then = |more: &[B]| locals([&picked, more, &[B::MoveLoc(2), B::ReadRef, B::Pop]].concat());
    assert_eq!(world.verdict(then(&[B::LdU64(9), B::StLoc(1)])), StatusCode::STLOC_UNSAFE_TO_DESTROY_ERROR);
    assert_eq!(world.verdict(then(&[B::LdU64(9), B::StLoc(0)])), StatusCode::STLOC_UNSAFE_TO_DESTROY_ERROR);
    // An immutable result of a mutable argument still borrows from it.
    let viewed = locals(vec![
        B::MutBorrowLoc(0),
        B::Call(view),
        B::StLoc(3),
        B::LdU64(1),
        B::StLoc(0),
        B::MoveLoc(3),
        B::ReadRef,
        B::Pop,
    ]);
    assert_eq!(world.verdict(viewed), StatusCode::STLOC_UNSAFE_TO_DESTROY_ERROR);
}

#[test]
fn no_reference_into_the_frame_is_returned() {
    let world = world();
    let local = Body::new(vec![B::ImmBorrowLoc(0), B::Ret]).parameters(&[Token::U64]).results(&[reference(Token::U64)]);
    assert_eq!(world.verdict(local), StatusCode::UNSAFE_RET_LOCAL_OR_RESOURCE_STILL_BORROWED);
    let global = Body::new(vec![B::MoveLoc(0), B::MutBorrowGlobal(world.resource), B::Ret])
        .parameters(&[Token::Address])
        .results(&[mutable(world.builder.type_of(world.resource))])
        .acquires(&[world.resource]);
    assert_eq!(world.verdict(global), StatusCode::UNSAFE_RET_LOCAL_OR_RESOURCE_STILL_BORROWED);
    let field = |code: Vec<B>, results: &[Token]| Body::new(code).parameters(&[mutable(world.pair())]).results(results);
    let one = [mutable(Token::U64)];
    world.run(field(vec![B::MoveLoc(0), B::MutBorrowField(world.a), B::Ret], &one)).unwrap();
    let both = [mutable(Token::U64), mutable(Token::U64)];
    let two = |x, y| vec![B::CopyLoc(0), B::MutBorrowField(x), B::MoveLoc(0), B::MutBorrowField(y), B::Ret];
    world.run(field(two(world.a, world.b), &both)).unwrap();
    let same = field(two(world.a, world.a), &both);
    assert_eq!(world.verdict(same), StatusCode::RET_BORROWED_MUTABLE_REFERENCE_ERROR);
    let part_and_whole = vec![B::CopyLoc(0), B::MutBorrowField(world.a), B::MoveLoc(0), B::Ret];
    let part_and_whole = field(part_and_whole, &[mutable(Token::U64), mutable(world.pair())]);
    assert_eq!(world.verdict(part_and_whole), StatusCode::RET_BORROWED_MUTABLE_REFERENCE_ERROR);
}

#[test]
fn resources_of_one_struct_are_one_place() {
    let mut world = world();
    let take = Body::new(vec![B::MoveLoc(0), B::MoveFrom(world.resource), B::Pop, B::Ret]);
    let take = take.parameters(&[Token::Address]).acquires(&[world.resource]);
    let take = world.builder.function("take", take);
    let type_ = world.builder.type_of(world.resource);
    let body = |code: Vec<B>| {
        let parameters = [Token::Address, Token::Address, reference(Token::Signer)];
        let body = ret(code).parameters(&parameters).locals(&[mutable(type_.clone()), reference(type_.clone())]);
        body.acquires(&[world.resource])
    };
    let hold = [B::MoveLoc(0), B::MutBorrowGlobal(world.resource), B::StLoc(3)];
    let done = [B::MoveLoc(3), B::Pop];
    let while_held = |middle: &[B]| body([&hold, middle, &done].concat());
    let conflicts: [&[B]; 4] = [
        &[B::MoveLoc(1), B::MutBorrowGlobal(world.resource), B::Pop],
        &[B::MoveLoc(1), B::ImmBorrowGlobal(world.resource), B::Pop],
        &[B::MoveLoc(1), B::MoveFrom(world.resource), B::Pop],
        &[B::MoveLoc(1), B::Call(take)],
    ];
    for conflict in conflicts {
        assert_eq!(world.verdict(while_held(conflict)), StatusCode::GLOBAL_REFERENCE_ERROR);
        world.run(body([&hold[..], &done, conflict].concat())).unwrap();
    }
    world.run(while_held(&[B::MoveLoc(1), B::Exists(world.resource), B::Pop])).unwrap();
    let put = [B::MoveLoc(2), B::LdU64(1), B::Pack(world.resource), B::MoveTo(world.resource)];
    world.run(while_held(&put)).unwrap();
    let two_readers = [
        B::MoveLoc(0),
        B::ImmBorrowGlobal(world.resource),
        B::StLoc(4),
        B::MoveLoc(1),
        B::ImmBorrowGlobal(world.resource),
        B::Pop,
        B::MoveLoc(4),
        B::Pop,
    ];
    world.run(body(two_readers.to_vec())).unwrap();
}

#[test]
fn resources_of_one_generic_struct_are_one_place_whatever_the_arguments() {
    let mut builder = Builder::new("m");
    let resource = builder.generic_struct("G", "key", &[("store", false)], &[("v", Token::TypeParameter(0))]);
    let of_u8 = builder.struct_instance(resource, &[Token::U8]);
    let of_u64 = builder.struct_instance(resource, &[Token::U64]);
    let held = mutable(builder.type_with(resource, &[Token::U8]));
    let code = vec![
        B::CopyLoc(0),
        B::MutBorrowGlobalGeneric(of_u8),
        B::StLoc(1),
        B::MoveLoc(0),
        B::MutBorrowGlobalGeneric(of_u64),
        B::Pop,
        B::MoveLoc(1),
        B::Pop,
        B::Ret,
    ];
    builder.function("f", Body::new(code).parameters(&[Token::Address]).locals(&[held]).acquires(&[resource]));
    assert_eq!(builder.status(), StatusCode::GLOBAL_REFERENCE_ERROR);
}

#[test]
fn both_branches_of_a_conditional_borrow_count() {
    let world = world();
    // r = if (true) &mut x else &mut y; then x, then y is overwritten while r lives.
    let conditional = |overwritten: u8, is_live: bool| {
        let mut code = vec![
            B::LdTrue,
            B::BrFalse(5),
            B::MutBorrowLoc(0),
            B::StLoc(2),
            B::Branch(7),
            B::MutBorrowLoc(1),
            B::StLoc(2),
        ];
        let overwrite = [B::LdU64(9), B::StLoc(overwritten)];
        let finish = [B::MoveLoc(2), B::ReadRef, B::Pop];
        if is_live {
            code.extend(overwrite.into_iter().chain(finish));
        } else {
            code.extend(finish.into_iter().chain(overwrite));
        }
        ret(code).parameters(&[Token::U64, Token::U64]).locals(&[mutable(Token::U64)])
    };
    for local in [0, 1] {
        let verdict = world.verdict(conditional(local, true));
        assert_eq!(verdict, StatusCode::STLOC_UNSAFE_TO_DESTROY_ERROR);
        world.run(conditional(local, false)).unwrap();
    }
}

#[test]
fn a_reference_kept_round_a_loop_is_found() {
    let world = world();
    // r borrows y before the loop, and x from the first round on: the second round overwrites x.
    let round = |more: &[B]| {
        let before = [B::MutBorrowLoc(1), B::StLoc(2)];
        let start = [B::LdU64(1), B::StLoc(0), B::MutBorrowLoc(0), B::StLoc(2)];
        let end = [B::LdTrue, B::BrTrue(2), B::MoveLoc(2), B::Pop];
        let code = [&before[..], &start, more, &end].concat();
        ret(code).parameters(&[Token::U64, Token::U64]).locals(&[mutable(Token::U64)])
    };
    let error = world.run(round(&[])).unwrap_err();
    assert_eq!((error.status, error.location.offset), (StatusCode::STLOC_UNSAFE_TO_DESTROY_ERROR, Some(3)));
    world.run(round(&[B::MutBorrowLoc(1), B::StLoc(2)])).unwrap();
}

#[test]
fn comparing_reads_both_sides() {
    let world = world();
    let three = |code: Vec<B>| ret(code).parameters(&vec![mutable(Token::U64); 3]);
    let reborrow = [B::CopyLoc(0), B::StLoc(1)];
    let compare = [B::MoveLoc(0), B::CopyLoc(2), B::Eq, B::Pop];
    let write = [B::LdU64(1), B::MoveLoc(1), B::WriteRef];
    let shared = three([&reborrow[..], &compare, &write].concat());
    assert_eq!(world.verdict(shared), StatusCode::READREF_EXISTS_MUTABLE_BORROW_ERROR);
    world.run(three([&reborrow[..], &write, &compare].concat())).unwrap();
}

#[test]
fn fields_of_a_variant_keep_the_enum_borrowed() {
    let mut builder = Builder::new("m");
    let shape = builder.enumeration("E", "drop copy", &[("A", &[("x", Token::U64), ("y", Token::U64)]), ("B", &[])]);
    let (a, b) = (builder.variant(shape, 0), builder.variant(shape, 1));
    let type_ = builder.enum_type(shape);
    let run = |middle: Vec<B>| {
        let mut builder = builder.clone();
        let unpack = vec![B::CopyLoc(0), B::UnpackVariantMutRef(a), B::StLoc(2), B::StLoc(1)];
        let write = |local| vec![B::LdU64(1), B::MoveLoc(local), B::WriteRef];
        let code = [unpack, middle, write(1), write(2)].concat();
        let number = mutable(Token::U64);
        builder.function("f", ret(code).parameters(&[mutable(type_.clone())]).locals(&[number.clone(), number]));
        builder.verify()
    };
    run(vec![]).unwrap();
    let overwrite = vec![B::PackVariant(b), B::CopyLoc(0), B::WriteRef];
    // The copy is what the fields borrow from.
    assert_eq!(status(run(overwrite)), StatusCode::WRITEREF_EXISTS_BORROW_ERROR);
    let read = vec![B::CopyLoc(0), B::ReadRef, B::Pop];
    assert_eq!(status(run(read)), StatusCode::READREF_EXISTS_MUTABLE_BORROW_ERROR);
}

/// Many references that may borrow from many others: bounded by the meter, not by patience.
#[test]
fn large_borrow_graphs_run_out_of_units() {
    let mut builder = Builder::new("m");
    let many = vec![mutable(Token::U64); 60];
    let spread = Body::new([(0..60).map(B::MoveLoc).collect(), vec![B::Ret]].concat());
    let spread = builder.function("spread", spread.parameters(&many).results(&many));
    let store: Vec<_> = (60..120).rev().map(B::StLoc).collect();
    let first = (0..60).map(B::CopyLoc).chain([B::Call(spread)]).chain(store.clone());
    let round: Vec<_> = (60..120).map(B::CopyLoc).chain([B::Call(spread)]).chain(store).collect();
    let code = first.chain(vec![round; 200].concat()).chain([B::Ret]).collect();
    builder.function("f", Body::new(code).parameters(&many).locals(&many));
    let limits = Limits { pushes_per_block: u64::MAX, ..Limits::default() };
    assert_eq!(status(verify_module(&builder.module, &limits)), StatusCode::PROGRAM_TOO_COMPLEX);
}
