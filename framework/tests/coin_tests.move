#[test_only]
module aptos_framework::coin_tests {
    use std::option;
    use std::signer;
    use std::string;
    use aptos_framework::account;
    use aptos_framework::aptos_account;
    use aptos_framework::aptos_coin::{Self, AptosCoin};
    use aptos_framework::coin::{Self, BurnCapability, FreezeCapability, MintCapability};
    use aptos_framework::genesis;

    struct Token {}

    struct Caps has key {
        burn: BurnCapability<Token>,
        freeze: FreezeCapability<Token>,
        mint: MintCapability<Token>
    }

    fun setup(framework: &signer) {
        account::create_account_for_test(@0x1);
        let (burn, freeze, mint) = coin::initialize<Token>(
            framework, string::utf8(b"Token"), string::utf8(b"TKN"), 6, true
        );
        move_to(framework, Caps { burn, freeze, mint });
    }

    fun holder(addr: address): signer {
        let s = account::create_account_for_test(addr);
        coin::register<Token>(&s);
        s
    }

    fun give(addr: address, amount: u64) {
        coin::deposit(addr, coin::mint(amount, &borrow_global<Caps>(@0x1).mint));
    }

    #[test(framework = @0x1)]
    fun currencies_describe_themselves(framework: &signer) {
        assert!(!coin::is_coin_initialized<Token>(), 0);
        setup(framework);
        assert!(coin::is_coin_initialized<Token>(), 1);
        assert!(coin::name<Token>() == string::utf8(b"Token"), 2);
        assert!(coin::symbol<Token>() == string::utf8(b"TKN"), 3);
        assert!(coin::decimals<Token>() == 6, 4);
        assert!(coin::supply<Token>() == option::some(0), 5);
    }

    #[test(framework = @0x1)]
    fun money_moves_and_is_conserved(framework: &signer) {
        setup(framework);
        let a = holder(@0xA);
        holder(@0xB);
        give(@0xA, 100);
        coin::transfer<Token>(&a, @0xB, 30);
        assert!(coin::balance<Token>(@0xA) == 70 && coin::balance<Token>(@0xB) == 30, 0);
        assert!(coin::is_balance_at_least<Token>(@0xA, 70) && !coin::is_balance_at_least<Token>(@0xA, 71), 1);
        assert!(coin::supply<Token>() == option::some(100), 2);
        coin::burn_from<Token>(@0xB, 5, &borrow_global<Caps>(@0x1).burn);
        assert!(coin::supply<Token>() == option::some(95), 3);
        coin::transfer<Token>(&a, @0xA, 70);
        assert!(coin::balance<Token>(@0xA) == 70, 4);
        assert!(coin::balance<Token>(@0xC) == 0, 5);
    }

    #[test(framework = @0x1)]
    fun coins_split_and_join(framework: &signer) {
        setup(framework);
        let coin = coin::mint<Token>(10, &borrow_global<Caps>(@0x1).mint);
        let part = coin::extract(&mut coin, 4);
        assert!(coin::value(&coin) == 6 && coin::value(&part) == 4, 0);
        coin::merge(&mut part, coin::extract_all(&mut coin));
        assert!(coin::value(&part) == 10, 1);
        coin::destroy_zero(coin);
        coin::burn(part, &borrow_global<Caps>(@0x1).burn);
        coin::destroy_zero(coin::zero<Token>());
    }

    #[test(framework = @0x1)]
    #[expected_failure(abort_code = 0x10006, location = aptos_framework::coin)]
    fun nobody_spends_more_than_they_have(framework: &signer) {
        setup(framework);
        let a = holder(@0xA);
        holder(@0xB);
        give(@0xA, 100);
        coin::transfer<Token>(&a, @0xB, 101);
    }

    #[test(framework = @0x1)]
    #[expected_failure(abort_code = 0x60005, location = aptos_framework::coin)]
    fun receivers_need_a_store(framework: &signer) {
        setup(framework);
        let a = holder(@0xA);
        give(@0xA, 100);
        coin::transfer<Token>(&a, @0xB, 1);
    }

    #[test(framework = @0x1)]
    #[expected_failure(abort_code = 0x5000a, location = aptos_framework::coin)]
    fun frozen_stores_give_nothing(framework: &signer) {
        setup(framework);
        let a = holder(@0xA);
        give(@0xA, 100);
        coin::set_frozen<Token>(@0xA, true, &borrow_global<Caps>(@0x1).freeze);
        assert!(coin::is_coin_store_frozen<Token>(@0xA), 0);
        coin::transfer<Token>(&a, @0xA, 1);
    }

    #[test(framework = @0x1)]
    #[expected_failure(abort_code = 0x10007, location = aptos_framework::coin)]
    fun value_is_never_thrown_away(framework: &signer) {
        setup(framework);
        coin::destroy_zero(coin::mint<Token>(1, &borrow_global<Caps>(@0x1).mint));
    }

    #[test(stranger = @0xBAD)]
    #[expected_failure(abort_code = 0x10001, location = aptos_framework::coin)]
    fun only_the_publisher_defines_a_currency(stranger: &signer) {
        let (burn, freeze, mint) = coin::initialize<Token>(
            stranger, string::utf8(b"Token"), string::utf8(b"TKN"), 6, true
        );
        coin::destroy_burn_cap(burn);
        coin::destroy_freeze_cap(freeze);
        coin::destroy_mint_cap(mint);
    }

    #[test(framework = @0x1, faucet = @0xFA)]
    fun transfers_make_their_recipient(framework: &signer, faucet: &signer) {
        genesis::setup_for_test(framework, @0xFA);
        assert!(coin::balance<AptosCoin>(@0xFA) == 1000000000, 0);
        aptos_account::transfer(faucet, @0xB, 7);
        assert!(account::exists_at(@0xB) && coin::balance<AptosCoin>(@0xB) == 7, 1);
        aptos_account::transfer_coins<AptosCoin>(faucet, @0xC, 8);
        aptos_account::batch_transfer(faucet, vector[@0xB, @0xD], vector[1, 2]);
        assert!(coin::balance<AptosCoin>(@0xB) == 8 && coin::balance<AptosCoin>(@0xD) == 2, 2);
        aptos_account::assert_account_is_registered_for_apt(@0xD);
        assert!(coin::supply<AptosCoin>() == option::some(1000000000 + 100000), 3);
        assert!(coin::symbol<AptosCoin>() == string::utf8(b"NOEMA"), 4);
    }

    #[test(framework = @0x1, faucet = @0xFA)]
    fun faucets_mint_exactly(framework: &signer, faucet: &signer) {
        genesis::setup_for_test(framework, @0xFA);
        aptos_account::create_account(@0xB);
        aptos_coin::mint(faucet, @0xB, 123);
        assert!(coin::balance<AptosCoin>(@0xB) == 123, 0);
        assert!(coin::supply<AptosCoin>() == option::some(1000000123 + 100000), 1);
        aptos_coin::destroy_mint_capability(faucet);
        assert!(!aptos_coin::has_mint_capability(@0xFA), 2);
    }

    #[test(framework = @0x1)]
    #[expected_failure(abort_code = 0x50001, location = aptos_framework::aptos_coin)]
    fun the_framework_does_not_mint_after_genesis(framework: &signer) {
        genesis::setup_for_test(framework, @0xFA);
        aptos_coin::mint(framework, signer::address_of(framework), 1);
    }

    #[test(framework = @0x1)]
    #[expected_failure(abort_code = 0x80001, location = aptos_framework::account)]
    fun accounts_are_made_once(framework: &signer) {
        genesis::setup_for_test(framework, @0xFA);
        aptos_account::create_account(@0xB);
        aptos_account::create_account(@0xB);
    }

    #[test(framework = @0x1)]
    #[expected_failure(abort_code = 0x10005, location = aptos_framework::account)]
    fun reserved_addresses_are_not_for_everybody(framework: &signer) {
        genesis::setup_for_test(framework, @0xFA);
        aptos_account::create_account(@0x0);
    }
}
