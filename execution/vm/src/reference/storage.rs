//! Global storage.

use std::sync::Arc;

use noema_bytecode::{Bytecode, StructDefIndex, StructDefInstantiationIndex};
use noema_execution_api::{Reference, Root, StatusCode, Value};
use noema_types::{Address, StructTag};

use crate::error::{Result, fail_because, invariant};
use crate::reference::machine::{Machine, Running};
use crate::reference::places::follow_value;

impl Machine<'_, '_> {
    pub(crate) fn storage(&mut self, running: &Running<'_>, instruction: &Bytecode) -> Result<()> {
        use Bytecode as B;
        match instruction {
            B::Exists(def) => self.exists(&plain_tag(running, *def)?),
            B::ExistsGeneric(at) => {
                let tag = self.generic_tag(running, *at)?;
                self.exists(&tag)
            }
            B::MoveTo(def) => self.move_to(&plain_tag(running, *def)?),
            B::MoveToGeneric(at) => {
                let tag = self.generic_tag(running, *at)?;
                self.move_to(&tag)
            }
            B::MoveFrom(def) => self.move_from(&plain_tag(running, *def)?),
            B::MoveFromGeneric(at) => {
                let tag = self.generic_tag(running, *at)?;
                self.move_from(&tag)
            }
            B::MutBorrowGlobal(def) => self.borrow_global(&plain_tag(running, *def)?, true),
            B::ImmBorrowGlobal(def) => self.borrow_global(&plain_tag(running, *def)?, false),
            B::MutBorrowGlobalGeneric(at) => {
                let tag = self.generic_tag(running, *at)?;
                self.borrow_global(&tag, true)
            }
            B::ImmBorrowGlobalGeneric(at) => {
                let tag = self.generic_tag(running, *at)?;
                self.borrow_global(&tag, false)
            }
            other => Err(invariant(format!("instruction {other:?} reached the wrong place"))),
        }
    }

    fn generic_tag(&mut self, running: &Running<'_>, at: StructDefInstantiationIndex) -> Result<Arc<StructTag>> {
        let module = &running.loaded.module;
        let instance = module.struct_instantiation_at(at);
        let args = self.loader.close_signature(running.module, instance.type_parameters, running.type_args)?;
        self.meter.type_nodes(args.nodes)?;
        Ok(Arc::new(StructTag {
            address: running.loaded.id.address,
            module: running.loaded.id.name.clone(),
            name: module.struct_name(instance.def).clone(),
            type_args: args.tags.clone(),
        }))
    }

    fn slot(&mut self, address: Address, tag: &Arc<StructTag>) -> Result<u32> {
        self.globals.resource(address, tag, self.loader, self.environment.schedule, self.meter.gas)
    }

    fn pop_address(&mut self) -> Result<Address> {
        self.pop()?.as_address().ok_or_else(|| invariant("an operand is no address"))
    }

    fn exists(&mut self, tag: &Arc<StructTag>) -> Result<()> {
        let address = self.pop_address()?;
        let slot = self.slot(address, tag)?;
        let exists = self.globals.exists(slot);
        self.push(Value::Bool(exists))
    }

    fn borrow_global(&mut self, tag: &Arc<StructTag>, mutable: bool) -> Result<()> {
        let address = self.pop_address()?;
        let slot = self.slot(address, tag)?;
        if !self.globals.exists(slot) {
            return Err(fail_because(StatusCode::MISSING_DATA, format!("no {tag} at {address}")));
        }
        self.push(Value::Reference(Reference::to_root(Root::Global(slot), mutable)))
    }

    fn move_from(&mut self, tag: &Arc<StructTag>) -> Result<()> {
        let address = self.pop_address()?;
        let slot = self.slot(address, tag)?;
        match self.globals.take(slot) {
            Some(value) => self.push(value),
            None => Err(fail_because(StatusCode::MISSING_DATA, format!("no {tag} at {address}"))),
        }
    }

    fn move_to(&mut self, tag: &Arc<StructTag>) -> Result<()> {
        let value = self.pop()?;
        let signer = self.pop_ref()?;
        let address = follow_value(&self.locals, self.globals, &signer)?.as_signer();
        let address = address.ok_or_else(|| invariant("an operand is no signer"))?;
        let slot = self.slot(address, tag)?;
        if self.globals.put(slot, value) {
            Ok(())
        } else {
            Err(fail_because(StatusCode::RESOURCE_ALREADY_EXISTS, format!("{tag} is at {address} already")))
        }
    }
}

fn plain_tag(running: &Running<'_>, def: StructDefIndex) -> Result<Arc<StructTag>> {
    let tag = running.loaded.struct_tags.get(def.index()).and_then(Option::as_ref);
    tag.cloned().ok_or_else(|| invariant("a generic struct without type arguments"))
}
