//! Natives: functions that Move declares and the node implements.
//!
//! A native is a plain function `fn(&mut NativeContext, NativeArgs) -> NativeResult`. It takes its arguments one by one
//! in declared order, charges gas before it works, and returns its results in declared order:
//!
//! ```
//! use noema_execution_api::{InternalGas, NativeArgs, NativeContext, NativeResult, Value};
//!
//! /// `native fun xor(data: &vector<u8>): u8;`
//! fn xor(context: &mut NativeContext<'_>, mut args: NativeArgs) -> NativeResult {
//!     let data = args.reference()?;
//!     let length = context.read(&data)?.as_bytes().map_or(0, <[u8]>::len);
//!     context.charge_bytes(length)?;
//!     let folded = context.read_bytes(&data)?.iter().fold(0, |sum, byte| sum ^ byte);
//!     Ok(vec![Value::U8(folded)])
//! }
//! ```
//!
//! What a native does beyond its results goes through the [`NativeContext`] and nowhere else: it has no state of its
//! own, no clock, no files, so that a transaction that runs again from its start repeats exactly. How a run ends is kept
//! apart in [`NativeError`]: the program's own end (abort, status), out of gas, an answer that is not there yet, a fault
//! of the node.
//!
//! [`NativeContext`] needs of a virtual machine only the few operations of [`NativeHost`]; everything that belongs to the
//! transaction rather than to a machine is [`NativeState`].

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use noema_types::{Address, Event, Hash, Identifier, StructTag, TypeTag, U256};

use crate::gas::{GasMeter, GasSchedule, InternalGas, OutOfGas};
use crate::layout::{BcsError, MoveTypeLayout};
use crate::outcome::InferenceUse;
use crate::pending::{AnswerSource, PendingJob};
use crate::state_view::StateError;
use crate::status::StatusCode;
use crate::value::{Reference, Value};

/// Events of a transaction, at most.
pub const EVENTS_MAX: usize = 4_096;
/// Bytes of types and data of a transaction's events, at most.
pub const EVENT_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Memory of a value that a native decodes, by [`Value::memory_size`], at most.
pub const DESERIALIZED_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Results of a native, or how it ended.
pub type NativeResult<T = Vec<Value>> = Result<T, NativeError>;

/// A native's implementation.
pub type NativeFunction = fn(&mut NativeContext<'_>, NativeArgs) -> NativeResult;

/// Why a native gave no results.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NativeError {
    /// The program aborts with `code`, located in the native's module.
    Abort {
        /// Abort code.
        code: u64,
    },
    /// The program ends with a status of its own.
    Status {
        /// Status.
        code: StatusCode,
        /// What is wrong.
        message: String,
    },
    /// The balance does not cover a charge.
    OutOfGas,
    /// The transaction waits for an answer and runs again from its start.
    Pending(PendingJob),
    /// The store failed.
    Fault(StateError),
}

/// Natives by address, module and function.
#[derive(Clone, Default)]
pub struct NativeTable {
    functions: BTreeMap<(Address, Identifier, Identifier), NativeFunction>,
}

/// Arguments of a native, taken in declared order.
#[derive(Debug)]
pub struct NativeArgs {
    values: std::vec::IntoIter<Value>,
}

/// What natives know about the transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionContext {
    /// Hash of the transaction; zero outside of one (views, genesis, tests).
    pub hash: Hash,
    /// Sender.
    pub sender: Address,
    /// Chain.
    pub chain_id: u8,
    /// Price of a unit of gas.
    pub gas_unit_price: u64,
    /// Units of gas the sender allows.
    pub gas_units_max: u64,
}

impl Default for TransactionContext {
    fn default() -> Self {
        Self { hash: Hash::ZERO, sender: Address::ZERO, chain_id: 0, gas_unit_price: 0, gas_units_max: 0 }
    }
}

/// A counter that starts at zero in every transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(usize)]
pub enum Counter {
    /// Unique addresses.
    UniqueAddress,
    /// Table handles.
    TableHandle,
    /// Questions to models.
    Inference,
}

/// Counters there are.
const COUNTERS: usize = 3;

/// Modules that the transaction asks to publish; the executor does it after the payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishRequest {
    /// Address the modules must have.
    pub owner: Address,
    /// Names of the modules, in the order of `modules`.
    pub expected_names: Vec<String>,
    /// Modules outside the package that it may depend on, if restricted; an empty name allows the whole address.
    pub allowed_dependencies: Option<Vec<(Address, String)>>,
    /// Bytes of the modules.
    pub modules: Vec<Vec<u8>>,
    /// The package's upgrade policy, as `0x1::code` numbers them.
    pub policy: u8,
}

/// What natives leave behind in a transaction, independent of the machine that runs it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NativeState {
    /// Events in order.
    pub events: Vec<Event>,
    /// What to publish after the payload.
    pub publish: Option<PublishRequest>,
    /// Inference charged so far.
    pub inference: InferenceUse,
    /// What unit tests show, in order; empty on a node.
    pub printed: Vec<String>,
    counters: [u64; COUNTERS],
    /// Bytes of types and data of `events`.
    event_bytes: u64,
}

/// What a native takes from outside the machine.
#[derive(Clone, Copy)]
pub struct NativeEnvironment<'a> {
    /// The transaction.
    pub transaction: &'a TransactionContext,
    /// Answers of models.
    pub answers: &'a dyn AnswerSource,
    /// Prices.
    pub schedule: &'a GasSchedule,
}

/// What a native may do to a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableKey<'a> {
    /// The table's handle.
    pub handle: Address,
    /// BCS of the key.
    pub key: &'a [u8],
    /// Type of the items.
    pub value_type: &'a TypeTag,
}

/// What a virtual machine does for natives.
///
/// References are those that the machine passed as arguments or returned from here; any other is an error. The first use
/// of a table item is charged by the machine like that of any global value.
pub trait NativeHost {
    /// The value at a reference.
    ///
    /// # Errors
    /// If the reference leads nowhere.
    fn read(&mut self, reference: &Reference) -> NativeResult<&Value>;

    /// Replaces the value at a mutable reference by one of the same type.
    ///
    /// # Errors
    /// If the reference leads nowhere or is not mutable.
    fn write(&mut self, reference: &Reference, value: Value) -> NativeResult<()>;

    /// Shape of a type, charged by its nodes.
    ///
    /// # Errors
    /// Out of gas, or if the type is over the limits or a module it needs is missing.
    fn layout(&mut self, tag: &TypeTag, gas: &mut GasMeter) -> NativeResult<Arc<MoveTypeLayout>>;

    /// Whether `address` holds a resource of the type, whichever module defines it.
    ///
    /// # Errors
    /// Out of gas, or a fault.
    fn resource_exists(&mut self, address: Address, tag: &StructTag, gas: &mut GasMeter) -> NativeResult<bool>;

    /// Whether a table has an item.
    ///
    /// # Errors
    /// Out of gas, or a fault.
    fn table_contains(&mut self, item: TableKey<'_>, gas: &mut GasMeter) -> NativeResult<bool>;

    /// Adds an item; false, and nothing done, if the table has one there.
    ///
    /// # Errors
    /// Out of gas, or a fault.
    fn table_insert(&mut self, item: TableKey<'_>, value: Value, gas: &mut GasMeter) -> NativeResult<bool>;

    /// A reference to an item, if there is one.
    ///
    /// # Errors
    /// Out of gas, or a fault.
    fn table_borrow(
        &mut self,
        item: TableKey<'_>,
        mutable: bool,
        gas: &mut GasMeter,
    ) -> NativeResult<Option<Reference>>;

    /// Takes an item out, if there is one.
    ///
    /// # Errors
    /// Out of gas, or a fault.
    fn table_remove(&mut self, item: TableKey<'_>, gas: &mut GasMeter) -> NativeResult<Option<Value>>;
}

/// A native's view of the machine and the transaction.
pub struct NativeContext<'a> {
    host: &'a mut dyn NativeHost,
    state: &'a mut NativeState,
    environment: NativeEnvironment<'a>,
    gas: &'a mut GasMeter,
    type_args: &'a [TypeTag],
}

impl NativeError {
    /// An argument or value that cannot occur in verified code: this software is at fault.
    #[must_use]
    pub fn invariant(message: impl Into<String>) -> Self {
        Self::Status { code: StatusCode::UNKNOWN_INVARIANT_VIOLATION_ERROR, message: message.into() }
    }
}

impl From<OutOfGas> for NativeError {
    fn from(_: OutOfGas) -> Self {
        Self::OutOfGas
    }
}

impl From<StateError> for NativeError {
    fn from(error: StateError) -> Self {
        Self::Fault(error)
    }
}

impl NativeTable {
    /// An empty table.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a native.
    ///
    /// # Panics
    /// If a name is no identifier or the native is there already: the table is built from constants.
    pub fn add(&mut self, address: Address, module: &str, function: &str, native: NativeFunction) {
        let name = |text: &str| Identifier::new(text).expect("natives are named by identifiers");
        let old = self.functions.insert((address, name(module), name(function)), native);
        assert!(old.is_none(), "native {address}::{module}::{function} is defined twice");
    }

    /// Adds the natives of one module.
    ///
    /// # Panics
    /// As [`NativeTable::add`].
    pub fn add_module(&mut self, address: Address, module: &str, natives: &[(&str, NativeFunction)]) {
        for (function, native) in natives {
            self.add(address, module, function, *native);
        }
    }

    /// All natives of `self` and `other`.
    ///
    /// # Panics
    /// If both have one of the same name.
    #[must_use]
    pub fn merged(mut self, other: Self) -> Self {
        for (key, native) in other.functions {
            let name = format!("{}::{}::{}", key.0, key.1, key.2);
            assert!(self.functions.insert(key, native).is_none(), "native {name} is defined twice");
        }
        self
    }

    /// The native of this name.
    #[must_use]
    pub fn get(&self, address: Address, module: &Identifier, function: &Identifier) -> Option<NativeFunction> {
        self.functions.get(&(address, module.clone(), function.clone())).copied()
    }

    /// Names of all natives, in order.
    pub fn names(&self) -> impl Iterator<Item = &(Address, Identifier, Identifier)> {
        self.functions.keys()
    }
}

impl std::fmt::Debug for NativeTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.functions.keys()).finish()
    }
}

macro_rules! take_argument {
    ($($(#[$doc:meta])* $name:ident: $type:ty = $pattern:pat => $result:expr;)*) => {$(
        $(#[$doc])*
        ///
        /// # Errors
        /// If there is none or it is of another type: the module's declaration and the native differ.
        pub fn $name(&mut self) -> NativeResult<$type> {
            match self.values.next() {
                Some($pattern) => Ok($result),
                other => Err(NativeError::invariant(format!(
                    "native expected an argument of kind {}, got {other:?}", stringify!($name)
                ))),
            }
        }
    )*};
}

impl NativeArgs {
    /// Wraps arguments in declared order.
    #[must_use]
    pub fn new(values: Vec<Value>) -> Self {
        Self { values: values.into_iter() }
    }

    take_argument! {
        /// The next argument, whatever it is.
        value: Value = value => value;
        /// The next argument, a `bool`.
        bool: bool = Value::Bool(bit) => bit;
        /// The next argument, a `u8`.
        u8: u8 = Value::U8(number) => number;
        /// The next argument, a `u16`.
        u16: u16 = Value::U16(number) => number;
        /// The next argument, a `u32`.
        u32: u32 = Value::U32(number) => number;
        /// The next argument, a `u64`.
        u64: u64 = Value::U64(number) => number;
        /// The next argument, a `u128`.
        u128: u128 = Value::U128(number) => number;
        /// The next argument, a `u256`.
        u256: U256 = Value::U256(number) => number;
        /// The next argument, an `address`.
        address: Address = Value::Address(address) => address;
        /// The next argument, a `vector<u8>`.
        bytes: Vec<u8> = Value::Bytes(bytes) => bytes;
        /// The next argument, a vector of anything but `u8`.
        vector: Vec<Value> = Value::Vector(values) => values;
        /// The fields of the next argument, a struct.
        fields: Vec<Value> = Value::Struct(fields) => fields;
        /// The next argument, a reference.
        reference: Reference = Value::Reference(reference) => reference;
    }

    /// The bytes of the next argument, a struct around one `vector<u8>` such as a `String`.
    ///
    /// # Errors
    /// If there is none or it is of another type.
    pub fn string_bytes(&mut self) -> NativeResult<Vec<u8>> {
        Self::new(self.fields()?).bytes()
    }
}

impl NativeState {
    /// The counter's value, which is one more at the next call.
    pub fn next(&mut self, counter: Counter) -> u64 {
        let value = &mut self.counters[counter as usize];
        *value += 1;
        *value - 1
    }
}

impl std::fmt::Debug for NativeEnvironment<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NativeEnvironment").field("transaction", self.transaction).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for NativeContext<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NativeContext")
            .field("state", self.state)
            .field("environment", &self.environment)
            .field("gas", self.gas)
            .field("type_args", &self.type_args)
            .finish_non_exhaustive()
    }
}

impl<'a> NativeContext<'a> {
    /// Joins a machine and a transaction for one call.
    #[must_use]
    pub fn new(
        host: &'a mut dyn NativeHost,
        state: &'a mut NativeState,
        environment: NativeEnvironment<'a>,
        gas: &'a mut GasMeter,
        type_args: &'a [TypeTag],
    ) -> Self {
        Self { host, state, environment, gas, type_args }
    }

    /// The call's type arguments.
    #[must_use]
    pub fn type_args(&self) -> &'a [TypeTag] {
        self.type_args
    }

    /// The call's type argument at `index`.
    ///
    /// # Errors
    /// If there is none: the module's declaration and the native differ.
    pub fn type_arg(&self, index: usize) -> NativeResult<&'a TypeTag> {
        self.type_args.get(index).ok_or_else(|| NativeError::invariant("native expected another type argument"))
    }

    /// The transaction.
    #[must_use]
    pub fn transaction(&self) -> &'a TransactionContext {
        self.environment.transaction
    }

    /// Prices.
    #[must_use]
    pub fn schedule(&self) -> &'a GasSchedule {
        self.environment.schedule
    }

    /// Takes gas; call it before the work.
    ///
    /// # Errors
    /// [`NativeError::OutOfGas`].
    pub fn charge(&mut self, amount: InternalGas) -> NativeResult<()> {
        Ok(self.gas.charge(amount)?)
    }

    /// Takes the schedule's price of working through `count` bytes.
    ///
    /// # Errors
    /// [`NativeError::OutOfGas`].
    pub fn charge_bytes(&mut self, count: usize) -> NativeResult<()> {
        self.charge(self.environment.schedule.dynamic.native_byte.times(count as u64))
    }

    /// Gives back part of what was charged in advance.
    pub fn refund(&mut self, amount: InternalGas) {
        self.gas.refund(amount);
    }

    /// The balance, after the charge of the caller's block and of this call so far.
    #[must_use]
    pub fn gas_remaining(&self) -> InternalGas {
        self.gas.remaining()
    }

    /// The value at a reference.
    ///
    /// # Errors
    /// If the reference leads nowhere.
    pub fn read(&mut self, reference: &Reference) -> NativeResult<&Value> {
        self.host.read(reference)
    }

    /// The bytes at a reference to a `vector<u8>`.
    ///
    /// # Errors
    /// If the reference leads elsewhere.
    pub fn read_bytes(&mut self, reference: &Reference) -> NativeResult<&[u8]> {
        self.read(reference)?.as_bytes().ok_or_else(|| NativeError::invariant("native expected a &vector<u8>"))
    }

    /// The bytes at a reference to a struct around one `vector<u8>`, such as a `String`.
    ///
    /// # Errors
    /// If the reference leads elsewhere.
    pub fn read_string_bytes(&mut self, reference: &Reference) -> NativeResult<&[u8]> {
        self.read(reference)?.as_string_bytes().ok_or_else(|| NativeError::invariant("native expected a &String"))
    }

    /// The address at a reference to a signer.
    ///
    /// # Errors
    /// If the reference leads elsewhere.
    pub fn read_signer(&mut self, reference: &Reference) -> NativeResult<Address> {
        self.read(reference)?.as_signer().ok_or_else(|| NativeError::invariant("native expected a &signer"))
    }

    /// Replaces the value at a mutable reference by one of the same type.
    ///
    /// # Errors
    /// If the reference leads nowhere or is not mutable.
    pub fn write(&mut self, reference: &Reference, value: Value) -> NativeResult<()> {
        self.host.write(reference, value)
    }

    /// Shape of a type, with names, charged by its nodes.
    ///
    /// # Errors
    /// Out of gas, or if the type is over the limits or a module it needs is missing.
    pub fn layout(&mut self, tag: &TypeTag) -> NativeResult<Arc<MoveTypeLayout>> {
        self.host.layout(tag, self.gas)
    }

    /// BCS of a value, charged by its bytes.
    ///
    /// # Errors
    /// Out of gas, or the value is not of the type.
    pub fn serialize(&mut self, value: &Value, tag: &TypeTag) -> NativeResult<Vec<u8>> {
        self.charge_bytes(usize::try_from(value.abstract_size()).unwrap_or(usize::MAX))?;
        let layout = self.layout(tag)?;
        layout.encode(value).map_err(|error| NativeError::invariant(format!("cannot serialise {tag}: {error}")))
    }

    /// BCS of the value at a reference, charged by its bytes.
    ///
    /// # Errors
    /// Out of gas, or the value is not of the type.
    pub fn serialize_at(&mut self, reference: &Reference, tag: &TypeTag) -> NativeResult<Vec<u8>> {
        let size = self.read(reference)?.abstract_size();
        self.charge_bytes(usize::try_from(size).unwrap_or(usize::MAX))?;
        let layout = self.layout(tag)?;
        let value = self.read(reference)?;
        layout.encode(value).map_err(|error| NativeError::invariant(format!("cannot serialise {tag}: {error}")))
    }

    /// The value with this BCS, charged by its bytes; `None` if the bytes are malformed.
    ///
    /// The caller decides which types may be made from bytes: nothing here refuses signers or resources.
    ///
    /// # Errors
    /// Out of gas, the type has no shape, or the value takes more than [`DESERIALIZED_BYTES_MAX`].
    pub fn deserialize(&mut self, bytes: &[u8], tag: &TypeTag) -> NativeResult<Option<Value>> {
        self.charge_bytes(bytes.len())?;
        match self.layout(tag)?.decode_within(bytes, DESERIALIZED_BYTES_MAX) {
            Ok((value, _)) => Ok(Some(value)),
            Err(error @ BcsError::TooLarge) => {
                Err(NativeError::Status { code: StatusCode::MEMORY_LIMIT_EXCEEDED, message: error.to_string() })
            }
            Err(_) => Ok(None),
        }
    }

    /// Emits an event, charged by the bytes of its type and data.
    ///
    /// # Errors
    /// [`NativeError::OutOfGas`], or the transaction emits more than [`EVENTS_MAX`] or [`EVENT_BYTES_MAX`].
    pub fn emit(&mut self, event: Event) -> NativeResult<()> {
        let type_bytes = bcs::serialized_size(event.type_tag())
            .map_err(|error| NativeError::invariant(format!("the type of an event has no BCS: {error}")))?;
        let bytes = (type_bytes + event.data().len()) as u64;
        let dynamic = &self.environment.schedule.dynamic;
        self.charge(dynamic.event.plus(dynamic.event_byte.times(bytes)))?;
        let total = self.state.event_bytes.saturating_add(bytes);
        if self.state.events.len() >= EVENTS_MAX || total > EVENT_BYTES_MAX {
            let message = format!("more than {EVENTS_MAX} events or {EVENT_BYTES_MAX} bytes of them");
            return Err(NativeError::Status { code: StatusCode::IO_LIMIT_REACHED, message });
        }
        self.state.event_bytes = total;
        self.state.events.push(event);
        Ok(())
    }

    /// Shows a text to whoever runs the unit test. Natives of nodes never do.
    pub fn print(&mut self, text: String) {
        self.state.printed.push(text);
    }

    /// Events emitted so far.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.state.events
    }

    /// The counter's value, which is one more at the next call of this transaction.
    pub fn next(&mut self, counter: Counter) -> u64 {
        self.state.next(counter)
    }

    /// Asks the executor to publish modules after the payload; false, and nothing done, if it was asked before.
    pub fn request_publish(&mut self, request: PublishRequest) -> bool {
        let is_first = self.state.publish.is_none();
        self.state.publish.get_or_insert(request);
        is_first
    }

    /// BCS of the answer to a job, or the end of this run with [`NativeError::Pending`].
    ///
    /// Notes the job in [`NativeState::inference`]; calls and units are the native's to count.
    ///
    /// # Errors
    /// [`NativeError::Pending`] if the answer is not there yet.
    pub fn answer(&mut self, id: Hash, request: impl FnOnce() -> Vec<u8>) -> NativeResult<Bytes> {
        if !self.state.inference.jobs.contains(&id) {
            self.state.inference.jobs.push(id);
        }
        let known = self.environment.answers.answer(&id);
        known.ok_or_else(|| NativeError::Pending(PendingJob { id, request: request() }))
    }

    /// Inference charged so far; the native that asks adds its calls and units.
    pub fn inference_use(&mut self) -> &mut InferenceUse {
        &mut self.state.inference
    }

    /// Whether `address` holds a resource of the type, whichever module defines it.
    ///
    /// # Errors
    /// Out of gas, or a fault.
    pub fn resource_exists(&mut self, address: Address, tag: &StructTag) -> NativeResult<bool> {
        self.host.resource_exists(address, tag, self.gas)
    }

    /// Whether a table has an item.
    ///
    /// # Errors
    /// Out of gas, or a fault.
    pub fn table_contains(&mut self, item: TableKey<'_>) -> NativeResult<bool> {
        self.host.table_contains(item, self.gas)
    }

    /// Adds an item; false, and nothing done, if the table has one there.
    ///
    /// # Errors
    /// Out of gas, or a fault.
    pub fn table_insert(&mut self, item: TableKey<'_>, value: Value) -> NativeResult<bool> {
        self.host.table_insert(item, value, self.gas)
    }

    /// A reference to an item, if there is one.
    ///
    /// # Errors
    /// Out of gas, or a fault.
    pub fn table_borrow(&mut self, item: TableKey<'_>, mutable: bool) -> NativeResult<Option<Reference>> {
        self.host.table_borrow(item, mutable, self.gas)
    }

    /// Takes an item out, if there is one.
    ///
    /// # Errors
    /// Out of gas, or a fault.
    pub fn table_remove(&mut self, item: TableKey<'_>) -> NativeResult<Option<Value>> {
        self.host.table_remove(item, self.gas)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing(_: &mut NativeContext<'_>, _: NativeArgs) -> NativeResult {
        Ok(Vec::new())
    }

    #[test]
    fn finds_natives_by_name() {
        let mut table = NativeTable::new();
        table.add_module(Address::ONE, "m", &[("f", nothing), ("g", nothing)]);
        let name = |text: &str| Identifier::new(text).unwrap();
        assert!(table.get(Address::ONE, &name("m"), &name("g")).is_some());
        assert!(table.get(Address::ZERO, &name("m"), &name("g")).is_none());
        assert_eq!(table.names().count(), 2);
    }

    #[test]
    #[should_panic(expected = "defined twice")]
    fn refuses_a_second_definition() {
        let mut table = NativeTable::new();
        table.add(Address::ONE, "m", "f", nothing);
        table.add(Address::ONE, "m", "f", nothing);
    }

    #[test]
    fn arguments_come_in_order_and_typed() {
        let mut args = NativeArgs::new(vec![Value::U64(7), Value::string("x"), Value::Bool(true)]);
        assert_eq!(args.u64(), Ok(7));
        assert_eq!(args.string_bytes(), Ok(b"x".to_vec()));
        assert!(matches!(args.u8(), Err(NativeError::Status { .. })));
        assert!(args.value().is_err());
    }

    #[test]
    fn counters_start_at_zero() {
        let mut state = NativeState::default();
        assert_eq!((state.next(Counter::Inference), state.next(Counter::Inference)), (0, 1));
        assert_eq!(state.next(Counter::TableHandle), 0);
    }
}
