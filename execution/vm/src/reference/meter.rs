//! Charges that depend on sizes, and the memory limit.

use noema_execution_api::{DynamicCosts, GasMeter, InternalGas, StatusCode, Value};

use crate::error::{Result, fail};

/// Gas and memory of a run.
#[derive(Debug)]
pub(crate) struct Meter<'m> {
    pub(crate) gas: &'m mut GasMeter,
    pub(crate) costs: &'m DynamicCosts,
    /// What the session has made and not taken apart again, by [`Value::memory_size`].
    pub(crate) memory: &'m mut u64,
    pub(crate) memory_max: u64,
}

impl Meter<'_> {
    /// Pays for a copy of a value that is no primitive.
    #[inline]
    pub(crate) fn copy(&mut self, value: &Value) -> Result<()> {
        if value.is_primitive() { Ok(()) } else { self.copy_large(value) }
    }

    fn copy_large(&mut self, value: &Value) -> Result<()> {
        self.gas.charge(self.costs.copy_byte.times(value.abstract_size()))?;
        self.allocate(value.memory_size())
    }

    /// Pays for a comparison. The larger side counts, since finding its size is work too.
    #[inline]
    pub(crate) fn compare(&mut self, left: &Value, right: &Value) -> Result<()> {
        if left.is_primitive() {
            return Ok(());
        }
        let size = left.abstract_size().max(right.abstract_size());
        Ok(self.gas.charge(self.costs.equality_byte.times(size))?)
    }

    pub(crate) fn constant(&mut self, value: &Value) -> Result<()> {
        self.gas.charge(self.costs.constant_byte.times(value.abstract_size()))?;
        if value.is_primitive() { Ok(()) } else { self.allocate(value.memory_size()) }
    }

    pub(crate) fn type_nodes(&mut self, nodes: u64) -> Result<()> {
        Ok(self.gas.charge(self.costs.type_node.times(nodes))?)
    }

    pub(crate) fn native_call(&mut self) -> Result<()> {
        Ok(self.gas.charge(self.costs.native_call)?)
    }

    #[inline]
    pub(crate) fn block(&mut self, cost: u64) -> Result<()> {
        Ok(self.gas.charge(InternalGas(cost))?)
    }

    #[inline]
    pub(crate) fn allocate(&mut self, size: u64) -> Result<()> {
        *self.memory = self.memory.saturating_add(size);
        if *self.memory > self.memory_max { Err(fail(StatusCode::MEMORY_LIMIT_EXCEEDED)) } else { Ok(()) }
    }

    #[inline]
    pub(crate) fn release(&mut self, size: u64) {
        *self.memory = self.memory.saturating_sub(size);
    }
}
