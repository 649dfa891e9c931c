//! What execution costs.
//!
//! - InternalGas is defined on *bytecode*. The static cost of a basic block is the sum of [`InstructionCosts`] over its
//!   instructions; the whole of it is charged when the block is entered and nothing comes back if the block aborts
//!   half-way. Blocks are the verifier's: leaders are the entry, branch targets and the instruction after a branch.
//!   Calls do not end a block.
//! - If the balance is below a block's cost, the run ends with OUT_OF_GAS at the block's first instruction and nothing
//!   of the block has run.
//! - Parts that depend on sizes ([`DynamicCosts`]) are charged just before the work.
//! - Sizes are *abstract bytes*: the width of primitives (bool 1, u8 1, ... u256, address and signer 32), the sum over
//!   fields and elements, plus [`VECTOR_HEADER_BYTES`] per vector. They never depend on how a virtual machine lays
//!   values out.
//! - Running out takes the whole balance.
//!
//! One [`InternalGas`] is about a tenth of a simple instruction; [`GasSchedule::gas_per_unit`] of them make one [`Gas`],
//! the unit that transactions and receipts count in.

use noema_types::Gas;
use serde::{Deserialize, Serialize};

/// Abstract bytes of a vector beside its elements.
pub const VECTOR_HEADER_BYTES: u64 = 8;

/// An amount of gas in the machine's own, fine unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InternalGas(pub u64);

/// The balance does not cover the charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("out of gas")]
pub struct OutOfGas;

/// Static cost of each kind of instruction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each field is named after the instructions it prices")]
pub struct InstructionCosts {
    pub nop: InternalGas,
    pub pop: InternalGas,
    pub branch: InternalGas,
    pub ret: InternalGas,
    pub abort: InternalGas,
    pub load: InternalGas,
    pub load_wide: InternalGas,
    pub load_constant: InternalGas,
    pub cast: InternalGas,
    pub copy_loc: InternalGas,
    pub move_loc: InternalGas,
    pub store_loc: InternalGas,
    pub call: InternalGas,
    pub call_generic: InternalGas,
    pub pack: InternalGas,
    pub unpack: InternalGas,
    /// Per field of a pack or unpack.
    pub field: InternalGas,
    pub read_ref: InternalGas,
    pub write_ref: InternalGas,
    pub freeze_ref: InternalGas,
    pub borrow_loc: InternalGas,
    pub borrow_field: InternalGas,
    pub add_sub: InternalGas,
    pub mul: InternalGas,
    pub div_mod: InternalGas,
    pub bitwise: InternalGas,
    pub logic: InternalGas,
    pub compare: InternalGas,
    pub equality: InternalGas,
    pub exists: InternalGas,
    pub borrow_global: InternalGas,
    pub move_from: InternalGas,
    pub move_to: InternalGas,
    pub vec_pack: InternalGas,
    pub vec_unpack: InternalGas,
    /// Per element of a vector pack or unpack.
    pub vec_element: InternalGas,
    pub vec_len: InternalGas,
    pub vec_borrow: InternalGas,
    pub vec_push_pop: InternalGas,
    pub vec_swap: InternalGas,
    pub variant_switch: InternalGas,
}

/// Costs that depend on sizes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DynamicCosts {
    /// Per abstract byte of a value that is copied and is not a primitive.
    pub copy_byte: InternalGas,
    /// Per abstract byte of two values that are compared (the larger counts), primitives excepted.
    pub equality_byte: InternalGas,
    /// Per byte of a constant that is loaded.
    pub constant_byte: InternalGas,
    /// Per node of a type that a generic instruction closes.
    pub type_node: InternalGas,
    /// First use of a global value.
    pub global_load: InternalGas,
    /// Per byte of a global value at its first use.
    pub global_load_byte: InternalGas,
    /// Call of a native, before the native's own formula.
    pub native_call: InternalGas,
    /// Per byte that a native hashes, serialises, deserialises or scans.
    pub native_byte: InternalGas,
    /// Per event.
    pub event: InternalGas,
    /// Per byte of an event.
    pub event_byte: InternalGas,
}

/// Costs of what a transaction leaves behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StorageCosts {
    /// Per value that is written or deleted.
    pub write: InternalGas,
    /// Per byte of a key or value that is written.
    pub write_byte: InternalGas,
    /// Per value that did not exist before.
    pub slot_create: InternalGas,
}

/// Every price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GasSchedule {
    /// [`InternalGas`] in one unit of gas as transactions count it.
    pub gas_per_unit: u64,
    /// Instructions.
    pub instructions: InstructionCosts,
    /// Sizes.
    pub dynamic: DynamicCosts,
    /// Writes.
    pub storage: StorageCosts,
    /// Per inference unit, which is one microsecond of the reference machine.
    pub inference_unit: InternalGas,
}

/// A balance of gas that only falls, but for refunds of what was charged in advance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GasMeter {
    limit: u64,
    remaining: u64,
}

/// How much a transaction changes, for its price. Sizes are real bytes, not abstract ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ChangeSummary {
    /// Values written or deleted.
    pub writes: u64,
    /// Bytes of keys and new values.
    pub write_bytes: u64,
    /// Values that did not exist before.
    pub slots_created: u64,
    /// Values that no longer exist.
    pub slots_deleted: u64,
}

impl InternalGas {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// Sum, at most the largest amount.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// `count` times this, at most the largest amount.
    #[must_use]
    pub const fn times(self, count: u64) -> Self {
        Self(self.0.saturating_mul(count))
    }
}

impl std::iter::Sum for InternalGas {
    fn sum<I: Iterator<Item = Self>>(items: I) -> Self {
        items.fold(Self::ZERO, Self::plus)
    }
}

impl Default for InstructionCosts {
    fn default() -> Self {
        let simple = InternalGas(10);
        Self {
            nop: InternalGas(1),
            pop: InternalGas(5),
            branch: InternalGas(5),
            ret: InternalGas(10),
            abort: InternalGas(10),
            load: InternalGas(5),
            load_wide: simple,
            load_constant: InternalGas(50),
            cast: simple,
            copy_loc: simple,
            move_loc: simple,
            store_loc: simple,
            call: InternalGas(80),
            call_generic: InternalGas(120),
            pack: InternalGas(20),
            unpack: InternalGas(20),
            field: InternalGas(5),
            read_ref: simple,
            write_ref: simple,
            freeze_ref: InternalGas(1),
            borrow_loc: simple,
            borrow_field: simple,
            add_sub: simple,
            mul: InternalGas(15),
            div_mod: InternalGas(40),
            bitwise: simple,
            logic: InternalGas(5),
            compare: simple,
            equality: simple,
            exists: InternalGas(300),
            borrow_global: InternalGas(400),
            move_from: InternalGas(500),
            move_to: InternalGas(500),
            vec_pack: InternalGas(40),
            vec_unpack: InternalGas(40),
            vec_element: InternalGas(5),
            vec_len: simple,
            vec_borrow: InternalGas(15),
            vec_push_pop: InternalGas(20),
            vec_swap: InternalGas(20),
            variant_switch: simple,
        }
    }
}

impl Default for GasSchedule {
    fn default() -> Self {
        Self {
            gas_per_unit: 10_000,
            instructions: InstructionCosts::default(),
            dynamic: DynamicCosts {
                copy_byte: InternalGas(1),
                equality_byte: InternalGas(1),
                constant_byte: InternalGas(1),
                type_node: InternalGas(20),
                global_load: InternalGas(10_000),
                global_load_byte: InternalGas(10),
                native_call: InternalGas(100),
                native_byte: InternalGas(20),
                event: InternalGas(1_000),
                event_byte: InternalGas(50),
            },
            storage: StorageCosts {
                write: InternalGas(20_000),
                write_byte: InternalGas(100),
                slot_create: InternalGas(200_000),
            },
            inference_unit: InternalGas(1_000),
        }
    }
}

impl GasSchedule {
    /// The gas in `units` as transactions count them.
    #[must_use]
    pub fn from_units(&self, units: Gas) -> InternalGas {
        InternalGas(self.gas_per_unit).times(units.0)
    }

    /// `gas` in units as transactions count them, rounded up.
    #[must_use]
    pub fn to_units(&self, gas: InternalGas) -> Gas {
        Gas(gas.0.div_ceil(self.gas_per_unit.max(1)))
    }

    /// Price of a transaction's changes.
    #[must_use]
    pub fn changes(&self, changes: &ChangeSummary) -> InternalGas {
        let storage = &self.storage;
        [
            storage.write.times(changes.writes),
            storage.write_byte.times(changes.write_bytes),
            storage.slot_create.times(changes.slots_created),
        ]
        .into_iter()
        .sum()
    }
}

impl GasMeter {
    /// A meter with a full balance.
    #[must_use]
    pub fn new(limit: InternalGas) -> Self {
        Self { limit: limit.0, remaining: limit.0 }
    }

    /// A meter that no program can empty: for genesis, views of the node itself and tests.
    #[must_use]
    pub fn unlimited() -> Self {
        Self::new(InternalGas(u64::MAX))
    }

    /// Takes `amount`.
    ///
    /// # Errors
    /// [`OutOfGas`] if the balance is lower; the balance is zero then.
    #[inline]
    pub fn charge(&mut self, amount: InternalGas) -> Result<(), OutOfGas> {
        match self.remaining.checked_sub(amount.0) {
            Some(remaining) => {
                self.remaining = remaining;
                Ok(())
            }
            None => {
                self.remaining = 0;
                Err(OutOfGas)
            }
        }
    }

    /// Gives back part of what was charged in advance; the balance never exceeds the limit.
    pub fn refund(&mut self, amount: InternalGas) {
        self.remaining = self.remaining.saturating_add(amount.0).min(self.limit);
    }

    /// The balance.
    #[must_use]
    pub fn remaining(&self) -> InternalGas {
        InternalGas(self.remaining)
    }

    /// What has been used.
    #[must_use]
    pub fn used(&self) -> InternalGas {
        InternalGas(self.limit - self.remaining)
    }

    /// What the meter started with.
    #[must_use]
    pub fn limit(&self) -> InternalGas {
        InternalGas(self.limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_out_takes_everything() {
        let mut meter = GasMeter::new(InternalGas(10));
        assert_eq!(meter.charge(InternalGas(10)), Ok(()));
        assert_eq!(meter.charge(InternalGas(0)), Ok(()));
        meter.refund(InternalGas(5));
        assert_eq!(meter.charge(InternalGas(6)), Err(OutOfGas));
        assert_eq!((meter.remaining(), meter.used()), (InternalGas(0), InternalGas(10)));
        meter.refund(InternalGas(u64::MAX));
        assert_eq!(meter.remaining(), InternalGas(10));
    }

    #[test]
    fn units_round_up() {
        let schedule = GasSchedule::default();
        assert_eq!(schedule.to_units(InternalGas(1)), Gas(1));
        assert_eq!(schedule.to_units(schedule.from_units(Gas(7))), Gas(7));
        assert_eq!(schedule.from_units(Gas(u64::MAX)), InternalGas(u64::MAX));
    }

    #[test]
    fn changes_are_summed() {
        let schedule = GasSchedule::default();
        let changes = ChangeSummary { writes: 2, write_bytes: 3, slots_created: 1, slots_deleted: 0 };
        assert_eq!(schedule.changes(&changes), InternalGas(2 * 20_000 + 3 * 100 + 200_000));
    }
}
