//! Reading what is committed and what waits.

use std::sync::Arc;

use noema_execution_api::StateView;
use noema_executor::{AccountState, read_account};
use noema_state::{DbView, StateDbError};
use noema_types::{
    Address, BlockInfo, Event, EventKey, Hash, Height, SignedTransaction, StateKey, StructTag, TypeTag, Version,
};

use super::Chain;
use crate::api::{ApiError, ApiResult, CommittedTransaction};

/// A transaction that the node knows.
#[derive(Debug, Clone)]
pub(crate) enum Found {
    /// In the ledger.
    Committed(Box<CommittedTransaction>),
    /// In the mempool.
    Pending(Arc<SignedTransaction>),
}

impl From<StateDbError> for ApiError {
    fn from(error: StateDbError) -> Self {
        match error {
            StateDbError::VersionAhead { .. } => Self::version_not_found(error.to_string()),
            StateDbError::HeightAhead { .. } => Self::block_not_found(error.to_string()),
            StateDbError::NoCheckpoint { .. } => Self::block_not_found(error.to_string()),
            StateDbError::Pruned { .. } => Self::version_pruned(error.to_string()),
            _ => Self::internal_error(error.to_string()),
        }
    }
}

impl Chain {
    /// State at a version, or at the latest one.
    pub(crate) fn view_at(&self, version: Option<u64>) -> ApiResult<Box<DbView>> {
        Ok(Box::new(match version {
            Some(version) => self.db().view_at(Version(version))?,
            None => self.db().latest_view(),
        }))
    }

    /// Sequence number and key of an account.
    pub(crate) fn account(view: &dyn StateView, address: Address) -> ApiResult<Option<AccountState>> {
        Ok(read_account(view, address)?)
    }

    /// Balance of a coin; none where the account never held it.
    pub(crate) fn balance(view: &dyn StateView, address: Address, coin: StructTag) -> ApiResult<Option<u64>> {
        let name = |text: &str| text.parse().expect("a valid identifier");
        let tag = StructTag {
            address: Address::ONE,
            module: name("coin"),
            name: name("CoinStore"),
            type_args: vec![TypeTag::Struct(Box::new(coin))],
        };
        let bytes = view.get(&StateKey::Resource { address, tag })?;
        // A store begins with its coin, and a coin is its value.
        Ok(bytes.and_then(|bytes| bytes.first_chunk::<8>().copied()).map(u64::from_le_bytes))
    }

    fn with_time(&self, found: noema_state::CommittedTransaction) -> ApiResult<CommittedTransaction> {
        Ok(CommittedTransaction {
            timestamp_us: self.db().block_by_version(found.version)?.info.timestamp_us,
            version: found.version,
            transaction: found.transaction,
            info: found.info,
            events: found.events,
            write_set: found.write_set,
            accumulator: found.accumulator_root,
        })
    }

    /// A run of committed transactions; empty past the end.
    pub(crate) fn transactions(&self, start: Version, limit: usize) -> ApiResult<Vec<CommittedTransaction>> {
        let found = self.db().transactions(start, limit)?;
        found.into_iter().map(|one| self.with_time(one)).collect()
    }

    /// Transactions of an account from a sequence number on, or its latest ones.
    pub(crate) fn account_transactions(
        &self,
        address: Address,
        start: Option<u64>,
        limit: usize,
    ) -> ApiResult<Vec<CommittedTransaction>> {
        let versions = self.db().account_transactions(&address, start, limit)?;
        versions.into_iter().map(|version| self.with_time(self.db().transaction(version)?)).collect()
    }

    /// Events of a stream from a sequence number on, or its latest ones.
    pub(crate) fn events(&self, key: EventKey, start: Option<u64>, limit: usize) -> ApiResult<Vec<(Version, Event)>> {
        Ok(self.db().events_by_key(&key, start, limit)?)
    }

    /// The block of a height.
    pub(crate) fn block(&self, height: Height) -> ApiResult<BlockInfo> {
        Ok(self.db().block(height)?.info)
    }

    /// The block that holds a version.
    pub(crate) fn block_of(&self, version: Version) -> ApiResult<BlockInfo> {
        match self.db().block_by_version(version) {
            Err(StateDbError::VersionAhead { .. }) => {
                Err(ApiError::block_not_found(format!("no block holds version {version}")))
            }
            result => Ok(result?.info),
        }
    }

    /// Looks a transaction up in the ledger, then in the mempool.
    pub(crate) fn find(&self, hash: Hash) -> ApiResult<Option<Found>> {
        let pending = self.mempool.lock().get(&hash).map(|entry| entry.transaction().clone());
        // The ledger second: a transaction moves from the mempool to the ledger, never back.
        if let Some(version) = self.db().version_by_hash(&hash)? {
            return Ok(Some(Found::Committed(Box::new(self.with_time(self.db().transaction(version)?)?))));
        }
        Ok(pending.map(Found::Pending))
    }
}
