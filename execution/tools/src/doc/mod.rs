//! Markdown pages of modules: what their doc comments and declarations say.
//!
//! One page per module and an index. Declarations stand as they are written, with links to the types they name; code
//! folds. Every link leads to an anchor of a page of the same run: what has no page is not linked.

mod page;
mod resolve;
mod text;

use noema_compiler::diagnostics::{Diagnostics, Files};
use noema_compiler::expand::ast::{ExpandedModule, ModuleIdent, Program};
use noema_compiler::expand::expand;
use noema_compiler::package::LoadedProgram;

use page::Page;
use resolve::Known;
use text::{escape_prose, first_sentence};

/// What to write.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DocOptions {
    /// Pages for the modules of dependencies too.
    pub dependencies: bool,
}

/// A page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Its file, beside the others.
    pub file: String,
    /// Markdown.
    pub text: String,
}

/// Name of the index.
pub const INDEX: &str = "README.md";

/// The pages of a package that compiles, the index first.
///
/// # Errors
/// The messages, if the package does not parse or expand.
pub fn document(loaded: &LoadedProgram, options: DocOptions) -> Result<Vec<Document>, Box<Diagnostics>> {
    let mut diagnostics = Diagnostics::new();
    let program = expand(loaded.parse(&mut diagnostics), false, &mut diagnostics);
    if diagnostics.has_errors() {
        return Err(Box::new(diagnostics));
    }
    let modules = chosen(&program, options);
    let known = Known::new(&modules);
    let mut documents = vec![Document { file: INDEX.to_owned(), text: index(loaded, &modules) }];
    for module in &modules {
        let text = Page::new(module, &loaded.files, &known).write();
        documents.push(Document { file: file_of(&module.ident), text });
    }
    Ok(documents)
}

fn chosen(program: &Program, options: DocOptions) -> Vec<&ExpandedModule> {
    let modules = program.modules.values().filter(|module| module.is_target || options.dependencies);
    modules.filter(|module| !module.attributes.test_only).collect()
}

/// `0x1_coin.md`
fn file_of(ident: &ModuleIdent) -> String {
    format!("{}_{}.md", ident.address.to_short_hex(), ident.name)
}

fn index(loaded: &LoadedProgram, modules: &[&ExpandedModule]) -> String {
    let mut out = format!("# {}\n", loaded.root().name);
    let mut packages: Vec<_> = modules.iter().map(|module| &module.package).collect();
    packages.sort_by_key(|name| (**name != loaded.root().name, name.to_string()));
    packages.dedup();
    for package in packages {
        if *package != loaded.root().name {
            out.push_str(&format!("\n## {package}\n"));
        }
        out.push_str("\n| module | what it is |\n| --- | --- |\n");
        for module in modules.iter().filter(|module| module.package == *package) {
            let summary = module.docs.as_ref().map(|docs| first_sentence(docs)).unwrap_or_default();
            let summary = escape_prose(&summary).replace('|', "\\|");
            out.push_str(&format!("| [`{}`]({}) | {summary} |\n", module.ident, file_of(&module.ident)));
        }
    }
    out
}

/// The text of a span with its lines brought to the left.
fn source(files: &Files, span: noema_compiler::diagnostics::Span) -> String {
    let text = files.text(span);
    let before = files.get(span.file).map_or("", |file| &file.text[..span.start as usize]);
    let indent = before.len() - before.rfind('\n').map_or(0, |newline| newline + 1);
    let mut lines = text.lines();
    let mut out = lines.next().unwrap_or_default().to_owned();
    for line in lines {
        let spaces = line.len() - line.trim_start_matches(' ').len();
        out.push('\n');
        out.push_str(&line[spaces.min(indent)..]);
    }
    out
}
