//! Calls, packs and lambdas.

use crate::diagnostics::{Diagnostic, Name, Span, codes};
use crate::name::{FunKind, Member, Target as Resolved, TypeHead, Vis, closest};
use crate::parse::ast;

use super::check::Checker;
use super::hir::{Builtin, Exp, ExpKind, LValue, Lambda, LocalId};
use super::macros::Returns;
use super::role::{self, Role};
use super::ty::{DataId, FunId, ModId, Ty};

impl Checker<'_> {
    pub(super) fn call(&mut self, callee: &ast::Path, args: &[ast::Exp], expected: Option<&Ty>, span: Span) -> Exp {
        if let Some(arg) = callee.as_name().and_then(|name| self.macro_arg(&name.value)) {
            return self.apply_macro_lambda(&arg, args, span);
        }
        if let Some(name) = callee.as_name()
            && let Some(id) = self.lookup(&name.value)
            && let Ty::Fun(params, result) = self.local_ty(id)
        {
            return self.call_lambda(id, &params, &result, args, span);
        }
        match self.scope.resolve(self.globals, self.diagnostics, callee) {
            None => self.error_call(args, span),
            Some(Resolved::Fun(function, written)) => {
                let info = self.globals.function(function);
                let what = format!("`{}`", info.name.value);
                let targs = self.type_args(written.as_deref(), info.type_params.len(), callee.span, &what);
                self.check_visible(function, callee.span);
                if let (Some(expected), true) = (expected, written.is_none()) {
                    // Lets literals in the arguments know their types.
                    let result = info.result.subst(&targs);
                    if !result.any(&mut |part| part.is_ref()) && !matches!(self.infer.shallow(expected), Ty::Var(_)) {
                        let mut trial = self.infer.clone();
                        if trial.unify(&result, expected) {
                            self.infer = trial;
                        }
                    }
                }
                self.call_with_receiver(function, targs, None, args, span)
            }
            Some(Resolved::Data(data, variant, written)) => {
                let named: Vec<(Name, &ast::Exp)> = args
                    .iter()
                    .enumerate()
                    .map(|(position, arg)| (Name::new(format!("pos{position}").into(), arg.span), arg))
                    .collect();
                self.pack_resolved(data, variant, written.as_deref(), named, span)
            }
            Some(Resolved::Unbound(name, written)) => self.builtin(&name, written.as_deref(), args, span),
            Some(Resolved::Const(_) | Resolved::Param(_)) => {
                self.error(codes::NOT_A_FUNCTION, callee.span, format!("`{callee}` is not a function"));
                self.error_call(args, span)
            }
        }
    }

    fn error_call(&mut self, args: &[ast::Exp], span: Span) -> Exp {
        for arg in args {
            if !matches!(arg.kind, ast::ExpKind::Lambda(_)) {
                self.exp(arg, None);
            }
        }
        Exp::error(span)
    }

    /// Reports a call that the function's visibility does not allow.
    pub(super) fn check_visible(&mut self, function: FunId, span: Span) {
        let info = self.globals.function(function);
        if info.module == self.home {
            return;
        }
        let (callee, caller) = (self.globals.module(info.module), self.globals.module(self.home));
        let problem = match info.vis {
            Vis::Public => return,
            Vis::Private => "it is private to its module".to_owned(),
            Vis::Friend if callee.friends.iter().any(|(friend, _)| *friend == caller.ident) => return,
            Vis::Friend => format!("`{}` is not among the friends of `{}`", caller.ident, callee.ident),
            Vis::Package
                if callee.package == caller.package
                    && callee.ident.address == caller.ident.address
                    && !caller.is_script =>
            {
                return;
            }
            Vis::Package => {
                format!("it is open only to modules of its package at {}", callee.ident.address.to_short_hex())
            }
        };
        let path = self.globals.function_path(function);
        self.push(
            Diagnostic::new(codes::NOT_VISIBLE, span, format!("`{path}` cannot be called here: {problem}"))
                .secondary(info.name.span, "declared here"),
        );
    }

    /// Checks the arguments of a call; `receiver` stands for the first one if it was checked already.
    pub(super) fn call_with_receiver(
        &mut self,
        function: FunId,
        targs: Vec<Ty>,
        receiver: Option<Exp>,
        args: &[ast::Exp],
        span: Span,
    ) -> Exp {
        let info = self.globals.function(function);
        if info.kind == FunKind::Macro {
            self.push(
                Diagnostic::new(codes::MACRO_WITHOUT_MARK, span, format!("`{}` is a macro", info.name.value))
                    .secondary(info.name.span, "declared here")
                    .help(format!("call it with `{}!(..)`", info.name.value)),
            );
            return Exp::error(span);
        }
        for (param, arg) in info.type_params.iter().zip(&targs) {
            for ability in param.constraints.iter() {
                let reason = format!("`{}` of `{}` requires it", param.name.value, info.name.value);
                self.need(arg, ability, span, reason);
            }
        }
        let offset = usize::from(receiver.is_some());
        if info.params.len() != args.len() + offset {
            let (wanted, plural) = (info.params.len(), if info.params.len() == 1 { "" } else { "s" });
            self.push(
                Diagnostic::new(
                    codes::CALL_ARGUMENTS,
                    span,
                    format!("`{}` takes {wanted} argument{plural}, {} given", info.name.value, args.len() + offset),
                )
                .secondary(info.span, "declared here"),
            );
            return self.error_call(args, span);
        }
        let params: Vec<(Name, Ty)> = info.params.iter().map(|(name, ty)| (name.clone(), ty.subst(&targs))).collect();
        let mut checked: Vec<Option<Exp>> = vec![receiver];
        checked.truncate(offset);
        checked.resize_with(params.len(), || None);
        // Lambdas last: their parameters take the types that the other arguments fix.
        for lambdas in [false, true] {
            for (position, arg) in args.iter().enumerate() {
                if matches!(arg.kind, ast::ExpKind::Lambda(_)) == lambdas {
                    let (name, ty) = &params[position + offset];
                    let role = Role::argument(&name.value).because(name.span, "is the parameter's type");
                    checked[position + offset] = Some(self.exp_as(arg, ty, &role));
                }
            }
        }
        let checked = checked.into_iter().map(|arg| arg.expect("every argument was checked")).collect();
        let result = info.result.subst(&targs);
        Exp::new(ExpKind::Call(function, targs, checked), result, span)
    }

    fn call_lambda(&mut self, id: LocalId, params: &[Ty], result: &Ty, args: &[ast::Exp], span: Span) -> Exp {
        self.mark_used(id);
        if params.len() != args.len() {
            let name = self.locals[id.0 as usize].name.clone();
            let message = format!("`{name}` takes {} arguments, {} given", params.len(), args.len());
            self.error(codes::ARGUMENT_COUNT, span, message);
            return self.error_call(args, span);
        }
        let checked = args.iter().zip(params).map(|(arg, ty)| self.exp_as(arg, ty, &role::ARGUMENT)).collect();
        Exp::new(ExpKind::CallLocal(id, checked), result.clone(), span)
    }

    pub(super) fn lambda(&mut self, lambda: &ast::Lambda, expected: Option<&Ty>, span: Span) -> Exp {
        let Some(Ty::Fun(params, result)) = expected.map(|ty| self.infer.shallow(ty)) else {
            self.push(
                Diagnostic::new(codes::NOT_COMPILED_YET, span, "stored function values are not compiled yet")
                    .help("a lambda can only be an argument of an `inline fun`"),
            );
            return Exp::error(span);
        };
        if params.len() != lambda.params.len() {
            let message = format!("this lambda takes {} arguments, {} are wanted", lambda.params.len(), params.len());
            self.error(codes::LAMBDA_ARGUMENTS, span, message);
            return Exp::error(span);
        }
        self.regions += 1;
        let region = std::mem::replace(&mut self.region, self.regions);
        let around = std::mem::take(&mut self.around);
        let returns = std::mem::replace(&mut self.returns, Returns::Nowhere);
        let (targets, body) = self.in_scope(|this| {
            let targets: Vec<LValue> = lambda
                .params
                .iter()
                .zip(params.iter())
                .map(|(param, ty)| {
                    if let Some(written) = &param.ty {
                        let written_ty = this.written_type(written);
                        if !this.infer.unify(&written_ty, ty) {
                            let (wanted, found) = (this.show(ty), this.show(&written_ty));
                            let message = format!("the parameter has the type `{wanted}`, not `{found}`");
                            this.error(codes::LAMBDA_PARAMETER_TYPE, written.span, message);
                        }
                    }
                    this.pattern(&param.pattern, ty)
                })
                .collect();
            if let Some(written) = &lambda.result {
                let written = this.written_type(written);
                this.infer.unify(&written, &result);
            }
            (targets, this.exp_as(&lambda.body, &result, &role::LAMBDA))
        });
        self.region = region;
        self.around = around;
        self.returns = returns;
        let lambda = Lambda { params: targets, param_types: params.to_vec(), body };
        Exp::new(ExpKind::Lambda(Box::new(lambda)), Ty::Fun(params, result), span)
    }

    // -----------------------------------------------------------------------------------------------------------
    // Methods

    pub(super) fn method_call(
        &mut self,
        receiver: &ast::Exp,
        method: &Name,
        written: Option<&[ast::Type]>,
        args: &[ast::Exp],
        span: Span,
    ) -> Exp {
        let place = self.place(receiver);
        let ty = self.infer.shallow(&place.ty);
        let holder = self.infer.shallow(ty.pointee());
        if matches!(holder, Ty::Error | Ty::Never) {
            return self.error_call(args, span);
        }
        if matches!(holder, Ty::Var(_)) && !self.infer.is_int_var(&holder) {
            self.error(codes::CANNOT_INFER, receiver.span, "the type must be known before its methods are called");
            return self.error_call(args, span);
        }
        let Some(function) = self.method_of(&holder, method) else { return self.error_call(args, span) };
        let info = self.globals.function(function);
        self.check_visible(function, method.span);
        let what = format!("`{}`", info.name.value);
        let targs = self.type_args(written, info.type_params.len(), method.span, &what);
        let param = info.params[0].1.subst(&targs);
        let receiver = match (&param, ty.is_ref()) {
            (Ty::Ref(mutable, _), false) => self.borrow(place, *mutable),
            (Ty::Ref(..), true) => self.read(place),
            (_, true) => {
                self.push(
                    Diagnostic::new(
                        codes::RECEIVER_BY_VALUE,
                        place.span,
                        format!("`{}` takes its receiver by value, this is a reference", info.name.value),
                    )
                    .secondary(info.span, "declared here")
                    .help("copy the value first: `(*x).f()`"),
                );
                return self.error_call(args, span);
            }
            (_, false) => self.read(place),
        };
        let role = role::RECEIVER.because(info.params[0].0.span, "is the type of the method's first parameter");
        let receiver = self.coerce(receiver, &param, &role);
        self.call_with_receiver(function, targs, Some(receiver), args, span)
    }

    /// The method of a type, or an error.
    pub(super) fn method_of(&mut self, holder: &Ty, method: &Name) -> Option<FunId> {
        let head = if self.infer.is_int_var(holder) {
            self.infer.unify(holder, &Ty::u64());
            Some(TypeHead::Int(super::Int::U64))
        } else {
            TypeHead::of(holder)
        };
        let found = head.and_then(|head| self.find_method(head, method));
        if found.is_none() && !matches!(holder, Ty::Error | Ty::Never) {
            self.report_unbound_method(holder, head, method);
        }
        found
    }

    /// A function of the type's module whose first parameter is the type or a reference to it, or a `use fun`.
    fn find_method(&self, head: TypeHead, method: &Name) -> Option<FunId> {
        let key = (head, method.value.clone());
        if let Some(found) = self.scope.method_alias(self.globals, head, &method.value) {
            return Some(found);
        }
        let fits = |member: Option<Member>| match member {
            Some(Member::Fun(id)) => {
                let first = &self.globals.function(id).params.first()?.1;
                (TypeHead::of(first.pointee()) == Some(head)).then_some(id)
            }
            _ => None,
        };
        let home = self.method_home(head);
        let own = home.and_then(|module| fits(self.globals.module(module).members.get(&method.value).copied()));
        own.or_else(|| self.globals.module(home?).open_methods.get(&key).copied())
            // A function that the module uses by name can be called as a method too.
            .or_else(|| fits(self.scope.imported(self.globals, &method.value)))
    }

    /// The module whose functions are the methods of a type.
    fn method_home(&self, head: TypeHead) -> Option<ModId> {
        let name = match head {
            TypeHead::Data(data) => return Some(self.globals.datatype(data).module),
            TypeHead::Vector => "vector",
            TypeHead::Signer => "signer",
            TypeHead::Address => "address",
            TypeHead::Bool => "bool",
            TypeHead::Int(int) => int.name(),
        };
        self.globals.primitive_homes.get(name).copied().or_else(|| self.globals.system_module(name))
    }

    fn report_unbound_method(&mut self, holder: &Ty, head: Option<TypeHead>, method: &Name) {
        let shown = self.show(holder);
        let mut diagnostic = Diagnostic::new(
            codes::UNBOUND_METHOD,
            method.span,
            format!("`{shown}` has no method `{}`", method.value),
        )
        .note("methods are the functions of the type's module whose first parameter is the type or a reference to it");
        let module = head.and_then(|head| self.method_home(head));
        if let Some(module) = module {
            let functions = self.globals.module(module).functions.iter().map(|id| self.globals.function(*id));
            let methods =
                functions.filter(|info| info.params.first().is_some_and(|(_, ty)| TypeHead::of(ty.pointee()) == head));
            if let Some(near) = closest(&method.value, methods.map(|info| info.name.value.as_str())) {
                diagnostic = diagnostic.help(format!("did you mean `{near}`?"));
            }
        }
        self.push(diagnostic);
    }

    // -----------------------------------------------------------------------------------------------------------
    // Packs

    pub(super) fn pack(&mut self, path: &ast::Path, fields: &[ast::FieldInit], span: Span) -> Exp {
        let Some((data, variant, args)) = self.struct_of_pattern(path) else {
            for field in fields {
                self.exp(&field.value, None);
            }
            return Exp::error(span);
        };
        let fields = fields.iter().map(|field| (field.field.clone(), &field.value)).collect();
        self.pack_fields(data, variant, args, fields, span)
    }

    pub(super) fn pack_resolved(
        &mut self,
        data: DataId,
        variant: Option<usize>,
        written: Option<&[ast::Type]>,
        fields: Vec<(Name, &ast::Exp)>,
        span: Span,
    ) -> Exp {
        let info = self.globals.datatype(data);
        if info.is_enum() && variant.is_none() {
            self.error(
                codes::ENUM_WITHOUT_VARIANT,
                span,
                format!("`{}` is an enum; name one of its variants", info.name.value),
            );
            return Exp::error(span);
        }
        let is_named = info.fields_of(variant).first().is_some_and(|field| &*field.name.value != "pos0");
        if is_named {
            self.push(
                Diagnostic::new(codes::NAMED_FIELDS, span, format!("`{}` has named fields", info.name.value))
                    .secondary(info.name.span, "declared here")
                    .help(format!("write `{} {{ field: value }}`", info.name.value)),
            );
            for (_, field) in fields {
                self.exp(field, None);
            }
            return Exp::error(span);
        }
        let what = format!("`{}`", info.name.value);
        let args = self.type_args(written, info.type_params.len(), span, &what);
        self.pack_fields(data, variant, args, fields, span)
    }

    fn pack_fields(
        &mut self,
        data: DataId,
        variant: Option<usize>,
        args: Vec<Ty>,
        fields: Vec<(Name, &ast::Exp)>,
        span: Span,
    ) -> Exp {
        let info = self.globals.datatype(data);
        self.check_inside(data, span, "only its module builds values of it");
        for (param, arg) in info.type_params.iter().zip(&args) {
            for ability in param.constraints.iter() {
                self.need(arg, ability, span, format!("`{}` of `{}` requires it", param.name.value, info.name.value));
            }
        }
        let written = fields.iter().map(|(name, value)| (name, value));
        let matched = self.match_fields(data, variant, written, None, span);
        let mut checked = Vec::new();
        for (name, value) in &fields {
            let wanted = super::place::positional_name(&name.value);
            match matched.iter().position(|(info, _)| info.name.value == *wanted) {
                Some(position) => {
                    let ty = matched[position].0.ty.subst(&args);
                    let role = Role::field(&name.value).because(matched[position].0.name.span, "is the field's type");
                    let value = self.exp_as(value, &ty, &role);
                    checked.push((position, value));
                }
                None => {
                    self.exp(value, None);
                }
            }
        }
        if checked.len() != matched.len() {
            return Exp::new(ExpKind::Error, Ty::Data(data, args.into()), span);
        }
        let ty = Ty::Data(data, args.clone().into());
        Exp::new(ExpKind::Pack(data, variant, args, checked), ty, span)
    }

    // -----------------------------------------------------------------------------------------------------------
    // Built-ins

    /// Functions of the language itself, unless one of that name is in scope.
    fn builtin(&mut self, name: &Name, written: Option<&[ast::Type]>, args: &[ast::Exp], span: Span) -> Exp {
        let builtin = match name.value.as_str() {
            "move_to" => Builtin::MoveTo,
            "move_from" => Builtin::MoveFrom,
            "borrow_global" => Builtin::BorrowGlobal(false),
            "borrow_global_mut" => Builtin::BorrowGlobal(true),
            "exists" => Builtin::Exists,
            "freeze" => return self.freeze(args, span),
            "assert" => {
                self.push(
                    Diagnostic::new(codes::ASSERT_WITHOUT_MARK, name.span, "no function `assert` is in scope")
                        .help("`assert!(condition, code)` is a macro")
                        .suggest(name.span, "assert!"),
                );
                return self.error_call(args, span);
            }
            _ => {
                if self.lookup(&name.value).is_some() {
                    self.error(
                        codes::LOCAL_AS_FUNCTION,
                        name.span,
                        format!("the local `{}` is not a function", name.value),
                    );
                } else {
                    self.unbound_function(name);
                }
                return self.error_call(args, span);
            }
        };
        let ty = self.type_args(written, 1, name.span, &format!("`{}`", name.value)).remove(0);
        let wanted = if builtin == Builtin::MoveTo { 2 } else { 1 };
        if args.len() != wanted {
            self.error(
                codes::ARGUMENT_COUNT,
                span,
                format!("`{}` takes {wanted} arguments, {} given", name.value, args.len()),
            );
            return self.error_call(args, span);
        }
        let (checked, result) = match builtin {
            Builtin::MoveTo => {
                let signer = self.exp_as(&args[0], &Ty::reference(false, Ty::Signer), &role::SIGNER);
                let resource = self.exp_as(&args[1], &ty, &role::RESOURCE);
                (vec![signer, resource], Ty::unit())
            }
            _ => {
                let address = self.exp_as(&args[0], &Ty::Address, &role::ADDRESS);
                let result = match builtin {
                    Builtin::MoveFrom => ty.clone(),
                    Builtin::BorrowGlobal(mutable) => Ty::reference(mutable, ty.clone()),
                    _ => Ty::Bool,
                };
                (vec![address], result)
            }
        };
        self.check_resource(&ty, span);
        Exp::new(ExpKind::Builtin(builtin, ty, checked), result, span)
    }

    fn freeze(&mut self, args: &[ast::Exp], span: Span) -> Exp {
        let [arg] = args else {
            self.error(codes::ARGUMENT_COUNT, span, "`freeze` takes one argument");
            return self.error_call(args, span);
        };
        let inner = self.infer.fresh(false, span);
        let arg = self.exp_as(arg, &Ty::reference(true, inner.clone()), &role::ARGUMENT);
        Exp::new(ExpKind::Freeze(Box::new(arg)), Ty::reference(false, inner), span)
    }

    fn unbound_function(&mut self, name: &Name) {
        let mut diagnostic =
            Diagnostic::new(codes::UNBOUND_FUNCTION, name.span, format!("no function `{}` is in scope", name.value));
        let module = self.globals.module(self.scope.module);
        let candidates = module
            .members
            .iter()
            .chain(&module.aliases.members)
            .filter(|(_, member)| matches!(member, Member::Fun(_)))
            .map(|(name, _)| name.as_str())
            .chain(["move_to", "move_from", "borrow_global", "borrow_global_mut", "exists", "freeze"]);
        if let Some(near) = closest(&name.value, candidates) {
            diagnostic = diagnostic.help(format!("did you mean `{near}`?"));
        } else {
            let elsewhere = self.globals.modules.iter().find(|other| {
                module.aliases.modules.values().any(|id| self.globals.module(*id).ident == other.ident)
                    && matches!(other.members.get(&name.value), Some(Member::Fun(_)))
            });
            if let Some(other) = elsewhere {
                diagnostic = diagnostic.help(format!("did you mean `{}::{}`?", other.ident.name, name.value));
            }
        }
        self.push(diagnostic);
    }

    /// `e is V | W`
    pub(super) fn is_variant(&mut self, inner: &ast::Exp, variants: &[ast::Path], span: Span) -> Exp {
        let place = self.place(inner);
        let holder = self.infer.shallow(place.ty.pointee());
        let reference = if place.ty.is_ref() { self.read(place) } else { self.borrow(place, false) };
        let reference = self.coerce(reference, &Ty::reference(false, holder.clone()), &role::VALUE);
        let mut found: Option<(DataId, Vec<usize>)> = None;
        for path in variants {
            let Some((data, variant, args)) = self.struct_of_pattern(path) else { return Exp::error(span) };
            let Some(variant) = variant else {
                self.error(codes::NOT_A_VARIANT, path.span, format!("`{path}` is not a variant"));
                return Exp::error(span);
            };
            let ty = Ty::Data(data, args.into());
            if !self.infer.unify(&ty, &holder) {
                let (wanted, shown) = (self.show(&ty), self.show(&holder));
                self.error(codes::TYPE_MISMATCH, path.span, format!("the value is `{shown}`, not `{wanted}`"));
                return Exp::error(span);
            }
            self.check_inside(data, path.span, "only its module looks into its variants");
            found.get_or_insert((data, Vec::new())).1.push(variant);
        }
        match found {
            Some((data, variants)) => Exp::new(ExpKind::Is(Box::new(reference), data, variants), Ty::Bool, span),
            None => Exp::error(span),
        }
    }
}
