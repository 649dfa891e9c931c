use proptest::prelude::*;

use super::test_plan::{FailureKind, FailurePattern, Outcome, TestPlan};
use super::*;
use crate::diagnostics::Files;

fn addresses() -> Arc<NamedAddresses> {
    Arc::new(BTreeMap::from([
        (Symbol::from("std"), Address::ONE),
        (Symbol::from("me"), Address::from_u8(0x42)),
        (Symbol::from("also_me"), Address::from_u8(0x42)),
    ]))
}

fn expand_text(text: &str, test: bool) -> (Files, Program, Diagnostics) {
    expand_packages(&[("app", text, true)], test)
}

fn expand_packages(packages: &[(&str, &str, bool)], test: bool) -> (Files, Program, Diagnostics) {
    let mut files = Files::new();
    let mut diagnostics = Diagnostics::new();
    let units = packages
        .iter()
        .map(|(name, text, is_target)| {
            let file = files.add(format!("{name}.move"), *text);
            PackageUnits {
                name: Symbol::from(*name),
                is_target: *is_target,
                edition: Edition::Noema,
                addresses: addresses(),
                units: vec![crate::parse::parse(file, text, &mut diagnostics)],
            }
        })
        .collect();
    let program = expand(units, test, &mut diagnostics);
    (files, program, diagnostics)
}

fn expand_well(text: &str, test: bool) -> Program {
    let (files, program, diagnostics) = expand_text(text, test);
    assert!(diagnostics.is_empty(), "{}", diagnostics.render(&files, false));
    program
}

fn only(program: &Program) -> &ExpandedModule {
    assert_eq!(program.modules.len(), 1);
    program.modules.values().next().unwrap()
}

fn function_names(module: &ExpandedModule) -> Vec<&str> {
    module.functions.iter().map(|one| one.item.name.value.as_str()).collect()
}

/// The codes of a text's messages; of a special case the general one.
fn codes_of(text: &str, test: bool) -> Vec<&'static str> {
    let (_, _, diagnostics) = expand_text(text, test);
    diagnostics.sorted().iter().map(|one| one.code.general().unwrap_or(one.code).as_str()).collect()
}

const TESTED: &str = "module me::m {
    use std::debug;
    #[test_only] use std::extra;
    const E_A: u64 = 5;
    const E_B: u64 = E_A * 2 + (1 as u64);
    #[error] const E_C: vector<u8> = b\"bad\";
    #[test_only] const T: u64 = 1;
    #[test_only] struct Only {}
    #[test_only] fun helper() {}
    #[verify_only] fun never() {}
    fun kept() {}
    #[test] fun t1() {}
    #[test(b = @std, a = @0x7)] fun t2(a: signer, b: &signer) {}
    #[test, expected_failure] fun t3() {}
    #[test] #[expected_failure(abort_code = E_B)] fun t4() {}
    #[test, expected_failure(abort_code = me::m::E_C)] fun t5() {}
    #[test, expected_failure(abort_code = 7, location = std::debug)] fun t6() {}
    #[test, expected_failure(arithmetic_error, location = Self)] fun t7() {}
    #[test, expected_failure(vector_error, minor_status = 3, location = debug)] fun t8() {}
    #[test, expected_failure(out_of_gas, location = Self)] fun t9() {}
    #[test, expected_failure(major_status = 4016, minor_status = E_A, location = Self)] fun t10() {}
}";

#[test]
fn modes_filter_members() {
    let plain = expand_well(TESTED, false);
    let module = only(&plain);
    assert_eq!(function_names(module), ["kept"]);
    assert_eq!((module.constants.len(), module.structs.len(), module.uses.len()), (3, 0, 1));
    assert!(TestPlan::new(&plain, &mut Diagnostics::new()).is_empty());
    let tested = expand_well(TESTED, true);
    let module = only(&tested);
    assert_eq!(module.functions.len(), 12);
    assert!(!function_names(module).contains(&"never"));
    assert_eq!((module.constants.len(), module.structs.len(), module.uses.len()), (4, 1, 2));
}

#[test]
fn whole_modules_are_filtered() {
    let text = "#[test_only] module me::a {} module me::b {} #[test_only] address me { module c {} } spec me::b {}";
    assert_eq!(expand_well(text, false).modules.len(), 1);
    assert_eq!(expand_well(text, true).modules.len(), 3);
}

#[test]
fn test_plan() {
    let program = expand_well(TESTED, true);
    let mut diagnostics = Diagnostics::new();
    let plan = TestPlan::new(&program, &mut diagnostics);
    assert!(diagnostics.is_empty());
    assert_eq!(plan.len(), 10);
    let me = ModuleIdent { address: Address::from_u8(0x42), name: Symbol::from("m") };
    let debug = ModuleIdent { address: Address::ONE, name: Symbol::from("debug") };
    let cases = &plan.modules[&me];
    let failure =
        |kind, location: &ModuleIdent| Outcome::Failure(FailurePattern { kind, location: Some(location.clone()) });
    let expected = [
        Outcome::Pass,
        Outcome::Pass,
        Outcome::AnyFailure,
        failure(FailureKind::Abort(11), &me),
        failure(FailureKind::ErrorConstant { module: me.clone(), name: Symbol::from("E_C") }, &me),
        failure(FailureKind::Abort(7), &debug),
        failure(FailureKind::Arithmetic, &me),
        failure(FailureKind::Vector(Some(3)), &debug),
        failure(FailureKind::OutOfGas, &me),
        failure(FailureKind::Status { major: 4016, minor: Some(5) }, &me),
    ];
    let outcomes: Vec<&Outcome> = cases.iter().map(|case| &case.outcome).collect();
    assert_eq!(outcomes, expected.iter().collect::<Vec<_>>());
    assert_eq!(cases[1].signers, [Address::from_u8(7), Address::ONE]);
}

#[test]
fn tests_of_dependencies_are_left_out_and_their_helpers_kept() {
    let dependency = "module std::d { #[test] fun t() {} #[test_only] public fun helper() {} }";
    let (_, program, diagnostics) =
        expand_packages(&[("dep", dependency, false), ("app", "module me::m {}", true)], true);
    assert!(diagnostics.is_empty());
    let module = program.modules.values().find(|module| module.name.value == "d").unwrap();
    assert_eq!(function_names(module), ["helper"]);
    assert!(!module.is_target);
}

#[test]
fn identity_is_the_value_of_the_address() {
    let text = "module me::m {}\nmodule also_me::m {}\n";
    assert_eq!(codes_of(text, false), ["E0301"]);
    let (files, _, diagnostics) = expand_text(text, false);
    insta::assert_snapshot!(diagnostics.render(&files, false));
}

#[test]
fn uses_are_resolved() {
    let program =
        expand_well("module me::m { use std::a; use std::b::{Self as c, x as y}; use fun std::a::f as T.g; }", false);
    let shown: Vec<String> = only(&program)
        .uses
        .iter()
        .map(|one| match &one.kind {
            ast::ExpandedUseKind::Module { module, name } => format!("{module} as {}", name.value),
            ast::ExpandedUseKind::Member { module, member, name } => {
                format!("{module}::{} as {}", member.value, name.value)
            }
            ast::ExpandedUseKind::Method { method, .. } => format!("fun {}", method.value),
        })
        .collect();
    assert_eq!(shown, ["0x1::a as a", "0x1::b as c", "0x1::b::x as y", "fun g"]);
}

#[test]
fn unassigned_address() {
    let (files, program, diagnostics) =
        expand_text("module nowhere::m {}\nmodule me::n { use nobody::x; friend me::f; }\n", false);
    assert_eq!(program.modules.len(), 1);
    insta::assert_snapshot!(diagnostics.render(&files, false));
}

#[test]
fn attributes_are_read() {
    let program = expand_well(
        "#[allow(unused_const, lint(self_transfer))] module me::m {
            #[event] struct A has drop {}
            #[resource_group(scope = module_)] struct G {}
            #[resource_group_member(group = me::m::G)] struct M has key {}
            #[error(code = 9)] const E: vector<u8> = b\"\";
            #[view] fun v() {}
            #[syntax(index)] fun i() {}
            #[ext(anything)] #[ext(else)] fun x() {}
        }",
        false,
    );
    let module = only(&program);
    let allowed: Vec<&str> = module.attributes.allow.iter().map(|name| name.value.as_str()).collect();
    assert_eq!(allowed, ["unused_const", "self_transfer"]);
    assert!(module.structs[0].attributes.event.is_some());
    assert_eq!(module.structs[1].attributes.resource_group.as_ref().unwrap().0, "module_");
    assert_eq!(module.structs[2].attributes.resource_group_member.as_ref().unwrap().0.to_string(), "me::m::G");
    assert_eq!(module.constants[0].attributes.error.unwrap().code, Some(9));
    assert!(module.functions[0].attributes.view.is_some());
    assert!(module.functions[1].attributes.syntax_index.is_some());
}

#[test]
fn wrong_attributes() {
    for (text, code) in [
        ("#[view] struct S {}", "E0303"),
        ("#[event] fun f() {}", "E0303"),
        ("#[test] struct S {}", "E0303"),
        ("#[test_only, expected_failure] fun f() {}", "E0303"),
        ("#[error(code = 256)] const E: vector<u8> = b\"\";", "E0303"),
        ("#[resource_group] struct S {}", "E0303"),
        ("#[test, test] fun f() {}", "E0307"),
        ("#[test] fun f(a: signer) {}", "E0304"),
        ("#[test(a = @0x1)] fun f() {}", "E0304"),
        ("#[test(a = 5u8)] fun f(a: signer) {}", "E0304"),
        ("#[test(a = @0x1)] fun f(a: u64) {}", "E0304"),
        ("#[test] fun f<T>() {}", "E0304"),
        ("#[test, expected_failure(nonsense)] fun f() {}", "E0303"),
        ("#[test, expected_failure(abort_code = 1, out_of_gas)] fun f() {}", "E0303"),
        ("#[test, expected_failure(abort_code = b\"x\")] fun f() {}", "E0303"),
        ("#[test, expected_failure(out_of_gas, minor_status = 1)] fun f() {}", "E0303"),
        ("#[test, expected_failure(abort_code = 1)] fun f() {}", "W0302"),
        ("#[surprise] fun f() {} #[surprise] fun g() {}", "W0301"),
        ("friend me::x; public(package) fun f() {}", "E0306"),
    ] {
        let codes = codes_of(&format!("module me::m {{ {text} }}"), true);
        assert!(codes.contains(&code), "{text}: {codes:?}");
        assert!(codes.len() <= 2, "{text}: {codes:?}");
    }
    let (_, program, mut diagnostics) =
        expand_text("module me::m { #[test, expected_failure(abort_code = E_NO)] fun f() {} }", true);
    assert!(TestPlan::new(&program, &mut diagnostics).is_empty());
    assert_eq!(diagnostics.sorted()[0].code, codes::BAD_TEST);
}

#[test]
fn unknown_attributes_warn_once_per_name() {
    let (files, _, diagnostics) = expand_text(
        "module me::m {\n    #[veiw] fun f() {}\n    #[veiw] fun g() {}\n    #[mine] fun h() {}\n}\n",
        false,
    );
    insta::assert_snapshot!(diagnostics.render(&files, false));
}

#[test]
fn scripts() {
    let program = expand_well("script { use std::debug; const C: u64 = 1; fun main(a: signer) {} }", false);
    assert_eq!(program.scripts.len(), 1);
    for text in ["script { }", "script { fun a() {} fun b() {} }", "script { struct S {} fun a() {} }"] {
        assert_eq!(codes_of(text, false), ["E0305"], "{text}");
    }
}

#[test]
fn refusals_are_named() {
    for text in [
        "fun f(): i64 { 1 }",
        "fun f(): u64 { 1i8 }",
        "fun f(): u64 { -1 }",
        "struct S { x: i256 }",
        "struct S { f: |u64| u64 }",
        "fun f(g: |u64| u64) {}",
        "fun f() { let g = |x| x; }",
        "fun f() { (g)(1) }",
        "fun f(v: vector<vector<i8>>) {}",
        "inline fun f(): |u64| u64 { abort 1 }",
    ] {
        let codes = codes_of(&format!("module me::m {{ {text} }}"), false);
        assert!(codes.iter().all(|code| *code == "E0901") && !codes.is_empty(), "{text}: {codes:?}");
    }
    expand_well(
        "module me::m { inline fun each(f: |u64|) { f(1) } macro fun m($f: |u64| -> u64): u64 { $f(1) } fun g() { each(|x| ()); m!(|x| x); v.map!(|x| x) } }",
        false,
    );
}

#[test]
fn refusal_message() {
    let (files, _, diagnostics) =
        expand_text("module me::m {\n    fun f(x: i64): i64 { x }\n    fun g() { let h = |x| x + 1; }\n}\n", false);
    insta::assert_snapshot!(diagnostics.render(&files, false));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn attribute_soup_never_panics(words in prop::collection::vec(prop::sample::select(vec![
        "#[", "]", "(", ")", "=", ",", "test", "test_only", "expected_failure", "abort_code", "location", "Self", "me::m", "1",
        "@std", "@nobody", "view", "fun f(a: signer) {}", "struct S {}", "const E: u64 = E;", "E", "minor_status", "vector_error",
        "use std::x;", "friend y;", "major_status", "error", "code",
    ]), 0..40)) {
        let text = format!("module me::m {{ {} }}", words.join(" "));
        let (_, program, mut diagnostics) = expand_text(&text, true);
        let plan = TestPlan::new(&program, &mut diagnostics);
        prop_assert!(plan.len() <= words.len());
    }
}
