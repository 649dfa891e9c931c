//! Generates programs: modules that verify and link, and calls of their functions.

use std::collections::BTreeMap;
use std::sync::Arc;

use noema_bytecode::{Ability, AbilitySet, CompiledModule, DatatypeTypeParameter, Version};
use noema_types::{Address, Identifier, ModuleId, StateKey, TypeTag};
use noema_verifier::{Limits, VerifyError, verify_module};

use crate::arguments;
use crate::body::{self, Features};
use crate::builder::{self, Builder};
use crate::dice::Dice;
use crate::world::{DataId, Datatype, Function, INTEGERS, Shape, Ty, World};

/// A call from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Module.
    pub module: ModuleId,
    /// Function.
    pub function: Identifier,
    /// Type arguments.
    pub type_args: Vec<TypeTag>,
    /// BCS of the arguments.
    pub args: Vec<Vec<u8>>,
}

/// Modules and what is called of them, in one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Modules, dependencies first.
    pub modules: Vec<CompiledModule>,
    /// Resources that are there before.
    pub state: Vec<(StateKey, Vec<u8>)>,
    /// Calls, in order.
    pub calls: Vec<Call>,
}

/// Counts of what generation came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Yield {
    /// Functions with a generated body.
    pub functions: u64,
    /// Bodies that the verifier refused.
    pub refused: u64,
    /// Signatures for which no body was found.
    pub given_up: u64,
}

/// Address of generated modules.
pub const ADDRESS: u64 = 0x42;
/// Tries for a body that verifies.
const TRIES: usize = 3;
/// Tries for a signature that a body can be found for.
const SIGNATURES: usize = 6;

/// Generates the program of a seed on top of `library` (the functions that it may call).
#[must_use]
pub fn program(seed: u64, library: &World, features: Features) -> (Program, Yield) {
    let mut dice = Dice::new(seed);
    let mut world = if features.library { library.clone() } else { World::default() };
    let library_functions = world.functions.len();
    let mut yielded = Yield::default();
    let count = dice.between(1, 3);
    let mut modules = Vec::new();
    let mut own = Vec::new();
    for position in 0..count {
        let (module, functions) = module(position, &mut world, &mut dice, features, library_functions, &mut yielded);
        modules.push(module);
        own.extend(functions);
    }
    let calls = calls(&world, &own, &mut dice, features);
    let state = if features.globals { resources(&world, &mut dice) } else { Vec::new() };
    (Program { modules, state, calls }, yielded)
}

fn module_id(position: u64) -> ModuleId {
    ModuleId::new(address(ADDRESS), Identifier::new(format!("m{position}")).expect("a letter and digits"))
}

fn address(value: u64) -> Address {
    let mut bytes = [0; 32];
    bytes[24..].copy_from_slice(&value.to_be_bytes());
    Address(bytes)
}

fn module(
    position: u64,
    world: &mut World,
    dice: &mut Dice,
    features: Features,
    library_functions: usize,
    yielded: &mut Yield,
) -> (CompiledModule, Vec<usize>) {
    let id = module_id(position);
    let mut builder = Builder::new(&id);
    if features.enums {
        builder.module.version = Version::Sui7;
    }
    let first = world.datatypes.len();
    for at in 0..dice.between(2, 5) {
        let data = datatype(world, &id, at, dice, features);
        world.datatypes.push(data);
        builder.define(world, world.datatypes.len() - 1);
    }
    let own_types: Vec<DataId> = (first..world.datatypes.len()).collect();
    let mut functions = Vec::new();
    let count = dice.between(2, 6);
    for at in 0..count {
        let is_plain = features.plain_calls && at + 2 >= count;
        yielded.functions += 1;
        // Some signatures cannot be filled: their results cannot be made.
        for _ in 0..SIGNATURES {
            let function = if is_plain {
                plain_signature(world, &id, at, dice)
            } else {
                signature(world, &id, at, &own_types, dice, features)
            };
            let callable = callable(world, library_functions, dice);
            if add_function(world, &mut builder, &function, dice, features, &callable, yielded) {
                functions.push(world.functions.len());
                world.functions.push(function);
                break;
            }
            yielded.given_up += 1;
        }
    }
    set_acquires(&mut builder.module);
    (builder.module, functions)
}

/// Functions that the next body may call: all that were generated, and a few of the library.
fn callable(world: &World, library_functions: usize, dice: &mut Dice) -> Vec<usize> {
    let mut callable: Vec<usize> = (library_functions..world.functions.len()).collect();
    if library_functions > 0 {
        callable.extend((0..8).map(|_| dice.index(library_functions)));
        let emit = (0..library_functions).find(|at| world.functions[*at].name.as_str() == "emit");
        callable.extend(emit);
    }
    callable
}

fn set_acquires(module: &mut CompiledModule) {
    let lists = builder::acquires(module);
    for (def, list) in module.function_defs.iter_mut().zip(lists) {
        def.acquires = list;
    }
}

/// Gives the function a body that verifies; says whether one was found.
fn add_function(
    world: &World,
    builder: &mut Builder,
    function: &Function,
    dice: &mut Dice,
    features: Features,
    callable: &[usize],
    yielded: &mut Yield,
) -> bool {
    for _ in 0..TRIES {
        let mut with_body = builder.clone();
        let Some(body) = body::generate(world, &mut with_body, function, dice, features, callable) else { continue };
        with_body.define_function(world, function, &body);
        set_acquires(&mut with_body.module);
        match verify_module(&with_body.module, &Limits::default()) {
            Ok(()) => {
                *builder = with_body;
                return true;
            }
            Err(error) => {
                yielded.refused += 1;
                debug_refusal(&error);
            }
        }
    }
    false
}

#[allow(clippy::print_stderr, reason = "for whoever tunes the generator")]
fn debug_refusal(error: &VerifyError) {
    static WANTED: std::sync::LazyLock<bool> =
        std::sync::LazyLock::new(|| std::env::var_os("MOVE_DIFF_REFUSALS").is_some());
    if *WANTED {
        eprintln!("refused: {error}");
    }
}

fn datatype(world: &World, module: &ModuleId, at: u64, dice: &mut Dice, features: Features) -> Datatype {
    let params = if dice.percent(30) { dice.between(1, 2) } else { 0 };
    let constraint = |dice: &mut Dice| if dice.percent(70) { AbilitySet::EMPTY } else { builder::copy_drop() };
    let constraints: Vec<AbilitySet> = (0..params).map(|_| constraint(dice)).collect();
    let is_enum = features.enums && dice.percent(35);
    let field_count = |dice: &mut Dice| dice.between(u64::from(!is_enum), 4);
    let lists = if is_enum { dice.between(1, 4) } else { 1 };
    let mut lists: Vec<Vec<Ty>> = (0..lists)
        .map(|_| (0..field_count(dice)).map(|_| field_type(world, params as usize, dice)).collect())
        .collect();
    // No exponential shapes.
    for fields in &mut lists {
        while fields.iter().map(|one| world.weight(one)).sum::<usize>() > 40 {
            *fields = vec![Ty::U64];
        }
    }
    let used: Vec<bool> =
        (0..params).map(|param| lists.iter().flatten().any(|ty| uses(world, ty, param as u16))).collect();
    let mut wanted = match dice.below(10) {
        0 if !is_enum => AbilitySet::EMPTY.with(Ability::Store),
        1 => AbilitySet::EMPTY.with(Ability::Drop).with(Ability::Store),
        2..5 if features.globals && !is_enum => AbilitySet::ALL,
        5 if features.globals && !is_enum => {
            AbilitySet::EMPTY.with(Ability::Store).with(Ability::Drop).with(Ability::Key)
        }
        _ => AbilitySet::PRIMITIVES,
    };
    for field in lists.iter().flatten() {
        let given = world.abilities(field, &vec![AbilitySet::ALL; params as usize]);
        wanted = wanted.iter().filter(|ability| given.has(ability.requires())).collect();
    }
    let params = constraints
        .into_iter()
        .zip(used)
        .map(|(constraints, used)| DatatypeTypeParameter { constraints, is_phantom: !used && dice.percent(80) })
        .collect();
    Datatype {
        module: module.clone(),
        name: Identifier::new(format!("{}{at}", if is_enum { 'E' } else { 'S' })).expect("a letter and digits"),
        abilities: wanted,
        params,
        shape: if is_enum { Shape::Enum(lists) } else { Shape::Struct(lists.swap_remove(0)) },
    }
}

/// Whether a type mentions a parameter where phantoms may not stand.
fn uses(world: &World, ty: &Ty, param: u16) -> bool {
    match ty {
        Ty::Param(at) => *at == param,
        Ty::Vector(inner) => uses(world, inner, param),
        Ty::Data(id, types) => {
            let params = &world.datatypes[*id].params;
            types.iter().zip(params).any(|(one, given)| !given.is_phantom && uses(world, one, param))
        }
        _ => false,
    }
}

fn primitive(dice: &mut Dice) -> Ty {
    match dice.below(8) {
        0 => Ty::Bool,
        1 => Ty::Address,
        2 | 3 => Ty::U64,
        _ => dice.pick(&INTEGERS).clone(),
    }
}

fn field_type(world: &World, params: usize, dice: &mut Dice) -> Ty {
    match dice.below(10) {
        0 | 1 if params > 0 => Ty::Param(dice.below(params as u64) as u16),
        2 => primitive(dice).vector(),
        3 | 4 => some_datatype(world, dice, &[]).unwrap_or(Ty::U64),
        5 => some_datatype(world, dice, &[]).map_or(Ty::U8.vector(), Ty::vector),
        _ => primitive(dice),
    }
}

/// A datatype with plain type arguments: one of those generated, mostly the latest.
fn some_datatype(world: &World, dice: &mut Dice, constraints: &[AbilitySet]) -> Option<Ty> {
    if world.datatypes.is_empty() {
        return None;
    }
    let count = world.datatypes.len();
    let id = if dice.percent(80) { count - 1 - dice.index(count.min(6)) } else { dice.index(count) };
    let data = &world.datatypes[id];
    let types: Vec<Ty> = data
        .params
        .iter()
        .map(|_| if !constraints.is_empty() && dice.percent(50) { Ty::Param(0) } else { primitive(dice) })
        .collect();
    let fits =
        types.iter().zip(&data.params).all(|(ty, param)| param.constraints.is_subset(world.abilities(ty, constraints)));
    (fits && world.weight(&Ty::Data(id, types.clone())) <= 60).then_some(Ty::Data(id, types))
}

fn value_type(world: &World, params: &[AbilitySet], dice: &mut Dice) -> Ty {
    match dice.below(10) {
        0 if !params.is_empty() => Ty::Param(dice.index(params.len()) as u16),
        1 => primitive(dice).vector(),
        2..5 => some_datatype(world, dice, params).unwrap_or(Ty::U64),
        5 => some_datatype(world, dice, params).map_or(Ty::U64.vector(), Ty::vector),
        _ => primitive(dice),
    }
}

fn signature(
    world: &World,
    module: &ModuleId,
    at: u64,
    own: &[DataId],
    dice: &mut Dice,
    features: Features,
) -> Function {
    let type_params = if dice.percent(25) { dice.between(1, 2) } else { 0 };
    let type_params: Vec<AbilitySet> = (0..type_params)
        .map(|_| {
            if dice.percent(70) {
                AbilitySet::PRIMITIVES
            } else if dice.percent(60) {
                builder::copy_drop()
            } else {
                AbilitySet::EMPTY.with(Ability::Drop)
            }
        })
        .collect();
    let is_recursive = dice.percent(12);
    let mut params = if is_recursive { vec![Ty::U64] } else { Vec::new() };
    for _ in 0..dice.below(4) {
        let ty = value_type(world, &type_params, dice);
        params.push(match dice.below(10) {
            0 | 1 => ty.borrowed(false),
            2 | 3 => ty.borrowed(true),
            _ => ty,
        });
    }
    let has_resource = own.iter().any(|id| world.datatypes[*id].abilities.has(Ability::Key));
    if features.globals && has_resource && dice.percent(60) {
        params.push(Ty::Signer.borrowed(false));
    }
    let mut results = Vec::new();
    for _ in 0..dice.below(4) {
        results.push(result_type(world, &params, &type_params, dice));
    }
    let name = Identifier::new(format!("f{at}")).expect("a letter and digits");
    Function { module: module.clone(), name, type_params, params, results, is_recursive }
}

/// A function that the official VM can call.
fn plain_signature(world: &World, module: &ModuleId, at: u64, dice: &mut Dice) -> Function {
    let params = (0..dice.below(4)).map(|_| if dice.percent(20) { primitive(dice).vector() } else { primitive(dice) });
    let params = params.collect();
    let count = dice.between(1, 5);
    let mut results = Vec::new();
    while results.len() < count as usize {
        let ty = value_type(world, &[], dice);
        if world.abilities(&ty, &[]).has(Ability::Drop) {
            results.push(ty);
        }
    }
    let name = Identifier::new(format!("f{at}")).expect("a letter and digits");
    Function { module: module.clone(), name, type_params: vec![], params, results, is_recursive: false }
}

fn is_plain(world: &World, function: &Function) -> bool {
    let is_primitive = |ty: &Ty| {
        let inner = if let Ty::Vector(inner) = ty { inner } else { ty };
        !matches!(inner, Ty::Data(..) | Ty::Vector(_) | Ty::Signer) && !inner.is_ref()
    };
    let may_drop = |ty: &Ty| !ty.is_ref() && world.abilities(ty, &[]).has(Ability::Drop);
    function.type_params.is_empty() && function.params.iter().all(is_primitive) && function.results.iter().all(may_drop)
}

fn result_type(world: &World, params: &[Ty], type_params: &[AbilitySet], dice: &mut Dice) -> Ty {
    let references: Vec<&Ty> = params.iter().filter(|ty| ty.is_ref()).collect();
    if !references.is_empty() && dice.percent(20) {
        let of = *dice.pick(&references);
        if *of != Ty::Signer.borrowed(false) {
            return of.clone();
        }
    }
    value_type(world, type_params, dice)
}

/// Values of generated resource types under the addresses that generated code looks at.
fn resources(world: &World, dice: &mut Dice) -> Vec<(StateKey, Vec<u8>)> {
    let mut state = Vec::new();
    for (id, data) in world.datatypes.iter().enumerate() {
        let is_own = data.module.address == address(ADDRESS);
        for last in body::ADDRESSES {
            if !is_own || !data.abilities.has(Ability::Key) {
                continue;
            }
            let choices = if data.params.is_empty() { vec![Ty::U8] } else { vec![Ty::U8, Ty::U64, Ty::Bool] };
            for argument in choices {
                let ty = Ty::Data(id, vec![argument; data.params.len()]);
                if dice.percent(30) || !world.abilities(&ty, &[]).has(Ability::Key) {
                    continue;
                }
                let TypeTag::Struct(tag) = world.tag(&ty) else { continue };
                let key = StateKey::Resource { address: address(u64::from(last)), tag: *tag };
                state.push((key, arguments::random(world, &ty, dice)));
            }
        }
    }
    state
}

fn calls(world: &World, own: &[usize], dice: &mut Dice, features: Features) -> Vec<Call> {
    let mut calls = Vec::new();
    // Later functions call earlier ones, so they come first.
    let mut order: Vec<usize> = own.iter().rev().copied().collect();
    order.truncate(10);
    for at in order {
        let function = &world.functions[at];
        if features.plain_calls && !is_plain(world, function) {
            continue;
        }
        let mut types = Vec::new();
        for constraint in &function.type_params {
            let ty = loop {
                let ty = value_type(world, &[], dice);
                if constraint.is_subset(world.abilities(&ty, &[])) {
                    break ty;
                }
            };
            types.push(ty);
        }
        let mut args = Vec::new();
        for (position, param) in function.params.iter().enumerate() {
            let param = param.substitute(&types);
            let value = if let Ty::Ref(inner) | Ty::MutRef(inner) = &param { inner } else { &param };
            let bytes = if function.is_recursive && position == 0 {
                dice.below(6).to_le_bytes().to_vec()
            } else {
                arguments::random(world, value, dice)
            };
            args.push(bytes);
        }
        calls.push(Call {
            module: function.module.clone(),
            function: function.name.clone(),
            type_args: types.iter().map(|ty| world.tag(ty)).collect(),
            args,
        });
    }
    calls
}

/// Why a program's modules are not sound, if they are not: alone or linked with each other and `library`.
///
/// # Errors
/// The verifier's verdict.
pub fn verify(program: &Program, library: &BTreeMap<ModuleId, Arc<CompiledModule>>) -> Result<(), VerifyError> {
    let mut all = library.clone();
    for module in &program.modules {
        verify_module(module, &Limits::default())?;
        all.insert(module.self_id(), Arc::new(module.clone()));
    }
    program.modules.iter().try_for_each(|module| noema_verifier::verify_linked(module, &all, &Limits::default()))
}
