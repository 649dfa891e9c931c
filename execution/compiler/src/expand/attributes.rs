//! Reads attributes: which are known, where they may stand, what their arguments mean.

use std::collections::{BTreeMap, BTreeSet};

use super::ast::{
    AbortCode, Annotated, Attributes, ErrorAttribute, ExpandedUse, ExpandedUseKind, ExpectedFailure, ModuleIdent,
    NamedAddresses, TestAttribute,
};
use super::uses::resolve_address;
use crate::diagnostics::{Diagnostic, Diagnostics, Name, Span, Spanned, Symbol, codes, is_near};
use crate::parse::ast::{
    Address, AddressSpecifier, Attribute, AttributeArgs, AttributeValue, Function, FunctionBody, FunctionKind, Literal,
    Param, Path, PathHead, TypeKind,
};

/// What an attribute stands before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Target {
    Module,
    Script,
    Struct,
    Enum,
    Constant,
    Function,
}

impl Target {
    const fn describe(self) -> &'static str {
        match self {
            Self::Module => "modules",
            Self::Script => "scripts",
            Self::Struct => "structs",
            Self::Enum => "enums",
            Self::Constant => "constants",
            Self::Function => "functions",
        }
    }
}

/// Attributes that apply to some kinds of members only.
const PLACED: &[(&str, &[Target])] = &[
    ("test", &[Target::Function]),
    ("expected_failure", &[Target::Function]),
    ("view", &[Target::Function]),
    ("event", &[Target::Struct, Target::Enum]),
    ("error", &[Target::Constant]),
    ("resource_group", &[Target::Struct]),
    ("resource_group_member", &[Target::Struct, Target::Enum]),
    ("syntax", &[Target::Function]),
    ("bytecode_instruction", &[Target::Function]),
    ("defines_primitive", &[Target::Module]),
];

/// Attributes that are known, apply anywhere and need no reading.
const FREE: &[&str] = &[
    "test_only",
    "random_test",
    "rand_test",
    "verify_only",
    "spec_only",
    "mode",
    "ext",
    "deprecated",
    "legacy_entry_fun",
    "native_interface",
    "randomness",
    "module_lock",
    "persistent",
    "fmt::skip",
];

/// Attributes that silence warnings.
const ALLOW: &[&str] = &["allow", "lint_allow", "lint::skip", "lint::allow"];

/// `true` for test functions.
pub(super) fn is_test(written: &[Attribute]) -> bool {
    written.iter().any(|attribute| matches!(attribute.name.value.as_str(), "test" | "random_test" | "rand_test"))
}

/// `true` if `name` is among the attribute's arguments.
pub(super) fn mentions(attribute: &Attribute, name: &str) -> bool {
    match &attribute.args {
        AttributeArgs::List(list) => list.iter().any(|one| one.name.value == name),
        _ => false,
    }
}

// ---------------------------------------------------------------------------------------------------------------
// Names inside attributes

/// Resolves modules and constants named in attributes and friends.
pub(super) struct Scope<'a> {
    own: &'a ModuleIdent,
    addresses: &'a NamedAddresses,
    modules: BTreeMap<Symbol, ModuleIdent>,
    members: BTreeMap<Symbol, (ModuleIdent, Name)>,
}

impl<'a> Scope<'a> {
    pub(super) fn new(own: &'a ModuleIdent, uses: &[ExpandedUse], addresses: &'a NamedAddresses) -> Self {
        let mut scope = Self {
            own,
            addresses,
            modules: BTreeMap::from([(Symbol::from("Self"), own.clone())]),
            members: BTreeMap::new(),
        };
        for one in uses {
            match &one.kind {
                ExpandedUseKind::Module { module, name } => {
                    scope.modules.insert(name.value.clone(), module.clone());
                }
                ExpandedUseKind::Member { module, member, name } => {
                    scope.members.insert(name.value.clone(), (module.clone(), member.clone()));
                }
                ExpandedUseKind::Method { .. } => {}
            }
        }
        scope
    }

    /// The module `path` names: `a::m`, `Self`, an alias, or a module of the same address.
    pub(super) fn module(&self, path: &Path, diagnostics: &mut Diagnostics) -> Option<ModuleIdent> {
        self.module_parts(&path.segments, path.span, diagnostics)
    }

    fn module_parts(
        &self,
        segments: &[crate::parse::ast::PathSegment],
        span: Span,
        diagnostics: &mut Diagnostics,
    ) -> Option<ModuleIdent> {
        let name_of = |head: &PathHead| match head {
            PathHead::Name(name) => Some(name.clone()),
            PathHead::Address(_) => None,
        };
        match segments {
            [only] => {
                let name = name_of(&only.head)?;
                Some(self.modules.get(&name).cloned().unwrap_or(ModuleIdent { address: self.own.address, name }))
            }
            [address, module] => {
                let specifier = match &address.head {
                    PathHead::Name(name) => AddressSpecifier::Named(name.clone()),
                    PathHead::Address(value) => AddressSpecifier::Numeric(*value),
                };
                let address = resolve_address(&Spanned::new(specifier, address.span), self.addresses, diagnostics)?;
                Some(ModuleIdent { address, name: name_of(&module.head)? })
            }
            _ => {
                diagnostics.push(
                    Diagnostic::new(codes::BAD_ATTRIBUTE, span, "this is not a module").help("write `address::module`"),
                );
                None
            }
        }
    }

    /// The constant `path` names: `C`, `m::C`, `a::m::C`.
    fn constant(&self, path: &Path, diagnostics: &mut Diagnostics) -> Option<(ModuleIdent, Name)> {
        let name = path.last_name()?;
        let (_, before) = path.segments.split_last()?;
        if !before.is_empty() {
            return Some((self.module_parts(before, path.span, diagnostics)?, name));
        }
        let used = self.members.get(&name.value).cloned();
        Some(used.unwrap_or((self.own.clone(), name)))
    }
}

// ---------------------------------------------------------------------------------------------------------------
// Reading

/// Reads the attributes of one item.
pub(super) struct Reader<'a> {
    pub(super) scope: &'a Scope<'a>,
    pub(super) target: Target,
    /// Unknown attributes already warned about; `None` to stay silent.
    pub(super) warned: Option<&'a mut BTreeSet<Symbol>>,
    pub(super) diagnostics: &'a mut Diagnostics,
}

impl Reader<'_> {
    pub(super) fn read(mut self, written: Vec<Attribute>) -> Attributes {
        let mut attributes = Attributes::default();
        let mut seen: BTreeMap<Symbol, Span> = BTreeMap::new();
        for attribute in &written {
            let name = &attribute.name.value;
            let repeatable = ALLOW.contains(&name.as_str()) || name == "ext";
            if let Some(first) = seen.insert(name.clone(), attribute.span)
                && !repeatable
            {
                self.diagnostics.push(
                    Diagnostic::new(
                        codes::DUPLICATE_ATTRIBUTE,
                        attribute.span,
                        format!("the attribute `{name}` is given twice"),
                    )
                    .secondary(first, "first here"),
                );
                continue;
            }
            if self.is_placed(attribute) {
                self.read_one(attribute, &mut attributes);
            }
        }
        if let Some((_, span)) = &attributes.expected_failure
            && attributes.test.is_none()
        {
            self.bad(*span, "`expected_failure` applies to `#[test]` functions only");
        }
        attributes.raw = written;
        attributes
    }

    /// Reports attributes that do not apply here.
    fn is_placed(&mut self, attribute: &Attribute) -> bool {
        let name = attribute.name.value.as_str();
        let Some((_, targets)) = PLACED.iter().find(|(placed, _)| *placed == name) else {
            return true;
        };
        if targets.contains(&self.target) {
            return true;
        }
        let wanted: Vec<&str> = targets.iter().map(|target| target.describe()).collect();
        let message = format!("`{name}` applies to {}, not to {}", wanted.join(" and "), self.target.describe());
        self.diagnostics.push(Diagnostic::new(codes::MISPLACED_ATTRIBUTE, attribute.span, message));
        false
    }

    fn read_one(&mut self, attribute: &Attribute, attributes: &mut Attributes) {
        let span = attribute.span;
        match attribute.name.value.as_str() {
            "test_only" => attributes.test_only = true,
            "test" => {
                attributes.test_only = true;
                attributes.test = Some(TestAttribute { signers: self.signers(attribute), span });
            }
            "expected_failure" => attributes.expected_failure = self.expected_failure(attribute).map(|one| (one, span)),
            "view" => attributes.view = Some(span),
            "event" => attributes.event = Some(span),
            "error" => {
                attributes.error = Some(ErrorAttribute { code: self.error_code(attribute), span });
            }
            "resource_group" => match self.argument_path(attribute, "scope") {
                Some(path) => attributes.resource_group = Some((Symbol::from(path.to_string()), span)),
                None => self.bad(span, "write `resource_group(scope = global)`"),
            },
            "resource_group_member" => match self.argument_path(attribute, "group") {
                Some(path) => attributes.resource_group_member = Some((path, span)),
                None => self.bad(span, "write `resource_group_member(group = a::m::Group)`"),
            },
            "syntax" => {
                if mentions(attribute, "index") {
                    attributes.syntax_index = Some(span);
                } else {
                    self.bad(span, "the only known syntax attribute is `syntax(index)`");
                }
            }
            "bytecode_instruction" => attributes.bytecode_instruction = Some(span),
            name if ALLOW.contains(&name) => collect_names(attribute, &mut attributes.allow),
            name => self.warn_unknown(name, span),
        }
    }

    fn warn_unknown(&mut self, name: &str, span: Span) {
        let is_known =
            FREE.contains(&name) || PLACED.iter().any(|(placed, _)| *placed == name) || name.starts_with("lint::");
        let Some(warned) = &mut self.warned else { return };
        if is_known || !warned.insert(Symbol::from(name)) {
            return;
        }
        let mut diagnostic =
            Diagnostic::new(codes::UNKNOWN_ATTRIBUTE, span, format!("unknown attribute `{name}` is ignored"))
                .note("this is said once per attribute name")
                .help("for attributes of your own tools write `#[ext(..)]`");
        let near = PLACED.iter().map(|(placed, _)| *placed).chain(FREE.iter().copied());
        if let Some(near) = near.into_iter().find(|known| is_near(name, known)) {
            diagnostic = diagnostic.help(format!("did you mean `{near}`?")).suggest(span, near);
        }
        self.diagnostics.push(diagnostic);
    }

    fn bad(&mut self, span: Span, message: &str) {
        self.diagnostics.push(Diagnostic::new(codes::BAD_ATTRIBUTE, span, message));
    }

    /// `#[error(code = 9)]`
    fn error_code(&mut self, attribute: &Attribute) -> Option<u8> {
        let code = arguments(attribute).iter().find(|one| one.name.value == "code")?;
        let number = match &code.args {
            AttributeArgs::Value(value) => number_of(value),
            _ => None,
        };
        let code_value = number.and_then(|number| u8::try_from(number).ok());
        if code_value.is_none() {
            self.bad(code.span, "the code of an error is a number from 0 to 255");
        }
        code_value
    }

    fn argument_path(&self, attribute: &Attribute, name: &str) -> Option<Path> {
        let argument = arguments(attribute).iter().find(|one| one.name.value == name)?;
        match &argument.args {
            AttributeArgs::Value(AttributeValue::Path(path)) => Some(path.clone()),
            _ => None,
        }
    }

    /// `test(a = @0x1, b = @std)`
    fn signers(&mut self, attribute: &Attribute) -> Vec<(Name, Address)> {
        let mut signers: Vec<(Name, Address)> = Vec::new();
        for argument in arguments(attribute) {
            if let Some((first, _)) = signers.iter().find(|(name, _)| name.value == argument.name.value) {
                let diagnostic =
                    Diagnostic::new(codes::TEST_SIGNER_TWICE, argument.span, "this parameter is given twice")
                        .secondary(first.span, "first here");
                self.diagnostics.push(diagnostic);
                continue;
            }
            let address = match &argument.args {
                AttributeArgs::Value(AttributeValue::Literal(literal)) => match &literal.value {
                    Literal::Address(address) => {
                        let address = Spanned::new(address.clone(), literal.span);
                        match resolve_address(&address, self.scope.addresses, self.diagnostics) {
                            Some(address) => Some(address),
                            None => continue,
                        }
                    }
                    Literal::Number { value, suffix: None } => Some(Address(value.to_be_bytes())),
                    _ => None,
                },
                _ => None,
            };
            match address {
                Some(address) => signers.push((argument.name.clone(), address)),
                None => {
                    let diagnostic =
                        Diagnostic::new(codes::BAD_TEST, argument.span, "a test's signer is given as `name = @0x1`");
                    self.diagnostics.push(diagnostic);
                }
            }
        }
        signers
    }

    // -------------------------------------------------------------------------------------------- expected failures

    fn expected_failure(&mut self, attribute: &Attribute) -> Option<ExpectedFailure> {
        let list = arguments(attribute);
        if list.is_empty() {
            return Some(ExpectedFailure::Any);
        }
        let mut found = Failure::default();
        for argument in list {
            self.failure_argument(argument, &mut found)?;
        }
        let kinds =
            [found.abort_code.is_some(), found.arithmetic, found.vector, found.out_of_gas, found.major.is_some()];
        if kinds.iter().filter(|kind| **kind).count() != 1 {
            self.bad(
                attribute.span,
                "say exactly one of `abort_code`, `arithmetic_error`, `vector_error`, `out_of_gas`, `major_status`",
            );
            return None;
        }
        let location = found.location;
        if found.minor.is_some() && !found.vector && found.major.is_none() {
            self.bad(attribute.span, "`minor_status` goes with `vector_error` or `major_status`");
            return None;
        }
        if let Some((code, span)) = found.abort_code {
            return Some(self.expected_abort(code, location, span));
        }
        Some(if found.arithmetic {
            ExpectedFailure::Arithmetic { location }
        } else if found.vector {
            ExpectedFailure::Vector { minor_status: found.minor, location }
        } else if found.out_of_gas {
            ExpectedFailure::OutOfGas { location }
        } else {
            ExpectedFailure::Status { major: found.major?, minor_status: found.minor, location }
        })
    }

    /// A named code implies its module as location; a bare number matches any module, which is worth a warning.
    fn expected_abort(&mut self, code: AbortCode, location: Option<ModuleIdent>, span: Span) -> ExpectedFailure {
        let location = location.or_else(|| match &code {
            AbortCode::Constant { module, .. } => Some(module.clone()),
            AbortCode::Number(_) => None,
        });
        if location.is_none() {
            self.diagnostics.push(
                Diagnostic::new(
                    codes::UNLOCATED_ABORT_CODE,
                    span,
                    "an abort of any module with this code passes the test",
                )
                .help("add `location = Self` or `location = a::m`, or name a constant"),
            );
        }
        ExpectedFailure::Abort { code, location }
    }

    fn failure_argument(&mut self, argument: &Attribute, found: &mut Failure) -> Option<()> {
        let value = match &argument.args {
            AttributeArgs::Value(value) => Some(value),
            _ => None,
        };
        match (argument.name.value.as_str(), value) {
            ("arithmetic_error", None) => found.arithmetic = true,
            ("vector_error", None) => found.vector = true,
            ("out_of_gas", None) => found.out_of_gas = true,
            ("abort_code", Some(value)) => found.abort_code = Some((self.code(value, argument.span)?, argument.span)),
            ("minor_status", Some(value)) => found.minor = Some(self.code(value, argument.span)?),
            ("major_status", Some(value)) => match number_of(value) {
                Some(number) => found.major = Some(number),
                None => {
                    self.bad(argument.span, "`major_status` is the number of a status code");
                    return None;
                }
            },
            ("location", Some(AttributeValue::Path(path))) => {
                found.location = Some(self.scope.module(path, self.diagnostics)?);
            }
            (name, _) => {
                self.bad(argument.span, &format!("`{name}` is no argument of `expected_failure`, or lacks its value"));
                return None;
            }
        }
        Some(())
    }

    fn code(&mut self, value: &AttributeValue, span: Span) -> Option<AbortCode> {
        if let Some(number) = number_of(value) {
            return Some(AbortCode::Number(number));
        }
        match value {
            AttributeValue::Path(path) => {
                let (module, name) = self.scope.constant(path, self.diagnostics)?;
                Some(AbortCode::Constant { module, name })
            }
            AttributeValue::Literal(_) => {
                self.bad(span, "a code is a u64 or the name of a constant");
                None
            }
        }
    }
}

/// The arguments of `expected_failure` as found.
#[derive(Default)]
struct Failure {
    abort_code: Option<(AbortCode, Span)>,
    arithmetic: bool,
    vector: bool,
    out_of_gas: bool,
    major: Option<u64>,
    minor: Option<AbortCode>,
    location: Option<ModuleIdent>,
}

fn arguments(attribute: &Attribute) -> &[Attribute] {
    match &attribute.args {
        AttributeArgs::List(list) => list,
        _ => &[],
    }
}

fn number_of(value: &AttributeValue) -> Option<u64> {
    match value {
        AttributeValue::Literal(Spanned { value: Literal::Number { value, .. }, .. }) => u64::try_from(*value).ok(),
        _ => None,
    }
}

/// Names at any depth: `allow(lint(a), b)` allows `a` and `b`.
fn collect_names(attribute: &Attribute, names: &mut Vec<Name>) {
    for argument in arguments(attribute) {
        if arguments(argument).is_empty() {
            names.push(argument.name.clone());
        } else {
            collect_names(argument, names);
        }
    }
}

/// A test is a plain function; its `#[test(..)]` gives every parameter, and each is a signer or a reference to one.
pub(super) fn check_test(function: &Annotated<Function>, diagnostics: &mut Diagnostics) {
    let Some(test) = &function.attributes.test else { return };
    let item = &function.item;
    let plain =
        item.kind == FunctionKind::Plain && item.type_params.is_empty() && matches!(item.body, FunctionBody::Block(_));
    if !plain {
        diagnostics.push(Diagnostic::new(
            codes::GENERIC_TEST,
            item.name.span,
            "a test is a plain function without type parameters",
        ));
    }
    for param in &item.params {
        let given = test.signers.iter().any(|(name, _)| name.value == param.name.value);
        if !given {
            let name = &param.name.value;
            diagnostics.push(
                Diagnostic::new(
                    codes::TEST_SIGNER_MISSING,
                    param.name.span,
                    format!("the test does not say who `{name}` is"),
                )
                .secondary(test.span, "the test's arguments")
                .help(format!("write `#[test({name} = @0x1)]`")),
            );
        } else if !is_signer(param) {
            diagnostics.push(Diagnostic::new(
                codes::TEST_PARAMETER_TYPE,
                param.ty.span,
                "a test's parameter is a `signer` or a `&signer`",
            ));
        }
    }
    for (name, _) in &test.signers {
        if !item.params.iter().any(|param| param.name.value == name.value) {
            diagnostics.push(
                Diagnostic::new(
                    codes::TEST_SIGNER_UNKNOWN,
                    name.span,
                    format!("the test has no parameter `{}`", name.value),
                )
                .secondary(item.name.span, "the test"),
            );
        }
    }
}

fn is_signer(param: &Param) -> bool {
    let ty = match &param.ty.kind {
        TypeKind::Reference { inner, .. } => &inner.kind,
        kind => kind,
    };
    matches!(ty, TypeKind::Path(path) if path.as_name().is_some_and(|name| name.value == "signer"))
}
