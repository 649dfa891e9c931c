//! Answers an editor's questions about a package: what a name means, where it is used, what may be written here.
//!
//! A [`Session`] holds a loaded package with the unsaved texts of an editor laid over its files. [`Session::analyse`]
//! parses, expands, names and types it, and joins what the passes found in an [`Analysis`]: texts may be broken, then what
//! is whole is analysed and the rest is left out. Code that a macro expands to is known by the places of the macro's body.
//! [`Session::check`] runs all passes, for the messages of the later ones. Unchanged files are not parsed again.
//!
//! Everything recurses as deep as the sources nest: call it on a thread with [`crate::STACK_BYTES`] of stack.

mod complete;
mod index;
mod probe;
mod query;
mod rename;
#[cfg(test)]
mod tests;
mod walk;
mod walk_exp;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use noema_types::Address;

use crate::compile_units;
use crate::diagnostics::{Diagnostics, FileId, Files, Span};
use crate::expand::{PackageUnits, expand};
use crate::name::{Globals, collect};
use crate::package::{EmbeddedPackages, LoadFailure, LoadOptions, LoadedProgram, load, load_texts, manifest};
use crate::parse::ast::SourceUnit;
use crate::parse::parse;
use crate::typing::{FunId, Ty, check_traced};

pub use complete::{Completion, KEYWORDS};
pub use index::{Call, Definition, Form, Index, LocalInfo, LocalKind, Occurrence, Slot, SlotKind};
pub use query::{Hover, Outline, Signature, SymbolKind};
pub use rename::{Edit, Refused};

/// First of the values that named addresses without one get, so that a package can be edited before it is deployed.
const PLACEHOLDER_FIRST: u64 = 0xCAFE_0000;

/// Folders of a package whose files belong to it, also new ones that are not saved yet.
pub const SOURCE_FOLDERS: &[&str] = &["sources", "scripts", "tests"];

/// A parsed file and what the parser said.
#[derive(Clone, Debug)]
struct ParsedFile {
    text: Arc<str>,
    unit: SourceUnit,
    diagnostics: Diagnostics,
}

/// A package that is edited.
#[derive(Clone, Debug)]
pub struct Session {
    loaded: LoadedProgram,
    /// The texts in force: those loaded, and the editor's over them.
    files: Files,
    parsed: BTreeMap<FileId, Arc<ParsedFile>>,
}

/// What is known of a package at one moment.
#[derive(Clone, Debug)]
pub struct Analysis {
    /// The texts.
    pub files: Files,
    /// All members of all modules.
    pub globals: Globals,
    /// All names.
    pub index: Index,
    /// Messages of the passes up to the types.
    pub diagnostics: Diagnostics,
}

impl Analysis {
    /// The file called `path`.
    #[must_use]
    pub fn file(&self, path: &str) -> Option<FileId> {
        self.files.iter().find(|(_, file)| &*file.path == path).map(|(id, _)| id)
    }

    fn errors(&self) -> usize {
        self.diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).count()
    }
}

impl Session {
    /// Loads the package in `directory`. Named addresses without a value get a placeholder.
    ///
    /// # Errors
    /// As [`load`].
    pub fn open(
        directory: &Path,
        embedded: &EmbeddedPackages,
        named_addresses: &BTreeMap<String, Address>,
    ) -> Result<Self, Box<LoadFailure>> {
        let mut options = LoadOptions { test: true, dev: true, named_addresses: named_addresses.clone() };
        let loaded = load(directory, embedded, &options).or_else(|failure| {
            let open = unassigned(&failure.files);
            if open.is_empty() {
                return Err(failure);
            }
            for (name, value) in open.into_iter().zip(PLACEHOLDER_FIRST..) {
                options.named_addresses.entry(name).or_insert_with(|| placeholder(value));
            }
            load(directory, embedded, &options)
        })?;
        Ok(Self::new(loaded))
    }

    /// A file that belongs to no package; it may use every embedded one.
    ///
    /// # Errors
    /// As [`load_texts`].
    pub fn open_text(
        path: &str,
        text: &str,
        embedded: &EmbeddedPackages,
        named_addresses: &BTreeMap<String, Address>,
    ) -> Result<Self, Box<LoadFailure>> {
        let options = LoadOptions { test: true, dev: true, named_addresses: named_addresses.clone() };
        Ok(Self::new(load_texts([(path, text)], embedded, &options)?))
    }

    /// A package that is loaded already; load it in test mode, so that tests are known.
    #[must_use]
    pub fn new(loaded: LoadedProgram) -> Self {
        Self { files: loaded.files.clone(), loaded, parsed: BTreeMap::new() }
    }

    /// Takes over what an older session of the same files has parsed.
    pub fn reuse(&mut self, older: &Self) {
        let same = |(ours, theirs): ((FileId, &crate::diagnostics::File), (FileId, &crate::diagnostics::File))| {
            ours.0 == theirs.0 && ours.1.path == theirs.1.path
        };
        if self.files.iter().count() == older.files.iter().count()
            && self.files.iter().zip(older.files.iter()).all(same)
        {
            self.parsed.clone_from(&older.parsed);
        }
    }

    /// The texts in force.
    #[must_use]
    pub const fn files(&self) -> &Files {
        &self.files
    }

    /// The folder of the package; `None` for a loose file.
    #[must_use]
    pub fn directory(&self) -> Option<&Path> {
        self.loaded.root().directory.as_deref()
    }

    /// Whether a file belongs to the package itself.
    #[must_use]
    pub fn is_own(&self, file: FileId) -> bool {
        self.loaded.root().sources.contains(&file)
    }

    /// Lays the editor's texts over the loaded ones. A path under the package's folders that was not there is added.
    pub fn set_texts(&mut self, texts: &BTreeMap<PathBuf, Arc<str>>) {
        let mut files = Files::new();
        for (_, file) in self.loaded.files.iter() {
            let text = texts.get(Path::new(&*file.path)).unwrap_or(&file.text);
            files.add(Arc::clone(&file.path), Arc::clone(text));
        }
        let Some(directory) = self.directory().map(Path::to_path_buf) else {
            self.files = files;
            return;
        };
        for (path, text) in texts {
            let inside = SOURCE_FOLDERS.iter().any(|folder| path.starts_with(directory.join(folder)));
            let is_source = path.extension().is_some_and(|extension| extension == "move");
            let name = path.display().to_string();
            let is_known = self.loaded.files.iter().any(|(_, file)| *file.path == *name);
            if inside && is_source && !is_known {
                let id = self.loaded.files.add(name.as_str(), "");
                files.add(name.as_str(), Arc::clone(text));
                let root = self.loaded.packages.last_mut().expect("a loaded program has at least its root package");
                root.sources.push(id);
            }
        }
        self.files = files;
    }

    /// The session with other texts for some files, by id.
    fn with_texts(&self, texts: &BTreeMap<FileId, String>) -> Self {
        let mut files = Files::new();
        for (id, file) in self.files.iter() {
            let text = texts.get(&id).map_or_else(|| Arc::clone(&file.text), |text| Arc::from(text.as_str()));
            files.add(Arc::clone(&file.path), text);
        }
        Self { loaded: self.loaded.clone(), files, parsed: self.parsed.clone() }
    }

    /// Parses what has changed; the messages of all files.
    fn parse(&mut self) -> Diagnostics {
        let mut diagnostics = self.loaded.diagnostics.clone();
        for package in &self.loaded.packages {
            for id in &package.sources {
                let Some(file) = self.files.get(*id) else { continue };
                let known = self.parsed.get(id).filter(|known| known.text == file.text);
                if known.is_none() {
                    let mut found = Diagnostics::new();
                    let unit = parse(*id, &file.text, &mut found);
                    let entry = ParsedFile { text: Arc::clone(&file.text), unit, diagnostics: found };
                    self.parsed.insert(*id, Arc::new(entry));
                }
                if let Some(parsed) = self.parsed.get(id) {
                    diagnostics.extend(parsed.diagnostics.clone());
                }
            }
        }
        diagnostics
    }

    fn units(&self) -> Vec<PackageUnits> {
        let packages = self.loaded.packages.iter();
        packages
            .map(|package| PackageUnits {
                name: package.name.clone(),
                is_target: package.is_target,
                edition: package.manifest.edition,
                addresses: Arc::clone(&package.named_addresses),
                units: package.sources.iter().filter_map(|id| Some(self.parsed.get(id)?.unit.clone())).collect(),
            })
            .collect()
    }

    /// Analyses everything.
    pub fn analyse(&mut self) -> Analysis {
        self.analyse_where(None)
    }

    /// Analyses signatures of everything, bodies and names of `only` one file if given.
    fn analyse_where(&mut self, only: Option<FileId>) -> Analysis {
        let mut diagnostics = self.parse();
        let program = expand(self.units(), true, &mut diagnostics);
        let mut globals = collect(&program, &mut diagnostics);
        let wanted = |globals: &Globals, id: FunId| only.is_none_or(|file| globals.function(id).name.span.file == file);
        let traces = check_traced(&program, &mut globals, &mut diagnostics, &wanted);
        let mut index = Index::default();
        let mut local_types: BTreeMap<Span, Ty> = BTreeMap::new();
        for (id, trace) in traces {
            for (span, ty) in trace.types {
                let known = index.types.get(&span);
                // What one expansion of a macro leaves open another one may know.
                if known.is_none_or(|(known, _)| matches!(known, Ty::Error | Ty::Var(_))) {
                    index.types.insert(span, (ty, id));
                }
            }
            for local in trace.locals {
                local_types.entry(local.span).or_insert(local.ty);
            }
        }
        let declared = index::Declared::new(&globals);
        let mut walker = walk::Walker::new(&globals, &mut index, &declared, &local_types);
        for (id, parsed) in &self.parsed {
            if only.is_none_or(|file| file == *id) {
                walker.unit(&parsed.unit);
            }
        }
        index.sort();
        Analysis { files: self.files.clone(), globals, index, diagnostics }
    }

    /// Runs all passes; every message about the package itself and errors elsewhere.
    pub fn check(&mut self) -> Diagnostics {
        let parsed = self.parse();
        let options = crate::Options { test: true };
        match compile_units(self.units(), self.files.clone(), parsed, options, None) {
            Ok(program) => program.warnings,
            Err(failure) => failure.diagnostics,
        }
    }

    /// The session with the text around a cursor made complete, analysed in that one file.
    fn probed(&self, file: FileId, byte: u32, name: bool) -> Option<(Analysis, probe::Probe)> {
        let text = &self.files.get(file)?.text;
        let probe = probe::probe(text, byte, name)?;
        let texts = BTreeMap::from([(file, probe.text.clone())]);
        Some((self.with_texts(&texts).analyse_where(Some(file)), probe))
    }

    /// What may be written at a byte of a file, and the analysis that the offers speak of.
    #[must_use]
    pub fn complete(&self, file: FileId, byte: u32) -> Option<(Vec<Completion>, Analysis)> {
        let (analysis, probe) = self.probed(file, byte, true)?;
        let mut offers = analysis.complete(file, probe.byte, probe.place);
        offers.sort_by(|a, b| (a.rank, &a.label).cmp(&(b.rank, &b.label)));
        offers.dedup_by(|next, kept| next.label == kept.label);
        Some((offers, analysis))
    }

    /// The signature of the call around a byte of a file, and the parameter that is written there.
    #[must_use]
    pub fn signature(&self, file: FileId, byte: u32) -> Option<(Signature, usize)> {
        let (analysis, probe) = self.probed(file, byte, false)?;
        analysis.signature_at(file, probe.byte)
    }
}

fn placeholder(value: u64) -> Address {
    let mut bytes = [0u8; 32];
    bytes[24..].copy_from_slice(&value.to_be_bytes());
    Address(bytes)
}

/// Named addresses that the manifests leave open and none of them gives.
fn unassigned(files: &Files) -> Vec<String> {
    let mut open = BTreeMap::new();
    for (id, file) in files.iter().filter(|(_, file)| file.path.ends_with("Move.toml")) {
        let manifest = manifest::parse(id, &file.text, &mut Diagnostics::new());
        for (name, address) in manifest.addresses.iter().chain(&manifest.dev_addresses) {
            let is_given = open.entry(name.to_string()).or_insert(false);
            *is_given |= address.value.is_some();
        }
    }
    open.into_iter().filter(|(_, is_given)| !is_given).map(|(name, _)| name).collect()
}
