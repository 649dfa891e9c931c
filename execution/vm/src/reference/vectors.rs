//! Vectors and enums.

use noema_bytecode::{Bytecode, SignatureIndex, SignatureToken};
use noema_execution_api::{Reference, StatusCode, VALUE_BYTES, Value};
use noema_types::TypeTag;

use crate::error::{Failure, Result, fail_because, fail_with, invariant};
use crate::module::DatatypeDef;
use crate::reference::machine::{Machine, NO_TYPE_ARGS, Running};
use crate::reference::places::{follow_value, follow_value_mut};
use crate::types::TypeArgs;

/// Sub-status: an index is not below the length.
const INDEX_OUT_OF_BOUNDS: u64 = 1;
/// Sub-status: nothing to pop.
const POP_EMPTY: u64 = 2;
/// Sub-status: the vector does not have the length that it is taken apart at.
const UNPACK_LENGTH_MISMATCH: u64 = 3;

#[cold]
fn vector_error(sub_status: u64) -> Box<Failure> {
    fail_with(StatusCode::VECTOR_OPERATION_ERROR, sub_status)
}

/// Memory of one element.
fn element_bytes(of_bytes: bool) -> u64 {
    if of_bytes { 1 } else { VALUE_BYTES }
}

#[cold]
fn no_vector() -> Box<Failure> {
    invariant("an operand is no vector")
}

impl Machine<'_, '_> {
    /// Instructions whose work outweighs another dispatch.
    pub(crate) fn large(&mut self, running: &Running<'_>, instruction: &Bytecode) -> Result<()> {
        use Bytecode as B;
        match instruction {
            B::VecPack(element, count) => self.vec_pack(running, *element, *count),
            B::VecUnpack(_, count) => self.vec_unpack(*count),
            B::VecLen(_) => self.vec_len(),
            B::VecImmBorrow(_) => self.vec_borrow(false),
            B::VecMutBorrow(_) => self.vec_borrow(true),
            B::VecPushBack(_) => self.vec_push_back(),
            B::VecPopBack(_) => self.vec_pop_back(),
            B::VecSwap(_) => self.vec_swap(),
            B::PackVariant(at) => {
                let handle = running.loaded.module.variant_handle_at(*at);
                self.pack_variant(running, handle.enum_def.index(), handle.variant, &NO_TYPE_ARGS)
            }
            B::PackVariantGeneric(at) => {
                let handle = running.loaded.module.variant_instantiation_at(*at);
                let instance = running.loaded.module.enum_instantiation_at(handle.enum_def);
                let args = self.loader.close_signature(running.module, instance.type_parameters, running.type_args)?;
                self.meter.type_nodes(args.nodes)?;
                self.pack_variant(running, instance.def.index(), handle.variant, &args)
            }
            B::UnpackVariant(at) => self.unpack_variant(running.loaded.module.variant_handle_at(*at).variant),
            B::UnpackVariantGeneric(at) => {
                self.unpack_variant(running.loaded.module.variant_instantiation_at(*at).variant)
            }
            B::UnpackVariantImmRef(at) => {
                self.unpack_variant_ref(running.loaded.module.variant_handle_at(*at).variant, false)
            }
            B::UnpackVariantMutRef(at) => {
                self.unpack_variant_ref(running.loaded.module.variant_handle_at(*at).variant, true)
            }
            B::UnpackVariantGenericImmRef(at) => {
                self.unpack_variant_ref(running.loaded.module.variant_instantiation_at(*at).variant, false)
            }
            B::UnpackVariantGenericMutRef(at) => {
                self.unpack_variant_ref(running.loaded.module.variant_instantiation_at(*at).variant, true)
            }
            other => self.storage(running, other),
        }
    }

    fn vec_pack(&mut self, running: &Running<'_>, element: SignatureIndex, count: u64) -> Result<()> {
        self.loader.check_vector_depth(running.module, element, running.type_args)?;
        let of_bytes = match running.loaded.module.signature_at(element) {
            [SignatureToken::U8] => true,
            [SignatureToken::TypeParameter(at)] => running.type_args.tags.get(usize::from(*at)) == Some(&TypeTag::U8),
            _ => false,
        };
        let count = usize::try_from(count).map_err(|_| no_vector())?;
        let elements = self.pop_many(count)?;
        self.meter.allocate(element_bytes(of_bytes) * count as u64)?;
        self.push(Value::vector(elements, of_bytes).ok_or_else(no_vector)?)
    }

    fn vec_unpack(&mut self, count: u64) -> Result<()> {
        let vector = self.pop()?;
        if vector.vector_len().ok_or_else(no_vector)? as u64 != count {
            return Err(vector_error(UNPACK_LENGTH_MISMATCH));
        }
        self.meter.release(element_bytes(matches!(vector, Value::Bytes(_))) * count);
        match vector {
            Value::Bytes(bytes) => bytes.into_iter().try_for_each(|byte| self.push(Value::U8(byte))),
            Value::Vector(elements) => elements.into_iter().try_for_each(|element| self.push(element)),
            _ => Err(no_vector()),
        }
    }

    fn vec_len(&mut self) -> Result<()> {
        let reference = self.pop_ref()?;
        let length = follow_value(&self.locals, self.globals, &reference)?.vector_len().ok_or_else(no_vector)?;
        self.push(Value::U64(length as u64))
    }

    #[inline]
    fn vec_borrow(&mut self, mutable: bool) -> Result<()> {
        let index = self.pop_u64()?;
        let reference = self.pop_ref()?;
        let length = follow_value(&self.locals, self.globals, &reference)?.vector_len().ok_or_else(no_vector)?;
        if index >= length as u64 {
            return Err(vector_error(INDEX_OUT_OF_BOUNDS));
        }
        let element = reference.child(u32::try_from(index).map_err(|_| no_vector())?);
        self.push(Value::Reference(if mutable { element } else { element.freeze() }))
    }

    #[inline]
    fn vec_push_back(&mut self) -> Result<()> {
        let element = self.pop()?;
        let reference = self.pop_ref()?;
        match (follow_value_mut(&mut self.locals, self.globals, &reference)?, element) {
            (Value::Bytes(bytes), Value::U8(byte)) => {
                self.meter.allocate(1)?;
                bytes.push(byte);
            }
            (Value::Vector(elements), element) => {
                self.meter.allocate(VALUE_BYTES)?;
                elements.push(element);
            }
            _ => return Err(no_vector()),
        }
        Ok(())
    }

    fn vec_pop_back(&mut self) -> Result<()> {
        let reference = self.pop_ref()?;
        let (element, size) = match follow_value_mut(&mut self.locals, self.globals, &reference)? {
            Value::Bytes(bytes) => (bytes.pop().map(Value::U8), 1),
            Value::Vector(elements) => (elements.pop(), VALUE_BYTES),
            _ => return Err(no_vector()),
        };
        let element = element.ok_or_else(|| vector_error(POP_EMPTY))?;
        self.meter.release(size);
        self.push(element)
    }

    fn vec_swap(&mut self) -> Result<()> {
        let right = self.pop_u64()?;
        let left = self.pop_u64()?;
        let reference = self.pop_ref()?;
        let vector = follow_value_mut(&mut self.locals, self.globals, &reference)?;
        let length = vector.vector_len().ok_or_else(no_vector)? as u64;
        if left >= length || right >= length {
            return Err(vector_error(INDEX_OUT_OF_BOUNDS));
        }
        // Both are below a length, so they fit.
        let (left, right) = (left as usize, right as usize);
        match vector {
            Value::Bytes(bytes) => bytes.swap(left, right),
            Value::Vector(elements) => elements.swap(left, right),
            _ => return Err(no_vector()),
        }
        Ok(())
    }

    fn pack_variant(&mut self, running: &Running<'_>, def: usize, variant: u16, args: &TypeArgs) -> Result<()> {
        self.loader.check_datatype_depth(running.module, DatatypeDef::Enum(def), args)?;
        let count = running.loaded.module.enum_defs[def].variants[usize::from(variant)].fields.len();
        self.meter.allocate(VALUE_BYTES * count as u64)?;
        let fields = self.pop_many(count)?;
        self.push(Value::Variant(variant, fields))
    }

    fn unpack_variant(&mut self, variant: u16) -> Result<()> {
        match self.pop()? {
            Value::Variant(found, fields) if found == variant => {
                self.meter.release(VALUE_BYTES * fields.len() as u64);
                fields.into_iter().try_for_each(|field| self.push(field))
            }
            Value::Variant(found, _) => Err(wrong_variant(variant, found)),
            _ => Err(invariant("an operand is no enum")),
        }
    }

    fn unpack_variant_ref(&mut self, variant: u16, mutable: bool) -> Result<()> {
        let reference = self.pop_ref()?;
        let count = match follow_value(&self.locals, self.globals, &reference)? {
            Value::Variant(found, fields) if *found == variant => fields.len(),
            Value::Variant(found, _) => return Err(wrong_variant(variant, *found)),
            _ => return Err(invariant("an operand is no enum")),
        };
        for at in 0..count {
            let field: Reference = reference.clone().child(at as u32);
            self.push(Value::Reference(if mutable { field } else { field.freeze() }))?;
        }
        Ok(())
    }

    pub(crate) fn variant_switch(&mut self, targets: Option<&Vec<u16>>, next: &mut usize) -> Result<()> {
        let reference = self.pop_ref()?;
        let Value::Variant(variant, _) = follow_value(&self.locals, self.globals, &reference)? else {
            return Err(invariant("an operand is no enum"));
        };
        let target = targets.and_then(|targets| targets.get(usize::from(*variant)));
        *next = usize::from(*target.ok_or_else(|| invariant("a switch without the variant"))?);
        Ok(())
    }
}

#[cold]
fn wrong_variant(expected: u16, found: u16) -> Box<Failure> {
    fail_because(StatusCode::VARIANT_TAG_MISMATCH, format!("expected variant {expected}, found {found}"))
}
