//! The expanded program: one flat map of modules, attributes filtered and read, addresses resolved.
//!
//! Member bodies stay as the parser built them ([`crate::parse::ast`]); names inside them are resolved by the next pass
//! with [`ExpandedModule::uses`] and [`Program::addresses`].

use std::collections::BTreeMap;

use crate::parse::ast::{Address, Attribute, Constant, Enum, Function, Name, Path, Span, Struct, Symbol, Visibility};

/// A module's identity: the address value, never its alias, and the name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModuleIdent {
    /// The address.
    pub address: Address,
    /// The name.
    pub name: Symbol,
}

impl std::fmt::Display for ModuleIdent {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}::{}", self.address.to_short_hex(), self.name)
    }
}

/// Everything that is compiled together.
#[derive(Clone, Debug, Default)]
pub struct Program {
    /// The modules by identity.
    pub modules: BTreeMap<ModuleIdent, ExpandedModule>,
    /// The scripts in file order.
    pub scripts: Vec<ExpandedScript>,
}

/// Named addresses in force for one package's files.
pub type NamedAddresses = BTreeMap<Symbol, Address>;

/// The dialect lints in force; never changes code generation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Edition {
    /// Nothing written: everything is accepted.
    #[default]
    Noema,
    /// `legacy`
    Legacy,
    /// `2024` and its alpha and beta.
    E2024,
}

/// One module, flat.
#[derive(Clone, Debug)]
pub struct ExpandedModule {
    /// Its identity.
    pub ident: ModuleIdent,
    /// The name as written.
    pub name: Name,
    /// The name of the package it came from; modules of one package and address may share `public(package)`.
    pub package: Symbol,
    /// `true` if code is wanted; `false` for a dependency, whose function bodies need no code.
    pub is_target: bool,
    /// Dialect lints of its package.
    pub edition: Edition,
    /// Doc comment text.
    pub docs: Option<Symbol>,
    /// What the attributes say.
    pub attributes: Attributes,
    /// Named addresses in force in the module's package: resolves `std::m::f` and `@std`.
    pub addresses: std::sync::Arc<NamedAddresses>,
    /// Names brought into scope, in the order written.
    pub uses: Vec<ExpandedUse>,
    /// Friends in the order written.
    pub friends: Vec<ExpandedFriend>,
    /// Structs in the order written.
    pub structs: Vec<Annotated<Struct>>,
    /// Enums in the order written.
    pub enums: Vec<Annotated<Enum>>,
    /// Constants in the order written.
    pub constants: Vec<Annotated<Constant>>,
    /// Functions in the order written.
    pub functions: Vec<Annotated<Function>>,
    /// The whole module.
    pub span: Span,
}

/// A script: one function with its own uses and constants.
#[derive(Clone, Debug)]
pub struct ExpandedScript {
    /// The name of the package it came from.
    pub package: Symbol,
    /// `true` if code is wanted.
    pub is_target: bool,
    /// Dialect lints of its package.
    pub edition: Edition,
    /// What the attributes say.
    pub attributes: Attributes,
    /// Named addresses in force.
    pub addresses: std::sync::Arc<NamedAddresses>,
    /// Names brought into scope, in the order written.
    pub uses: Vec<ExpandedUse>,
    /// Constants in the order written.
    pub constants: Vec<Annotated<Constant>>,
    /// The function.
    pub function: Annotated<Function>,
    /// The whole script.
    pub span: Span,
}

/// A member and what its attributes say.
#[derive(Clone, Debug)]
pub struct Annotated<T> {
    /// What the attributes say.
    pub attributes: Attributes,
    /// The member as parsed.
    pub item: T,
}

/// A name brought into scope, its module's address resolved.
#[derive(Clone, Debug)]
pub struct ExpandedUse {
    /// Modifier, for `public use fun`.
    pub visibility: Visibility,
    /// What is brought in. Only `#[test_only]` uses are missing outside test mode.
    pub kind: ExpandedUseKind,
    /// Where.
    pub span: Span,
}

/// The forms of an [`ExpandedUse`].
#[derive(Clone, Debug)]
pub enum ExpandedUseKind {
    /// `use a::m as n`: `n` names the module.
    Module {
        /// The module.
        module: ModuleIdent,
        /// The name in scope.
        name: Name,
    },
    /// `use a::m::x as y`: `y` names the member.
    Member {
        /// The module.
        module: ModuleIdent,
        /// Its member.
        member: Name,
        /// The name in scope.
        name: Name,
    },
    /// `use fun f as T.g`.
    Method {
        /// The function.
        function: Path,
        /// The type.
        receiver: Path,
        /// The method's name.
        method: Name,
    },
}

/// A friend, its address resolved.
#[derive(Clone, Debug)]
pub struct ExpandedFriend {
    /// The module.
    pub module: ModuleIdent,
    /// Where.
    pub span: Span,
}

/// What the attributes of a module or member say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// `#[test_only]`, or a test: present in test mode only.
    pub test_only: bool,
    /// `#[test(..)]`
    pub test: Option<TestAttribute>,
    /// `#[expected_failure(..)]`
    pub expected_failure: Option<(ExpectedFailure, Span)>,
    /// `#[view]`
    pub view: Option<Span>,
    /// `#[event]`
    pub event: Option<Span>,
    /// `#[error]`; its `code` if given.
    pub error: Option<ErrorAttribute>,
    /// `#[resource_group(scope = ..)]`; the scope.
    pub resource_group: Option<(Symbol, Span)>,
    /// `#[resource_group_member(group = a::m::G)]`; the group.
    pub resource_group_member: Option<(Path, Span)>,
    /// `#[syntax(index)]`
    pub syntax_index: Option<Span>,
    /// `#[bytecode_instruction]`
    pub bytecode_instruction: Option<Span>,
    /// Names in `#[allow(..)]`, `#[lint_allow(..)]` and `#[lint::skip(..)]`.
    pub allow: Vec<Name>,
    /// Everything as written, known or not.
    pub raw: Vec<Attribute>,
}

/// `#[error]`, `#[error(code = 9)]`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorAttribute {
    /// The code if given.
    pub code: Option<u8>,
    /// Where.
    pub span: Span,
}

/// `#[test(a = @0x1)]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestAttribute {
    /// Signer arguments in the order written.
    pub signers: Vec<(Name, Address)>,
    /// Where.
    pub span: Span,
}

/// How a test is meant to fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExpectedFailure {
    /// `#[expected_failure]`: any failure.
    Any,
    /// `abort_code = ..`
    Abort {
        /// The code.
        code: AbortCode,
        /// The module that must abort; any when absent.
        location: Option<ModuleIdent>,
    },
    /// `arithmetic_error`
    Arithmetic {
        /// The module that must fail.
        location: Option<ModuleIdent>,
    },
    /// `vector_error`
    Vector {
        /// `minor_status = ..`
        minor_status: Option<AbortCode>,
        /// The module that must fail.
        location: Option<ModuleIdent>,
    },
    /// `out_of_gas`
    OutOfGas {
        /// The module that must fail.
        location: Option<ModuleIdent>,
    },
    /// `major_status = ..`
    Status {
        /// The status code's number.
        major: u64,
        /// `minor_status = ..`
        minor_status: Option<AbortCode>,
        /// The module that must fail.
        location: Option<ModuleIdent>,
    },
}

/// A code given as number or as constant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AbortCode {
    /// A number.
    Number(u64),
    /// A constant: module (the test's own for a bare name) and name. Read it after constants are folded; for an
    /// `#[error]` constant any clever code that names it matches.
    Constant {
        /// The module.
        module: ModuleIdent,
        /// The constant.
        name: Name,
    },
}
