//! Places: what can be read, borrowed or assigned.

use noema_bytecode::Ability;

use crate::diagnostics::{Diagnostic, Name, Span, codes};
use crate::expand::ast::Edition;
use crate::name::{Member, Target as Resolved, TypeHead, closest};
use crate::parse::ast;

use super::check::Checker;
use super::hir::{Builtin, Exp, ExpKind, FieldRef, LValue, LocalId, Usage};
use super::role;
use super::ty::{DataId, FunId, Ty};

/// A place whose use is not decided yet.
pub(super) struct Place {
    pub(super) kind: PlaceKind,
    /// The type of what lies there.
    pub(super) ty: Ty,
    pub(super) span: Span,
}

pub(super) enum PlaceKind {
    /// A local.
    Local(LocalId),
    /// A field of what lies at another place.
    Field(Box<Place>, FieldRef),
    /// An element of a vector.
    Element(Box<Place>, Box<Exp>),
    /// What `#[syntax(index)]` functions return.
    Indexed(Box<Place>, Vec<Ty>, Vec<ast::Exp>, [Option<FunId>; 2]),
    /// What a reference points to.
    Deref(Box<Exp>),
    /// A resource.
    Global(Box<Exp>),
    /// A value that lies nowhere yet.
    Value(Box<Exp>),
}

impl Checker<'_> {
    /// Checks an expression without deciding how it is used.
    pub(super) fn place(&mut self, exp: &ast::Exp) -> Place {
        let place = self.place_untraced(exp);
        self.record(exp.span, &place.ty);
        place
    }

    fn place_untraced(&mut self, exp: &ast::Exp) -> Place {
        let span = exp.span;
        match &exp.kind {
            ast::ExpKind::Path(path) => {
                if let Some(arg) = path.as_name().and_then(|name| self.macro_arg(&name.value)) {
                    return self.macro_place(&arg);
                }
                if let Some(name) = path.as_name()
                    && let Some(id) = self.lookup(&name.value)
                {
                    return Place { kind: PlaceKind::Local(id), ty: self.local_ty(id), span };
                }
            }
            ast::ExpKind::Field { base, field } => return self.field_place(base, field, span),
            ast::ExpKind::Index { base, indices } => return self.index_place(base, indices, span),
            ast::ExpKind::Deref(inner) => {
                let inner = self.exp(inner, None);
                let ty = self.infer.shallow(&inner.ty);
                return match ty {
                    Ty::Ref(_, target) => {
                        Place { ty: self.infer.shallow(&target), kind: PlaceKind::Deref(Box::new(inner)), span }
                    }
                    Ty::Error | Ty::Never => Place { ty, kind: PlaceKind::Value(Box::new(inner)), span },
                    other => {
                        let shown = self.show(&other);
                        self.error(
                            codes::DEREFERENCED_VALUE,
                            span,
                            format!("`*` needs a reference, this is `{shown}`"),
                        );
                        Place { ty: Ty::Error, kind: PlaceKind::Value(Box::new(Exp::error(span))), span }
                    }
                };
            }
            _ => {}
        }
        let value = self.exp(exp, None);
        Place { ty: self.infer.shallow(&value.ty), kind: PlaceKind::Value(Box::new(value)), span }
    }

    fn error_place(&self, span: Span) -> Place {
        Place { kind: PlaceKind::Value(Box::new(Exp::error(span))), ty: Ty::Error, span }
    }

    fn field_place(&mut self, base: &ast::Exp, field: &Name, span: Span) -> Place {
        let base = self.place(base);
        let holder = self.infer.shallow(base.ty.pointee());
        let (data, args) = match holder {
            Ty::Data(data, args) => (data, args),
            Ty::Error | Ty::Never => return self.error_place(span),
            Ty::Var(_) => {
                self.error(codes::CANNOT_INFER, base.span, "the type must be known before its fields are used");
                return self.error_place(span);
            }
            other => {
                let shown = self.show(&other);
                self.error(codes::NO_FIELDS, field.span, format!("`{shown}` has no fields"));
                return self.error_place(span);
            }
        };
        let info = self.globals.datatype(data);
        if info.is_enum() {
            return self.shared_field_place(base, data, &args, field, span);
        }
        let wanted = positional_name(&field.value);
        let Some(position) = info.fields().iter().position(|known| known.name.value == *wanted) else {
            let mut diagnostic = Diagnostic::new(
                codes::UNBOUND_FIELD,
                field.span,
                format!("`{}` has no field `{}`", info.name.value, field.value),
            )
            .secondary(info.name.span, "declared here");
            if let Some(near) = closest(&wanted, info.fields().iter().map(|known| known.name.value.as_str())) {
                diagnostic = diagnostic.help(format!("did you mean `{near}`?"));
            }
            self.push(diagnostic);
            return self.error_place(span);
        };
        self.check_inside(data, field.span, "its fields are private");
        let ty = self.infer.shallow(&info.fields()[position].ty.subst(&args));
        let field = FieldRef { data, args: args.to_vec(), field: position, shared: Vec::new() };
        Place { kind: PlaceKind::Field(Box::new(base), field), ty, span }
    }

    /// `e.x` on an enum: a field that every variant has, of one type.
    fn shared_field_place(&mut self, base: Place, data: DataId, args: &[Ty], field: &Name, span: Span) -> Place {
        let info = self.globals.datatype(data);
        let wanted = positional_name(&field.value);
        let mut shared = Vec::new();
        let mut lacking = Vec::new();
        let mut first: Option<(&crate::name::VariantInfo, &crate::name::FieldInfo)> = None;
        for variant in info.variants() {
            let Some(position) = variant.fields.iter().position(|known| known.name.value == *wanted) else {
                lacking.push(variant);
                continue;
            };
            let here = &variant.fields[position];
            match first {
                Some((other, known)) if known.ty != here.ty => {
                    let (a, b) = (self.show(&known.ty.subst(args)), self.show(&here.ty.subst(args)));
                    self.push(
                        Diagnostic::new(
                            codes::SHARED_FIELD_TYPES,
                            field.span,
                            format!("the field `{}` has another type in another variant", field.value),
                        )
                        .secondary(known.name.span, format!("`{a}` in `{}`", other.name.value))
                        .secondary(here.name.span, format!("`{b}` in `{}`", variant.name.value))
                        .help("use `match`"),
                    );
                    return self.error_place(span);
                }
                Some(_) => {}
                None => first = Some((variant, here)),
            }
            shared.push(position);
        }
        let Some((_, known)) = first else {
            self.push(
                Diagnostic::new(
                    codes::NO_SHARED_FIELD,
                    field.span,
                    format!("no variant of `{}` has a field `{}`", info.name.value, field.value),
                )
                .secondary(info.name.span, "declared here"),
            );
            return self.error_place(span);
        };
        if let Some(variant) = lacking.first() {
            self.push(
                Diagnostic::new(
                    codes::SHARED_FIELD_MISSING,
                    field.span,
                    format!("not every variant of `{}` has a field `{}`", info.name.value, field.value),
                )
                .secondary(variant.name.span, "this one has not")
                .note("a field is reached without `match` if every variant has it, with one type")
                .help("use `match`"),
            );
            return self.error_place(span);
        }
        self.check_inside(data, field.span, "its fields are private");
        let ty = self.infer.shallow(&known.ty.subst(args));
        let field = FieldRef { data, args: args.to_vec(), field: 0, shared };
        Place { kind: PlaceKind::Field(Box::new(base), field), ty, span }
    }

    /// Reports a datatype of another module that is built, taken apart or looked into.
    pub(super) fn check_inside(&mut self, data: DataId, span: Span, what: &str) {
        let info = self.globals.datatype(data);
        if info.module != self.home {
            let module = self.globals.module(info.module).ident.clone();
            self.push(
                Diagnostic::new(
                    codes::PRIVATE_FIELDS,
                    span,
                    format!("`{}` belongs to module `{module}`: {what}", info.name.value),
                )
                .secondary(info.name.span, "declared here")
                .help("use the functions that its module offers"),
            );
        }
    }

    fn index_place(&mut self, base: &ast::Exp, indices: &[ast::Exp], span: Span) -> Place {
        if let Some(place) = self.resource_place(base, indices, span) {
            return place;
        }
        let base = self.place(base);
        let holder = self.infer.shallow(base.ty.pointee());
        match holder {
            Ty::Vector(element) => {
                let [index] = indices else {
                    self.error(codes::ARGUMENT_COUNT, span, "a vector takes one index");
                    return self.error_place(span);
                };
                let index = self.exp_as(index, &Ty::u64(), &role::INDEX);
                let ty = self.infer.shallow(&element);
                Place { kind: PlaceKind::Element(Box::new(base), Box::new(index)), ty, span }
            }
            Ty::Error | Ty::Never => self.error_place(span),
            Ty::Data(data, args) => {
                let module = self.globals.module(self.globals.datatype(data).module);
                let find = |mutable: bool| {
                    module.functions.iter().copied().find(|id| {
                        let info = self.globals.function(*id);
                        info.attributes.syntax_index.is_some()
                            && matches!(info.params.first(), Some((_, Ty::Ref(m, inner)))
                                if *m == mutable && TypeHead::of(inner) == Some(TypeHead::Data(data)))
                    })
                };
                let functions = [find(false), find(true)];
                let Some(first) = functions[0].or(functions[1]) else {
                    self.error(
                        codes::NO_INDEX_FUNCTION,
                        span,
                        format!("`{}` has no `#[syntax(index)]` function", self.globals.datatype(data).name.value),
                    );
                    return self.error_place(span);
                };
                let info = self.globals.function(first);
                let targs: Vec<Ty> = info.type_params.iter().map(|_| self.infer.fresh(false, span)).collect();
                self.infer.unify(info.params[0].1.subst(&targs).pointee(), &Ty::Data(data, args));
                let ty = self.infer.shallow(&info.result.pointee().subst(&targs));
                let kind = PlaceKind::Indexed(Box::new(base), targs, indices.to_vec(), functions);
                Place { kind, ty, span }
            }
            other => {
                let shown = self.show(&other);
                self.error(codes::NOT_INDEXABLE, span, format!("`{shown}` cannot be indexed"));
                self.error_place(span)
            }
        }
    }

    /// `T[addr]`: when the head names a type and no local.
    fn resource_place(&mut self, base: &ast::Exp, indices: &[ast::Exp], span: Span) -> Option<Place> {
        let ast::ExpKind::Path(path) = &base.kind else { return None };
        if path.as_name().is_some_and(|name| self.lookup(&name.value).is_some()) {
            return None;
        }
        let is_type = match path.segments.as_slice() {
            [only] => match &only.head {
                ast::PathHead::Name(name) => {
                    matches!(self.scope.member(self.globals, name), Some(Member::Data(_)))
                        || self.scope.type_params.contains(name)
                }
                ast::PathHead::Address(_) => false,
            },
            _ => {
                let before = self.diagnostics.len();
                let resolved = self.scope.resolve(self.globals, self.diagnostics, path);
                self.diagnostics.truncate(before);
                matches!(resolved, Some(Resolved::Data(_, None, _)))
            }
        };
        if !is_type {
            return None;
        }
        let ty = self.written_type(&ast::Type { kind: ast::TypeKind::Path(path.clone()), span: base.span });
        let [address] = indices else {
            self.error(codes::ARGUMENT_COUNT, span, "a resource takes one address");
            return Some(self.error_place(span));
        };
        let address = self.exp_as(address, &Ty::Address, &role::ADDRESS);
        self.check_resource(&ty, base.span);
        Some(Place { kind: PlaceKind::Global(Box::new(address)), ty, span })
    }

    /// Demands that `ty` is a struct of this module with `key`.
    pub(super) fn check_resource(&mut self, ty: &Ty, span: Span) {
        let ty = self.infer.shallow(ty);
        match &ty {
            Ty::Data(data, _) if self.globals.datatype(*data).module == self.home => {
                self.need(&ty, Ability::Key, span, "global storage holds types with `key`");
            }
            Ty::Error => {}
            // What stands for it is known where the function is expanded.
            Ty::Param(_) if self.is_inline => {
                self.need(&ty, Ability::Key, span, "global storage holds types with `key`")
            }
            Ty::Var(_) => self.resources.push((ty, span)),
            _ => {
                let shown = self.show(&ty);
                self.push(
                    Diagnostic::new(
                        codes::BAD_STORAGE_ACCESS,
                        span,
                        format!("`{shown}` is not a struct of this module"),
                    )
                    .note("only the module that declares a struct reaches its values in global storage"),
                );
            }
        }
    }

    /// The value at a place: copied out of fields and through references, read from locals.
    pub(super) fn read(&mut self, place: Place) -> Exp {
        let (ty, span) = (place.ty.clone(), place.span);
        match place.kind {
            PlaceKind::Local(id) => {
                self.mark_used(id);
                Exp::new(ExpKind::Local(id, Usage::Infer), ty, span)
            }
            PlaceKind::Value(value) => *value,
            PlaceKind::Deref(reference) => {
                self.need(&ty, Ability::Copy, span, "reading through a reference copies the value");
                Exp::new(ExpKind::Deref(reference), ty, span)
            }
            _ => {
                let what = match place.kind {
                    PlaceKind::Field(..) => "reading a field copies it; borrow it with `&` instead",
                    PlaceKind::Element(..) | PlaceKind::Indexed(..) => {
                        "reading an element copies it; borrow it with `&` instead"
                    }
                    _ => "reading a resource copies it; borrow it with `&` instead",
                };
                self.need(&ty, Ability::Copy, span, what);
                let reference = self.borrow(place, false);
                Exp::new(ExpKind::Deref(Box::new(reference)), ty, span)
            }
        }
    }

    /// A reference to a place.
    pub(super) fn borrow(&mut self, place: Place, mutable: bool) -> Exp {
        let span = place.span;
        if matches!(place.ty, Ty::Ref(..)) {
            let shown = self.show(&place.ty);
            self.push(
                Diagnostic::new(
                    codes::REFERENCE_TO_REFERENCE,
                    span,
                    format!("`{shown}` is a reference already and cannot be borrowed"),
                )
                .help("leave out the `&`, or borrow what it points to: `&*..`"),
            );
            return Exp::error(span);
        }
        if matches!(place.ty, Ty::Tuple(_)) {
            self.error(codes::BAD_TYPE, span, "a tuple cannot be borrowed");
            return Exp::error(span);
        }
        let ty = Ty::reference(mutable, place.ty.clone());
        let kind = match place.kind {
            PlaceKind::Local(id) => {
                self.mark_used(id);
                if mutable {
                    self.check_changeable(id, span);
                }
                ExpKind::BorrowLocal(mutable, id)
            }
            PlaceKind::Field(base, field) => {
                let base = self.base_reference(*base, mutable);
                ExpKind::BorrowField(mutable, Box::new(base), field)
            }
            PlaceKind::Element(base, index) => {
                let mut base = self.base_reference(*base, mutable);
                // Frozen although the instruction takes both: a live `&mut` into the vector must be an error.
                if let (false, Ty::Ref(true, inner)) = (mutable, self.infer.shallow(&base.ty)) {
                    let span = base.span;
                    base = Exp::new(ExpKind::Freeze(Box::new(base)), Ty::Ref(false, inner), span);
                }
                ExpKind::BorrowElement(mutable, place.ty, Box::new(base), index)
            }
            PlaceKind::Indexed(base, args, indices, functions) => {
                return self.borrow_indexed(*base, args, &indices, functions, mutable, span);
            }
            PlaceKind::Global(address) => ExpKind::Builtin(Builtin::BorrowGlobal(mutable), place.ty, vec![*address]),
            PlaceKind::Value(value) => ExpKind::BorrowTemp(mutable, value),
            PlaceKind::Deref(reference) => {
                return match (self.infer.shallow(&reference.ty), mutable) {
                    (Ty::Ref(true, _), false) => Exp::new(ExpKind::Freeze(reference), ty, span),
                    (Ty::Ref(false, _), true) => {
                        self.immutable(span);
                        Exp::error(span)
                    }
                    _ => *reference,
                };
            }
        };
        Exp::new(kind, ty, span)
    }

    fn borrow_indexed(
        &mut self,
        base: Place,
        args: Vec<Ty>,
        indices: &[ast::Exp],
        functions: [Option<FunId>; 2],
        mutable: bool,
        span: Span,
    ) -> Exp {
        let Some(function) = functions[usize::from(mutable)] else {
            let wanted = if mutable { "&mut" } else { "&" };
            self.error(codes::BAD_OPERAND, span, format!("no `#[syntax(index)]` function takes `{wanted}`"));
            return Exp::error(span);
        };
        let info = self.globals.function(function);
        let param = info.params[0].1.subst(&args);
        let role = role::RECEIVER.because(info.params[0].0.span, "is the type of the function's first parameter");
        let receiver = self.base_reference(base, mutable);
        let receiver = self.coerce(receiver, &param, &role);
        self.call_with_receiver(function, args, Some(receiver), indices, span)
    }

    /// A reference to what a field or element lies in: the base itself if it is a reference.
    fn base_reference(&mut self, base: Place, mutable: bool) -> Exp {
        if let Ty::Ref(is_mut, _) = base.ty {
            if mutable && !is_mut {
                self.immutable(base.span);
                return Exp::error(base.span);
            }
            return self.read(base);
        }
        self.borrow(base, mutable)
    }

    fn check_changeable(&mut self, id: LocalId, span: Span) {
        self.locals[id.0 as usize].is_changed = true;
        let local = &self.locals[id.0 as usize];
        if local.is_fixed {
            let (name, declared) = (local.name.clone(), local.span);
            self.push(
                Diagnostic::new(
                    codes::FOR_VARIABLE_CHANGED,
                    span,
                    format!("`{name}` is the variable of a `for` and cannot be changed"),
                )
                .secondary(declared, "declared here"),
            );
            return;
        }
        let edition = self.globals.module(self.home).edition;
        if edition == Edition::E2024 && local.is_given && !local.is_mut {
            let (name, declared) = (local.name.clone(), local.span);
            self.push(
                Diagnostic::new(
                    codes::IMMUTABLE_LOCAL,
                    span,
                    format!("`{name}` is changed but not declared with `mut`"),
                )
                .secondary(declared, "declared here")
                .suggest(Span::new(declared.file, declared.start, declared.start), "mut ")
                .note("edition 2024 demands it; other editions do not"),
            );
        }
    }

    fn immutable(&mut self, span: Span) {
        self.push(
            Diagnostic::new(codes::IMMUTABLE_REFERENCE, span, "what a `&` reference points to cannot be changed")
                .label("this is a `&` reference")
                .help("it must be a `&mut` reference"),
        );
    }

    /// Where an assignment to an expression goes, and the type of the value there.
    pub(super) fn assignable(&mut self, exp: &ast::Exp, is_update: bool) -> (LValue, Ty) {
        let place = self.place(exp);
        let span = place.span;
        match place.kind {
            PlaceKind::Local(id) => {
                if is_update {
                    self.mark_used(id);
                }
                self.check_changeable(id, span);
                (LValue::Local(id, span), place.ty)
            }
            PlaceKind::Value(ref value) => {
                if !matches!(value.kind, ExpKind::Error) {
                    self.push(
                        Diagnostic::new(
                            codes::VALUE_ASSIGNED,
                            span,
                            "this is a value, not a place that can be assigned",
                        )
                        .help("assign to a local, a field, an element or `*reference`"),
                    );
                }
                (LValue::Wild(Ty::Error, span), Ty::Error)
            }
            _ => {
                let ty = place.ty.clone();
                if !is_update {
                    self.need(&ty, Ability::Drop, span, "the assignment drops the old value");
                }
                (LValue::Ref(self.borrow(place, true)), ty)
            }
        }
    }
}

/// `0` names the field `pos0`.
pub(super) fn positional_name(field: &str) -> std::borrow::Cow<'_, str> {
    if field.starts_with(|c: char| c.is_ascii_digit()) { format!("pos{field}").into() } else { field.into() }
}
