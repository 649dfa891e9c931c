//! Finds and reads source files.

use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use crate::diagnostics::{Diagnostic, Diagnostics, FileId, Files, Span, codes};
use crate::limits::{SOURCE_BYTES_MAX, SOURCE_FILES_MAX};

/// A text that is at hand or still to be read.
pub(super) enum Text {
    /// On disk.
    File(PathBuf),
    /// At hand.
    Given(String),
}

/// The `.move` files below the given folders of `directory`, in the order of their paths. A folder that does not exist
/// holds none.
pub(super) fn find(directory: &Path, folders: &[&str], diagnostics: &mut Diagnostics) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in folders {
        let root = directory.join(folder);
        if !root.is_dir() {
            continue;
        }
        let mut below = Vec::new();
        for entry in WalkDir::new(&root).follow_links(false) {
            match entry {
                Ok(entry) if entry.file_type().is_file() && is_source(entry.path()) => below.push(entry.into_path()),
                Ok(_) => {}
                Err(error) => diagnostics.push(Diagnostic::without_place(
                    codes::SOURCE_UNREADABLE,
                    format!("cannot read {}: {error}", root.display()),
                )),
            }
        }
        below.sort();
        found.extend(below);
    }
    if found.len() > SOURCE_FILES_MAX {
        diagnostics.push(Diagnostic::without_place(
            codes::SOURCE_UNREADABLE,
            format!("{} has {} source files, the limit is {SOURCE_FILES_MAX}", directory.display(), found.len()),
        ));
        found.truncate(SOURCE_FILES_MAX);
    }
    found
}

fn is_source(path: &Path) -> bool {
    let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
    !hidden && path.extension().is_some_and(|extension| extension == "move")
}

/// Adds a text to `files`, reading it if it is on disk.
pub(super) fn read(name: &str, text: Text, files: &mut Files, diagnostics: &mut Diagnostics) -> Option<FileId> {
    let path = match text {
        Text::Given(text) => return Some(files.add(name, text)),
        Text::File(path) => path,
    };
    let unreadable = |error: String| {
        Diagnostic::without_place(codes::SOURCE_UNREADABLE, format!("cannot read {}: {error}", path.display()))
    };
    match std::fs::metadata(&path) {
        Ok(metadata) if metadata.len() > SOURCE_BYTES_MAX as u64 => {
            diagnostics.push(Diagnostic::without_place(
                codes::FILE_TOO_LARGE,
                format!("{} has {} bytes, the limit is {SOURCE_BYTES_MAX}", path.display(), metadata.len()),
            ));
            return None;
        }
        Ok(_) => {}
        Err(error) => {
            diagnostics.push(unreadable(error.to_string()));
            return None;
        }
    }
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) => {
            diagnostics.push(unreadable(error.to_string()));
            return None;
        }
    };
    match String::from_utf8(bytes) {
        Ok(text) => Some(files.add(name, text)),
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let id = files.add(name, String::from_utf8_lossy(error.as_bytes()).into_owned());
            let at = u32::try_from(valid).unwrap_or(u32::MAX);
            diagnostics.push(
                Diagnostic::new(codes::NOT_UTF8, Span::new(id, at, at), "the file is not valid UTF-8")
                    .label("the first bad byte")
                    .help("save the file as UTF-8"),
            );
            None
        }
    }
}
