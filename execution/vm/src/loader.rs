//! Modules of one session: looked up, linked and asked about types.
//!
//! Every module comes from the state view at its first use (so that the view can record the read) or from what the
//! session itself published. Calls are resolved once per call site: the callee must exist, be visible to the caller and
//! have the signature that the caller was compiled against.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use noema_bytecode::{AbilitySet, CompiledModule, FunctionHandleIndex, SignatureIndex, SignatureToken, Visibility};
use noema_execution_api::{EnumLayout, GasMeter, GasSchedule, MoveTypeLayout, StateView, StatusCode, StructLayout};
use noema_types::{Identifier, ModuleId, StateKey, StructTag, TypeTag};

use crate::error::{Failure, Result, fail, fail_because, invariant};
use crate::limits::LAYOUT_NODES_MAX;
use crate::module::{DatatypeDef, LoadedFunction, LoadedModule};
use crate::types::{TypeArgs, check_tag, close, close_all};
use crate::{Vm, VmLimits};

/// A function of the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Callee {
    pub(crate) module: u32,
    pub(crate) function: u16,
}

/// A module of the session and what was found out about it; every list is filled on first use.
#[derive(Debug)]
struct Linked {
    loaded: Arc<LoadedModule>,
    /// By function handle.
    callees: Vec<Option<Callee>>,
    /// By datatype: structs, then enums.
    datatype_formulas: Vec<Option<Arc<DepthFormula>>>,
    /// By signature: of its only type.
    signature_formulas: Vec<Option<Arc<DepthFormula>>>,
    /// By signature: its types closed over the arguments beside them, if any are needed.
    closed: Vec<Option<Closed>>,
}

/// A signature closed, and the type arguments that it was closed over if it has type parameters.
type Closed = (Option<Arc<TypeArgs>>, Arc<TypeArgs>);

/// How deep values of a datatype are, given the depths of its type arguments: the maximum of `fixed` and of each
/// argument's depth plus its number.
#[derive(Debug, Clone, Default)]
struct DepthFormula {
    fixed: usize,
    of_args: BTreeMap<u16, usize>,
}

pub(crate) struct Loader<'a> {
    vm: &'a Vm,
    view: &'a dyn StateView,
    /// Modules that the session published.
    pub(crate) published: BTreeMap<ModuleId, Bytes>,
    modules: Vec<Linked>,
    by_id: BTreeMap<ModuleId, Option<u32>>,
    layouts: BTreeMap<TypeTag, Arc<MoveTypeLayout>>,
    /// Of the types that were asked for, not of their parts.
    layout_nodes: BTreeMap<TypeTag, u64>,
    formulas: BTreeMap<(u32, Identifier), Arc<DepthFormula>>,
}

impl<'a> Loader<'a> {
    pub(crate) fn new(vm: &'a Vm, view: &'a dyn StateView) -> Self {
        Self {
            vm,
            view,
            published: BTreeMap::new(),
            modules: Vec::new(),
            by_id: BTreeMap::new(),
            layouts: BTreeMap::new(),
            layout_nodes: BTreeMap::new(),
            formulas: BTreeMap::new(),
        }
    }

    pub(crate) fn limits(&self) -> &'a VmLimits {
        self.vm.limits()
    }

    pub(crate) fn is_paranoid(&self) -> bool {
        self.vm.is_paranoid()
    }

    pub(crate) fn view(&self) -> &'a dyn StateView {
        self.view
    }

    pub(crate) fn schedule(&self) -> &'a GasSchedule {
        self.vm.schedule()
    }

    /// A module with this content, prepared.
    pub(crate) fn load(&self, id: &ModuleId, bytes: Bytes) -> Result<Arc<LoadedModule>> {
        self.vm.load_module(id, bytes)
    }

    /// Position of a module that runs.
    pub(crate) fn position(&mut self, loaded: &Arc<LoadedModule>) -> Result<u32> {
        if !loaded.is_script {
            return self.module_index(&loaded.id);
        }
        let at = self.modules.iter().position(|known| Arc::ptr_eq(&known.loaded, loaded));
        let at = at.and_then(|at| u32::try_from(at).ok());
        at.ok_or_else(|| invariant("a script of another session"))
    }

    /// Replaces what the session published and forgets everything that followed from it.
    pub(crate) fn set_published(&mut self, published: BTreeMap<ModuleId, Bytes>) {
        self.published = published;
        self.modules.clear();
        self.by_id.clear();
        self.layouts.clear();
        self.layout_nodes.clear();
        self.formulas.clear();
    }

    /// Bytes of a module, as the session sees it.
    pub(crate) fn module_bytes(&self, id: &ModuleId) -> Result<Option<Bytes>> {
        match self.published.get(id) {
            Some(bytes) => Ok(Some(bytes.clone())),
            None => Ok(self.view.get(&StateKey::Module(id.clone()))?),
        }
    }

    /// As [`Loader::module_bytes`], by the module's place in the state.
    pub(crate) fn module_bytes_at(&self, key: &StateKey) -> Result<Option<Bytes>> {
        if let StateKey::Module(id) = key
            && let Some(bytes) = self.published.get(id)
        {
            return Ok(Some(bytes.clone()));
        }
        Ok(self.view.get(key)?)
    }

    /// Position of a module in the session, if it exists.
    pub(crate) fn find_module(&mut self, id: &ModuleId) -> Result<Option<u32>> {
        if let Some(known) = self.by_id.get(id) {
            return Ok(*known);
        }
        let found = match self.module_bytes(id)? {
            None => None,
            Some(bytes) => {
                let loaded = self.vm.load_module(id, bytes)?;
                Some(self.add(loaded))
            }
        };
        self.by_id.insert(id.clone(), found);
        Ok(found)
    }

    pub(crate) fn module_index(&mut self, id: &ModuleId) -> Result<u32> {
        self.find_module(id)?
            .ok_or_else(|| fail_because(StatusCode::LINKER_ERROR, format!("module {id} does not exist")))
    }

    /// Adds a module that has no name others could use, such as a script.
    pub(crate) fn add(&mut self, loaded: Arc<LoadedModule>) -> u32 {
        let module = &loaded.module;
        let linked = Linked {
            callees: vec![None; module.function_handles.len()],
            datatype_formulas: vec![None; module.struct_defs.len() + module.enum_defs.len()],
            signature_formulas: vec![None; module.signatures.len()],
            closed: vec![None; module.signatures.len()],
            loaded,
        };
        self.modules.push(linked);
        u32::try_from(self.modules.len() - 1).expect("a session has fewer than 2^32 modules")
    }

    #[inline]
    pub(crate) fn module(&self, index: u32) -> &Arc<LoadedModule> {
        &self.modules[index as usize].loaded
    }

    /// The function that a call site of `module` means.
    #[inline]
    pub(crate) fn callee(&mut self, module: u32, handle: FunctionHandleIndex) -> Result<Callee> {
        match self.modules[module as usize].callees.get(handle.index()) {
            Some(Some(callee)) => Ok(*callee),
            _ => self.link(module, handle),
        }
    }

    fn link(&mut self, module: u32, handle: FunctionHandleIndex) -> Result<Callee> {
        let caller = Arc::clone(self.module(module));
        let wanted = caller.module.function_handle_at(handle);
        let target_id = caller.module.module_id_of(caller.module.module_handle_at(wanted.module));
        let name = caller.module.identifier_at(wanted.name);
        let target = if target_id == caller.id { module } else { self.module_index(&target_id)? };
        let callee = Arc::clone(self.module(target));
        let missing = || fail_because(StatusCode::LOOKUP_FAILED, format!("{target_id} has no function {name}"));
        let function = callee.function(name).ok_or_else(missing)?;
        let found = &callee.functions[usize::from(function)];
        let is_visible = target == module
            || match found.visibility {
                Visibility::Public => true,
                Visibility::Friend => callee.is_friend(&caller.id),
                Visibility::Private => false,
            };
        if !is_visible {
            let message = format!("{target_id}::{name} is not visible to {}", caller.id);
            return Err(fail_because(StatusCode::LOOKUP_FAILED, message));
        }
        if !has_signature(&caller.module, handle, &callee.module, found) {
            let message = format!("{target_id}::{name} has another signature than {} expects", caller.id);
            return Err(fail_because(StatusCode::TYPE_MISMATCH, message));
        }
        let callee = Callee { module: target, function };
        self.modules[module as usize].callees[handle.index()] = Some(callee);
        Ok(callee)
    }

    /// The definition of a datatype.
    pub(crate) fn datatype(&mut self, tag: &StructTag) -> Result<(u32, Arc<LoadedModule>, DatatypeDef)> {
        let index = self.module_index(&tag.module_id())?;
        let loaded = Arc::clone(self.module(index));
        let missing = || {
            let message = format!("{} has no type {}", tag.module_id(), tag.name);
            fail_because(StatusCode::TYPE_RESOLUTION_FAILURE, message)
        };
        let def = loaded.datatype(&tag.name).ok_or_else(missing)?;
        if loaded.datatype_handle(def).type_parameters.len() != tag.type_args.len() {
            return Err(fail_because(StatusCode::NUMBER_OF_TYPE_ARGUMENTS_MISMATCH, format!("of {tag}")));
        }
        Ok((index, loaded, def))
    }

    /// Abilities of a closed type.
    pub(crate) fn abilities(&mut self, tag: &TypeTag) -> Result<AbilitySet> {
        Ok(match tag {
            TypeTag::Signer => AbilitySet::SIGNER,
            TypeTag::Vector(element) => {
                AbilitySet::of_instance(AbilitySet::VECTOR, [(self.abilities(element)?, false)])
            }
            TypeTag::Struct(tag) => {
                let (_, loaded, def) = self.datatype(tag)?;
                let handle = loaded.datatype_handle(def);
                let mut args = Vec::with_capacity(tag.type_args.len());
                for (arg, parameter) in tag.type_args.iter().zip(&handle.type_parameters) {
                    let abilities = self.abilities(arg)?;
                    if !parameter.constraints.is_subset(abilities) {
                        let message = format!("{arg} lacks an ability that {tag} asks for");
                        return Err(fail_because(StatusCode::CONSTRAINT_NOT_SATISFIED, message));
                    }
                    args.push((abilities, parameter.is_phantom));
                }
                AbilitySet::of_instance(handle.abilities, args)
            }
            _ => AbilitySet::PRIMITIVES,
        })
    }

    /// Checks type arguments that come from outside against a function's constraints; gives their nodes together.
    pub(crate) fn check_type_args(&mut self, args: &[TypeTag], constraints: &[AbilitySet]) -> Result<u64> {
        if args.len() != constraints.len() {
            let message = format!("expected {} type arguments, got {}", constraints.len(), args.len());
            return Err(fail_because(StatusCode::NUMBER_OF_TYPE_ARGUMENTS_MISMATCH, message));
        }
        let mut nodes = 0;
        for (arg, constraint) in args.iter().zip(constraints) {
            nodes += check_tag(arg)?;
            if !constraint.is_subset(self.abilities(arg)?) {
                let message = format!("type argument {arg} lacks an ability of {constraint:?}");
                return Err(fail_because(StatusCode::CONSTRAINT_NOT_SATISFIED, message));
            }
        }
        Ok(nodes)
    }

    /// Type arguments with what the interpreter wants to know of them.
    pub(crate) fn type_args(&mut self, tags: Vec<TypeTag>, nodes: u64) -> Result<Arc<TypeArgs>> {
        let depths = tags.iter().map(|tag| self.depth_of_tag(tag)).collect::<Result<_>>()?;
        Ok(Arc::new(TypeArgs { tags, depths, nodes }))
    }

    /// Nesting of values of a closed type.
    fn depth_of_tag(&mut self, tag: &TypeTag) -> Result<usize> {
        match tag {
            TypeTag::Vector(element) => Ok(self.depth_of_tag(element)?.saturating_add(1)),
            TypeTag::Struct(tag) => {
                let (module, loaded, def) = self.datatype(tag)?;
                let formula = self.formula(module, &loaded, def, 0)?;
                let depths = tag.type_args.iter().map(|arg| self.depth_of_tag(arg)).collect::<Result<Vec<_>>>()?;
                Ok(formula.apply(&depths))
            }
            _ => Ok(1),
        }
    }

    /// Checks that values of a struct or enum of `module` are not nested too deep.
    #[inline]
    pub(crate) fn check_datatype_depth(&mut self, module: u32, def: DatatypeDef, args: &TypeArgs) -> Result<()> {
        let linked = &self.modules[module as usize];
        let at = match def {
            DatatypeDef::Struct(at) => at,
            DatatypeDef::Enum(at) => linked.loaded.module.struct_defs.len() + at,
        };
        if let Some(Some(formula)) = linked.datatype_formulas.get(at) {
            return self.check_depth(formula.apply(&args.depths));
        }
        let loaded = Arc::clone(&linked.loaded);
        let formula = self.formula(module, &loaded, def, 0)?;
        self.modules[module as usize].datatype_formulas[at] = Some(Arc::clone(&formula));
        self.check_depth(formula.apply(&args.depths))
    }

    /// Checks that vectors of the only type of a signature of `module` are not nested too deep.
    #[inline]
    pub(crate) fn check_vector_depth(&mut self, module: u32, signature: SignatureIndex, args: &TypeArgs) -> Result<()> {
        let linked = &self.modules[module as usize];
        if let Some(Some(formula)) = linked.signature_formulas.get(signature.index()) {
            return self.check_depth(formula.apply(&args.depths).saturating_add(1));
        }
        let loaded = Arc::clone(&linked.loaded);
        let [element] = loaded.module.signature_at(signature) else {
            return Err(invariant("a vector instruction without one element type"));
        };
        let formula = Arc::new(self.token_formula(&loaded, element, 0)?);
        self.modules[module as usize].signature_formulas[signature.index()] = Some(Arc::clone(&formula));
        self.check_depth(formula.apply(&args.depths).saturating_add(1))
    }

    #[inline]
    fn check_depth(&self, depth: usize) -> Result<()> {
        if depth > self.vm.limits().value_depth {
            return Err(fail(StatusCode::VM_MAX_VALUE_DEPTH_REACHED));
        }
        Ok(())
    }

    /// The types of a signature of `module`, closed over the type arguments of the running frame.
    pub(crate) fn close_signature(
        &mut self,
        module: u32,
        signature: SignatureIndex,
        args: &Arc<TypeArgs>,
    ) -> Result<Arc<TypeArgs>> {
        let linked = &self.modules[module as usize];
        if let Some((over, closed)) = &linked.closed[signature.index()]
            && over.as_ref().is_none_or(|over| Arc::ptr_eq(over, args))
        {
            return Ok(Arc::clone(closed));
        }
        let loaded = Arc::clone(&linked.loaded);
        let tokens = loaded.module.signature_at(signature);
        let is_open = |token: &SignatureToken| {
            token.preorder().any(|(token, _)| matches!(token, SignatureToken::TypeParameter(_)))
        };
        let over = tokens.iter().any(is_open).then(|| Arc::clone(args));
        let (tags, nodes) = close_all(&loaded.module, tokens, &args.tags)?;
        let closed = if tags == args.tags { Arc::clone(args) } else { self.type_args(tags, nodes)? };
        self.modules[module as usize].closed[signature.index()] = Some((over, Arc::clone(&closed)));
        Ok(closed)
    }

    fn formula(
        &mut self,
        module: u32,
        loaded: &LoadedModule,
        def: DatatypeDef,
        level: usize,
    ) -> Result<Arc<DepthFormula>> {
        let name = loaded.module.identifier_at(loaded.datatype_handle(def).name);
        if let Some(known) = self.formulas.get(&(module, name.clone())) {
            return Ok(Arc::clone(known));
        }
        let mut formula = DepthFormula { fixed: 0, of_args: BTreeMap::new() };
        for token in loaded.field_types(def) {
            let field = self.token_formula(loaded, token, level + 1)?;
            formula.merge(&field, 1);
        }
        formula.fixed = formula.fixed.max(1);
        let formula = Arc::new(formula);
        self.formulas.insert((module, name.clone()), Arc::clone(&formula));
        Ok(formula)
    }

    fn token_formula(&mut self, loaded: &LoadedModule, token: &SignatureToken, level: usize) -> Result<DepthFormula> {
        if level > self.vm.limits().value_depth {
            return Err(fail(StatusCode::VM_MAX_VALUE_DEPTH_REACHED));
        }
        let mut formula = DepthFormula::default();
        match token {
            SignatureToken::Vector(element) => {
                formula.merge(&self.token_formula(loaded, element, level + 1)?, 1);
            }
            SignatureToken::TypeParameter(index) => {
                formula.of_args.insert(*index, 0);
            }
            SignatureToken::Datatype(_) | SignatureToken::DatatypeInstantiation(_) => {
                let (handle, arguments) = token.as_datatype().expect("matched as a datatype");
                let handle = loaded.module.datatype_handle_at(handle);
                let id = loaded.module.module_id_of(loaded.module.module_handle_at(handle.module));
                let name = loaded.module.identifier_at(handle.name);
                let module = self.module_index(&id)?;
                let defining = Arc::clone(self.module(module));
                let missing = || fail_because(StatusCode::TYPE_RESOLUTION_FAILURE, format!("{id} has no type {name}"));
                let def = defining.datatype(name).ok_or_else(missing)?;
                let generic = self.formula(module, &defining, def, level)?;
                formula.fixed = generic.fixed;
                for (index, steps) in &generic.of_args {
                    let argument = arguments.get(usize::from(*index));
                    let argument = argument.ok_or_else(|| fail(StatusCode::NUMBER_OF_TYPE_ARGUMENTS_MISMATCH))?;
                    formula.merge(&self.token_formula(loaded, argument, level + 1)?, *steps);
                }
            }
            _ => formula.fixed = 1,
        }
        Ok(formula)
    }

    /// Shape of a closed type, charged by its nodes whether it is known already or not.
    pub(crate) fn charged_layout(
        &mut self,
        tag: &TypeTag,
        schedule: &GasSchedule,
        gas: &mut GasMeter,
    ) -> Result<Arc<MoveTypeLayout>> {
        let nodes = self.count_layout(tag)?;
        gas.charge(schedule.dynamic.type_node.times(nodes))?;
        self.layout_below(tag)
    }

    /// Shape of a closed type.
    pub(crate) fn layout(&mut self, tag: &TypeTag) -> Result<Arc<MoveTypeLayout>> {
        if !matches!(tag, TypeTag::Vector(_) | TypeTag::Struct(_)) {
            return self.layout_below(tag);
        }
        self.count_layout(tag)?;
        self.layout_below(tag)
    }

    /// Nodes of the shape of a closed type, which is within the limits.
    ///
    /// A shape is a tree: what two fields share counts twice, and so does its work. So the nodes are counted before
    /// anything is built, and counting stops at the limit, however large the tree would be.
    pub(crate) fn count_layout(&mut self, tag: &TypeTag) -> Result<u64> {
        if let Some(known) = self.layout_nodes.get(tag) {
            return Ok(*known);
        }
        check_tag(tag)?;
        if self.depth_of_tag(tag)? > self.vm.limits().value_depth {
            return Err(fail(StatusCode::VM_MAX_VALUE_DEPTH_REACHED));
        }
        let mut left = LAYOUT_NODES_MAX;
        self.count_layout_below(tag, &mut left)?;
        let nodes = LAYOUT_NODES_MAX - left;
        self.layout_nodes.insert(tag.clone(), nodes);
        Ok(nodes)
    }

    /// Counts every type and every variant; the depth of the outermost type was checked, which bounds the recursion.
    fn count_layout_below(&mut self, tag: &TypeTag, left: &mut u64) -> Result<()> {
        let take = |left: &mut u64, count| {
            let over = || fail_because(StatusCode::VM_MAX_TYPE_NODES_REACHED, format!("in the fields of {tag}"));
            *left = left.checked_sub(count).ok_or_else(over)?;
            Ok::<(), Box<Failure>>(())
        };
        take(left, 1)?;
        let tag = match tag {
            TypeTag::Vector(element) => return self.count_layout_below(element, left),
            TypeTag::Struct(tag) => tag,
            _ => return Ok(()),
        };
        let (_, loaded, def) = self.datatype(tag)?;
        if let DatatypeDef::Enum(at) = def {
            take(left, loaded.module.enum_defs[at].variants.len() as u64)?;
        }
        loaded.field_types(def).into_iter().try_for_each(|field| {
            let field = close(&loaded.module, field, &tag.type_args)?;
            self.count_layout_below(&field, left)
        })
    }

    /// The nodes of the outermost type were counted, which bounds the work.
    fn layout_below(&mut self, tag: &TypeTag) -> Result<Arc<MoveTypeLayout>> {
        if let Some(known) = self.layouts.get(tag) {
            return Ok(Arc::clone(known));
        }
        let layout = Arc::new(match tag {
            TypeTag::Bool => MoveTypeLayout::Bool,
            TypeTag::U8 => MoveTypeLayout::U8,
            TypeTag::U16 => MoveTypeLayout::U16,
            TypeTag::U32 => MoveTypeLayout::U32,
            TypeTag::U64 => MoveTypeLayout::U64,
            TypeTag::U128 => MoveTypeLayout::U128,
            TypeTag::U256 => MoveTypeLayout::U256,
            TypeTag::Address => MoveTypeLayout::Address,
            TypeTag::Signer => MoveTypeLayout::Signer,
            TypeTag::Vector(element) => MoveTypeLayout::Vector(self.layout_below(element)?),
            TypeTag::Struct(tag) => self.datatype_layout(tag)?,
        });
        self.layouts.insert(tag.clone(), Arc::clone(&layout));
        Ok(layout)
    }

    fn datatype_layout(&mut self, tag: &StructTag) -> Result<MoveTypeLayout> {
        let (_, loaded, def) = self.datatype(tag)?;
        let module = &loaded.module;
        let mut fields_of = |fields: &[noema_bytecode::FieldDefinition]| {
            let field = |field: &noema_bytecode::FieldDefinition| {
                let closed = close(module, &field.signature, &tag.type_args)?;
                Ok((module.identifier_at(field.name).clone(), (*self.layout_below(&closed)?).clone()))
            };
            fields.iter().map(field).collect::<Result<Vec<_>>>()
        };
        Ok(match def {
            DatatypeDef::Struct(at) => {
                let fields = module.struct_defs[at].declared_fields();
                let fields = fields.ok_or_else(|| invariant(format!("{tag} is a native struct")))?;
                MoveTypeLayout::Struct(Arc::new(StructLayout { tag: tag.clone(), fields: fields_of(fields)? }))
            }
            DatatypeDef::Enum(at) => {
                let variants = module.enum_defs[at].variants.iter();
                let variants = variants
                    .map(|variant| Ok((module.identifier_at(variant.name).clone(), fields_of(&variant.fields)?)))
                    .collect::<Result<_>>()?;
                MoveTypeLayout::Enum(Arc::new(EnumLayout { tag: tag.clone(), variants }))
            }
        })
    }
}

impl std::fmt::Debug for Loader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loader").field("modules", &self.by_id).finish_non_exhaustive()
    }
}

impl DepthFormula {
    /// Takes in a part that lies `steps` further down.
    fn merge(&mut self, part: &Self, steps: usize) {
        if part.fixed > 0 {
            self.fixed = self.fixed.max(part.fixed.saturating_add(steps));
        }
        for (index, below) in &part.of_args {
            let own = self.of_args.entry(*index).or_default();
            *own = (*own).max(below.saturating_add(steps));
        }
    }

    fn apply(&self, arg_depths: &[usize]) -> usize {
        let of_arg = |(index, steps): (&u16, &usize)| {
            arg_depths.get(usize::from(*index)).copied().unwrap_or(1).saturating_add(*steps)
        };
        self.of_args.iter().map(of_arg).max().unwrap_or(0).max(self.fixed)
    }
}

fn has_signature(
    caller: &CompiledModule,
    handle: FunctionHandleIndex,
    callee: &CompiledModule,
    found: &LoadedFunction,
) -> bool {
    let wanted = caller.function_handle_at(handle);
    let same = |wanted: &[SignatureToken], found: &[SignatureToken]| {
        wanted.len() == found.len() && wanted.iter().zip(found).all(|(a, b)| is_same_type(caller, a, callee, b))
    };
    // The callee may ask for fewer abilities than the caller was compiled against: upgrades may relax them.
    wanted.type_parameters.len() == found.constraints.len()
        && found.constraints.iter().zip(&wanted.type_parameters).all(|(found, wanted)| found.is_subset(*wanted))
        && same(caller.signature_at(wanted.parameters), &found.parameters)
        && same(caller.signature_at(wanted.return_), &found.results)
}

fn is_same_type(left: &CompiledModule, a: &SignatureToken, right: &CompiledModule, b: &SignatureToken) -> bool {
    use SignatureToken as T;
    match (a, b) {
        (T::Vector(a), T::Vector(b))
        | (T::Reference(a), T::Reference(b))
        | (T::MutableReference(a), T::MutableReference(b)) => is_same_type(left, a, right, b),
        _ => match (a.as_datatype(), b.as_datatype()) {
            (None, None) => a == b,
            (Some((a, a_args)), Some((b, b_args))) => {
                let (a, b) = (left.datatype_handle_at(a), right.datatype_handle_at(b));
                left.module_id_of(left.module_handle_at(a.module))
                    == right.module_id_of(right.module_handle_at(b.module))
                    && left.identifier_at(a.name) == right.identifier_at(b.name)
                    && a_args.len() == b_args.len()
                    && a_args.iter().zip(b_args).all(|(a, b)| is_same_type(left, a, right, b))
            }
            _ => false,
        },
    }
}
