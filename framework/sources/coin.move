/// Coins: one generic implementation, a type per currency.
module aptos_framework::coin {
    use std::error;
    use std::option::{Self, Option};
    use std::signer;
    use std::string::{Self, String};
    use aptos_std::type_info::{Self, TypeInfo};
    use aptos_framework::account;
    use aptos_framework::event::{Self, EventHandle};
    use aptos_framework::object::{Object, ObjectCore};

    friend aptos_framework::aptos_coin;
    friend aptos_framework::genesis;
    friend aptos_framework::transaction_fee;

    /// The currency is not defined at the signer's address.
    const ECOIN_INFO_ADDRESS_MISMATCH: u64 = 1;
    /// The currency exists already.
    const ECOIN_INFO_ALREADY_PUBLISHED: u64 = 2;
    /// The currency does not exist.
    const ECOIN_INFO_NOT_PUBLISHED: u64 = 3;
    /// The account holds no store of the currency.
    const ECOIN_STORE_NOT_PUBLISHED: u64 = 5;
    /// The account has less than is asked for.
    const EINSUFFICIENT_BALANCE: u64 = 6;
    /// A coin with value cannot be thrown away.
    const EDESTRUCTION_OF_NONZERO_TOKEN: u64 = 7;
    /// The store is frozen.
    const EFROZEN: u64 = 10;
    /// The name is longer than 32 bytes.
    const ECOIN_NAME_TOO_LONG: u64 = 12;
    /// The symbol is longer than 32 bytes.
    const ECOIN_SYMBOL_TOO_LONG: u64 = 13;
    /// The total supply would exceed its maximum.
    const ESUPPLY_OVERFLOW: u64 = 14;

    const MAX_COIN_NAME_LENGTH: u64 = 32;
    const MAX_COIN_SYMBOL_LENGTH: u64 = 32;
    const MAX_U128: u128 = 340282366920938463463374607431768211455;

    /// An amount of a currency, in its smallest unit.
    struct Coin<phantom CoinType> has store {
        value: u64
    }

    /// An account's balance.
    struct CoinStore<phantom CoinType> has key {
        coin: Coin<CoinType>,
        frozen: bool,
        deposit_events: EventHandle<DepositEvent>,
        withdraw_events: EventHandle<WithdrawEvent>
    }

    /// What a currency is, at the address of its module.
    struct CoinInfo<phantom CoinType> has key {
        name: String,
        symbol: String,
        /// Digits after the decimal point when shown.
        decimals: u8,
        /// Amount that exists, if the currency counts it.
        supply: Option<u128>
    }

    struct DepositEvent has drop, store {
        amount: u64
    }

    struct WithdrawEvent has drop, store {
        amount: u64
    }

    struct MintCapability<phantom CoinType> has copy, store {}

    struct FreezeCapability<phantom CoinType> has copy, store {}

    struct BurnCapability<phantom CoinType> has copy, store {}

    fun coin_address<CoinType>(): address {
        let type_info = type_info::type_of<CoinType>();
        type_info::account_address(&type_info)
    }

    #[view]
    public fun balance<CoinType>(owner: address): u64 {
        if (is_account_registered<CoinType>(owner)) {
            borrow_global<CoinStore<CoinType>>(owner).coin.value
        } else {
            0
        }
    }

    #[view]
    public fun is_balance_at_least<CoinType>(owner: address, amount: u64): bool {
        balance<CoinType>(owner) >= amount
    }

    #[view]
    public fun is_coin_initialized<CoinType>(): bool {
        exists<CoinInfo<CoinType>>(coin_address<CoinType>())
    }

    #[view]
    public fun is_account_registered<CoinType>(account_addr: address): bool {
        exists<CoinStore<CoinType>>(account_addr)
    }

    #[view]
    public fun is_coin_store_frozen<CoinType>(account_addr: address): bool {
        is_account_registered<CoinType>(account_addr) && borrow_global<CoinStore<CoinType>>(account_addr).frozen
    }

    #[view]
    public fun name<CoinType>(): String {
        assert_initialized<CoinType>();
        borrow_global<CoinInfo<CoinType>>(coin_address<CoinType>()).name
    }

    #[view]
    public fun symbol<CoinType>(): String {
        assert_initialized<CoinType>();
        borrow_global<CoinInfo<CoinType>>(coin_address<CoinType>()).symbol
    }

    #[view]
    public fun decimals<CoinType>(): u8 {
        assert_initialized<CoinType>();
        borrow_global<CoinInfo<CoinType>>(coin_address<CoinType>()).decimals
    }

    #[view]
    /// The amount that exists, or nothing when the currency does not count it.
    public fun supply<CoinType>(): Option<u128> {
        assert_initialized<CoinType>();
        borrow_global<CoinInfo<CoinType>>(coin_address<CoinType>()).supply
    }

    #[view]
    /// The currency behind a fungible asset. This chain has no fungible assets yet, so there is never one.
    public fun paired_coin(_metadata: Object<ObjectCore>): Option<TypeInfo> {
        option::none()
    }

    /// Defines a currency. The signer must be the account that published `CoinType`.
    public fun initialize<CoinType>(
        account: &signer, name: String, symbol: String, decimals: u8, monitor_supply: bool
    ): (BurnCapability<CoinType>, FreezeCapability<CoinType>, MintCapability<CoinType>) {
        let account_addr = signer::address_of(account);
        assert!(
            coin_address<CoinType>() == account_addr,
            error::invalid_argument(ECOIN_INFO_ADDRESS_MISMATCH)
        );
        assert!(
            !exists<CoinInfo<CoinType>>(account_addr),
            error::already_exists(ECOIN_INFO_ALREADY_PUBLISHED)
        );
        assert!(string::length(&name) <= MAX_COIN_NAME_LENGTH, error::invalid_argument(ECOIN_NAME_TOO_LONG));
        assert!(
            string::length(&symbol) <= MAX_COIN_SYMBOL_LENGTH,
            error::invalid_argument(ECOIN_SYMBOL_TOO_LONG)
        );
        let supply = if (monitor_supply) option::some(0u128) else option::none();
        move_to(account, CoinInfo<CoinType> { name, symbol, decimals, supply });
        (BurnCapability<CoinType> {}, FreezeCapability<CoinType> {}, MintCapability<CoinType> {})
    }

    /// Gives the signer's account a store of the currency, if it has none.
    public fun register<CoinType>(account: &signer) {
        let account_addr = signer::address_of(account);
        if (is_account_registered<CoinType>(account_addr)) return;
        assert_initialized<CoinType>();
        account::register_coin<CoinType>(account_addr);
        move_to(account, CoinStore<CoinType> {
            coin: Coin { value: 0 },
            frozen: false,
            deposit_events: account::new_event_handle<DepositEvent>(account),
            withdraw_events: account::new_event_handle<WithdrawEvent>(account)
        });
    }

    /// Moves an amount to an account that has a store of the currency.
    public entry fun transfer<CoinType>(from: &signer, to: address, amount: u64) {
        let coin = withdraw<CoinType>(from, amount);
        deposit(to, coin);
    }

    /// Takes an amount out of the signer's account.
    public fun withdraw<CoinType>(account: &signer, amount: u64): Coin<CoinType> {
        let account_addr = signer::address_of(account);
        assert_registered<CoinType>(account_addr);
        let coin_store = borrow_global_mut<CoinStore<CoinType>>(account_addr);
        assert!(!coin_store.frozen, error::permission_denied(EFROZEN));
        event::emit_event(&mut coin_store.withdraw_events, WithdrawEvent { amount });
        extract(&mut coin_store.coin, amount)
    }

    /// Puts a coin into an account that has a store of the currency.
    public fun deposit<CoinType>(account_addr: address, coin: Coin<CoinType>) {
        assert_registered<CoinType>(account_addr);
        let coin_store = borrow_global_mut<CoinStore<CoinType>>(account_addr);
        assert!(!coin_store.frozen, error::permission_denied(EFROZEN));
        event::emit_event(&mut coin_store.deposit_events, DepositEvent { amount: coin.value });
        merge(&mut coin_store.coin, coin);
    }

    public fun value<CoinType>(coin: &Coin<CoinType>): u64 {
        coin.value
    }

    public fun zero<CoinType>(): Coin<CoinType> {
        Coin<CoinType> { value: 0 }
    }

    public fun destroy_zero<CoinType>(zero_coin: Coin<CoinType>) {
        let Coin { value } = zero_coin;
        assert!(value == 0, error::invalid_argument(EDESTRUCTION_OF_NONZERO_TOKEN));
    }

    /// Splits an amount off.
    public fun extract<CoinType>(coin: &mut Coin<CoinType>, amount: u64): Coin<CoinType> {
        assert!(coin.value >= amount, error::invalid_argument(EINSUFFICIENT_BALANCE));
        coin.value = coin.value - amount;
        Coin { value: amount }
    }

    /// Splits everything off.
    public fun extract_all<CoinType>(coin: &mut Coin<CoinType>): Coin<CoinType> {
        let amount = coin.value;
        coin.value = 0;
        Coin { value: amount }
    }

    /// Joins `source_coin` to `dst_coin`.
    public fun merge<CoinType>(dst_coin: &mut Coin<CoinType>, source_coin: Coin<CoinType>) {
        let Coin { value } = source_coin;
        dst_coin.value = dst_coin.value + value;
    }

    /// Makes new money.
    public fun mint<CoinType>(amount: u64, _cap: &MintCapability<CoinType>): Coin<CoinType> {
        if (amount == 0) return zero();
        let supply = &mut borrow_global_mut<CoinInfo<CoinType>>(coin_address<CoinType>()).supply;
        if (option::is_some(supply)) {
            let total = option::borrow_mut(supply);
            assert!(MAX_U128 - *total >= (amount as u128), error::out_of_range(ESUPPLY_OVERFLOW));
            *total = *total + (amount as u128);
        };
        Coin { value: amount }
    }

    /// Ends a coin.
    public fun burn<CoinType>(coin: Coin<CoinType>, _cap: &BurnCapability<CoinType>) {
        let Coin { value: amount } = coin;
        if (amount == 0) return;
        let supply = &mut borrow_global_mut<CoinInfo<CoinType>>(coin_address<CoinType>()).supply;
        if (option::is_some(supply)) {
            let total = option::borrow_mut(supply);
            *total = *total - (amount as u128);
        };
    }

    /// Ends an amount of an account's balance. Emits no withdraw event: fees have their own statement.
    public fun burn_from<CoinType>(account_addr: address, amount: u64, burn_cap: &BurnCapability<CoinType>) {
        if (amount == 0) return;
        assert_registered<CoinType>(account_addr);
        let coin = extract(&mut borrow_global_mut<CoinStore<CoinType>>(account_addr).coin, amount);
        burn(coin, burn_cap);
    }

    /// Locks or unlocks an account's balance. Only who holds the capability may: not even the account itself.
    public fun set_frozen<CoinType>(account_addr: address, frozen: bool, _cap: &FreezeCapability<CoinType>) {
        assert_registered<CoinType>(account_addr);
        borrow_global_mut<CoinStore<CoinType>>(account_addr).frozen = frozen;
    }

    public fun destroy_freeze_cap<CoinType>(freeze_cap: FreezeCapability<CoinType>) {
        let FreezeCapability<CoinType> {} = freeze_cap;
    }

    public fun destroy_mint_cap<CoinType>(mint_cap: MintCapability<CoinType>) {
        let MintCapability<CoinType> {} = mint_cap;
    }

    public fun destroy_burn_cap<CoinType>(burn_cap: BurnCapability<CoinType>) {
        let BurnCapability<CoinType> {} = burn_cap;
    }

    fun assert_initialized<CoinType>() {
        assert!(is_coin_initialized<CoinType>(), error::not_found(ECOIN_INFO_NOT_PUBLISHED));
    }

    fun assert_registered<CoinType>(account_addr: address) {
        assert!(is_account_registered<CoinType>(account_addr), error::not_found(ECOIN_STORE_NOT_PUBLISHED));
    }
}
