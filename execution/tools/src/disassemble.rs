//! Bytecode with the lines of source it comes from.
//!
//! The text is that of [`noema_bytecode::disassemble`]; in front of the first instruction of every line of source stands
//! that line as a comment.

use noema_bytecode::{CompiledModule, CompiledScript};
use noema_compiler::SourceMap;
use noema_compiler::diagnostics::Files;
use serde_json::Value;

/// The lines that instructions come from: what a file of `build/NAME/source_maps` says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceLines {
    /// Paths as the compiler was given them.
    pub files: Vec<String>,
    /// By position of the definition: for each instruction a position in `files`, and a line from 1.
    functions: Vec<Vec<(usize, usize)>>,
}

/// A document that is no source map.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a source map: {what} is missing or of another kind; hint: `noema move build` writes source maps")]
pub struct SourceMapError {
    /// What was looked for.
    pub what: &'static str,
}

impl SourceLines {
    /// Those of a program just compiled.
    #[must_use]
    pub fn new(map: &SourceMap, files: &Files) -> Self {
        Self::from_json(&map.to_json(files)).expect("the compiler's own map has the form it documents")
    }

    /// Reads the document that the compiler writes.
    ///
    /// # Errors
    /// [`SourceMapError`] if it is another.
    pub fn from_json(document: &Value) -> Result<Self, SourceMapError> {
        let wrong = |what| SourceMapError { what };
        let files = document["files"].as_array().ok_or(wrong("`files`"))?;
        let files = files.iter().map(|path| path.as_str().map(str::to_owned)).collect::<Option<_>>();
        let functions = document["functions"].as_array().ok_or(wrong("`functions`"))?;
        let place = |place: &Value| {
            let number = |at: usize| usize::try_from(place.get(at)?.as_u64()?).ok();
            Some((number(0)?, number(1)?))
        };
        let code = |function: &Value| function["code"].as_array()?.iter().map(place).collect::<Option<Vec<_>>>();
        let functions = functions.iter().map(code).collect::<Option<_>>().ok_or(wrong("`code`"))?;
        Ok(Self { files: files.ok_or(wrong("a path"))?, functions })
    }
}

/// The module as text, with its source; `source` gives the text of a path, if it is at hand.
#[must_use]
pub fn with_source(module: &CompiledModule, lines: &SourceLines, source: impl FnMut(&str) -> Option<String>) -> String {
    interleave(&noema_bytecode::disassemble(module), lines, source)
}

/// The script as text, with its source.
#[must_use]
pub fn script_with_source(
    script: &CompiledScript,
    lines: &SourceLines,
    source: impl FnMut(&str) -> Option<String>,
) -> String {
    interleave(&noema_bytecode::disassemble_script(script), lines, source)
}

/// Functions are in the text in the order of the map: each begins where its parameters are listed.
fn interleave(text: &str, lines: &SourceLines, mut source: impl FnMut(&str) -> Option<String>) -> String {
    let texts: Vec<Option<String>> = lines.files.iter().map(|path| source(path)).collect();
    let show = |(file, line): (usize, usize)| {
        let path = lines.files.get(file).map_or("?", String::as_str);
        let name = path.rsplit(['/', '\\']).next().unwrap_or(path);
        let text = texts.get(file).and_then(Option::as_ref).and_then(|text| text.lines().nth(line.checked_sub(1)?));
        let code = text.map_or(String::new(), |text| format!("  {}", text.trim()));
        format!("        // {name}:{line}{code}\n")
    };
    let mut functions = lines.functions.iter();
    let (mut code, mut shown): (&[(usize, usize)], _) = (&[], None);
    let mut out = String::with_capacity(text.len() * 2);
    for line in text.lines() {
        if is_function(line) {
            code = functions.next().map(Vec::as_slice).unwrap_or_default();
            shown = None;
        } else if let Some(place) = instruction(line).and_then(|offset| code.get(offset).copied())
            && shown != Some(place)
        {
            out.push_str(&show(place));
            shown = Some(place);
        }
        out.push_str(line);
        out.push('\n');
    }
    out
}

/// `    public fun f(..): T {`, `    native fun f(..);`, `    main(..) {`
fn is_function(line: &str) -> bool {
    let Some(rest) = line.strip_prefix("    ").filter(|rest| !rest.starts_with(' ')) else { return false };
    let head = rest.split(['(', '<']).next().unwrap_or_default();
    head == "main" || head.split(' ').any(|word| word == "fun")
}

/// The offset that a line of code begins with.
fn instruction(line: &str) -> Option<usize> {
    line.strip_prefix("        ")?.trim_start().split_once(": ")?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use noema_compiler::{Options, SourcePackage, compile_sources};

    use super::*;

    const SOURCE: &str = "module 0x42::m {
    native fun outside();

    public fun pick(flag: bool): u64 {
        if (flag) {
            1
        } else {
            let x = 2;
            x + 1
        }
    }

    fun last(): u64 { 7 }
}
";

    fn disassembled(with_text: bool) -> String {
        let root = SourcePackage {
            name: "m".to_owned(),
            sources: vec![("sources/m.move".to_owned(), SOURCE.to_owned())],
            ..SourcePackage::default()
        };
        let program = compile_sources(&root, &[], Options::default()).unwrap_or_else(|failure| panic!("{failure}"));
        let unit = &program.modules[0];
        let lines = SourceLines::new(&unit.source_map, &program.files);
        with_source(&unit.module, &lines, |path| (with_text && path == "sources/m.move").then(|| SOURCE.to_owned()))
    }

    #[test]
    fn lines_stand_before_their_code() {
        let text = disassembled(true);
        let comments: Vec<&str> =
            text.lines().filter_map(|line| line.trim_start().strip_prefix("// m.move:")).collect();
        for wanted in ["5  if (flag) {", "6  1", "9  x + 1", "13  fun last(): u64 { 7 }"] {
            assert!(comments.contains(&wanted), "{wanted}\n{text}");
        }
        let plain: String = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("// m.move"))
            .map(|line| format!("{line}\n"))
            .collect();
        assert!(plain.contains("LdU64"), "{plain}");
        assert!(!plain.contains("m.move"), "{plain}");
    }

    #[test]
    fn a_missing_text_leaves_the_places() {
        let text = disassembled(false);
        assert!(text.contains("        // m.move:5\n"), "{text}");
    }

    #[test]
    fn other_documents_are_refused() {
        for text in
            ["{}", "[]", r#"{"files": [1], "functions": []}"#, r#"{"files": [], "functions": [{"code": [["a"]]}]}"#]
        {
            let document: Value = serde_json::from_str(text).unwrap();
            assert!(SourceLines::from_json(&document).is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_document_is_read_or_refused(text in "[\\[\\]{}\",:0-9a-z]{0,60}", file in 0u64..9, line in 0u64..u64::MAX) {
            if let Ok(document) = serde_json::from_str::<Value>(&text) {
                let _ = SourceLines::from_json(&document);
            }
            let document = serde_json::json!({ "files": ["a"], "functions": [{ "code": [[file, line, 0]] }] });
            let lines = SourceLines::from_json(&document).expect("it has the form");
            let shown = interleave("    fun f() {\n            0: Ret\n", &lines, |_| Some("text".to_owned()));
            proptest::prop_assert!(shown.ends_with("            0: Ret\n"), "{}", shown);
        }
    }
}
