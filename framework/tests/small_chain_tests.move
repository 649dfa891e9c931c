#[test_only]
/// Functions of chain modules that are small enough to need no file of their own.
module aptos_framework::small_chain_tests {
    use std::string;
    use aptos_framework::account;
    use aptos_framework::aptos_account;
    use aptos_framework::aptos_coin::{Self, AptosCoin};
    use aptos_framework::coin;
    use aptos_framework::event;
    use aptos_framework::genesis;
    use aptos_framework::guid;
    use aptos_framework::object;
    use aptos_framework::staking_config;
    use aptos_framework::staking_setup;

    struct Token {}

    struct Happened has drop, store {}

    const FAUCET: address = @0xFA;

    fun setup(framework: &signer) {
        genesis::setup_for_test(framework, FAUCET);
    }

    #[test(framework = @0x1)]
    fun staking_numbers_change(framework: &signer) {
        staking_setup::start(framework);
        let window = staking_config::get_evidence_window(&staking_config::get_slashing());
        staking_config::update_recurring_lockup_duration_secs(framework, window + 1);
        staking_config::update_rewards_rate(framework, 7, 1000);
        staking_config::update_voting_power_increase_limit(framework, 30);
        let config = staking_config::get();
        assert!(staking_config::get_recurring_lockup_duration(&config) == window + 1);
        let (rate, denominator) = staking_config::get_reward_rate(&config);
        assert!(rate == 7 && denominator == 1000);
        assert!(staking_config::get_voting_power_increase_limit(&config) == 30);
    }

    #[test(framework = @0x1, stranger = @0xB)]
    #[expected_failure(abort_code = 0x50003, location = aptos_framework::system_addresses)]
    fun strangers_change_no_numbers(framework: &signer, stranger: &signer) {
        staking_setup::start(framework);
        staking_config::update_rewards_rate(stranger, 7, 1000);
    }

    #[test(framework = @0x1)]
    fun identities(framework: &signer) {
        setup(framework);
        let s = account::create_account_for_test(@0xB0);
        let made = account::create_guid(&s);
        let id = guid::id(&made);
        assert!(guid::creator_address(&made) == @0xB0 && guid::id_creator_address(&id) == @0xB0);
        assert!(guid::creation_num(&made) == guid::id_creation_num(&id) && guid::eq_id(&made, &id));
        assert!(guid::create_id(@0xB0, guid::creation_num(&made)) == id);
        assert!(!guid::eq_id(&account::create_guid(&s), &id));
        let handle = account::new_event_handle<Happened>(&s);
        assert!(guid::creator_address(event::guid(&handle)) == @0xB0 && event::counter(&handle) == 0);
        event::emit_event(&mut handle, Happened {});
        assert!(event::counter(&handle) == 1);
        event::destroy_handle(handle);
    }

    #[test(framework = @0x1)]
    fun objects_have_identities_too(framework: &signer) {
        setup(framework);
        account::create_account_for_test(@0xB0);
        let constructor = object::create_sticky_object(@0xB0);
        let s = object::generate_signer(&constructor);
        let address = object::address_from_constructor_ref(&constructor);
        assert!(object::address_from_extend_ref(&object::generate_extend_ref(&constructor)) == address);
        assert!(guid::creator_address(&object::create_guid(&s)) == address);
        event::destroy_handle(object::new_event_handle<Happened>(&s));
    }

    #[test(framework = @0x1)]
    fun many_are_paid_at_once(framework: &signer) {
        setup(framework);
        let faucet = account::create_signer_for_test(FAUCET);
        aptos_account::create_account(@0xB0);
        aptos_coin::mint(&faucet, @0xB0, 100);
        let s = account::create_signer_for_test(@0xB0);
        aptos_account::batch_transfer(&s, vector[@0xB1, @0xB2], vector[30, 50]);
        assert!(coin::balance<AptosCoin>(@0xB1) == 30 && coin::balance<AptosCoin>(@0xB2) == 50);
        aptos_account::assert_account_exists(@0xB1);
        aptos_account::assert_account_is_registered_for_apt(@0xB1);
    }

    #[test(framework = @0x1)]
    #[expected_failure(abort_code = 0x10005, location = aptos_framework::aptos_account)]
    fun every_receiver_needs_an_amount(framework: &signer) {
        setup(framework);
        let s = account::create_signer_for_test(FAUCET);
        aptos_account::batch_transfer(&s, vector[@0xB1, @0xB2], vector[30]);
    }

    #[test(framework = @0x1)]
    #[expected_failure(abort_code = 0x80002, location = aptos_framework::coin)]
    fun currencies_are_defined_once(framework: &signer) {
        setup(framework);
        vector[1, 2].for_each(|_n| {
            let (burn, freeze, mint) = coin::initialize<Token>(
                framework, string::utf8(b"Token"), string::utf8(b"TKN"), 6, true
            );
            coin::destroy_burn_cap(burn);
            coin::destroy_freeze_cap(freeze);
            coin::destroy_mint_cap(mint);
        });
    }

    #[test(framework = @0x1)]
    #[expected_failure(abort_code = 0x1000D, location = aptos_framework::coin)]
    fun symbols_are_short(framework: &signer) {
        setup(framework);
        let (burn, freeze, mint) = coin::initialize<Token>(
            framework, string::utf8(b"Token"), string::utf8(b"A_SYMBOL_OF_MORE_THAN_THIRTY_TWO_BYTES"), 6, true
        );
        coin::destroy_burn_cap(burn);
        coin::destroy_freeze_cap(freeze);
        coin::destroy_mint_cap(mint);
    }
}
