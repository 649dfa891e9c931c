//! Expressions.

use noema_bytecode::Ability;
use noema_types::U256;

use crate::diagnostics::{Diagnostic, Name, Span, codes};
use crate::name::{Target as Resolved, closest};
use crate::parse::ast::{self, BinaryOp, Literal, UnaryOp};

use super::check::{Checker, TargetKind};
use super::hir::{Exp, ExpKind, LValue, Stmt, Usage, Value};
use super::role::{self, Role};
use super::ty::Ty;

/// Code of `abort` and `assert!` without one.
pub const CODELESS_ABORT: u64 = 0xCA26_CBD9_BE0B_0000;

impl Checker<'_> {
    /// Checks an expression. `expected` only guides inference; the caller makes the result fit.
    pub(super) fn exp(&mut self, exp: &ast::Exp, expected: Option<&Ty>) -> Exp {
        let checked = self.exp_untraced(exp, expected);
        self.record(exp.span, &checked.ty);
        checked
    }

    fn exp_untraced(&mut self, exp: &ast::Exp, expected: Option<&Ty>) -> Exp {
        let span = exp.span;
        match &exp.kind {
            ast::ExpKind::Literal(literal) => self.literal(literal, expected, span),
            ast::ExpKind::Path(path) => self.path(path, span),
            ast::ExpKind::Call { callee, args } => self.call(callee, args, expected, span),
            ast::ExpKind::MacroCall { callee, args } => self.macro_call(callee, args, span),
            ast::ExpKind::ValueCall { args, .. } => {
                for arg in args {
                    self.exp(arg, None);
                }
                self.not_yet(span, "calls of stored function values are")
            }
            ast::ExpKind::MethodCall { receiver, method, is_macro, type_args, args } => {
                if *is_macro {
                    return self.expand_macro_method(receiver, method, type_args.as_deref(), args, span);
                }
                self.method_call(receiver, method, type_args.as_deref(), args, span)
            }
            ast::ExpKind::Field { .. } | ast::ExpKind::Index { .. } | ast::ExpKind::Deref(_) => {
                let place = self.place(exp);
                self.read(place)
            }
            ast::ExpKind::Pack { path, fields } => self.pack(path, fields, span),
            ast::ExpKind::Vector { type_args, elements } => self.vector(type_args.as_deref(), elements, expected, span),
            ast::ExpKind::Tuple(parts) => self.tuple(parts, expected, span),
            ast::ExpKind::Block { label, block } => self.block(label.as_ref(), block, expected, span),
            ast::ExpKind::If { condition, then, otherwise } => {
                self.if_else(condition, then, otherwise.as_deref(), expected, span)
            }
            ast::ExpKind::While { label, condition, body } => self.while_loop(label.as_ref(), condition, body, span),
            ast::ExpKind::Loop { label, body } => self.endless_loop(label.as_ref(), body, expected, span),
            ast::ExpKind::For { label, variable, lower, upper, body } => {
                self.for_loop(label.as_ref(), variable, lower, upper, body, span)
            }
            ast::ExpKind::Match { scrutinee, arms } => self.match_arms(scrutinee, arms, expected, span),
            ast::ExpKind::Break { label, value } => self.break_out(label.as_ref(), value.as_deref(), span),
            ast::ExpKind::Continue { label } => self.continue_loop(label.as_ref(), span),
            ast::ExpKind::Return { label, value } => self.return_value(label.as_ref(), value.as_deref(), span),
            ast::ExpKind::Abort(code) => {
                let code = match code {
                    Some(code) => self.abort_code(code),
                    None => number(CODELESS_ABORT, Ty::u64(), span),
                };
                Exp::new(ExpKind::Abort(Box::new(code)), Ty::Never, span)
            }
            ast::ExpKind::Lambda(lambda) => self.lambda(lambda, expected, span),
            ast::ExpKind::Borrow { mutable, inner } => {
                let place = self.place(inner);
                if matches!(place.ty, Ty::Never) {
                    return self.read(place);
                }
                let mut reference = self.borrow(place, *mutable);
                reference.span = span;
                reference
            }
            ast::ExpKind::Move(inner) => self.use_local(inner, Usage::Move, span),
            ast::ExpKind::Copy(inner) => self.use_local(inner, Usage::Copy, span),
            ast::ExpKind::Unary { op, operand } => self.unary(op.value, op.span, operand, span),
            ast::ExpKind::Binary { op, left, right } => self.binary(op.value, op.span, left, right, expected, span),
            ast::ExpKind::Assign { target, value } => {
                let (target, ty) = self.assign_target(target);
                let value = match &ty {
                    Some(ty) => self.exp_as(value, ty, &role::ASSIGNED),
                    None => self.exp(value, None),
                };
                Exp::new(ExpKind::Assign(Box::new(target), Box::new(value)), Ty::unit(), span)
            }
            ast::ExpKind::CompoundAssign { op, place, value } => self.update(op.value, op.span, place, value, span),
            ast::ExpKind::Cast { inner, ty } => self.cast(inner, ty, span),
            ast::ExpKind::Annotate { inner, ty } => {
                let wanted = self.written_type(ty);
                self.exp_as(inner, &wanted, &role::ANNOTATED.because(ty.span, "is the type written here"))
            }
            ast::ExpKind::Is { inner, variants } => self.is_variant(inner, variants, span),
            ast::ExpKind::Error => Exp::error(span),
        }
    }

    /// Checks an expression and makes it fit `ty`.
    pub(super) fn exp_as(&mut self, exp: &ast::Exp, ty: &Ty, role: &Role) -> Exp {
        let checked = self.exp(exp, Some(ty));
        self.coerce(checked, ty, role)
    }

    pub(super) fn not_yet(&mut self, span: Span, what: &str) -> Exp {
        self.error(codes::NOT_COMPILED_YET, span, format!("{what} not compiled yet"));
        Exp::error(span)
    }

    // -----------------------------------------------------------------------------------------------------------
    // Literals and names

    pub(super) fn literal(&mut self, literal: &Literal, expected: Option<&Ty>, span: Span) -> Exp {
        let (value, ty) = match literal {
            Literal::Bool(value) => (Value::Bool(*value), Ty::Bool),
            Literal::Number { value, suffix } => {
                let ty = match suffix {
                    Some(suffix) => match crate::name::int_type(*suffix) {
                        Some(int) => Ty::Int(int),
                        None => {
                            self.push(crate::name::signed_integers(span));
                            return Exp::error(span);
                        }
                    },
                    None => self.infer.fresh(true, span),
                };
                (Value::Number(*value), ty)
            }
            Literal::Address(specifier) => match self.scope.address(self.globals, self.diagnostics, specifier, span) {
                Some(address) => (Value::Address(address), Ty::Address),
                None => return Exp::error(span),
            },
            Literal::Bytes(bytes) | Literal::Hex(bytes) => (Value::Bytes(bytes.clone()), Ty::bytes()),
            Literal::String(bytes) => return self.string(bytes, expected, span),
        };
        Exp::new(ExpKind::Value(value), ty, span)
    }

    /// `"..."` takes the expected type among `vector<u8>`, `string::String` and `ascii::String`.
    fn string(&mut self, bytes: &[u8], expected: Option<&Ty>, span: Span) -> Exp {
        let literal = Exp::new(ExpKind::Value(Value::Bytes(bytes.to_vec())), Ty::bytes(), span);
        let expected = expected.map(|ty| self.infer.deep(ty));
        if expected.as_ref() == Some(&Ty::bytes()) || self.in_constant {
            return literal;
        }
        let ascii = self.globals.system_datatype("ascii", "String");
        let module = match expected {
            Some(Ty::Data(data, _)) if Some(data) == ascii => "ascii",
            _ => "string",
        };
        let constructor = if module == "ascii" { "string" } else { "utf8" };
        match self.globals.system_member(module, constructor) {
            Some(crate::name::Member::Fun(function)) => {
                let is_valid = if module == "ascii" { bytes.is_ascii() } else { std::str::from_utf8(bytes).is_ok() };
                if !is_valid {
                    self.error(codes::BAD_STRING, span, format!("this is not a valid `{module}::String`"));
                }
                let ty = self.globals.function(function).result.clone();
                Exp::new(ExpKind::Call(function, Vec::new(), vec![literal]), ty, span)
            }
            _ => {
                self.push(
                    Diagnostic::new(codes::UNBOUND_MODULE, span, "a string literal needs `0x1::string` in the program")
                        .help("write b\"..\" for a vector<u8>, or add MoveStdlib to [dependencies]"),
                );
                Exp::error(span)
            }
        }
    }

    fn path(&mut self, path: &ast::Path, span: Span) -> Exp {
        if let Some(arg) = path.as_name().and_then(|name| self.macro_arg(&name.value)) {
            return self.macro_value(&arg);
        }
        if let Some(name) = path.as_name()
            && let Some(id) = self.lookup(&name.value)
        {
            self.mark_used(id);
            return Exp::new(ExpKind::Local(id, Usage::Infer), self.local_ty(id), span);
        }
        match self.scope.resolve(self.globals, self.diagnostics, path) {
            None => Exp::error(span),
            Some(Resolved::Const(id)) => {
                let info = self.globals.constant(id);
                // The body of a macro names constants of its own module, wherever it is expanded.
                if info.module != self.home && info.module != self.scope.module {
                    let message = format!("the constant `{}` is private to its module", info.name.value);
                    self.push(
                        Diagnostic::new(codes::PRIVATE_CONSTANT, span, message)
                            .secondary(info.name.span, "declared here")
                            .help("offer a public function that returns it"),
                    );
                    return Exp::error(span);
                }
                Exp::new(ExpKind::Const(id), info.ty.clone(), span)
            }
            Some(Resolved::Data(data, Some(variant), args)) => {
                self.pack_resolved(data, Some(variant), args.as_deref(), Vec::new(), span)
            }
            Some(Resolved::Fun(..)) => {
                self.push(
                    Diagnostic::new(codes::NOT_COMPILED_YET, span, "functions as values are not compiled yet")
                        .help("call it with `(..)`, or pass a lambda: `|x| f(x)`"),
                );
                Exp::error(span)
            }
            Some(Resolved::Data(..) | Resolved::Param(_)) => {
                self.push(Diagnostic::new(codes::TYPE_AS_VALUE, span, format!("`{path}` is a type, not a value")));
                Exp::error(span)
            }
            Some(Resolved::Unbound(name, _)) => {
                self.unbound_value(&name);
                Exp::error(span)
            }
        }
    }

    pub(super) fn unbound_value(&mut self, name: &Name) {
        let mut diagnostic =
            Diagnostic::new(codes::UNBOUND_NAME, name.span, format!("no value `{}` is in scope", name.value));
        let module = self.globals.module(self.scope.module);
        let candidates = self
            .names
            .iter()
            .flat_map(|scope| scope.keys())
            .chain(module.members.keys())
            .chain(module.aliases.members.keys())
            .map(crate::diagnostics::Symbol::as_str);
        if let Some(near) = closest(&name.value, candidates) {
            diagnostic = diagnostic.help(format!("did you mean `{near}`?"));
        }
        self.push(diagnostic);
    }

    /// `move x` and `copy x`; `copy` also reads any place.
    fn use_local(&mut self, inner: &ast::Exp, usage: Usage, span: Span) -> Exp {
        let place = self.place(inner);
        if let super::place::PlaceKind::Local(id) = place.kind {
            self.mark_used(id);
            if usage == Usage::Copy {
                self.need(&place.ty, Ability::Copy, span, "copied here");
            }
            return Exp::new(ExpKind::Local(id, usage), place.ty, span);
        }
        if usage == Usage::Move {
            self.push(
                Diagnostic::new(codes::MOVE_OUT_OF_PLACE, span, "only a local can be moved")
                    .help("take the whole value apart, or copy this part"),
            );
            return Exp::error(span);
        }
        self.read(place)
    }

    // -----------------------------------------------------------------------------------------------------------
    // Operators

    fn unary(&mut self, op: UnaryOp, op_span: Span, operand: &ast::Exp, span: Span) -> Exp {
        match op {
            UnaryOp::Not => {
                let operand = self.exp_as(operand, &Ty::Bool, &role::NOT);
                Exp::new(ExpKind::Not(Box::new(operand)), Ty::Bool, span)
            }
            UnaryOp::Negate => {
                self.push(
                    Diagnostic::new(codes::NOT_COMPILED_YET, op_span, "negative numbers need signed integers")
                        .note("signed integers are not compiled yet"),
                );
                Exp::error(span)
            }
        }
    }

    fn binary(
        &mut self,
        op: BinaryOp,
        op_span: Span,
        left: &ast::Exp,
        right: &ast::Exp,
        expected: Option<&Ty>,
        span: Span,
    ) -> Exp {
        use BinaryOp as Op;
        let symbol = op.symbol();
        let (left, right, ty) = match op {
            Op::And | Op::Or => {
                let place = Role::operand(symbol);
                let left = self.exp_as(left, &Ty::Bool, &place);
                (left, self.exp_as(right, &Ty::Bool, &place), Ty::Bool)
            }
            Op::Eq | Op::Neq => {
                let (left, right) = self.equality(left, right, op_span, span);
                (left, right, Ty::Bool)
            }
            Op::Shl | Op::Shr => {
                let left = self.integer(left, expected, op_span, symbol);
                let ty = left.ty.clone();
                let right = self.exp_as(right, &Ty::Int(super::Int::U8), &role::SHIFT);
                (left, right, ty)
            }
            _ => {
                let hint = if is_comparison(op) { None } else { expected };
                let left = self.integer(left, hint, op_span, symbol);
                let right_ty = left.ty.clone();
                let right = self.integer(right, Some(&right_ty), op_span, symbol);
                if !self.infer.unify(&left.ty, &right.ty) {
                    let (a, b) = (self.show(&left.ty), self.show(&right.ty));
                    self.push(
                        Diagnostic::new(
                            codes::OPERANDS_DIFFER,
                            op_span,
                            format!("`{symbol}` needs two operands of one type: `{a}` and `{b}`"),
                        )
                        .secondary(left.span, format!("`{a}`"))
                        .secondary(right.span, format!("`{b}`"))
                        .help("convert one with `(.. as T)`"),
                    );
                    return Exp::error(span);
                }
                let ty = if left.ty == Ty::Never { right.ty.clone() } else { left.ty.clone() };
                (left, right, if is_comparison(op) { Ty::Bool } else { ty })
            }
        };
        Exp::new(ExpKind::Binary(op, Box::new(left), Box::new(right)), ty, span)
    }

    /// An operand that must be an integer.
    fn integer(&mut self, exp: &ast::Exp, expected: Option<&Ty>, op_span: Span, symbol: &str) -> Exp {
        let operand = self.exp(exp, expected);
        if self.infer.require_int(&operand.ty) {
            return operand;
        }
        let shown = self.show(&operand.ty);
        let mut diagnostic = Diagnostic::new(
            codes::INTEGERS_ONLY,
            operand.span,
            format!("`{symbol}` works on integers, this is `{shown}`"),
        )
        .secondary(op_span, "needed by this");
        if let Ty::Ref(_, inner) = self.infer.shallow(&operand.ty)
            && self.infer.require_int(&inner)
        {
            diagnostic = diagnostic.help("`*` reads the value behind a reference");
        }
        self.push(diagnostic);
        Exp::error(exp.span)
    }

    /// Operands of `==` and `!=`: one type, a value beside a reference is borrowed.
    fn equality(&mut self, left: &ast::Exp, right: &ast::Exp, op_span: Span, span: Span) -> (Exp, Exp) {
        let left_place = self.place(left);
        let left_ty = left_place.ty.clone();
        let hint = left_ty.clone();
        let right_place = match &right.kind {
            // Literals take their type from the other side.
            ast::ExpKind::Literal(literal) => {
                let value = self.literal(literal, Some(hint.pointee()), right.span);
                super::place::Place {
                    ty: self.infer.shallow(&value.ty),
                    kind: super::place::PlaceKind::Value(Box::new(value)),
                    span: right.span,
                }
            }
            _ => self.place(right),
        };
        let right_ty = right_place.ty.clone();
        let is_known = |ty: &Ty| !matches!(ty, Ty::Never | Ty::Error);
        let (left, right) = match (left_ty.is_ref(), right_ty.is_ref()) {
            (true, false) if is_known(&right_ty) => (self.read(left_place), self.borrow(right_place, false)),
            (false, true) if is_known(&left_ty) => (self.borrow(left_place, false), self.read(right_place)),
            _ => (self.read(left_place), self.read(right_place)),
        };
        let (left, right) = match (self.infer.shallow(&left.ty), self.infer.shallow(&right.ty)) {
            (Ty::Ref(true, inner), Ty::Ref(false, _)) => {
                (self.coerce(left, &Ty::Ref(false, inner), &role::LEFT), right)
            }
            (Ty::Ref(false, _), Ty::Ref(true, inner)) => {
                (left, self.coerce(right, &Ty::Ref(false, inner), &role::RIGHT))
            }
            _ => (left, right),
        };
        if !self.infer.unify(&left.ty, &right.ty) {
            let (a, b) = (self.show(&left.ty), self.show(&right.ty));
            self.push(
                Diagnostic::new(
                    codes::COMPARED_TYPES,
                    op_span,
                    format!("values of `{a}` and `{b}` cannot be compared"),
                )
                .secondary(left.span, format!("`{a}`"))
                .secondary(right.span, format!("`{b}`")),
            );
            return (Exp::error(span), Exp::error(span));
        }
        let ty = self.infer.shallow(&left.ty);
        match &ty {
            Ty::Tuple(_) => self.error(codes::TUPLES_COMPARED, span, "tuples cannot be compared"),
            Ty::Ref(..) => {}
            _ => self.need(&ty, Ability::Drop, span, "a comparison consumes both values; compare references instead"),
        }
        (left, right)
    }

    fn cast(&mut self, inner: &ast::Exp, ty: &ast::Type, span: Span) -> Exp {
        let target = self.written_type(ty);
        let inner = self.integer(inner, None, ty.span, "as");
        match self.infer.shallow(&target) {
            Ty::Int(_) => Exp::new(ExpKind::Cast(Box::new(inner)), target, span),
            Ty::Var(_) => {
                self.infer.require_int(&target);
                Exp::new(ExpKind::Cast(Box::new(inner)), target, span)
            }
            Ty::Error => Exp::error(span),
            other => {
                let shown = self.show(&other);
                self.error(codes::CAST_TARGET, ty.span, format!("`as` converts to integers, not to `{shown}`"));
                Exp::error(span)
            }
        }
    }

    fn update(&mut self, op: BinaryOp, op_span: Span, place: &ast::Exp, value: &ast::Exp, span: Span) -> Exp {
        let (target, ty) = self.assignable(place, true);
        let logical = matches!(op, BinaryOp::And | BinaryOp::Or);
        if !logical && !self.infer.require_int(&ty) {
            let shown = self.show(&ty);
            self.error(
                codes::INTEGERS_ONLY,
                op_span,
                format!("`{}=` works on integers, this is `{shown}`", op.symbol()),
            );
        }
        let wanted = match op {
            BinaryOp::Shl | BinaryOp::Shr => Ty::Int(super::Int::U8),
            _ if logical => Ty::Bool,
            _ => ty,
        };
        let value = self.exp_as(value, &wanted, &role::RIGHT);
        Exp::new(ExpKind::Update(op, Box::new(target), Box::new(value)), Ty::unit(), span)
    }

    // -----------------------------------------------------------------------------------------------------------
    // Values of several parts

    fn vector(
        &mut self,
        type_args: Option<&[ast::Type]>,
        elements: &[ast::Exp],
        expected: Option<&Ty>,
        span: Span,
    ) -> Exp {
        let element = self.type_args(type_args, 1, span, "`vector`").remove(0);
        if let Some(Ty::Vector(wanted)) = expected.map(|ty| self.infer.shallow(ty)) {
            self.infer.unify(&element, &wanted);
        }
        let parts = elements.iter().map(|part| self.exp_as(part, &element, &role::ELEMENT)).collect();
        if self.infer.shallow(&element).is_ref() {
            self.error(codes::REFERENCE_IN_VECTOR, span, "a vector cannot hold references");
        }
        Exp::new(ExpKind::Vector(element.clone(), parts), Ty::vector(element), span)
    }

    fn tuple(&mut self, parts: &[ast::Exp], expected: Option<&Ty>, span: Span) -> Exp {
        let wanted = match expected.map(|ty| self.infer.shallow(ty)) {
            Some(Ty::Tuple(wanted)) if wanted.len() == parts.len() => Some(wanted),
            _ => None,
        };
        let checked: Vec<Exp> = parts
            .iter()
            .enumerate()
            .map(|(position, part)| {
                let checked = self.exp(part, wanted.as_ref().map(|wanted| &wanted[position]));
                if let Ty::Tuple(_) = self.infer.shallow(&checked.ty) {
                    self.error(codes::NESTED_TUPLE, part.span, "tuples cannot be nested");
                    return Exp::error(part.span);
                }
                checked
            })
            .collect();
        let ty = Ty::Tuple(checked.iter().map(|part| part.ty.clone()).collect());
        Exp::new(ExpKind::Tuple(checked), ty, span)
    }

    // -----------------------------------------------------------------------------------------------------------
    // Blocks

    pub(super) fn block(&mut self, label: Option<&Name>, block: &ast::Block, expected: Option<&Ty>, span: Span) -> Exp {
        let Some(label) = label else { return self.plain_block(block, expected, span) };
        let id = self.open_target(Some(label), TargetKind::Block);
        let inner = self.plain_block(block, expected, span);
        let left_with = self.targets.pop().and_then(|target| target.result);
        let ty = self.infer.shallow(&inner.ty);
        let (inner, ty) = match left_with {
            None => (inner, ty),
            Some(result) if ty == Ty::Never => (inner, result),
            Some(result) => (self.coerce(inner, &result, &role::BLOCK), result),
        };
        Exp::new(ExpKind::Block(Some(id), Vec::new(), Some(Box::new(inner))), ty, span)
    }

    fn plain_block(&mut self, block: &ast::Block, expected: Option<&Ty>, span: Span) -> Exp {
        let has_uses = self.open_uses(&block.uses);
        let checked = self.in_scope(|this| {
            let mut statements = Vec::new();
            let mut diverges = false;
            for statement in &block.statements {
                this.statement(statement, &mut statements, &mut diverges);
            }
            if diverges && block.result.is_some() {
                let at = block.result.as_ref().map_or(span, |result| result.span);
                this.push(Diagnostic::new(codes::UNREACHABLE_CODE, at, "this code can never run"));
            }
            let result = block.result.as_ref().map(|result| Box::new(this.exp(result, expected)));
            let ty = match &result {
                _ if diverges => Ty::Never,
                Some(result) => this.infer.shallow(&result.ty),
                None => Ty::unit(),
            };
            Exp::new(ExpKind::Block(None, statements, result), ty, span)
        });
        if has_uses {
            self.scope.blocks.pop();
        }
        checked
    }

    fn statement(&mut self, statement: &ast::Statement, out: &mut Vec<Stmt>, diverges: &mut bool) {
        if *diverges && !matches!(statement.kind, ast::StatementKind::Spec) {
            self.push(Diagnostic::new(codes::UNREACHABLE_CODE, statement.span, "this code can never run"));
        }
        match &statement.kind {
            ast::StatementKind::Spec => {}
            ast::StatementKind::Exp(exp) => {
                let checked = self.exp(exp, None);
                let ty = self.infer.shallow(&checked.ty);
                match &ty {
                    Ty::Never => *diverges = true,
                    _ if ty.is_unit() => {}
                    _ => self.need(&ty, Ability::Drop, exp.span, "the value of this statement is dropped"),
                }
                out.push(Stmt::Exp(checked));
            }
            ast::StatementKind::Let { pattern, ty, value } => {
                let annotated = ty.as_ref().map(|ty| self.written_type(ty));
                let Some(value) = value else {
                    let ty = annotated.unwrap_or_else(|| self.infer.fresh(false, pattern.span));
                    self.declare_pattern(pattern, &ty);
                    return;
                };
                let value = match &annotated {
                    Some(wanted) => {
                        let at = ty.as_ref().map_or(pattern.span, |ty| ty.span);
                        self.exp_as(value, wanted, &role::VALUE.because(at, "is the type written here"))
                    }
                    None => self.exp(value, None),
                };
                let value_ty = self.infer.shallow(&value.ty);
                if value_ty == Ty::Never {
                    *diverges = true;
                }
                let ty = annotated.unwrap_or(value_ty);
                let ty = if ty == Ty::Never { Ty::Error } else { ty };
                let target = self.pattern(pattern, &ty);
                out.push(Stmt::Let(target, value));
            }
        }
    }

    /// `assert!(c, code)` and macros.
    fn macro_call(&mut self, callee: &ast::Path, args: &[ast::Exp], span: Span) -> Exp {
        if callee.as_name().is_none_or(|name| name.value != "assert") {
            return self.expand_macro(callee, args, span);
        }
        let (condition, code) = match args {
            [condition] => (condition, None),
            [condition, code] => (condition, Some(code)),
            _ => {
                self.error(codes::ARGUMENT_COUNT, span, "`assert!` takes a condition and an abort code");
                return Exp::error(span);
            }
        };
        let condition = self.exp_as(condition, &Ty::Bool, &role::CONDITION);
        let code = match code {
            Some(code) => self.abort_code(code),
            None => number(CODELESS_ABORT, Ty::u64(), span),
        };
        Exp::new(ExpKind::Assert(Box::new(condition), Box::new(code)), Ty::unit(), span)
    }

    /// An abort code: a u64. An `#[error]` constant of any type becomes a code that names it.
    fn abort_code(&mut self, code: &ast::Exp) -> Exp {
        let checked = self.exp(code, Some(&Ty::u64()));
        match checked.kind {
            ExpKind::Const(id) if self.globals.constant(id).attributes.error.is_some() => {
                Exp::new(ExpKind::ErrorCode(id), Ty::u64(), code.span)
            }
            _ => self.coerce(checked, &Ty::u64(), &role::ABORT_CODE),
        }
    }

    /// Where an assignment goes and, if it is known before the value, the type.
    fn assign_target(&mut self, target: &ast::AssignTarget) -> (LValue, Option<Ty>) {
        match &target.kind {
            ast::AssignTargetKind::Wildcard => {
                let ty = self.infer.fresh(false, target.span);
                self.need(&ty, Ability::Drop, target.span, "`_` drops the value");
                (LValue::Wild(ty.clone(), target.span), Some(ty))
            }
            ast::AssignTargetKind::Place(exp) => {
                let (target, ty) = self.assignable(exp, false);
                (target, Some(ty))
            }
            ast::AssignTargetKind::Tuple(parts) => {
                let mut targets = Vec::new();
                let mut types = Vec::new();
                for part in parts {
                    let (lvalue, ty) = self.assign_target(part);
                    if matches!(lvalue, LValue::Ref(_)) {
                        self.push(
                            Diagnostic::new(
                                codes::BAD_PLACE,
                                part.span,
                                "only locals and `_` can stand in a tuple that is assigned",
                            )
                            .help("assign to locals, then to the field"),
                        );
                    }
                    targets.push(lvalue);
                    types.push(ty.unwrap_or(Ty::Error));
                }
                (LValue::Tuple(targets, target.span), Some(Ty::Tuple(types.into())))
            }
            ast::AssignTargetKind::Named { path, fields, rest } => self.assign_unpack(path, fields, *rest, target.span),
            ast::AssignTargetKind::Positional { path, fields, rest } => {
                let skip = rest.as_ref().map_or(usize::MAX, |rest| rest.value);
                let total = match self.struct_of_pattern(path) {
                    Some((data, _, _)) => self.globals.datatype(data).fields().len(),
                    None => return (LValue::Wild(Ty::Error, target.span), Some(Ty::Error)),
                };
                let shift = total.saturating_sub(fields.len());
                let named: Vec<_> = fields
                    .iter()
                    .enumerate()
                    .map(|(position, field)| {
                        let position = if position >= skip { position + shift } else { position };
                        (Name::new(format!("pos{position}").into(), field.span), field.clone())
                    })
                    .collect();
                self.assign_unpack(path, &named, rest.as_ref().map(|rest| rest.span), target.span)
            }
        }
    }

    fn assign_unpack(
        &mut self,
        path: &ast::Path,
        fields: &[(Name, ast::AssignTarget)],
        rest: Option<Span>,
        span: Span,
    ) -> (LValue, Option<Ty>) {
        let Some((data, variant, args)) = self.struct_of_pattern(path) else {
            return (LValue::Wild(Ty::Error, span), Some(Ty::Error));
        };
        self.check_inside(data, span, "only its module takes it apart");
        let ty = Ty::Data(data, args.clone().into());
        let mut parts = Vec::new();
        for (info, field) in
            self.match_fields(data, variant, fields.iter().map(|(name, field)| (name, field)), rest, span)
        {
            let field_ty = self.infer.deep(&info.ty.subst(&args));
            parts.push(match field {
                Some(target) => {
                    let (lvalue, ty) = self.assign_target(target);
                    let ty = ty.unwrap_or(Ty::Error);
                    if !self.infer.unify(&ty, &field_ty) {
                        let (wanted, found) = (self.show(&field_ty), self.show(&ty));
                        self.error(
                            codes::TYPE_MISMATCH,
                            target.span,
                            format!("the field has type `{wanted}`, this place `{found}`"),
                        );
                    }
                    lvalue
                }
                None => {
                    self.need(&field_ty, Ability::Drop, span, "fields left out with `..` are dropped");
                    LValue::Wild(field_ty, span)
                }
            });
        }
        (LValue::Unpack(data, variant, args, parts, span), Some(ty))
    }
}

/// A literal number.
pub(super) fn number(value: u64, ty: Ty, span: Span) -> Exp {
    Exp::new(ExpKind::Value(Value::Number(U256::from(value))), ty, span)
}

fn is_comparison(op: BinaryOp) -> bool {
    matches!(op, BinaryOp::Lt | BinaryOp::Gt | BinaryOp::Le | BinaryOp::Ge)
}
