//! Refuses what the language has and this compiler does not translate: signed integers and stored function values.
//!
//! Function types are fine as parameters of `inline` and `macro` functions and lambdas as arguments of calls, since both
//! vanish when the call is expanded.

use super::ast::{ExpandedModule, ExpandedScript};
use crate::diagnostics::{Diagnostic, Diagnostics, Span, codes};
use crate::parse::ast::{
    AssignTarget, AssignTargetKind, Block, Constant, Enum, Exp, ExpKind, Fields, Function, FunctionBody, FunctionKind,
    IntType, Literal, Path, Pattern, PatternKind, Statement, StatementKind, Struct, Type, TypeKind, UnaryOp,
};

pub(super) fn module(module: &ExpandedModule, diagnostics: &mut Diagnostics) {
    let mut walk = Walk { diagnostics };
    module.structs.iter().for_each(|one| walk.structure(&one.item));
    module.enums.iter().for_each(|one| walk.enumeration(&one.item));
    module.constants.iter().for_each(|one| walk.constant(&one.item));
    module.functions.iter().for_each(|one| walk.function(&one.item));
}

pub(super) fn script(script: &ExpandedScript, diagnostics: &mut Diagnostics) {
    let mut walk = Walk { diagnostics };
    script.constants.iter().for_each(|one| walk.constant(&one.item));
    walk.function(&script.function.item);
}

struct Walk<'a> {
    diagnostics: &'a mut Diagnostics,
}

impl Walk<'_> {
    fn refuse(&mut self, span: Span, what: &str, help: &str) {
        self.diagnostics
            .push(Diagnostic::new(codes::NOT_COMPILED_YET, span, format!("{what} are not compiled yet")).help(help));
    }

    fn signed(&mut self, span: Span) {
        self.refuse(span, "signed integers", "use an unsigned integer and keep the sign in a bool");
    }

    fn function_value(&mut self, span: Span) {
        self.refuse(
            span,
            "stored function values",
            "pass the function straight to an `inline fun` or `macro fun`, or branch on a number",
        );
    }

    // -------------------------------------------------------------------------------------------- declarations

    fn structure(&mut self, item: &Struct) {
        self.fields(&item.fields);
    }

    fn enumeration(&mut self, item: &Enum) {
        item.variants.iter().for_each(|variant| self.fields(&variant.fields));
    }

    fn fields(&mut self, fields: &Fields) {
        match fields {
            Fields::Named(fields) => fields.iter().for_each(|field| self.ty(&field.ty)),
            Fields::Positional(types) => types.iter().for_each(|ty| self.ty(ty)),
            Fields::None | Fields::Native(_) => {}
        }
    }

    fn constant(&mut self, item: &Constant) {
        self.ty(&item.ty);
        self.exp(&item.value);
    }

    fn function(&mut self, item: &Function) {
        for param in &item.params {
            match &param.ty.kind {
                TypeKind::Function { params, result, .. } if item.kind != FunctionKind::Plain => {
                    params.iter().for_each(|ty| self.ty(ty));
                    self.ty(result);
                }
                _ => self.ty(&param.ty),
            }
        }
        self.ty(&item.result);
        if let FunctionBody::Block(block) = &item.body {
            self.block(block);
        }
    }

    // -------------------------------------------------------------------------------------------- types

    fn ty(&mut self, ty: &Type) {
        match &ty.kind {
            TypeKind::Path(path) => {
                let name = path.as_name();
                if name.is_some_and(|name| matches!(IntType::parse(&name.value), Some(IntType::Signed(_)))) {
                    self.signed(ty.span);
                }
                self.path(path);
            }
            TypeKind::Reference { inner, .. } => self.ty(inner),
            TypeKind::Tuple(types) => types.iter().for_each(|ty| self.ty(ty)),
            TypeKind::Function { .. } => self.function_value(ty.span),
            TypeKind::Infer | TypeKind::Error => {}
        }
    }

    fn types(&mut self, types: Option<&Vec<Type>>) {
        types.into_iter().flatten().for_each(|ty| self.ty(ty));
    }

    fn path(&mut self, path: &Path) {
        path.segments.iter().for_each(|segment| self.types(segment.type_args.as_ref()));
    }

    // -------------------------------------------------------------------------------------------- bodies

    fn block(&mut self, block: &Block) {
        block.statements.iter().for_each(|statement| self.statement(statement));
        if let Some(result) = &block.result {
            self.value(result);
        }
    }

    fn statement(&mut self, statement: &Statement) {
        match &statement.kind {
            StatementKind::Exp(exp) => self.value(exp),
            StatementKind::Let { pattern, ty, value } => {
                self.pattern(pattern);
                if let Some(ty) = ty {
                    self.ty(ty);
                }
                if let Some(value) = value {
                    self.value(value);
                }
            }
            StatementKind::Spec => {}
        }
    }

    fn pattern(&mut self, pattern: &Pattern) {
        match &pattern.kind {
            PatternKind::Tuple(patterns) | PatternKind::Or(patterns) => {
                patterns.iter().for_each(|one| self.pattern(one))
            }
            PatternKind::Named { path, fields, .. } => {
                self.path(path);
                fields.iter().for_each(|field| self.pattern(&field.pattern));
            }
            PatternKind::Positional { path, fields, .. } => {
                self.path(path);
                fields.iter().for_each(|field| self.pattern(field));
            }
            PatternKind::Path(path) => self.path(path),
            PatternKind::Literal(literal) => self.literal(literal, pattern.span),
            PatternKind::At { pattern, .. } => self.pattern(pattern),
            PatternKind::Wildcard | PatternKind::Binding { .. } | PatternKind::Error => {}
        }
    }

    fn literal(&mut self, literal: &Literal, span: Span) {
        if let Literal::Number { suffix: Some(IntType::Signed(_)), .. } = literal {
            self.signed(span);
        }
    }

    /// An expression whose value is kept: a lambda here would be stored.
    fn value(&mut self, exp: &Exp) {
        if matches!(exp.kind, ExpKind::Lambda(_)) {
            self.function_value(exp.span);
        } else {
            self.exp(exp);
        }
    }

    /// An argument of a call: a lambda here may be expanded.
    fn argument(&mut self, exp: &Exp) {
        match &exp.kind {
            ExpKind::Lambda(lambda) => {
                for param in &lambda.params {
                    self.pattern(&param.pattern);
                    if let Some(ty) = &param.ty {
                        self.ty(ty);
                    }
                }
                if let Some(result) = &lambda.result {
                    self.ty(result);
                }
                self.value(&lambda.body);
            }
            _ => self.exp(exp),
        }
    }

    fn values(&mut self, exps: &[Exp]) {
        exps.iter().for_each(|exp| self.value(exp));
    }

    fn optional(&mut self, exp: Option<&Exp>) {
        if let Some(exp) = exp {
            self.value(exp);
        }
    }

    fn target(&mut self, target: &AssignTarget) {
        match &target.kind {
            AssignTargetKind::Wildcard => {}
            AssignTargetKind::Place(place) => self.value(place),
            AssignTargetKind::Tuple(targets) => targets.iter().for_each(|one| self.target(one)),
            AssignTargetKind::Named { path, fields, .. } => {
                self.path(path);
                fields.iter().for_each(|(_, one)| self.target(one));
            }
            AssignTargetKind::Positional { path, fields, .. } => {
                self.path(path);
                fields.iter().for_each(|one| self.target(one));
            }
        }
    }

    fn exp(&mut self, exp: &Exp) {
        match &exp.kind {
            ExpKind::Literal(literal) => self.literal(literal, exp.span),
            ExpKind::Path(path) => self.path(path),
            ExpKind::Call { callee, args } | ExpKind::MacroCall { callee, args } => {
                self.path(callee);
                args.iter().for_each(|argument| self.argument(argument));
            }
            ExpKind::ValueCall { .. } => self.function_value(exp.span),
            ExpKind::MethodCall { receiver, type_args, args, .. } => {
                self.value(receiver);
                self.types(type_args.as_ref());
                args.iter().for_each(|argument| self.argument(argument));
            }
            ExpKind::Field { base, .. } => self.value(base),
            ExpKind::Index { base, indices } => {
                self.value(base);
                self.values(indices);
            }
            ExpKind::Pack { path, fields } => {
                self.path(path);
                fields.iter().for_each(|field| self.value(&field.value));
            }
            ExpKind::Vector { type_args, elements } => {
                self.types(type_args.as_ref());
                self.values(elements);
            }
            ExpKind::Tuple(elements) => self.values(elements),
            ExpKind::Lambda(_) => self.function_value(exp.span),
            ExpKind::Unary { op, operand } => {
                if op.value == UnaryOp::Negate {
                    self.signed(exp.span);
                }
                self.value(operand);
            }
            ExpKind::Binary { left, right, .. } => {
                self.value(left);
                self.value(right);
            }
            ExpKind::Assign { target, value } => {
                self.target(target);
                self.value(value);
            }
            ExpKind::CompoundAssign { place, value, .. } => {
                self.value(place);
                self.value(value);
            }
            ExpKind::Cast { inner, ty } | ExpKind::Annotate { inner, ty } => {
                self.value(inner);
                self.ty(ty);
            }
            ExpKind::Is { inner, variants } => {
                self.value(inner);
                variants.iter().for_each(|variant| self.path(variant));
            }
            ExpKind::Borrow { inner, .. } | ExpKind::Deref(inner) | ExpKind::Move(inner) | ExpKind::Copy(inner) => {
                self.value(inner);
            }
            _ => self.control(exp),
        }
    }

    fn control(&mut self, exp: &Exp) {
        match &exp.kind {
            ExpKind::Block { block, .. } => self.block(block),
            ExpKind::If { condition, then, otherwise } => {
                self.value(condition);
                self.value(then);
                self.optional(otherwise.as_deref());
            }
            ExpKind::While { condition, body, .. } => {
                self.value(condition);
                self.value(body);
            }
            ExpKind::Loop { body, .. } => self.value(body),
            ExpKind::For { lower, upper, body, .. } => {
                self.value(lower);
                self.value(upper);
                self.value(body);
            }
            ExpKind::Match { scrutinee, arms } => {
                self.value(scrutinee);
                for arm in arms {
                    self.pattern(&arm.pattern);
                    self.optional(arm.guard.as_ref());
                    self.value(&arm.body);
                }
            }
            ExpKind::Break { value, .. } | ExpKind::Return { value, .. } | ExpKind::Abort(value) => {
                self.optional(value.as_deref());
            }
            _ => {}
        }
    }
}
