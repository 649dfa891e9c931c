//! `noema model`: canonical model files on this machine.

mod eval;
mod tokens;

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use noema_inference_api::ModelManifest;
use noema_models::import::{import_gguf, import_hf};
use noema_models::{LoadedModel, load};
use noema_types::Hash;
use serde_json::{Value, json};

use crate::args::ModelCommand;
use crate::home::Home;
use crate::output::{CliError, CliResult, Context, Output, paint};

pub(crate) use eval::fixed_digest;

/// Extension of canonical model files.
const EXTENSION: &str = "noema";

/// Runs the command.
pub(crate) fn run(output: Output, command: ModelCommand) -> CliResult {
    let home = Home::find()?;
    match command {
        ModelCommand::Import { file, name, out } => import(output, &home, &file, name, out),
        ModelCommand::List => list(output, &home),
        ModelCommand::Show { model } => show(output, &home, &model),
        ModelCommand::Remove { model, yes } => remove(output, &home, &model, yes),
        ModelCommand::Tokenize(args) => tokens::run(output, &args),
        ModelCommand::Eval(args) => eval::run(output, &args),
    }
}

fn import(output: Output, home: &Home, file: &Path, name: Option<String>, out: Option<PathBuf>) -> CliResult {
    let stem = file.file_stem().map(|stem| stem.to_string_lossy().to_lowercase());
    let name = name.or(stem).ok_or_else(|| CliError::fault(format!("{} has no name", file.display())))?;
    let target = out.unwrap_or_else(|| home.models().join(format!("{name}.{EXTENSION}")));
    if let Some(folder) = target.parent() {
        std::fs::create_dir_all(folder).context(format!("cannot make {}", folder.display()))?;
    }
    let bar = progress_bar();
    let mut progress = |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    };
    let imported =
        if file.is_dir() { import_hf(file, &target, &mut progress) } else { import_gguf(file, &target, &mut progress) };
    bar.finish_and_clear();
    let imported = imported.map_err(|error| {
        CliError::verdict(format!("cannot import {}: {error}", file.display()))
            .hint("GGUF files are read, and folders with config.json, tokenizer.json and safetensors")
    })?;
    output.result(
        || format!("{} {}\nroot      {}\ntokenizer {}", paint("imported", "32"), target.display(), imported.root, imported.tokenizer_root),
        || json!({ "file": target, "root": imported.root, "tokenizer_root": imported.tokenizer_root, "name": imported.manifest.name }),
    );
    Ok(())
}

fn progress_bar() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(1);
    let style = ProgressStyle::with_template("importing {wide_bar} {bytes}/{total_bytes} {eta}");
    bar.set_style(style.expect("a valid template"));
    bar
}

fn stored(home: &Home) -> CliResult<Vec<PathBuf>> {
    let folder = home.models();
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(CliError::fault(format!("cannot read {}: {error}", folder.display()))),
    };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == EXTENSION));
    paths.sort();
    Ok(paths)
}

fn name_of(path: &Path) -> String {
    path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

fn read(path: &Path) -> CliResult<LoadedModel> {
    load(path, None).map_err(|error| {
        CliError::verdict(format!("cannot use {}: {error}", path.display())).hint("import the model again")
    })
}

fn list(output: Output, home: &Home) -> CliResult {
    let mut models = Vec::new();
    for path in stored(home)? {
        let model = read(&path)?;
        models.push((name_of(&path), model.root, path));
    }
    if models.is_empty() {
        output.note("no model is imported; hint: noema model import FILE.gguf");
    }
    output.result(
        || models.iter().map(|(name, root, _)| format!("{name:24} {root}")).collect::<Vec<_>>().join("\n"),
        || models.iter().map(|(name, root, path)| json!({ "name": name, "root": root, "file": path })).collect(),
    );
    Ok(())
}

/// Finds a model by file, name or root; the only imported one when not named.
pub(crate) fn find(home: &Home, wanted: Option<&str>) -> CliResult<PathBuf> {
    let stored = stored(home)?;
    let Some(wanted) = wanted else {
        return match stored.as_slice() {
            [only] => Ok(only.clone()),
            [] => Err(CliError::fault("no model is imported").hint("noema model import FILE.gguf")),
            many => {
                let names: Vec<_> = many.iter().map(|path| name_of(path)).collect();
                Err(CliError::fault(format!("several models are imported: {}", names.join(", ")))
                    .hint("choose one with --model"))
            }
        };
    };
    if Path::new(wanted).is_file() {
        return Ok(PathBuf::from(wanted));
    }
    find_stored(&stored, wanted)
}

/// Finds an imported model by name or root.
fn find_stored(stored: &[PathBuf], wanted: &str) -> CliResult<PathBuf> {
    if let Some(path) = stored.iter().find(|path| name_of(path) == wanted) {
        return Ok(path.clone());
    }
    if let Ok(root) = wanted.parse::<Hash>() {
        for path in stored {
            if read(path)?.root == root {
                return Ok(path.clone());
            }
        }
    }
    Err(CliError::fault(format!("there is no model `{wanted}`")).hint("`noema model list` shows what is imported"))
}

/// Deletes an imported model. A canonical file that lies elsewhere is not this command's.
fn remove(output: Output, home: &Home, wanted: &str, yes: bool) -> CliResult {
    let path = find_stored(&stored(home)?, wanted)?;
    let bytes = std::fs::metadata(&path).context(format!("cannot read {}", path.display()))?.len();
    if !yes && !confirm(output, &format!("delete {} ({})?", path.display(), HumanBytes(bytes)))? {
        return Err(CliError::verdict(format!("`{wanted}` is kept")));
    }
    std::fs::remove_file(&path).context(format!("cannot delete {}", path.display()))?;
    output.result(
        || format!("{} {}\nfreed {bytes} bytes ({})", paint("removed", "32"), path.display(), HumanBytes(bytes)),
        || json!({ "name": name_of(&path), "file": path, "freed_bytes": bytes }),
    );
    Ok(())
}

/// Asks on the terminal.
fn confirm(output: Output, question: &str) -> CliResult<bool> {
    if !std::io::stdin().is_terminal() {
        return Err(CliError::fault(format!("{question} Nobody is there to answer")).hint("say so with --yes"));
    }
    let mut stderr = std::io::stderr().lock();
    write!(stderr, "{question} [y/N] ").and_then(|()| stderr.flush()).context("cannot ask")?;
    drop(stderr);
    let mut line = String::new();
    if std::io::stdin().read_line(&mut line).context("cannot read the answer")? == 0 {
        output.note("");
    }
    Ok(matches!(line.trim().to_lowercase().as_str(), "y" | "yes"))
}

fn show(output: Output, home: &Home, wanted: &str) -> CliResult {
    let path = find(home, Some(wanted))?;
    let model = read(&path)?;
    let manifest = &*model.manifest;
    output.result(
        || lines(&path, &model, manifest),
        || {
            let mut json = serde_json::to_value(manifest).unwrap_or(Value::Null);
            json["root"] = json!(model.root);
            json["tokenizer_root"] = json!(model.tokenizer_root);
            json["file"] = json!(path);
            json["cost"] = serde_json::to_value(manifest.cost()).unwrap_or(Value::Null);
            json
        },
    );
    Ok(())
}

fn lines(path: &Path, model: &LoadedModel, manifest: &ModelManifest) -> String {
    let cost = manifest.cost();
    format!(
        "name        {}\nfile        {}\nroot        {}\ntokenizer   {}\nfamily      {:?}\nlayers      {}\nhidden      {}\nheads       {} ({} for keys and values, {} wide)\nfeed-forward {}\nvocabulary  {}\ncontext     {}\nnumerics    {}\nlicense     {}\ncost        {} units per prompt token, {} per new token, {} per 1,024 pairs of context",
        manifest.name,
        path.display(),
        model.root,
        model.tokenizer_root,
        manifest.family,
        manifest.layers,
        manifest.hidden,
        manifest.heads,
        manifest.kv_heads,
        manifest.head_dim,
        manifest.feed_forward,
        manifest.vocab,
        manifest.context,
        manifest.numerics,
        if manifest.license.is_empty() { "not stated" } else { &manifest.license },
        cost.prompt_token,
        cost.new_token,
        cost.context_kilo,
    )
}
