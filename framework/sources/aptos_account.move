/// Makes accounts and moves coins to accounts that may not exist yet.
module aptos_framework::aptos_account {
    use std::error;
    use std::vector;
    use aptos_framework::account;
    use aptos_framework::aptos_coin::AptosCoin;
    use aptos_framework::coin::{Self, Coin};
    use aptos_framework::create_signer::create_signer;

    friend aptos_framework::genesis;

    /// The account does not exist.
    const EACCOUNT_NOT_FOUND: u64 = 1;
    /// The account holds no store of the chain's coin.
    const EACCOUNT_NOT_REGISTERED_FOR_APT: u64 = 2;
    /// Recipients and amounts differ in number.
    const EMISMATCHING_RECIPIENTS_AND_AMOUNTS_LENGTH: u64 = 5;

    /// Makes an account with an empty store of the chain's coin. Its authentication key is its address.
    public entry fun create_account(auth_key: address) {
        let account_signer = account::create_account(auth_key);
        coin::register<AptosCoin>(&account_signer);
    }

    /// Moves an amount of the chain's coin and makes the recipient if it does not exist.
    public entry fun transfer(source: &signer, to: address, amount: u64) {
        transfer_coins<AptosCoin>(source, to, amount);
    }

    /// Moves several amounts of the chain's coin.
    public entry fun batch_transfer(source: &signer, recipients: vector<address>, amounts: vector<u64>) {
        let len = vector::length(&recipients);
        assert!(
            len == vector::length(&amounts),
            error::invalid_argument(EMISMATCHING_RECIPIENTS_AND_AMOUNTS_LENGTH)
        );
        let i = 0;
        while (i < len) {
            transfer(source, *vector::borrow(&recipients, i), *vector::borrow(&amounts, i));
            i = i + 1;
        }
    }

    /// Moves an amount of any coin and makes the recipient and its store if they do not exist.
    public entry fun transfer_coins<CoinType>(from: &signer, to: address, amount: u64) {
        deposit_coins(to, coin::withdraw<CoinType>(from, amount));
    }

    /// Puts a coin into an account; makes account and store if they do not exist.
    public fun deposit_coins<CoinType>(to: address, coins: Coin<CoinType>) {
        if (!account::exists_at(to)) {
            create_account(to);
        };
        if (!coin::is_account_registered<CoinType>(to)) {
            coin::register<CoinType>(&create_signer(to));
        };
        coin::deposit(to, coins)
    }

    public fun assert_account_exists(addr: address) {
        assert!(account::exists_at(addr), error::not_found(EACCOUNT_NOT_FOUND));
    }

    public fun assert_account_is_registered_for_apt(addr: address) {
        assert_account_exists(addr);
        assert!(
            coin::is_account_registered<AptosCoin>(addr),
            error::not_found(EACCOUNT_NOT_REGISTERED_FOR_APT)
        );
    }
}
