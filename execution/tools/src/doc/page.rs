//! One module's page.

use noema_compiler::diagnostics::{Diagnostics, FileId, Files, Span, Symbol};
use noema_compiler::expand::ast::{Annotated, Attributes, ExpandedModule};
use noema_compiler::parse::ast::{
    Ability, Constant, Enum, Fields, Function, FunctionBody, FunctionKind, Spanned, Struct, TypeParam, Visibility,
};
use noema_compiler::parse::lexer::lex;
use noema_compiler::parse::token::TokenKind;

use super::resolve::{Known, Scope, anchor, title};
use super::source;
use super::text::{escape_html, escape_prose, fenced, first_sentence, map_prose};

pub(super) struct Page<'a> {
    module: &'a ExpandedModule,
    files: &'a Files,
    scope: Scope<'a>,
    out: String,
}

impl<'a> Page<'a> {
    pub(super) fn new(module: &'a ExpandedModule, files: &'a Files, known: &'a Known) -> Self {
        Self { module, files, scope: Scope::new(module, known), out: String::new() }
    }

    pub(super) fn write(mut self) -> String {
        let module = self.module;
        self.line(&format!("# Module `{}`", module.ident));
        self.docs(module.docs.as_ref());
        let functions: Vec<_> = module.functions.iter().filter(|function| !function.attributes.test_only).collect();
        let (open, closed): (Vec<_>, Vec<_>) = functions.into_iter().partition(|function| is_open(&function.item));
        let (errors, constants): (Vec<_>, Vec<_>) = module
            .constants
            .iter()
            .filter(|constant| !constant.attributes.test_only)
            .partition(|constant| self.is_error(constant));
        self.contents(&open, &closed);
        self.structs();
        self.enums();
        self.errors(&errors);
        self.constants(&constants);
        for (title, functions) in [("Functions", open), ("Private functions", closed)] {
            if !functions.is_empty() {
                self.line(&format!("## {title}"));
            }
            for function in functions {
                self.function(function);
            }
        }
        self.out
    }

    fn line(&mut self, text: &str) {
        if !self.out.is_empty() {
            self.out.push('\n');
        }
        self.out.push_str(text.trim_end());
        self.out.push('\n');
    }

    /// A doc comment; names of members in back quotes become links.
    fn docs(&mut self, docs: Option<&Symbol>) {
        if let Some(docs) = docs {
            let text = self.linked(docs);
            self.line(&text);
        }
    }

    fn linked(&self, docs: &str) -> String {
        let code = |span: &str| {
            let name = span.trim_matches('`').trim_end_matches("()");
            let link = self.scope.link(name).or_else(|| self.scope.module_link(name));
            link.map_or_else(|| span.to_owned(), |link| format!("[{span}]({link})"))
        };
        // A span inside a link of the author's stays as it is.
        if docs.contains("](") { escape_prose(docs) } else { map_prose(docs, |prose| prose.replace('<', "&lt;"), code) }
    }

    /// A doc comment in a cell of a table.
    fn cell(&self, docs: Option<&Symbol>) -> String {
        let text: Vec<&str> = docs.map(|docs| docs.lines().map(str::trim).collect()).unwrap_or_default();
        self.linked(text.join(" ").trim()).replace('|', "\\|")
    }

    fn contents(&mut self, open: &[&Annotated<Function>], closed: &[&Annotated<Function>]) {
        let link = |name: &str| format!("[`{name}`](#{})", anchor(name));
        let module = self.module;
        let types: Vec<String> = (module.structs.iter().map(|data| &data.item.name))
            .chain(module.enums.iter().map(|data| &data.item.name))
            .map(|name| link(&name.value))
            .collect();
        if !types.is_empty() {
            self.line(&format!("Types: {}", types.join(", ")));
        }
        if !open.is_empty() {
            let mut table = "| function | what it does |\n| --- | --- |\n".to_owned();
            for function in open {
                let docs = function.item.docs.as_ref().map(|docs| first_sentence(docs)).unwrap_or_default();
                let marks: String = marks(function).iter().map(|mark| format!(" *{mark}*")).collect();
                let summary = escape_prose(&docs).replace('|', "\\|");
                table.push_str(&format!("| {}{marks} | {summary} |\n", link(&title(&function.item))));
            }
            self.line(&table);
        }
        if !closed.is_empty() {
            let names: Vec<String> = closed.iter().map(|function| link(&title(&function.item))).collect();
            self.line(&format!("Private: {}", names.join(", ")));
        }
    }

    fn heading(&mut self, name: &str) {
        self.line(&format!("<a id=\"{}\"></a>\n\n### `{name}`", anchor(name)));
    }

    // -------------------------------------------------------------------------------------------- types

    fn structs(&mut self) {
        let structs: Vec<_> = self.module.structs.iter().filter(|data| !data.attributes.test_only).collect();
        if !structs.is_empty() {
            self.line("## Structs");
        }
        for data in structs {
            self.structure(data);
        }
    }

    fn structure(&mut self, data: &Annotated<Struct>) {
        let Annotated { attributes, item } = data;
        self.heading(&item.name.value);
        self.marks(&data_marks(attributes));
        self.docs(item.docs.as_ref());
        let native = if matches!(item.fields, Fields::Native(_)) { "native " } else { "" };
        self.data_head(&format!("{native}struct"), &item.name.value, &item.type_params, &item.abilities);
        let rows = self.fields(&item.fields, &item.type_params);
        self.field_table(&rows);
    }

    fn enums(&mut self) {
        let enums: Vec<_> = self.module.enums.iter().filter(|data| !data.attributes.test_only).collect();
        if !enums.is_empty() {
            self.line("## Enums");
        }
        for Annotated { attributes, item } in enums {
            self.enumeration(attributes, item);
        }
    }

    fn enumeration(&mut self, attributes: &Attributes, item: &Enum) {
        self.heading(&item.name.value);
        self.marks(&data_marks(attributes));
        self.docs(item.docs.as_ref());
        self.data_head("enum", &item.name.value, &item.type_params, &item.abilities);
        for variant in &item.variants {
            let docs = self.cell(variant.docs.as_ref());
            let docs = if docs.is_empty() { String::new() } else { format!(": {docs}") };
            self.line(&format!("- variant `{}`{docs}", variant.name.value));
            let rows = self.fields(&variant.fields, &item.type_params);
            self.field_table(&rows);
        }
    }

    fn data_head(&mut self, word: &str, name: &str, params: &[TypeParam], abilities: &[Spanned<Ability>]) {
        let params: Vec<String> = params
            .iter()
            .map(|param| {
                let phantom = if param.phantom.is_some() { "phantom " } else { "" };
                let constraints: Vec<String> = param.constraints.iter().map(|one| one.value.to_string()).collect();
                let constraints =
                    if constraints.is_empty() { String::new() } else { format!(": {}", constraints.join(" + ")) };
                format!("{phantom}{}{constraints}", param.name.value)
            })
            .collect();
        let params = if params.is_empty() { String::new() } else { format!("<{}>", params.join(", ")) };
        let abilities: Vec<String> = abilities.iter().map(|ability| ability.value.to_string()).collect();
        let has = if abilities.is_empty() { String::new() } else { format!(" has {}", abilities.join(", ")) };
        self.line(&format!("<pre><code>{word} <b>{name}</b>{}{has}</code></pre>", escape_html(&params)));
    }

    /// Name, type and doc comment of each field.
    fn fields(&self, fields: &Fields, params: &[TypeParam]) -> Vec<[String; 3]> {
        match fields {
            Fields::Named(fields) => fields
                .iter()
                .map(|field| {
                    let ty = self.code(field.ty.span, params).replace('|', "&#124;");
                    [field.name.value.to_string(), ty, self.cell(field.docs.as_ref())]
                })
                .collect(),
            Fields::Positional(types) => types
                .iter()
                .enumerate()
                .map(|(at, ty)| [at.to_string(), self.code(ty.span, params).replace('|', "&#124;"), String::new()])
                .collect(),
            Fields::None | Fields::Native(_) => Vec::new(),
        }
    }

    fn field_table(&mut self, rows: &[[String; 3]]) {
        if rows.is_empty() {
            return;
        }
        let mut table = "| field | type | |\n| --- | --- | --- |\n".to_owned();
        for [name, ty, docs] in rows {
            table.push_str(&format!("| `{name}` | <code>{ty}</code> | {docs} |\n"));
        }
        self.line(&table);
    }

    // -------------------------------------------------------------------------------------------- constants

    fn is_error(&self, constant: &Annotated<Constant>) -> bool {
        let is_code = constant.item.name.value.starts_with('E') && self.files.text(constant.item.ty.span) == "u64";
        is_code || constant.attributes.error.is_some()
    }

    fn errors(&mut self, errors: &[&Annotated<Constant>]) {
        if errors.is_empty() {
            return;
        }
        self.line("## Errors");
        let mut table = "| code | name | meaning |\n| --- | --- | --- |\n".to_owned();
        for error in errors {
            let name = &error.item.name.value;
            let meaning = self.cell(error.item.docs.as_ref());
            let value = self.value(&error.item);
            table.push_str(&format!("| {value} | <a id=\"{}\"></a>`{name}` | {meaning} |\n", anchor(name)));
        }
        self.line(&table);
    }

    fn constants(&mut self, constants: &[&Annotated<Constant>]) {
        if constants.is_empty() {
            return;
        }
        self.line("## Constants");
        let mut table = "| name | type | value | |\n| --- | --- | --- | --- |\n".to_owned();
        for constant in constants {
            let item = &constant.item;
            let ty = self.code(item.ty.span, &[]);
            let (name, docs, value) = (&item.name.value, self.cell(item.docs.as_ref()), self.value(item));
            table.push_str(&format!(
                "| <a id=\"{}\"></a>`{name}` | <code>{ty}</code> | {value} | {docs} |\n",
                anchor(name)
            ));
        }
        self.line(&table);
    }

    /// A constant's value as it is written.
    fn value(&self, constant: &Constant) -> String {
        let text = self.code(constant.value.span, &[]).replace('|', "&#124;");
        format!("<code>{text}</code>")
    }

    // -------------------------------------------------------------------------------------------- functions

    fn function(&mut self, function: &Annotated<Function>) {
        let item = &function.item;
        self.heading(&title(item));
        self.marks(&marks(function));
        self.docs(item.docs.as_ref());
        let head = self.head(item);
        self.line(&format!("<pre><code>{head}</code></pre>"));
        if matches!(item.body, FunctionBody::Block(_)) {
            let start = Span { start: item.signature_span.start, ..item.span };
            let code = fenced(&source(self.files, start));
            self.line(&format!("<details><summary>Code</summary>\n\n{code}\n</details>"));
        }
    }

    fn marks(&mut self, marks: &[String]) {
        if !marks.is_empty() {
            let marks: Vec<String> = marks.iter().map(|mark| format!("*{mark}*")).collect();
            self.line(&marks.join(" "));
        }
    }

    /// The head of a function as the formatter lays it out, as HTML.
    fn head(&self, function: &Function) -> String {
        let text = self.files.text(function.signature_span);
        let body = if matches!(function.body, FunctionBody::Native(_)) { ";" } else { " {}" };
        let whole = crate::fmt::format("signature", &format!("module 0x1::m {{\n{text}{body}\n}}\n"));
        let formatted = whole.ok().and_then(|whole| {
            let inside = whole.strip_prefix("module 0x1::m {\n")?.strip_suffix("\n}\n")?.strip_suffix(body)?;
            Some(
                inside
                    .lines()
                    .map(|line| format!("{}\n", line.strip_prefix("    ").unwrap_or(line)))
                    .collect::<String>(),
            )
        });
        // A head that cannot stand alone is shown as it is written.
        let head = formatted.unwrap_or_else(|| text.to_owned());
        self.html(head.trim_end(), &function.type_params, Some(&function.name.value))
    }

    /// Source on one line, as HTML.
    fn code(&self, span: Span, params: &[TypeParam]) -> String {
        let words: Vec<&str> = self.files.text(span).split_whitespace().collect();
        self.html(&words.join(" "), params, None)
    }

    /// Source as HTML: types linked, a function's own name bold.
    fn html(&self, text: &str, params: &[TypeParam], name: Option<&str>) -> String {
        let mut unused = Diagnostics::new();
        let tokens = lex(FileId(0), text, &mut unused).tokens;
        let kind = |at: usize| tokens.get(at).map_or(TokenKind::End, |token| token.kind);
        let is_word = |at: usize| matches!(kind(at), TokenKind::Ident | TokenKind::Number);
        let (mut out, mut at, mut position) = (String::new(), 0, 0);
        let mut is_named = name.is_none();
        while kind(at) != TokenKind::End {
            let mut last = at;
            while is_word(last) && kind(last + 1) == TokenKind::ColonColon && kind(last + 2) == TokenKind::Ident {
                last += 2;
            }
            let (start, end) = (tokens[at].span.start as usize, tokens[last].span.end as usize);
            out.push_str(&escape_html(&text[position..start]));
            let path = &text[start..end];
            let is_label = kind(last + 1) == TokenKind::Colon;
            let is_param = params.iter().any(|param| param.name.value == path);
            if !is_named && name == Some(path) {
                out.push_str(&format!("<b>{path}</b>"));
                is_named = true;
            } else if is_named
                && kind(last) == TokenKind::Ident
                && !is_label
                && !is_param
                && let Some(link) = self.scope.link(path)
            {
                out.push_str(&format!("<a href=\"{link}\">{}</a>", escape_html(path)));
            } else {
                out.push_str(&escape_html(path));
            }
            position = end;
            at = last + 1;
        }
        out
    }
}

/// Functions that others may call.
fn is_open(function: &Function) -> bool {
    function.visibility != Visibility::Private || function.entry.is_some()
}

fn marks(function: &Annotated<Function>) -> Vec<String> {
    let item = &function.item;
    let mut marks = Vec::new();
    let mut mark = |applies: bool, name: &str| {
        if applies {
            marks.push(name.to_owned());
        }
    };
    mark(function.attributes.view.is_some(), "view");
    mark(item.entry.is_some() || matches!(item.visibility, Visibility::Script(_)), "entry");
    mark(matches!(item.visibility, Visibility::Friend(_)), "friend");
    mark(matches!(item.visibility, Visibility::Package(_)), "package");
    mark(item.kind == FunctionKind::Inline, "inline");
    mark(item.kind == FunctionKind::Macro, "macro");
    mark(matches!(item.body, FunctionBody::Native(_)), "native");
    marks
}

fn data_marks(attributes: &Attributes) -> Vec<String> {
    let mut marks = Vec::new();
    if attributes.event.is_some() {
        marks.push("event".to_owned());
    }
    if let Some((scope, _)) = &attributes.resource_group {
        marks.push(format!("resource group, scope {scope}"));
    }
    if let Some((group, _)) = &attributes.resource_group_member {
        marks.push(format!("member of resource group {group}"));
    }
    marks
}
