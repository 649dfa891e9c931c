//! Answers to what an editor asks about a place or a name.

use crate::diagnostics::{FileId, Span, Symbol};
use crate::name::{DataKind, FunKind, TypeParamInfo};
use crate::typing::{DataId, FunId, Ty, Value};

use super::Analysis;
use super::index::{Definition, LocalKind, Occurrence};
use super::walk_exp::BUILTINS;

/// Longest declaration of a type that is shown whole, in lines.
const SHOWN_LINES_MAX: usize = 40;

/// Longest constant that is shown whole, in characters.
const SHOWN_VALUE_MAX: usize = 200;

/// What kind of thing a symbol is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the variants say what they are")]
pub enum SymbolKind {
    Module,
    Struct,
    Enum,
    Variant,
    Field,
    Function,
    Macro,
    Constant,
    TypeParameter,
    Parameter,
    Variable,
    Label,
    Address,
    Builtin,
}

/// What there is to say about a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hover {
    /// The name or expression that is spoken of.
    pub span: Span,
    /// Its declaration or type, as Move.
    pub code: String,
    /// Where it belongs: `0x1::vector`.
    pub container: Option<String>,
    /// Its value, of constants.
    pub value: Option<String>,
    /// Its doc comment.
    pub docs: Option<String>,
}

/// A function's head, in parts that an editor can point at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// All of it on one line.
    pub label: String,
    /// Where in `label` each parameter stands, in bytes.
    pub params: Vec<(usize, usize)>,
    /// The function's doc comment.
    pub docs: Option<String>,
}

/// An entry of an outline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outline {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: SymbolKind,
    /// Its type or signature.
    pub detail: Option<String>,
    /// All of it.
    pub span: Span,
    /// Its name's place.
    pub name_span: Span,
    /// What it contains.
    pub children: Vec<Outline>,
}

impl Analysis {
    /// What stands at a byte.
    #[must_use]
    pub fn occurrence(&self, file: FileId, byte: u32) -> Option<Occurrence> {
        self.index.at(file, byte).first().copied()
    }

    /// Where the name of a definition is declared; `None` for what no source declares.
    #[must_use]
    pub fn name_span(&self, definition: Definition) -> Option<Span> {
        let globals = &self.globals;
        Some(match definition {
            Definition::Module(id) => globals.module(id).name.span,
            Definition::Data(id) => globals.datatype(id).name.span,
            Definition::Variant(id, variant) => globals.datatype(id).variants().get(variant)?.name.span,
            Definition::Field(id, variant, field) => globals.datatype(id).fields_of(variant).get(field)?.name.span,
            Definition::Function(id) => globals.function(id).name.span,
            Definition::Constant(id) => globals.constant(id).name.span,
            Definition::FunTypeParam(id, position) => {
                globals.function(id).type_params.get(usize::from(position))?.name.span
            }
            Definition::DataTypeParam(id, position) => {
                globals.datatype(id).type_params.get(usize::from(position))?.name.span
            }
            Definition::Local(id) => self.index.locals.get(id as usize)?.name.span,
            Definition::Address(_) | Definition::Builtin(_) => return None,
        })
    }

    /// The name of a definition.
    #[must_use]
    pub fn name(&self, definition: Definition) -> Symbol {
        let globals = &self.globals;
        let found = match definition {
            Definition::Module(id) => Some(globals.module(id).ident.name.clone()),
            Definition::Data(id) => Some(globals.datatype(id).name.value.clone()),
            Definition::Variant(id, variant) => {
                globals.datatype(id).variants().get(variant).map(|one| one.name.value.clone())
            }
            Definition::Field(id, variant, field) => {
                globals.datatype(id).fields_of(variant).get(field).map(|one| one.name.value.clone())
            }
            Definition::Function(id) => Some(globals.function(id).name.value.clone()),
            Definition::Constant(id) => Some(globals.constant(id).name.value.clone()),
            Definition::FunTypeParam(id, position) => param_name(&globals.function(id).type_params, position),
            Definition::DataTypeParam(id, position) => param_name(&globals.datatype(id).type_params, position),
            Definition::Local(id) => self.index.locals.get(id as usize).map(|local| local.name.value.clone()),
            Definition::Address(id) => self.index.addresses.get(id as usize).map(|(name, _)| name.clone()),
            Definition::Builtin(name) => Some(Symbol::from(name)),
        };
        found.unwrap_or_else(|| Symbol::from("_"))
    }

    /// What kind of thing a definition is.
    #[must_use]
    pub fn kind(&self, definition: Definition) -> SymbolKind {
        match definition {
            Definition::Module(_) => SymbolKind::Module,
            Definition::Data(id) if self.globals.datatype(id).is_enum() => SymbolKind::Enum,
            Definition::Data(_) => SymbolKind::Struct,
            Definition::Variant(..) => SymbolKind::Variant,
            Definition::Field(..) => SymbolKind::Field,
            Definition::Function(id) if self.globals.function(id).kind == FunKind::Macro => SymbolKind::Macro,
            Definition::Function(_) => SymbolKind::Function,
            Definition::Constant(_) => SymbolKind::Constant,
            Definition::FunTypeParam(..) | Definition::DataTypeParam(..) => SymbolKind::TypeParameter,
            Definition::Local(id) => match self.index.locals.get(id as usize).map(|local| local.kind) {
                Some(LocalKind::Parameter) => SymbolKind::Parameter,
                Some(LocalKind::Label) => SymbolKind::Label,
                _ => SymbolKind::Variable,
            },
            Definition::Address(_) => SymbolKind::Address,
            Definition::Builtin(_) => SymbolKind::Builtin,
        }
    }

    /// The module a definition belongs to; `None` for what belongs to none.
    #[must_use]
    pub fn module_of(&self, definition: Definition) -> Option<crate::typing::ModId> {
        let globals = &self.globals;
        match definition {
            Definition::Module(id) => Some(id),
            Definition::Data(id)
            | Definition::Variant(id, _)
            | Definition::Field(id, _, _)
            | Definition::DataTypeParam(id, _) => Some(globals.datatype(id).module),
            Definition::Function(id) | Definition::FunTypeParam(id, _) => Some(globals.function(id).module),
            Definition::Constant(id) => Some(globals.constant(id).module),
            Definition::Local(id) => {
                self.index.locals.get(id as usize).map(|local| globals.function(local.owner).module)
            }
            Definition::Address(_) | Definition::Builtin(_) => None,
        }
    }

    /// A type as people write it, in terms of the type parameters of `owner`.
    #[must_use]
    pub fn show(&self, ty: &Ty, owner: FunId) -> String {
        ty.display(&self.globals, &self.globals.function(owner).type_param_names())
    }

    fn show_in_data(&self, ty: &Ty, owner: DataId) -> String {
        let names: Vec<Symbol> =
            self.globals.datatype(owner).type_params.iter().map(|param| param.name.value.clone()).collect();
        ty.display(&self.globals, &names)
    }

    /// What to show at a byte: about the name there, else the type of the smallest expression.
    #[must_use]
    pub fn hover(&self, file: FileId, byte: u32) -> Option<Hover> {
        if let Some(found) = self.occurrence(file, byte) {
            let mut hover = self.describe(found.definition);
            hover.span = found.span;
            return Some(hover);
        }
        let (span, ty, owner) = self.index.type_at(file, byte)?;
        if matches!(ty, Ty::Error | Ty::Never) || ty.is_unit() {
            return None;
        }
        Some(Hover { span, code: self.show(ty, owner), container: None, value: None, docs: None })
    }

    /// All there is to say about a definition.
    #[must_use]
    pub fn describe(&self, definition: Definition) -> Hover {
        let globals = &self.globals;
        let name = self.name(definition);
        let mut hover = Hover {
            span: self.name_span(definition).unwrap_or_default(),
            code: name.to_string(),
            container: None,
            value: None,
            docs: None,
        };
        let docs = |docs: &Option<Symbol>| docs.as_ref().map(|text| text.trim().to_owned());
        let module = self.module_of(definition).map(|id| globals.module(id));
        hover.container = module.filter(|module| !module.is_script).map(|module| module.ident.to_string());
        match definition {
            Definition::Module(id) => {
                hover.code = format!("module {}", globals.module(id).ident);
                hover.docs = docs(&globals.module(id).docs);
                hover.container = Some(format!("package {}", globals.module(id).package));
            }
            Definition::Data(id) => {
                hover.code = self.declaration(globals.datatype(id).span);
                hover.docs = docs(&globals.datatype(id).docs);
            }
            Definition::Variant(id, variant) => {
                hover.code = self.variant(id, variant);
            }
            Definition::Field(id, variant, field) => {
                let data = globals.datatype(id);
                if let Some(info) = data.fields_of(variant).get(field) {
                    hover.code = format!("{}: {}", info.name.value, self.show_in_data(&info.ty, id));
                    hover.docs = docs(&info.docs);
                }
                let module = &globals.module(data.module).ident;
                let of = variant.and_then(|variant| data.variants().get(variant));
                hover.container = Some(match of {
                    Some(variant) => format!("{module}::{}::{}", data.name.value, variant.name.value),
                    None => format!("{module}::{}", data.name.value),
                });
            }
            Definition::Function(id) => {
                hover.code = self.signature(id).label;
                hover.docs = docs(&globals.function(id).docs);
            }
            Definition::Constant(id) => {
                let info = globals.constant(id);
                hover.code = format!("const {name}: {}", info.ty.display(globals, &[]));
                hover.value = info.value.as_ref().map(show_value);
                hover.docs = docs(&info.docs);
            }
            Definition::FunTypeParam(id, position) => {
                hover.code = type_param(&globals.function(id).type_params, position);
            }
            Definition::DataTypeParam(id, position) => {
                hover.code = type_param(&globals.datatype(id).type_params, position);
            }
            Definition::Local(id) => {
                hover.container = None;
                hover.code = self.local(id);
            }
            Definition::Address(id) => {
                if let Some((name, value)) = self.index.addresses.get(id as usize) {
                    hover.code = format!("{name} = {}", value.to_short_hex());
                }
            }
            Definition::Builtin(name) => {
                if let Some((_, signature, text)) = BUILTINS.iter().find(|(known, ..)| *known == name) {
                    hover.code = (*signature).to_owned();
                    hover.docs = Some((*text).to_owned());
                }
            }
        }
        hover
    }

    fn local(&self, id: u32) -> String {
        let Some(local) = self.index.locals.get(id as usize) else { return String::new() };
        let ty = local.ty.as_ref().map(|ty| self.show(ty, local.owner));
        match (local.kind, ty) {
            (LocalKind::Label, _) => format!("'{}", local.name.value),
            (LocalKind::Parameter, Some(ty)) => format!("{}: {ty}", local.name.value),
            (_, Some(ty)) => format!("let {}: {ty}", local.name.value),
            (_, None) => format!("let {}", local.name.value),
        }
    }

    /// The source of a declaration, cut after some lines, without what every line is indented by.
    fn declaration(&self, span: Span) -> String {
        let text = self.files.text(span);
        let lines: Vec<&str> = text.lines().collect();
        let indent = lines
            .iter()
            .skip(1)
            .filter(|line| !line.trim().is_empty())
            .map(|line| line.len() - line.trim_start().len());
        let indent = indent.min().unwrap_or(0);
        let mut shown: Vec<&str> = lines
            .iter()
            .enumerate()
            .take(SHOWN_LINES_MAX)
            .map(|(number, line)| if number == 0 { line } else { line.get(indent..).unwrap_or("") })
            .collect();
        if lines.len() > SHOWN_LINES_MAX {
            shown.push("..");
        }
        shown.join("\n")
    }

    fn variant(&self, id: DataId, variant: usize) -> String {
        let data = self.globals.datatype(id);
        let Some(info) = data.variants().get(variant) else { return String::new() };
        let types: Vec<String> = info
            .fields
            .iter()
            .map(|field| {
                let ty = self.show_in_data(&field.ty, id);
                if info.is_positional { ty } else { format!("{}: {ty}", field.name.value) }
            })
            .collect();
        let head = format!("{}::{}", data.name.value, info.name.value);
        match (types.is_empty(), info.is_positional) {
            (true, _) => head,
            (_, true) => format!("{head}({})", types.join(", ")),
            (_, false) => format!("{head} {{ {} }}", types.join(", ")),
        }
    }

    /// The head of a function.
    #[must_use]
    pub fn signature(&self, id: FunId) -> Signature {
        use crate::name::Vis;
        let info = self.globals.function(id);
        let mut label = String::new();
        label.push_str(match info.vis {
            Vis::Private => "",
            Vis::Public => "public ",
            Vis::Friend => "public(friend) ",
            Vis::Package => "public(package) ",
        });
        if info.entry.is_some() {
            label.push_str("entry ");
        }
        label.push_str(match info.kind {
            FunKind::Plain => "fun ",
            FunKind::Native => "native fun ",
            FunKind::Inline => "inline fun ",
            FunKind::Macro => "macro fun ",
        });
        label.push_str(&info.name.value);
        if !info.type_params.is_empty() {
            let params: Vec<String> =
                (0u16..).zip(&info.type_params).map(|(at, _)| type_param(&info.type_params, at)).collect();
            label.push_str(&format!("<{}>", params.join(", ")));
        }
        label.push('(');
        let mut params = Vec::new();
        for (position, (name, ty)) in info.params.iter().enumerate() {
            if position > 0 {
                label.push_str(", ");
            }
            let start = label.len();
            label.push_str(&format!("{}: {}", name.value, self.show(ty, id)));
            params.push((start, label.len()));
        }
        label.push(')');
        if !info.result.is_unit() {
            label.push_str(&format!(": {}", self.show(&info.result, id)));
        }
        Signature { label, params, docs: info.docs.as_ref().map(|text| text.trim().to_owned()) }
    }

    /// The call around a byte, its signature, and which parameter the byte belongs to.
    #[must_use]
    pub fn signature_at(&self, file: FileId, byte: u32) -> Option<(Signature, usize)> {
        let around = self.index.calls.iter().filter(|call| {
            call.span.file == file && call.span.start < byte && byte < call.span.end.max(call.span.start + 1)
        });
        let call = around.min_by_key(|call| (call.span.end - call.span.start, std::cmp::Reverse(call.span.start)))?;
        let before = call.args.iter().filter(|arg| arg.end < byte).count();
        let last = call.args.len().saturating_sub(1);
        let active = call.args.iter().position(|arg| arg.start <= byte && byte <= arg.end).unwrap_or(before.min(last));
        Some((self.signature(call.function), active + call.receiver))
    }

    /// The outline of a file: modules and scripts with their members.
    #[must_use]
    pub fn outline(&self, file: FileId) -> Vec<Outline> {
        let globals = &self.globals;
        let mut outline = Vec::new();
        for (id, module) in (0u32..).map(crate::typing::ModId).zip(&globals.modules) {
            if module.span.file != file {
                continue;
            }
            let mut children = Vec::new();
            for data in &module.datatypes {
                children.push(self.data_outline(*data));
            }
            for constant in &module.constants {
                let info = globals.constant(*constant);
                let detail = Some(info.ty.display(globals, &[]));
                children.push(leaf(&info.name, SymbolKind::Constant, detail, info.span));
            }
            for function in &module.functions {
                let info = globals.function(*function);
                let kind = self.kind(Definition::Function(*function));
                let body = self.index.bodies.iter().find(|(_, owner)| owner == function).map(|(span, _)| *span);
                let span = body.map_or(info.span, |body| info.span.to(body));
                children.push(leaf(&info.name, kind, Some(self.signature(*function).label), span));
            }
            children.sort_by_key(|child| child.span);
            if module.is_script {
                outline.extend(children);
                continue;
            }
            outline.push(Outline {
                name: self.name(Definition::Module(id)).to_string(),
                kind: SymbolKind::Module,
                detail: Some(module.ident.to_string()),
                span: module.span.to(module.name.span),
                name_span: module.name.span,
                children,
            });
        }
        outline.sort_by_key(|entry| entry.span);
        outline
    }

    fn data_outline(&self, data: DataId) -> Outline {
        let info = self.globals.datatype(data);
        let mut outline = leaf(&info.name, self.kind(Definition::Data(data)), None, info.span);
        let fields = |fields: &[crate::name::FieldInfo]| -> Vec<Outline> {
            let named = fields.iter().filter(|field| info.span.start < field.name.span.start);
            named
                .map(|field| {
                    let detail = Some(self.show_in_data(&field.ty, data));
                    leaf(&field.name, SymbolKind::Field, detail, field.name.span)
                })
                .collect()
        };
        outline.children = match &info.kind {
            DataKind::Struct(all) => fields(all),
            DataKind::Native => Vec::new(),
            DataKind::Enum(variants) => variants
                .iter()
                .map(|variant| leaf(&variant.name, SymbolKind::Variant, None, variant.name.span))
                .collect(),
        };
        outline
    }

    /// Members of all modules whose name holds the letters of `query` in order, those of the package itself first.
    #[must_use]
    pub fn search(&self, query: &str, limit: usize) -> Vec<Definition> {
        let globals = &self.globals;
        let mut found: Vec<(bool, usize, String, Definition)> = Vec::new();
        for (id, module) in (0u32..).map(crate::typing::ModId).zip(&globals.modules) {
            let members = module
                .datatypes
                .iter()
                .map(|id| Definition::Data(*id))
                .chain(module.functions.iter().map(|id| Definition::Function(*id)))
                .chain(module.constants.iter().map(|id| Definition::Constant(*id)));
            let own = (!module.is_script).then_some(Definition::Module(id));
            for definition in own.into_iter().chain(members) {
                let name = self.name(definition).to_string();
                if is_subsequence(query, &name) {
                    found.push((!module.is_target, name.len(), name, definition));
                }
            }
        }
        found.sort();
        found.into_iter().take(limit).map(|(.., definition)| definition).collect()
    }
}

fn leaf(name: &crate::diagnostics::Name, kind: SymbolKind, detail: Option<String>, span: Span) -> Outline {
    // Editors demand that the name lies inside.
    let span = span.to(name.span);
    Outline { name: name.value.to_string(), kind, detail, span, name_span: name.span, children: Vec::new() }
}

fn is_subsequence(query: &str, name: &str) -> bool {
    let mut letters = name.chars().flat_map(char::to_lowercase);
    query.chars().flat_map(char::to_lowercase).all(|wanted| letters.any(|letter| letter == wanted))
}

fn param_name(params: &[TypeParamInfo], position: u16) -> Option<Symbol> {
    params.get(usize::from(position)).map(|param| param.name.value.clone())
}

fn type_param(params: &[TypeParamInfo], position: u16) -> String {
    let Some(param) = params.get(usize::from(position)) else { return "_".to_owned() };
    let phantom = if param.is_phantom { "phantom " } else { "" };
    let abilities: Vec<&str> = param.constraints.iter().map(|ability| ability.name()).collect();
    let constraints = if abilities.is_empty() { String::new() } else { format!(": {}", abilities.join(" + ")) };
    format!("{phantom}{}{constraints}", param.name.value)
}

/// A constant's value as people write it.
fn show_value(value: &Value) -> String {
    let shown = match value {
        Value::Bool(value) => value.to_string(),
        Value::Number(value) => value.to_string(),
        Value::Address(value) => format!("@{}", value.to_short_hex()),
        Value::Bytes(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) if !text.is_empty() && text.chars().all(|letter| (' '..='~').contains(&letter)) => {
                format!("b{text:?}")
            }
            _ => format!("x\"{}\"", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()),
        },
        Value::Vector(values) => {
            format!("vector[{}]", values.iter().map(show_value).collect::<Vec<_>>().join(", "))
        }
    };
    if shown.chars().count() <= SHOWN_VALUE_MAX {
        return shown;
    }
    shown.chars().take(SHOWN_VALUE_MAX).chain("..".chars()).collect()
}
