/// The chain's own coin. Fees are paid in it; one NOEMA has 10^8 smallest units.
module aptos_framework::aptos_coin {
    use std::error;
    use std::signer;
    use std::string;
    use aptos_framework::coin::{Self, BurnCapability, MintCapability};
    use aptos_framework::system_addresses;

    friend aptos_framework::genesis;

    /// The account may not mint.
    const ENO_CAPABILITIES: u64 = 1;

    struct AptosCoin has key {}

    /// Lets its account mint: the framework at genesis, the faucet of a test network.
    struct MintCapStore has key {
        mint_cap: MintCapability<AptosCoin>
    }

    public(friend) fun initialize(
        aptos_framework: &signer
    ): (BurnCapability<AptosCoin>, MintCapability<AptosCoin>) {
        system_addresses::assert_aptos_framework(aptos_framework);
        let (burn_cap, freeze_cap, mint_cap) = coin::initialize<AptosCoin>(
            aptos_framework, string::utf8(b"Noema Coin"), string::utf8(b"NOEMA"), 8, true
        );
        // Nobody can ever freeze the chain's own coin.
        coin::destroy_freeze_cap(freeze_cap);
        (burn_cap, mint_cap)
    }

    /// Lets an account mint.
    public(friend) fun grant_mint(account: &signer, mint_cap: MintCapability<AptosCoin>) {
        move_to(account, MintCapStore { mint_cap });
    }

    /// Lets another account mint too.
    public(friend) fun copy_mint(from: &signer, to: &signer) {
        let mint_cap = borrow_global<MintCapStore>(signer::address_of(from)).mint_cap;
        grant_mint(to, mint_cap);
    }

    /// Makes new money for an account that has a store of the coin. Only holders of the capability may.
    public entry fun mint(account: &signer, dst_addr: address, amount: u64) {
        let account_addr = signer::address_of(account);
        assert!(has_mint_capability(account_addr), error::permission_denied(ENO_CAPABILITIES));
        let coins = coin::mint<AptosCoin>(amount, &borrow_global<MintCapStore>(account_addr).mint_cap);
        coin::deposit<AptosCoin>(dst_addr, coins);
    }

    /// Gives up the right to mint, for ever.
    public entry fun destroy_mint_capability(account: &signer) {
        let account_addr = signer::address_of(account);
        assert!(has_mint_capability(account_addr), error::permission_denied(ENO_CAPABILITIES));
        let MintCapStore { mint_cap } = move_from<MintCapStore>(account_addr);
        coin::destroy_mint_cap(mint_cap);
    }

    #[view]
    public fun has_mint_capability(account_addr: address): bool {
        exists<MintCapStore>(account_addr)
    }

    #[test_only]
    public fun initialize_for_test(
        aptos_framework: &signer
    ): (BurnCapability<AptosCoin>, MintCapability<AptosCoin>) {
        initialize(aptos_framework)
    }
}
