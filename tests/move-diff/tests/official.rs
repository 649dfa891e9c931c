//! The official Sui Move VM and verifier against ours: slices with fresh seeds. `make peers` installs them.

#![allow(missing_docs, reason = "a test")]

use noema_move_diff::compiler_peer::OfficialCompiler;
use noema_move_diff::official::Official;
use noema_move_diff::run::Bench;
use noema_move_diff::{campaign, flips, traps};

#[test]
fn the_official_vm_agrees_on_a_fresh_slice() {
    let bench = Bench::new();
    let seed = campaign::fresh_seed();
    let mut said = Vec::new();
    let differences = campaign::official(&bench, seed, 100, &mut |line| said.push(line.to_owned()));
    let said = said.join("\n");
    assert_eq!(differences, Ok(0), "replay with `move_diff --official 1 --seed N`:\n{said}");
    let equal: u64 = said.split(" equal").next().and_then(|text| text.rsplit(' ').next()?.parse().ok()).unwrap_or(0);
    assert!(equal >= 80, "{said}");
}

#[test]
fn the_official_verifier_agrees_on_a_fresh_slice_of_flips() {
    let seed = campaign::fresh_seed();
    let mut said = vec![format!("seed {seed}; replay with `move_flips --flips 400 --start {seed}`")];
    let report = flips::run(&Bench::new().library, seed, 400, &mut |line| said.push(line.to_owned()));
    let report = report.unwrap_or_else(|error| panic!("{error}"));
    report.say(&mut |line| said.push(line.to_owned()));
    let unexplained: Vec<_> = report.different.keys().filter(|pair| !flips::is_explained(pair)).collect();
    assert!(unexplained.is_empty(), "{}", said.join("\n"));
    assert!(report.equal.len() >= 8, "{}", said.join("\n"));
}

/// Both compilers, and all machines on what each made.
#[test]
fn the_official_compiler_and_machine_agree_on_the_list_of_traps() {
    let bench = Bench::new();
    let mut compiler = OfficialCompiler::start().unwrap_or_else(|error| panic!("{error}"));
    let mut machine = Official::find().unwrap_or_else(|error| panic!("{error}"));
    let (mut compared, mut silent, mut wrong) = (0, Vec::new(), Vec::new());
    for case in traps::cases() {
        let Some(expected) = &case.official else { continue };
        let title = format!("{} {}", case.number, case.name);
        match traps::official(&bench, &mut compiler, &mut machine, &case.text, expected) {
            Ok(None) => silent.push(title.clone()),
            Ok(Some(found)) if found == *expected => compared += 1,
            Ok(Some(found)) => wrong.push(format!("{title}: expected {expected:?}, found {found:?}")),
            Err(words) => wrong.push(format!("{title}: {words}")),
        }
        // What our compiler made runs on the official machine as on ours.
        if matches!(case.ours, traps::Verdict::Is(_) | traps::Verdict::Fails(..)) {
            let modules = traps::compile(&case.text).unwrap_or_else(|failure| panic!("{failure}"));
            let bytes: Vec<_> = modules.iter().map(|module| module.serialize().expect("it is a module")).collect();
            if let Some(found) = traps::run_official(&mut machine, "0x42", &bytes)
                && found != case.ours
            {
                wrong.push(format!("{title}, compiled by ours: expected {:?}, found {found:?}", case.ours));
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}\nsilent: {silent:?}", wrong.len(), wrong.join("\n"));
    assert!(compared > 140 && silent.len() < 10, "{compared} compared, silent: {silent:?}");
}

/// Both compilers make the same of generated source texts, on every machine.
#[test]
fn the_official_compiler_agrees_on_fresh_source_texts() {
    let bench = Bench::new();
    let seed = campaign::fresh_seed();
    let mut said = Vec::new();
    let differences = campaign::sources(&bench, seed, 40, &mut |line| said.push(line.to_owned()));
    let said = said.join("\n");
    assert_eq!(differences, Ok(0), "replay with `move_diff --sources 1 --start N`:\n{said}");
    assert!(said.contains("a value"), "{said}");
}
