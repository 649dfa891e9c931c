/// Registers the keys of validators, and says what a network address is.
///
/// A key never changes hands: two validators with one key would make no committee. Nothing keeps a stranger from
/// registering a key that it saw on its way to the chain; its owner then takes another.
module aptos_framework::validator_keys {
    use std::error;
    use std::option;
    use std::vector;
    use aptos_std::bls12381;
    use aptos_std::ed25519;
    use aptos_std::table::{Self, Table};
    use aptos_framework::system_addresses;

    friend aptos_framework::stake;

    /// The bytes are not a public key that can be trusted.
    const EINVALID_PUBLIC_KEY: u64 = 1;
    /// The proof does not show the possession of the key's private key.
    const EINVALID_PROOF_OF_POSSESSION: u64 = 2;
    /// The key is or was another validator's.
    const EKEY_IN_USE: u64 = 3;
    /// A network address is `host:port`, of letters, digits, `.`, `-`, `_`, `:`, `[`, `]`, at most 256 bytes.
    const EINVALID_NETWORK_ADDRESS: u64 = 4;
    /// The address for full nodes has more than 256 bytes.
    const EFULLNODE_ADDRESS_TOO_LONG: u64 = 5;

    const ADDRESS_BYTES_MAX: u64 = 256;

    /// Whose every key is or was.
    struct KeyRegistry has key {
        owners: Table<vector<u8>, address>
    }

    public(friend) fun initialize(aptos_framework: &signer) {
        system_addresses::assert_aptos_framework(aptos_framework);
        move_to(aptos_framework, KeyRegistry { owners: table::new() });
    }

    /// Registers an Ed25519 key of a validator. It must be a point of the curve that is not of small order.
    public(friend) fun claim_ed25519_key(key: vector<u8>, pool_address: address) {
        let checked = ed25519::new_validated_public_key_from_bytes(key);
        assert!(option::is_some(&checked), error::invalid_argument(EINVALID_PUBLIC_KEY));
        claim_key(key, pool_address);
    }

    /// Registers a BLS12-381 key of a validator that proves to have its private key.
    public(friend) fun claim_checkpoint_key(key: vector<u8>, proof: vector<u8>, pool_address: address) {
        let checked = bls12381::public_key_from_bytes(key);
        assert!(option::is_some(&checked), error::invalid_argument(EINVALID_PUBLIC_KEY));
        let proof = bls12381::proof_of_possession_from_bytes(proof);
        assert!(
            bls12381::proof_of_possession_verify(option::borrow(&checked), &proof),
            error::invalid_argument(EINVALID_PROOF_OF_POSSESSION)
        );
        claim_key(key, pool_address);
    }

    fun claim_key(key: vector<u8>, pool_address: address) {
        let owners = &mut borrow_global_mut<KeyRegistry>(@aptos_framework).owners;
        if (table::contains(owners, key)) {
            assert!(*table::borrow(owners, key) == pool_address, error::already_exists(EKEY_IN_USE));
        } else {
            table::add(owners, key, pool_address);
        }
    }

    public(friend) fun check_addresses(network: &vector<u8>, fullnode: &vector<u8>) {
        assert!(is_network_address(network), error::invalid_argument(EINVALID_NETWORK_ADDRESS));
        assert!(
            vector::length(fullnode) <= ADDRESS_BYTES_MAX,
            error::invalid_argument(EFULLNODE_ADDRESS_TOO_LONG)
        );
    }

    /// Whether the bytes are a host, a colon and a port.
    fun is_network_address(bytes: &vector<u8>): bool {
        let at = vector::length(bytes);
        if (at > ADDRESS_BYTES_MAX) return false;
        let (port, unit, digits) = (0u64, 1u64, 0);
        while (at > 0 && is_digit(*vector::borrow(bytes, at - 1)) && digits < 6) {
            at = at - 1;
            port = port + unit * (*vector::borrow(bytes, at) as u64 - 48);
            unit = unit * 10;
            digits = digits + 1;
        };
        // A host of one byte and the colon, at least; no port has a zero in front.
        if (at < 2 || port == 0 || port > 65535 || port * 10 < unit) return false;
        if (*vector::borrow(bytes, at - 1) != 58) return false;
        at = at - 1;
        while (at > 0) {
            at = at - 1;
            if (!is_host_byte(*vector::borrow(bytes, at))) return false;
        };
        true
    }

    fun is_digit(byte: u8): bool {
        48 <= byte && byte <= 57
    }

    fun is_host_byte(byte: u8): bool {
        let is_letter = (65 <= byte && byte <= 90) || (97 <= byte && byte <= 122);
        // `-`, `.`, `:`, `[`, `]`, `_`.
        is_letter || is_digit(byte) || byte == 45 || byte == 46 || byte == 58 || byte == 91 || byte == 93 || byte == 95
    }

    #[test_only]
    public fun is_network_address_for_test(bytes: vector<u8>): bool {
        is_network_address(&bytes)
    }
}
