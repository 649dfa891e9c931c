//! Frames and the instruction loop.

use std::sync::Arc;

use noema_bytecode::{Bytecode, FunctionHandleIndex, SignatureIndex};
use noema_execution_api::{
    NativeArgs, NativeContext, NativeEnvironment, NativeFunction, NativeState, Reference, Root, StatusCode,
    VALUE_BYTES, Value,
};

use crate::VmLimits;
use crate::cost::Block;
use crate::error::{ExecError, Failure, Result, TraceFrame, fail, fail_because, fail_with, invariant};
use crate::globals::Globals;
use crate::limits::TRACE_FRAMES_MAX;
use crate::loader::{Callee, Loader};
use crate::module::{Body, DatatypeDef, LoadedModule};
use crate::reference::Meter;
use crate::reference::arithmetic::{
    Binary, Order, as_bool, binary, cast_u8, cast_u16, cast_u32, cast_u64, cast_u128, cast_u256, order, shift,
};
use crate::reference::host::Host;
use crate::reference::places::{Locals, Place, PlaceMut, follow, follow_mut};
use crate::tracer::Tracer;
use crate::types::TypeArgs;

/// One call from outside and everything it calls.
pub(crate) struct Machine<'m, 'a> {
    pub(crate) loader: &'m mut Loader<'a>,
    pub(crate) globals: &'m mut Globals,
    pub(crate) natives: &'m mut NativeState,
    pub(crate) environment: NativeEnvironment<'m>,
    pub(crate) meter: Meter<'m>,
    pub(crate) limits: &'m VmLimits,
    pub(crate) instructions: u64,
    pub(crate) tracer: Option<&'m mut (dyn Tracer + Send + 'a)>,
    pub(crate) stack: Vec<Value>,
    pub(crate) locals: Locals,
    no_type_args: Arc<TypeArgs>,
    frames: Vec<Frame>,
    /// Operands below belong to the callers of the running frame.
    floor: usize,
}

struct Frame {
    callee: Callee,
    loaded: Arc<LoadedModule>,
    type_args: Arc<TypeArgs>,
    /// First of its locals.
    base: usize,
    /// Height of the operand stack below its own operands.
    floor: usize,
    pc: usize,
}

/// What the instructions of the running frame need to know of it.
pub(crate) struct Running<'f> {
    pub(crate) module: u32,
    pub(crate) loaded: &'f LoadedModule,
    pub(crate) type_args: &'f Arc<TypeArgs>,
    base: usize,
}

/// Type arguments of what has none.
pub(crate) static NO_TYPE_ARGS: TypeArgs = TypeArgs { tags: Vec::new(), depths: Vec::new(), nodes: 0 };

/// Why a frame stopped running.
enum Flow {
    Call(Callee, Arc<TypeArgs>),
    Return,
}

/// A call from outside.
pub(crate) struct Run {
    pub(crate) callee: Callee,
    pub(crate) type_args: Arc<TypeArgs>,
    pub(crate) args: Vec<Value>,
    /// Values that arguments refer to, in the first local slots.
    pub(crate) places: Vec<Value>,
}

/// Stores where the frame stands before it is left.
macro_rules! at {
    ($pc_out:ident = $pc:ident; $result:expr) => {
        match $result {
            Ok(value) => value,
            Err(failure) => {
                *$pc_out = $pc;
                return Err(failure);
            }
        }
    };
}

impl<'m, 'a> Machine<'m, 'a> {
    pub(crate) fn new(
        loader: &'m mut Loader<'a>,
        globals: &'m mut Globals,
        natives: &'m mut NativeState,
        environment: NativeEnvironment<'m>,
        meter: Meter<'m>,
        limits: &'m VmLimits,
    ) -> Self {
        Self {
            loader,
            globals,
            natives,
            environment,
            meter,
            limits,
            instructions: 0,
            tracer: None,
            stack: Vec::new(),
            locals: Vec::new(),
            no_type_args: Arc::default(),
            frames: Vec::new(),
            floor: 0,
        }
    }

    /// Runs a function; gives its results and leaves the places that arguments referred to in the first locals.
    pub(crate) fn run(&mut self, run: Run) -> Result<Vec<Value>, ExecError> {
        self.locals = run.places.into_iter().map(Some).collect();
        self.stack = run.args;
        let outcome = self.admit_arguments().and_then(|()| self.enter(run.callee, run.type_args));
        let outcome = outcome.and_then(|()| self.run_frames());
        match outcome {
            Ok(()) => Ok(std::mem::take(&mut self.stack)),
            Err(failure) => Err(self.locate(*failure)),
        }
    }

    /// Counts what comes from outside like what the run makes itself.
    fn admit_arguments(&mut self) -> Result<()> {
        let size = self.locals.iter().flatten().chain(&self.stack).map(Value::memory_size).sum();
        self.meter.allocate(size)
    }

    /// What a result is, or what it refers to.
    pub(crate) fn resolve(&self, value: Value) -> Result<Value> {
        match value {
            Value::Reference(reference) => Ok(match follow(&self.locals, self.globals, &reference)? {
                Place::Value(value) => value.clone(),
                Place::Byte(byte) => Value::U8(byte),
            }),
            value => Ok(value),
        }
    }

    fn run_frames(&mut self) -> Result<()> {
        while let Some(frame) = self.frames.last() {
            let loaded = Arc::clone(&frame.loaded);
            let type_args = Arc::clone(&frame.type_args);
            let running =
                Running { module: frame.callee.module, loaded: &loaded, type_args: &type_args, base: frame.base };
            let Body::Code { code, blocks, jump_tables, .. } =
                &loaded.functions[usize::from(frame.callee.function)].body
            else {
                return Err(invariant("a native function has a frame"));
            };
            let mut pc = frame.pc;
            let flow = self.run_frame(&running, code, blocks, jump_tables, &mut pc);
            if let Some(frame) = self.frames.last_mut() {
                frame.pc = pc;
            }
            match flow? {
                Flow::Call(callee, type_args) => self.enter(callee, type_args)?,
                Flow::Return => self.leave()?,
            }
        }
        Ok(())
    }

    /// Starts a function whose arguments are on top of the stack. A native runs at once.
    fn enter(&mut self, callee: Callee, type_args: Arc<TypeArgs>) -> Result<()> {
        let loaded = Arc::clone(self.loader.module(callee.module));
        let function = &loaded.functions[usize::from(callee.function)];
        if let Some(tracer) = &mut self.tracer {
            tracer.enter(loaded.trace_frame(callee.function), self.meter.gas.used());
        }
        let count = function.parameters.len();
        let first = self.stack.len().checked_sub(count).filter(|first| *first >= self.floor);
        let first = first.ok_or_else(|| invariant("a call without its arguments"))?;
        let (locals, operands) = match &function.body {
            Body::Code { locals, operands, .. } => (*locals, *operands),
            Body::Native(native) => {
                let args = self.stack.split_off(first);
                self.frames.push(Frame {
                    callee,
                    loaded: Arc::clone(&loaded),
                    type_args,
                    base: 0,
                    floor: first,
                    pc: 0,
                });
                return self.call_native(*native, args, function.results.len());
            }
            Body::MissingNative => {
                let message = format!("native {}::{} is not implemented", loaded.id, function.name);
                return Err(fail_because(StatusCode::MISSING_DEPENDENCY, message));
            }
        };
        if self.frames.len() >= self.limits.frames {
            return Err(fail(StatusCode::CALL_STACK_OVERFLOW));
        }
        if first.saturating_add(operands) > self.limits.operands {
            return Err(fail(StatusCode::EXECUTION_STACK_OVERFLOW));
        }
        let base = self.locals.len();
        self.locals.extend(self.stack.drain(first..).map(Some));
        self.locals.resize(base + locals, None);
        self.floor = first;
        self.frames.push(Frame { callee, loaded, type_args, base, floor: first, pc: 0 });
        Ok(())
    }

    /// The native's frame is there for its location only; it does not count against the limit.
    fn call_native(&mut self, native: NativeFunction, args: Vec<Value>, results: usize) -> Result<()> {
        self.meter.native_call()?;
        let type_args = self.frames.last().map(|frame| Arc::clone(&frame.type_args)).unwrap_or_default();
        let mut host = Host {
            loader: &mut *self.loader,
            globals: &mut *self.globals,
            locals: &mut self.locals,
            schedule: self.environment.schedule,
            byte: Value::U8(0),
        };
        let mut context =
            NativeContext::new(&mut host, self.natives, self.environment, self.meter.gas, &type_args.tags);
        let values = native(&mut context, NativeArgs::new(args))?;
        if values.len() != results {
            return Err(invariant("a native gave another number of results than it declares"));
        }
        for value in values {
            if !value.is_primitive() {
                self.meter.allocate(value.memory_size())?;
            }
            self.push(value)?;
        }
        self.pop_frame();
        Ok(())
    }

    /// Ends the running frame; its results stay on the stack.
    fn leave(&mut self) -> Result<()> {
        if let Some(frame) = self.frames.last() {
            let results = frame.loaded.functions[usize::from(frame.callee.function)].results.len();
            if self.stack.len() != self.floor + results {
                return Err(invariant("a return leaves another number of values than the function has results"));
            }
            let escapes = |value: &Value| {
                let Value::Reference(reference) = value else { return false };
                matches!(reference.root(), Root::Local(slot) if slot as usize >= frame.base)
            };
            if self.stack[self.floor..].iter().any(escapes) {
                return Err(invariant("a return of a reference to a local"));
            }
            self.locals.truncate(frame.base);
        }
        self.pop_frame();
        Ok(())
    }

    fn pop_frame(&mut self) {
        self.frames.pop();
        if let Some(tracer) = &mut self.tracer {
            tracer.leave(self.meter.gas.used());
        }
        self.floor = self.frames.last().map_or(0, |frame| frame.floor);
        if let Some(caller) = self.frames.last_mut() {
            caller.pc += 1;
        }
    }

    /// Runs instructions of the top frame from `pc_out` until it calls or returns.
    fn run_frame(
        &mut self,
        running: &Running<'_>,
        code: &[Bytecode],
        blocks: &[Block],
        jump_tables: &[Vec<u16>],
        pc_out: &mut usize,
    ) -> Result<Flow> {
        use Bytecode as B;
        let mut pc = *pc_out;
        loop {
            let (Some(instruction), Some(block)) = (code.get(pc), blocks.get(pc)) else {
                *pc_out = pc;
                return Err(fail(StatusCode::PC_OVERFLOW));
            };
            if let Some(tracer) = &mut self.tracer {
                tracer.at(u16::try_from(pc).unwrap_or(u16::MAX), self.meter.gas.used());
            }
            if block.gas != 0 {
                at!(pc_out = pc; self.meter.block(block.gas));
            }
            self.instructions += 1;
            let mut next = pc + 1;
            let done = match instruction {
                B::Nop => Ok(()),
                B::Pop => self.pop().map(drop),
                B::Ret => {
                    *pc_out = pc;
                    return Ok(Flow::Return);
                }
                B::BrTrue(target) => self.branch_if(true, *target, &mut next),
                B::BrFalse(target) => self.branch_if(false, *target, &mut next),
                B::Branch(target) => {
                    next = usize::from(*target);
                    Ok(())
                }
                B::LdU8(number) => self.push(Value::U8(*number)),
                B::LdU16(number) => self.push(Value::U16(*number)),
                B::LdU32(number) => self.push(Value::U32(*number)),
                B::LdU64(number) => self.push(Value::U64(*number)),
                B::LdU128(number) => self.push(Value::U128(**number)),
                B::LdU256(number) => self.push(Value::U256(**number)),
                B::LdTrue => self.push(Value::Bool(true)),
                B::LdFalse => self.push(Value::Bool(false)),
                B::LdConst(at) => self.load_constant(running, at.index()),
                B::CastU8 => self.cast(cast_u8),
                B::CastU16 => self.cast(cast_u16),
                B::CastU32 => self.cast(cast_u32),
                B::CastU64 => self.cast(cast_u64),
                B::CastU128 => self.cast(cast_u128),
                B::CastU256 => self.cast(cast_u256),
                B::CopyLoc(at) => self.copy_local(running.base + usize::from(*at)),
                B::MoveLoc(at) => self.move_local(running.base + usize::from(*at)),
                B::StLoc(at) => self.store_local(running.base + usize::from(*at)),
                B::MutBorrowLoc(at) => self.borrow_local(running.base + usize::from(*at), true),
                B::ImmBorrowLoc(at) => self.borrow_local(running.base + usize::from(*at), false),
                B::Call(handle) => {
                    *pc_out = pc;
                    let callee = self.loader.callee(running.module, *handle)?;
                    return Ok(Flow::Call(callee, Arc::clone(&self.no_type_args)));
                }
                B::CallGeneric(at) => {
                    *pc_out = pc;
                    let instance = running.loaded.module.function_instantiation_at(*at);
                    return self.generic_call(running, instance.handle, instance.type_parameters);
                }
                B::Add => self.binary(Binary::Add),
                B::Sub => self.binary(Binary::Sub),
                B::Mul => self.binary(Binary::Mul),
                B::Div => self.binary(Binary::Div),
                B::Mod => self.binary(Binary::Mod),
                B::BitAnd => self.binary(Binary::And),
                B::BitOr => self.binary(Binary::Or),
                B::Xor => self.binary(Binary::Xor),
                B::Shl => self.shift(true),
                B::Shr => self.shift(false),
                B::Lt => self.order(Order::Lt),
                B::Gt => self.order(Order::Gt),
                B::Le => self.order(Order::Le),
                B::Ge => self.order(Order::Ge),
                B::And => self.logic(|left, right| left & right),
                B::Or => self.logic(|left, right| left | right),
                B::Not => self.not(),
                B::Eq => self.equality(true),
                B::Neq => self.equality(false),
                B::Abort => self.abort(),
                B::ReadRef => self.read_ref(),
                B::WriteRef => self.write_ref(),
                B::FreezeRef => self.pop_ref().and_then(|reference| self.push(Value::Reference(reference.freeze()))),
                B::MutBorrowField(at) => self.borrow_field(running.loaded.module.field_handle_at(*at).field, true),
                B::ImmBorrowField(at) => self.borrow_field(running.loaded.module.field_handle_at(*at).field, false),
                B::MutBorrowFieldGeneric(at) => {
                    let handle = running.loaded.module.field_instantiation_at(*at).handle;
                    self.borrow_field(running.loaded.module.field_handle_at(handle).field, true)
                }
                B::ImmBorrowFieldGeneric(at) => {
                    let handle = running.loaded.module.field_instantiation_at(*at).handle;
                    self.borrow_field(running.loaded.module.field_handle_at(handle).field, false)
                }
                B::Pack(def) => self.pack(running, def.index(), &NO_TYPE_ARGS),
                B::PackGeneric(at) => self.pack_generic(running, *at),
                B::Unpack(def) => self.unpack(running.loaded.struct_fields[def.index()]),
                B::UnpackGeneric(at) => {
                    let def = running.loaded.module.struct_instantiation_at(*at).def;
                    self.unpack(running.loaded.struct_fields[def.index()])
                }
                B::VariantSwitch(at) => self.variant_switch(jump_tables.get(usize::from(at.0)), &mut next),
                other => self.large(running, other),
            };
            at!(pc_out = pc; done);
            pc = next;
        }
    }

    #[inline]
    pub(crate) fn push(&mut self, value: Value) -> Result<()> {
        if self.stack.len() >= self.limits.operands {
            return Err(fail(StatusCode::EXECUTION_STACK_OVERFLOW));
        }
        self.stack.push(value);
        Ok(())
    }

    #[inline]
    pub(crate) fn pop(&mut self) -> Result<Value> {
        if self.stack.len() <= self.floor {
            return Err(fail(StatusCode::EMPTY_VALUE_STACK));
        }
        self.stack.pop().ok_or_else(|| fail(StatusCode::EMPTY_VALUE_STACK))
    }

    /// The `count` topmost operands, lowest first.
    pub(crate) fn pop_many(&mut self, count: usize) -> Result<Vec<Value>> {
        match self.stack.len().checked_sub(count) {
            Some(first) if first >= self.floor => Ok(self.stack.split_off(first)),
            _ => Err(fail(StatusCode::EMPTY_VALUE_STACK)),
        }
    }

    /// The topmost operand, in place.
    #[inline]
    fn top(&mut self) -> Result<&mut Value> {
        if self.stack.len() <= self.floor {
            return Err(fail(StatusCode::EMPTY_VALUE_STACK));
        }
        self.stack.last_mut().ok_or_else(|| fail(StatusCode::EMPTY_VALUE_STACK))
    }

    #[inline]
    pub(crate) fn pop_ref(&mut self) -> Result<Reference> {
        match self.pop()? {
            Value::Reference(reference) => Ok(reference),
            _ => Err(invariant("an operand is no reference")),
        }
    }

    #[inline]
    pub(crate) fn pop_u64(&mut self) -> Result<u64> {
        self.pop()?.as_u64().ok_or_else(|| invariant("an operand is no u64"))
    }

    #[inline]
    fn branch_if(&mut self, wanted: bool, target: u16, next: &mut usize) -> Result<()> {
        if as_bool(self.pop()?)? == wanted {
            *next = usize::from(target);
        }
        Ok(())
    }

    fn load_constant(&mut self, running: &Running<'_>, at: usize) -> Result<()> {
        let constant = &running.loaded.constants[at];
        self.meter.constant(constant)?;
        self.push(constant.clone())
    }

    #[inline]
    fn cast(&mut self, cast: impl Fn(&Value) -> Result<Value>) -> Result<()> {
        let top = self.top()?;
        *top = cast(top)?;
        Ok(())
    }

    #[inline]
    fn copy_local(&mut self, slot: usize) -> Result<()> {
        let value = self.locals.get(slot).and_then(Option::as_ref);
        let value = value.ok_or_else(|| invariant("a local without a value"))?;
        self.meter.copy(value)?;
        let copy = value.clone();
        self.push(copy)
    }

    #[inline]
    fn move_local(&mut self, slot: usize) -> Result<()> {
        let value = self.locals.get_mut(slot).and_then(Option::take);
        self.push(value.ok_or_else(|| invariant("a local without a value"))?)
    }

    #[inline]
    fn store_local(&mut self, slot: usize) -> Result<()> {
        let value = self.pop()?;
        *self.locals.get_mut(slot).ok_or_else(|| invariant("a local that does not exist"))? = Some(value);
        Ok(())
    }

    #[inline]
    fn borrow_local(&mut self, slot: usize, mutable: bool) -> Result<()> {
        let slot = u32::try_from(slot).map_err(|_| invariant("too many locals"))?;
        self.push(Value::Reference(Reference::to_root(Root::Local(slot), mutable)))
    }

    #[inline]
    fn borrow_field(&mut self, field: u16, mutable: bool) -> Result<()> {
        let Value::Reference(reference) = self.top()? else {
            return Err(invariant("an operand is no reference"));
        };
        let whole = std::mem::replace(reference, Reference::to_root(Root::Local(0), false));
        let part = whole.child(u32::from(field));
        *reference = if mutable { part } else { part.freeze() };
        Ok(())
    }

    fn generic_call(
        &mut self,
        running: &Running<'_>,
        handle: FunctionHandleIndex,
        types: SignatureIndex,
    ) -> Result<Flow> {
        let type_args = self.loader.close_signature(running.module, types, running.type_args)?;
        self.meter.type_nodes(type_args.nodes)?;
        Ok(Flow::Call(self.loader.callee(running.module, handle)?, type_args))
    }

    #[inline]
    fn binary(&mut self, op: Binary) -> Result<()> {
        let right = self.pop()?;
        binary(op, self.top()?, &right)
    }

    #[inline]
    fn order(&mut self, op: Order) -> Result<()> {
        let right = self.pop()?;
        let left = self.top()?;
        *left = Value::Bool(order(op, left, &right)?);
        Ok(())
    }

    fn shift(&mut self, to_left: bool) -> Result<()> {
        let bits = self.pop()?;
        shift(to_left, self.top()?, &bits)
    }

    fn logic(&mut self, op: impl Fn(bool, bool) -> bool) -> Result<()> {
        let right = as_bool(self.pop()?)?;
        let left = as_bool(self.pop()?)?;
        self.push(Value::Bool(op(left, right)))
    }

    #[inline]
    fn not(&mut self) -> Result<()> {
        let bit = as_bool(self.pop()?)?;
        self.push(Value::Bool(!bit))
    }

    #[inline]
    fn equality(&mut self, wanted: bool) -> Result<()> {
        let right = self.pop()?;
        let left = self.pop()?;
        let is_equal = match (&left, &right) {
            (Value::Reference(left), Value::Reference(right)) => {
                let left = follow(&self.locals, self.globals, left)?;
                match (left, follow(&self.locals, self.globals, right)?) {
                    (Place::Value(left), Place::Value(right)) => {
                        self.meter.compare(left, right)?;
                        left == right
                    }
                    (Place::Byte(left), Place::Byte(right)) => left == right,
                    (Place::Byte(byte), Place::Value(value)) | (Place::Value(value), Place::Byte(byte)) => {
                        *value == Value::U8(byte)
                    }
                }
            }
            _ => {
                self.meter.compare(&left, &right)?;
                left == right
            }
        };
        self.push(Value::Bool(is_equal == wanted))
    }

    #[cold]
    fn abort(&mut self) -> Result<()> {
        let code = self.pop_u64()?;
        Err(fail_with(StatusCode::ABORTED, code))
    }

    #[inline]
    fn read_ref(&mut self) -> Result<()> {
        let reference = self.pop_ref()?;
        let value = match follow(&self.locals, self.globals, &reference)? {
            Place::Byte(byte) => Value::U8(byte),
            Place::Value(value) => {
                self.meter.copy(value)?;
                value.clone()
            }
        };
        self.push(value)
    }

    #[inline]
    fn write_ref(&mut self) -> Result<()> {
        let reference = self.pop_ref()?;
        let value = self.pop()?;
        match (follow_mut(&mut self.locals, self.globals, &reference)?, value) {
            (PlaceMut::Value(place), value) => *place = value,
            (PlaceMut::Byte(place), Value::U8(byte)) => *place = byte,
            (PlaceMut::Byte(_), _) => return Err(invariant("a write of another type")),
        }
        Ok(())
    }

    pub(crate) fn pack(&mut self, running: &Running<'_>, def: usize, args: &TypeArgs) -> Result<()> {
        self.loader.check_datatype_depth(running.module, DatatypeDef::Struct(def), args)?;
        let count = running.loaded.struct_fields[def];
        self.meter.allocate(VALUE_BYTES * count as u64)?;
        let fields = self.pop_many(count)?;
        self.push(Value::Struct(fields))
    }

    fn pack_generic(&mut self, running: &Running<'_>, at: noema_bytecode::StructDefInstantiationIndex) -> Result<()> {
        let instance = running.loaded.module.struct_instantiation_at(at);
        let args = self.loader.close_signature(running.module, instance.type_parameters, running.type_args)?;
        self.meter.type_nodes(args.nodes)?;
        self.pack(running, instance.def.index(), &args)
    }

    fn unpack(&mut self, count: usize) -> Result<()> {
        match self.pop()? {
            Value::Struct(fields) if fields.len() == count => {
                self.meter.release(VALUE_BYTES * count as u64);
                fields.into_iter().try_for_each(|field| self.push(field))
            }
            _ => Err(invariant("an operand is no value of the struct")),
        }
    }

    /// A failure with the place where the running frame stands, and where its callers do.
    fn locate(&mut self, failure: Failure) -> ExecError {
        let mut places = self.frames.iter().rev().take(TRACE_FRAMES_MAX + 1).map(|frame| {
            let frame_place = frame.loaded.trace_frame(frame.callee.function);
            TraceFrame { code_offset: u16::try_from(frame.pc).unwrap_or(u16::MAX), ..frame_place }
        });
        let at = places.next();
        failure.at(at, places.collect())
    }
}
