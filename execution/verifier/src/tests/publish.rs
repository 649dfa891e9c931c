//! Linking, cycles, upgrades, entry functions, attributes, packages, scripts.

use noema_bytecode::Bytecode as B;
use noema_execution_api::module_metadata::{ErrorDescription, MODULE_METADATA_KEY, ModuleMetadata};

use super::*;
use crate::{
    check_publishable, check_upgrade, check_upgrade_in_package, verify_linked, verify_package, verify_script,
    verify_script_linked,
};

fn source(builders: &[&Builder]) -> Source {
    builders.iter().map(|one| (one.module.self_id(), Arc::new(one.module.clone()))).collect()
}

fn linked(builder: &Builder, others: &[&Builder]) -> Result<(), VerifyError> {
    builder.verify()?;
    verify_linked(&builder.module, &source(others), &Limits::default())
}

/// `lib` with struct S and functions of each visibility; `user` is a friend.
fn library() -> Builder {
    let mut lib = Builder::new("lib");
    lib.generic_struct("S", "drop store", &[("copy", false)], &[("v", Token::TypeParameter(0))]);
    for (name, visibility) in
        [("open", Visibility::Public), ("for_friends", Visibility::Friend), ("closed", Visibility::Private)]
    {
        lib.function(name, Body::new(vec![B::Ret]).parameters(&[Token::U64]));
        lib.last_function().visibility = visibility;
    }
    let name = lib.name("user");
    lib.module.friend_decls.push(ModuleHandle { address: AddressIdentifierIndex(0), name });
    lib.verify().unwrap();
    lib
}

/// A module that calls `lib::function(parameters)`.
fn caller(name: &str, function: &str, parameters: &[Token]) -> Builder {
    let mut user = Builder::new(name);
    let lib = user.other_module("lib");
    let claimed = Body::new(vec![]).parameters(parameters);
    let handle = user.handle_in(lib, function, &claimed);
    let pushes = parameters.iter().map(|_| B::LdU64(1)).collect();
    user.function("f", Body::new([pushes, vec![B::Call(handle), B::Ret]].concat()));
    user
}

#[test]
fn functions_link_by_name_visibility_and_signature() {
    let lib = library();
    linked(&caller("user", "open", &[Token::U64]), &[&lib]).unwrap();
    linked(&caller("user", "for_friends", &[Token::U64]), &[&lib]).unwrap();
    let verdict = |user: &Builder| status(linked(user, &[&lib]));
    assert_eq!(verdict(&caller("user", "closed", &[Token::U64])), StatusCode::LOOKUP_FAILED);
    assert_eq!(verdict(&caller("user", "absent", &[Token::U64])), StatusCode::LOOKUP_FAILED);
    assert_eq!(verdict(&caller("stranger", "for_friends", &[Token::U64])), StatusCode::LOOKUP_FAILED);
    assert_eq!(verdict(&caller("user", "open", &[])), StatusCode::TYPE_MISMATCH);
    let user = caller("user", "open", &[Token::U64]);
    assert_eq!(status(linked(&user, &[])), StatusCode::MISSING_DEPENDENCY);
}

#[test]
fn structs_link_by_abilities_and_type_parameters() {
    let lib = library();
    let claim = |name: &str, has: &str, type_parameters: &[(&str, bool)]| {
        let mut user = Builder::new("user");
        let handle = user.other_module("lib");
        user.datatype_of(handle, name, has, type_parameters);
        linked(&user, &[&lib])
    };
    claim("S", "drop store", &[("copy", false)]).unwrap();
    claim("S", "drop", &[("copy drop", false)]).unwrap();
    assert_eq!(status(claim("S", "copy drop store", &[("copy", false)])), StatusCode::TYPE_MISMATCH);
    assert_eq!(status(claim("S", "drop", &[("", false)])), StatusCode::TYPE_MISMATCH);
    assert_eq!(status(claim("S", "drop", &[("copy", true)])), StatusCode::TYPE_MISMATCH);
    assert_eq!(status(claim("S", "drop", &[])), StatusCode::TYPE_MISMATCH);
    assert_eq!(status(claim("T", "drop", &[])), StatusCode::LOOKUP_FAILED);
}

#[test]
fn modules_do_not_use_each_other_in_a_circle() {
    let using = |name: &str, used: &[&str]| {
        let mut builder = Builder::new(name);
        for other in used {
            builder.other_module(other);
        }
        builder
    };
    let (a, b, c) = (using("a", &["b"]), using("b", &["c"]), using("c", &["a"]));
    assert_eq!(status(linked(&a, &[&b, &c])), StatusCode::CYCLIC_MODULE_DEPENDENCY);
    let end = using("c", &[]);
    linked(&a, &[&b, &end]).unwrap();
    // A circle that does not pass the module itself is found too.
    let back = using("c", &["b"]);
    assert_eq!(status(linked(&a, &[&b, &back])), StatusCode::CYCLIC_MODULE_DEPENDENCY);
}

#[test]
fn friends_are_not_used_and_not_friends_in_a_circle() {
    let befriending = |name: &str, friend: &str| {
        let mut builder = Builder::new(name);
        let friend = builder.name(friend);
        builder.module.friend_decls.push(ModuleHandle { address: AddressIdentifierIndex(0), name: friend });
        builder
    };
    let (a, b) = (befriending("a", "b"), befriending("b", "a"));
    assert_eq!(status(linked(&a, &[&b])), StatusCode::CYCLIC_MODULE_FRIENDSHIP);
    linked(&a, &[]).unwrap();
    let mut both = befriending("a", "b");
    both.other_module("b");
    let verdict = status(linked(&both, &[&Builder::new("b")]));
    assert_eq!(verdict, StatusCode::INVALID_FRIEND_DECL_WITH_MODULES_IN_DEPENDENCIES);
}

#[test]
fn chains_of_use_are_limited() {
    let chain = |length: usize| {
        let modules: Vec<_> = (0..=length)
            .map(|number| {
                let mut builder = Builder::new(&format!("m{number}"));
                if number < length {
                    builder.other_module(&format!("m{}", number + 1));
                }
                builder
            })
            .collect();
        let others: Vec<_> = modules.iter().collect();
        linked(&modules[0], &others)
    };
    chain(100).unwrap();
    assert_eq!(status(chain(101)), StatusCode::MAX_DEPENDENCY_DEPTH_REACHED);
}

#[test]
fn an_upgrade_keeps_what_others_rely_on() {
    let old = library().module;
    check_upgrade(&old, &old).unwrap();
    let breakages: [fn(&mut CompiledModule); 8] = [
        |m| m.function_defs[0].visibility = Visibility::Friend,
        |m| m.function_defs[1].visibility = Visibility::Private,
        |m| m.function_handles[0].type_parameters.push(AbilitySet::EMPTY),
        |m| m.signatures[0] = Signature(vec![Token::U8]),
        |m| m.datatype_handles[0].abilities = abilities("drop"),
        |m| m.datatype_handles[0].type_parameters[0].constraints = abilities("copy drop"),
        |m| m.struct_defs[0].fields = StructFieldInformation::Native,
        |m| m.friend_decls.clear(),
    ];
    for (number, breakage) in breakages.into_iter().enumerate() {
        let mut new = old.clone();
        breakage(&mut new);
        let verdict = status(check_upgrade(&old, &new));
        assert_eq!(verdict, StatusCode::BACKWARD_INCOMPATIBLE_MODULE_UPDATE, "breakage {number}");
    }
}

#[test]
fn an_upgrade_may_add() {
    let old = library();
    let mut new = old.clone();
    new.structure("New", "drop", &[("v", Token::U8)]);
    new.function("new", Body::new(vec![B::Ret]));
    new.module.function_defs[2].visibility = Visibility::Public;
    new.module.datatype_handles[0].abilities = abilities("drop store copy");
    check_upgrade(&old.module, &new.module).unwrap();
    assert!(check_upgrade(&new.module, &old.module).is_err());
}

#[test]
fn friend_functions_may_change_when_all_friends_are_replaced() {
    let old = library().module;
    let mut new = old.clone();
    new.function_defs[1].visibility = Visibility::Private;
    assert!(check_upgrade_in_package(&old, &new, &[id("lib")].into()).is_err());
    check_upgrade_in_package(&old, &new, &[id("lib"), id("user")].into()).unwrap();
}

#[test]
fn variants_and_entries_are_kept() {
    let mut old = Builder::new("m");
    old.enumeration("E", "drop", &[("A", &[]), ("B", &[("v", Token::U8)])]);
    old.function("main", Body::new(vec![B::Ret]));
    old.last_function().is_entry = true;
    let mut new = old.clone();
    new.module.enum_defs[0].variants.swap(0, 1);
    assert!(check_upgrade(&old.module, &new.module).is_err());
    let mut new = old.clone();
    new.last_function().is_entry = false;
    assert!(check_upgrade(&old.module, &new.module).is_err());
}

fn with_entry(parameters: &[Token], results: &[Token]) -> Result<(), VerifyError> {
    let mut builder = Builder::new("m");
    let string = builder.other_module("string");
    let option = builder.other_module("option");
    builder.datatype_of(string, "String", "copy drop store", &[]);
    builder.datatype_of(option, "Option", "copy drop store", &[("", false)]);
    let code = vec![B::LdU64(1), B::Abort];
    builder.function("main", Body::new(code).parameters(parameters).results(results));
    builder.last_function().is_entry = true;
    builder.verify().unwrap();
    check_publishable(&builder.module)
}

#[test]
fn entry_functions_take_what_a_transaction_can_pass() {
    let string = Token::Datatype(DatatypeHandleIndex(0));
    let option = |inner| Token::DatatypeInstantiation(Box::new((DatatypeHandleIndex(1), vec![inner])));
    let signer = reference(Token::Signer);
    with_entry(&[signer.clone(), Token::Signer, Token::U256, vector(vector(Token::U8)), Token::Address], &[]).unwrap();
    with_entry(&[string.clone(), option(string), vector(option(Token::Bool))], &[]).unwrap();
    let refused =
        [vec![reference(Token::U8)], vec![Token::U8, signer], vec![vector(Token::Signer)], vec![option(Token::Signer)]];
    for parameters in refused {
        assert_eq!(status(with_entry(&parameters, &[])), StatusCode::INVALID_MAIN_FUNCTION_SIGNATURE);
    }
    assert_eq!(status(with_entry(&[], &[Token::U8])), StatusCode::INVALID_MAIN_FUNCTION_SIGNATURE);
}

#[test]
fn a_look_alike_of_string_is_not_string() {
    let mut builder = Builder::new("m");
    let fake = builder.structure("String", "drop", &[("bytes", vector(Token::U8))]);
    builder.function("main", Body::new(vec![B::Ret]).parameters(&[builder.type_of(fake)]));
    builder.last_function().is_entry = true;
    assert_eq!(status(check_publishable(&builder.module)), StatusCode::INVALID_MAIN_FUNCTION_SIGNATURE);
}

fn with_metadata(value: Vec<u8>) -> Result<(), VerifyError> {
    let mut builder = Builder::new("m");
    builder.structure("Event", "drop store", &[("v", Token::U64)]);
    builder.structure("Coin", "store", &[("v", Token::U64)]);
    builder.function("size", Body::new(vec![B::LdU64(1), B::Ret]).results(&[Token::U64]));
    builder.function("nothing", Body::new(vec![B::Ret]));
    let of_signer = Body::new(vec![B::LdU64(1), B::Ret]).parameters(&[reference(Token::Signer)]);
    builder.function("of_signer", of_signer.results(&[Token::U64]));
    builder.module.metadata.push(Metadata { key: MODULE_METADATA_KEY.to_vec(), value });
    builder.verify().unwrap();
    check_publishable(&builder.module)
}

#[test]
fn attributes_are_true() {
    let verify = |metadata: ModuleMetadata| with_metadata(metadata.to_bytes().unwrap());
    let views = |names: &[&str]| ModuleMetadata {
        view_functions: names.iter().map(|name| (*name).to_owned()).collect(),
        ..ModuleMetadata::default()
    };
    let events = |names: &[&str]| ModuleMetadata {
        event_structs: names.iter().map(|name| (*name).to_owned()).collect(),
        ..ModuleMetadata::default()
    };
    verify(views(&["size"])).unwrap();
    verify(events(&["Event"])).unwrap();
    for wrong in [views(&["absent"]), views(&["nothing"]), views(&["of_signer"]), views(&["size", "size"])] {
        assert_eq!(status(verify(wrong)), StatusCode::CONSTRAINT_NOT_SATISFIED);
    }
    for wrong in [events(&["Absent"]), events(&["Coin"])] {
        assert_eq!(status(verify(wrong)), StatusCode::CONSTRAINT_NOT_SATISFIED);
    }
    let error = |code| ErrorDescription { code, name: "E".into(), description: String::new() };
    let unsorted = ModuleMetadata { error_map: vec![error(2), error(1)], ..ModuleMetadata::default() };
    assert_eq!(status(verify(unsorted)), StatusCode::CONSTRAINT_NOT_SATISFIED);
    assert_eq!(status(with_metadata(vec![1, 2, 3])), StatusCode::VALUE_DESERIALIZATION_ERROR);
}

#[test]
fn packages_are_verified_linked_and_compared_with_what_they_replace() {
    let lib = library();
    let user = caller("user", "for_friends", &[Token::U64]);
    let modules =
        |builders: &[&Builder]| -> Vec<_> { builders.iter().map(|one| Arc::new(one.module.clone())).collect() };
    let limits = Limits::default();
    verify_package(&modules(&[&user, &lib]), &Source::new(), &limits).unwrap();
    let alone = verify_package(&modules(&[&user]), &Source::new(), &limits);
    assert_eq!(status(alone), StatusCode::MISSING_DEPENDENCY);
    verify_package(&modules(&[&user]), &source(&[&lib]), &limits).unwrap();
    let twice = verify_package(&modules(&[&lib, &lib]), &Source::new(), &limits);
    assert_eq!(status(twice), StatusCode::DUPLICATE_MODULE_NAME);
    let mut new = lib.clone();
    new.module.function_defs[0].visibility = Visibility::Private;
    let upgrade = verify_package(&modules(&[&new]), &source(&[&lib]), &limits);
    assert_eq!(status(upgrade), StatusCode::BACKWARD_INCOMPATIBLE_MODULE_UPDATE);
}

fn script(parameters: &[Token], code: Vec<B>, call: Option<(&str, &[Token])>) -> CompiledScript {
    let mut builder = Builder::new("unused");
    builder.module.identifiers.clear();
    builder.module.module_handles.clear();
    let parameters = builder.signature(parameters);
    let locals = builder.signature(&[]);
    if let Some((name, types)) = call {
        let lib = builder.other_module("lib");
        builder.handle_in(lib, name, &Body::new(vec![]).parameters(types));
    }
    let mut module = builder.module;
    module.self_module_handle = ModuleHandleIndex::new(module.module_handles.len());
    module.module_handles.push(ModuleHandle {
        address: AddressIdentifierIndex::new(module.address_identifiers.len()),
        name: IdentifierIndex::new(module.identifiers.len()),
    });
    module.identifiers.push(Identifier::new("<SELF>").unwrap());
    module.address_identifiers.push(Address::ZERO);
    CompiledScript { module, type_parameters: vec![], parameters, code: CodeUnit { locals, code, jump_tables: vec![] } }
}

#[test]
fn scripts_are_held_to_the_same_rules() {
    let limits = Limits::default();
    let verify = |script: &CompiledScript| verify_script(script, &limits);
    verify(&script(&[Token::Signer, Token::U64], vec![B::Ret], None)).unwrap();
    let unassigned = script(&[Token::U64], vec![B::MoveLoc(0), B::Pop, B::MoveLoc(0), B::Pop, B::Ret], None);
    let error = verify(&unassigned).unwrap_err();
    assert_eq!(error.status, StatusCode::MOVELOC_UNAVAILABLE_ERROR);
    assert_eq!(error.location.module, None);
    let unfit = script(&[mutable(Token::U64)], vec![B::Ret], None);
    assert_eq!(status(verify(&unfit)), StatusCode::INVALID_MAIN_FUNCTION_SIGNATURE);
    let calls =
        |name| script(&[], vec![B::LdU64(1), B::Call(FunctionHandleIndex(0)), B::Ret], Some((name, &[Token::U64])));
    let lib = source(&[&library()]);
    verify(&calls("open")).unwrap();
    verify_script_linked(&calls("open"), &lib).unwrap();
    assert_eq!(status(verify_script_linked(&calls("for_friends"), &lib)), StatusCode::LOOKUP_FAILED);
}
