//! Flattens syntax trees into modules by address and name.
//!
//! Guarantees of the result: no member is left that the mode excludes (`#[test_only]` and tests outside test mode,
//! `#[verify_only]` always), every address in front of a module, use or friend is a value, attributes are read into
//! [`ast::Attributes`], and what the compiler does not translate at all (signed integers, stored function values) is
//! refused with [`codes::NOT_COMPILED_YET`]. Member bodies are those of the parser.

pub mod ast;
mod attributes;
mod constants;
mod refuse;
pub mod test_plan;
#[cfg(test)]
mod tests;
mod uses;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::diagnostics::{Diagnostic, Diagnostics, Span, Symbol, codes};
use crate::parse::ast::{
    self as source, Address, AddressSpecifier, Definition, Member, SourceUnit, Spanned, Visibility,
};

use ast::{
    Annotated, Attributes, Edition, ExpandedFriend, ExpandedModule, ExpandedScript, ModuleIdent, NamedAddresses,
    Program,
};
pub use uses::{expand_use, resolve_address};

/// The parsed files of one package and what holds for all of them.
#[derive(Clone, Debug)]
pub struct PackageUnits {
    /// The package's name.
    pub name: Symbol,
    /// `true` if code is wanted for it.
    pub is_target: bool,
    /// Dialect lints.
    pub edition: Edition,
    /// Named addresses in force.
    pub addresses: Arc<NamedAddresses>,
    /// The files.
    pub units: Vec<SourceUnit>,
}

/// Flattens `packages` into one program. `test` keeps tests and what is `#[test_only]`.
#[must_use]
pub fn expand(packages: Vec<PackageUnits>, test: bool, diagnostics: &mut Diagnostics) -> Program {
    let mut expander = Expander { test, program: Program::default(), warned: BTreeSet::new(), diagnostics };
    for package in packages {
        expander.package(package);
    }
    expander.program
}

struct Expander<'a> {
    test: bool,
    program: Program,
    /// Unknown attributes already warned about.
    warned: BTreeSet<Symbol>,
    diagnostics: &'a mut Diagnostics,
}

/// What holds for the package being expanded.
struct Context {
    name: Symbol,
    is_target: bool,
    edition: Edition,
    addresses: Arc<NamedAddresses>,
}

/// Members by kind, not yet filtered.
#[derive(Default)]
struct Sorted {
    uses: Vec<source::Use>,
    friends: Vec<source::Friend>,
    structs: Vec<source::Struct>,
    enums: Vec<source::Enum>,
    constants: Vec<source::Constant>,
    functions: Vec<source::Function>,
}

impl Sorted {
    fn new(members: Vec<Member>) -> Self {
        let mut sorted = Self::default();
        for member in members {
            match member {
                Member::Use(one) => sorted.uses.push(one),
                Member::Friend(one) => sorted.friends.push(one),
                Member::Struct(one) => sorted.structs.push(one),
                Member::Enum(one) => sorted.enums.push(one),
                Member::Constant(one) => sorted.constants.push(one),
                Member::Function(one) => sorted.functions.push(*one),
                Member::Spec(_) => {}
            }
        }
        sorted
    }
}

impl Expander<'_> {
    fn package(&mut self, package: PackageUnits) {
        let context = Context {
            name: package.name,
            is_target: package.is_target,
            edition: package.edition,
            addresses: package.addresses,
        };
        for unit in package.units {
            for definition in unit.definitions {
                match definition {
                    Definition::Module(module) => self.module(&context, module, None, &[]),
                    Definition::Script(script) => self.script(&context, script),
                    Definition::Address(block) => {
                        for module in block.modules {
                            self.module(&context, module, Some(&block.address), &block.attributes);
                        }
                    }
                }
            }
        }
    }

    fn module(
        &mut self,
        context: &Context,
        module: source::Module,
        block_address: Option<&Spanned<AddressSpecifier>>,
        block_attributes: &[source::Attribute],
    ) {
        if module.is_spec {
            return;
        }
        let mut written = block_attributes.to_vec();
        written.extend(module.attributes);
        if self.is_excluded(&written) {
            return;
        }
        let Some(address) = module.address.as_ref().or(block_address) else {
            self.diagnostics.push(
                Diagnostic::new(
                    codes::MODULE_WITHOUT_ADDRESS,
                    module.name.span,
                    format!("module `{}` has no address", module.name.value),
                )
                .help(format!("write `module 0x1::{}` or a named address", module.name.value)),
            );
            return;
        };
        let Some(address) = resolve_address(address, &context.addresses, self.diagnostics) else {
            return;
        };
        let ident = ModuleIdent { address, name: module.name.value.clone() };
        if self.is_duplicate(&ident, module.name.span) {
            return;
        }
        let sorted = Sorted::new(module.members);
        let uses = self.uses(context, sorted.uses);
        let scope = attributes::Scope::new(&ident, &uses, &context.addresses);
        let friends = self.friends(&scope, sorted.friends);
        let expanded = ExpandedModule {
            attributes: self.attributes(context, &scope, written, attributes::Target::Module),
            uses,
            friends,
            structs: self.annotated(context, &scope, sorted.structs),
            enums: self.annotated(context, &scope, sorted.enums),
            constants: self.annotated(context, &scope, sorted.constants),
            functions: self.annotated(context, &scope, sorted.functions),
            name: module.name,
            package: context.name.clone(),
            is_target: context.is_target,
            edition: context.edition,
            docs: module.docs,
            addresses: Arc::clone(&context.addresses),
            span: module.span,
            ident: ident.clone(),
        };
        self.check_friends(&expanded);
        refuse::module(&expanded, self.diagnostics);
        for function in &expanded.functions {
            attributes::check_test(function, self.diagnostics);
        }
        self.program.modules.insert(ident, expanded);
    }

    fn is_duplicate(&mut self, ident: &ModuleIdent, span: Span) -> bool {
        let Some(first) = self.program.modules.get(ident) else {
            return false;
        };
        self.diagnostics.push(
            Diagnostic::new(codes::DUPLICATE_MODULE, span, format!("module `{ident}` is defined twice"))
                .label("defined again")
                .secondary(first.name.span, format!("first defined here, in package `{}`", first.package))
                .note("a module is known by its address value and name, whatever the address is called"),
        );
        true
    }

    fn script(&mut self, context: &Context, script: source::Script) {
        if self.is_excluded(&script.attributes) {
            return;
        }
        let span = script.span;
        let mut sorted = Sorted::new(script.members);
        sorted.functions.retain(|function| !self.is_excluded(&function.attributes));
        let uses = self.uses(context, sorted.uses);
        let ident = ModuleIdent { address: Address::ZERO, name: Symbol::from("<script>") };
        let scope = attributes::Scope::new(&ident, &uses, &context.addresses);
        let misplaced = sorted
            .structs
            .first()
            .map(|one| one.span)
            .or(sorted.enums.first().map(|one| one.span))
            .or(sorted.friends.first().map(|one| one.span));
        let count = sorted.functions.len();
        let function = sorted.functions.pop();
        let (Some(function), 1, None) = (function, count, misplaced) else {
            let place = misplaced.unwrap_or(span);
            let message = match misplaced {
                Some(_) => "a script holds uses, constants and one function".to_owned(),
                None => format!("a script has exactly one function, this one has {count}"),
            };
            self.diagnostics.push(Diagnostic::new(codes::BAD_SCRIPT, place, message));
            return;
        };
        let Some(function) = self.annotated(context, &scope, vec![function]).pop() else {
            return;
        };
        let expanded = ExpandedScript {
            package: context.name.clone(),
            is_target: context.is_target,
            edition: context.edition,
            attributes: self.attributes(context, &scope, script.attributes, attributes::Target::Script),
            addresses: Arc::clone(&context.addresses),
            constants: self.annotated(context, &scope, sorted.constants),
            uses,
            function,
            span,
        };
        refuse::script(&expanded, self.diagnostics);
        self.program.scripts.push(expanded);
    }

    // -------------------------------------------------------------------------------------------- members

    fn uses(&mut self, context: &Context, uses: Vec<source::Use>) -> Vec<ast::ExpandedUse> {
        uses.into_iter()
            .filter(|one| !self.is_excluded(&one.attributes))
            .collect::<Vec<_>>()
            .iter()
            .flat_map(|one| expand_use(one, &context.addresses, self.diagnostics))
            .collect()
    }

    fn friends(&mut self, scope: &attributes::Scope<'_>, friends: Vec<source::Friend>) -> Vec<ExpandedFriend> {
        let mut expanded: BTreeMap<ModuleIdent, Span> = BTreeMap::new();
        let mut ordered = Vec::new();
        for friend in friends {
            if self.is_excluded(&friend.attributes) {
                continue;
            }
            let Some(module) = scope.module(&friend.module, self.diagnostics) else {
                continue;
            };
            if expanded.insert(module.clone(), friend.span).is_none() {
                ordered.push(ExpandedFriend { module, span: friend.span });
            }
        }
        ordered
    }

    /// Members that the mode keeps, with their attributes read.
    fn annotated<T: Attributed>(
        &mut self,
        context: &Context,
        scope: &attributes::Scope<'_>,
        items: Vec<T>,
    ) -> Vec<Annotated<T>> {
        let mut annotated = Vec::with_capacity(items.len());
        for item in items {
            let written = item.written();
            if self.is_excluded(written) || (!context.is_target && attributes::is_test(written)) {
                continue;
            }
            annotated
                .push(Annotated { attributes: self.attributes(context, scope, written.to_vec(), T::TARGET), item });
        }
        annotated
    }

    fn attributes(
        &mut self,
        context: &Context,
        scope: &attributes::Scope<'_>,
        written: Vec<source::Attribute>,
        target: attributes::Target,
    ) -> Attributes {
        let warned = context.is_target.then_some(&mut self.warned);
        attributes::Reader { scope, target, warned, diagnostics: self.diagnostics }.read(written)
    }

    /// `true` for what the mode leaves out.
    fn is_excluded(&self, written: &[source::Attribute]) -> bool {
        written.iter().any(|attribute| match attribute.name.value.as_str() {
            "verify_only" | "spec_only" => true,
            "test_only" | "test" | "random_test" | "rand_test" => !self.test,
            "mode" => !self.test && attributes::mentions(attribute, "test"),
            _ => false,
        })
    }

    /// `friend` and `public(package)` do not mix.
    fn check_friends(&mut self, module: &ExpandedModule) {
        let package = module.functions.iter().find_map(|function| match function.item.visibility {
            Visibility::Package(span) => Some(span),
            _ => None,
        });
        let friend = module.friends.first().map(|friend| friend.span).or_else(|| {
            module.functions.iter().find_map(|function| match function.item.visibility {
                Visibility::Friend(span) => Some(span),
                _ => None,
            })
        });
        if let (Some(package), Some(friend)) = (package, friend) {
            self.diagnostics.push(
                Diagnostic::new(
                    codes::MIXED_FRIENDS,
                    package,
                    "`friend` and `public(package)` do not mix in one module",
                )
                .secondary(friend, "`friend` is used here")
                .help("use one of the two throughout the module"),
            );
        }
    }
}

/// Members that carry attributes.
trait Attributed {
    const TARGET: attributes::Target;

    fn written(&self) -> &[source::Attribute];
}

macro_rules! attributed {
    ($($item:ty => $target:ident),*) => {
        $(impl Attributed for $item {
            const TARGET: attributes::Target = attributes::Target::$target;

            fn written(&self) -> &[source::Attribute] {
                &self.attributes
            }
        })*
    };
}

attributed!(
    source::Struct => Struct,
    source::Enum => Enum,
    source::Constant => Constant,
    source::Function => Function
);
