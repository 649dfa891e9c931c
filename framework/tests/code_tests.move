#[test_only]
module aptos_framework::code_tests {
    use std::bcs;
    use std::string;
    use aptos_framework::code;

    fun code(count: u64): vector<vector<u8>> {
        let code = vector[];
        while (std::vector::length(&code) < count) std::vector::push_back(&mut code, x"00");
        code
    }

    fun package(name: vector<u8>, policy: u8, modules: vector<vector<u8>>): vector<u8> {
        bcs::to_bytes(&code::package_for_test(name, policy, modules, vector[], b""))
    }

    #[test(owner = @0xA)]
    fun packages_are_recorded(owner: &signer) {
        code::publish_package_txn(owner, package(b"P", 1, vector[b"m", b"n"]), code(2));
        assert!(code::package_names(@0xA) == vector[string::utf8(b"P")], 0);
        assert!(code::upgrade_number_for_test(@0xA, 0) == 0, 1);
        assert!(code::package_names(@0xB) == vector[], 2);
    }

    #[test(owner = @0xA)]
    #[expected_failure(abort_code = 0x30008, location = aptos_framework::code)]
    fun a_transaction_publishes_once(owner: &signer) {
        code::publish_package_txn(owner, package(b"P", 1, vector[b"m"]), code(1));
        code::publish_package_txn(owner, package(b"Q", 1, vector[b"n"]), code(1));
    }

    #[test(owner = @0xA)]
    #[expected_failure(abort_code = 0x10002, location = aptos_framework::code)]
    fun immutable_packages_stay(owner: &signer) {
        code::publish_package_txn(owner, package(b"P", 2, vector[b"m"]), code(1));
        code::publish_package_txn(owner, package(b"P", 2, vector[b"m"]), code(1));
    }

    #[test(owner = @0xA)]
    #[expected_failure(abort_code = 0x10002, location = aptos_framework::code)]
    fun frozen_packages_stay(owner: &signer) {
        code::publish_package_txn(owner, package(b"P", 1, vector[b"m"]), code(1));
        code::freeze_packages(owner);
        code::publish_package_txn(owner, package(b"P", 1, vector[b"m"]), code(1));
    }

    #[test(owner = @0xA)]
    #[expected_failure(abort_code = 0x10004, location = aptos_framework::code)]
    fun upgrades_keep_modules(owner: &signer) {
        code::publish_package_txn(owner, package(b"P", 1, vector[b"m", b"n"]), code(2));
        code::publish_package_txn(owner, package(b"P", 1, vector[b"m"]), code(1));
    }

    #[test(owner = @0xA)]
    #[expected_failure(abort_code = 0x80001, location = aptos_framework::code)]
    fun packages_do_not_share_modules(owner: &signer) {
        code::publish_package_txn(owner, package(b"P", 1, vector[b"m"]), code(1));
        code::publish_package_txn(owner, package(b"Q", 1, vector[b"m"]), code(1));
    }

    #[test(owner = @0xA)]
    #[expected_failure(abort_code = 0x10005, location = aptos_framework::code)]
    fun anything_goes_is_no_policy(owner: &signer) {
        code::publish_package_txn(owner, package(b"P", 0, vector[b"m"]), code(1));
    }

    #[test(owner = @0xA)]
    #[expected_failure(abort_code = 0x10009, location = aptos_framework::code)]
    fun metadata_and_code_agree(owner: &signer) {
        code::publish_package_txn(owner, package(b"P", 1, vector[b"m"]), code(2));
    }

    #[test(owner = @0xA)]
    #[expected_failure(abort_code = 0x1000a, location = aptos_framework::code)]
    fun packages_have_names(owner: &signer) {
        code::publish_package_txn(owner, package(b"", 1, vector[b"m"]), code(1));
    }

    #[test(owner = @0xA)]
    #[expected_failure(abort_code = 0x10001, location = aptos_std::from_bcs)]
    fun metadata_is_bcs(owner: &signer) {
        code::publish_package_txn(owner, x"ff", code(1));
    }

    #[test(owner = @0xA)]
    #[expected_failure(abort_code = 0x60006, location = aptos_framework::code)]
    fun needed_packages_exist(owner: &signer) {
        let pack = code::package_for_test(b"P", 1, vector[b"m"], vector[@0xB], b"Missing");
        code::publish_package(owner, pack, code(1));
    }

    #[test(owner = @0xA)]
    fun the_framework_is_always_there(owner: &signer) {
        let pack = code::package_for_test(b"P", 2, vector[b"m"], vector[@0x1], b"AptosFramework");
        code::publish_package(owner, pack, code(1));
    }

    #[test(owner = @0xA, other = @0xB)]
    #[expected_failure(abort_code = 0x10007, location = aptos_framework::code)]
    fun immutable_packages_need_immutable_ones(owner: &signer, other: &signer) {
        code::publish_package_txn(other, package(b"Lib", 1, vector[b"l"]), code(1));
        let pack = code::package_for_test(b"P", 2, vector[b"m"], vector[@0xB], b"Lib");
        code::publish_package(owner, pack, code(1));
    }
}
