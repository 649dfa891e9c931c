//! Paths as URIs.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use lsp_types::Uri;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What is escaped in a path.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The path that a document is known by: of a file its path, of anything else its URI.
pub(crate) fn path(uri: &Uri) -> PathBuf {
    let text = uri.as_str();
    let Some(rest) = text.strip_prefix("file://") else { return PathBuf::from(text) };
    // An authority, such as `localhost`, stands before the path.
    let rest = rest.find('/').map_or(rest, |slash| &rest[slash..]);
    let decoded = percent_decode_str(rest).decode_utf8_lossy().into_owned();
    // `/c:/x` on Windows.
    let drive = decoded.as_bytes().get(2) == Some(&b':') && decoded.as_bytes()[1].is_ascii_alphabetic();
    PathBuf::from(if drive { &decoded[1..] } else { &decoded })
}

/// The URI of a path; that of a document which is no file is the path itself.
pub(crate) fn of(path: &Path) -> Option<Uri> {
    let text = path.display().to_string();
    if text.contains(':') && !path.is_absolute() {
        return Uri::from_str(&text).ok();
    }
    let text = text.replace('\\', "/");
    let slash = if text.starts_with('/') { "" } else { "/" };
    Uri::from_str(&format!("file://{slash}{}", utf8_percent_encode(&text, ESCAPED))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_come_back() {
        for text in ["/a/b.move", "/a b/\u{e4}%20/x.move", "untitled:Untitled-1"] {
            let uri = of(Path::new(text)).unwrap();
            assert_eq!(path(&uri), PathBuf::from(text), "{}", uri.as_str());
        }
        assert_eq!(path(&Uri::from_str("file://localhost/a%2Fb").unwrap()), PathBuf::from("/a/b"));
    }
}
