//! Lists the Move sources, so that `src/lib.rs` embeds whatever the folder holds.

#![allow(clippy::disallowed_methods, reason = "cargo talks to build scripts through the environment")]

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

fn main() {
    let root = env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let sources = Path::new(&root).join("sources");
    println!("cargo::rerun-if-changed={}", sources.display());
    let mut names: Vec<String> = fs::read_dir(&sources)
        .expect("the package has sources")
        .map(|entry| entry.expect("the folder is readable").file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".move"))
        .collect();
    names.sort();
    let mut list = String::from("&[\n");
    for name in names {
        let path = sources.join(&name);
        writeln!(list, "    (\"sources/{name}\", include_str!({path:?})),").expect("writing to a string");
    }
    list.push(']');
    let out = Path::new(&env::var("OUT_DIR").expect("cargo sets it")).join("sources.rs");
    fs::write(out, list).expect("the build folder is writable");
}
