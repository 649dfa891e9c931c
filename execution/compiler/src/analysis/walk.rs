//! Walks the syntax trees and writes down what every name stands for.
//!
//! Names are resolved here once more, by the rules of [`crate::name`] and with the types that the checker found, so that
//! the checker itself need not know of editors. What does not resolve leaves no trace.

use std::collections::BTreeMap;

use crate::diagnostics::{Diagnostics, Name, Span, Symbol};
use crate::name::{DataKind, FieldInfo, Globals, Member, Scope, TypeParamInfo};
use crate::parse::ast::{
    self, AddressSpecifier, Attribute, AttributeArgs, AttributeValue, Definition as Item, Fields, FunctionBody,
    PathHead, SourceUnit, TypeKind, UseItem,
};
use crate::typing::{DataId, FunId, ModId, Ty};

use super::index::{Declared, Definition, Form, Index, LocalInfo, LocalKind, Slot, SlotKind};
use super::walk_exp::macro_of;

/// What one segment of a path stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Address(noema_types::Address),
    Module(ModId),
    Member(Member),
    Variant(DataId, usize),
    TypeParam(u16),
}

/// Whose type parameters are in scope.
#[derive(Clone, Copy, Debug)]
enum Owner {
    Nobody,
    Fun(FunId),
    Data(DataId),
}

/// A level of local names.
#[derive(Debug, Default)]
struct Layer {
    names: BTreeMap<Symbol, u32>,
    /// Where the names go out of scope.
    end: u32,
}

pub(super) struct Walker<'a> {
    pub(super) globals: &'a Globals,
    pub(super) index: &'a mut Index,
    declared: &'a Declared,
    /// Types of locals by the place of their name.
    local_types: &'a BTreeMap<Span, Ty>,
    pub(super) scope: Scope,
    owner: Owner,
    pub(super) function: FunId,
    layers: Vec<Layer>,
    labels: Vec<(Symbol, u32)>,
    /// From where on newly declared locals can be used.
    pub(super) visible_from: u32,
}

impl<'a> Walker<'a> {
    pub(super) fn new(
        globals: &'a Globals,
        index: &'a mut Index,
        declared: &'a Declared,
        local_types: &'a BTreeMap<Span, Ty>,
    ) -> Self {
        Self {
            globals,
            index,
            declared,
            local_types,
            scope: Scope::new(ModId(0), Vec::new()),
            owner: Owner::Nobody,
            function: FunId(0),
            layers: Vec::new(),
            labels: Vec::new(),
            visible_from: 0,
        }
    }

    pub(super) fn unit(&mut self, unit: &SourceUnit) {
        for item in &unit.definitions {
            match item {
                Item::Module(module) => self.module(module),
                Item::Address(block) => {
                    let mut numbered = Vec::new();
                    for module in &block.modules {
                        self.module(module);
                        numbered.extend(self.declared.modules.get(&module.name.span));
                    }
                    if let Some(module) = numbered.first() {
                        self.scope = Scope::new(*module, Vec::new());
                        self.address(&block.address.value, block.address.span);
                    }
                }
                Item::Script(script) => {
                    let function = script.members.iter().find_map(|member| match member {
                        ast::Member::Function(function) => self.declared.functions.get(&function.name.span),
                        _ => None,
                    });
                    let Some(function) = function else { continue };
                    self.scope = Scope::new(self.globals.function(*function).module, Vec::new());
                    self.members(&script.members);
                }
            }
        }
    }

    fn module(&mut self, module: &ast::Module) {
        let Some(id) = self.declared.modules.get(&module.name.span).copied() else { return };
        self.scope = Scope::new(id, Vec::new());
        self.owner = Owner::Nobody;
        if let Some(address) = &module.address {
            self.address(&address.value, address.span);
        }
        self.index.push(module.name.span, Definition::Module(id), Form::Declaration);
        self.attributes(&module.attributes);
        self.members(&module.members);
    }

    fn members(&mut self, members: &[ast::Member]) {
        for member in members {
            match member {
                ast::Member::Use(item) => self.use_item(item),
                ast::Member::Friend(friend) => {
                    self.attributes(&friend.attributes);
                    self.module_path(&friend.module);
                }
                ast::Member::Struct(item) => self.structure(item),
                ast::Member::Enum(item) => self.enumeration(item),
                ast::Member::Constant(item) => self.constant(item),
                ast::Member::Function(item) => self.function(item),
                ast::Member::Spec(_) => {}
            }
        }
    }

    // -----------------------------------------------------------------------------------------------------------
    // Declarations

    fn structure(&mut self, item: &ast::Struct) {
        let Some(id) = self.declared.datatypes.get(&item.name.span).copied() else { return };
        self.index.push(item.name.span, Definition::Data(id), Form::Declaration);
        self.attributes(&item.attributes);
        self.in_datatype(id, |this| this.fields(id, None, &item.fields));
    }

    fn enumeration(&mut self, item: &ast::Enum) {
        let Some(id) = self.declared.datatypes.get(&item.name.span).copied() else { return };
        self.index.push(item.name.span, Definition::Data(id), Form::Declaration);
        self.attributes(&item.attributes);
        self.in_datatype(id, |this| {
            for (position, variant) in item.variants.iter().enumerate() {
                this.index.push(variant.name.span, Definition::Variant(id, position), Form::Declaration);
                this.fields(id, Some(position), &variant.fields);
            }
        });
    }

    fn in_datatype(&mut self, id: DataId, inner: impl FnOnce(&mut Self)) {
        let globals = self.globals;
        let info = globals.datatype(id);
        self.type_params(&info.type_params, |position| Definition::DataTypeParam(id, position));
        self.owner = Owner::Data(id);
        inner(self);
        self.scope.type_params.clear();
        self.owner = Owner::Nobody;
    }

    fn type_params(&mut self, params: &[TypeParamInfo], definition: impl Fn(u16) -> Definition) {
        self.scope.type_params = params.iter().map(|param| param.name.value.clone()).collect();
        for (param, position) in params.iter().zip(0u16..) {
            self.index.push(param.name.span, definition(position), Form::Declaration);
        }
    }

    fn fields(&mut self, id: DataId, variant: Option<usize>, fields: &Fields) {
        match fields {
            Fields::Named(fields) => {
                for (position, field) in fields.iter().enumerate() {
                    self.index.push(field.name.span, Definition::Field(id, variant, position), Form::Declaration);
                    self.ty(&field.ty);
                }
            }
            Fields::Positional(types) => types.iter().for_each(|ty| self.ty(ty)),
            Fields::None | Fields::Native(_) => {}
        }
    }

    fn constant(&mut self, item: &ast::Constant) {
        let Some(id) = self.declared.constants.get(&item.name.span).copied() else { return };
        self.index.push(item.name.span, Definition::Constant(id), Form::Declaration);
        self.attributes(&item.attributes);
        self.ty(&item.ty);
        self.exp(&item.value);
    }

    fn function(&mut self, item: &ast::Function) {
        let Some(id) = self.declared.functions.get(&item.name.span).copied() else { return };
        let globals = self.globals;
        let info = globals.function(id);
        self.index.push(item.name.span, Definition::Function(id), Form::Declaration);
        self.type_params(&info.type_params, |position| Definition::FunTypeParam(id, position));
        self.owner = Owner::Fun(id);
        self.function = id;
        let end = item.span.end;
        self.visible_from = item.signature_span.end;
        self.layer(end, |this| {
            for (param, info) in item.params.iter().zip(&info.params) {
                this.ty(&param.ty);
                this.declare_as(&param.name, LocalKind::Parameter, Some(info.1.clone()), Form::Declaration);
            }
            this.attributes(&item.attributes);
            this.ty(&item.result);
            for path in item.acquires.iter().flatten() {
                this.path(path);
            }
            if let FunctionBody::Block(block) = &item.body {
                this.index.bodies.push((block.span, id));
                this.block(block);
            }
        });
        self.scope.type_params.clear();
        self.owner = Owner::Nobody;
    }

    // -----------------------------------------------------------------------------------------------------------
    // Attributes, uses, friends

    fn attributes(&mut self, attributes: &[Attribute]) {
        for attribute in attributes {
            match &attribute.args {
                AttributeArgs::None => {}
                AttributeArgs::Value(value) => self.attribute_value(value),
                AttributeArgs::List(list) => {
                    for entry in list {
                        // `#[test(a = @0x1)]` names a parameter.
                        if attribute.name.value == "test" {
                            self.local(&entry.name);
                        }
                    }
                    self.attributes(list);
                }
            }
        }
    }

    fn attribute_value(&mut self, value: &AttributeValue) {
        match value {
            AttributeValue::Literal(literal) => self.literal(&literal.value, literal.span),
            AttributeValue::Path(path) => {
                let parts = self.parts(&path.segments);
                if parts.last().is_some_and(Option::is_some) {
                    self.path(path);
                } else {
                    self.module_path(path);
                }
            }
        }
    }

    pub(super) fn use_item(&mut self, item: &ast::Use) {
        for item in &item.items {
            match item {
                UseItem::Module { module, alias } => {
                    let id = self.module_name(module);
                    if let (Some(id), Some(alias)) = (id, alias) {
                        self.index.push(alias.span, Definition::Module(id), Form::Use);
                    }
                }
                UseItem::Member { module, member, alias } => {
                    let Some(id) = self.module_name(module) else { continue };
                    self.index.slots.push(Slot { span: member.span, kind: SlotKind::ModuleMember(id) });
                    let Some(found) = self.globals.module(id).members.get(&member.value).copied() else { continue };
                    self.index.push(member.span, found.into(), Form::Use);
                    if let Some(alias) = alias {
                        self.index.push(alias.span, found.into(), Form::Use);
                    }
                }
                UseItem::Method { function, receiver, method } => {
                    let found = self.path(function);
                    self.path(receiver);
                    if let Some(Part::Member(member @ Member::Fun(_))) = found {
                        self.index.push(method.span, member.into(), Form::Use);
                    }
                }
            }
        }
    }

    fn module_name(&mut self, module: &ast::ModuleName) -> Option<ModId> {
        let address = self.address(&module.address.value, module.address.span)?;
        self.index.slots.push(Slot { span: module.name.span, kind: SlotKind::AddressModule(address) });
        let ident = crate::expand::ast::ModuleIdent { address, name: module.name.value.clone() };
        let id = self.globals.module_ids.get(&ident).copied()?;
        self.index.push(module.name.span, Definition::Module(id), Form::Use);
        Some(id)
    }

    /// `a::m`, or `m` through a use or of the same address.
    fn module_path(&mut self, path: &ast::Path) {
        match path.segments.as_slice() {
            [only] => {
                let PathHead::Name(name) = &only.head else { return };
                let home = &self.globals.module(self.scope.module).ident;
                let sibling = crate::expand::ast::ModuleIdent { address: home.address, name: name.clone() };
                let found = self.scope.module_alias(self.globals, name);
                if let Some(id) = found.or_else(|| self.globals.module_ids.get(&sibling).copied()) {
                    self.index.push(only.span, Definition::Module(id), Form::Use);
                }
            }
            [address, name] => {
                let specifier = match &address.head {
                    PathHead::Address(value) => AddressSpecifier::Numeric(*value),
                    PathHead::Name(name) => AddressSpecifier::Named(name.clone()),
                };
                let PathHead::Name(module) = &name.head else { return };
                let module = ast::ModuleName {
                    address: ast::Spanned::new(specifier, address.span),
                    name: Name::new(module.clone(), name.span),
                    span: path.span,
                };
                self.module_name(&module);
            }
            _ => {}
        }
    }

    pub(super) fn address(&mut self, address: &AddressSpecifier, span: Span) -> Option<noema_types::Address> {
        match address {
            AddressSpecifier::Numeric(value) => Some(*value),
            AddressSpecifier::Named(name) => {
                self.index.slots.push(Slot { span, kind: SlotKind::AnyAddress });
                let value = *self.globals.module(self.scope.module).addresses.get(name)?;
                let definition = self.index.address(name, value);
                self.index.push(span, definition, Form::Use);
                Some(value)
            }
        }
    }

    pub(super) fn literal(&mut self, literal: &ast::Literal, span: Span) {
        if let ast::Literal::Address(specifier @ AddressSpecifier::Named(_)) = literal {
            // Without the `@`.
            self.address(specifier, Span::new(span.file, span.start + 1, span.end));
        }
    }

    // -----------------------------------------------------------------------------------------------------------
    // Paths and types

    pub(super) fn ty(&mut self, ty: &ast::Type) {
        match &ty.kind {
            TypeKind::Path(path) => {
                self.path(path);
            }
            TypeKind::Reference { inner, .. } => self.ty(inner),
            TypeKind::Tuple(parts) => parts.iter().for_each(|part| self.ty(part)),
            TypeKind::Function { params, result, .. } => {
                params.iter().for_each(|param| self.ty(param));
                self.ty(result);
            }
            TypeKind::Infer | TypeKind::Error => {}
        }
    }

    /// What every segment of a path stands for, by the precedence of [`Scope::resolve`].
    pub(super) fn parts(&self, segments: &[ast::PathSegment]) -> Vec<Option<Part>> {
        let mut parts: Vec<Option<Part>> = vec![None; segments.len()];
        let names: Vec<Option<&Symbol>> = segments
            .iter()
            .map(|segment| match &segment.head {
                PathHead::Name(name) => Some(name),
                PathHead::Address(_) => None,
            })
            .collect();
        let Some(first) = segments.first() else { return parts };
        let addresses = &self.globals.module(self.scope.module).addresses;
        let mut member_at = None;
        if let Some(name) = names[0] {
            if segments.len() == 1 {
                let param = self.scope.type_params.iter().position(|param| param == name);
                parts[0] = match param {
                    Some(position) => u16::try_from(position).ok().map(Part::TypeParam),
                    None => self.scope.member(self.globals, name).map(Part::Member),
                };
                return parts;
            }
            let alias = self.scope.module_alias(self.globals, name);
            let is_address = segments.len() >= 3 && addresses.contains_key(name);
            let has_member =
                |module: ModId| names[1].is_some_and(|member| self.globals.module(module).members.contains_key(member));
            if let Some(module) = alias
                && !(is_address && (segments.len() > 3 || !has_member(module)))
            {
                parts[0] = Some(Part::Module(module));
                member_at = Some((module, 1));
            } else if let Some(member @ Member::Data(data)) = self.scope.member(self.globals, name)
                && segments.len() == 2
            {
                parts[0] = Some(Part::Member(member));
                parts[1] = self.variant(data, names[1]);
                return parts;
            }
        }
        if member_at.is_none() {
            let address = match &first.head {
                PathHead::Address(value) => Some(*value),
                PathHead::Name(name) => addresses.get(name).copied(),
            };
            let Some(address) = address else { return parts };
            parts[0] = Some(Part::Address(address));
            let Some(name) = names.get(1).copied().flatten() else { return parts };
            let ident = crate::expand::ast::ModuleIdent { address, name: name.clone() };
            let Some(module) = self.globals.module_ids.get(&ident).copied() else { return parts };
            parts[1] = Some(Part::Module(module));
            member_at = Some((module, 2));
        }
        if let Some((module, position)) = member_at
            && let Some(name) = names.get(position).copied().flatten()
            && let Some(member) = self.globals.module(module).members.get(name).copied()
        {
            parts[position] = Some(Part::Member(member));
            if let (Member::Data(data), Some(variant)) = (member, names.get(position + 1)) {
                parts[position + 1] = self.variant(data, *variant);
            }
        }
        parts
    }

    fn variant(&self, data: DataId, name: Option<&Symbol>) -> Option<Part> {
        let position = self.globals.datatype(data).variants().iter().position(|one| Some(&one.name.value) == name)?;
        Some(Part::Variant(data, position))
    }

    /// Writes a path down; what its last segment stands for.
    pub(super) fn path(&mut self, path: &ast::Path) -> Option<Part> {
        let parts = self.parts(&path.segments);
        self.write_path(path, parts)
    }

    /// The path of `f(..)` or `f!(..)`.
    pub(super) fn callee(&mut self, path: &ast::Path, is_macro: bool) -> Option<Part> {
        let mut parts = self.parts(&path.segments);
        if let (Some(Some(Part::Member(Member::Fun(function)))), true) = (parts.last_mut(), is_macro) {
            *function = macro_of(self.globals, *function);
        }
        self.write_path(path, parts)
    }

    fn write_path(&mut self, path: &ast::Path, parts: Vec<Option<Part>>) -> Option<Part> {
        let mut parent = None;
        for (segment, part) in path.segments.iter().zip(&parts) {
            let slot = match parent {
                Some(Part::Module(module)) => Some(SlotKind::ModuleMember(module)),
                Some(Part::Member(Member::Data(data))) => Some(SlotKind::Variant(data)),
                Some(Part::Address(address)) => Some(SlotKind::AddressModule(address)),
                _ => None,
            };
            if let Some(kind) = slot {
                self.index.slots.push(Slot { span: segment.span, kind });
            }
            let definition = match *part {
                Some(Part::Address(value)) => match &segment.head {
                    PathHead::Name(name) => Some(self.index.address(name, value)),
                    PathHead::Address(_) => None,
                },
                Some(Part::Module(module)) => Some(Definition::Module(module)),
                Some(Part::Member(member)) => Some(member.into()),
                Some(Part::Variant(data, position)) => Some(Definition::Variant(data, position)),
                Some(Part::TypeParam(position)) => match self.owner {
                    Owner::Fun(id) => Some(Definition::FunTypeParam(id, position)),
                    Owner::Data(id) => Some(Definition::DataTypeParam(id, position)),
                    Owner::Nobody => None,
                },
                None => None,
            };
            if let Some(definition) = definition {
                self.index.push(segment.span, definition, Form::Use);
            }
            parent = *part;
            for arg in segment.type_args.iter().flatten() {
                self.ty(arg);
            }
        }
        parts.last().copied().flatten()
    }

    /// The struct or variant that a pack or pattern names.
    pub(super) fn data_path(&mut self, path: &ast::Path) -> Option<(DataId, Option<usize>)> {
        match self.path(path)? {
            Part::Member(Member::Data(data)) => Some((data, None)),
            Part::Variant(data, variant) => Some((data, Some(variant))),
            _ => None,
        }
    }

    pub(super) fn field(&self, data: DataId, variant: Option<usize>, name: &str) -> Option<(usize, &'a FieldInfo)> {
        let globals = self.globals;
        let fields = match &globals.datatype(data).kind {
            DataKind::Enum(_) | DataKind::Struct(_) => globals.datatype(data).fields_of(variant),
            DataKind::Native => &[],
        };
        fields.iter().enumerate().find(|(_, field)| field.name.value == name)
    }

    // -----------------------------------------------------------------------------------------------------------
    // Locals

    pub(super) fn layer<R>(&mut self, end: u32, inner: impl FnOnce(&mut Self) -> R) -> R {
        self.layers.push(Layer { names: BTreeMap::new(), end });
        let result = inner(self);
        self.layers.pop();
        result
    }

    pub(super) fn declare(&mut self, name: &Name, form: Form) {
        let ty = self.local_types.get(&name.span).cloned();
        self.declare_as(name, LocalKind::Variable, ty, form);
    }

    fn declare_as(&mut self, name: &Name, kind: LocalKind, ty: Option<Ty>, form: Form) {
        let id = self.new_local(name, kind, ty);
        self.index.push(name.span, Definition::Local(id), form);
        if let Some(layer) = self.layers.last_mut() {
            layer.names.insert(name.value.clone(), id);
        }
    }

    fn new_local(&mut self, name: &Name, kind: LocalKind, ty: Option<Ty>) -> u32 {
        let id = u32::try_from(self.index.locals.len()).expect("locals are fewer than 2^32");
        let end = self.layers.last().map_or(name.span.end, |layer| layer.end);
        let visible = Span::new(name.span.file, self.visible_from.max(name.span.end).min(end), end);
        self.index.locals.push(LocalInfo { name: name.clone(), owner: self.function, kind, ty, visible });
        id
    }

    /// The local of a name that the innermost scope binds.
    pub(super) fn bound_here(&self, name: &str) -> Option<u32> {
        self.layers.last().and_then(|layer| layer.names.get(name).copied())
    }

    pub(super) fn lookup(&self, name: &str) -> Option<u32> {
        self.layers.iter().rev().find_map(|layer| layer.names.get(name).copied())
    }

    /// Writes down the use of a local; `false` if there is none of the name.
    pub(super) fn local(&mut self, name: &Name) -> bool {
        let Some(id) = self.lookup(&name.value) else { return false };
        self.index.push(name.span, Definition::Local(id), Form::Use);
        true
    }

    pub(super) fn labelled(&mut self, label: Option<&Name>, inner: impl FnOnce(&mut Self)) {
        let depth = self.labels.len();
        if let Some(label) = label {
            let id = self.new_local(label, LocalKind::Label, None);
            self.index.push(label.span, Definition::Local(id), Form::Declaration);
            self.labels.push((label.value.clone(), id));
        }
        inner(self);
        self.labels.truncate(depth);
    }

    pub(super) fn label(&mut self, label: Option<&Name>) {
        let Some(label) = label else { return };
        if let Some((_, id)) = self.labels.iter().rev().find(|(name, _)| *name == label.value) {
            self.index.push(label.span, Definition::Local(*id), Form::Use);
        }
    }

    pub(super) fn block_uses(&mut self, uses: &[ast::Use]) -> bool {
        if uses.is_empty() {
            return false;
        }
        for item in uses {
            self.use_item(item);
        }
        let aliases = self.scope.block_aliases(self.globals, &mut Diagnostics::new(), uses);
        let (start, end) = (uses[0].span, self.layers.last().map_or(uses[0].span.end, |layer| layer.end));
        let rest = Span::new(start.file, start.end, end);
        let modules = aliases.modules.iter().map(|(name, id)| (rest, name.clone(), Definition::Module(*id)));
        let members = aliases.members.iter().map(|(name, member)| (rest, name.clone(), (*member).into()));
        self.index.block_uses.extend(modules.chain(members));
        self.scope.blocks.push(aliases);
        true
    }
}

/// Whether `caller` may call or name something of `owner` with this visibility.
pub(super) fn is_visible(globals: &Globals, function: FunId, caller: ModId) -> bool {
    let info = globals.function(function);
    let (owner, home) = (globals.module(info.module), globals.module(caller));
    match info.vis {
        _ if info.module == caller => true,
        crate::name::Vis::Public => true,
        crate::name::Vis::Private => false,
        crate::name::Vis::Friend => owner.friends.iter().any(|(friend, _)| *friend == home.ident),
        crate::name::Vis::Package => owner.package == home.package && owner.ident.address == home.ident.address,
    }
}
