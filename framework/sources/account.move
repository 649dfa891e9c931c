/// Accounts: sequence numbers, authentication keys and their rotation, unique numbers, resource accounts.
module aptos_framework::account {
    use std::bcs;
    use std::error;
    use std::hash;
    use std::option::{Self, Option};
    use std::signer;
    use std::vector;
    use aptos_std::ed25519;
    use aptos_std::from_bcs;
    use aptos_std::table::{Self, Table};
    use aptos_std::type_info::{Self, TypeInfo};
    use aptos_framework::create_signer::create_signer;
    use aptos_framework::event::{Self, EventHandle};
    use aptos_framework::guid;
    use aptos_framework::system_addresses;

    friend aptos_framework::aptos_account;
    friend aptos_framework::coin;
    friend aptos_framework::genesis;
    friend aptos_framework::transaction_validation;

    /// Every account that ever signed or was created has one.
    struct Account has key, store {
        authentication_key: vector<u8>,
        sequence_number: u64,
        guid_creation_num: u64,
        coin_register_events: EventHandle<CoinRegisterEvent>,
        key_rotation_events: EventHandle<KeyRotationEvent>,
        rotation_capability_offer: CapabilityOffer<RotationCapability>,
        signer_capability_offer: CapabilityOffer<SignerCapability>
    }

    struct KeyRotationEvent has drop, store {
        old_authentication_key: vector<u8>,
        new_authentication_key: vector<u8>
    }

    struct CoinRegisterEvent has drop, store {
        type_info: TypeInfo
    }

    /// To whom the account offers a capability, if to anyone.
    struct CapabilityOffer<phantom T> has store {
        for: Option<address>
    }

    struct RotationCapability has drop, store {
        account: address
    }

    /// Whoever holds it may make the account's signer.
    struct SignerCapability has drop, store {
        account: address
    }

    /// At 0x1: the account that an authentication key opens, for keys that were rotated in.
    struct OriginatingAddress has key {
        address_map: Table<address, address>
    }

    /// What both keys sign to rotate an account from one to the other.
    struct RotationProofChallenge has copy, drop {
        sequence_number: u64,
        originator: address,
        current_auth_key: address,
        new_public_key: vector<u8>
    }

    const MAX_U64: u128 = 18446744073709551615;
    const ZERO_AUTH_KEY: vector<u8> = x"0000000000000000000000000000000000000000000000000000000000000000";

    const ED25519_SCHEME: u8 = 0;
    const MULTI_ED25519_SCHEME: u8 = 1;
    const SINGLE_KEY_SCHEME: u8 = 2;
    const MULTI_KEY_SCHEME: u8 = 3;
    const DERIVE_RESOURCE_ACCOUNT_SCHEME: u8 = 255;
    const MULTI_ED25519_KEYS_MAX: u64 = 32;

    /// The account exists already.
    const EACCOUNT_ALREADY_EXISTS: u64 = 1;
    /// The account does not exist.
    const EACCOUNT_DOES_NOT_EXIST: u64 = 2;
    /// The sequence number cannot grow further.
    const ESEQUENCE_NUMBER_TOO_BIG: u64 = 3;
    /// An authentication key has 32 bytes.
    const EMALFORMED_AUTHENTICATION_KEY: u64 = 4;
    /// The address is reserved.
    const ECANNOT_RESERVED_ADDRESS: u64 = 5;
    /// The public key is not the one behind the account's authentication key.
    const EWRONG_CURRENT_PUBLIC_KEY: u64 = 7;
    /// A rotation proof's signature does not verify.
    const EINVALID_PROOF_OF_KNOWLEDGE: u64 = 8;
    /// The key scheme is unknown, or rotation with proof does not know it (only 0, Ed25519).
    const EINVALID_SCHEME: u64 = 12;
    /// The originating address table names another account for the current key.
    const EINVALID_ORIGINATING_ADDRESS: u64 = 13;
    /// The resource account was used already.
    const ERESOURCE_ACCCOUNT_EXISTS: u64 = 15;
    /// The new authentication key opens another account already.
    const ENEW_AUTH_KEY_ALREADY_MAPPED: u64 = 21;
    /// The bytes are not a public key of the scheme.
    const EMALFORMED_PUBLIC_KEY: u64 = 22;

    public(friend) fun initialize(aptos_framework: &signer) {
        system_addresses::assert_aptos_framework(aptos_framework);
        move_to(aptos_framework, OriginatingAddress { address_map: table::new() });
    }

    public(friend) fun create_account_if_does_not_exist(account_address: address) {
        if (!exists_at(account_address)) {
            create_account_unchecked(account_address);
        }
    }

    /// Makes an account at an address that nothing reserves. Its authentication key is the address.
    public(friend) fun create_account(new_address: address): signer {
        assert!(!exists_at(new_address), error::already_exists(EACCOUNT_ALREADY_EXISTS));
        assert!(
            new_address != @vm_reserved && new_address != @aptos_framework,
            error::invalid_argument(ECANNOT_RESERVED_ADDRESS)
        );
        create_account_unchecked(new_address)
    }

    fun create_account_unchecked(new_address: address): signer {
        let new_account = create_signer(new_address);
        let guid_creation_num = 0;
        let coin_register_guid = guid::create(new_address, &mut guid_creation_num);
        let key_rotation_guid = guid::create(new_address, &mut guid_creation_num);
        move_to(&new_account, Account {
            authentication_key: bcs::to_bytes(&new_address),
            sequence_number: 0,
            guid_creation_num,
            coin_register_events: event::new_event_handle<CoinRegisterEvent>(coin_register_guid),
            key_rotation_events: event::new_event_handle<KeyRotationEvent>(key_rotation_guid),
            rotation_capability_offer: CapabilityOffer { for: option::none() },
            signer_capability_offer: CapabilityOffer { for: option::none() }
        });
        new_account
    }

    /// Makes one of the framework's own accounts, 0x1 to 0xa; no key opens it.
    public(friend) fun create_framework_reserved_account(addr: address): signer {
        assert!(
            system_addresses::is_framework_reserved_address(addr),
            error::permission_denied(ECANNOT_RESERVED_ADDRESS)
        );
        let account = create_account_unchecked(addr);
        borrow_global_mut<Account>(addr).authentication_key = ZERO_AUTH_KEY;
        account
    }

    #[view]
    public fun exists_at(addr: address): bool {
        exists<Account>(addr)
    }

    #[view]
    public fun get_guid_next_creation_num(addr: address): u64 {
        assert_exists(addr);
        borrow_global<Account>(addr).guid_creation_num
    }

    #[view]
    public fun get_sequence_number(addr: address): u64 {
        assert_exists(addr);
        borrow_global<Account>(addr).sequence_number
    }

    #[view]
    public fun get_authentication_key(addr: address): vector<u8> {
        assert_exists(addr);
        borrow_global<Account>(addr).authentication_key
    }

    #[view]
    /// The account that an authentication key opens, if it was rotated in with proof.
    public fun originating_address(auth_key: address): Option<address> {
        let address_map = &borrow_global<OriginatingAddress>(@aptos_framework).address_map;
        if (table::contains(address_map, auth_key)) {
            option::some(*table::borrow(address_map, auth_key))
        } else {
            option::none()
        }
    }

    public(friend) fun increment_sequence_number(addr: address) {
        let sequence_number = &mut borrow_global_mut<Account>(addr).sequence_number;
        assert!((*sequence_number as u128) < MAX_U64, error::out_of_range(ESEQUENCE_NUMBER_TOO_BIG));
        *sequence_number = *sequence_number + 1;
    }

    /// Changes the account's key to any whose owner signs nothing: a mistake locks the account. The originating
    /// address table does not change.
    entry fun rotate_authentication_key_from_public_key(
        account: &signer, scheme: u8, new_public_key_bytes: vector<u8>
    ) {
        let new_auth_key = authentication_key_of(scheme, new_public_key_bytes);
        rotate_authentication_key_internal(signer::address_of(account), new_auth_key);
    }

    /// Changes the account's key. The current and the new key both sign the `RotationProofChallenge`; afterwards the
    /// originating address table leads from the new key to the account.
    public entry fun rotate_authentication_key(
        account: &signer,
        from_scheme: u8,
        from_public_key_bytes: vector<u8>,
        to_scheme: u8,
        to_public_key_bytes: vector<u8>,
        cap_rotate_key: vector<u8>,
        cap_update_table: vector<u8>
    ) {
        let addr = signer::address_of(account);
        assert_exists(addr);
        let resource = borrow_global<Account>(addr);
        let current_auth_key = resource.authentication_key;
        assert!(
            authentication_key_of(from_scheme, from_public_key_bytes) == current_auth_key,
            error::unauthenticated(EWRONG_CURRENT_PUBLIC_KEY)
        );
        let challenge = RotationProofChallenge {
            sequence_number: resource.sequence_number,
            originator: addr,
            current_auth_key: from_bcs::to_address(current_auth_key),
            new_public_key: to_public_key_bytes
        };
        assert_signed(from_scheme, from_public_key_bytes, cap_rotate_key, challenge);
        assert_signed(to_scheme, to_public_key_bytes, cap_update_table, challenge);
        let new_auth_key = authentication_key_of(to_scheme, to_public_key_bytes);
        update_originating_address(addr, current_auth_key, new_auth_key);
        rotate_authentication_key_internal(addr, new_auth_key);
    }

    fun rotate_authentication_key_internal(addr: address, new_auth_key: vector<u8>) {
        assert_exists(addr);
        assert!(vector::length(&new_auth_key) == 32, error::invalid_argument(EMALFORMED_AUTHENTICATION_KEY));
        let resource = borrow_global_mut<Account>(addr);
        let old_authentication_key = resource.authentication_key;
        resource.authentication_key = new_auth_key;
        event::emit_event(&mut resource.key_rotation_events, KeyRotationEvent {
            old_authentication_key,
            new_authentication_key: new_auth_key
        });
    }

    fun update_originating_address(addr: address, old_auth_key: vector<u8>, new_auth_key: vector<u8>) {
        let address_map = &mut borrow_global_mut<OriginatingAddress>(@aptos_framework).address_map;
        let old_key = from_bcs::to_address(old_auth_key);
        if (table::contains(address_map, old_key)) {
            assert!(
                table::remove(address_map, old_key) == addr,
                error::not_found(EINVALID_ORIGINATING_ADDRESS)
            );
        };
        let new_key = from_bcs::to_address(new_auth_key);
        assert!(
            !table::contains(address_map, new_key),
            error::invalid_argument(ENEW_AUTH_KEY_ALREADY_MAPPED)
        );
        table::add(address_map, new_key, addr);
    }

    fun assert_signed(
        scheme: u8, public_key_bytes: vector<u8>, signature: vector<u8>, challenge: RotationProofChallenge
    ) {
        assert!(scheme == ED25519_SCHEME, error::invalid_argument(EINVALID_SCHEME));
        let public_key = ed25519::new_unvalidated_public_key_from_bytes(public_key_bytes);
        let signature = ed25519::new_signature_from_bytes(signature);
        assert!(
            ed25519::signature_verify_strict_t(&signature, &public_key, challenge),
            error::invalid_argument(EINVALID_PROOF_OF_KNOWLEDGE)
        );
    }

    /// The authentication key of a public key: SHA3-256 of its bytes and the scheme. Checks the key's form.
    fun authentication_key_of(scheme: u8, public_key_bytes: vector<u8>): vector<u8> {
        let well_formed = if (scheme == ED25519_SCHEME) {
            option::is_some(&ed25519::new_validated_public_key_from_bytes(public_key_bytes))
        } else if (scheme == MULTI_ED25519_SCHEME) {
            is_multi_ed25519(&public_key_bytes)
        } else if (scheme == SINGLE_KEY_SCHEME) {
            any_public_key_end(&public_key_bytes, 0) == vector::length(&public_key_bytes)
        } else if (scheme == MULTI_KEY_SCHEME) {
            is_multi_key(&public_key_bytes)
        } else {
            abort error::invalid_argument(EINVALID_SCHEME)
        };
        assert!(well_formed, error::invalid_argument(EMALFORMED_PUBLIC_KEY));
        vector::push_back(&mut public_key_bytes, scheme);
        hash::sha3_256(public_key_bytes)
    }

    /// 2 to 32 keys of 32 bytes, then the threshold.
    fun is_multi_ed25519(bytes: &vector<u8>): bool {
        let len = vector::length(bytes);
        if (len % 32 != 1) return false;
        let keys = len / 32;
        if (keys < 2 || keys > MULTI_ED25519_KEYS_MAX) return false;
        let threshold = (*vector::borrow(bytes, len - 1) as u64);
        threshold >= 1 && threshold <= keys
    }

    /// A vector of 1 to 32 tagged keys, then how many must sign.
    fun is_multi_key(bytes: &vector<u8>): bool {
        let len = vector::length(bytes);
        if (len < 2) return false;
        let keys = (*vector::borrow(bytes, 0) as u64);
        if (keys < 1 || keys > MULTI_ED25519_KEYS_MAX) return false;
        let at = 1;
        let read = 0;
        while (read < keys) {
            let end = any_public_key_end(bytes, at);
            if (end == 0) return false;
            at = end;
            read = read + 1;
        };
        if (at + 1 != len) return false;
        let required = (*vector::borrow(bytes, at) as u64);
        required >= 1 && required <= keys
    }

    /// Where the tagged key that starts at `at` ends; 0 when there is none.
    fun any_public_key_end(bytes: &vector<u8>, at: u64): u64 {
        let len = vector::length(bytes);
        if (at + 2 > len) return 0;
        let tag = *vector::borrow(bytes, at);
        let size = (*vector::borrow(bytes, at + 1) as u64);
        // Ed25519 keys have 32 bytes, uncompressed secp256k1 keys 65.
        let known = (tag == 0 && size == 32) || (tag == 1 && size == 65);
        let end = at + 2 + size;
        if (known && end <= len) end else 0
    }

    /// The address of the resource account that `source` gets for `seed`.
    public fun create_resource_address(source: &address, seed: vector<u8>): address {
        let bytes = bcs::to_bytes(source);
        vector::append(&mut bytes, seed);
        vector::push_back(&mut bytes, DERIVE_RESOURCE_ACCOUNT_SCHEME);
        from_bcs::to_address(hash::sha3_256(bytes))
    }

    /// Makes an account that no key opens; the capability is the only way to its signer. An account that exists at
    /// the address is taken over only while nobody has used it.
    public fun create_resource_account(source: &signer, seed: vector<u8>): (signer, SignerCapability) {
        let addr = create_resource_address(&signer::address_of(source), seed);
        let resource = if (exists_at(addr)) {
            let account = borrow_global<Account>(addr);
            assert!(
                account.sequence_number == 0 && account.authentication_key != ZERO_AUTH_KEY,
                error::already_exists(ERESOURCE_ACCCOUNT_EXISTS)
            );
            create_signer(addr)
        } else {
            create_account_unchecked(addr)
        };
        borrow_global_mut<Account>(addr).authentication_key = ZERO_AUTH_KEY;
        (resource, SignerCapability { account: addr })
    }

    public fun create_signer_with_capability(capability: &SignerCapability): signer {
        create_signer(capability.account)
    }

    public fun get_signer_capability_address(capability: &SignerCapability): address {
        capability.account
    }

    public fun create_guid(account_signer: &signer): guid::GUID {
        let addr = signer::address_of(account_signer);
        assert_exists(addr);
        guid::create(addr, &mut borrow_global_mut<Account>(addr).guid_creation_num)
    }

    public fun new_event_handle<T: drop + store>(account: &signer): EventHandle<T> {
        event::new_event_handle(create_guid(account))
    }

    public(friend) fun register_coin<CoinType>(account_addr: address) {
        let account = borrow_global_mut<Account>(account_addr);
        event::emit_event(&mut account.coin_register_events, CoinRegisterEvent {
            type_info: type_info::type_of<CoinType>()
        });
    }

    fun assert_exists(addr: address) {
        assert!(exists_at(addr), error::not_found(EACCOUNT_DOES_NOT_EXIST));
    }

    #[test_only]
    public fun create_account_for_test(new_address: address): signer {
        if (exists_at(new_address)) create_signer(new_address) else create_account_unchecked(new_address)
    }

    #[test_only]
    public fun create_signer_for_test(addr: address): signer {
        create_signer(addr)
    }

    #[test_only]
    public fun initialize_for_test(aptos_framework: &signer) {
        if (!exists<OriginatingAddress>(@aptos_framework)) initialize(aptos_framework)
    }

    #[test_only]
    public fun authentication_key_for_test(scheme: u8, public_key_bytes: vector<u8>): vector<u8> {
        authentication_key_of(scheme, public_key_bytes)
    }

    #[test_only]
    public fun rotate_for_test(account: &signer, scheme: u8, public_key_bytes: vector<u8>) {
        rotate_authentication_key_from_public_key(account, scheme, public_key_bytes)
    }

    #[test_only]
    public fun challenge_bytes_for_test(
        sequence_number: u64, originator: address, current_auth_key: address, new_public_key: vector<u8>
    ): vector<u8> {
        let challenge = RotationProofChallenge { sequence_number, originator, current_auth_key, new_public_key };
        bcs::to_bytes(&ed25519::new_signed_message(challenge))
    }
}
