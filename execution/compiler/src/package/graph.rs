//! Walks the packages a program consists of.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::manifest::{self, Dependency, Location, Manifest};
use super::sources::{self, Text};
use super::{EmbeddedPackages, LOOSE_PACKAGE, LoadFailure, LoadOptions, LoadedProgram, Package, addresses};
use crate::diagnostics::{Diagnostic, Diagnostics, FileId, Files, Span, Symbol, codes};
use crate::expand::ast::Edition;
use crate::limits::PACKAGES_MAX;

/// Embedded packages that packages of edition 2024 depend on without saying so.
const IMPLICIT: &[&str] = &["MoveStdlib", "Sui"];

/// Where a package's files are.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Origin {
    Directory(PathBuf),
    Embedded(String),
}

pub(super) struct Loader<'a> {
    embedded: &'a EmbeddedPackages,
    options: &'a LoadOptions,
    files: Files,
    /// Finished packages, each behind all it depends on.
    packages: Vec<Package>,
    origins: BTreeMap<String, Origin>,
    /// Packages being loaded, outermost first.
    open: Vec<(Origin, String)>,
    /// Values that `addr_subst` gives.
    substitutions: Vec<(Symbol, manifest::NamedAddress)>,
    diagnostics: Diagnostics,
}

impl<'a> Loader<'a> {
    pub(super) fn new(embedded: &'a EmbeddedPackages, options: &'a LoadOptions) -> Self {
        Self {
            embedded,
            options,
            files: Files::new(),
            packages: Vec::new(),
            origins: BTreeMap::new(),
            open: Vec::new(),
            substitutions: Vec::new(),
            diagnostics: Diagnostics::new(),
        }
    }

    /// The program, once every package is loaded.
    pub(super) fn finish(mut self) -> Result<LoadedProgram, Box<LoadFailure>> {
        if !self.diagnostics.has_errors() {
            addresses::assign(&mut self.packages, &self.substitutions, self.options, &mut self.diagnostics);
        }
        if self.diagnostics.has_errors() || self.packages.is_empty() {
            return Err(Box::new(LoadFailure { files: self.files, diagnostics: self.diagnostics }));
        }
        Ok(LoadedProgram { files: self.files, packages: self.packages, diagnostics: self.diagnostics })
    }

    pub(super) fn load_root(&mut self, directory: &Path) {
        self.load(Origin::Directory(directory.to_path_buf()), None);
    }

    /// Loads loose files behind every embedded package.
    pub(super) fn load_loose(&mut self, texts: impl Iterator<Item = (String, Text)>) {
        let names: Vec<String> = self.embedded.packages.keys().cloned().collect();
        let dependencies = names.iter().filter_map(|name| self.load(Origin::Embedded(name.clone()), None)).collect();
        let sources = texts
            .filter_map(|(name, text)| sources::read(&name, text, &mut self.files, &mut self.diagnostics))
            .collect();
        self.packages.push(Package {
            name: Symbol::from(LOOSE_PACKAGE),
            manifest: Manifest { name: LOOSE_PACKAGE.to_owned(), ..Manifest::default() },
            directory: None,
            is_target: true,
            sources,
            named_addresses: Arc::default(),
            dependencies,
        });
    }

    /// Loads one package behind all it depends on and returns its name. `wanted` is where a dependency asks for it.
    fn load(&mut self, origin: Origin, wanted: Option<Span>) -> Option<Symbol> {
        if self.packages.len() + self.open.len() >= PACKAGES_MAX {
            self.report(codes::DEPENDENCY_UNAVAILABLE, wanted, format!("more than {PACKAGES_MAX} packages"));
            return None;
        }
        let is_root = self.open.is_empty() && matches!(origin, Origin::Directory(_));
        let (manifest, name) = self.read_manifest(&origin, wanted)?;
        if let Some(known) = self.known(&origin, &name, wanted) {
            return known;
        }
        self.open.push((origin.clone(), name.clone()));
        let dependencies = self.load_dependencies(&origin, &manifest, is_root);
        self.open.pop();
        let sources = self.read_sources(&origin, is_root);
        let symbol = Symbol::from(name.as_str());
        self.origins.insert(name, origin.clone());
        self.packages.push(Package {
            name: symbol.clone(),
            manifest,
            directory: match origin {
                Origin::Directory(directory) => Some(directory),
                Origin::Embedded(_) => None,
            },
            is_target: is_root,
            sources,
            named_addresses: Arc::default(),
            dependencies,
        });
        Some(symbol)
    }

    /// `Some` if the package need not be loaded: it is there already, or it clashes or closes a circle.
    fn known(&mut self, origin: &Origin, name: &str, wanted: Option<Span>) -> Option<Option<Symbol>> {
        if let Some(position) = self.open.iter().position(|(open, _)| same(open, origin)) {
            let mut circle: Vec<&str> = self.open[position..].iter().map(|(_, name)| name.as_str()).collect();
            circle.push(name);
            let message = format!("packages depend on each other in a circle: {}", circle.join(" -> "));
            self.report(codes::DEPENDENCY_CYCLE, wanted, message);
            return Some(None);
        }
        let other = self
            .origins
            .get(name)
            .or_else(|| self.open.iter().find(|(_, open)| open == name).map(|(origin, _)| origin))?;
        if same(other, origin) {
            return Some(Some(Symbol::from(name)));
        }
        let message = format!("two packages are called `{name}`: {} and {}", describe(other), describe(origin));
        self.report(codes::DUPLICATE_PACKAGE, wanted, message);
        Some(None)
    }

    fn report(&mut self, code: crate::diagnostics::Code, wanted: Option<Span>, message: String) {
        self.diagnostics.push(match wanted {
            Some(span) => Diagnostic::new(code, span, message),
            None => Diagnostic::without_place(code, message),
        });
    }

    fn read_manifest(&mut self, origin: &Origin, wanted: Option<Span>) -> Option<(Manifest, String)> {
        let errors = self.diagnostics.len();
        let (file, fallback) = match origin {
            Origin::Embedded(name) => {
                let (_, package) = self.embedded.find(name)?;
                let text = package.manifest.clone();
                (self.files.add(format!("<{name}>/Move.toml"), text), name.clone())
            }
            Origin::Directory(directory) => {
                let path = directory.join("Move.toml");
                if !path.is_file() {
                    let mut diagnostic = match wanted {
                        Some(span) => Diagnostic::new(
                            codes::MANIFEST_MISSING,
                            span,
                            format!("the dependency's folder {} has no Move.toml", directory.display()),
                        ),
                        None => Diagnostic::without_place(
                            codes::MANIFEST_MISSING,
                            format!("the folder {} has no Move.toml", directory.display()),
                        ),
                    };
                    if wanted.is_none() {
                        diagnostic =
                            diagnostic.help("name the package's folder, or make one with `noema move new NAME`");
                    }
                    self.diagnostics.push(diagnostic);
                    return None;
                }
                let name = path.display().to_string();
                let file = sources::read(&name, Text::File(path), &mut self.files, &mut self.diagnostics)?;
                (file, String::new())
            }
        };
        let text = self.files.get(file).map(|file| Arc::clone(&file.text))?;
        let mut manifest = manifest::parse(file, &text, &mut self.diagnostics);
        if let Origin::Embedded(name) = origin {
            manifest.name.clone_from(name);
        }
        let failed = self.diagnostics.iter().skip(errors).any(Diagnostic::is_error);
        let name = if manifest.name.is_empty() { fallback } else { manifest.name.clone() };
        if failed || name.is_empty() {
            return None;
        }
        Some((manifest, name))
    }

    // -------------------------------------------------------------------------------------------- dependencies

    fn load_dependencies(&mut self, origin: &Origin, manifest: &Manifest, is_root: bool) -> Vec<Symbol> {
        let dev = is_root && (self.options.test || self.options.dev);
        let dev_dependencies = dev.then_some(&manifest.dev_dependencies);
        let mut loaded = BTreeSet::new();
        let is_library = IMPLICIT.contains(&manifest.name.as_str());
        if (manifest.edition == Edition::E2024 || manifest.is_plain)
            && matches!(origin, Origin::Directory(_))
            && !is_library
        {
            // Packages of that edition need not name the libraries that come with the tool.
            for name in IMPLICIT {
                if self.embedded.find(name).is_some() && !self.open.iter().any(|(_, open)| open == name) {
                    loaded.extend(self.load(Origin::Embedded((*name).to_owned()), None));
                }
            }
        }
        for (name, dependency) in manifest.dependencies.iter().chain(dev_dependencies.into_iter().flatten()) {
            if let Some(symbol) = self.load_dependency(origin, name, dependency) {
                loaded.insert(symbol);
            }
            let given = dependency.addresses.iter().map(|(name, value)| (name.clone(), *value));
            self.substitutions.extend(given);
        }
        loaded.into_iter().collect()
    }

    fn load_dependency(&mut self, origin: &Origin, name: &str, dependency: &Dependency) -> Option<Symbol> {
        let embedded = self.embedded.find(name).map(|(name, _)| name.to_owned());
        if let Some(embedded) = embedded {
            // A root package of this very name stands for itself.
            return self.load(Origin::Embedded(embedded), Some(dependency.span));
        }
        match (&dependency.location, origin) {
            (Location::Local(path), Origin::Directory(directory)) => {
                let directory = tidy(&directory.join(path));
                self.load(Origin::Directory(directory), Some(dependency.span))
            }
            (location, _) => {
                let message = match location {
                    Location::Git(url) => {
                        format!("the dependency `{name}` is in a repository, {url}, and nothing is fetched")
                    }
                    _ => format!("the dependency `{name}` is not at hand"),
                };
                let known: Vec<&str> =
                    self.embedded.packages.keys().chain(self.embedded.aliases.keys()).map(String::as_str).collect();
                let mut diagnostic = Diagnostic::new(codes::DEPENDENCY_UNAVAILABLE, dependency.span, message)
                    .help(format!("clone it and write `{name} = {{ local = \"path/to/it\" }}`"));
                if !known.is_empty() {
                    diagnostic = diagnostic.note(format!("always at hand are: {}", known.join(", ")));
                }
                self.diagnostics.push(diagnostic);
                None
            }
        }
    }

    // -------------------------------------------------------------------------------------------- sources

    fn read_sources(&mut self, origin: &Origin, is_root: bool) -> Vec<FileId> {
        let texts: Vec<(String, Text)> = match origin {
            Origin::Embedded(name) => match self.embedded.find(name) {
                Some((_, package)) => package
                    .sources
                    .iter()
                    .map(|(path, text)| (format!("<{name}>/{path}"), Text::Given(text.clone())))
                    .collect(),
                None => Vec::new(),
            },
            Origin::Directory(directory) => {
                let folders: &[&str] = match (is_root, self.options.test) {
                    (true, true) => &["scripts", "sources", "tests"],
                    (true, false) => &["scripts", "sources"],
                    (false, _) => &["sources"],
                };
                sources::find(directory, folders, &mut self.diagnostics)
                    .into_iter()
                    .map(|path| (path.display().to_string(), Text::File(path)))
                    .collect()
            }
        };
        texts
            .into_iter()
            .filter_map(|(name, text)| sources::read(&name, text, &mut self.files, &mut self.diagnostics))
            .collect()
    }
}

fn describe(origin: &Origin) -> String {
    match origin {
        Origin::Directory(directory) => directory.display().to_string(),
        Origin::Embedded(_) => "the embedded one".to_owned(),
    }
}

/// `true` if both are one package, whatever way leads to its folder.
fn same(left: &Origin, right: &Origin) -> bool {
    match (left, right) {
        (Origin::Directory(left), Origin::Directory(right)) => {
            left == right
                || matches!(
                    (left.canonicalize(), right.canonicalize()),
                    (Ok(left), Ok(right)) if left == right
                )
        }
        _ => left == right,
    }
}

/// The path without `x/..`, as far as that can be seen from the text.
fn tidy(path: &Path) -> PathBuf {
    let mut tidy = PathBuf::new();
    for component in path.components() {
        match component {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir
                if matches!(tidy.components().next_back(), Some(std::path::Component::Normal(_))) =>
            {
                tidy.pop();
            }
            component => tidy.push(component),
        }
    }
    if tidy.as_os_str().is_empty() { PathBuf::from(".") } else { tidy }
}
