//! Sessions: the functions that one transaction runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use noema_bytecode::{CompiledModule, CompiledScript, SignatureToken, Visibility};
use noema_execution_api::{
    AnswerSource, ChangeSummary, GasMeter, InferenceUse, MoveTypeLayout, NativeEnvironment, NativeState,
    PublishRequest, Reference, Root, StateView, StatusCode, TransactionContext, Value,
};
use noema_types::{Address, Event, Identifier, ModuleId, StateKey, TypeTag, WriteSet};

use crate::arguments::{check_type, check_value, is_signer};
use crate::error::{ExecError, Result, fail_because, invariant};
use crate::globals::{Globals, change, count};
use crate::loader::{Callee, Loader};
use crate::module::{LoadedFunction, LoadedModule};
use crate::reference::{Machine, Meter, Run};
use crate::tracer::Tracer;
use crate::types::{TypeArgs, close};
use crate::verify::verify_script;
use crate::{Interpreter, Vm, fast};

/// Results of a function: BCS and type of each.
type Results = Vec<(Vec<u8>, TypeTag)>;

/// One transaction's run: functions that see each other's changes to state.
///
/// A function that fails leaves its changes half done: go back to a [`Savepoint`] taken before it. After
/// [`ExecError::Pending`] or a fault, drop the session.
pub struct Session<'a> {
    vm: &'a Vm,
    answers: &'a dyn AnswerSource,
    transaction: TransactionContext,
    loader: Loader<'a>,
    globals: Globals,
    /// In place of `globals` where the fast interpreter runs.
    fast: Option<fast::State>,
    natives: NativeState,
    /// What the functions so far have made; a rollback takes it back, so that the function that ends a failed
    /// transaction has as much as it would have had without the failure.
    memory: u64,
    instructions: u64,
    tracer: Option<&'a mut (dyn Tracer + Send)>,
    /// The same on the reference interpreter, for a paranoid machine.
    pub(crate) twin: Option<Box<Self>>,
}

/// The changes of a session up to a point.
#[derive(Debug, Clone)]
pub struct Savepoint {
    globals: Globals,
    fast: Option<fast::Saved>,
    natives: NativeState,
    memory: u64,
    published: BTreeMap<ModuleId, Bytes>,
    twin: Option<Box<Self>>,
}

/// What a session leaves behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionOutput {
    /// Values of global state whose bytes differ from the view's.
    pub write_set: WriteSet,
    /// Events in order.
    pub events: Vec<Event>,
    /// Inference charged.
    pub inference: InferenceUse,
    /// Modules to publish, if a native asked and [`Session::take_publish_request`] was not called.
    pub publish: Option<PublishRequest>,
}

/// What callers from outside want to know of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionInfo {
    /// Position of its definition.
    pub index: u16,
    /// Who may call it.
    pub visibility: Visibility,
    /// Whether a transaction may call it.
    pub is_entry: bool,
    /// Types of its parameters, by the module's tables.
    pub parameters: Vec<SignatureToken>,
    /// Types of its results, by the module's tables.
    pub results: Vec<SignatureToken>,
    /// Number of type parameters.
    pub type_parameters: usize,
}

impl<'a> Session<'a> {
    pub(crate) fn new(
        vm: &'a Vm,
        view: &'a dyn StateView,
        answers: &'a dyn AnswerSource,
        transaction: TransactionContext,
    ) -> Self {
        let is_fast = vm.interpreter() == Interpreter::Fast && vm.verifies;
        let twin =
            (is_fast && vm.is_paranoid()).then(|| Box::new(Self::alone(vm, view, answers, transaction.clone(), false)));
        Self { twin, ..Self::alone(vm, view, answers, transaction, is_fast) }
    }

    fn alone(
        vm: &'a Vm,
        view: &'a dyn StateView,
        answers: &'a dyn AnswerSource,
        transaction: TransactionContext,
        is_fast: bool,
    ) -> Self {
        Self {
            vm,
            answers,
            transaction,
            loader: Loader::new(vm, view),
            globals: Globals::default(),
            fast: is_fast.then(|| fast::State::new(vm.meters)),
            natives: NativeState::default(),
            memory: 0,
            instructions: 0,
            tracer: None,
            twin: None,
        }
    }

    /// Lets a tracer watch what runs from now on, in the reference interpreter.
    ///
    /// # Panics
    /// If the session has touched global values in the fast interpreter already: they do not move over.
    pub fn trace(&mut self, tracer: &'a mut (dyn Tracer + Send)) {
        let is_unused = self.fast.as_ref().is_none_or(|fast| fast.globals.is_empty());
        assert!(is_unused, "a tracer watches a session from its start");
        self.fast = None;
        self.twin = None;
        self.tracer = Some(tracer);
    }

    /// Runs a function of any visibility. `args` are the BCS of the arguments; a signer's is its address, a reference's
    /// that of the value it refers to. Results that are references come back as what they refer to.
    ///
    /// For the chain's own calls, tests and tools: a transaction's calls go through [`Session::execute_entry`].
    ///
    /// # Errors
    /// [`ExecError`].
    pub fn execute_function(
        &mut self,
        module: &ModuleId,
        function: &str,
        type_args: Vec<TypeTag>,
        args: Vec<Vec<u8>>,
        gas: &mut GasMeter,
    ) -> Result<Results, ExecError> {
        if self.twin.is_some() {
            return self.both(gas, |session, gas| {
                session.execute_function(module, function, type_args.clone(), args.clone(), gas)
            });
        }
        let callee = self.find(module, function).map_err(|failure| failure.nowhere())?;
        let (loaded, type_args) = self.prepare(callee, type_args).map_err(|failure| failure.nowhere())?;
        let function = &loaded.functions[usize::from(callee.function)];
        let run = self.decode_all(callee, &loaded, function, type_args, args).map_err(|failure| failure.nowhere())?;
        self.run(&loaded, function, run, gas)
    }

    /// Runs an entry function for a transaction: checks that it is one, fills its leading signer parameters with
    /// `signers`, and takes only arguments that a transaction may pass.
    ///
    /// # Errors
    /// [`ExecError`].
    pub fn execute_entry(
        &mut self,
        module: &ModuleId,
        function: &str,
        type_args: Vec<TypeTag>,
        signers: &[Address],
        args: Vec<Vec<u8>>,
        gas: &mut GasMeter,
    ) -> Result<(), ExecError> {
        if self.twin.is_some() {
            return self.both(gas, |session, gas| {
                session.execute_entry(module, function, type_args.clone(), signers, args.clone(), gas)
            });
        }
        let callee = self.find(module, function).map_err(|failure| failure.nowhere())?;
        self.execute_checked(callee, type_args, signers, args, true, gas).map(drop)
    }

    /// Runs a function that only looks (the caller throws the session's changes away): arguments as in
    /// [`Session::execute_entry`] but without signers, results as in [`Session::execute_function`].
    ///
    /// # Errors
    /// [`ExecError`].
    pub fn execute_view(
        &mut self,
        module: &ModuleId,
        function: &str,
        type_args: Vec<TypeTag>,
        args: Vec<Vec<u8>>,
        gas: &mut GasMeter,
    ) -> Result<Results, ExecError> {
        if self.twin.is_some() {
            return self.both(gas, |session, gas| {
                session.execute_view(module, function, type_args.clone(), args.clone(), gas)
            });
        }
        let callee = self.find(module, function).map_err(|failure| failure.nowhere())?;
        self.execute_checked(callee, type_args, &[], args, false, gas)
    }

    /// Runs a script for a transaction; arguments as in [`Session::execute_entry`].
    ///
    /// # Errors
    /// [`ExecError`].
    pub fn execute_script(
        &mut self,
        code: &[u8],
        type_args: Vec<TypeTag>,
        signers: &[Address],
        args: Vec<Vec<u8>>,
        gas: &mut GasMeter,
    ) -> Result<(), ExecError> {
        if self.twin.is_some() {
            return self
                .both(gas, |session, gas| session.execute_script(code, type_args.clone(), signers, args.clone(), gas));
        }
        let loaded = self.load_script(code).map_err(|failure| failure.nowhere())?;
        let callee = Callee { module: self.loader.add(Arc::new(loaded)), function: 0 };
        self.execute_checked(callee, type_args, signers, args, true, gas).map(drop)
    }

    /// Makes modules visible to the functions that run next, and writes them at the session's end.
    ///
    /// Each is read and verified by itself here. Linking, cycles and compatibility with what they replace are checked
    /// by whoever publishes, before.
    ///
    /// # Errors
    /// [`ExecError::Program`] if a module is malformed or fails verification; nothing is published then.
    pub fn publish_modules(&mut self, modules: Vec<Vec<u8>>) -> Result<Vec<ModuleId>, ExecError> {
        if let Some(twin) = &mut self.twin {
            // It fails where this session fails.
            let _ = twin.publish_modules(modules.clone());
        }
        let mut published = self.loader.published.clone();
        let mut ids = Vec::with_capacity(modules.len());
        for bytes in modules {
            let bytes = Bytes::from(bytes);
            let module = CompiledModule::deserialize(&bytes)
                .map_err(|error| fail_because(error.status, error.to_string()).nowhere())?;
            let id = module.self_id();
            self.vm.load_module(&id, bytes.clone()).map_err(|failure| failure.nowhere())?;
            published.insert(id.clone(), bytes);
            ids.push(id);
        }
        self.set_published(published);
        Ok(ids)
    }

    /// Remembers the changes so far.
    #[must_use]
    pub fn savepoint(&self) -> Savepoint {
        Savepoint {
            globals: self.globals.clone(),
            fast: self.fast.as_ref().map(|fast| fast.globals.save()),
            natives: self.natives.clone(),
            memory: self.memory,
            published: self.loader.published.clone(),
            twin: self.twin.as_ref().map(|twin| Box::new(twin.savepoint())),
        }
    }

    /// Undoes all changes since a savepoint: values, events, counters, modules, and what counts against the memory
    /// limit.
    pub fn rollback(&mut self, savepoint: Savepoint) {
        if let (Some(twin), Some(saved)) = (&mut self.twin, savepoint.twin) {
            twin.rollback(*saved);
        }
        self.globals = savepoint.globals;
        if let (Some(fast), Some(saved)) = (&mut self.fast, &savepoint.fast) {
            fast.restore(saved).expect("a savepoint holds what the session encoded itself");
        }
        self.natives = savepoint.natives;
        self.memory = savepoint.memory;
        if self.loader.published != savepoint.published {
            self.set_published(savepoint.published);
        }
    }

    fn set_published(&mut self, published: BTreeMap<ModuleId, Bytes>) {
        self.loader.set_published(published);
        if let Some(fast) = &mut self.fast {
            fast.forget_code();
        }
    }

    /// How much the session changes so far, for its price.
    ///
    /// # Errors
    /// If a value cannot be encoded: this software is at fault.
    pub fn change_summary(&self) -> Result<ChangeSummary, ExecError> {
        self.changes().map(|(_, summary)| summary).map_err(|failure| failure.nowhere())
    }

    /// Ends the session.
    ///
    /// # Errors
    /// If a value cannot be encoded: this software is at fault.
    pub fn finish(self) -> Result<SessionOutput, ExecError> {
        let (write_set, _) = self.changes().map_err(|failure| failure.nowhere())?;
        let NativeState { events, publish, inference, .. } = self.natives;
        Ok(SessionOutput { write_set, events, inference, publish })
    }

    /// What a native asked to publish, once.
    pub fn take_publish_request(&mut self) -> Option<PublishRequest> {
        if let Some(twin) = &mut self.twin {
            let _ = twin.take_publish_request();
        }
        self.natives.publish.take()
    }

    /// Events so far.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.natives.events
    }

    /// What the unit test has shown so far.
    #[must_use]
    pub fn printed(&self) -> &[String] {
        &self.natives.printed
    }

    /// Inference charged so far.
    #[must_use]
    pub fn inference(&self) -> &InferenceUse {
        &self.natives.inference
    }

    /// Instructions that the session's functions have run.
    #[must_use]
    pub fn instructions(&self) -> u64 {
        self.instructions
    }

    /// A module, as the session sees it.
    ///
    /// # Errors
    /// If it is malformed, or the store failed.
    pub fn module(&mut self, id: &ModuleId) -> Result<Option<Arc<CompiledModule>>, ExecError> {
        let index = self.loader.find_module(id).map_err(|failure| failure.nowhere())?;
        Ok(index.map(|index| Arc::clone(&self.loader.module(index).module)))
    }

    /// A function, if its module has it.
    ///
    /// # Errors
    /// If the module is malformed, or the store failed.
    pub fn function(&mut self, module: &ModuleId, name: &str) -> Result<Option<FunctionInfo>, ExecError> {
        let Some(index) = self.loader.find_module(module).map_err(|failure| failure.nowhere())? else {
            return Ok(None);
        };
        let loaded = self.loader.module(index);
        Ok(loaded.function(name).map(|at| {
            let function = &loaded.functions[usize::from(at)];
            FunctionInfo {
                index: at,
                visibility: function.visibility,
                is_entry: function.is_entry,
                parameters: function.parameters.clone(),
                results: function.results.clone(),
                type_parameters: function.constraints.len(),
            }
        }))
    }

    /// Shape of a closed type.
    ///
    /// # Errors
    /// If a module or type is missing, the type is over the limits, or the store failed.
    pub fn type_layout(&mut self, tag: &TypeTag) -> Result<Arc<MoveTypeLayout>, ExecError> {
        self.loader.layout(tag).map_err(|failure| failure.nowhere())
    }

    /// # Panics
    /// If what natives left or what counts against the memory limit differs.
    pub(crate) fn compare(&self, twin: &Self) {
        assert_eq!(self.natives, twin.natives, "what natives left in the two interpreters");
        assert_eq!(self.memory, twin.memory, "memory that the two interpreters count");
    }

    pub(crate) fn changes(&self) -> Result<(WriteSet, ChangeSummary)> {
        let (mut writes, mut summary) = (WriteSet::default(), ChangeSummary::default());
        match &self.fast {
            Some(fast) => fast.globals.changes(&mut writes, &mut summary)?,
            None => self.globals.changes(&mut writes, &mut summary)?,
        }
        for (id, bytes) in &self.loader.published {
            let key = StateKey::Module(id.clone());
            let old = self.loader.view().get(&key)?;
            if let Some(op) = change(old.as_deref(), Some(bytes)) {
                count(&mut summary, &key, old.is_some(), &op);
                writes.0.insert(key, op);
            }
        }
        Ok((writes, summary))
    }

    fn load_script(&self, code: &[u8]) -> Result<LoadedModule> {
        let script = CompiledScript::deserialize(code)
            .map_err(|error| fail_because(error.status, format!("script: {error}")))?;
        verify_script(&script)?;
        LoadedModule::from_script(script, self.vm.schedule())
    }

    fn find(&mut self, module: &ModuleId, name: &str) -> Result<Callee> {
        let index = self.loader.module_index(module)?;
        let missing =
            || fail_because(StatusCode::FUNCTION_RESOLUTION_FAILURE, format!("{module} has no function {name}"));
        Ok(Callee { module: index, function: self.loader.module(index).function(name).ok_or_else(missing)? })
    }

    fn prepare(&mut self, callee: Callee, type_args: Vec<TypeTag>) -> Result<(Arc<LoadedModule>, Arc<TypeArgs>)> {
        let loaded = Arc::clone(self.loader.module(callee.module));
        let constraints = &loaded.functions[usize::from(callee.function)].constraints;
        let nodes = self.loader.check_type_args(&type_args, constraints)?;
        Ok((loaded, self.loader.type_args(type_args, nodes)?))
    }

    fn execute_checked(
        &mut self,
        callee: Callee,
        type_args: Vec<TypeTag>,
        signers: &[Address],
        args: Vec<Vec<u8>>,
        is_entry: bool,
        gas: &mut GasMeter,
    ) -> Result<Results, ExecError> {
        let (loaded, type_args) = self.prepare(callee, type_args).map_err(|failure| failure.nowhere())?;
        let function = &loaded.functions[usize::from(callee.function)];
        if is_entry {
            check_is_entry(&loaded, function).map_err(|failure| failure.nowhere())?;
        }
        let args = add_signers(function, signers, args).map_err(|failure| failure.nowhere())?;
        check_types(&loaded, function, &type_args).map_err(|failure| failure.nowhere())?;
        let run = self.decode_all(callee, &loaded, function, type_args, args).map_err(|failure| failure.nowhere())?;
        let objects = check_args(&loaded, function, &run).map_err(|failure| failure.nowhere())?;
        self.check_objects(objects, gas)?;
        self.run(&loaded, function, run, gas)
    }

    /// Lets Move code check that the objects a transaction names exist and are what it says.
    fn check_objects(&mut self, objects: Vec<(Address, TypeTag)>, gas: &mut GasMeter) -> Result<(), ExecError> {
        if objects.is_empty() {
            return Ok(());
        }
        let name = Identifier::new("object").expect("a plain word is an identifier");
        let module = ModuleId::new(Address::ONE, name);
        for (address, of) in objects {
            self.execute_function(&module, "address_to_object", vec![of], vec![address.0.to_vec()], gas)?;
        }
        Ok(())
    }

    fn decode_all(
        &mut self,
        callee: Callee,
        loaded: &LoadedModule,
        function: &LoadedFunction,
        type_args: Arc<TypeArgs>,
        args: Vec<Vec<u8>>,
    ) -> Result<Run> {
        if args.len() != function.parameters.len() {
            let message = format!("expected {} arguments, got {}", function.parameters.len(), args.len());
            return Err(fail_because(StatusCode::NUMBER_OF_ARGUMENTS_MISMATCH, message));
        }
        let mut run = Run { callee, type_args, args: Vec::with_capacity(args.len()), places: Vec::new() };
        for (position, (bytes, token)) in args.iter().zip(&function.parameters).enumerate() {
            let tag = close(&loaded.module, token.referent().unwrap_or(token), &run.type_args.tags)?;
            let value = self.loader.layout(&tag)?.decode(bytes).map_err(|error| {
                let message = format!("argument {position} is no {tag}: {error}");
                fail_because(StatusCode::FAILED_TO_DESERIALIZE_ARGUMENT, message)
            })?;
            if token.is_reference() {
                let slot = u32::try_from(run.places.len()).map_err(|_| invariant("too many arguments"))?;
                run.places.push(value);
                let reference = Reference::to_root(Root::Local(slot), token.is_mutable_reference());
                run.args.push(Value::Reference(reference));
            } else {
                run.args.push(value);
            }
        }
        Ok(run)
    }

    fn run(
        &mut self,
        loaded: &LoadedModule,
        function: &LoadedFunction,
        run: Run,
        gas: &mut GasMeter,
    ) -> Result<Results, ExecError> {
        let environment =
            NativeEnvironment { transaction: &self.transaction, answers: self.answers, schedule: self.vm.schedule() };
        let type_args = Arc::clone(&run.type_args);
        if let Some(fast) = &mut self.fast {
            let context = fast::Context {
                loader: &mut self.loader,
                natives: &mut self.natives,
                environment,
                gas,
                made: &mut self.memory,
                instructions: &mut self.instructions,
                worlds: &self.vm.worlds,
            };
            let values = fast.run(context, run)?;
            return encode_results(&mut self.loader, loaded, function, &type_args, values)
                .map_err(|failure| failure.nowhere());
        }
        let meter = Meter {
            gas,
            costs: &self.vm.schedule().dynamic,
            memory: &mut self.memory,
            memory_max: self.vm.limits().memory_bytes,
        };
        let mut machine =
            Machine::new(&mut self.loader, &mut self.globals, &mut self.natives, environment, meter, self.vm.limits());
        machine.tracer = self.tracer.as_mut().map(|tracer| &mut **tracer as _);
        let outcome = machine.run(run);
        self.instructions += machine.instructions;
        let values: Result<Vec<_>> = outcome?.into_iter().map(|value| machine.resolve(value)).collect();
        let values = values.map_err(|failure| failure.nowhere())?;
        encode_results(&mut self.loader, loaded, function, &type_args, values).map_err(|failure| failure.nowhere())
    }
}

impl std::fmt::Debug for Session<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("transaction", &self.transaction)
            .field("loader", &self.loader)
            .field("natives", &self.natives)
            .field("instructions", &self.instructions)
            .finish_non_exhaustive()
    }
}

/// BCS and types of results; of a reference, those of what it refers to.
fn encode_results(
    loader: &mut Loader<'_>,
    loaded: &LoadedModule,
    function: &LoadedFunction,
    type_args: &TypeArgs,
    values: Vec<Value>,
) -> Result<Results> {
    let encode = |(value, token): (Value, &SignatureToken)| {
        let tag = close(&loaded.module, token.referent().unwrap_or(token), &type_args.tags)?;
        let bytes = loader.layout(&tag)?.encode(&value);
        Ok((bytes.map_err(|error| invariant(format!("result is no {tag}: {error}")))?, tag))
    };
    values.into_iter().zip(&function.results).map(encode).collect()
}

fn check_is_entry(loaded: &LoadedModule, function: &LoadedFunction) -> Result<()> {
    if !function.is_entry {
        let message = format!("{}::{} is not an entry function", loaded.id, function.name);
        return Err(fail_because(StatusCode::EXECUTE_ENTRY_FUNCTION_CALLED_ON_NON_ENTRY_FUNCTION, message));
    }
    if !function.results.is_empty() {
        let message = format!("entry function {}::{} returns a value", loaded.id, function.name);
        return Err(fail_because(StatusCode::INVALID_MAIN_FUNCTION_SIGNATURE, message));
    }
    Ok(())
}

/// The transaction's arguments after its signers, which a function takes all or none of.
fn add_signers(function: &LoadedFunction, signers: &[Address], args: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>> {
    let wanted = function.parameters.iter().take_while(|token| is_signer(token)).count();
    if wanted + args.len() != function.parameters.len() {
        let message = format!("expected {} arguments, got {}", function.parameters.len() - wanted, args.len());
        return Err(fail_because(StatusCode::NUMBER_OF_ARGUMENTS_MISMATCH, message));
    }
    if wanted == 0 {
        return Ok(args);
    }
    if wanted != signers.len() {
        let message = format!("the function takes {wanted} signers, the transaction has {}", signers.len());
        return Err(fail_because(StatusCode::NUMBER_OF_SIGNER_ARGUMENTS_MISMATCH, message));
    }
    Ok(signers.iter().map(|signer| signer.0.to_vec()).chain(args).collect())
}

/// Checks decoded arguments of such types against what a transaction may pass; gives the objects among them.
fn check_args(loaded: &LoadedModule, function: &LoadedFunction, run: &Run) -> Result<Vec<(Address, TypeTag)>> {
    let mut objects = Vec::new();
    let passed = function.parameters.iter().zip(&run.args).skip_while(|(token, _)| is_signer(token));
    for (token, value) in passed {
        check_value(value, &close(&loaded.module, token, &run.type_args.tags)?, &mut objects)?;
    }
    Ok(objects)
}

/// Checks that a transaction may pass what a function takes. Before anything is decoded: shapes of the types that it may
/// pass are small, so that they need no charge.
fn check_types(loaded: &LoadedModule, function: &LoadedFunction, type_args: &TypeArgs) -> Result<()> {
    for token in function.parameters.iter().skip_while(|token| is_signer(token)) {
        if token.is_reference() {
            let message = format!("a transaction cannot pass {token:?}");
            return Err(fail_because(StatusCode::INVALID_PARAM_TYPE_FOR_DESERIALIZATION, message));
        }
        check_type(&close(&loaded.module, token, &type_args.tags)?)?;
    }
    Ok(())
}
