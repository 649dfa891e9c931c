//! Walks over the tree and marks the tokens.

use noema_compiler::diagnostics::Span;
use noema_compiler::parse::ast::{
    AssignTarget, AssignTargetKind, Block, Constant, Definition, Enum, Fields, Function, FunctionBody, Member, Module,
    Path, Pattern, PatternKind, SourceUnit, StatementKind, Struct, Type, TypeKind, TypeParam,
};
use noema_compiler::parse::token::TokenKind as T;

use super::marks::{Break, Hang, Kind, Marks, range, token_at};
use super::tokens::Tok;

pub(super) struct Walker<'a, 't> {
    pub(super) tokens: &'a [Tok<'t>],
    pub(super) marks: Marks,
    /// Pieces that stay as they are.
    pub(super) verbatim: Vec<(usize, usize)>,
}

impl Walker<'_, '_> {
    pub(super) fn unit(&mut self, unit: &SourceUnit) {
        let mut next = 0;
        for definition in &unit.definitions {
            self.marks.break_before(next, Break::Hard);
            match definition {
                Definition::Module(module) => next = self.module(next, module),
                Definition::Address(block) => {
                    self.attributes(next);
                    let (_, last) = self.range(block.span);
                    if let Some(open) = self.marks.partner[last] {
                        self.braces(open, last);
                        let mut inside = open + 1;
                        for module in &block.modules {
                            self.marks.break_before(inside, Break::Hard);
                            inside = self.module(inside, module);
                        }
                        self.marks.break_before(last, Break::Hard);
                    }
                    next = last + 1;
                }
                Definition::Script(script) => {
                    self.attributes(next);
                    let (_, last) = self.range(script.span);
                    if let Some(open) = self.marks.partner[last] {
                        self.braces(open, last);
                        self.members(open + 1, &script.members);
                        self.marks.break_before(last, Break::Hard);
                    }
                    next = last + 1;
                }
            }
        }
        self.marks.break_before(self.tokens.len() - 1, Break::Hard);
    }

    pub(super) fn range(&self, span: Span) -> (usize, usize) {
        range(self.tokens, span)
    }

    pub(super) fn at(&self, byte: u32) -> usize {
        token_at(self.tokens, byte)
    }

    pub(super) fn kind(&self, at: usize) -> T {
        self.tokens.get(at).map_or(T::End, |token| token.kind)
    }

    pub(super) fn text(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", |token| token.text)
    }

    /// Gives where the next definition begins.
    fn module(&mut self, first: usize, module: &Module) -> usize {
        let (_, last) = self.range(module.span);
        if module.is_spec {
            self.verbatim.push((first, last));
            return last + 1;
        }
        self.attributes(first);
        if module.is_label {
            let name = self.at(module.name.span.start);
            self.members(name + 2, &module.members);
        } else if let Some(open) = self.marks.partner[last] {
            self.braces(open, last);
            self.members(open + 1, &module.members);
            if last > open + 1 {
                self.marks.break_before(last, Break::Hard);
            }
        }
        last + 1
    }

    /// Marks braces of members, statements or arms.
    pub(super) fn braces(&mut self, open: usize, close: usize) {
        self.marks.is_block[open] = true;
        self.marks.is_block[close] = true;
        self.marks.group(open, close, Kind::Block { follows: false });
    }

    fn members(&mut self, mut next: usize, members: &[Member]) {
        for member in members {
            while self.kind(next) == T::Semicolon {
                next += 1;
            }
            self.marks.break_before(next, Break::Hard);
            let span = match member {
                Member::Function(function) => function.span,
                Member::Struct(data) => data.span,
                Member::Enum(data) => data.span,
                Member::Constant(constant) => constant.span,
                Member::Use(declaration) => declaration.span,
                Member::Friend(friend) => friend.span,
                Member::Spec(span) => *span,
            };
            let (_, last) = self.range(span);
            if matches!(member, Member::Spec(_)) {
                self.verbatim.push((next, last));
            } else {
                self.attributes(next);
            }
            match member {
                Member::Function(function) => self.function(function),
                Member::Struct(data) => self.structure(data),
                Member::Enum(data) => self.enumeration(data),
                Member::Constant(constant) => self.constant(constant, last),
                Member::Use(_) => self.use_braces(next, last),
                Member::Friend(_) | Member::Spec(_) => {}
            }
            next = last + 1;
        }
    }

    /// Every `#[..]` from `at` on stands on its own line.
    fn attributes(&mut self, mut at: usize) {
        while self.kind(at) == T::Hash
            && let Some(close) = self.marks.partner.get(at + 1).copied().flatten()
        {
            at = close + 1;
            self.marks.break_before(at, Break::Hard);
        }
    }

    fn use_braces(&mut self, first: usize, last: usize) {
        for at in first..=last {
            if matches!(self.kind(at), T::LBrace | T::RBrace) {
                self.marks.is_tight[at] = true;
            }
        }
    }

    fn function(&mut self, function: &Function) {
        let (first, last) = self.range(function.signature_span);
        self.marks.group(first, last, Kind::Tail);
        self.type_params(&function.type_params);
        for param in &function.params {
            self.ty(&param.ty);
        }
        self.ty(&function.result);
        if let Some(acquires) = &function.acquires {
            acquires.iter().for_each(|path| self.path(path));
            if let Some(path) = acquires.first() {
                let word = self.at(path.span.start).saturating_sub(1);
                self.marks.break_before(word, Break::Soft);
            }
        }
        if let FunctionBody::Block(block) = &function.body {
            self.block(block, false);
        }
    }

    fn type_params(&mut self, params: &[TypeParam]) {
        let (Some(first), Some(last)) = (params.first(), params.last()) else { return };
        let mut open = self.at(first.name.span.start);
        if first.phantom.is_some() {
            open -= 1;
        }
        let end = last.constraints.last().map_or(last.name.span.end, |ability| ability.span.end);
        self.angles(open - 1, self.at(end));
    }

    /// Marks `<` at `open` and the `>` at `close` or behind the comma there.
    fn angles(&mut self, open: usize, mut close: usize) {
        if self.kind(close) == T::Comma {
            close += 1;
        }
        if self.kind(open) == T::Less && self.kind(close) == T::Greater {
            self.marks.is_angle[open] = true;
            self.marks.is_angle[close] = true;
            self.marks.partner[open] = Some(close);
            self.marks.partner[close] = Some(open);
        }
    }

    /// Type arguments that follow the token that ends at `end`.
    pub(super) fn type_args(&mut self, end: u32, args: &[Type]) {
        let mut open = self.at(end);
        if matches!(self.kind(open), T::ColonColon | T::Exclaim) {
            open += 1;
        }
        args.iter().for_each(|arg| self.ty(arg));
        let close = args.last().map_or(open + 1, |last| self.at(last.span.end));
        self.angles(open, close);
    }

    pub(super) fn path(&mut self, path: &Path) {
        for segment in &path.segments {
            if let Some(args) = &segment.type_args {
                self.type_args(segment.span.end, args);
            }
        }
    }

    pub(super) fn ty(&mut self, ty: &Type) {
        match &ty.kind {
            TypeKind::Path(path) => self.path(path),
            TypeKind::Reference { inner, .. } => {
                let at = self.at(ty.span.start);
                self.marks.is_prefix[at] = true;
                self.ty(inner);
            }
            TypeKind::Tuple(parts) => parts.iter().for_each(|part| self.ty(part)),
            TypeKind::Function { params, result, .. } => {
                params.iter().for_each(|param| self.ty(param));
                self.bars(ty.span.start, params.last().map(|last| last.span.end));
                self.ty(result);
            }
            TypeKind::Infer | TypeKind::Error => {}
        }
    }

    /// Marks the bars around the parameters of a lambda or its type.
    pub(super) fn bars(&mut self, start: u32, end: Option<u32>) {
        let open = self.at(start);
        self.marks.is_bar[open] = true;
        if self.kind(open) == T::PipePipe {
            return;
        }
        let mut close = end.map_or(open + 1, |end| self.at(end));
        if self.kind(close) == T::Comma {
            close += 1;
        }
        if self.kind(close) == T::Pipe {
            self.marks.is_bar[close] = true;
            self.marks.partner[open] = Some(close);
            self.marks.partner[close] = Some(open);
        }
    }

    fn structure(&mut self, data: &Struct) {
        self.type_params(&data.type_params);
        self.fields(&data.fields);
    }

    fn fields(&mut self, fields: &Fields) {
        match fields {
            Fields::Named(fields) => fields.iter().for_each(|field| self.ty(&field.ty)),
            Fields::Positional(types) => types.iter().for_each(|ty| self.ty(ty)),
            Fields::None | Fields::Native(_) => {}
        }
    }

    fn enumeration(&mut self, data: &Enum) {
        self.type_params(&data.type_params);
        let Some(first) = data.variants.first() else { return };
        let Some(open) = self.opener_before(first.span.start) else { return };
        let close = self.marks.partner[open].unwrap_or(open);
        self.braces(open, close);
        let is_broken = self.tokens[open + 1].on_new_line;
        let mut next = open + 1;
        for variant in &data.variants {
            while self.kind(next) == T::Comma {
                next += 1;
            }
            self.marks.break_before(next, if is_broken { Break::Hard } else { Break::Soft });
            self.fields(&variant.fields);
            next = self.range(variant.span).1 + 1;
        }
        self.marks.break_before(close, if is_broken { Break::Hard } else { Break::Soft });
    }

    /// The brace that opens before `byte`.
    pub(super) fn opener_before(&self, byte: u32) -> Option<usize> {
        (0..self.at(byte)).rev().find(|at| self.kind(*at) == T::LBrace)
    }

    fn constant(&mut self, constant: &Constant, last: usize) {
        self.ty(&constant.ty);
        let first = self.at(constant.name.span.start);
        self.assign(first, last, &constant.value);
        self.exp(&constant.value);
    }

    /// `first .. = value .. last`
    pub(super) fn assign(&mut self, first: usize, last: usize, value: &noema_compiler::parse::ast::Exp) {
        let (start, end) = self.range(value.span);
        let (start, _) = self.marks.balanced(start, end);
        let mut last = last;
        if self.kind(last) == T::Semicolon {
            last -= 1;
        }
        if start > first && start <= last {
            let hang = self.hang(value);
            self.marks.break_before(start, Break::Soft);
            self.marks.group(first, last, Kind::Assign { value: start, hang });
        }
    }

    // -------------------------------------------------------------------------------------------- blocks

    /// Marks a block of statements; `follows` that of an `if`.
    pub(super) fn block(&mut self, block: &Block, follows: bool) {
        let (open, close) = self.range(block.span);
        if self.kind(open) != T::LBrace || self.kind(close) != T::RBrace {
            return;
        }
        self.marks.is_block[open] = true;
        self.marks.is_block[close] = true;
        self.marks.group(open, close, Kind::Block { follows });
        let count = block.uses.len() + block.statements.len() + usize::from(block.result.is_some());
        let is_broken = count > 1 || (close > open + 1 && self.tokens[open + 1].on_new_line);
        let kind = if is_broken { Break::Hard } else { Break::Soft };
        let mut spans: Vec<Span> = block.uses.iter().map(|declaration| declaration.span).collect();
        spans.extend(block.statements.iter().map(|statement| statement.span));
        spans.extend(block.result.iter().map(|exp| exp.span));
        spans.sort_by_key(|span| span.start);
        let mut next = open + 1;
        for span in spans {
            let (first, last) = self.range(span);
            while next < first && self.kind(next) == T::Semicolon {
                next += 1;
            }
            self.marks.break_before(next, kind);
            next = self.marks.balanced(first, last).1 + 1;
        }
        if close > open + 1 {
            self.marks.break_before(close, kind);
        }
        for declaration in &block.uses {
            let (first, last) = self.range(declaration.span);
            self.use_braces(first, last);
        }
        for statement in &block.statements {
            match &statement.kind {
                StatementKind::Exp(exp) => self.exp(exp),
                StatementKind::Let { pattern, ty, value } => {
                    self.pattern(pattern);
                    ty.iter().for_each(|ty| self.ty(ty));
                    if let Some(value) = value {
                        let (first, last) = self.range(statement.span);
                        self.assign(first, last, value);
                        self.exp(value);
                    }
                }
                StatementKind::Spec => {
                    let piece = self.range(statement.span);
                    self.verbatim.push(piece);
                }
            }
        }
        if let Some(result) = &block.result {
            self.exp(result);
        }
    }

    // -------------------------------------------------------------------------------------------- patterns

    pub(super) fn pattern(&mut self, pattern: &Pattern) {
        match &pattern.kind {
            PatternKind::Wildcard | PatternKind::Binding { .. } | PatternKind::Literal(_) | PatternKind::Error => {}
            PatternKind::Tuple(parts) | PatternKind::Or(parts) => parts.iter().for_each(|part| self.pattern(part)),
            PatternKind::Named { path, fields, .. } => {
                self.path(path);
                fields.iter().for_each(|field| self.pattern(&field.pattern));
            }
            PatternKind::Positional { path, fields, .. } => {
                self.path(path);
                fields.iter().for_each(|field| self.pattern(field));
            }
            PatternKind::Path(path) => self.path(path),
            PatternKind::At { name, pattern } => {
                let at = self.at(name.span.end);
                self.marks.is_binding[at] = true;
                self.pattern(pattern);
            }
        }
    }

    pub(super) fn target(&mut self, target: &AssignTarget) {
        match &target.kind {
            AssignTargetKind::Wildcard => {}
            AssignTargetKind::Place(exp) => self.exp(exp),
            AssignTargetKind::Tuple(parts) => parts.iter().for_each(|part| self.target(part)),
            AssignTargetKind::Named { path, fields, .. } => {
                self.path(path);
                fields.iter().for_each(|(_, target)| self.target(target));
            }
            AssignTargetKind::Positional { path, fields, .. } => {
                self.path(path);
                fields.iter().for_each(|target| self.target(target));
            }
        }
    }

    /// How a value may stay on the line of its `=`.
    pub(super) fn hang(&self, exp: &noema_compiler::parse::ast::Exp) -> Hang {
        super::expressions::hang(exp)
    }
}
