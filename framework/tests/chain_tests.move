#[test_only]
module aptos_framework::chain_tests {
    use std::bcs;
    use std::option;
    use aptos_framework::account;
    use aptos_framework::aptos_coin::AptosCoin;
    use aptos_framework::block;
    use aptos_framework::chain_id;
    use aptos_framework::coin;
    use aptos_framework::genesis;
    use aptos_framework::system_addresses;
    use aptos_framework::timestamp;
    use aptos_framework::transaction_fee;
    use aptos_framework::transaction_validation as validation;

    const SENDER: address = @0xFA;

    fun key(addr: address): vector<u8> {
        bcs::to_bytes(&addr)
    }

    #[test(framework = @0x1)]
    fun genesis_sets_everything(framework: &signer) {
        genesis::setup_for_test(framework, SENDER);
        assert!(chain_id::get() == 4, 0);
        assert!(timestamp::now_microseconds() == 1000000 && timestamp::now_seconds() == 1, 1);
        assert!(block::get_current_block_height() == 0, 2);
        assert!(block::get_epoch_interval_secs() == 7200, 3);
        assert!(account::exists_at(@0x1) && account::exists_at(@0xa), 4);
        assert!(coin::supply<AptosCoin>() == option::some(1000000000 + 100000), 5);
    }

    #[test(framework = @0x1, vm = @0x0)]
    fun blocks_move_the_clock(framework: &signer, vm: &signer) {
        genesis::setup_for_test(framework, SENDER);
        block::block_prologue_for_test(vm, @0xC0, 1, 2000000);
        block::block_prologue_for_test(vm, @0xC0, 2, 2000001);
        // A block without proposer repeats the time.
        block::block_prologue_for_test(vm, @0x0, 3, 2000001);
        assert!(block::get_current_block_height() == 3, 0);
        assert!(timestamp::now_microseconds() == 2000001, 1);
    }

    #[test(framework = @0x1, vm = @0x0)]
    #[expected_failure(abort_code = 0x10002, location = aptos_framework::timestamp)]
    fun the_clock_never_stands_still(framework: &signer, vm: &signer) {
        genesis::setup_for_test(framework, SENDER);
        block::block_prologue_for_test(vm, @0xC0, 1, 1000000);
    }

    #[test(framework = @0x1)]
    #[expected_failure(abort_code = 0x50002, location = aptos_framework::system_addresses)]
    fun only_the_machine_starts_blocks(framework: &signer) {
        genesis::setup_for_test(framework, SENDER);
        block::block_prologue_for_test(framework, @0xC0, 1, 2000000);
    }

    #[test]
    fun reserved_addresses() {
        assert!(system_addresses::is_framework_reserved_address(@0x1), 0);
        assert!(system_addresses::is_framework_reserved_address(@0xa), 1);
        assert!(!system_addresses::is_framework_reserved_address(@0xb), 2);
        assert!(!system_addresses::is_framework_reserved_address(@0x0), 3);
        assert!(system_addresses::is_vm_address(@0x0), 4);
    }

    #[test(framework = @0x1)]
    fun good_transactions_pass_and_pay(framework: &signer) {
        genesis::setup_for_test(framework, SENDER);
        validation::prologue_for_test(SENDER, SENDER, 0, key(SENDER), 100, 1000, 10, 4);
        validation::epilogue_for_test(SENDER, SENDER, 100, 30, 0);
        assert!(coin::balance<AptosCoin>(SENDER) == 1000000000 - 3000, 0);
        assert!(coin::supply<AptosCoin>() == option::some(1000000000 + 100000 - 3000), 1);
        assert!(account::get_sequence_number(SENDER) == 1, 2);
        assert!(transaction_fee::was_stated_for_test(30, 30, 0), 3);
        assert!(!transaction_fee::was_inference_stated_for_test(10, 0, 1), 4);
        validation::epilogue_for_test(SENDER, SENDER, 100, 30, 2);
        assert!(transaction_fee::was_inference_stated_for_test(10, 2, 1), 5);
    }

    #[test(framework = @0x1)]
    fun somebody_else_may_pay_for_a_new_account(framework: &signer) {
        genesis::setup_for_test(framework, SENDER);
        validation::prologue_for_test(@0xB, SENDER, 0, key(@0xB), 100, 1000, 10, 4);
        validation::epilogue_for_test(@0xB, SENDER, 100, 10, 0);
        assert!(account::get_sequence_number(@0xB) == 1, 0);
        assert!(coin::balance<AptosCoin>(SENDER) == 1000000000 - 1000, 1);
    }

    #[test(framework = @0x1)]
    #[expected_failure(abort_code = 1001, location = aptos_framework::transaction_validation)]
    fun wrong_key(framework: &signer) {
        genesis::setup_for_test(framework, SENDER);
        validation::prologue_for_test(SENDER, SENDER, 0, key(@0xB), 100, 1000, 10, 4);
    }

    #[test(framework = @0x1)]
    #[expected_failure(abort_code = 1002, location = aptos_framework::transaction_validation)]
    fun stale_sequence_number(framework: &signer) {
        genesis::setup_for_test(framework, SENDER);
        validation::epilogue_for_test(SENDER, SENDER, 1, 1, 0);
        validation::prologue_for_test(SENDER, SENDER, 0, key(SENDER), 100, 1000, 10, 4);
    }

    #[test(framework = @0x1)]
    #[expected_failure(abort_code = 1003, location = aptos_framework::transaction_validation)]
    fun future_sequence_number(framework: &signer) {
        genesis::setup_for_test(framework, SENDER);
        validation::prologue_for_test(SENDER, SENDER, 1, key(SENDER), 100, 1000, 10, 4);
    }

    #[test(framework = @0x1)]
    #[expected_failure(abort_code = 1004, location = aptos_framework::transaction_validation)]
    fun absent_sender(framework: &signer) {
        genesis::setup_for_test(framework, SENDER);
        validation::prologue_for_test(@0xB, @0xB, 0, key(@0xB), 100, 1000, 10, 4);
    }

    #[test(framework = @0x1)]
    #[expected_failure(abort_code = 1005, location = aptos_framework::transaction_validation)]
    fun poor_sender(framework: &signer) {
        genesis::setup_for_test(framework, SENDER);
        validation::prologue_for_test(SENDER, SENDER, 0, key(SENDER), 1000001, 1000, 10, 4);
    }

    #[test(framework = @0x1)]
    #[expected_failure(abort_code = 1005, location = aptos_framework::transaction_validation)]
    fun deposit_beyond_all_money(framework: &signer) {
        genesis::setup_for_test(framework, SENDER);
        let most = 18446744073709551615;
        validation::prologue_for_test(SENDER, SENDER, 0, key(SENDER), most, most, 10, 4);
    }

    #[test(framework = @0x1)]
    #[expected_failure(abort_code = 1006, location = aptos_framework::transaction_validation)]
    fun expired(framework: &signer) {
        genesis::setup_for_test(framework, SENDER);
        validation::prologue_for_test(SENDER, SENDER, 0, key(SENDER), 100, 1000, 1, 4);
    }

    #[test(framework = @0x1)]
    #[expected_failure(abort_code = 1007, location = aptos_framework::transaction_validation)]
    fun other_chain(framework: &signer) {
        genesis::setup_for_test(framework, SENDER);
        validation::prologue_for_test(SENDER, SENDER, 0, key(SENDER), 100, 1000, 10, 5);
    }
}
