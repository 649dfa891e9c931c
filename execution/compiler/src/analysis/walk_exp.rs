//! The part of the [`Walker`] that goes through bodies.

use crate::diagnostics::{Name, Span, Symbol};
use crate::name::{Globals, Member, Scope, TypeHead};
use crate::parse::ast::{self, AssignTarget, AssignTargetKind, ExpKind, PatternKind, StatementKind};
use crate::typing::{DataId, FunId, Ty};

use super::index::{Call, Definition, Form, Slot, SlotKind};
use super::walk::{Part, Walker};

/// Operations of the language itself, with their signatures and what they do.
pub(super) const BUILTINS: &[(&str, &str, &str)] = &[
    (
        "move_to",
        "fun move_to<T: key>(owner: &signer, value: T)",
        "Stores a value under the signer's address; aborts if there is one of its type already.",
    ),
    (
        "move_from",
        "fun move_from<T: key>(owner: address): T",
        "Takes the value of type `T` out of global storage; aborts if there is none.",
    ),
    (
        "borrow_global",
        "fun borrow_global<T: key>(owner: address): &T",
        "Borrows the value of type `T` under an address; aborts if there is none.",
    ),
    (
        "borrow_global_mut",
        "fun borrow_global_mut<T: key>(owner: address): &mut T",
        "Mutably borrows the value of type `T` under an address; aborts if there is none.",
    ),
    ("exists", "fun exists<T: key>(owner: address): bool", "Whether there is a value of type `T` under an address."),
    ("freeze", "fun freeze<T>(reference: &mut T): &T", "Makes a mutable reference an immutable one."),
    (
        "assert",
        "macro fun assert(condition: bool, code: u64)",
        "Aborts with `code`, evaluated only then, unless the condition holds.",
    ),
];

fn builtin(name: &str) -> Option<&'static str> {
    BUILTINS.iter().find(|(known, ..)| *known == name).map(|(known, ..)| *known)
}

/// The methods of a type: `use fun` aliases in scope, then the functions of its module that take it first.
pub(super) fn method_of(globals: &Globals, scope: &Scope, holder: &Ty, name: &Symbol) -> Option<FunId> {
    let head = TypeHead::of(holder)?;
    if let Some(found) = scope.method_alias(globals, head, name) {
        return Some(found);
    }
    let fits = |member: Option<Member>| match member {
        Some(Member::Fun(id)) if takes(globals, id, head) => Some(id),
        _ => None,
    };
    let home = home_of(globals, head).map(|id| globals.module(id));
    home.and_then(|module| fits(module.members.get(name).copied()))
        .or_else(|| home?.open_methods.get(&(head, name.clone())).copied())
        .or_else(|| fits(scope.imported(globals, name)))
}

/// What `f!(..)` means where `f` is a function: the macro of that name beside it, if there is one.
pub(super) fn macro_of(globals: &Globals, function: FunId) -> FunId {
    globals.macro_twins.get(&function).copied().unwrap_or(function)
}

/// The module whose functions are the methods of a type.
pub(super) fn home_of(globals: &Globals, head: TypeHead) -> Option<crate::typing::ModId> {
    let name = match head {
        TypeHead::Data(data) => return Some(globals.datatype(data).module),
        TypeHead::Vector => "vector",
        TypeHead::Signer => "signer",
        TypeHead::Address => "address",
        TypeHead::Bool => "bool",
        TypeHead::Int(int) => int.name(),
    };
    globals.primitive_homes.get(name).copied().or_else(|| globals.system_module(name))
}

/// Whether the function's first parameter is of a type, or a reference to it.
pub(super) fn takes(globals: &Globals, function: FunId, head: TypeHead) -> bool {
    let first = globals.function(function).params.first();
    first.is_some_and(|(_, ty)| TypeHead::of(ty.pointee()) == Some(head))
}

impl Walker<'_> {
    fn type_of(&self, span: Span) -> Option<Ty> {
        self.index.types.get(&span).map(|(ty, _)| ty.clone())
    }

    fn exps(&mut self, exps: &[ast::Exp]) {
        exps.iter().for_each(|exp| self.exp(exp));
    }

    pub(super) fn block(&mut self, block: &ast::Block) {
        self.layer(block.span.end, |this| {
            let opened = this.block_uses(&block.uses);
            for statement in &block.statements {
                match &statement.kind {
                    StatementKind::Exp(exp) => this.exp(exp),
                    StatementKind::Let { pattern, ty, value } => {
                        if let Some(ty) = ty {
                            this.ty(ty);
                        }
                        if let Some(value) = value {
                            this.exp(value);
                        }
                        let before = std::mem::replace(&mut this.visible_from, statement.span.end);
                        this.pattern(pattern, false);
                        this.visible_from = before;
                    }
                    StatementKind::Spec => {}
                }
            }
            if let Some(result) = &block.result {
                this.exp(result);
            }
            if opened {
                this.scope.blocks.pop();
            }
        });
    }

    pub(super) fn exp(&mut self, exp: &ast::Exp) {
        match &exp.kind {
            ExpKind::Literal(literal) => self.literal(literal, exp.span),
            ExpKind::Path(path) => self.value_path(path),
            ExpKind::Call { callee, args } | ExpKind::MacroCall { callee, args } => {
                self.call(callee, args, exp.span, matches!(exp.kind, ExpKind::MacroCall { .. }));
            }
            ExpKind::ValueCall { callee, args } => {
                self.exp(callee);
                self.exps(args);
            }
            ExpKind::MethodCall { receiver, method, is_macro, type_args, args } => {
                self.exp(receiver);
                self.method(receiver.span, method, *is_macro, args, exp.span);
                type_args.iter().flatten().for_each(|ty| self.ty(ty));
                self.exps(args);
            }
            ExpKind::Field { base, field } => {
                self.exp(base);
                self.field_access(base.span, field);
            }
            ExpKind::Index { base, indices } => {
                self.exp(base);
                self.exps(indices);
            }
            ExpKind::Pack { path, fields } => self.pack(path, fields, exp.span),
            ExpKind::Vector { type_args, elements } => {
                type_args.iter().flatten().for_each(|ty| self.ty(ty));
                self.exps(elements);
            }
            ExpKind::Tuple(parts) => self.exps(parts),
            ExpKind::Block { label, block } => self.labelled(label.as_ref(), |this| this.block(block)),
            ExpKind::If { condition, then, otherwise } => {
                self.exp(condition);
                self.exp(then);
                if let Some(otherwise) = otherwise {
                    self.exp(otherwise);
                }
            }
            ExpKind::While { label, condition, body } => self.labelled(label.as_ref(), |this| {
                this.exp(condition);
                this.exp(body);
            }),
            ExpKind::Loop { label, body } => self.labelled(label.as_ref(), |this| this.exp(body)),
            ExpKind::For { label, variable, lower, upper, body } => {
                self.exp(lower);
                self.exp(upper);
                self.labelled(label.as_ref(), |this| {
                    this.layer(body.span.end, |this| {
                        this.declare(variable, Form::Declaration);
                        this.exp(body);
                    });
                });
            }
            ExpKind::Match { scrutinee, arms } => {
                self.exp(scrutinee);
                for arm in arms {
                    self.layer(arm.span.end, |this| {
                        this.pattern(&arm.pattern, true);
                        if let Some(guard) = &arm.guard {
                            this.exp(guard);
                        }
                        this.exp(&arm.body);
                    });
                }
            }
            ExpKind::Break { label, value } | ExpKind::Return { label, value } => {
                self.label(label.as_ref());
                if let Some(value) = value {
                    self.exp(value);
                }
            }
            ExpKind::Continue { label } => self.label(label.as_ref()),
            ExpKind::Abort(Some(inner)) => self.exp(inner),
            ExpKind::Lambda(lambda) => self.layer(lambda.body.span.end, |this| {
                for param in &lambda.params {
                    if let Some(ty) = &param.ty {
                        this.ty(ty);
                    }
                    this.pattern(&param.pattern, false);
                }
                if let Some(result) = &lambda.result {
                    this.ty(result);
                }
                this.exp(&lambda.body);
            }),
            ExpKind::Borrow { inner, .. } | ExpKind::Deref(inner) | ExpKind::Move(inner) | ExpKind::Copy(inner) => {
                self.exp(inner);
            }
            ExpKind::Unary { operand, .. } => self.exp(operand),
            ExpKind::Binary { left, right, .. } => {
                self.exp(left);
                self.exp(right);
            }
            ExpKind::Assign { target, value } => {
                self.target(target);
                self.exp(value);
            }
            ExpKind::CompoundAssign { place, value, .. } => {
                self.exp(place);
                self.exp(value);
            }
            ExpKind::Cast { inner, ty } | ExpKind::Annotate { inner, ty } => {
                self.exp(inner);
                self.ty(ty);
            }
            ExpKind::Is { inner, variants } => {
                self.exp(inner);
                variants.iter().for_each(|path| {
                    self.path(path);
                });
            }
            ExpKind::Abort(None) | ExpKind::Error => {}
        }
    }

    fn value_path(&mut self, path: &ast::Path) {
        if path.as_name().is_none_or(|name| !self.local(&name)) {
            self.path(path);
        }
    }

    fn call(&mut self, callee: &ast::Path, args: &[ast::Exp], span: Span, is_macro: bool) {
        let name = callee.as_name();
        if name.as_ref().is_none_or(|name| !self.local(name)) {
            match self.callee(callee, is_macro) {
                Some(Part::Member(Member::Fun(function))) => self.note_call(function, 0, callee.span, args, span),
                Some(_) => {}
                None => {
                    let head = callee.segments.first().filter(|_| callee.segments.len() == 1);
                    if let Some(ast::PathHead::Name(word)) = head.map(|head| &head.head)
                        && let Some(known) = builtin(word)
                        && (known == "assert") == is_macro
                    {
                        self.index.push(callee.segments[0].span, Definition::Builtin(known), Form::Use);
                    }
                }
            }
        }
        self.exps(args);
    }

    fn note_call(&mut self, function: FunId, receiver: usize, callee: Span, args: &[ast::Exp], span: Span) {
        let span = Span::new(span.file, callee.end, span.end);
        let args = args.iter().map(|arg| arg.span).collect();
        self.index.calls.push(Call { function, receiver, span, args });
    }

    fn method(&mut self, receiver: Span, method: &Name, is_macro: bool, args: &[ast::Exp], span: Span) {
        let Some(ty) = self.type_of(receiver) else { return };
        self.index.slots.push(Slot { span: method.span, kind: SlotKind::Member(ty.clone(), self.function) });
        if let Some(found) = method_of(self.globals, &self.scope, ty.pointee(), &method.value) {
            let function = if is_macro { macro_of(self.globals, found) } else { found };
            self.index.push(method.span, Definition::Function(function), Form::Use);
            self.note_call(function, 1, method.span, args, span);
        }
    }

    fn field_access(&mut self, base: Span, field: &Name) {
        let Some(ty) = self.type_of(base) else { return };
        self.index.slots.push(Slot { span: field.span, kind: SlotKind::Member(ty.clone(), self.function) });
        if let Ty::Data(data, _) = ty.pointee()
            && let Some((position, _)) = self.field(*data, None, &field.value)
        {
            self.index.push(field.span, Definition::Field(*data, None, position), Form::Use);
        }
    }

    fn named_fields(&mut self, of: Option<(DataId, Option<usize>)>, names: &[Name], whole: Span, head: Span) {
        let Some((data, variant)) = of else { return };
        let span = Span::new(whole.file, head.end, whole.end);
        let given = names.iter().map(|name| name.value.clone()).collect();
        self.index.slots.push(Slot { span, kind: SlotKind::Fields(data, variant, given) });
    }

    /// Writes down the name of a field in a pack or pattern; whether it is written short.
    fn field_name(&mut self, of: Option<(DataId, Option<usize>)>, name: &Name, is_short: bool) {
        if let Some((data, variant)) = of
            && let Some((position, _)) = self.field(data, variant, &name.value)
        {
            let form = if is_short { Form::ShortField } else { Form::Use };
            self.index.push(name.span, Definition::Field(data, variant, position), form);
        }
    }

    fn pack(&mut self, path: &ast::Path, fields: &[ast::FieldInit], span: Span) {
        let of = self.data_path(path);
        let names: Vec<Name> = fields.iter().map(|field| field.field.clone()).collect();
        self.named_fields(of, &names, span, path.span);
        for field in fields {
            let is_short = field.value.span == field.field.span;
            self.field_name(of, &field.field, is_short);
            if is_short {
                self.short_use(&field.field, &field.value);
            } else {
                self.exp(&field.value);
            }
        }
    }

    /// The local, or constant, half of `S { a }`.
    fn short_use(&mut self, name: &Name, value: &ast::Exp) {
        match self.lookup(&name.value) {
            Some(id) => self.index.push(name.span, Definition::Local(id), Form::ShortLocal),
            None => self.exp(value),
        }
    }

    // -----------------------------------------------------------------------------------------------------------
    // Patterns and targets

    /// `in_match`: a bare name that begins with a capital is a constant or variant.
    pub(super) fn pattern(&mut self, pattern: &ast::Pattern, in_match: bool) {
        match &pattern.kind {
            PatternKind::Wildcard | PatternKind::Error => {}
            PatternKind::Binding { mutable, name } => {
                if in_match && mutable.is_none() && name.value.starts_with(|first: char| first.is_ascii_uppercase()) {
                    self.path(&ast::Path::from_name(name.clone()));
                } else {
                    self.bind(name, Form::Declaration, in_match);
                }
            }
            PatternKind::Tuple(parts) => parts.iter().for_each(|part| self.pattern(part, in_match)),
            PatternKind::Named { path, fields, .. } => {
                let of = self.data_path(path);
                let names: Vec<Name> = fields.iter().map(|field| field.field.clone()).collect();
                self.named_fields(of, &names, pattern.span, path.span);
                for field in fields {
                    let short = match &field.pattern.kind {
                        PatternKind::Binding { name, .. } if name.span == field.field.span => Some(name),
                        _ => None,
                    };
                    self.field_name(of, &field.field, short.is_some());
                    match short {
                        Some(name) => self.bind(name, Form::ShortLocal, in_match),
                        None => self.pattern(&field.pattern, in_match),
                    }
                }
            }
            PatternKind::Positional { path, fields, .. } => {
                self.data_path(path);
                fields.iter().for_each(|field| self.pattern(field, in_match));
            }
            PatternKind::Path(path) => {
                self.path(path);
            }
            PatternKind::Literal(literal) => self.literal(literal, pattern.span),
            PatternKind::Or(parts) => parts.iter().for_each(|part| self.pattern(part, in_match)),
            PatternKind::At { name, pattern } => {
                self.pattern(pattern, in_match);
                self.bind(name, Form::Declaration, in_match);
            }
        }
    }

    /// Declares a name; in the second alternative of an or-pattern it is the one of the first.
    fn bind(&mut self, name: &Name, form: Form, in_match: bool) {
        match self.bound_here(&name.value) {
            Some(id) if in_match => {
                let form = if form == Form::ShortLocal { form } else { Form::Use };
                self.index.push(name.span, Definition::Local(id), form);
            }
            _ => self.declare(name, form),
        }
    }

    fn target(&mut self, target: &AssignTarget) {
        match &target.kind {
            AssignTargetKind::Wildcard => {}
            AssignTargetKind::Place(exp) => self.exp(exp),
            AssignTargetKind::Tuple(parts) => parts.iter().for_each(|part| self.target(part)),
            AssignTargetKind::Named { path, fields, .. } => {
                let of = self.data_path(path);
                let names: Vec<Name> = fields.iter().map(|(name, _)| name.clone()).collect();
                self.named_fields(of, &names, target.span, path.span);
                for (name, inner) in fields {
                    let is_short = inner.span == name.span;
                    self.field_name(of, name, is_short);
                    match &inner.kind {
                        AssignTargetKind::Place(exp) if is_short => self.short_use(name, exp),
                        _ => self.target(inner),
                    }
                }
            }
            AssignTargetKind::Positional { path, fields, .. } => {
                self.data_path(path);
                fields.iter().for_each(|field| self.target(field));
            }
        }
    }
}
