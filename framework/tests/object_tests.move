#[test_only]
module aptos_framework::object_tests {
    use std::signer;
    use aptos_framework::account;
    use aptos_framework::object::{Self, ConstructorRef, Object, ObjectCore};

    struct Hat has key { size: u64 }

    struct Coat has key {}

    fun new_hat(creator: &signer, seed: vector<u8>): (ConstructorRef, Object<Hat>) {
        let constructor = object::create_named_object(creator, seed);
        move_to(&object::generate_signer(&constructor), Hat { size: 7 });
        let hat = object::object_from_constructor_ref<Hat>(&constructor);
        (constructor, hat)
    }

    #[test(creator = @0xA)]
    fun named_objects_have_their_address(creator: &signer) {
        let (_, hat) = new_hat(creator, b"hat");
        let addr = object::object_address(&hat);
        assert!(addr == object::create_object_address(&@0xA, b"hat"), 0);
        assert!(object::is_object(addr) && object::object_exists<Hat>(addr), 1);
        assert!(!object::object_exists<Coat>(addr), 2);
        assert!(object::owner(hat) == @0xA && object::is_owner(hat, @0xA), 3);
        assert!(object::convert<Hat, ObjectCore>(hat) == object::address_to_object<ObjectCore>(addr), 4);
        assert!(borrow_global<Hat>(addr).size == 7, 5);
    }

    #[test]
    fun derived_addresses_match_the_standard() {
        // The vector of the SDKs: the metadata object of coin type 0x1::x::Y.
        assert!(
            object::create_object_address(&@0xa, b"0x1::x::Y")
                == @0xa451f50ee365b23136ead4b33776b6e10536801534a018263e30a2156a23f706,
            0
        );
    }

    #[test(creator = @0xA)]
    fun owners_transfer(creator: &signer) {
        let (_, hat) = new_hat(creator, b"hat");
        object::transfer(creator, hat, @0xB);
        assert!(object::is_owner(hat, @0xB) && !object::is_owner(hat, @0xA), 0);
    }

    #[test(creator = @0xA, thief = @0xBAD)]
    #[expected_failure(abort_code = 0x50004, location = aptos_framework::object)]
    fun others_do_not_transfer(creator: &signer, thief: &signer) {
        let (_, hat) = new_hat(creator, b"hat");
        object::transfer_call(thief, object::object_address(&hat), @0xBAD);
    }

    #[test(creator = @0xA)]
    #[expected_failure(abort_code = 0x50003, location = aptos_framework::object)]
    fun what_lies_in_a_locked_vault_is_locked(creator: &signer) {
        let (vault, outer) = new_hat(creator, b"outer");
        let (_, inner) = new_hat(creator, b"inner");
        object::transfer_to_object(creator, inner, outer);
        object::disable_ungated_transfer(&object::generate_transfer_ref(&vault));
        object::transfer(creator, inner, @0xA);
    }

    #[test(creator = @0xA)]
    fun objects_own_objects(creator: &signer) {
        let (_, outer) = new_hat(creator, b"outer");
        let (_, inner) = new_hat(creator, b"inner");
        object::transfer_to_object(creator, inner, outer);
        assert!(!object::is_owner(inner, @0xA) && object::owns(inner, @0xA), 0);
        assert!(!object::owns(inner, @0xB), 1);
        object::transfer(creator, inner, @0xB);
        assert!(object::is_owner(inner, @0xB), 2);
    }

    #[test(creator = @0xA)]
    #[expected_failure(abort_code = 0x50003, location = aptos_framework::object)]
    fun gated_objects_stay(creator: &signer) {
        let (constructor, hat) = new_hat(creator, b"hat");
        object::disable_ungated_transfer(&object::generate_transfer_ref(&constructor));
        assert!(!object::ungated_transfer_allowed(hat), 0);
        object::transfer(creator, hat, @0xB);
    }

    #[test(creator = @0xA)]
    fun transfer_refs_move_gated_objects(creator: &signer) {
        let (constructor, hat) = new_hat(creator, b"hat");
        let transfer_ref = object::generate_transfer_ref(&constructor);
        object::disable_ungated_transfer(&transfer_ref);
        object::transfer_with_ref(&transfer_ref, @0xB);
        object::enable_ungated_transfer(&transfer_ref);
        assert!(object::is_owner(hat, @0xB) && object::ungated_transfer_allowed(hat), 0);
    }

    #[test]
    fun unique_objects_are_deleted() {
        let constructor = object::create_object(@0xA);
        let addr = object::address_from_constructor_ref(&constructor);
        let extend_ref = object::generate_extend_ref(&constructor);
        assert!(signer::address_of(&object::generate_signer_for_extending(&extend_ref)) == addr, 0);
        assert!(object::can_generate_delete_ref(&constructor), 1);
        object::delete(object::generate_delete_ref(&constructor));
        assert!(!object::is_object(addr), 2);
        assert!(object::address_from_constructor_ref(&object::create_object(@0xA)) != addr, 3);
    }

    #[test(creator = @0xA)]
    #[expected_failure(abort_code = 0x50005, location = aptos_framework::object)]
    fun named_objects_are_not_deleted(creator: &signer) {
        object::generate_delete_ref(&object::create_named_object(creator, b"hat"));
    }

    #[test(creator = @0xA)]
    #[expected_failure(abort_code = 0x80001, location = aptos_framework::object)]
    fun named_objects_are_made_once(creator: &signer) {
        object::create_named_object(creator, b"hat");
        object::create_named_object(creator, b"hat");
    }

    #[test]
    fun objects_from_account_numbers() {
        let s = account::create_account_for_test(@0xA);
        let constructor = object::create_object_from_account(&s);
        assert!(
            object::address_from_constructor_ref(&constructor) == object::create_guid_object_address(@0xA, 2),
            0
        );
    }

    #[test]
    #[expected_failure(abort_code = 0x60002, location = aptos_framework::object)]
    fun nothing_is_no_object() {
        object::address_to_object<Hat>(@0xDEAD);
    }

    #[test(creator = @0xA)]
    #[expected_failure(abort_code = 0x60007, location = aptos_framework::object)]
    fun a_hat_is_no_coat(creator: &signer) {
        let (_, hat) = new_hat(creator, b"hat");
        object::address_to_object<Coat>(object::object_address(&hat));
    }
}
