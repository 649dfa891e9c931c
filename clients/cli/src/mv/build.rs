//! `noema move check` and `noema move build`.

use std::path::{Path, PathBuf};
use std::time::Instant;

use noema_compiler::CompiledUnit;
use noema_compiler::package::UpgradePolicy as ManifestPolicy;
use noema_framework::{PackageDep, PackageMetadata, UpgradePolicy};
use noema_types::{Address, Hash};
use serde_json::json;

use super::package::{Package, Source, compile};
use crate::args::PackageArgs;
use crate::output::{CliError, CliResult, Context, Output, paint};

/// `noema move check`: a package's folder, or files.
pub(super) fn check(output: Output, paths: &[PathBuf], addresses: &[String], test: bool) -> CliResult {
    let start = Instant::now();
    let source = match paths {
        [folder] if folder.is_dir() => Source::Folder(folder),
        files => {
            if let Some(other) = files.iter().find(|path| !path.is_file()) {
                return Err(CliError::fault(format!("{} is no file", other.display()))
                    .hint("give one package's folder, or source files"));
            }
            Source::Files(files)
        }
    };
    let package = compile(output, source, addresses, test)?;
    let modules = package.targets().count();
    output.result(
        || format!("{} {modules} modules in {} ms", paint("checked", "32"), start.elapsed().as_millis()),
        || json!({ "modules": modules, "diagnostics": package.program.warnings.to_json(&package.program.files) }),
    );
    Ok(())
}

/// `noema move build`: everything that publishing and other tools need, under `build/NAME`.
pub(super) fn build(output: Output, args: &PackageArgs) -> CliResult {
    let package = compile(output, Source::Folder(&args.dir), &args.named_addresses, false)?;
    let name = package.loaded.root().name.to_string();
    let folder = args.dir.join("build").join(&name);
    let write = |path: &str, bytes: &[u8]| {
        let path = folder.join(path);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).context(format!("cannot make {}", parent.display()))?;
        }
        std::fs::write(&path, bytes).context(format!("cannot write {}", path.display()))
    };
    let mut written = Vec::new();
    for unit in package.targets() {
        let module = unit.module.self_id().name;
        write(&format!("bytecode_modules/{module}.mv"), &unit.bytes)?;
        write(
            &format!("source_maps/{module}.json"),
            unit.source_map.to_json(&package.program.files).to_string().as_bytes(),
        )?;
        written.push(json!({ "module": unit.module.self_id().to_string(), "bytes": unit.bytes.len() }));
    }
    write("package-metadata.bcs", &metadata(&args.dir, &package)?.to_bytes())?;
    output.result(
        || format!("{} {} modules into {}", paint("built", "32"), written.len(), folder.display()),
        || json!({ "package": name, "folder": folder, "modules": written }),
    );
    Ok(())
}

/// The package's metadata as the publish transaction wants it.
pub(super) fn metadata(dir: &Path, package: &Package) -> CliResult<PackageMetadata> {
    let root = package.loaded.root();
    let manifest_path = dir.join("Move.toml");
    let manifest = std::fs::read(&manifest_path).context(format!("cannot read {}", manifest_path.display()))?;
    let policy = match root.manifest.upgrade_policy {
        ManifestPolicy::Compatible => UpgradePolicy::COMPATIBLE,
        ManifestPolicy::Immutable => UpgradePolicy::IMMUTABLE,
    };
    let names = package.targets().map(|unit| unit.module.self_id().name.to_string());
    let dependencies = package.loaded.packages.iter().filter(|other| !other.is_target);
    Ok(PackageMetadata {
        manifest,
        source_digest: source_digest(package),
        deps: dependencies
            .map(|other| PackageDep { account: account_of(package, &other.name), package_name: other.name.to_string() })
            .collect(),
        ..PackageMetadata::new(root.name.to_string(), policy, names)
    })
}

/// The account that a dependency's modules are published under.
fn account_of(package: &Package, name: &str) -> Address {
    let module = package.program.modules.iter().find(|unit: &&CompiledUnit| unit.package.as_str() == name);
    module.map_or(Address::ONE, |unit| unit.module.self_id().address)
}

/// SHA3-256 over the package's own sources, in the order of their paths.
fn source_digest(package: &Package) -> String {
    let root = package.loaded.root();
    let texts: Vec<&[u8]> = root
        .sources
        .iter()
        .filter_map(|file| package.loaded.files.get(*file))
        .map(|file| file.text.as_bytes())
        .collect();
    let hashes: Vec<Hash> = texts.iter().map(|text| Hash::sha3(&[text])).collect();
    let parts: Vec<&[u8]> = hashes.iter().map(|hash| hash.0.as_slice()).collect();
    hex::encode(Hash::sha3(&parts).0).to_uppercase()
}
