//! What the chain's own modules say about the epoch: its number, its end, its committee.
//!
//! Rust and Move agree on the end of an epoch: Move ends it at the first block whose time in microseconds is at or after
//! the end that the epoch's start fixed; consensus counts milliseconds, and a whole number of them is at or after the end
//! exactly if it is at or after the end rounded up.

use noema_execution_api::{StateError, StateView};
use noema_types::{
    Address, Committee, CommitteeError, DecodeError, Epoch, EventKey, StateKey, StructTag, TimestampMs, ValidatorSet,
    decode,
};
use serde::Deserialize;

/// Microseconds of a millisecond.
const MILLISECOND_US: u64 = 1_000;

/// Why the state says nothing. All but [`OnChainError::State`] mean that it is not the state of such a chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OnChainError {
    /// The store cannot answer.
    #[error(transparent)]
    State(#[from] StateError),
    /// A resource is not there.
    #[error("the state has no {0}")]
    Absent(&'static str),
    /// A resource is not what it should be.
    #[error(transparent)]
    Malformed(#[from] DecodeError),
    /// The validators make no committee.
    #[error("the validator set makes no committee: {0}")]
    Committee(#[from] CommitteeError),
}

/// `0x1::reconfiguration::Configuration`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Configuration {
    /// The epoch that runs.
    pub epoch: Epoch,
    /// When it began, in microseconds.
    pub last_reconfiguration_time: u64,
    /// When it ends, in microseconds.
    pub epoch_end_time: u64,
    events: (u64, EventKey),
}

/// The epoch that a state is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EpochState {
    /// Its validators, and its number.
    pub committee: Committee,
    /// When it began, in microseconds.
    pub begun_us: u64,
    /// The first commit at or after this time is its last.
    pub end: TimestampMs,
}

impl Configuration {
    /// Events of new epochs so far, and the epoch that the last one announced: equal.
    #[must_use]
    pub fn announced(&self) -> u64 {
        self.events.0
    }

    /// The first commit at or after this time is the epoch's last.
    #[must_use]
    pub fn epoch_end_ms(&self) -> TimestampMs {
        TimestampMs(self.epoch_end_time.div_ceil(MILLISECOND_US))
    }
}

/// The epoch that the state is in. After the last block of an epoch it is the next one.
///
/// # Errors
/// [`OnChainError`].
pub fn epoch_state(view: &dyn StateView) -> Result<EpochState, OnChainError> {
    let configuration = configuration(view)?;
    Ok(EpochState {
        committee: validator_set(view)?.committee(configuration.epoch)?,
        begun_us: configuration.last_reconfiguration_time,
        end: configuration.epoch_end_ms(),
    })
}

/// Number of the epoch.
///
/// # Errors
/// [`OnChainError`].
pub fn epoch(view: &dyn StateView) -> Result<Epoch, OnChainError> {
    Ok(configuration(view)?.epoch)
}

/// The epoch's committee. It is the same at every moment of the epoch.
///
/// # Errors
/// [`OnChainError`].
pub fn committee(view: &dyn StateView) -> Result<Committee, OnChainError> {
    Ok(epoch_state(view)?.committee)
}

/// When the epoch ends: the first commit at or after this time is its last.
///
/// # Errors
/// [`OnChainError`].
pub fn epoch_end_ms(view: &dyn StateView) -> Result<TimestampMs, OnChainError> {
    Ok(configuration(view)?.epoch_end_ms())
}

/// The epoch's configuration as it lies in the state.
///
/// # Errors
/// [`OnChainError`].
pub fn configuration(view: &dyn StateView) -> Result<Configuration, OnChainError> {
    let tag = StructTag {
        address: Address::ONE,
        module: "reconfiguration".parse().expect("a valid identifier"),
        name: "Configuration".parse().expect("a valid identifier"),
        type_args: Vec::new(),
    };
    let name = "0x1::reconfiguration::Configuration";
    let bytes = view.get(&StateKey::Resource { address: Address::ONE, tag })?.ok_or(OnChainError::Absent(name))?;
    Ok(decode(name, &bytes)?)
}

/// The validator set as it lies in the state: with those that join and leave at the epoch's end.
///
/// # Errors
/// [`OnChainError`].
pub fn validator_set(view: &dyn StateView) -> Result<ValidatorSet, OnChainError> {
    let name = "0x1::stake::ValidatorSet";
    let bytes = view.get(&ValidatorSet::state_key())?.ok_or(OnChainError::Absent(name))?;
    Ok(decode(name, &bytes)?)
}

#[cfg(test)]
mod tests {
    use noema_execution_api::MemoryState;
    use proptest::prelude::*;

    use super::*;

    fn configuration(epoch_end_time: u64) -> Configuration {
        let events = (1, EventKey { creation_number: 2, account_address: Address::ONE });
        Configuration { epoch: Epoch(1), last_reconfiguration_time: 0, epoch_end_time, events }
    }

    proptest! {
        #[test]
        fn milliseconds_end_an_epoch_exactly_if_their_microseconds_do(end in any::<u64>(), near in 0..4_000u64) {
            for ms in [end / 1_000, (end / 1_000).saturating_sub(2) + near % 4, near] {
                let (ends, us) = (TimestampMs(ms) >= configuration(end).epoch_end_ms(), u128::from(ms) * 1_000);
                prop_assert_eq!(ends, us >= u128::from(end), "{} ms and {} us", ms, end);
            }
        }

        #[test]
        fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode::<Configuration>("configuration", &bytes);
            let _ = decode::<ValidatorSet>("validator set", &bytes);
        }
    }

    #[test]
    fn extremes() {
        assert_eq!(configuration(0).epoch_end_ms(), TimestampMs(0));
        assert_eq!(configuration(1).epoch_end_ms(), TimestampMs(1));
        assert_eq!(configuration(u64::MAX).epoch_end_ms(), TimestampMs(u64::MAX / 1_000 + 1));
    }

    #[test]
    fn an_empty_state_is_named_as_such() {
        let error = epoch_state(&MemoryState::new()).unwrap_err();
        assert_eq!(error, OnChainError::Absent("0x1::reconfiguration::Configuration"));
    }
}
