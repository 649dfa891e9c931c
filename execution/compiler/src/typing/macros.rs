//! Expands `macro fun` calls.
//!
//! Arguments are substituted by name: each use of `$x` checks, and later evaluates, the caller's expression again, with
//! the names of the caller in force. Names of the macro's body are those of its own module, so neither side captures the
//! other's. The body becomes a labelled block, which `return` leaves; so does every application of a lambda.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::diagnostics::{Diagnostic, Name, Span, Symbol, codes};
use crate::name::{Scope, Target as Resolved};
use crate::parse::ast;

use super::check::{Checker, TargetKind};
use super::hir::{Exp, ExpKind, LocalId, Stmt};
use super::place::Place;
use super::role;
use super::ty::{FunId, Ty};

/// How deep expansions may nest: arguments nest with them.
const EXPANSION_DEPTH_MAX: usize = 32;

/// Where `return` goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Returns {
    /// Out of the function.
    Function,
    /// Out of a labelled block, by position among the targets.
    Target(usize),
    /// It cannot be used here.
    Nowhere,
}

/// The names in force at a place.
#[derive(Clone, Debug)]
pub(super) struct Env {
    names: Vec<BTreeMap<Symbol, LocalId>>,
    scope: Scope,
    args: Rc<BTreeMap<Symbol, MacroArg>>,
    types: Option<Rc<Vec<Ty>>>,
    region: u32,
    /// Regions around it whose labels it may name.
    around: Rc<Vec<u32>>,
    returns: Returns,
    /// Macros whose body this is in: a lambda of the caller is not.
    macros: Vec<FunId>,
}

/// An argument of a macro: an expression and the names it was written under.
#[derive(Clone, Debug)]
pub(super) struct MacroArg {
    exp: Rc<ast::Exp>,
    env: Rc<Env>,
    ty: Ty,
}

impl Checker<'_> {
    fn environment(&self) -> Env {
        Env {
            names: self.names.clone(),
            scope: self.scope.clone(),
            args: Rc::clone(&self.macro_args),
            types: self.macro_types.clone(),
            region: self.region,
            around: Rc::clone(&self.around),
            returns: self.returns,
            macros: self.macros.clone(),
        }
    }

    fn enter(&mut self, env: Env) -> Env {
        Env {
            names: std::mem::replace(&mut self.names, env.names),
            scope: std::mem::replace(&mut self.scope, env.scope),
            args: std::mem::replace(&mut self.macro_args, env.args),
            types: std::mem::replace(&mut self.macro_types, env.types),
            region: std::mem::replace(&mut self.region, env.region),
            around: std::mem::replace(&mut self.around, env.around),
            returns: std::mem::replace(&mut self.returns, env.returns),
            macros: std::mem::replace(&mut self.macros, env.macros),
        }
    }

    fn within<R>(&mut self, env: Env, inner: impl FnOnce(&mut Self) -> R) -> R {
        let outer = self.enter(env);
        let result = inner(self);
        self.enter(outer);
        result
    }

    /// The argument that `$x` stands for.
    pub(super) fn macro_arg(&self, name: &str) -> Option<MacroArg> {
        if name.starts_with('$') { self.macro_args.get(name).cloned() } else { None }
    }

    /// `$x` as a value.
    pub(super) fn macro_value(&mut self, arg: &MacroArg) -> Exp {
        let (exp, ty) = (Rc::clone(&arg.exp), arg.ty.clone());
        let checked = self.within((*arg.env).clone(), |this| this.in_scope(|this| this.exp(&exp, Some(&ty))));
        self.coerce(checked, &ty, &role::MACRO_ARGUMENT)
    }

    /// `$x` as a place.
    pub(super) fn macro_place(&mut self, arg: &MacroArg) -> Place {
        let exp = Rc::clone(&arg.exp);
        let place = self.within((*arg.env).clone(), |this| this.in_scope(|this| this.place(&exp)));
        self.infer.unify(&place.ty, &arg.ty);
        place
    }

    /// `f!(a)`
    pub(super) fn expand_macro(&mut self, callee: &ast::Path, args: &[ast::Exp], span: Span) -> Exp {
        match self.scope.resolve(self.globals, self.diagnostics, callee) {
            None => Exp::error(span),
            Some(Resolved::Fun(function, written)) => {
                self.expand_macro_function(self.macro_of(function), written.as_deref(), args.to_vec(), span)
            }
            Some(_) => {
                self.error(codes::UNBOUND_MACRO, callee.span, format!("no macro `{callee}` is in scope"));
                Exp::error(span)
            }
        }
    }

    /// `x.f!(a)`: the receiver is the first argument, borrowed if the macro wants a reference and it is none.
    pub(super) fn expand_macro_method(
        &mut self,
        receiver: &ast::Exp,
        method: &Name,
        written: Option<&[ast::Type]>,
        args: &[ast::Exp],
        span: Span,
    ) -> Exp {
        let receiver_ty = self.type_of(receiver);
        let holder = self.infer.shallow(receiver_ty.pointee());
        let Some(function) = self.method_of(&holder, method) else { return Exp::error(span) };
        let function = self.macro_of(function);
        let mut receiver = receiver.clone();
        if let (Some((_, Ty::Ref(mutable, _))), false) =
            (self.globals.function(function).params.first(), receiver_ty.is_ref())
        {
            let span = receiver.span;
            receiver = ast::Exp { kind: ast::ExpKind::Borrow { mutable: *mutable, inner: Box::new(receiver) }, span };
        }
        let all = std::iter::once(receiver).chain(args.iter().cloned()).collect();
        self.expand_macro_function(function, written, all, span)
    }

    /// What `f!(..)` means when `f` is this function: the macro beside it, if there is one.
    fn macro_of(&self, function: FunId) -> FunId {
        self.globals.macro_twins.get(&function).copied().unwrap_or(function)
    }

    /// The type of an expression that is checked again later.
    fn type_of(&mut self, exp: &ast::Exp) -> Ty {
        let (messages, needs, locals) = (self.diagnostics.len(), self.needs.len(), self.locals.len());
        let ty = self.in_scope(|this| this.place(exp).ty);
        self.diagnostics.truncate(messages);
        self.needs.truncate(needs);
        for local in &mut self.locals[locals..] {
            local.is_used = true;
        }
        self.infer.shallow(&ty)
    }

    fn expand_macro_function(
        &mut self,
        function: FunId,
        written: Option<&[ast::Type]>,
        args: Vec<ast::Exp>,
        span: Span,
    ) -> Exp {
        let info = self.globals.function(function);
        if info.kind != crate::name::FunKind::Macro {
            self.push(
                Diagnostic::new(codes::MARK_WITHOUT_MACRO, span, format!("`{}` is not a macro", info.name.value))
                    .secondary(info.name.span, "declared here")
                    .help("call it without `!`"),
            );
            return Exp::error(span);
        }
        self.check_visible(function, span);
        if self.macros.contains(&function) || self.expansions >= EXPANSION_DEPTH_MAX {
            self.push(
                Diagnostic::new(
                    codes::EXPANDED_IN_ITSELF,
                    span,
                    format!("`{}` is expanded inside itself", info.name.value),
                )
                .secondary(info.name.span, "declared `macro` here")
                .help("a macro cannot be recursive"),
            );
            return Exp::error(span);
        }
        if info.params.len() != args.len() {
            let message = format!("`{}` takes {} arguments, {} given", info.name.value, info.params.len(), args.len());
            self.push(Diagnostic::new(codes::ARGUMENT_COUNT, span, message).secondary(info.span, "declared here"));
            return Exp::error(span);
        }
        let what = format!("`{}`", info.name.value);
        let mut types = self.type_args(written, info.type_params.len(), span, &what);
        types.extend((0..info.open_types).map(|_| self.infer.fresh(false, span)));
        for (param, arg) in info.type_params.iter().zip(&types) {
            for ability in param.constraints.iter() {
                self.need(arg, ability, span, format!("`{}` of `{}` requires it", param.name.value, info.name.value));
            }
        }
        let caller = Rc::new(self.environment());
        let bound: BTreeMap<Symbol, MacroArg> = info
            .params
            .iter()
            .zip(args)
            .map(|((name, ty), exp)| {
                let arg = MacroArg { exp: Rc::new(exp), env: Rc::clone(&caller), ty: ty.subst(&types) };
                (name.value.clone(), arg)
            })
            .collect();
        let ast::FunctionBody::Block(body) = &super::function_ast(self.program, self.globals, function).item.body
        else {
            return Exp::error(span);
        };
        let result = info.result.subst(&types);
        let env = Env {
            names: vec![BTreeMap::new()],
            scope: Scope::new(info.module, info.type_param_names()),
            args: Rc::new(bound),
            types: Some(Rc::new(types)),
            region: 0,
            around: Rc::default(),
            returns: Returns::Nowhere,
            macros: self.macros.iter().copied().chain([function]).collect(),
        };
        self.expansions += 1;
        let exp = self.labelled(env, result, span, true, |this, result| {
            let body = this.block(None, body, Some(result), span);
            (Vec::new(), body)
        });
        self.expansions -= 1;
        exp
    }

    /// A block under other names that `return` leaves.
    fn labelled(
        &mut self,
        env: Env,
        result: Ty,
        span: Span,
        is_macro_body: bool,
        inner: impl FnOnce(&mut Self, &Ty) -> (Vec<Stmt>, Exp),
    ) -> Exp {
        self.regions += 1;
        let mut env = env;
        // A lambda sees the labels around it, the body of a macro only its own.
        if !is_macro_body {
            let mut around = (*env.around).clone();
            around.push(env.region);
            env.around = Rc::new(around);
        }
        env.region = self.regions;
        let (id, statements, body) = self.within(env, |this| {
            let id = this.open_target(None, TargetKind::Block);
            let position = this.targets.len() - 1;
            this.targets[position].result = Some(result.clone());
            this.returns = Returns::Target(position);
            let (statements, body) = this.in_scope(|this| inner(this, &result));
            this.targets.pop();
            (id, statements, body)
        });
        let body = if self.infer.shallow(&body.ty) == Ty::Never {
            body
        } else {
            self.coerce(body, &result, &role::MACRO_RESULT)
        };
        Exp::new(ExpKind::Block(Some(id), statements, Some(Box::new(body))), result, span)
    }

    /// `$f(a)`: applies a lambda. The arguments are evaluated here, the body runs under the names of the caller.
    pub(super) fn apply_macro_lambda(&mut self, arg: &MacroArg, args: &[ast::Exp], span: Span) -> Exp {
        let mut arg = arg.clone();
        while let ast::ExpKind::Path(path) = &arg.exp.kind {
            let inner = path.as_name().and_then(|name| arg.env.args.get(&name.value).cloned());
            match inner {
                Some(inner) => {
                    self.infer.unify(&arg.ty, &inner.ty);
                    arg = MacroArg { ty: arg.ty, ..inner };
                }
                None => break,
            }
        }
        let (ast::ExpKind::Lambda(lambda), Ty::Fun(params, result)) = (&arg.exp.kind, self.infer.shallow(&arg.ty))
        else {
            self.error(codes::WRONG_KIND, span, "this argument of the macro is not a lambda");
            return Exp::error(span);
        };
        if params.len() != args.len() || params.len() != lambda.params.len() {
            let message = format!(
                "the macro gives this lambda {} arguments of {}, it takes {}",
                args.len(),
                params.len(),
                lambda.params.len()
            );
            self.error(codes::ARGUMENT_COUNT, arg.exp.span, message);
            return Exp::error(span);
        }
        let values: Vec<Exp> =
            args.iter().zip(params.iter()).map(|(arg, ty)| self.exp_as(arg, ty, &role::ARGUMENT)).collect();
        self.labelled((*arg.env).clone(), (*result).clone(), span, false, |this, result| {
            let mut statements = Vec::new();
            for ((param, value), ty) in lambda.params.iter().zip(values).zip(params.iter()) {
                if let Some(written) = &param.ty {
                    let written_ty = this.written_type(written);
                    if !this.infer.unify(&written_ty, ty) {
                        let (wanted, found) = (this.show(ty), this.show(&written_ty));
                        let message = format!("the parameter has the type `{wanted}`, not `{found}`");
                        this.error(codes::LAMBDA_PARAMETER_TYPE, written.span, message);
                    }
                }
                statements.push(Stmt::Let(this.pattern(&param.pattern, ty), value));
            }
            let body = this.exp(&lambda.body, Some(result));
            if body.ty == Ty::Never {
                this.endless.push(result.clone());
            }
            (statements, body)
        })
    }
}
