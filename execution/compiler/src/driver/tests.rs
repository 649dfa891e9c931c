//! Verdicts of whole programs: every case of `semantics.txt` compiles or is refused with the code it names.

use std::path::Path;

use super::*;

/// The standard library's sources.
fn stdlib() -> SourcePackage {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../move-stdlib/sources");
    let mut sources: Vec<(String, String)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "move"))
        .map(|path| (path.display().to_string(), std::fs::read_to_string(&path).unwrap()))
        .collect();
    sources.sort();
    SourcePackage { name: "MoveStdlib".into(), sources, addresses: [("std".to_owned(), Address::from_u8(1))].into() }
}

fn package(text: &str) -> SourcePackage {
    let text = if text.trim_start().starts_with("module") || text.trim_start().starts_with("script") {
        text.to_owned()
    } else {
        format!("module 0x42::m {{\n{text}}}\n")
    };
    SourcePackage {
        name: "case".into(),
        sources: vec![("case.move".into(), text)],
        addresses: [("std".to_owned(), Address::from_u8(1))].into(),
    }
}

/// Compiles a case beside the standard library.
fn compile(text: &str) -> Result<CompiledProgram, CompileFailure> {
    compile_sources(&package(text), &[stdlib()], Options::default())
}

/// Whether a code is `wanted` or a special case of it.
fn is_a(code: crate::diagnostics::Code, wanted: &str) -> bool {
    code.as_str() == wanted || code.general().is_some_and(|general| is_a(general, wanted))
}

#[test]
fn semantics() {
    let mut wrong = Vec::new();
    let cases = include_str!("tests/semantics.txt");
    let mut count = 0;
    for case in cases.split("=== ").skip(1) {
        count += 1;
        let (head, text) = case.split_once('\n').unwrap();
        let (name, verdict) = head.rsplit_once(": ").unwrap();
        let result = compile(text);
        match (verdict.strip_prefix("no "), &result) {
            (None, Ok(_)) => {}
            (Some(code), Err(failure)) if failure.diagnostics.iter().any(|one| is_a(one.code, code)) => {}
            (_, Ok(_)) => wrong.push(format!("{name}: compiles")),
            (_, Err(failure)) => wrong.push(format!("{name}: {failure}")),
        }
    }
    assert!(count > 100, "the cases are there");
    assert!(wrong.is_empty(), "{} of {count} cases:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn equal_source_gives_equal_bytes() {
    let text =
        "struct S has copy, drop { a: u64 } public fun f(s: &S): u64 { s.a + 1 } public fun g(): S { S { a: 2 } }";
    let (first, second) = (compile(text).unwrap(), compile(text).unwrap());
    let bytes = |program: &CompiledProgram| program.modules.iter().map(|unit| unit.bytes.clone()).collect::<Vec<_>>();
    assert_eq!(bytes(&first), bytes(&second));
}

#[test]
fn binaries_read_back_and_maps_fit_the_code() {
    let program = compile("public fun f(x: u64): u64 { let y = x + 1; y * 2 } inline fun g() {}").unwrap();
    let unit = program.modules.iter().find(|unit| unit.is_target).unwrap();
    assert_eq!(noema_bytecode::CompiledModule::deserialize(&unit.bytes).unwrap(), unit.module);
    let map = unit.source_map.function("f").unwrap();
    assert_eq!(map.params.len(), 1);
    assert_eq!(map.code.len(), unit.module.function_defs[0].code.as_ref().unwrap().code.len());
    assert!(unit.source_map.function("g").is_none(), "inline functions have no code of their own");
    let text = program.files.text(map.code[0]);
    assert!(!text.is_empty(), "instructions point into the source");
}

#[test]
fn attributes_and_error_constants_become_metadata() {
    let text = "
        /// Too many.
        const E_FULL: u64 = 3;
        const EOTHER: u64 = 1;
        const E_TEXT: vector<u8> = b\"x\";
        #[event] struct Made has drop, store { n: u64 }
        #[view] public fun size(): u64 { assert!(true, E_FULL); assert!(E_TEXT.length() == 1, EOTHER); 1 }
        public fun make(): Made { Made { n: 1 } }";
    let program = compile(text).unwrap();
    let unit = program.modules.iter().find(|unit| unit.is_target).unwrap();
    let names: Vec<(u64, &str)> =
        unit.metadata.error_map.iter().map(|entry| (entry.code, entry.name.as_str())).collect();
    assert_eq!(names, [(1, "EOTHER"), (3, "E_FULL")]);
    assert_eq!(unit.metadata.error_map[1].description, "Too many.");
    assert_eq!(unit.metadata.view_functions, ["size"]);
    assert_eq!(unit.metadata.event_structs, ["Made"]);
    assert_eq!(unit.module.metadata.len(), 1);
}

#[test]
fn package_visibility_becomes_exact_friends() {
    let text = "
        module 0x42::a { public(package) fun f() {} }
        module 0x42::b { public fun g() { 0x42::a::f() } }
        module 0x42::c { public fun g() {} }";
    let program = compile(text).unwrap();
    let unit = program.modules.iter().find(|unit| &*unit.ident.name == "a").unwrap();
    let friends: Vec<String> = unit.module.immediate_friends().map(|id| id.name.to_string()).collect();
    assert_eq!(friends, ["b"]);
}

#[test]
fn several_errors_come_in_one_run_and_point_at_the_source() {
    let failure = compile("fun f(): u64 { true }\nfun g() { undefined(1) }\nfun h(x: Strange) {}").unwrap_err();
    let codes: Vec<&str> = failure.diagnostics.sorted().iter().map(|one| one.code.as_str()).collect();
    assert!(codes.contains(&"E0534") && codes.contains(&"E0411"), "{codes:?}");
    assert!(failure.to_string().contains("case.move:2:16: error[E0534]"), "{failure}");
}

#[test]
fn warnings_are_about_the_package_itself() {
    let noisy = SourcePackage {
        name: "noisy".into(),
        sources: vec![("noisy.move".into(), "module 0x43::n { public fun f() { let unused = 1; } }".into())],
        ..SourcePackage::default()
    };
    let quiet =
        compile_sources(&package("public fun f() {}"), std::slice::from_ref(&noisy), Options::default()).unwrap();
    assert!(quiet.warnings.is_empty());
    let loud = compile_sources(&noisy, &[], Options::default()).unwrap();
    assert_eq!(loud.warnings.iter().map(|one| one.code.as_str()).collect::<Vec<_>>(), ["W0401"]);
}

#[test]
fn deep_nesting_does_not_exhaust_the_stack() {
    let deep = format!("fun f(): u64 {{ {}1{} }}", "(1 + ".repeat(90), ")".repeat(90));
    assert!(compile(&deep).is_ok());
}

#[test]
fn error_constants_become_codes_that_name_them() {
    let text = "#[error] const EFull: vector<u8> = b\"no room\";\n#[error(code = 9)] const EBad: u64 = 1;\n\
        fun f(c: bool) { assert!(c, EFull); abort EBad }";
    let program = compile(text).unwrap();
    let module = &program.modules.iter().find(|unit| unit.is_target).unwrap().module;
    let codes: Vec<u64> = module.function_defs[0]
        .code
        .as_ref()
        .unwrap()
        .code
        .iter()
        .filter_map(|one| match one {
            noema_bytecode::Bytecode::LdU64(code) => Some(*code),
            _ => None,
        })
        .collect();
    assert_eq!(codes.iter().map(|code| code >> 48).collect::<Vec<_>>(), [0xC0FF, 0xC009]);
    for (code, name, value) in [(codes[0], "EFull", &b"\x07no room"[..]), (codes[1], "EBad", &1u64.to_le_bytes()[..])] {
        assert_eq!(code >> 32 & 0xFFFF, 4, "the line");
        assert_eq!(module.identifiers[(code >> 16 & 0xFFFF) as usize].as_str(), name);
        assert_eq!(module.constants[(code & 0xFFFF) as usize].data, value);
    }
}

/// Results of earlier runs.
mod kept {
    use std::cell::Cell;
    use std::sync::Mutex;

    use proptest::prelude::*;

    use super::super::cache::Entry;
    use super::*;
    use crate::package::{EmbeddedPackages, LoadOptions, load_texts};
    use noema_types::Hash;

    /// A cache in memory that counts hits.
    #[derive(Default)]
    struct Memory {
        entries: Mutex<BTreeMap<Hash, Vec<u8>>>,
        hits: Mutex<usize>,
    }

    impl Cache for Memory {
        fn get(&self, key: &Hash) -> Option<Vec<u8>> {
            let entry = self.entries.lock().unwrap().get(key).cloned();
            *self.hits.lock().unwrap() += usize::from(entry.is_some());
            entry
        }

        fn put(&self, key: &Hash, entry: &[u8]) {
            self.entries.lock().unwrap().insert(*key, entry.to_vec());
        }
    }

    const A: &str = "module 0x42::a { public struct S has drop { v: u64 }
        public fun new(): S { S { v: 1 } } public(package) fun get(s: &S): u64 { s.v } }";
    const B: &str = "module 0x42::b { use 0x42::a; public fun f(): u64 { a::get(&a::new()) + 1 } }";
    const C: &str = "module 0x42::c { public inline fun twice(f: |u64| u64): u64 { f(1) + f(2) } }";
    const D: &str = "module 0x42::d { use 0x42::c; public fun g(): u64 { c::twice(|x| x * 3) } }";

    fn run(texts: &[(&str, &str)], cache: Option<&Memory>) -> Vec<(String, Vec<u8>, SourceMapText)> {
        let loaded = load_texts(texts.iter().copied(), &EmbeddedPackages::new(), &LoadOptions::default()).unwrap();
        let program = match cache {
            Some(cache) => compile_package_with(&loaded, Options::default(), cache),
            None => compile_package(&loaded, Options::default()),
        }
        .unwrap_or_else(|failure| panic!("{failure}"));
        let files = &program.files;
        program
            .modules
            .iter()
            .map(|unit| (unit.ident.to_string(), unit.bytes.clone(), unit.source_map.to_json(files).to_string()))
            .collect()
    }

    type SourceMapText = String;

    fn hits(cache: &Memory) -> usize {
        std::mem::take(&mut *cache.hits.lock().unwrap())
    }

    #[test]
    fn what_did_not_change_is_not_compiled_again_and_gives_the_same() {
        let cache = Memory::default();
        let texts = [("a.move", A), ("b.move", B), ("c.move", C), ("d.move", D)];
        let cold = run(&texts, Some(&cache));
        assert_eq!(hits(&cache), 0);
        assert_eq!(run(&texts, Some(&cache)), cold);
        assert_eq!(hits(&cache), 4);
        // A body: its module alone. An interface, and the body of an inline function: everyone.
        let body = B.replace("+ 1", "+ 2");
        let interface = A.replace("v: u64", "w: u8, v: u64").replace("v: 1", "w: 2, v: 1");
        let inline = C.replace("f(2)", "f(5)");
        for (position, text, wanted) in [(1, &body, 3), (0, &interface, 0), (2, &inline, 0)] {
            let mut texts = texts;
            texts[position].1 = text;
            let warm = run(&texts, Some(&cache));
            assert_eq!(hits(&cache), wanted, "{text}");
            assert_eq!(warm, run(&texts, None), "{text}");
        }
    }

    #[test]
    fn friends_follow_callers_that_come_and_go() {
        let cache = Memory::default();
        let with = [("a.move", A), ("b.move", B)];
        run(&with, Some(&cache));
        let silent = B.replace("a::get(&a::new()) + 1", "{ a::new(); 1 }");
        let without = [("a.move", A), ("b.move", silent.as_str())];
        assert_eq!(run(&without, Some(&cache)), run(&without, None));
        assert_eq!(run(&with, Some(&cache)), run(&with, None));
    }

    #[test]
    fn warnings_come_again() {
        let cache = Memory::default();
        let loaded = load_texts(
            [("a.move", "module 0x42::a { public fun f() { let x = 1; } }")],
            &EmbeddedPackages::new(),
            &LoadOptions::default(),
        )
        .unwrap();
        let count = Cell::new(0);
        for _ in 0..2 {
            let program = compile_package_with(&loaded, Options::default(), &cache).unwrap();
            count.set(count.get() + program.warnings.len());
        }
        assert_eq!(count.get(), 2);
    }

    #[test]
    fn damaged_entries_count_as_missing() {
        let cache = Memory::default();
        let texts = [("a.move", A), ("b.move", B)];
        let cold = run(&texts, Some(&cache));
        for damage in [0, 5, 40, 60] {
            for entry in cache.entries.lock().unwrap().values_mut() {
                let at = damage % entry.len();
                entry[at] ^= 0x40;
            }
            assert_eq!(run(&texts, Some(&cache)), cold);
        }
        for entry in cache.entries.lock().unwrap().values_mut() {
            entry.truncate(entry.len() / 2);
        }
        assert_eq!(run(&texts, Some(&cache)), cold);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

        #[test]
        fn reading_entries_never_panics(mut bytes in prop::collection::vec(any::<u8>(), 0..200), sealed in any::<bool>()) {
            if sealed && bytes.len() >= 32 {
                let sum = Hash::sha3(&[&bytes[32..]]);
                bytes[..32].copy_from_slice(&sum.0);
            }
            let _ = Entry::decode(&bytes, &BTreeMap::new());
        }

        #[test]
        fn mutated_entries_are_read_or_refused(at in any::<prop::sample::Index>(), value in any::<u8>()) {
            let mut files = Files::new();
            let file = files.add("a.move", A);
            let program = compile(A).unwrap();
            let unit = program.modules.iter().find(|unit| unit.is_target).unwrap();
            let mut source_map = unit.source_map.clone();
            for function in &mut source_map.functions {
                function.span.file = file;
                function.code.iter_mut().for_each(|span| span.file = file);
            }
            let entry = Entry {
                bytes: unit.bytes.clone(),
                source_map,
                package_calls: [unit.ident.clone()].into(),
                package_callers: BTreeSet::new(),
            };
            let mut bytes = entry.encode(&files);
            let paths = BTreeMap::from([("a.move", file)]);
            prop_assert_eq!(Entry::decode(&bytes, &paths), Some(entry));
            let position = 32 + at.index(bytes.len() - 32);
            bytes[position] = value;
            let sum = Hash::sha3(&[&bytes[32..]]);
            bytes[..32].copy_from_slice(&sum.0);
            let _ = Entry::decode(&bytes, &paths).map(|entry| entry.module());
        }
    }
}

/// Whatever the text, there are messages or binaries, and never a fault of the compiler itself.
mod fuzz {
    use proptest::prelude::*;

    fn words() -> Vec<String> {
        let mut words = Vec::new();
        for text in include_str!("tests/semantics.txt").split_inclusive(|c: char| !c.is_alphanumeric() && c != '_') {
            let (word, mark) = text.split_at(text.trim_end_matches(|c: char| !c.is_alphanumeric() && c != '_').len());
            words.extend([word, mark].into_iter().filter(|part| !part.is_empty()).map(str::to_owned));
        }
        words
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

        #[test]
        fn mutated_programs(case in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), with in any::<prop::sample::Index>()) {
            let cases: Vec<&str> = include_str!("tests/semantics.txt").split("=== ").skip(1).collect();
            let text = cases[case.index(cases.len())].split_once('\n').map_or("", |(_, text)| text);
            let spots: Vec<usize> = text.char_indices().filter(|(_, c)| !c.is_whitespace()).map(|(at, _)| at).collect();
            let spot = spots[at.index(spots.len())];
            let words = words();
            let mut mutated = text.to_owned();
            let end = spot + mutated[spot..].chars().next().map_or(0, char::len_utf8);
            mutated.replace_range(spot..end, &words[with.index(words.len())]);
            if let Err(failure) = super::compile(&mutated) {
                prop_assert!(!failure.diagnostics.iter().any(|one| one.code.as_str() == "E9901"), "{}", failure);
            }
        }
    }
}
