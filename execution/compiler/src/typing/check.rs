//! The state in which one function's body is checked.

use std::collections::BTreeMap;
use std::rc::Rc;

use noema_bytecode::{Ability, AbilitySet};

use crate::diagnostics::{Code, Diagnostic, Diagnostics, Name, Span, Symbol, codes};
use crate::expand::ast::Program;
use crate::name::{Aliases, Globals, Scope};
use crate::parse::ast;

use super::hir::{Exp, ExpKind, JumpId, Local, LocalId};
use super::infer::Infer;
use super::macros::{MacroArg, Returns};
use super::role::Role;
use super::ty::{FunId, ModId, Ty};

/// An ability that a type must turn out to have.
pub(super) struct Need {
    pub(super) ty: Ty,
    pub(super) ability: Ability,
    pub(super) span: Span,
    pub(super) reason: String,
}

/// A loop or labelled block around the place that is checked.
pub(super) struct Target {
    pub(super) id: JumpId,
    pub(super) label: Option<Symbol>,
    pub(super) kind: TargetKind,
    /// The type of the values it is left with.
    pub(super) result: Option<Ty>,
    /// The region it is in: jumps do not leave lambdas and macros.
    pub(super) region: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum TargetKind {
    Loop,
    While,
    Block,
}

/// Checks one body.
pub(super) struct Checker<'a> {
    pub(super) program: &'a Program,
    pub(super) globals: &'a Globals,
    pub(super) diagnostics: &'a mut Diagnostics,
    pub(super) scope: Scope,
    pub(super) param_abilities: Vec<AbilitySet>,
    pub(super) infer: Infer,
    pub(super) locals: Vec<Local>,
    pub(super) names: Vec<BTreeMap<Symbol, LocalId>>,
    pub(super) targets: Vec<Target>,
    pub(super) next_jump: u32,
    /// Which lambda or macro body is checked; 0 for the function itself.
    pub(super) region: u32,
    /// Regions around it whose labels may be named.
    pub(super) around: Rc<Vec<u32>>,
    /// How many regions there were.
    pub(super) regions: u32,
    /// Where `return` goes.
    pub(super) returns: Returns,
    /// What `$x` means inside a macro.
    pub(super) macro_args: Rc<BTreeMap<Symbol, MacroArg>>,
    /// What the macro's type parameters stand for.
    pub(super) macro_types: Option<Rc<Vec<Ty>>>,
    /// Macros whose body is checked.
    pub(super) macros: Vec<FunId>,
    /// How many macros are being expanded, lambdas inside them included.
    pub(super) expansions: usize,
    /// The module that gets the code: it decides what is visible, also inside a macro of another module.
    pub(super) home: ModId,
    /// The result type of the function.
    pub(super) result: Ty,
    pub(super) needs: Vec<Need>,
    /// Results of lambdas that never return: `()` if nothing else says what they are.
    pub(super) endless: Vec<Ty>,
    /// Types of global storage that were not known yet.
    pub(super) resources: Vec<(Ty, Span)>,
    /// Whether the body is expanded at the function's calls.
    pub(super) is_inline: bool,
    /// Whether a constant's value is checked, where there are no locals.
    pub(super) in_constant: bool,
    /// Types by place, where an editor wants them.
    pub(super) trace: Option<Vec<(Span, Ty)>>,
}

impl<'a> Checker<'a> {
    pub(super) fn new(
        program: &'a Program,
        globals: &'a Globals,
        diagnostics: &'a mut Diagnostics,
        scope: Scope,
        result: Ty,
    ) -> Self {
        Self {
            home: scope.module,
            program,
            globals,
            diagnostics,
            scope,
            param_abilities: Vec::new(),
            infer: Infer::default(),
            locals: Vec::new(),
            names: vec![BTreeMap::new()],
            targets: Vec::new(),
            next_jump: 0,
            region: 0,
            around: Rc::default(),
            regions: 0,
            endless: Vec::new(),
            resources: Vec::new(),
            returns: Returns::Function,
            macro_args: Rc::default(),
            macro_types: None,
            macros: Vec::new(),
            expansions: 0,
            result,
            needs: Vec::new(),
            is_inline: false,
            in_constant: false,
            trace: None,
        }
    }

    /// Keeps the type of what stands at `span`, if types are kept.
    pub(super) fn record(&mut self, span: Span, ty: &Ty) {
        if let Some(trace) = &mut self.trace {
            trace.push((span, ty.clone()));
        }
    }

    pub(super) fn push(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    pub(super) fn error(&mut self, code: Code, span: Span, message: impl Into<String>) {
        self.push(Diagnostic::new(code, span, message));
    }

    pub(super) fn show(&self, ty: &Ty) -> String {
        let ty = self.infer.deep(ty);
        if self.infer.is_int_var(&ty) { "integer".into() } else { ty.display(self.globals, &self.scope.type_params) }
    }

    pub(super) fn need(&mut self, ty: &Ty, ability: Ability, span: Span, reason: impl Into<String>) {
        self.needs.push(Need { ty: ty.clone(), ability, span, reason: reason.into() });
    }

    // -----------------------------------------------------------------------------------------------------------
    // Locals and scopes

    pub(super) fn declare(&mut self, name: &Name, ty: Ty, is_mut: bool) -> LocalId {
        let id = self.hidden(&name.value, ty, name.span);
        self.locals[id.0 as usize].is_mut = is_mut;
        self.locals[id.0 as usize].is_used = name.value.starts_with('_');
        self.names.last_mut().expect("a scope is open").insert(name.value.clone(), id);
        id
    }

    /// A local that no source text can name.
    pub(super) fn hidden(&mut self, name: &str, ty: Ty, span: Span) -> LocalId {
        let id = LocalId(u32::try_from(self.locals.len()).expect("locals are few"));
        self.locals.push(Local {
            name: name.into(),
            ty,
            span,
            is_mut: false,
            is_given: false,
            is_used: true,
            is_changed: false,
            is_fixed: false,
        });
        id
    }

    pub(super) fn lookup(&self, name: &str) -> Option<LocalId> {
        self.names.iter().rev().find_map(|scope| scope.get(name).copied())
    }

    pub(super) fn local_ty(&self, id: LocalId) -> Ty {
        self.infer.shallow(&self.locals[id.0 as usize].ty)
    }

    pub(super) fn mark_used(&mut self, id: LocalId) {
        self.locals[id.0 as usize].is_used = true;
    }

    pub(super) fn in_scope<R>(&mut self, inner: impl FnOnce(&mut Self) -> R) -> R {
        self.names.push(BTreeMap::new());
        let result = inner(self);
        self.names.pop();
        result
    }

    pub(super) fn open_uses(&mut self, uses: &[ast::Use]) -> bool {
        if uses.is_empty() {
            return false;
        }
        let aliases: Aliases = self.scope.block_aliases(self.globals, self.diagnostics, uses);
        self.scope.blocks.push(aliases);
        true
    }

    pub(super) fn jump(&mut self) -> JumpId {
        self.next_jump += 1;
        JumpId(self.next_jump)
    }

    // -----------------------------------------------------------------------------------------------------------
    // Types

    /// Resolves a written type; `_` becomes a variable.
    pub(super) fn written_type(&mut self, ty: &ast::Type) -> Ty {
        let infer = &mut self.infer;
        let mut make = |span| infer.fresh(false, span);
        let ty = self.scope.ty(self.globals, self.diagnostics, &mut Some(&mut make), ty);
        match &self.macro_types {
            Some(types) => ty.subst(types),
            None => ty,
        }
    }

    /// Type arguments as written, or variables for all.
    pub(super) fn type_args(
        &mut self,
        written: Option<&[ast::Type]>,
        wanted: usize,
        span: Span,
        what: &str,
    ) -> Vec<Ty> {
        if let Some(written) = written {
            let infer = &mut self.infer;
            let mut make = |span| infer.fresh(false, span);
            let args = self.scope.type_args(self.globals, self.diagnostics, &mut Some(&mut make), written);
            if args.len() == wanted {
                return match &self.macro_types {
                    Some(types) => args.iter().map(|arg| arg.subst(types)).collect(),
                    None => args,
                };
            }
            crate::name::report_arity(self.diagnostics, span, what, wanted, args.len());
            return vec![Ty::Error; wanted];
        }
        (0..wanted).map(|_| self.infer.fresh(false, span)).collect()
    }

    /// Makes `exp` fit `wanted`, freezing a mutable reference where needed, or reports why it does not.
    pub(super) fn coerce(&mut self, exp: Exp, wanted: &Ty, role: &Role) -> Exp {
        let actual = self.infer.shallow(&exp.ty);
        let wanted = self.infer.shallow(wanted);
        if let (Ty::Ref(true, from), Ty::Ref(false, to)) = (&actual, &wanted)
            && self.infer.unify(from, to)
        {
            let span = exp.span;
            return Exp::new(ExpKind::Freeze(Box::new(exp)), wanted, span);
        }
        if let (Ty::Tuple(from), Ty::Tuple(to)) = (&actual, &wanted)
            && from.len() == to.len()
            && let Exp { kind: ExpKind::Tuple(parts), span, .. } = exp
        {
            let parts = parts.into_iter().zip(to.iter()).map(|(part, to)| self.coerce(part, to, role)).collect();
            return Exp::new(ExpKind::Tuple(parts), wanted, span);
        }
        if !self.infer.unify(&actual, &wanted) {
            self.mismatch(&exp, &wanted, role);
            return Exp::error(exp.span);
        }
        exp
    }

    pub(super) fn mismatch(&mut self, exp: &Exp, wanted: &Ty, role: &Role) {
        let (actual, wanted_text) = (self.show(&exp.ty), self.show(wanted));
        let mut diagnostic = Diagnostic::new(
            role.code,
            exp.span,
            format!("{} has the wrong type: expected `{wanted_text}`, found `{actual}`", role.text),
        )
        .label(format!("this is `{actual}`"));
        if let Some((span, why)) = &role.origin {
            diagnostic = diagnostic.secondary(*span, format!("`{wanted_text}` {why}"));
        }
        let (actual, wanted) = (self.infer.deep(&exp.ty), self.infer.deep(wanted));
        diagnostic = match (&actual, &wanted) {
            (Ty::Ref(_, inner), other) if **inner == *other => {
                diagnostic.help("`*` reads the value behind a reference")
            }
            (other, Ty::Ref(mutable, inner)) if **inner == *other => {
                diagnostic.help(format!("borrow it: `{}`", if *mutable { "&mut .." } else { "&.." }))
            }
            (Ty::Ref(false, a), Ty::Ref(true, b)) if a == b => {
                diagnostic.help("a `&` reference cannot become a `&mut` reference")
            }
            (Ty::Int(_), Ty::Int(int)) => diagnostic.help(format!("convert it: `(.. as {})`", int.name())),
            (found, _) if found.is_unit() => diagnostic.note("a block that ends with `;` has no value"),
            _ => diagnostic,
        };
        self.push(diagnostic);
    }

    /// The common type of alternatives such as the branches of an `if`; freezes where one of them is `&`.
    pub(super) fn join(&mut self, mut alternatives: Vec<Exp>, role: &Role) -> (Vec<Exp>, Ty) {
        let types: Vec<Ty> = alternatives.iter().map(|exp| self.infer.shallow(&exp.ty)).collect();
        let valued: Vec<&Ty> = types.iter().filter(|ty| **ty != Ty::Never).collect();
        let Some(first) = valued.first() else { return (alternatives, Ty::Never) };
        let result = valued.iter().find(|ty| matches!(ty, Ty::Ref(false, _))).unwrap_or(first);
        let result = (*result).clone();
        let first = types.iter().position(|ty| *ty == result).map(|position| alternatives[position].span);
        let role = first.map_or_else(|| role.clone(), |span| role.because(span, "is the type of this one"));
        alternatives = alternatives
            .into_iter()
            .map(|exp| if self.infer.shallow(&exp.ty) == Ty::Never { exp } else { self.coerce(exp, &result, &role) })
            .collect();
        (alternatives, result)
    }

    // -----------------------------------------------------------------------------------------------------------
    // The end of a body

    /// Fixes all types, checks literals and abilities.
    pub(super) fn finish(&mut self, exp: &mut Exp) {
        for ty in std::mem::take(&mut self.endless) {
            if matches!(self.infer.shallow(&ty), Ty::Var(_)) && !self.infer.is_int_var(&ty) {
                self.infer.unify(&ty, &Ty::unit());
            }
        }
        self.finish_exp(exp);
        for position in 0..self.locals.len() {
            let (ty, span) = (self.locals[position].ty.clone(), self.locals[position].span);
            self.locals[position].ty = self.finish_ty(&ty, span);
        }
        for (ty, span) in std::mem::take(&mut self.resources) {
            let ty = self.finish_ty(&ty, span);
            self.check_resource(&ty, span);
        }
        let needs = std::mem::take(&mut self.needs);
        for need in needs {
            let ty = self.finish_ty(&need.ty, need.span);
            self.check_need(&ty, &need);
        }
    }

    fn check_need(&mut self, ty: &Ty, need: &Need) {
        if let Some((culprit, missing)) = ty.culprit(need.ability, self.globals, &self.param_abilities) {
            let shown = self.show(ty);
            self.push(missing_ability(
                self.globals,
                &self.scope.type_params,
                &shown,
                (&culprit, missing),
                need.ability,
                need.span,
                &need.reason,
            ));
        }
    }

    fn finish_ty(&mut self, ty: &Ty, at: Span) -> Ty {
        let diagnostics = &mut *self.diagnostics;
        self.infer.finish(ty, &mut |span| {
            let span = if span == Span::default() { at } else { span };
            diagnostics.push(
                Diagnostic::new(codes::CANNOT_INFER, span, "this type cannot be inferred")
                    .help("write it: `let x: T = ..`, `f<T>(..)`"),
            );
        })
    }

    fn finish_exp(&mut self, exp: &mut Exp) {
        let this = std::cell::RefCell::new(&mut *self);
        exp.parts_mut(&mut |part| this.borrow_mut().finish_exp(part), &mut |ty, span| {
            let resolved = this.borrow_mut().finish_ty(ty, span);
            *ty = resolved;
        });
        self.check_literal(exp);
        if let (ExpKind::Cast(_), false) = (&exp.kind, matches!(exp.ty, Ty::Int(_) | Ty::Error)) {
            let shown = self.show(&exp.ty);
            self.error(codes::CAST_TARGET, exp.span, format!("`as` converts to integers, not to `{shown}`"));
        }
    }

    fn check_literal(&mut self, exp: &Exp) {
        if let (ExpKind::Value(super::Value::Number(number)), Ty::Int(int)) = (&exp.kind, &exp.ty)
            && number.bit_len() > int.bits()
        {
            let message = format!("`{number}` does not fit {}", int.name());
            let mut diagnostic = Diagnostic::new(codes::NUMBER_OUT_OF_RANGE, exp.span, message);
            if *int == super::Int::U64 {
                let wide = if number.bit_len() > 128 { "u256" } else { "u128" };
                diagnostic = diagnostic.help(format!("write its type: `{number}{wide}`"));
            }
            self.push(diagnostic);
        }
    }
}

/// The error for a type without an ability.
pub(super) fn missing_ability(
    globals: &Globals,
    names: &[Symbol],
    shown: &str,
    (culprit, missing): (&Ty, Ability),
    ability: Ability,
    span: Span,
    reason: &str,
) -> Diagnostic {
    let mut diagnostic = Diagnostic::new(
        codes::MISSING_ABILITY,
        span,
        format!("the type `{shown}` lacks the ability `{}`", ability.name()),
    )
    .label(reason);
    let culprit_text = culprit.display(globals, names);
    match culprit {
        Ty::Data(id, _) => {
            let info = globals.datatype(*id);
            diagnostic = diagnostic
                .secondary(info.name.span, format!("`{culprit_text}` is declared without `{}`", missing.name()));
        }
        Ty::Param(_) => {
            diagnostic = diagnostic
                .help(format!("require it where the parameter is declared: `{culprit_text}: {}`", missing.name()));
        }
        _ if culprit_text != shown => {
            diagnostic = diagnostic.note(format!("`{culprit_text}` inside it lacks `{}`", missing.name()));
        }
        _ => {}
    }
    diagnostic
}
