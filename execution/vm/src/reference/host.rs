//! What natives see of the interpreter.

use std::sync::Arc;

use noema_execution_api::{
    GasMeter, GasSchedule, MoveTypeLayout, NativeHost, NativeResult, Reference, Root, TableKey, Value,
};
use noema_types::{Address, StructTag, TypeTag};

use crate::error::Result;
use crate::globals::Globals;
use crate::loader::Loader;
use crate::reference::places::{Locals, Place, PlaceMut, follow, follow_mut};

pub(crate) struct Host<'h, 'a> {
    pub(crate) loader: &'h mut Loader<'a>,
    pub(crate) globals: &'h mut Globals,
    pub(crate) locals: &'h mut Locals,
    pub(crate) schedule: &'h GasSchedule,
    /// Holds an element of a `vector<u8>` while a native reads it as a value.
    pub(crate) byte: Value,
}

impl Host<'_, '_> {
    fn slot(&mut self, item: TableKey<'_>, gas: &mut GasMeter) -> Result<u32> {
        self.globals.item(item, self.loader, self.schedule, gas)
    }
}

impl NativeHost for Host<'_, '_> {
    fn read(&mut self, reference: &Reference) -> NativeResult<&Value> {
        match follow(self.locals, self.globals, reference)? {
            Place::Value(value) => Ok(value),
            Place::Byte(byte) => {
                self.byte = Value::U8(byte);
                Ok(&self.byte)
            }
        }
    }

    fn write(&mut self, reference: &Reference, value: Value) -> NativeResult<()> {
        match (follow_mut(self.locals, self.globals, reference)?, value) {
            (PlaceMut::Value(place), value) => *place = value,
            (PlaceMut::Byte(place), Value::U8(byte)) => *place = byte,
            (PlaceMut::Byte(_), _) => return Err(noema_execution_api::NativeError::invariant("no byte for a byte")),
        }
        Ok(())
    }

    fn layout(&mut self, tag: &TypeTag, gas: &mut GasMeter) -> NativeResult<Arc<MoveTypeLayout>> {
        Ok(self.loader.charged_layout(tag, self.schedule, gas)?)
    }

    fn resource_exists(&mut self, address: Address, tag: &StructTag, gas: &mut GasMeter) -> NativeResult<bool> {
        let slot = self.globals.resource(address, &Arc::new(tag.clone()), self.loader, self.schedule, gas)?;
        Ok(self.globals.exists(slot))
    }

    fn table_contains(&mut self, item: TableKey<'_>, gas: &mut GasMeter) -> NativeResult<bool> {
        let slot = self.slot(item, gas)?;
        Ok(self.globals.exists(slot))
    }

    fn table_insert(&mut self, item: TableKey<'_>, value: Value, gas: &mut GasMeter) -> NativeResult<bool> {
        let slot = self.slot(item, gas)?;
        Ok(self.globals.put(slot, value))
    }

    fn table_borrow(
        &mut self,
        item: TableKey<'_>,
        mutable: bool,
        gas: &mut GasMeter,
    ) -> NativeResult<Option<Reference>> {
        let slot = self.slot(item, gas)?;
        Ok(self.globals.exists(slot).then(|| Reference::to_root(Root::Global(slot), mutable)))
    }

    fn table_remove(&mut self, item: TableKey<'_>, gas: &mut GasMeter) -> NativeResult<Option<Value>> {
        let slot = self.slot(item, gas)?;
        Ok(self.globals.take(slot))
    }
}
