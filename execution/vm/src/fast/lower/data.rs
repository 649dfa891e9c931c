//! References, structs, enums, vectors, constants and global storage.

use std::sync::Arc;

use noema_bytecode::{
    Bytecode, FieldHandleIndex, SignatureIndex, SignatureToken, StructDefIndex, StructDefInstantiationIndex,
};
use noema_execution_api::VALUE_BYTES;
use noema_types::{StructTag, TypeTag};

use super::super::code::{Failing, Op, Resource, Ty};
use super::super::layout::{Kind, Layout};
use super::super::mem::WORD;
use super::super::values::words_of_constant;
use super::{Entry, Loc, Lowering, too_large};
use crate::error::{Failure, Result, invariant};
use crate::module::DatatypeDef;
use crate::reference::NO_TYPE_ARGS;
use crate::types::TypeArgs;

impl Lowering<'_, '_> {
    pub(super) fn data(&mut self, instruction: &Bytecode) -> Result<()> {
        use Bytecode as B;
        let module = Arc::clone(&self.loaded.module);
        match instruction {
            B::ReadRef => self.read_ref(),
            B::WriteRef => self.write_ref(),
            B::FreezeRef => {
                let entry = self.pop()?;
                let ty = Ty::Ref(Self::referent(&entry)?, false);
                self.push(ty, entry.loc).map(drop)
            }
            B::MutBorrowField(at) => self.borrow_field(*at, true),
            B::ImmBorrowField(at) => self.borrow_field(*at, false),
            B::MutBorrowFieldGeneric(at) => self.borrow_field(module.field_instantiation_at(*at).handle, true),
            B::ImmBorrowFieldGeneric(at) => self.borrow_field(module.field_instantiation_at(*at).handle, false),
            B::Pack(def) => self.pack(*def, &NO_TYPE_ARGS),
            B::PackGeneric(at) => {
                let instance = *module.struct_instantiation_at(*at);
                match self.close(instance.type_parameters)? {
                    Some(args) => self.pack(instance.def, &args),
                    None => Ok(()),
                }
            }
            B::Unpack(_) | B::UnpackGeneric(_) => self.unpack(),
            B::PackVariant(at) => {
                let handle = *module.variant_handle_at(*at);
                self.pack_variant(handle.enum_def.index(), handle.variant, &NO_TYPE_ARGS)
            }
            B::PackVariantGeneric(at) => {
                let handle = *module.variant_instantiation_at(*at);
                let instance = *module.enum_instantiation_at(handle.enum_def);
                match self.close(instance.type_parameters)? {
                    Some(args) => self.pack_variant(instance.def.index(), handle.variant, &args),
                    None => Ok(()),
                }
            }
            B::UnpackVariant(at) => self.unpack_variant(module.variant_handle_at(*at).variant),
            B::UnpackVariantGeneric(at) => self.unpack_variant(module.variant_instantiation_at(*at).variant),
            B::UnpackVariantImmRef(at) => self.unpack_variant_ref(module.variant_handle_at(*at).variant, false),
            B::UnpackVariantMutRef(at) => self.unpack_variant_ref(module.variant_handle_at(*at).variant, true),
            B::UnpackVariantGenericImmRef(at) => {
                self.unpack_variant_ref(module.variant_instantiation_at(*at).variant, false)
            }
            B::UnpackVariantGenericMutRef(at) => {
                self.unpack_variant_ref(module.variant_instantiation_at(*at).variant, true)
            }
            B::VecPack(element, count) => self.vec_pack(*element, *count),
            B::VecUnpack(_, count) => self.vec_unpack(*count),
            B::VecLen(_) => self.vec_len(),
            B::VecImmBorrow(_) => self.vec_borrow(false),
            B::VecMutBorrow(_) => self.vec_borrow(true),
            B::VecPushBack(_) => self.vec_push(),
            B::VecPopBack(_) => self.vec_pop(),
            B::VecSwap(_) => self.vec_swap(),
            other => self.storage(other),
        }
    }

    fn read_ref(&mut self) -> Result<()> {
        let entry = self.pop()?;
        let layout = Self::referent(&entry)?;
        let ty = Ty::Value(Arc::clone(&layout));
        if !layout.is_primitive() {
            let index = self.layout_index(&layout)?;
            if let Loc::Addr { slot } = entry.loc {
                let home = self.push(ty, Loc::Home)?;
                self.emit(Op::CopySlot(home, slot, index));
                return Ok(());
            }
            let p = self.slot(&entry)?;
            let home = self.push(ty, Loc::Home)?;
            self.emit(Op::CopyAt(home, p, index));
            return Ok(());
        }
        match entry.loc {
            Loc::Addr { slot } => {
                let local = self.locals.iter().rposition(|local| local.slot <= slot);
                let local = local.ok_or_else(|| invariant("an address of no local"))?;
                if self.locals[local].is_mutably_borrowed {
                    let home = self.push(ty, Loc::Home)?;
                    self.emit_move(home, slot, layout.words);
                    return Ok(());
                }
                let local = u8::try_from(local).map_err(|_| too_large())?;
                self.push(ty, Loc::Local { slot, local }).map(drop)
            }
            Loc::Home if self.fuse_get(&entry, &layout) => self.push(ty, Loc::Home).map(drop),
            _ => {
                let (base, bytes) = self.address(&entry)?;
                let home = self.push(ty, Loc::Home)?;
                self.emit_load(home, base, bytes, &layout);
                Ok(())
            }
        }
    }

    /// Makes the address of an element that was just computed, and the read of it, one instruction.
    fn fuse_get(&mut self, entry: &Entry, layout: &Layout) -> bool {
        let fused = match self.last() {
            Some(Op::VecAddr(_, d, p, i)) if d == entry.home => match (&layout.kind, layout.words) {
                (Kind::Bool | Kind::U8, _) => Op::VecGet1(d, p, i),
                (Kind::U16, _) => Op::VecGet2(d, p, i),
                (Kind::U32, _) => Op::VecGet4(d, p, i),
                (_, 1) => Op::VecGet8(d, p, i),
                _ => return false,
            },
            Some(Op::VecAddrL(_, d, p, i)) if d == entry.home => match (&layout.kind, layout.words) {
                (Kind::Bool | Kind::U8, _) => Op::VecGet1L(d, p, i),
                (Kind::U16, _) => Op::VecGet2L(d, p, i),
                (Kind::U32, _) => Op::VecGet4L(d, p, i),
                (_, 1) => Op::VecGet8L(d, p, i),
                _ => return false,
            },
            _ => return false,
        };
        // The borrow is the one that can fail; its offset stays.
        if let Some(last) = self.code.last_mut() {
            *last = fused;
        }
        true
    }

    fn write_ref(&mut self) -> Result<()> {
        let reference = self.pop()?;
        let value = self.pop()?;
        let layout = Self::referent(&reference)?;
        if let Loc::Addr { slot } = reference.loc {
            if layout.owns {
                let index = self.layout_index(&layout)?;
                self.emit(Op::Drop(slot, index));
            }
            return self.store(slot, &value, !layout.owns);
        }
        if layout.owns {
            let index = self.layout_index(&layout)?;
            let p = self.slot(&reference)?;
            self.emit(Op::DropAt(p, index));
            let from = self.slot(&value)?;
            self.emit_store(p, 0, from, &layout);
            return Ok(());
        }
        if reference.loc == Loc::Home
            && matches!(value.loc, Loc::Home | Loc::Local { .. })
            && let Some(Op::VecAddr(_, d, p, i)) = self.last()
            && d == reference.home
        {
            let from = self.slot(&value)?;
            let fused = match (&layout.kind, layout.words) {
                (Kind::Bool | Kind::U8, _) => Some(Op::VecSet1(p, i, from)),
                (Kind::U16, _) => Some(Op::VecSet2(p, i, from)),
                (Kind::U32, _) => Some(Op::VecSet4(p, i, from)),
                (_, 1) => Some(Op::VecSet8(p, i, from)),
                _ => None,
            };
            if let (Some(fused), Some(last)) = (fused, self.code.last_mut()) {
                *last = fused;
                return Ok(());
            }
        }
        let (base, bytes) = self.address(&reference)?;
        let from = self.slot(&value)?;
        self.emit_store(base, bytes, from, &layout);
        Ok(())
    }

    fn borrow_field(&mut self, at: FieldHandleIndex, mutable: bool) -> Result<()> {
        let entry = self.pop()?;
        let layout = Self::referent(&entry)?;
        let field = self.loaded.module.field_handle_at(at).field;
        let fields = layout.fields()?;
        let (word, inner) =
            fields.at.get(usize::from(field)).ok_or_else(|| invariant("a field that does not exist"))?;
        let ty = Ty::Ref(Arc::clone(inner), mutable);
        let bytes = word.checked_mul(WORD as u16).ok_or_else(too_large)?;
        if fields.boxed {
            let (base, offset) = self.address(&entry)?;
            let home = self.push(ty, Loc::Field { base: entry.home, local: None, bytes })?;
            self.emit(Op::Load8(home, base, offset));
            return Ok(());
        }
        let loc = match entry.loc {
            Loc::Addr { slot } => Loc::Addr { slot: slot + word },
            Loc::Home => Loc::Field { base: entry.home, local: None, bytes },
            Loc::Local { slot, local } => Loc::Field { base: slot, local: Some(local), bytes },
            Loc::Field { base, local, bytes: before } => match before.checked_add(bytes) {
                Some(bytes) => Loc::Field { base, local, bytes },
                None => {
                    self.bring_home(&entry)?;
                    Loc::Field { base: entry.home, local: None, bytes }
                }
            },
            Loc::Const(_) => return Err(invariant("a number where a reference is wanted")),
        };
        self.push(ty, loc).map(drop)
    }

    /// Emits the failure that a check gave, if any; false then.
    fn passes(&mut self, check: Result<()>) -> Result<bool> {
        match check {
            Ok(()) => Ok(true),
            Err(failure) => self.emit_failure(*failure).map(|()| false),
        }
    }

    fn emit_allocate(&mut self, size: u64) -> Result<()> {
        if size > 0 {
            self.emit(Op::Allocate(u32::try_from(size).map_err(|_| too_large())?));
        }
        Ok(())
    }

    fn emit_release(&mut self, size: u64) -> Result<()> {
        if size > 0 {
            self.emit(Op::Release(u32::try_from(size).map_err(|_| too_large())?));
        }
        Ok(())
    }

    /// The closed type of a datatype of the module.
    fn tag_of(&self, handle: noema_bytecode::DatatypeHandleIndex, args: &TypeArgs) -> StructTag {
        StructTag {
            address: self.loaded.id.address,
            module: self.loaded.id.name.clone(),
            name: self.loaded.module.datatype_name(handle).clone(),
            type_args: args.tags.clone(),
        }
    }

    fn datatype_layout(&mut self, def: DatatypeDef, args: &TypeArgs) -> Result<Option<Arc<Layout>>> {
        let check = self.loader.check_datatype_depth(self.module, def, args);
        if !self.passes(check)? {
            return Ok(None);
        }
        let handle = match def {
            DatatypeDef::Struct(at) => self.loaded.module.struct_defs[at].handle,
            DatatypeDef::Enum(at) => self.loaded.module.enum_defs[at].handle,
        };
        let tag = TypeTag::Struct(Box::new(self.tag_of(handle, args)));
        match self.layout(&tag) {
            Ok(layout) => Ok(Some(layout)),
            Err(failure) => self.emit_failure(*failure).map(|()| None),
        }
    }

    fn pack(&mut self, def: StructDefIndex, args: &TypeArgs) -> Result<()> {
        let Some(layout) = self.datatype_layout(DatatypeDef::Struct(def.index()), args)? else { return Ok(()) };
        let fields = layout.fields()?;
        let count = fields.at.len();
        self.emit_allocate(VALUE_BYTES * count as u64)?;
        let home = self.bring_home_top(count)?;
        self.stack.truncate(self.stack.len() - count);
        let boxed = fields.boxed;
        let index = self.layout_index(&layout)?;
        self.push(Ty::Value(layout), Loc::Home)?;
        if boxed {
            self.emit(Op::Box(home, index));
        } else if count == 0 {
            let zero = self.constant(0)?;
            self.emit(Op::Const(home, zero));
        }
        Ok(())
    }

    fn unpack(&mut self) -> Result<()> {
        let entry = self.pop()?;
        let layout = Self::value_layout(&entry)?;
        let fields = layout.fields()?;
        self.emit_release(VALUE_BYTES * fields.at.len() as u64)?;
        if fields.boxed {
            let index = self.layout_index(&layout)?;
            self.bring_home(&entry)?;
            self.emit(Op::Unbox(entry.home, index));
        }
        for (word, field) in &fields.at {
            let loc = match entry.loc {
                Loc::Local { slot, local } if !fields.boxed => Loc::Local { slot: slot + word, local },
                _ => Loc::Home,
            };
            self.push(Ty::Value(Arc::clone(field)), loc)?;
        }
        Ok(())
    }

    fn pack_variant(&mut self, def: usize, variant: u16, args: &TypeArgs) -> Result<()> {
        let Some(layout) = self.datatype_layout(DatatypeDef::Enum(def), args)? else { return Ok(()) };
        let count = layout.variant(variant)?.at.len();
        self.emit_allocate(VALUE_BYTES * count as u64)?;
        let home = self.bring_home_top(count)?;
        self.stack.truncate(self.stack.len() - count);
        let index = self.layout_index(&layout)?;
        self.reserve(home, layout.inner_words())?;
        self.push(Ty::Value(layout), Loc::Home)?;
        self.emit(Op::PackVariant(home, index, variant));
        Ok(())
    }

    /// Makes the frame reach beyond words that an instruction uses on the way.
    fn reserve(&mut self, home: u16, words: usize) -> Result<()> {
        let end = usize::from(home) + words;
        u16::try_from(end).map_err(|_| too_large())?;
        self.frame = self.frame.max(end);
        Ok(())
    }

    fn unpack_variant(&mut self, variant: u16) -> Result<()> {
        let entry = self.pop()?;
        let layout = Self::value_layout(&entry)?;
        let fields = layout.variant(variant)?;
        self.bring_home(&entry)?;
        self.reserve(entry.home, layout.inner_words())?;
        let index = self.layout_index(&layout)?;
        self.emit(Op::UnpackVariant(entry.home, index, variant));
        for (_, field) in &fields.at {
            self.push(Ty::Value(Arc::clone(field)), Loc::Home)?;
        }
        Ok(())
    }

    fn unpack_variant_ref(&mut self, variant: u16, mutable: bool) -> Result<()> {
        let entry = self.pop()?;
        let layout = Self::referent(&entry)?;
        let fields = layout.variant(variant)?;
        self.bring_home(&entry)?;
        let home = entry.home;
        self.reserve(home, 1)?;
        let index = self.layout_index(&layout)?;
        self.emit(Op::VariantAt(home, index, variant));
        // The first home holds the address of the tag: it is replaced last.
        let count = u16::try_from(fields.at.len()).map_err(|_| too_large())?;
        self.reserve(home, usize::from(count))?;
        for (at, (word, _)) in fields.at.iter().enumerate().rev() {
            self.emit(Op::Offset(home + at as u16, home, word.checked_mul(WORD as u16).ok_or_else(too_large)?));
        }
        for (_, field) in &fields.at {
            self.push(Ty::Ref(Arc::clone(field), mutable), Loc::Home)?;
        }
        Ok(())
    }

    fn vec_pack(&mut self, element: SignatureIndex, count: u64) -> Result<()> {
        let type_args = Arc::clone(&self.type_args);
        let check = self.loader.check_vector_depth(self.module, element, &type_args);
        if !self.passes(check)? {
            return Ok(());
        }
        let [token] = self.loaded.module.signature_at(element) else {
            return Err(invariant("a vector instruction without one element type"));
        };
        let token: SignatureToken = token.clone();
        let element = match self.layout_of(&token) {
            Ok(layout) => layout,
            Err(failure) => return self.emit_failure(*failure),
        };
        let tag = crate::types::close(&self.loaded.module, &token, &type_args.tags)?;
        let vector = self.layout(&TypeTag::Vector(Box::new(tag)))?;
        let count = usize::try_from(count).map_err(|_| too_large())?;
        if count == 0 {
            let zero = self.constant(0)?;
            let home = self.push(Ty::Value(vector), Loc::Home)?;
            self.emit(Op::Const(home, zero));
            return Ok(());
        }
        self.emit_allocate(element.element_memory() * count as u64)?;
        let home = self.bring_home_top(count)?;
        self.stack.truncate(self.stack.len() - count);
        self.push(Ty::Value(vector), Loc::Home)?;
        let index = self.layout_index(&element)?;
        self.emit(Op::VecPack(home, u16::try_from(count).map_err(|_| too_large())?, index));
        Ok(())
    }

    fn vec_unpack(&mut self, count: u64) -> Result<()> {
        let entry = self.pop()?;
        let element = Arc::clone(Self::value_layout(&entry)?.element()?);
        self.bring_home(&entry)?;
        let count = u16::try_from(count).map_err(|_| too_large())?;
        let index = self.layout_index(&element)?;
        self.emit(Op::VecUnpack(entry.home, count, index));
        for _ in 0..count {
            self.push(Ty::Value(Arc::clone(&element)), Loc::Home)?;
        }
        Ok(())
    }

    fn vec_len(&mut self) -> Result<()> {
        let entry = self.pop()?;
        let ty = self.primitive(TypeTag::U64)?;
        if let Loc::Addr { slot } = entry.loc {
            let home = self.push(ty, Loc::Home)?;
            self.emit(Op::VecLenL(home, slot));
            return Ok(());
        }
        let p = self.slot(&entry)?;
        let home = self.push(ty, Loc::Home)?;
        self.emit(Op::VecLen(home, p));
        Ok(())
    }

    fn vec_borrow(&mut self, mutable: bool) -> Result<()> {
        let index = self.pop()?;
        let vector = self.pop()?;
        let element = Arc::clone(Self::referent(&vector)?.element()?);
        let code = element.element_code();
        let ty = Ty::Ref(element, mutable);
        if let Loc::Addr { slot } = vector.loc {
            let i = self.slot(&index)?;
            let home = self.push(ty, Loc::Home)?;
            self.emit(Op::VecAddrL(code, home, slot, i));
            return Ok(());
        }
        let p = self.slot(&vector)?;
        let i = self.slot(&index)?;
        let home = self.push(ty, Loc::Home)?;
        self.emit(Op::VecAddr(code, home, p, i));
        Ok(())
    }

    fn vec_push(&mut self) -> Result<()> {
        let value = self.pop()?;
        let vector = self.pop()?;
        let code = Self::referent(&vector)?.element()?.element_code();
        if let Loc::Addr { slot } = vector.loc {
            let s = self.slot(&value)?;
            self.emit(Op::VecPushL(code, slot, s));
            return Ok(());
        }
        let p = self.slot(&vector)?;
        let s = self.slot(&value)?;
        self.emit(Op::VecPush(code, p, s));
        Ok(())
    }

    fn vec_pop(&mut self) -> Result<()> {
        let vector = self.pop()?;
        let element = Arc::clone(Self::referent(&vector)?.element()?);
        let code = element.element_code();
        if let Loc::Addr { slot } = vector.loc {
            let home = self.push(Ty::Value(element), Loc::Home)?;
            self.emit(Op::VecPopL(code, home, slot));
            return Ok(());
        }
        let p = self.slot(&vector)?;
        let home = self.push(Ty::Value(element), Loc::Home)?;
        self.emit(Op::VecPop(code, home, p));
        Ok(())
    }

    fn vec_swap(&mut self) -> Result<()> {
        let right = self.pop()?;
        let left = self.pop()?;
        let vector = self.pop()?;
        let code = Self::referent(&vector)?.element()?.element_code();
        if let Loc::Addr { slot } = vector.loc {
            let (i, j) = (self.slot(&left)?, self.slot(&right)?);
            self.emit(Op::VecSwapL(code, slot, i, j));
            return Ok(());
        }
        let (p, i, j) = (self.slot(&vector)?, self.slot(&left)?, self.slot(&right)?);
        self.emit(Op::VecSwap(code, p, i, j));
        Ok(())
    }

    pub(super) fn load_constant(&mut self, at: usize) -> Result<()> {
        let token = self.loaded.module.constants[at].type_.clone();
        let layout = self.layout_of(&token)?;
        let value = self.loaded.constants[at].clone();
        let gas = self.costs.constant_byte.times(value.abstract_size()).0;
        if let Some(words) = words_of_constant(&value) {
            self.emit_gas(gas);
            let ty = Ty::Value(layout);
            if let [word] = words.as_slice() {
                return self.push(ty, Loc::Const(*word)).map(drop);
            }
            let k = self.constants(&words)?;
            let home = self.push(ty, Loc::Home)?;
            self.emit(Op::ConstN(home, k, words.len() as u16));
            return Ok(());
        }
        self.emit_gas(gas);
        self.emit_allocate(value.memory_size())?;
        self.constants.resize(self.loaded.constants.len(), None);
        self.constants[at] = Some(Arc::clone(&layout));
        let home = self.push(Ty::Value(layout), Loc::Home)?;
        self.emit(Op::LoadConstant(home, u16::try_from(at).map_err(|_| too_large())?));
        Ok(())
    }

    fn storage(&mut self, instruction: &Bytecode) -> Result<()> {
        use Bytecode as B;
        let (def, args) = match instruction {
            B::Exists(def) | B::MoveFrom(def) | B::MoveTo(def) | B::MutBorrowGlobal(def) | B::ImmBorrowGlobal(def) => {
                (*def, None)
            }
            B::ExistsGeneric(at)
            | B::MoveFromGeneric(at)
            | B::MoveToGeneric(at)
            | B::MutBorrowGlobalGeneric(at)
            | B::ImmBorrowGlobalGeneric(at) => match self.instance(*at)? {
                Some((def, args)) => (def, Some(args)),
                None => return Ok(()),
            },
            other => return Err(invariant(format!("no way to lower {other:?}"))),
        };
        let args = args.as_deref().unwrap_or(&NO_TYPE_ARGS);
        let resource = match self.resource(def, args) {
            Ok(resource) => resource,
            Err(failure) => return self.emit_failure(*failure),
        };
        self.use_resource(instruction, resource)
    }

    fn instance(&mut self, at: StructDefInstantiationIndex) -> Result<Option<(StructDefIndex, Arc<TypeArgs>)>> {
        let instance = *self.loaded.module.struct_instantiation_at(at);
        Ok(self.close(instance.type_parameters)?.map(|args| (instance.def, args)))
    }

    fn resource(&mut self, def: StructDefIndex, args: &TypeArgs) -> Result<u16> {
        let tag = self.tag_of(self.loaded.module.struct_def_at(def).handle, args);
        if let Some(known) = self.resources.iter().position(|resource| *resource.tag == tag) {
            return u16::try_from(known).map_err(|_| too_large());
        }
        let closed = TypeTag::Struct(Box::new(tag.clone()));
        let layout = self.layout(&closed)?;
        let nodes = self.loader.count_layout(&closed).map_err(|failure| match *failure {
            Failure::Status { status, message, .. } => Ok(Failing { status, message }),
            other => Err(Box::new(other)),
        });
        let nodes = match nodes {
            Ok(nodes) => Ok(nodes),
            Err(Ok(failing)) => Err(failing),
            Err(Err(fault)) => return Err(fault),
        };
        self.resources.push(Resource { tag: Arc::new(tag), layout, nodes });
        u16::try_from(self.resources.len() - 1).map_err(|_| too_large())
    }

    fn use_resource(&mut self, instruction: &Bytecode, resource: u16) -> Result<()> {
        use Bytecode as B;
        let layout = Arc::clone(&self.resources[usize::from(resource)].layout);
        if matches!(instruction, B::MoveTo(_) | B::MoveToGeneric(_)) {
            let value = self.pop()?;
            let signer = self.pop()?;
            let (p, s) = (self.slot(&signer)?, self.slot(&value)?);
            self.emit(Op::MoveTo(p, s, resource));
            return Ok(());
        }
        let address = self.pop()?;
        let a = self.slot(&address)?;
        let (ty, op): (Ty, fn(u16, u16, u16) -> Op) = match instruction {
            B::Exists(_) | B::ExistsGeneric(_) => (self.primitive(TypeTag::Bool)?, Op::Exists),
            B::MoveFrom(_) | B::MoveFromGeneric(_) => (Ty::Value(layout), Op::MoveFrom),
            B::MutBorrowGlobal(_) | B::MutBorrowGlobalGeneric(_) => (Ty::Ref(layout, true), Op::BorrowGlobalMut),
            _ => (Ty::Ref(layout, false), Op::BorrowGlobal),
        };
        let home = self.push(ty, Loc::Home)?;
        self.emit(op(home, a, resource));
        Ok(())
    }
}
