//! What the executor and the mempool read of accounts, straight from their resources.
//!
//! Both resources begin with what is needed here, so nothing else of them is decoded; the framework's tests hold their
//! layouts in place.

use noema_execution_api::{StateError, StateView};
use noema_types::{Address, AuthKey, Identifier, StateKey, StructTag, TypeTag};

/// What validation needs of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountState {
    /// The next sequence number.
    pub sequence_number: u64,
    /// What its signers must hash to.
    pub auth_key: AuthKey,
}

fn name(text: &str) -> Identifier {
    Identifier::new(text).expect("the framework's names are identifiers")
}

pub(crate) fn framework_struct(module: &str, struct_name: &str, type_args: Vec<TypeTag>) -> StructTag {
    StructTag { address: Address::ONE, module: name(module), name: name(struct_name), type_args }
}

/// Type of the native coin.
#[must_use]
pub fn native_coin() -> TypeTag {
    TypeTag::Struct(Box::new(framework_struct("aptos_coin", "AptosCoin", Vec::new())))
}

/// Key of an account's `0x1::account::Account`.
#[must_use]
pub fn account_key(address: Address) -> StateKey {
    StateKey::Resource { address, tag: framework_struct("account", "Account", Vec::new()) }
}

/// Key of an account's store of the native coin.
#[must_use]
pub fn balance_key(address: Address) -> StateKey {
    StateKey::Resource { address, tag: framework_struct("coin", "CoinStore", vec![native_coin()]) }
}

/// The account, if it exists.
///
/// # Errors
/// [`StateError`] if the store fails, or holds something else than an account there.
pub fn read_account(view: &dyn StateView, address: Address) -> Result<Option<AccountState>, StateError> {
    let Some(bytes) = view.get(&account_key(address))? else { return Ok(None) };
    // authentication_key: vector<u8> of 32 bytes, then sequence_number: u64.
    let (length, rest) = bytes.split_first().unwrap_or((&0, &[]));
    let parts = rest.split_first_chunk::<32>().filter(|_| *length == 32);
    let Some((auth_key, number)) = parts.and_then(|(key, rest)| Some((*key, *rest.first_chunk::<8>()?))) else {
        return Err(StateError::Store { reason: format!("the account resource of {address} is malformed") });
    };
    Ok(Some(AccountState { sequence_number: u64::from_le_bytes(number), auth_key: AuthKey(auth_key) }))
}

/// What the account holds of the native coin; 0 without account.
///
/// # Errors
/// [`StateError`] if the store fails, or holds something else than a coin store there.
pub fn read_balance(view: &dyn StateView, address: Address) -> Result<u64, StateError> {
    let Some(bytes) = view.get(&balance_key(address))? else { return Ok(0) };
    match bytes.first_chunk::<8>() {
        Some(value) => Ok(u64::from_le_bytes(*value)),
        None => Err(StateError::Store { reason: format!("the coin store of {address} is malformed") }),
    }
}

#[cfg(test)]
mod tests {
    use noema_execution_api::MemoryState;

    use super::*;

    #[test]
    fn reads_the_first_fields() {
        let mut state = MemoryState::new();
        let who = Address::from_u8(9);
        assert_eq!(read_account(&state, who), Ok(None));
        assert_eq!(read_balance(&state, who), Ok(0));
        let fields = (vec![7u8; 32], 5u64, 99u64);
        state.insert(account_key(who), bcs::to_bytes(&fields).unwrap());
        state.insert(balance_key(who), bcs::to_bytes(&(1234u64, false)).unwrap());
        let account = read_account(&state, who).unwrap().unwrap();
        assert_eq!(account, AccountState { sequence_number: 5, auth_key: AuthKey([7; 32]) });
        assert_eq!(read_balance(&state, who), Ok(1234));
    }

    #[test]
    fn malformed_resources_are_faults() {
        let who = Address::from_u8(9);
        for bytes in [vec![], vec![31; 41], vec![32; 40], vec![32]] {
            let mut state = MemoryState::new();
            state.insert(account_key(who), bytes);
            assert!(read_account(&state, who).is_err());
        }
        let mut state = MemoryState::new();
        state.insert(balance_key(who), vec![1; 7]);
        assert!(read_balance(&state, who).is_err());
    }
}
