//! Packages, unsaved texts, and the folder in which embedded sources can be read.
//!
//! A file belongs to the package whose `Move.toml` is nearest above it; a file below none is a package of its own that may
//! use everything embedded. A copy of an embedded source belongs to an open package that uses it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lsp_types::{Location, Uri};
use noema_compiler::analysis::{Analysis, SOURCE_FOLDERS, Session};
use noema_compiler::diagnostics::{Code, Diagnostic, FileId, Files, Span};
use noema_compiler::package::LoadFailure;

use crate::text::Lines;
use crate::{Config, uri};

/// A document that the client has open.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    pub(crate) text: Arc<str>,
    pub(crate) version: i32,
    pub(crate) uri: Uri,
}

/// How a package is known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Folder(PathBuf),
    Loose(PathBuf),
}

/// A package with what is known about it.
#[derive(Debug, Default)]
pub(crate) struct Package {
    pub(crate) session: Option<Session>,
    failure: Option<Box<LoadFailure>>,
    analysis: Option<Arc<Analysis>>,
    /// The messages of the last check that is still true.
    checked: Option<Arc<Vec<Diagnostic>>>,
    /// Documents that have messages now.
    pub(crate) published: BTreeSet<Uri>,
    /// Whether messages must be sent anew.
    pub(crate) is_due: bool,
    /// Whether the files on disk must be read anew.
    is_outdated: bool,
}

/// A place in an analysed package.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) key: Key,
    pub(crate) analysis: Arc<Analysis>,
    pub(crate) file: FileId,
    pub(crate) lines: Lines,
}

#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) config: Config,
    pub(crate) documents: BTreeMap<PathBuf, Document>,
    pub(crate) packages: BTreeMap<Key, Package>,
    /// The folder for copies of this version's embedded sources.
    copies: Option<PathBuf>,
    written: BTreeSet<PathBuf>,
}

impl Workspace {
    pub(crate) fn new(config: Config) -> Self {
        let digest = blake3::hash(format!("{:?}", config.embedded).as_bytes()).to_hex();
        let copies = config.cache.as_ref().map(|cache| cache.join(&digest[..16]));
        Self { config, documents: BTreeMap::new(), packages: BTreeMap::new(), copies, written: BTreeSet::new() }
    }

    // -----------------------------------------------------------------------------------------------------------
    // Documents

    pub(crate) fn open(&mut self, path: &Path, document: Document) {
        self.documents.insert(path.to_path_buf(), document);
        self.edited(path);
    }

    pub(crate) fn close(&mut self, path: &Path) {
        self.documents.remove(path);
        self.edited(path);
        let key = Key::Loose(path.to_path_buf());
        if let Some(package) = self.packages.get_mut(&key) {
            package.is_outdated = true;
        }
    }

    /// A text has changed: what was known about packages with it is no longer true.
    pub(crate) fn edited(&mut self, path: &Path) {
        let key = self.key(path);
        self.packages.entry(key.clone()).or_default();
        let name = self.name_in_files(path);
        for (known, package) in &mut self.packages {
            let holds = package.session.as_ref().is_some_and(|session| file_called(session.files(), &name).is_some());
            if *known == key || holds {
                package.analysis = None;
                package.checked = None;
                package.is_due = true;
            }
        }
    }

    /// Files have changed on disk.
    pub(crate) fn changed_on_disk(&mut self) {
        for package in self.packages.values_mut() {
            package.is_outdated = true;
            package.analysis = None;
            package.checked = None;
            package.is_due = true;
        }
    }

    /// Throws away everything that can be computed again.
    pub(crate) fn forget(&mut self) {
        for package in self.packages.values_mut() {
            package.session = None;
            package.failure = None;
            package.analysis = None;
            package.checked = None;
        }
    }

    // -----------------------------------------------------------------------------------------------------------
    // Packages

    /// How the compiler calls a file.
    fn name_in_files(&self, path: &Path) -> String {
        let copy = self.copies.as_ref().and_then(|copies| path.strip_prefix(copies).ok());
        let mut parts = copy.into_iter().flat_map(Path::components).map(|part| part.as_os_str().to_string_lossy());
        match parts.next() {
            Some(package) => {
                let rest: Vec<_> = parts.collect();
                format!("<{package}>/{}", rest.join("/"))
            }
            None => path.display().to_string(),
        }
    }

    fn key(&self, path: &Path) -> Key {
        let is_copy = self.copies.as_ref().is_some_and(|copies| path.starts_with(copies));
        if is_copy {
            let name = self.name_in_files(path);
            let holder = self.packages.iter().find(|(_, package)| {
                package.session.as_ref().is_some_and(|session| file_called(session.files(), &name).is_some())
            });
            if let Some((key, _)) = holder {
                return key.clone();
            }
        }
        // A file beside the sources, such as one in `build`, is no part of the package.
        let holds = |folder: &&Path| {
            let first = path.strip_prefix(folder).ok().and_then(|rest| rest.components().next());
            let is_source = first.is_some_and(|first| SOURCE_FOLDERS.iter().any(|known| first.as_os_str() == *known));
            is_source && folder.join("Move.toml").is_file()
        };
        match path.ancestors().skip(1).filter(|_| path.is_absolute()).find(holds) {
            Some(folder) => Key::Folder(folder.to_path_buf()),
            None => Key::Loose(path.to_path_buf()),
        }
    }

    /// The open documents of a package.
    pub(crate) fn documents_of(&self, key: &Key) -> Vec<Uri> {
        let own = self.documents.iter().filter(|(path, _)| self.key(path) == *key);
        own.map(|(_, document)| document.uri.clone()).collect()
    }

    /// Makes the package of a folder known before any of its files is open.
    pub(crate) fn add_folder(&mut self, folder: &Path) {
        if folder.join("Move.toml").is_file() {
            let package = self.packages.entry(Key::Folder(folder.to_path_buf())).or_default();
            package.is_due = true;
        }
    }

    fn load(&mut self, key: &Key) {
        let texts = self.texts();
        let Some(package) = self.packages.get_mut(key) else { return };
        if package.session.is_some() && !package.is_outdated {
            return;
        }
        let (embedded, addresses) = (&self.config.embedded, &self.config.named_addresses);
        let loaded = match key {
            Key::Folder(folder) => Session::open(folder, embedded, addresses),
            // Known only as long as it is open.
            Key::Loose(path) => match texts.get(path) {
                Some(text) => Session::open_text(&path.display().to_string(), text, embedded, addresses),
                None => {
                    package.session = None;
                    package.failure = None;
                    return;
                }
            },
        };
        package.is_outdated = false;
        match loaded {
            Ok(mut session) => {
                if let Some(older) = &package.session {
                    session.reuse(older);
                }
                package.session = Some(session);
                package.failure = None;
            }
            Err(failure) => {
                package.session = None;
                package.failure = Some(failure);
            }
        }
    }

    fn texts(&self) -> BTreeMap<PathBuf, Arc<str>> {
        self.documents
            .iter()
            .map(|(path, document)| (PathBuf::from(self.name_in_files(path)), Arc::clone(&document.text)))
            .collect()
    }

    /// The analysis of a package with all unsaved texts.
    pub(crate) fn analysis(&mut self, key: &Key) -> Option<Arc<Analysis>> {
        self.load(key);
        let texts = self.texts();
        let package = self.packages.get_mut(key)?;
        if let Some(known) = &package.analysis {
            return Some(Arc::clone(known));
        }
        let session = package.session.as_mut()?;
        session.set_texts(&texts);
        let analysis = Arc::new(session.analyse());
        package.analysis = Some(Arc::clone(&analysis));
        Some(analysis)
    }

    /// All messages about a package, with the texts they speak of.
    pub(crate) fn check(&mut self, key: &Key) -> Option<(Arc<Vec<Diagnostic>>, Files)> {
        self.load(key);
        let texts = self.texts();
        let package = self.packages.get_mut(key)?;
        let Some(session) = package.session.as_mut() else {
            let failure = package.failure.as_ref()?;
            let found = failure.diagnostics.sorted().into_iter().cloned().collect();
            return Some((Arc::new(found), failure.files.clone()));
        };
        if let Some(known) = &package.checked {
            return Some((Arc::clone(known), session.files().clone()));
        }
        session.set_texts(&texts);
        let found: Arc<Vec<Diagnostic>> = Arc::new(session.check().sorted().into_iter().cloned().collect());
        package.checked = Some(Arc::clone(&found));
        Some((found, session.files().clone()))
    }

    pub(crate) fn session(&self, key: &Key) -> Option<&Session> {
        self.packages.get(key)?.session.as_ref()
    }

    /// The analysed package of a document, and the document in it.
    pub(crate) fn place(&mut self, uri: &Uri) -> Option<Place> {
        let path = uri::path(uri);
        let key = self.key(&path);
        self.packages.entry(key.clone()).or_default();
        let analysis = self.analysis(&key)?;
        let file = analysis.file(&self.name_in_files(&path))?;
        let lines = Lines::new(Arc::clone(&analysis.files.get(file)?.text));
        Some(Place { key, analysis, file, lines })
    }

    // -----------------------------------------------------------------------------------------------------------
    // Places that a client can open

    /// The URI of a file of a package. A copy of an embedded one is written when it is first asked for.
    pub(crate) fn uri(&mut self, files: &Files, file: FileId) -> Option<Uri> {
        let name = files.path(file).to_owned();
        let Some((package, rest)) = name.strip_prefix('<').and_then(|name| name.split_once(">/")) else {
            return uri::of(Path::new(&name));
        };
        let path = self.copies.as_ref()?.join(package).join(rest);
        let text = Arc::clone(&files.get(file)?.text);
        self.write(&path, &text).then(|| uri::of(&path))?
    }

    pub(crate) fn location(&mut self, files: &Files, span: Span) -> Option<Location> {
        let text = Arc::clone(&files.get(span.file)?.text);
        let range = Lines::new(text).range(span.start, span.end);
        Some(Location { uri: self.uri(files, span.file)?, range })
    }

    /// A page that explains a code.
    pub(crate) fn explanation(&mut self, code: Code) -> Option<Uri> {
        let path = self.copies.as_ref()?.join("codes").join(format!("{code}.md"));
        let text = format!("{}\n", code.explain().trim_end());
        self.write(&path, &text).then(|| uri::of(&path))?
    }

    /// Writes a file for reading only; `true` if it is there.
    fn write(&mut self, path: &Path, text: &str) -> bool {
        if self.written.contains(path) || read(path).is_some_and(|known| known == text) {
            self.written.insert(path.to_path_buf());
            return true;
        }
        let written = write_whole(path, text).is_ok();
        if written {
            self.written.insert(path.to_path_buf());
        }
        written
    }
}

/// Other servers may write the same file: each writes its own and moves it into place.
fn write_whole(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let draft = path.with_extension(format!("{}.draft", std::process::id()));
    std::fs::write(&draft, text)?;
    let mut permissions = std::fs::metadata(&draft)?.permissions();
    permissions.set_readonly(true);
    std::fs::set_permissions(&draft, permissions)?;
    std::fs::rename(&draft, path)
}

fn read(path: &Path) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

pub(crate) fn file_called(files: &Files, name: &str) -> Option<FileId> {
    files.iter().find(|(_, file)| &*file.path == name).map(|(id, _)| id)
}
