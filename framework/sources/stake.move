/// Stake, and the validators that it elects.
///
/// A stake pool belongs to an owner, who moves its coins, and is run by an operator, who moves its keys and joins and
/// leaves. The set of validators, their stake, keys and addresses change at the start of an epoch only: whoever leaves or
/// rotates serves with its old keys until then.
///
/// Coins of a pool:
/// - active: votes and earns; `add_stake` of a validator that serves waits in pending_active for the next epoch;
/// - pending_inactive: unlocked by the owner, votes and earns until the lockup ends;
/// - unbonding: left the vote at the end of a lockup, and still burns for what it voted for until no evidence of that
///   counts any more;
/// - inactive: free.
///
/// The start of an epoch never fails: every sum in it is bounded by `staking_config`, and a set that would be empty is
/// not replaced.
module aptos_framework::stake {
    use std::error;
    use std::option::{Self, Option};
    use std::signer;
    use std::vector;
    use aptos_std::math64::min;
    use aptos_framework::aptos_coin::AptosCoin;
    use aptos_framework::coin::{Self, Coin, MintCapability};
    use aptos_framework::event;
    use aptos_framework::evidence;
    use aptos_framework::staking_config::{Self, StakingConfig};
    use aptos_framework::system_addresses;
    use aptos_framework::timestamp;
    use aptos_framework::transaction_fee;
    use aptos_framework::validator_keys;

    friend aptos_framework::block;
    friend aptos_framework::genesis;
    friend aptos_framework::reconfiguration;

    /// The account has a validator's configuration already.
    const EVALIDATOR_CONFIG: u64 = 1;
    /// There is no stake pool at the address.
    const ESTAKE_POOL_DOES_NOT_EXIST: u64 = 2;
    /// The pool has less stake than a validator needs.
    const ESTAKE_TOO_LOW: u64 = 3;
    /// The pool has more stake than a validator may have.
    const ESTAKE_TOO_HIGH: u64 = 4;
    /// The validator serves or joins already.
    const EALREADY_ACTIVE_VALIDATOR: u64 = 5;
    /// The validator neither serves nor joins, or leaves already.
    const ENOT_VALIDATOR: u64 = 6;
    /// The last validator cannot leave.
    const ELAST_VALIDATOR: u64 = 7;
    /// The account owns a stake pool already.
    const EALREADY_REGISTERED: u64 = 8;
    /// Only the operator of the pool may.
    const ENOT_OPERATOR: u64 = 9;
    /// The set of validators is full.
    const EVALIDATOR_SET_TOO_LARGE: u64 = 12;
    /// More stake joins in this epoch than the limit allows.
    const EVOTING_POWER_INCREASE_EXCEEDS_LIMIT: u64 = 13;
    /// A pool would have more stake than a validator may have.
    const ESTAKE_EXCEEDS_MAX: u64 = 14;
    /// The account has no capability of an owner.
    const EOWNER_CAP_NOT_FOUND: u64 = 15;
    /// The account has a capability of an owner already.
    const EOWNER_CAP_ALREADY_EXISTS: u64 = 16;
    /// The lockup would not get longer.
    const EINVALID_LOCKUP: u64 = 18;
    /// The set of validators does not change on this chain.
    const ENO_POST_GENESIS_VALIDATOR_SET_CHANGE_ALLOWED: u64 = 20;
    /// The validator lacks keys or a network address.
    const EINCOMPLETE_CONFIG: u64 = 25;
    /// The validator was punished and must stay out for some epochs.
    const EJAILED: u64 = 26;

    const VALIDATOR_STATUS_PENDING_ACTIVE: u64 = 1;
    const VALIDATOR_STATUS_ACTIVE: u64 = 2;
    const VALIDATOR_STATUS_PENDING_INACTIVE: u64 = 3;
    const VALIDATOR_STATUS_INACTIVE: u64 = 4;

    /// Index of who is not in the set.
    const NO_INDEX: u64 = 18446744073709551615;
    const MAX_U64: u64 = 18446744073709551615;

    /// Lets its holder move the coins of a pool.
    struct OwnerCapability has key, store {
        pool_address: address
    }

    struct StakePool has key {
        active: Coin<AptosCoin>,
        inactive: Coin<AptosCoin>,
        pending_active: Coin<AptosCoin>,
        pending_inactive: Coin<AptosCoin>,
        unbonding: Coin<AptosCoin>,
        /// When unbonding coins are free.
        unbonding_until_secs: u64,
        /// End of the lockup.
        locked_until_secs: u64,
        /// When the last evidence against this validator stops to count, unless it serves.
        answerable_until_secs: u64,
        /// The last epoch that this validator must not serve in.
        jailed_through_epoch: u64,
        operator_address: address,
        delegated_voter: address
    }

    /// What a validator announces.
    struct ValidatorConfig has key, copy, store, drop {
        /// Ed25519 key that signs blocks.
        consensus_pubkey: vector<u8>,
        /// Ed25519 key of connections.
        network_pubkey: vector<u8>,
        /// BLS12-381 key that signs checkpoints; its possession is proven.
        checkpoint_pubkey: vector<u8>,
        /// Where others reach it: `host:port`.
        network_addresses: vector<u8>,
        /// Where it serves full nodes: the URL of an API, or nothing.
        fullnode_addresses: vector<u8>,
        /// Position in the set; the largest number if it is not in it.
        validator_index: u64
    }

    /// A validator as it serves: stake, keys and addresses of the epoch's start.
    struct ValidatorInfo has copy, store, drop {
        addr: address,
        voting_power: u64,
        config: ValidatorConfig
    }

    struct ValidatorSet has key {
        /// 0, the only scheme.
        consensus_scheme: u8,
        /// Those that serve, with those below. Their order is that of their indices.
        active_validators: vector<ValidatorInfo>,
        /// Those that serve and leave at the end of the epoch.
        pending_inactive: vector<ValidatorInfo>,
        /// Those that join at the end of the epoch.
        pending_active: vector<ValidatorInfo>,
        /// Stake that votes.
        total_voting_power: u128,
        /// Stake that joins.
        total_joining_power: u128
    }

    /// By position in the set, since the start of the epoch.
    struct ValidatorPerformance has key {
        validators: vector<IndividualValidatorPerformance>
    }

    struct IndividualValidatorPerformance has copy, store, drop {
        successful_proposals: u64,
        failed_proposals: u64
    }

    /// Lets this module pay rewards.
    struct AptosCoinCapabilities has key {
        mint_cap: MintCapability<AptosCoin>
    }

    #[event]
    struct RegisterValidatorCandidate has drop, store { pool_address: address }

    #[event]
    struct SetOperator has drop, store { pool_address: address, old_operator: address, new_operator: address }

    #[event]
    struct AddStake has drop, store { pool_address: address, amount_added: u64 }

    #[event]
    struct UnlockStake has drop, store { pool_address: address, amount_unlocked: u64 }

    #[event]
    struct ReactivateStake has drop, store { pool_address: address, amount: u64 }

    #[event]
    struct WithdrawStake has drop, store { pool_address: address, amount_withdrawn: u64 }

    #[event]
    struct IncreaseLockup has drop, store {
        pool_address: address, old_locked_until_secs: u64, new_locked_until_secs: u64
    }

    #[event]
    struct RotateConsensusKey has drop, store {
        pool_address: address, old_consensus_pubkey: vector<u8>, new_consensus_pubkey: vector<u8>
    }

    #[event]
    struct RotateNetworkKey has drop, store {
        pool_address: address, old_network_pubkey: vector<u8>, new_network_pubkey: vector<u8>
    }

    #[event]
    struct RotateCheckpointKey has drop, store {
        pool_address: address, old_checkpoint_pubkey: vector<u8>, new_checkpoint_pubkey: vector<u8>
    }

    #[event]
    struct UpdateNetworkAndFullnodeAddresses has drop, store {
        pool_address: address, new_network_addresses: vector<u8>, new_fullnode_addresses: vector<u8>
    }

    #[event]
    struct JoinValidatorSet has drop, store { pool_address: address }

    #[event]
    struct LeaveValidatorSet has drop, store { pool_address: address }

    #[event]
    struct DistributeRewards has drop, store { pool_address: address, rewards_amount: u64 }

    #[event]
    /// A validator signed two blocks of one slot.
    struct SlashValidator has drop, store {
        pool_address: address,
        epoch: u64,
        amount_slashed: u64,
        reporter: address,
        reporter_reward: u64,
        jailed_through_epoch: u64
    }

    // Views.

    #[view]
    public fun stake_pool_exists(addr: address): bool {
        exists<StakePool>(addr)
    }

    #[view]
    /// Stake that counts in this epoch.
    public fun get_current_epoch_voting_power(pool_address: address): u64 {
        assert_stake_pool_exists(pool_address);
        let set = borrow_global<ValidatorSet>(@aptos_framework);
        let found = find_validator(&set.active_validators, pool_address);
        if (option::is_some(&found)) {
            return vector::borrow(&set.active_validators, option::destroy_some(found)).voting_power
        };
        let found = find_validator(&set.pending_inactive, pool_address);
        if (option::is_some(&found)) {
            return vector::borrow(&set.pending_inactive, option::destroy_some(found)).voting_power
        };
        0
    }

    #[view]
    /// Active, inactive, pending_active and pending_inactive stake. Unbonding coins count as pending_inactive: they can
    /// neither be withdrawn nor vote.
    public fun get_stake(pool_address: address): (u64, u64, u64, u64) {
        assert_stake_pool_exists(pool_address);
        let pool = borrow_global<StakePool>(pool_address);
        (
            coin::value(&pool.active),
            coin::value(&pool.inactive),
            coin::value(&pool.pending_active),
            coin::value(&pool.pending_inactive) + coin::value(&pool.unbonding)
        )
    }

    #[view]
    /// Unbonding coins, and when they are free.
    public fun get_unbonding(pool_address: address): (u64, u64) {
        assert_stake_pool_exists(pool_address);
        let pool = borrow_global<StakePool>(pool_address);
        (coin::value(&pool.unbonding), pool.unbonding_until_secs)
    }

    #[view]
    /// 1 joins, 2 serves, 3 serves and leaves, 4 does neither.
    public fun get_validator_state(pool_address: address): u64 {
        let set = borrow_global<ValidatorSet>(@aptos_framework);
        if (option::is_some(&find_validator(&set.pending_active, pool_address))) {
            VALIDATOR_STATUS_PENDING_ACTIVE
        } else if (option::is_some(&find_validator(&set.active_validators, pool_address))) {
            VALIDATOR_STATUS_ACTIVE
        } else if (option::is_some(&find_validator(&set.pending_inactive, pool_address))) {
            VALIDATOR_STATUS_PENDING_INACTIVE
        } else {
            VALIDATOR_STATUS_INACTIVE
        }
    }

    #[view]
    public fun get_lockup_secs(pool_address: address): u64 {
        assert_stake_pool_exists(pool_address);
        borrow_global<StakePool>(pool_address).locked_until_secs
    }

    #[view]
    public fun get_remaining_lockup_secs(pool_address: address): u64 {
        let end = get_lockup_secs(pool_address);
        let now = timestamp::now_seconds();
        if (end <= now) 0 else end - now
    }

    #[view]
    public fun get_operator(pool_address: address): address {
        assert_stake_pool_exists(pool_address);
        borrow_global<StakePool>(pool_address).operator_address
    }

    #[view]
    public fun get_delegated_voter(pool_address: address): address {
        assert_stake_pool_exists(pool_address);
        borrow_global<StakePool>(pool_address).delegated_voter
    }

    #[view]
    /// The last epoch that the validator must not serve in; 0 if it was never punished.
    public fun get_jailed_through_epoch(pool_address: address): u64 {
        assert_stake_pool_exists(pool_address);
        borrow_global<StakePool>(pool_address).jailed_through_epoch
    }

    #[view]
    /// Position in the set; the largest number if it is not in it.
    public fun get_validator_index(pool_address: address): u64 {
        assert_stake_pool_exists(pool_address);
        borrow_global<ValidatorConfig>(pool_address).validator_index
    }

    #[view]
    /// Blocks that the validator led and failed to lead in this epoch.
    public fun get_current_epoch_proposal_counts(validator_index: u64): (u64, u64) {
        let all = &borrow_global<ValidatorPerformance>(@aptos_framework).validators;
        let one = vector::borrow(all, validator_index);
        (one.successful_proposals, one.failed_proposals)
    }

    #[view]
    /// Consensus, network and checkpoint key, network address and full nodes' address, as they will serve.
    public fun get_validator_config(
        pool_address: address
    ): (vector<u8>, vector<u8>, vector<u8>, vector<u8>, vector<u8>) {
        assert_stake_pool_exists(pool_address);
        let config = borrow_global<ValidatorConfig>(pool_address);
        (
            config.consensus_pubkey,
            config.network_pubkey,
            config.checkpoint_pubkey,
            config.network_addresses,
            config.fullnode_addresses
        )
    }

    /// Whether the account serves in this epoch.
    public fun is_current_epoch_validator(pool_address: address): bool {
        exists<ValidatorConfig>(pool_address)
            && borrow_global<ValidatorConfig>(pool_address).validator_index != NO_INDEX
    }

    public fun get_owned_pool_address(owner_cap: &OwnerCapability): address {
        owner_cap.pool_address
    }

    // Pools and their owners.

    public(friend) fun initialize(aptos_framework: &signer, mint_cap: MintCapability<AptosCoin>) {
        system_addresses::assert_aptos_framework(aptos_framework);
        move_to(aptos_framework, ValidatorSet {
            consensus_scheme: 0,
            active_validators: vector::empty(),
            pending_inactive: vector::empty(),
            pending_active: vector::empty(),
            total_voting_power: 0,
            total_joining_power: 0
        });
        move_to(aptos_framework, ValidatorPerformance { validators: vector::empty() });
        validator_keys::initialize(aptos_framework);
        move_to(aptos_framework, AptosCoinCapabilities { mint_cap });
    }

    /// Makes the account the owner and operator of a new pool with these keys. It joins with `join_validator_set`.
    public entry fun initialize_validator(
        account: &signer,
        consensus_pubkey: vector<u8>,
        network_pubkey: vector<u8>,
        checkpoint_pubkey: vector<u8>,
        proof_of_possession: vector<u8>,
        network_addresses: vector<u8>,
        fullnode_addresses: vector<u8>
    ) {
        let owner = signer::address_of(account);
        assert!(!exists<ValidatorConfig>(owner), error::already_exists(EVALIDATOR_CONFIG));
        validator_keys::claim_ed25519_key(consensus_pubkey, owner);
        validator_keys::claim_ed25519_key(network_pubkey, owner);
        validator_keys::claim_checkpoint_key(checkpoint_pubkey, proof_of_possession, owner);
        validator_keys::check_addresses(&network_addresses, &fullnode_addresses);
        initialize_owner(account);
        move_to(account, ValidatorConfig {
            consensus_pubkey,
            network_pubkey,
            checkpoint_pubkey,
            network_addresses,
            fullnode_addresses,
            validator_index: NO_INDEX
        });
    }

    /// Makes the account the owner of a new pool without keys, which `operator` sets.
    public entry fun initialize_stake_owner(
        owner: &signer, initial_stake_amount: u64, operator: address, voter: address
    ) {
        initialize_owner(owner);
        move_to(owner, ValidatorConfig {
            consensus_pubkey: vector::empty(),
            network_pubkey: vector::empty(),
            checkpoint_pubkey: vector::empty(),
            network_addresses: vector::empty(),
            fullnode_addresses: vector::empty(),
            validator_index: NO_INDEX
        });
        if (initial_stake_amount > 0) add_stake(owner, initial_stake_amount);
        set_operator(owner, operator);
        set_delegated_voter(owner, voter);
    }

    fun initialize_owner(owner: &signer) {
        let addr = signer::address_of(owner);
        assert!(!exists<StakePool>(addr), error::already_exists(EALREADY_REGISTERED));
        move_to(owner, StakePool {
            active: coin::zero(),
            inactive: coin::zero(),
            pending_active: coin::zero(),
            pending_inactive: coin::zero(),
            unbonding: coin::zero(),
            unbonding_until_secs: 0,
            locked_until_secs: 0,
            answerable_until_secs: 0,
            jailed_through_epoch: 0,
            operator_address: addr,
            delegated_voter: addr
        });
        move_to(owner, OwnerCapability { pool_address: addr });
        event::emit(RegisterValidatorCandidate { pool_address: addr });
    }

    /// Takes the right to move the pool's coins out of the account.
    public fun extract_owner_cap(owner: &signer): OwnerCapability {
        let addr = signer::address_of(owner);
        assert_owner_cap_exists(addr);
        move_from<OwnerCapability>(addr)
    }

    /// Puts the right to move a pool's coins into the account.
    public fun deposit_owner_cap(owner: &signer, owner_cap: OwnerCapability) {
        assert!(
            !exists<OwnerCapability>(signer::address_of(owner)),
            error::already_exists(EOWNER_CAP_ALREADY_EXISTS)
        );
        move_to(owner, owner_cap);
    }

    public entry fun set_operator(owner: &signer, new_operator: address) {
        set_operator_with_cap(borrow_global<OwnerCapability>(cap_holder(owner)), new_operator);
    }

    public fun set_operator_with_cap(owner_cap: &OwnerCapability, new_operator: address) {
        let pool_address = owner_cap.pool_address;
        let pool = borrow_global_mut<StakePool>(pool_address);
        let old_operator = pool.operator_address;
        pool.operator_address = new_operator;
        event::emit(SetOperator { pool_address, old_operator, new_operator });
    }

    public entry fun set_delegated_voter(owner: &signer, new_voter: address) {
        set_delegated_voter_with_cap(borrow_global<OwnerCapability>(cap_holder(owner)), new_voter);
    }

    public fun set_delegated_voter_with_cap(owner_cap: &OwnerCapability, new_voter: address) {
        borrow_global_mut<StakePool>(owner_cap.pool_address).delegated_voter = new_voter;
    }

    /// Adds to the stake: at once, or from the next epoch on if the validator serves.
    public entry fun add_stake(owner: &signer, amount: u64) {
        let cap = borrow_global<OwnerCapability>(cap_holder(owner));
        add_stake_with_cap(cap, coin::withdraw<AptosCoin>(owner, amount));
    }

    public fun add_stake_with_cap(owner_cap: &OwnerCapability, coins: Coin<AptosCoin>) {
        let pool_address = owner_cap.pool_address;
        let amount = coin::value(&coins);
        if (amount == 0) {
            coin::destroy_zero(coins);
            return
        };
        let state = get_validator_state(pool_address);
        if (state == VALIDATOR_STATUS_ACTIVE || state == VALIDATOR_STATUS_PENDING_ACTIVE) {
            count_joining_power(amount);
        };
        let pool = borrow_global_mut<StakePool>(pool_address);
        if (state == VALIDATOR_STATUS_ACTIVE || state == VALIDATOR_STATUS_PENDING_INACTIVE) {
            coin::merge(&mut pool.pending_active, coins);
        } else {
            coin::merge(&mut pool.active, coins);
        };
        let (_, maximum_stake) = staking_config::get_required_stake(&staking_config::get());
        assert!(next_stake(pool) <= maximum_stake, error::invalid_argument(ESTAKE_EXCEEDS_MAX));
        event::emit(AddStake { pool_address, amount_added: amount });
    }

    /// Lets stake go, up to all that is active: it votes and earns until the end of the lockup.
    public entry fun unlock(owner: &signer, amount: u64) {
        unlock_with_cap(amount, borrow_global<OwnerCapability>(cap_holder(owner)));
    }

    public fun unlock_with_cap(amount: u64, owner_cap: &OwnerCapability) {
        let pool_address = owner_cap.pool_address;
        let pool = borrow_global_mut<StakePool>(pool_address);
        let amount = min(amount, coin::value(&pool.active));
        if (amount == 0) return;
        let coins = coin::extract(&mut pool.active, amount);
        coin::merge(&mut pool.pending_inactive, coins);
        event::emit(UnlockStake { pool_address, amount_unlocked: amount });
    }

    /// Takes back an unlock, up to all that still votes.
    public entry fun reactivate_stake(owner: &signer, amount: u64) {
        reactivate_stake_with_cap(borrow_global<OwnerCapability>(cap_holder(owner)), amount);
    }

    public fun reactivate_stake_with_cap(owner_cap: &OwnerCapability, amount: u64) {
        let pool_address = owner_cap.pool_address;
        let pool = borrow_global_mut<StakePool>(pool_address);
        let amount = min(amount, coin::value(&pool.pending_inactive));
        if (amount == 0) return;
        let coins = coin::extract(&mut pool.pending_inactive, amount);
        coin::merge(&mut pool.active, coins);
        event::emit(ReactivateStake { pool_address, amount });
    }

    /// Takes free coins out, up to all.
    public entry fun withdraw(owner: &signer, withdraw_amount: u64) {
        let coins = withdraw_with_cap(borrow_global<OwnerCapability>(cap_holder(owner)), withdraw_amount);
        coin::deposit(signer::address_of(owner), coins);
    }

    public fun withdraw_with_cap(owner_cap: &OwnerCapability, withdraw_amount: u64): Coin<AptosCoin> {
        let pool_address = owner_cap.pool_address;
        let is_out = get_validator_state(pool_address) == VALIDATOR_STATUS_INACTIVE;
        let pool = borrow_global_mut<StakePool>(pool_address);
        release(pool, is_out);
        let amount = min(withdraw_amount, coin::value(&pool.inactive));
        if (amount == 0) return coin::zero();
        event::emit(WithdrawStake { pool_address, amount_withdrawn: amount });
        coin::extract(&mut pool.inactive, amount)
    }

    /// Starts the lockup anew, so that it ends later.
    public entry fun increase_lockup(owner: &signer) {
        increase_lockup_with_cap(borrow_global<OwnerCapability>(cap_holder(owner)));
    }

    public fun increase_lockup_with_cap(owner_cap: &OwnerCapability) {
        let pool_address = owner_cap.pool_address;
        let pool = borrow_global_mut<StakePool>(pool_address);
        let old_locked_until_secs = pool.locked_until_secs;
        let new_locked_until_secs =
            timestamp::now_seconds() + staking_config::get_recurring_lockup_duration(&staking_config::get());
        assert!(old_locked_until_secs < new_locked_until_secs, error::invalid_argument(EINVALID_LOCKUP));
        pool.locked_until_secs = new_locked_until_secs;
        event::emit(IncreaseLockup { pool_address, old_locked_until_secs, new_locked_until_secs });
    }

    /// Frees coins that neither a lockup nor evidence can hold any more.
    fun release(pool: &mut StakePool, is_out: bool) {
        let now = timestamp::now_seconds();
        if (now >= pool.unbonding_until_secs) {
            let coins = coin::extract_all(&mut pool.unbonding);
            coin::merge(&mut pool.inactive, coins);
        };
        if (is_out && now >= pool.locked_until_secs && now >= pool.answerable_until_secs) {
            let coins = coin::extract_all(&mut pool.pending_inactive);
            coin::merge(&mut pool.inactive, coins);
        }
    }

    // Keys and addresses, by the operator. They serve from the next epoch on.

    public entry fun rotate_consensus_key(operator: &signer, pool_address: address, new_consensus_pubkey: vector<u8>) {
        assert_operator(operator, pool_address);
        validator_keys::claim_ed25519_key(new_consensus_pubkey, pool_address);
        let config = borrow_global_mut<ValidatorConfig>(pool_address);
        let old_consensus_pubkey = config.consensus_pubkey;
        config.consensus_pubkey = new_consensus_pubkey;
        event::emit(RotateConsensusKey { pool_address, old_consensus_pubkey, new_consensus_pubkey });
    }

    public entry fun rotate_network_key(operator: &signer, pool_address: address, new_network_pubkey: vector<u8>) {
        assert_operator(operator, pool_address);
        validator_keys::claim_ed25519_key(new_network_pubkey, pool_address);
        let config = borrow_global_mut<ValidatorConfig>(pool_address);
        let old_network_pubkey = config.network_pubkey;
        config.network_pubkey = new_network_pubkey;
        event::emit(RotateNetworkKey { pool_address, old_network_pubkey, new_network_pubkey });
    }

    public entry fun rotate_checkpoint_key(
        operator: &signer, pool_address: address, new_checkpoint_pubkey: vector<u8>, proof_of_possession: vector<u8>
    ) {
        assert_operator(operator, pool_address);
        validator_keys::claim_checkpoint_key(new_checkpoint_pubkey, proof_of_possession, pool_address);
        let config = borrow_global_mut<ValidatorConfig>(pool_address);
        let old_checkpoint_pubkey = config.checkpoint_pubkey;
        config.checkpoint_pubkey = new_checkpoint_pubkey;
        event::emit(RotateCheckpointKey { pool_address, old_checkpoint_pubkey, new_checkpoint_pubkey });
    }

    public entry fun update_network_and_fullnode_addresses(
        operator: &signer,
        pool_address: address,
        new_network_addresses: vector<u8>,
        new_fullnode_addresses: vector<u8>
    ) {
        assert_operator(operator, pool_address);
        validator_keys::check_addresses(&new_network_addresses, &new_fullnode_addresses);
        let config = borrow_global_mut<ValidatorConfig>(pool_address);
        config.network_addresses = new_network_addresses;
        config.fullnode_addresses = new_fullnode_addresses;
        event::emit(UpdateNetworkAndFullnodeAddresses {
            pool_address, new_network_addresses, new_fullnode_addresses
        });
    }

    // Joining and leaving.

    /// Joins the set of validators at the end of the epoch.
    public entry fun join_validator_set(operator: &signer, pool_address: address) {
        assert_set_may_change();
        join_validator_set_internal(operator, pool_address);
    }

    public(friend) fun join_validator_set_internal(operator: &signer, pool_address: address) {
        assert_operator(operator, pool_address);
        assert!(
            get_validator_state(pool_address) == VALIDATOR_STATUS_INACTIVE,
            error::invalid_state(EALREADY_ACTIVE_VALIDATOR)
        );
        let pool = borrow_global_mut<StakePool>(pool_address);
        assert!(pool.jailed_through_epoch <= evidence::current_epoch(), error::invalid_state(EJAILED));
        release(pool, true);
        let voting_power = next_stake(pool);
        let (minimum_stake, maximum_stake) = staking_config::get_required_stake(&staking_config::get());
        assert!(voting_power >= minimum_stake, error::invalid_argument(ESTAKE_TOO_LOW));
        assert!(voting_power <= maximum_stake, error::invalid_argument(ESTAKE_TOO_HIGH));
        count_joining_power(voting_power);
        let config = *borrow_global<ValidatorConfig>(pool_address);
        assert!(is_complete(&config), error::invalid_argument(EINCOMPLETE_CONFIG));
        let set = borrow_global_mut<ValidatorSet>(@aptos_framework);
        vector::push_back(&mut set.pending_active, ValidatorInfo { addr: pool_address, voting_power, config });
        let size = vector::length(&set.active_validators) + vector::length(&set.pending_active);
        assert!(
            size <= staking_config::max_validators(),
            error::invalid_argument(EVALIDATOR_SET_TOO_LARGE)
        );
        event::emit(JoinValidatorSet { pool_address });
    }

    /// Leaves the set of validators at the end of the epoch, or gives up joining.
    public entry fun leave_validator_set(operator: &signer, pool_address: address) {
        assert_set_may_change();
        assert_operator(operator, pool_address);
        let set = borrow_global_mut<ValidatorSet>(@aptos_framework);
        let joining = find_validator(&set.pending_active, pool_address);
        if (option::is_some(&joining)) {
            vector::swap_remove(&mut set.pending_active, option::destroy_some(joining));
            let joined = (next_stake(borrow_global<StakePool>(pool_address)) as u128);
            set.total_joining_power = if (set.total_joining_power > joined) set.total_joining_power - joined else 0;
        } else {
            let active = find_validator(&set.active_validators, pool_address);
            assert!(option::is_some(&active), error::invalid_state(ENOT_VALIDATOR));
            let info = vector::swap_remove(&mut set.active_validators, option::destroy_some(active));
            assert!(!vector::is_empty(&set.active_validators), error::invalid_state(ELAST_VALIDATOR));
            vector::push_back(&mut set.pending_inactive, info);
        };
        event::emit(LeaveValidatorSet { pool_address });
    }

    fun count_joining_power(amount: u64) {
        let set = borrow_global_mut<ValidatorSet>(@aptos_framework);
        set.total_joining_power = set.total_joining_power + (amount as u128);
        // The first set of a chain joins a set without stake.
        if (set.total_voting_power > 0) {
            let limit = staking_config::get_voting_power_increase_limit(&staking_config::get());
            assert!(
                set.total_joining_power <= set.total_voting_power * (limit as u128) / 100,
                error::invalid_argument(EVOTING_POWER_INCREASE_EXCEEDS_LIMIT)
            );
        }
    }

    // Epochs.

    /// Counts the block that a validator led, and the positions of those that failed to lead one.
    public(friend) fun update_performance_statistics(proposer: address, failed_proposer_indices: vector<u64>) {
        let led = if (is_current_epoch_validator(proposer)) get_validator_index(proposer) else NO_INDEX;
        let all = &mut borrow_global_mut<ValidatorPerformance>(@aptos_framework).validators;
        let size = vector::length(all);
        if (led < size) {
            let one = vector::borrow_mut(all, led);
            one.successful_proposals = one.successful_proposals + 1;
        };
        while (!vector::is_empty(&failed_proposer_indices)) {
            let failed = vector::pop_back(&mut failed_proposer_indices);
            if (failed < size) {
                let one = vector::borrow_mut(all, failed);
                one.failed_proposals = one.failed_proposals + 1;
            }
        }
    }

    /// Ends an epoch: pays rewards, ends lockups, lets validators leave and join, and takes over stake, keys and
    /// addresses.
    public(friend) fun on_new_epoch() {
        let rules = staking_config::get();
        let now = timestamp::now_seconds();
        let evidence_until = now + staking_config::get_evidence_window(&staking_config::get_slashing());
        let set = borrow_global_mut<ValidatorSet>(@aptos_framework);
        end_term(&set.active_validators, true, &rules, now, evidence_until);
        end_term(&set.pending_inactive, true, &rules, now, evidence_until);
        end_term(&set.pending_active, false, &rules, now, evidence_until);
        let next = elect(set, &rules, now);
        if (vector::is_empty(&next)) {
            // Nobody qualifies: those that serve go on as they are.
            next = set.active_validators;
        };
        let (total, signers) = begin_term(&mut next);
        set.active_validators = next;
        set.pending_active = vector::empty();
        set.pending_inactive = vector::empty();
        set.total_voting_power = total;
        set.total_joining_power = 0;
        evidence::begin_epoch(signers, evidence_until);
    }

    /// What an epoch changes in the pools of some validators.
    fun end_term(
        validators: &vector<ValidatorInfo>, served: bool, rules: &StakingConfig, now: u64, evidence_until: u64
    ) {
        let (i, n) = (0, vector::length(validators));
        while (i < n) {
            let addr = vector::borrow(validators, i).addr;
            let config = borrow_global_mut<ValidatorConfig>(addr);
            let index = config.validator_index;
            config.validator_index = NO_INDEX;
            let pool = borrow_global_mut<StakePool>(addr);
            if (served) {
                pay_rewards(addr, pool, index, rules);
                pool.answerable_until_secs = evidence_until;
            };
            let coins = coin::extract_all(&mut pool.pending_active);
            coin::merge(&mut pool.active, coins);
            if (now >= pool.locked_until_secs && coin::value(&pool.pending_inactive) > 0) {
                release(pool, false);
                let coins = coin::extract_all(&mut pool.pending_inactive);
                coin::merge(&mut pool.unbonding, coins);
                pool.unbonding_until_secs = pool.answerable_until_secs;
            };
            i = i + 1;
        }
    }

    fun pay_rewards(addr: address, pool: &mut StakePool, index: u64, rules: &StakingConfig) {
        let all = &borrow_global<ValidatorPerformance>(@aptos_framework).validators;
        // A set that stood in for an empty one has positions too, so this holds for everyone who serves.
        if (index >= vector::length(all)) return;
        let performance = *vector::borrow(all, index);
        let rewards_amount =
            pay_reward(&mut pool.active, &performance, rules) + pay_reward(&mut pool.pending_inactive, &performance, rules);
        if (rewards_amount > 0) event::emit(DistributeRewards { pool_address: addr, rewards_amount });
    }

    fun pay_reward(
        coins: &mut Coin<AptosCoin>, performance: &IndividualValidatorPerformance, rules: &StakingConfig
    ): u64 {
        let stake = coin::value(coins);
        let amount = reward(stake, performance, rules);
        if (amount > 0) {
            let mint_cap = &borrow_global<AptosCoinCapabilities>(@aptos_framework).mint_cap;
            coin::merge(coins, coin::mint(amount, mint_cap));
        };
        amount
    }

    /// Stake times rate times the part of the led blocks that succeeded, rounded down. What is beyond the stake that
    /// counts earns nothing.
    fun reward(stake: u64, performance: &IndividualValidatorPerformance, rules: &StakingConfig): u64 {
        let led = (performance.successful_proposals as u128);
        let total = led + (performance.failed_proposals as u128);
        if (total == 0) return 0;
        let (rate, denominator) = staking_config::get_reward_rate(rules);
        let (_, maximum_stake) = staking_config::get_required_stake(rules);
        let counts = (min(stake, maximum_stake) as u128);
        let amount = ((counts * (rate as u128) * led / ((denominator as u128) * total)) as u64);
        // Far above any stake: what a pool adds up cannot overflow below it.
        if (stake > MAX_U64 / 8) 0 else amount
    }

    /// Who serves next: those that serve and do not leave, then those that join, as far as they qualify.
    fun elect(set: &ValidatorSet, rules: &StakingConfig, now: u64): vector<ValidatorInfo> {
        let next = vector::empty();
        elect_from(&set.active_validators, &mut next, rules, now);
        elect_from(&set.pending_active, &mut next, rules, now);
        next
    }

    fun elect_from(
        candidates: &vector<ValidatorInfo>, next: &mut vector<ValidatorInfo>, rules: &StakingConfig, now: u64
    ) {
        let (minimum_stake, maximum_stake) = staking_config::get_required_stake(rules);
        let next_epoch = evidence::current_epoch() + 1;
        let (i, n) = (0, vector::length(candidates));
        while (i < n) {
            let addr = vector::borrow(candidates, i).addr;
            let pool = borrow_global_mut<StakePool>(addr);
            let stake = next_stake(pool);
            if (stake >= minimum_stake && pool.jailed_through_epoch < next_epoch) {
                if (pool.locked_until_secs <= now) {
                    pool.locked_until_secs = now + staking_config::get_recurring_lockup_duration(rules);
                };
                let config = *borrow_global<ValidatorConfig>(addr);
                vector::push_back(next, ValidatorInfo { addr, voting_power: min(stake, maximum_stake), config });
            };
            i = i + 1;
        }
    }

    /// Numbers the validators and forgets what was counted of those before.
    fun begin_term(validators: &mut vector<ValidatorInfo>): (u128, vector<evidence::BlockSigner>) {
        let (total, signers, performance) = (0u128, vector::empty(), vector::empty());
        let (i, n) = (0, vector::length(validators));
        while (i < n) {
            let info = vector::borrow_mut(validators, i);
            info.config.validator_index = i;
            borrow_global_mut<ValidatorConfig>(info.addr).validator_index = i;
            total = total + (info.voting_power as u128);
            vector::push_back(&mut signers, evidence::new_block_signer(info.addr, info.config.consensus_pubkey));
            vector::push_back(&mut performance, IndividualValidatorPerformance {
                successful_proposals: 0, failed_proposals: 0
            });
            i = i + 1;
        };
        borrow_global_mut<ValidatorPerformance>(@aptos_framework).validators = performance;
        (total, signers)
    }

    // Slashing.

    /// Punishes a validator that signed two different blocks of one slot: burns a part of its stake and keeps it out of
    /// the next epochs. The signatures are over a domain tag and the header, see `evidence`.
    public entry fun report_equivocation(
        reporter: &signer,
        header_a: vector<u8>,
        signature_a: vector<u8>,
        header_b: vector<u8>,
        signature_b: vector<u8>
    ) {
        let (pool_address, epoch) = evidence::judge(header_a, signature_a, header_b, signature_b);
        let rules = staking_config::get_slashing();
        let pool = borrow_global_mut<StakePool>(pool_address);
        let jailed_through = evidence::current_epoch() + staking_config::get_jail_epochs(&rules);
        if (pool.jailed_through_epoch < jailed_through) pool.jailed_through_epoch = jailed_through;
        let slashed = slash(pool, staking_config::get_equivocation_share(&rules));
        let amount_slashed = coin::value(&slashed);
        let reporter = signer::address_of(reporter);
        let reporter_reward = staking_config::part(amount_slashed, staking_config::get_reporter_share(&rules));
        if (!coin::is_account_registered<AptosCoin>(reporter)) reporter_reward = 0;
        if (reporter_reward > 0) coin::deposit(reporter, coin::extract(&mut slashed, reporter_reward));
        transaction_fee::burn_coin(slashed);
        event::emit(SlashValidator {
            pool_address,
            epoch,
            amount_slashed,
            reporter,
            reporter_reward,
            jailed_through_epoch: pool.jailed_through_epoch
        });
    }

    /// Takes a part of everything that still answers for what it voted for.
    fun slash(pool: &mut StakePool, share: u64): Coin<AptosCoin> {
        let slashed = slash_coin(&mut pool.active, share);
        coin::merge(&mut slashed, slash_coin(&mut pool.pending_active, share));
        coin::merge(&mut slashed, slash_coin(&mut pool.pending_inactive, share));
        if (timestamp::now_seconds() < pool.unbonding_until_secs) {
            coin::merge(&mut slashed, slash_coin(&mut pool.unbonding, share));
        };
        slashed
    }

    fun slash_coin(coins: &mut Coin<AptosCoin>, share: u64): Coin<AptosCoin> {
        let amount = staking_config::part(coin::value(coins), share);
        coin::extract(coins, amount)
    }

    // Helpers.

    /// Stake of the next epoch, unless it ends a lockup.
    fun next_stake(pool: &StakePool): u64 {
        coin::value(&pool.active) + coin::value(&pool.pending_active) + coin::value(&pool.pending_inactive)
    }

    fun is_complete(config: &ValidatorConfig): bool {
        !vector::is_empty(&config.consensus_pubkey)
            && !vector::is_empty(&config.network_pubkey)
            && !vector::is_empty(&config.checkpoint_pubkey)
            && !vector::is_empty(&config.network_addresses)
    }

    fun find_validator(validators: &vector<ValidatorInfo>, addr: address): Option<u64> {
        let (i, n) = (0, vector::length(validators));
        while (i < n) {
            if (vector::borrow(validators, i).addr == addr) return option::some(i);
            i = i + 1;
        };
        option::none()
    }

    /// Where the owner's capability lies.
    fun cap_holder(owner: &signer): address {
        let addr = signer::address_of(owner);
        assert_owner_cap_exists(addr);
        addr
    }

    fun assert_owner_cap_exists(owner: address) {
        assert!(exists<OwnerCapability>(owner), error::not_found(EOWNER_CAP_NOT_FOUND));
    }

    fun assert_stake_pool_exists(pool_address: address) {
        assert!(exists<StakePool>(pool_address), error::invalid_argument(ESTAKE_POOL_DOES_NOT_EXIST));
    }

    fun assert_operator(operator: &signer, pool_address: address) {
        assert_stake_pool_exists(pool_address);
        assert!(
            signer::address_of(operator) == borrow_global<StakePool>(pool_address).operator_address,
            error::unauthenticated(ENOT_OPERATOR)
        );
    }

    fun assert_set_may_change() {
        assert!(
            staking_config::get_allow_validator_set_change(&staking_config::get()),
            error::invalid_argument(ENO_POST_GENESIS_VALIDATOR_SET_CHANGE_ALLOWED)
        );
    }

    #[test_only]
    public fun slashed_for_test(
        pool_address: address, epoch: u64, amount_slashed: u64, reporter: address, reporter_reward: u64,
        jailed_through_epoch: u64
    ): bool {
        event::was_event_emitted(&SlashValidator {
            pool_address, epoch, amount_slashed, reporter, reporter_reward, jailed_through_epoch
        })
    }
}
