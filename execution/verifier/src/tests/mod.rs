//! Modules made by hand, one per rule of each pass.

mod alone;
mod code;
mod official;
mod publish;
mod references;

use std::collections::BTreeMap;
use std::sync::Arc;

use noema_bytecode::*;
use noema_execution_api::StatusCode;
use noema_types::{Address, Identifier, ModuleId};

use crate::{Limits, VerifyError, verify_module};

type Token = SignatureToken;
type Source = BTreeMap<ModuleId, Arc<CompiledModule>>;

fn reference(inner: Token) -> Token {
    Token::Reference(Box::new(inner))
}

fn mutable(inner: Token) -> Token {
    Token::MutableReference(Box::new(inner))
}

fn vector(inner: Token) -> Token {
    Token::Vector(Box::new(inner))
}

fn abilities(text: &str) -> AbilitySet {
    Ability::ALL.into_iter().filter(|one| text.split(' ').any(|word| word == one.name())).collect()
}

fn id(name: &str) -> ModuleId {
    ModuleId::new(Address::ONE, Identifier::new(name).unwrap())
}

fn status<T: std::fmt::Debug>(result: Result<T, VerifyError>) -> StatusCode {
    result.expect_err("the module should be rejected").status
}

/// A function to be added to a [`Builder`].
#[derive(Clone, Default)]
struct Body {
    generics: Vec<AbilitySet>,
    parameters: Vec<Token>,
    results: Vec<Token>,
    locals: Vec<Token>,
    acquires: Vec<StructDefIndex>,
    code: Vec<Bytecode>,
}

impl Body {
    fn new(code: Vec<Bytecode>) -> Self {
        Self { code, ..Self::default() }
    }

    fn generics(mut self, generics: &[&str]) -> Self {
        self.generics = generics.iter().map(|one| abilities(one)).collect();
        self
    }

    fn parameters(mut self, parameters: &[Token]) -> Self {
        self.parameters = parameters.to_vec();
        self
    }

    fn results(mut self, results: &[Token]) -> Self {
        self.results = results.to_vec();
        self
    }

    fn locals(mut self, locals: &[Token]) -> Self {
        self.locals = locals.to_vec();
        self
    }

    fn acquires(mut self, acquires: &[StructDefIndex]) -> Self {
        self.acquires = acquires.to_vec();
        self
    }
}

/// Builds a module, sharing entries of tables.
#[derive(Clone)]
struct Builder {
    module: CompiledModule,
}

fn position<T: PartialEq>(table: &mut Vec<T>, entry: T) -> usize {
    table.iter().position(|known| *known == entry).unwrap_or_else(|| {
        table.push(entry);
        table.len() - 1
    })
}

impl Builder {
    fn new(name: &str) -> Self {
        Self { module: CompiledModule::empty(&id(name)) }
    }

    fn name(&mut self, text: &str) -> IdentifierIndex {
        IdentifierIndex::new(position(&mut self.module.identifiers, Identifier::new(text).unwrap()))
    }

    fn signature(&mut self, tokens: &[Token]) -> SignatureIndex {
        SignatureIndex::new(position(&mut self.module.signatures, Signature(tokens.to_vec())))
    }

    fn other_module(&mut self, name: &str) -> ModuleHandleIndex {
        let name = self.name(name);
        let handle = ModuleHandle { address: AddressIdentifierIndex(0), name };
        ModuleHandleIndex::new(position(&mut self.module.module_handles, handle))
    }

    fn datatype_of(
        &mut self,
        module: ModuleHandleIndex,
        name: &str,
        has: &str,
        type_parameters: &[(&str, bool)],
    ) -> DatatypeHandleIndex {
        let name = self.name(name);
        let type_parameters = type_parameters
            .iter()
            .map(|(constraints, is_phantom)| DatatypeTypeParameter {
                constraints: abilities(constraints),
                is_phantom: *is_phantom,
            })
            .collect();
        let handle = DatatypeHandle { module, name, abilities: abilities(has), type_parameters };
        DatatypeHandleIndex::new(position(&mut self.module.datatype_handles, handle))
    }

    fn fields(&mut self, fields: &[(&str, Token)]) -> Vec<FieldDefinition> {
        let field =
            |(name, signature): &(&str, Token)| FieldDefinition { name: self.name(name), signature: signature.clone() };
        fields.iter().map(field).collect()
    }

    fn generic_struct(
        &mut self,
        name: &str,
        has: &str,
        type_parameters: &[(&str, bool)],
        fields: &[(&str, Token)],
    ) -> StructDefIndex {
        let handle = self.datatype_of(self.module.self_module_handle, name, has, type_parameters);
        let fields = StructFieldInformation::Declared(self.fields(fields));
        self.module.struct_defs.push(StructDefinition { handle, fields });
        StructDefIndex::new(self.module.struct_defs.len() - 1)
    }

    fn structure(&mut self, name: &str, has: &str, fields: &[(&str, Token)]) -> StructDefIndex {
        self.generic_struct(name, has, &[], fields)
    }

    fn enumeration(&mut self, name: &str, has: &str, variants: &[(&str, &[(&str, Token)])]) -> EnumDefIndex {
        self.module.version = Version::Sui7;
        let handle = self.datatype_of(self.module.self_module_handle, name, has, &[]);
        let variants = variants
            .iter()
            .map(|(name, fields)| VariantDefinition { name: self.name(name), fields: self.fields(fields) })
            .collect();
        self.module.enum_defs.push(EnumDefinition { handle, variants });
        EnumDefIndex::new(self.module.enum_defs.len() - 1)
    }

    fn type_of(&self, def: StructDefIndex) -> Token {
        Token::Datatype(self.module.struct_def_at(def).handle)
    }

    fn type_with(&self, def: StructDefIndex, arguments: &[Token]) -> Token {
        Token::DatatypeInstantiation(Box::new((self.module.struct_def_at(def).handle, arguments.to_vec())))
    }

    fn enum_type(&self, def: EnumDefIndex) -> Token {
        Token::Datatype(self.module.enum_def_at(def).handle)
    }

    fn field(&mut self, owner: StructDefIndex, field: u16) -> FieldHandleIndex {
        FieldHandleIndex::new(position(&mut self.module.field_handles, FieldHandle { owner, field }))
    }

    fn variant(&mut self, enum_def: EnumDefIndex, variant: u16) -> VariantHandleIndex {
        let handle = VariantHandle { enum_def, variant };
        VariantHandleIndex::new(position(&mut self.module.variant_handles, handle))
    }

    fn struct_instance(&mut self, def: StructDefIndex, arguments: &[Token]) -> StructDefInstantiationIndex {
        let type_parameters = self.signature(arguments);
        let instance = StructDefInstantiation { def, type_parameters };
        StructDefInstantiationIndex::new(position(&mut self.module.struct_def_instantiations, instance))
    }

    fn instance(&mut self, handle: FunctionHandleIndex, arguments: &[Token]) -> FunctionInstantiationIndex {
        let type_parameters = self.signature(arguments);
        let instance = FunctionInstantiation { handle, type_parameters };
        FunctionInstantiationIndex::new(position(&mut self.module.function_instantiations, instance))
    }

    fn handle_in(&mut self, module: ModuleHandleIndex, name: &str, body: &Body) -> FunctionHandleIndex {
        let handle = FunctionHandle {
            module,
            name: self.name(name),
            parameters: self.signature(&body.parameters),
            return_: self.signature(&body.results),
            type_parameters: body.generics.clone(),
        };
        FunctionHandleIndex::new(position(&mut self.module.function_handles, handle))
    }

    fn function(&mut self, name: &str, body: Body) -> FunctionHandleIndex {
        let function = self.handle_in(self.module.self_module_handle, name, &body);
        let locals = self.signature(&body.locals);
        self.module.function_defs.push(FunctionDefinition {
            function,
            visibility: Visibility::Private,
            is_entry: false,
            acquires: body.acquires,
            code: Some(CodeUnit { locals, code: body.code, jump_tables: vec![] }),
        });
        function
    }

    fn last_function(&mut self) -> &mut FunctionDefinition {
        self.module.function_defs.last_mut().unwrap()
    }

    fn last_code(&mut self) -> &mut CodeUnit {
        self.last_function().code.as_mut().unwrap()
    }

    fn verify(&self) -> Result<(), VerifyError> {
        verify_module(&self.module, &Limits::default())
    }

    fn status(&self) -> StatusCode {
        status(self.verify())
    }
}

/// Verifies a module with one function.
fn verify_body(body: Body) -> Result<(), VerifyError> {
    let mut builder = Builder::new("m");
    builder.function("f", body);
    builder.verify()
}
