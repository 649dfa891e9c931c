//! Patterns of `let` and lambdas.

use noema_bytecode::Ability;

use crate::diagnostics::{Diagnostic, Name, Span, codes};
use crate::name::{FieldInfo, Target as Resolved, closest};
use crate::parse::ast::{self, PatternKind};

use super::check::Checker;
use super::hir::{FieldsOf, LValue};
use super::ty::{DataId, Ty};

impl Checker<'_> {
    /// Declares the locals of a `let` without a value.
    pub(super) fn declare_pattern(&mut self, pattern: &ast::Pattern, ty: &Ty) {
        match &pattern.kind {
            PatternKind::Binding { mutable, name } => {
                self.declare(name, ty.clone(), mutable.is_some());
            }
            PatternKind::Tuple(parts) => {
                let types = self.tuple_types(parts.len(), ty, pattern.span);
                for (part, ty) in parts.iter().zip(&types) {
                    self.declare_pattern(part, ty);
                }
            }
            PatternKind::Wildcard | PatternKind::Error => {}
            _ => {
                self.error(codes::BAD_PLACE, pattern.span, "a `let` without a value declares only plain locals");
            }
        }
    }

    fn tuple_types(&mut self, wanted: usize, ty: &Ty, span: Span) -> Vec<Ty> {
        let parts: Vec<Ty> = (0..wanted).map(|_| self.infer.fresh(false, span)).collect();
        let tuple = Ty::Tuple(parts.clone().into());
        if !self.infer.unify(&tuple, ty) {
            let shown = self.show(ty);
            let found = match self.infer.shallow(ty) {
                Ty::Tuple(parts) => format!("{} values", parts.len()),
                _ => format!("one value of type `{shown}`"),
            };
            self.error(
                codes::TUPLE_LENGTH,
                span,
                format!("this pattern takes {wanted} values, there are {found}: `{shown}`"),
            );
            return vec![Ty::Error; wanted];
        }
        if matches!(self.infer.shallow(ty), Ty::Error | Ty::Never) {
            return vec![Ty::Error; wanted];
        }
        parts
    }

    /// Checks a pattern against the type of its value and declares its locals.
    pub(super) fn pattern(&mut self, pattern: &ast::Pattern, ty: &Ty) -> LValue {
        let span = pattern.span;
        let ty = self.infer.shallow(ty);
        match &pattern.kind {
            PatternKind::Wildcard => {
                if !ty.is_unit() {
                    self.need(&ty, Ability::Drop, span, "`_` drops the value");
                }
                LValue::Wild(ty, span)
            }
            PatternKind::Binding { mutable, name } => {
                if let Ty::Tuple(parts) = &ty {
                    let what =
                        if parts.is_empty() { "`()` is no value" } else { "a tuple cannot be stored in a local" };
                    self.push(
                        Diagnostic::new(codes::TUPLE_IN_LOCAL, span, what)
                            .help("write one name for each part: `(a, b)`"),
                    );
                    return LValue::Wild(Ty::Error, span);
                }
                let local = self.declare(name, ty, mutable.is_some());
                self.locals[local.0 as usize].is_given = true;
                LValue::Local(local, span)
            }
            PatternKind::Tuple(parts) => {
                if let [only] = parts.as_slice() {
                    return self.pattern(only, &ty);
                }
                let types = self.tuple_types(parts.len(), &ty, span);
                LValue::Tuple(parts.iter().zip(&types).map(|(part, ty)| self.pattern(part, ty)).collect(), span)
            }
            PatternKind::Named { path, fields, rest } => {
                let fields: Vec<(Name, ast::Pattern)> =
                    fields.iter().map(|field| (field.field.clone(), field.pattern.clone())).collect();
                self.unpack(path, &fields, *rest, &ty, span)
            }
            PatternKind::Positional { path, fields, rest } => {
                let Some((data, variant, _)) = self.struct_of_pattern(path) else {
                    return self.error_pattern(fields, span);
                };
                let total = self.globals.datatype(data).fields_of(variant).len();
                let named = positional_fields(fields, rest.as_ref().map(|rest| rest.value), total);
                self.unpack(path, &named, rest.as_ref().map(|rest| rest.span), &ty, span)
            }
            PatternKind::Path(path) => self.unpack(path, &[], None, &ty, span),
            PatternKind::Literal(_) | PatternKind::Or(_) | PatternKind::At { .. } => {
                self.push(Diagnostic::new(
                    codes::REFUTABLE_PATTERN,
                    span,
                    "this pattern may not match; it can stand only in `match`",
                ));
                LValue::Wild(Ty::Error, span)
            }
            PatternKind::Error => LValue::Wild(Ty::Error, span),
        }
    }

    /// Declares what a faulty pattern would bind, so that uses are not reported too.
    fn error_pattern(&mut self, fields: &[ast::Pattern], span: Span) -> LValue {
        for field in fields {
            self.pattern(field, &Ty::Error);
        }
        LValue::Wild(Ty::Error, span)
    }

    fn unpack(
        &mut self,
        path: &ast::Path,
        fields: &[(Name, ast::Pattern)],
        rest: Option<Span>,
        ty: &Ty,
        span: Span,
    ) -> LValue {
        let Some((data, variant, args)) = self.struct_of_pattern(path) else {
            let patterns: Vec<ast::Pattern> = fields.iter().map(|(_, pattern)| pattern.clone()).collect();
            return self.error_pattern(&patterns, span);
        };
        if self.globals.datatype(data).is_enum() {
            self.push(Diagnostic::new(
                codes::REFUTABLE_PATTERN,
                span,
                "a variant may not match; it can be taken apart only in `match`",
            ));
        }
        self.check_inside(data, span, "only its module takes it apart");
        let wanted = Ty::Data(data, args.clone().into());
        let by_ref = match ty {
            Ty::Ref(mutable, _) => Some(*mutable),
            _ => None,
        };
        if !self.infer.unify(ty.pointee(), &wanted) {
            let (found, wanted) = (self.show(ty), self.show(&wanted));
            self.error(
                codes::UNPACKED_TYPE,
                span,
                format!("this pattern takes apart `{wanted}`, the value is `{found}`"),
            );
        }
        let matched =
            self.match_fields(data, variant, fields.iter().map(|(name, pattern)| (name, pattern)), rest, span);
        let mut parts = Vec::new();
        for (info, field) in matched {
            let field_ty = self.infer.deep(&info.ty.subst(&args));
            match (by_ref, field) {
                (Some(mutable), Some(pattern)) => {
                    parts.push(Some(self.pattern(pattern, &Ty::reference(mutable, field_ty))));
                }
                (Some(_), None) => parts.push(None),
                (None, Some(pattern)) => parts.push(Some(self.pattern(pattern, &field_ty))),
                (None, None) => {
                    self.need(&field_ty, Ability::Drop, span, "fields left out with `..` are dropped");
                    parts.push(Some(LValue::Wild(field_ty, span)));
                }
            }
        }
        match by_ref {
            Some(mutable) => LValue::UnpackRef(mutable, FieldsOf { data, variant, args }, parts, span),
            None => LValue::Unpack(data, variant, args, parts.into_iter().flatten().collect(), span),
        }
    }

    /// The datatype that a pattern or pack names, with its type arguments.
    pub(super) fn struct_of_pattern(&mut self, path: &ast::Path) -> Option<(DataId, Option<usize>, Vec<Ty>)> {
        match self.scope.resolve(self.globals, self.diagnostics, path)? {
            Resolved::Data(data, variant, written) => {
                let info = self.globals.datatype(data);
                if info.is_enum() && variant.is_none() {
                    self.error(
                        codes::ENUM_WITHOUT_VARIANT,
                        path.span,
                        format!("`{path}` is an enum; name one of its variants"),
                    );
                    return None;
                }
                let what = format!("`{}`", info.name.value);
                let args = self.type_args(written.as_deref(), info.type_params.len(), path.span, &what);
                Some((data, variant, args))
            }
            Resolved::Unbound(name, _) => {
                let mut diagnostic = Diagnostic::new(
                    codes::UNBOUND_STRUCT,
                    name.span,
                    format!("no struct `{}` is in scope", name.value),
                );
                let module = self.globals.module(self.scope.module);
                let members = module.members.keys().chain(module.aliases.members.keys());
                if let Some(near) = closest(&name.value, members.map(crate::diagnostics::Symbol::as_str)) {
                    diagnostic = diagnostic.help(format!("did you mean `{near}`?"));
                }
                self.push(diagnostic);
                None
            }
            _ => {
                self.error(codes::NOT_A_STRUCT, path.span, format!("`{path}` is not a struct"));
                None
            }
        }
    }

    /// Joins declared fields and written ones, in declaration order; reports missing, unknown and repeated ones.
    pub(super) fn match_fields<'f, T>(
        &mut self,
        data: DataId,
        variant: Option<usize>,
        written: impl Iterator<Item = (&'f Name, &'f T)>,
        rest: Option<Span>,
        span: Span,
    ) -> Vec<(FieldInfo, Option<&'f T>)> {
        let declared = self.globals.datatype(data).fields_of(variant).to_vec();
        let mut matched: Vec<(FieldInfo, Option<&'f T>)> = declared.into_iter().map(|info| (info, None)).collect();
        for (name, value) in written {
            let wanted = super::place::positional_name(&name.value);
            match matched.iter().position(|(info, _)| info.name.value == *wanted) {
                Some(position) if matched[position].1.is_some() => {
                    self.error(codes::FIELD_TWICE, name.span, format!("the field `{}` is given twice", name.value));
                }
                Some(position) => matched[position].1 = Some(value),
                None => {
                    let what = &self.globals.datatype(data).name.value;
                    let mut diagnostic = Diagnostic::new(
                        codes::UNKNOWN_FIELD,
                        name.span,
                        format!("`{what}` has no field `{}`", name.value),
                    );
                    let candidates = matched.iter().map(|(info, _)| info.name.value.as_str());
                    if let Some(near) = closest(&wanted, candidates) {
                        diagnostic = diagnostic.help(format!("did you mean `{near}`?"));
                    }
                    self.push(diagnostic);
                }
            }
        }
        let missing: Vec<String> = matched
            .iter()
            .filter(|(_, value)| value.is_none())
            .map(|(info, _)| format!("`{}`", info.name.value))
            .collect();
        if rest.is_none() && !missing.is_empty() {
            let info = self.globals.datatype(data);
            self.push(
                Diagnostic::new(
                    codes::MISSING_FIELDS,
                    span,
                    format!("`{}` has more fields: {}", info.name.value, missing.join(", ")),
                )
                .secondary(info.name.span, "declared here"),
            );
        }
        matched
    }
}

/// Positional patterns under the names of their fields.
pub(super) fn positional_fields<T: Clone + HasSpan>(fields: &[T], rest: Option<usize>, total: usize) -> Vec<(Name, T)> {
    let skip = rest.unwrap_or(usize::MAX);
    let shift = total.saturating_sub(fields.len());
    fields
        .iter()
        .enumerate()
        .map(|(position, field)| {
            let position = if position >= skip { position + shift } else { position };
            (Name::new(format!("pos{position}").into(), field.span()), field.clone())
        })
        .collect()
}

/// Nodes that know where they were written.
pub(super) trait HasSpan {
    fn span(&self) -> Span;
}

impl HasSpan for ast::Pattern {
    fn span(&self) -> Span {
        self.span
    }
}

impl HasSpan for ast::Exp {
    fn span(&self) -> Span {
        self.span
    }
}
