//! Compiles package folders and lists what fails by code: a survey of how the compiler fares on other people's code.
//!
//! `check_packages [--embed NAME=DIR]... [--addr NAME=0x..]... [--cache DIR] [--test] [--warnings] [--render] DIR...`

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use noema_compiler::diagnostics::{Diagnostics, Files};
use noema_compiler::package::{EmbeddedPackages, LoadOptions, load};
use noema_compiler::{FolderCache, Options, compile_package, compile_package_with};

fn main() -> std::io::Result<()> {
    let mut embedded = EmbeddedPackages::new();
    let mut options = LoadOptions::default();
    let (mut render, mut warnings, mut cache) = (false, false, None);
    let mut folders: Vec<PathBuf> = Vec::new();
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--embed" => {
                let value = args.next().unwrap_or_default();
                let (name, folder) = value.split_once('=').unwrap_or((&value, "."));
                embed(&mut embedded, name, Path::new(folder))?;
            }
            "--addr" => {
                let value = args.next().unwrap_or_default();
                if let Some((name, address)) = value.split_once('=')
                    && let Ok(address) = address.parse()
                {
                    options.named_addresses.insert(name.to_owned(), address);
                }
            }
            "--cache" => cache = args.next().map(FolderCache::new),
            "--test" => options.test = true,
            "--render" => render = true,
            "--warnings" => warnings = true,
            folder => folders.push(PathBuf::from(folder)),
        }
    }
    let mut out = std::io::stdout().lock();
    for folder in folders {
        let start = now();
        let (verdict, diagnostics, files) = check(&folder, &embedded, &options, cache.as_ref());
        writeln!(out, "{}: {verdict} ({} ms)", folder.display(), start.elapsed().as_millis())?;
        let mut by_code: BTreeMap<&str, usize> = BTreeMap::new();
        for diagnostic in diagnostics.sorted().into_iter().filter(|one| one.is_error() || warnings) {
            *by_code.entry(diagnostic.code.as_str()).or_default() += 1;
            let place = diagnostic.span().map_or(String::new(), |span| {
                format!("{}:{}: ", files.path(span.file), files.line_column(span.file, span.start).0)
            });
            if render {
                writeln!(out, "{}", diagnostic.render(&files, false))?;
            } else {
                writeln!(out, "    {} {place}{}", diagnostic.code, diagnostic.message)?;
            }
        }
        if !by_code.is_empty() {
            writeln!(out, "  by code: {by_code:?}")?;
        }
    }
    Ok(())
}

#[allow(clippy::disallowed_methods, reason = "the survey says how long a package took; nothing depends on it")]
fn now() -> std::time::Instant {
    std::time::Instant::now()
}

fn check(
    folder: &Path,
    embedded: &EmbeddedPackages,
    options: &LoadOptions,
    cache: Option<&FolderCache>,
) -> (String, Diagnostics, Files) {
    let loaded = match load(folder, embedded, options) {
        Ok(loaded) => loaded,
        Err(failure) => return ("not loaded".into(), failure.diagnostics, failure.files),
    };
    let compiled = match cache {
        Some(cache) => compile_package_with(&loaded, Options { test: options.test }, cache),
        None => compile_package(&loaded, Options { test: options.test }),
    };
    match compiled {
        Ok(program) => {
            let own = program.modules.iter().filter(|unit| unit.is_target);
            let (count, bytes) = own.fold((0, 0), |(count, bytes), unit| (count + 1, bytes + unit.bytes.len()));
            let total: usize = program.modules.iter().map(|unit| unit.bytes.len()).sum();
            let all = program.modules.len();
            (
                format!("ok, {count} modules of {bytes} bytes; with dependencies {all} of {total}"),
                program.warnings,
                program.files,
            )
        }
        Err(failure) => ("fails".into(), failure.diagnostics, failure.files),
    }
}

/// Takes a folder as an embedded package.
fn embed(embedded: &mut EmbeddedPackages, name: &str, folder: &Path) -> std::io::Result<()> {
    let manifest = std::fs::read_to_string(folder.join("Move.toml"))?;
    let mut sources = Vec::new();
    let mut work = vec![folder.join("sources")];
    while let Some(next) = work.pop() {
        for entry in std::fs::read_dir(next)? {
            let path = entry?.path();
            if path.is_dir() {
                work.push(path);
            } else if path.extension().is_some_and(|extension| extension == "move") {
                sources.push((path.display().to_string(), std::fs::read_to_string(&path)?));
            }
        }
    }
    sources.sort();
    embedded.add(name, &manifest, sources.iter().map(|(path, text)| (path.as_str(), text.as_str())));
    Ok(())
}
