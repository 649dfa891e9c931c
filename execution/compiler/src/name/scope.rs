//! Scopes, and what a path or a written type means in them.

use std::collections::BTreeMap;

use noema_types::Address;

use crate::diagnostics::{Diagnostic, Diagnostics, Name, Span, Symbol, codes};
use crate::expand::ast::ModuleIdent;
use crate::parse::ast::{self, AddressSpecifier, IntType, PathHead, TypeKind};
use crate::typing::{ConstId, DataId, FunId, Int, ModId, Ty};

use super::{Globals, Member, TypeHead, closest};

/// Names brought in by the uses of a module or block.
#[derive(Clone, Debug, Default)]
pub(crate) struct Aliases {
    /// `use a::m`
    pub(crate) modules: BTreeMap<Symbol, ModId>,
    /// `use a::m::x`
    pub(crate) members: BTreeMap<Symbol, Member>,
    /// `use fun f as T.g`
    pub(crate) methods: BTreeMap<(TypeHead, Symbol), FunId>,
}

/// What a path stands for.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// A function with the type arguments written behind it.
    Fun(FunId, Option<Vec<ast::Type>>),
    /// A constant.
    Const(ConstId),
    /// A datatype, or one of its variants.
    Data(DataId, Option<usize>, Option<Vec<ast::Type>>),
    /// A type parameter.
    Param(u16),
    /// Nothing in scope: one bare name, which may be a built-in.
    Unbound(Name, Option<Vec<ast::Type>>),
}

/// The scope of a place in the source.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    /// The module it is in.
    pub(crate) module: ModId,
    /// Type parameters by position.
    pub(crate) type_params: Vec<Symbol>,
    /// Uses of enclosing blocks, innermost last.
    pub(crate) blocks: Vec<Aliases>,
}

impl Scope {
    pub(crate) fn new(module: ModId, type_params: Vec<Symbol>) -> Self {
        Self { module, type_params, blocks: Vec::new() }
    }

    fn layers<'a>(&'a self, globals: &'a Globals) -> impl Iterator<Item = &'a Aliases> {
        self.blocks.iter().rev().chain(std::iter::once(&globals.module(self.module).aliases))
    }

    /// The module called `name` here.
    pub(crate) fn module_alias(&self, globals: &Globals, name: &str) -> Option<ModId> {
        if name == "Self" {
            return Some(self.module);
        }
        self.layers(globals).find_map(|layer| layer.modules.get(name).copied()).or_else(|| match name {
            "vector" | "option" | "internal" => globals.system_module(name),
            "object" | "transfer" | "tx_context" => self.sui_module(globals, name),
            _ => None,
        })
    }

    /// `sui::name`, in packages that know the address `sui`: its modules every contract needs are in scope there.
    fn sui_module(&self, globals: &Globals, name: &str) -> Option<ModId> {
        let address = *globals.module(self.module).addresses.get("sui")?;
        globals.module_ids.get(&ModuleIdent { address, name: name.into() }).copied()
    }

    /// What a `use` calls `name`.
    pub(crate) fn imported(&self, globals: &Globals, name: &str) -> Option<Member> {
        self.layers(globals).find_map(|layer| layer.members.get(name).copied())
    }

    /// The member called `name` here.
    pub(crate) fn member(&self, globals: &Globals, name: &str) -> Option<Member> {
        self.blocks
            .iter()
            .rev()
            .find_map(|layer| layer.members.get(name).copied())
            .or_else(|| globals.module(self.module).members.get(name).copied())
            .or_else(|| globals.module(self.module).aliases.members.get(name).copied())
            .or_else(|| match name {
                "Option" => globals.system_member("option", "Option"),
                "UID" | "ID" => globals.module(self.sui_module(globals, "object")?).members.get(name).copied(),
                "TxContext" => globals.module(self.sui_module(globals, "tx_context")?).members.get(name).copied(),
                _ => None,
            })
    }

    /// A method brought in by `use fun`.
    pub(crate) fn method_alias(&self, globals: &Globals, head: TypeHead, name: &Symbol) -> Option<FunId> {
        let key = (head, name.clone());
        self.layers(globals).find_map(|layer| layer.methods.get(&key).copied())
    }

    /// The value of a written address.
    pub(crate) fn address(
        &self,
        globals: &Globals,
        diagnostics: &mut Diagnostics,
        specifier: &AddressSpecifier,
        span: Span,
    ) -> Option<Address> {
        match specifier {
            AddressSpecifier::Numeric(address) => Some(*address),
            AddressSpecifier::Named(name) => {
                let known = &globals.module(self.module).addresses;
                let found = known.get(name).copied();
                if found.is_none() {
                    let mut diagnostic = Diagnostic::new(
                        codes::ADDRESS_UNASSIGNED,
                        span,
                        format!("the named address `{name}` has no value"),
                    );
                    diagnostic = match closest(name, known.keys().map(Symbol::as_str)) {
                        Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
                        None => diagnostic.help("give it one in [addresses] of Move.toml or with --named-addresses"),
                    };
                    diagnostics.push(diagnostic);
                }
                found
            }
        }
    }

    /// Resolves a path; `None` after an error was reported.
    pub(crate) fn resolve(&self, globals: &Globals, diagnostics: &mut Diagnostics, path: &ast::Path) -> Option<Target> {
        let segments = path.segments.as_slice();
        let (member, rest) = match segments {
            [] => return None,
            [only] => {
                let PathHead::Name(name) = &only.head else {
                    diagnostics.push(
                        Diagnostic::new(codes::WRONG_KIND, path.span, "an address alone is not a value here")
                            .help("write `@` before an address to use it as a value"),
                    );
                    return None;
                };
                if let Some(position) = self.type_params.iter().position(|param| param == name) {
                    let position = u16::try_from(position).expect("type parameters are few");
                    return Some(Target::Param(position));
                }
                match self.member(globals, name) {
                    Some(member) => (member, segments),
                    None => {
                        return Some(Target::Unbound(Name::new(name.clone(), only.span), only.type_args.clone()));
                    }
                }
            }
            _ => self.resolve_qualified(globals, diagnostics, path)?,
        };
        self.finish(globals, diagnostics, member, rest)
    }

    /// A path of several segments: the member, and the segments from the member on.
    fn resolve_qualified<'p>(
        &self,
        globals: &Globals,
        diagnostics: &mut Diagnostics,
        path: &'p ast::Path,
    ) -> Option<(Member, &'p [ast::PathSegment])> {
        let segments = path.segments.as_slice();
        // `m::x` through a module alias, `E::V` through a type in scope, else `address::m::x`.
        if let PathHead::Name(first) = &segments[0].head {
            let alias = self.module_alias(globals, first);
            let is_address = segments.len() >= 3 && globals.module(self.module).addresses.contains_key(first);
            if let (Some(module), false) = (alias, is_address && segments.len() > 3) {
                let prefer_address = is_address && !self.has_member(globals, module, &segments[1]);
                if !prefer_address {
                    let member = self.module_member(globals, diagnostics, module, &segments[1])?;
                    return Some((member, &segments[1..]));
                }
            }
            if let Some(member @ Member::Data(_)) = self.member(globals, first)
                && segments.len() == 2
            {
                return Some((member, segments));
            }
            if segments.len() == 2 {
                self.report_unbound_module(globals, diagnostics, first, segments[0].span);
                return None;
            }
        }
        let specifier = match &segments[0].head {
            PathHead::Address(address) => AddressSpecifier::Numeric(*address),
            PathHead::Name(name) => AddressSpecifier::Named(name.clone()),
        };
        let address = self.address(globals, diagnostics, &specifier, segments[0].span)?;
        let PathHead::Name(name) = &segments[1].head else { return None };
        if segments.len() == 2 {
            diagnostics.push(Diagnostic::new(
                codes::MODULE_AS_MEMBER,
                path.span,
                format!("`{path}` is a module, not a member of one"),
            ));
            return None;
        }
        let ident = ModuleIdent { address, name: name.clone() };
        let Some(module) = globals.module_ids.get(&ident).copied() else {
            report_missing_module(globals, diagnostics, &ident, segments[0].span.to(segments[1].span));
            return None;
        };
        let member = self.module_member(globals, diagnostics, module, &segments[2])?;
        Some((member, &segments[2..]))
    }

    fn has_member(&self, globals: &Globals, module: ModId, segment: &ast::PathSegment) -> bool {
        matches!(&segment.head, PathHead::Name(name) if globals.module(module).members.contains_key(name))
    }

    fn module_member(
        &self,
        globals: &Globals,
        diagnostics: &mut Diagnostics,
        module: ModId,
        segment: &ast::PathSegment,
    ) -> Option<Member> {
        let PathHead::Name(name) = &segment.head else { return None };
        find_member(globals, diagnostics, module, &Name::new(name.clone(), segment.span))
    }

    fn report_unbound_module(&self, globals: &Globals, diagnostics: &mut Diagnostics, name: &str, span: Span) {
        let mut diagnostic = Diagnostic::new(codes::UNBOUND_MODULE, span, format!("no module `{name}` is in scope"));
        let in_scope: Vec<&str> =
            self.layers(globals).flat_map(|layer| layer.modules.keys().map(Symbol::as_str)).collect();
        let elsewhere = globals.modules.iter().find(|module| module.ident.name == name);
        diagnostic = match (closest(name, in_scope), elsewhere) {
            (_, Some(module)) => diagnostic.help(format!("add `use {};`", module.ident)),
            (Some(near), None) => diagnostic.help(format!("did you mean `{near}`?")),
            (None, None) => diagnostic,
        };
        diagnostics.push(diagnostic);
    }

    fn finish(
        &self,
        globals: &Globals,
        diagnostics: &mut Diagnostics,
        member: Member,
        rest: &[ast::PathSegment],
    ) -> Option<Target> {
        let type_args = rest.iter().find_map(|segment| segment.type_args.clone());
        match (member, rest) {
            (Member::Fun(id), [_]) => Some(Target::Fun(id, type_args)),
            (Member::Const(id), [_]) => Some(Target::Const(id)),
            (Member::Data(id), [_]) => Some(Target::Data(id, None, type_args)),
            (Member::Data(id), [_, variant]) => {
                let info = globals.datatype(id);
                let PathHead::Name(name) = &variant.head else { return None };
                let position = info.variants().iter().position(|known| known.name.value == *name);
                if position.is_none() {
                    let mut diagnostic = Diagnostic::new(
                        codes::UNBOUND_VARIANT,
                        variant.span,
                        format!("`{}` has no variant `{name}`", info.name.value),
                    );
                    if let Some(near) = closest(name, info.variants().iter().map(|known| known.name.value.as_str())) {
                        diagnostic = diagnostic.help(format!("did you mean `{near}`?"));
                    }
                    diagnostics.push(diagnostic);
                }
                Some(Target::Data(id, Some(position?), type_args))
            }
            (_, [_, extra, ..]) => {
                diagnostics.push(Diagnostic::new(
                    codes::WRONG_KIND,
                    extra.span,
                    "this path has more parts than it can have",
                ));
                None
            }
            (_, []) => None,
        }
    }

    /// Resolves a written type. `infer` makes a variable for each `_`; without it `_` is an error.
    pub(crate) fn ty(
        &self,
        globals: &Globals,
        diagnostics: &mut Diagnostics,
        infer: &mut Option<&mut dyn FnMut(Span) -> Ty>,
        ty: &ast::Type,
    ) -> Ty {
        match &ty.kind {
            TypeKind::Path(path) => self.path_type(globals, diagnostics, infer, path, ty.span),
            TypeKind::Reference { mutable, inner } => {
                let inner_ty = self.ty(globals, diagnostics, infer, inner);
                if matches!(inner_ty, Ty::Ref(..) | Ty::Tuple(_) | Ty::Fun(..)) {
                    diagnostics.push(Diagnostic::new(
                        codes::REFERENCE_TO_REFERENCE,
                        inner.span,
                        "a reference can only point to a value, not to a reference or tuple",
                    ));
                    return Ty::Error;
                }
                Ty::reference(*mutable, inner_ty)
            }
            TypeKind::Tuple(parts) => {
                let resolved: Vec<Ty> = parts.iter().map(|part| self.ty(globals, diagnostics, infer, part)).collect();
                for (part, resolved) in parts.iter().zip(&resolved) {
                    if matches!(resolved, Ty::Tuple(_)) {
                        diagnostics.push(Diagnostic::new(codes::NESTED_TUPLE, part.span, "tuples cannot be nested"));
                        return Ty::Error;
                    }
                }
                match resolved.len() {
                    1 => resolved.into_iter().next().expect("one element"),
                    _ => Ty::Tuple(resolved.into()),
                }
            }
            TypeKind::Function { params, result, .. } => {
                let params = params.iter().map(|param| self.ty(globals, diagnostics, infer, param)).collect();
                Ty::Fun(params, self.ty(globals, diagnostics, infer, result).into())
            }
            TypeKind::Infer => match infer {
                Some(make) => make(ty.span),
                None => {
                    diagnostics.push(Diagnostic::new(codes::CANNOT_INFER, ty.span, "a type must be written here"));
                    Ty::Error
                }
            },
            TypeKind::Error => Ty::Error,
        }
    }

    /// Resolves type arguments, which must be proper value types.
    pub(crate) fn type_args(
        &self,
        globals: &Globals,
        diagnostics: &mut Diagnostics,
        infer: &mut Option<&mut dyn FnMut(Span) -> Ty>,
        args: &[ast::Type],
    ) -> Vec<Ty> {
        args.iter()
            .map(|arg| {
                let resolved = self.ty(globals, diagnostics, infer, arg);
                if matches!(resolved, Ty::Ref(..) | Ty::Tuple(_) | Ty::Fun(..)) {
                    diagnostics.push(Diagnostic::new(
                        codes::TYPE_ARGUMENT_KIND,
                        arg.span,
                        "a type argument cannot be a reference, tuple or function type",
                    ));
                    return Ty::Error;
                }
                resolved
            })
            .collect()
    }

    fn path_type(
        &self,
        globals: &Globals,
        diagnostics: &mut Diagnostics,
        infer: &mut Option<&mut dyn FnMut(Span) -> Ty>,
        path: &ast::Path,
        span: Span,
    ) -> Ty {
        // Type names of the language win over everything but type parameters: they cannot be declared.
        if let [segment] = path.segments.as_slice()
            && let PathHead::Name(name) = &segment.head
            && !self.type_params.contains(name)
            && let Some(ty) = self.primitive(globals, diagnostics, infer, name, segment)
        {
            return ty;
        }
        match self.resolve(globals, diagnostics, path) {
            None => Ty::Error,
            Some(Target::Param(position)) => {
                if path.segments[0].type_args.is_some() {
                    report_arity(diagnostics, span, "a type parameter", 0, 1);
                }
                Ty::Param(position)
            }
            Some(Target::Data(id, None, args)) => {
                let info = globals.datatype(id);
                let wanted = info.type_params.len();
                let args = match args {
                    Some(args) => self.type_args(globals, diagnostics, infer, &args),
                    None if wanted > 0 && infer.is_some() => {
                        let make = infer.as_mut().expect("checked");
                        (0..wanted).map(|_| make(span)).collect()
                    }
                    None => Vec::new(),
                };
                if args.len() != wanted {
                    report_arity(diagnostics, span, &format!("`{}`", info.name.value), wanted, args.len());
                    return Ty::Error;
                }
                Ty::Data(id, args.into())
            }
            Some(Target::Unbound(name, _)) => {
                self.report_unbound_type(globals, diagnostics, &name);
                Ty::Error
            }
            Some(Target::Fun(..) | Target::Const(_) | Target::Data(_, Some(_), _)) => {
                diagnostics.push(Diagnostic::new(codes::NOT_A_TYPE, span, format!("`{path}` is not a type")));
                Ty::Error
            }
        }
    }

    fn primitive(
        &self,
        globals: &Globals,
        diagnostics: &mut Diagnostics,
        infer: &mut Option<&mut dyn FnMut(Span) -> Ty>,
        name: &str,
        segment: &ast::PathSegment,
    ) -> Option<Ty> {
        let ty = match name {
            "bool" => Ty::Bool,
            "address" => Ty::Address,
            "signer" => Ty::Signer,
            "vector" => {
                let args = match (&segment.type_args, &mut *infer) {
                    (Some(args), _) => self.type_args(globals, diagnostics, infer, args),
                    (None, Some(make)) => vec![make(segment.span)],
                    (None, None) => Vec::new(),
                };
                return Some(match <[Ty; 1]>::try_from(args) {
                    Ok([element]) => Ty::vector(element),
                    Err(args) => {
                        report_arity(diagnostics, segment.span, "`vector`", 1, args.len());
                        Ty::Error
                    }
                });
            }
            _ => match int_type(IntType::parse(name)?) {
                Some(int) => Ty::Int(int),
                None => {
                    diagnostics.push(signed_integers(segment.span));
                    return Some(Ty::Error);
                }
            },
        };
        if let Some(args) = &segment.type_args {
            report_arity(diagnostics, segment.span, &format!("`{name}`"), 0, args.len());
        }
        Some(ty)
    }

    fn report_unbound_type(&self, globals: &Globals, diagnostics: &mut Diagnostics, name: &Name) {
        let mut diagnostic =
            Diagnostic::new(codes::UNBOUND_TYPE, name.span, format!("no type `{}` is in scope", name.value));
        let own = globals.module(self.module).members.iter();
        let candidates = own
            .chain(self.layers(globals).flat_map(|layer| &layer.members))
            .filter(|(_, member)| matches!(member, Member::Data(_)))
            .map(|(name, _)| name.as_str())
            .chain(self.type_params.iter().map(Symbol::as_str))
            .chain(["bool", "address", "signer", "vector", "u8", "u16", "u32", "u64", "u128", "u256"]);
        if let Some(near) = closest(&name.value, candidates) {
            diagnostic = diagnostic.help(format!("did you mean `{near}`?"));
        } else if let Some(module) =
            globals.modules.iter().find(|module| matches!(module.members.get(&name.value), Some(Member::Data(_))))
        {
            diagnostic = diagnostic.help(format!("add `use {}::{};`", module.ident, name.value));
        }
        diagnostics.push(diagnostic);
    }

    /// The names that a `use` inside a block brings in.
    pub(crate) fn block_aliases(&self, globals: &Globals, diagnostics: &mut Diagnostics, uses: &[ast::Use]) -> Aliases {
        let mut aliases = Aliases::default();
        for item in uses.iter().flat_map(|declaration| &declaration.items) {
            match item {
                ast::UseItem::Module { module, alias } => {
                    let name = alias.clone().unwrap_or_else(|| module.name.clone());
                    if let Some(id) = self.used_module(globals, diagnostics, module) {
                        aliases.modules.insert(name.value, id);
                    }
                }
                ast::UseItem::Member { module, member, alias } => {
                    let name = alias.clone().unwrap_or_else(|| member.clone());
                    if let Some(id) = self.used_module(globals, diagnostics, module)
                        && let Some(found) = find_member(globals, diagnostics, id, member)
                    {
                        aliases.members.insert(name.value, found);
                    }
                }
                ast::UseItem::Method { function, receiver, method } => {
                    if let Some((head, function)) = self.method(globals, diagnostics, function, receiver) {
                        aliases.methods.insert((head, method.value.clone()), function);
                    }
                }
            }
        }
        aliases
    }

    /// The parts of `use fun f as T.g`.
    pub(crate) fn method(
        &self,
        globals: &Globals,
        diagnostics: &mut Diagnostics,
        function: &ast::Path,
        receiver: &ast::Path,
    ) -> Option<(TypeHead, FunId)> {
        let ty = ast::Type { kind: TypeKind::Path(receiver.clone()), span: receiver.span };
        let mut anything = |_| Ty::Error;
        let head = TypeHead::of(&self.ty(globals, diagnostics, &mut Some(&mut anything), &ty))?;
        match self.resolve(globals, diagnostics, function)? {
            Target::Fun(id, _) => Some((head, id)),
            _ => {
                diagnostics.push(Diagnostic::new(
                    codes::WRONG_KIND,
                    function.span,
                    format!("`{function}` is not a function"),
                ));
                None
            }
        }
    }

    fn used_module(&self, globals: &Globals, diagnostics: &mut Diagnostics, module: &ast::ModuleName) -> Option<ModId> {
        let address = self.address(globals, diagnostics, &module.address.value, module.address.span)?;
        let ident = ModuleIdent { address, name: module.name.value.clone() };
        let found = globals.module_ids.get(&ident).copied();
        if found.is_none() {
            report_missing_module(globals, diagnostics, &ident, module.span);
        }
        found
    }
}

/// The member `name` of a module, or an error.
pub(super) fn find_member(
    globals: &Globals,
    diagnostics: &mut Diagnostics,
    module: ModId,
    name: &Name,
) -> Option<Member> {
    let info = globals.module(module);
    let found = info.members.get(&name.value).copied();
    if found.is_none() {
        let mut diagnostic = Diagnostic::new(
            codes::UNBOUND_MEMBER,
            name.span,
            format!("module `{}` has no member `{}`", info.ident, name.value),
        );
        if let Some(near) = closest(&name.value, info.members.keys().map(Symbol::as_str)) {
            diagnostic = diagnostic.help(format!("did you mean `{near}`?"));
        }
        diagnostics.push(diagnostic);
    }
    found
}

pub(super) fn report_missing_module(globals: &Globals, diagnostics: &mut Diagnostics, ident: &ModuleIdent, span: Span) {
    let mut diagnostic = Diagnostic::new(codes::MISSING_MODULE, span, format!("the program has no module `{ident}`"));
    let same_name = globals.modules.iter().find(|module| module.ident.name == ident.name);
    let here = globals.modules.iter().filter(|module| module.ident.address == ident.address);
    diagnostic = match same_name {
        Some(module) => diagnostic.help(format!("there is `{}`", module.ident)),
        None => match closest(&ident.name, here.map(|module| module.ident.name.as_str())) {
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
            None => diagnostic.help("is its package missing from [dependencies] of Move.toml?"),
        },
    };
    diagnostics.push(diagnostic);
}

/// Reports a wrong number of type arguments.
pub(crate) fn report_arity(diagnostics: &mut Diagnostics, span: Span, what: &str, wanted: usize, given: usize) {
    let plural = if wanted == 1 { "" } else { "s" };
    diagnostics.push(Diagnostic::new(
        codes::TYPE_ARGUMENT_COUNT,
        span,
        format!("{what} takes {wanted} type argument{plural}, {given} given"),
    ));
}

/// The refusal of signed integers.
pub(crate) fn signed_integers(span: Span) -> Diagnostic {
    Diagnostic::new(codes::NOT_COMPILED_YET, span, "signed integers are not compiled yet")
}

/// The unsigned type a source type names.
pub(crate) fn int_type(int: IntType) -> Option<Int> {
    Some(match int {
        IntType::U8 => Int::U8,
        IntType::U16 => Int::U16,
        IntType::U32 => Int::U32,
        IntType::U64 => Int::U64,
        IntType::U128 => Int::U128,
        IntType::U256 => Int::U256,
        IntType::Signed(_) => return None,
    })
}
