//! `match`: patterns, guards and exhaustiveness.

use std::collections::BTreeMap;

use noema_bytecode::Ability;

use crate::diagnostics::{Diagnostic, Name, Span, Symbol, codes};
use crate::name::{Globals, Target as Resolved};
use crate::parse::ast::{self, PatternKind};

use super::check::Checker;
use super::hir::{Arm, Exp, ExpKind, LocalId, Match, Pat, Value};
use super::pattern::positional_fields;
use super::role;
use super::ty::Ty;

/// What holds while the pattern of one arm is checked.
struct ArmPattern {
    /// `Some(mutable)` when a reference is matched: bindings are references too.
    by_ref: Option<bool>,
    /// Locals bound so far, with the type of what they stand for.
    bound: BTreeMap<Symbol, (LocalId, Ty)>,
    /// Whether this is a further alternative of an or-pattern, which binds the same locals again.
    again: bool,
}

impl Checker<'_> {
    pub(super) fn match_arms(
        &mut self,
        scrutinee: &ast::Exp,
        arms: &[ast::MatchArm],
        expected: Option<&Ty>,
        span: Span,
    ) -> Exp {
        let scrutinee = self.exp(scrutinee, None);
        let whole = self.infer.shallow(&scrutinee.ty);
        let by_ref = match &whole {
            Ty::Ref(mutable, _) => Some(*mutable),
            _ => None,
        };
        let subject = self.infer.shallow(whole.pointee());
        if matches!(subject, Ty::Tuple(_) | Ty::Fun(..)) {
            self.error(codes::BAD_OPERAND, scrutinee.span, "`match` takes one value");
            return Exp::error(span);
        }
        let mut checked: Vec<Arm> = Vec::new();
        let mut hint = expected.cloned();
        for arm in arms {
            let arm = self.in_scope(|this| {
                let mut state = ArmPattern { by_ref, bound: BTreeMap::new(), again: false };
                let pattern = this.arm_pattern(&arm.pattern, &subject, &mut state);
                let (guard, guard_views) = this.guard(arm.guard.as_ref(), &state);
                let body = this.exp(&arm.body, hint.as_ref());
                Arm { pattern, guard, guard_views, body, span: arm.span }
            });
            if hint.is_none() && self.infer.shallow(&arm.body.ty) != Ty::Never {
                hint = Some(self.infer.shallow(&arm.body.ty));
            }
            checked.push(arm);
        }
        let subject = self.infer.deep(&subject);
        let rows: Vec<Vec<&Pat>> =
            checked.iter().filter(|arm| arm.guard.is_none()).map(|arm| vec![&arm.pattern]).collect();
        if subject != Ty::Error
            && let Some(missing) = missing(self.globals, &rows, std::slice::from_ref(&subject))
        {
            self.push(
                Diagnostic::new(codes::NOT_EXHAUSTIVE, span, format!("no arm matches `{}`", missing.join(", ")))
                    .note("arms with a guard do not count")
                    .help("add an arm for it, or `_ => ..`"),
            );
        }
        let bodies = checked.iter_mut().map(|arm| std::mem::replace(&mut arm.body, Exp::unit(span))).collect();
        let (bodies, ty) = self.join(bodies, &role::ARM);
        for (arm, body) in checked.iter_mut().zip(bodies) {
            arm.body = body;
        }
        Exp::new(ExpKind::Match(Box::new(Match { scrutinee, by_ref, subject, arms: checked })), ty, span)
    }

    /// A guard sees every binding through a `&` reference.
    fn guard(&mut self, guard: Option<&ast::Exp>, state: &ArmPattern) -> (Option<Exp>, Vec<(LocalId, LocalId)>) {
        let Some(guard) = guard else { return (None, Vec::new()) };
        self.in_scope(|this| {
            let mut views = Vec::new();
            for (name, (local, ty)) in &state.bound {
                let view = this.hidden(name, Ty::reference(false, ty.clone()), guard.span);
                this.names.last_mut().expect("a scope is open").insert(name.clone(), view);
                views.push((*local, view));
                this.mark_used(*local);
            }
            (Some(this.exp_as(guard, &Ty::Bool, &role::GUARD)), views)
        })
    }

    fn arm_pattern(&mut self, pattern: &ast::Pattern, ty: &Ty, state: &mut ArmPattern) -> Pat {
        let span = pattern.span;
        let ty = self.infer.shallow(ty);
        match &pattern.kind {
            PatternKind::Wildcard => {
                if state.by_ref.is_none() {
                    self.need(&ty, Ability::Drop, span, "`_` drops the value");
                }
                Pat::Wild(ty, span)
            }
            PatternKind::Binding { mutable, name } => {
                if mutable.is_none() && name.value.starts_with(|c: char| c.is_ascii_uppercase()) {
                    return self.path_pattern(&ast::Path::from_name(name.clone()), &ty, span);
                }
                Pat::Bind(self.bind(name, &ty, state), None, span)
            }
            PatternKind::At { name, pattern: inner } => {
                let before = state.bound.len();
                let inner = self.arm_pattern(inner, &ty, state);
                if state.bound.len() > before && state.by_ref.is_none() {
                    self.error(codes::BAD_PLACE, span, "what `@` binds cannot be taken apart too");
                }
                Pat::Bind(self.bind(name, &ty, state), Some(Box::new(inner)), span)
            }
            PatternKind::Literal(literal) => {
                let literal = self.literal(literal, Some(&ty), span);
                let literal = self.coerce(literal, &ty, &role::PATTERN);
                match literal.kind {
                    ExpKind::Value(value) => Pat::Value(value, ty, span),
                    _ => Pat::Wild(Ty::Error, span),
                }
            }
            PatternKind::Path(path) => self.path_pattern(path, &ty, span),
            PatternKind::Or(alternatives) => {
                let mut checked = Vec::new();
                for (position, alternative) in alternatives.iter().enumerate() {
                    let was = state.again;
                    state.again |= position > 0;
                    checked.push(self.arm_pattern(alternative, &ty, state));
                    state.again = was;
                }
                Pat::Or(checked, span)
            }
            PatternKind::Named { path, fields, rest } => {
                let fields: Vec<(Name, ast::Pattern)> =
                    fields.iter().map(|field| (field.field.clone(), field.pattern.clone())).collect();
                self.data_pattern(path, &fields, *rest, &ty, state, span)
            }
            PatternKind::Positional { path, fields, rest } => {
                let Some((data, variant, _)) = self.struct_of_pattern(path) else { return Pat::Wild(Ty::Error, span) };
                let total = self.globals.datatype(data).fields_of(variant).len();
                let named = positional_fields(fields, rest.as_ref().map(|rest| rest.value), total);
                self.data_pattern(path, &named, rest.as_ref().map(|rest| rest.span), &ty, state, span)
            }
            PatternKind::Tuple(parts) => match parts.as_slice() {
                [only] => self.arm_pattern(only, &ty, state),
                _ => {
                    self.error(codes::BAD_PLACE, span, "`match` takes one value, so a tuple never matches");
                    Pat::Wild(Ty::Error, span)
                }
            },
            PatternKind::Error => Pat::Wild(Ty::Error, span),
        }
    }

    fn bind(&mut self, name: &Name, ty: &Ty, state: &mut ArmPattern) -> LocalId {
        if let Some((local, known)) = state.bound.get(&name.value).cloned() {
            if !state.again {
                self.error(
                    codes::DUPLICATE_BINDING,
                    name.span,
                    format!("`{}` is bound twice in one pattern", name.value),
                );
            } else if !self.infer.unify(&known, ty) {
                let (a, b) = (self.show(&known), self.show(ty));
                let message = format!("`{}` is `{a}` in one alternative and `{b}` in this one", name.value);
                self.error(codes::TYPE_MISMATCH, name.span, message);
            }
            return local;
        }
        if state.again {
            let message = format!("`{}` is not bound by every alternative", name.value);
            self.error(codes::UNEVEN_ALTERNATIVES, name.span, message);
        }
        let bound_ty = match state.by_ref {
            Some(mutable) => Ty::reference(mutable, ty.clone()),
            None => ty.clone(),
        };
        let local = self.declare(name, bound_ty, false);
        state.bound.insert(name.value.clone(), (local, ty.clone()));
        local
    }

    /// A constant, or a variant or struct without fields.
    fn path_pattern(&mut self, path: &ast::Path, ty: &Ty, span: Span) -> Pat {
        match self.scope.resolve(self.globals, self.diagnostics, path) {
            Some(Resolved::Const(id)) => {
                let info = self.globals.constant(id);
                let constant = Exp::new(ExpKind::Const(id), info.ty.clone(), span);
                self.coerce(constant, ty, &role::PATTERN);
                match &info.value {
                    Some(value) => Pat::Value(value.clone(), info.ty.clone(), span),
                    None => Pat::Wild(Ty::Error, span),
                }
            }
            Some(Resolved::Data(..)) => {
                let mut state = ArmPattern { by_ref: None, bound: BTreeMap::new(), again: false };
                self.data_pattern(path, &[], None, ty, &mut state, span)
            }
            Some(Resolved::Unbound(name, _)) => {
                self.unbound_value(&name);
                Pat::Wild(Ty::Error, span)
            }
            Some(_) => {
                self.error(codes::WRONG_KIND, span, format!("`{path}` is no constant or variant"));
                Pat::Wild(Ty::Error, span)
            }
            None => Pat::Wild(Ty::Error, span),
        }
    }

    fn data_pattern(
        &mut self,
        path: &ast::Path,
        fields: &[(Name, ast::Pattern)],
        rest: Option<Span>,
        ty: &Ty,
        state: &mut ArmPattern,
        span: Span,
    ) -> Pat {
        let Some((data, variant, args)) = self.struct_of_pattern(path) else { return Pat::Wild(Ty::Error, span) };
        self.check_inside(data, span, "only its module matches it");
        let wanted = Ty::Data(data, args.clone().into());
        if !self.infer.unify(ty, &wanted) {
            let (found, wanted) = (self.show(ty), self.show(&wanted));
            self.error(codes::UNPACKED_TYPE, span, format!("this pattern matches `{wanted}`, the value is `{found}`"));
            return Pat::Wild(Ty::Error, span);
        }
        let matched = self.match_fields(data, variant, fields.iter().map(|(name, field)| (name, field)), rest, span);
        let mut parts = Vec::new();
        for (info, field) in matched {
            let field_ty = self.infer.deep(&info.ty.subst(&args));
            parts.push(match field {
                Some(pattern) => self.arm_pattern(pattern, &field_ty, state),
                None => {
                    if state.by_ref.is_none() {
                        self.need(&field_ty, Ability::Drop, span, "fields left out with `..` are dropped");
                    }
                    Pat::Wild(field_ty, span)
                }
            });
        }
        Pat::Data(data, variant, args, parts, span)
    }
}

/// A value that no row matches, one text for each column; `None` if the rows match everything.
fn missing(globals: &Globals, rows: &[Vec<&Pat>], types: &[Ty]) -> Option<Vec<String>> {
    let Some((first, rest)) = types.split_first() else {
        return if rows.is_empty() { Some(Vec::new()) } else { None };
    };
    let rows = flatten(rows);
    let constructors = constructors(globals, first);
    let mentioned = rows.iter().any(|row| !matches!(head(row[0]), Head::Any));
    match constructors {
        Some(constructors) if mentioned => constructors.into_iter().find_map(|constructor| {
            let narrowed = narrow(&rows, &constructor);
            let mut inner: Vec<Ty> = constructor.fields.clone();
            inner.extend_from_slice(rest);
            let mut witness = missing(globals, &narrowed, &inner)?;
            let tail = witness.split_off(constructor.fields.len());
            Some([vec![constructor.show(&witness)], tail].concat())
        }),
        _ => {
            let narrowed: Vec<Vec<&Pat>> =
                rows.iter().filter(|row| matches!(head(row[0]), Head::Any)).map(|row| row[1..].to_vec()).collect();
            let mut witness = missing(globals, &narrowed, rest)?;
            witness.insert(0, "_".to_owned());
            Some(witness)
        }
    }
}

/// A way to build a value.
struct Constructor {
    name: String,
    variant: Option<usize>,
    boolean: Option<bool>,
    fields: Vec<Ty>,
}

impl Constructor {
    fn show(&self, fields: &[String]) -> String {
        if fields.is_empty() { self.name.clone() } else { format!("{}({})", self.name, fields.join(", ")) }
    }
}

/// All ways to build a value of a type, if they can be listed.
fn constructors(globals: &Globals, ty: &Ty) -> Option<Vec<Constructor>> {
    match ty {
        Ty::Bool => Some(
            [true, false]
                .map(|value| Constructor {
                    name: value.to_string(),
                    variant: None,
                    boolean: Some(value),
                    fields: Vec::new(),
                })
                .into(),
        ),
        Ty::Data(id, args) => {
            let info = globals.datatype(*id);
            let name = &info.name.value;
            let fields = |variant| info.fields_of(variant).iter().map(|field| field.ty.subst(args)).collect();
            if !info.is_enum() {
                return Some(vec![Constructor {
                    name: name.to_string(),
                    variant: None,
                    boolean: None,
                    fields: fields(None),
                }]);
            }
            let variants = info.variants().iter().enumerate().map(|(position, variant)| Constructor {
                name: format!("{name}::{}", variant.name.value),
                variant: Some(position),
                boolean: None,
                fields: fields(Some(position)),
            });
            Some(variants.collect())
        }
        _ => None,
    }
}

enum Head<'p> {
    Any,
    Bool(bool),
    Data(Option<usize>, &'p [Pat]),
    Other,
}

fn head(pattern: &Pat) -> Head<'_> {
    match pattern {
        Pat::Wild(..) | Pat::Bind(_, None, _) => Head::Any,
        Pat::Bind(_, Some(inner), _) => head(inner),
        Pat::Value(Value::Bool(value), ..) => Head::Bool(*value),
        Pat::Data(_, variant, _, parts, _) => Head::Data(*variant, parts),
        Pat::Value(..) | Pat::Or(..) => Head::Other,
    }
}

/// Rows with or-patterns in the first column, one for each alternative.
fn flatten<'p>(rows: &[Vec<&'p Pat>]) -> Vec<Vec<&'p Pat>> {
    let mut flat = Vec::new();
    for row in rows {
        let mut first = row[0];
        while let Pat::Bind(_, Some(inner), _) = first {
            first = inner;
        }
        if let Pat::Or(alternatives, _) = first {
            let expanded: Vec<Vec<&Pat>> = alternatives
                .iter()
                .map(|alternative| {
                    let mut row = row.clone();
                    row[0] = alternative;
                    row
                })
                .collect();
            flat.extend(flatten(&expanded));
        } else {
            flat.push(row.clone());
        }
    }
    flat
}

/// What is left of the rows that match a constructor, its fields in front.
fn narrow<'p>(rows: &[Vec<&'p Pat>], constructor: &Constructor) -> Vec<Vec<&'p Pat>> {
    rows.iter()
        .filter_map(|row| {
            let fields: Vec<&Pat> = match head(row[0]) {
                Head::Any => vec![&ANYTHING; constructor.fields.len()],
                Head::Bool(value) if constructor.boolean == Some(value) => Vec::new(),
                Head::Data(variant, parts) if variant == constructor.variant && constructor.boolean.is_none() => {
                    parts.iter().collect()
                }
                _ => return None,
            };
            Some([fields, row[1..].to_vec()].concat())
        })
        .collect()
}

static ANYTHING: Pat = Pat::Wild(Ty::Error, Span::new(crate::diagnostics::FileId(0), 0, 0));
