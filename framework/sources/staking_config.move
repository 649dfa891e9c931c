/// The numbers of staking: how much, how long, what it earns, what misbehaviour costs.
///
/// Bounds keep the start of an epoch from ever failing: no sum of stakes overflows, no time does.
module aptos_framework::staking_config {
    use std::error;
    use aptos_framework::system_addresses;

    friend aptos_framework::genesis;

    struct StakingConfig has copy, drop, key {
        /// Stake that a validator needs.
        minimum_stake: u64,
        /// Stake that a validator may have, and that counts.
        maximum_stake: u64,
        /// Length of a lockup, which renews itself.
        recurring_lockup_duration_secs: u64,
        /// Whether validators may join and leave.
        allow_validator_set_change: bool,
        /// Reward of an epoch without failures, as a part of the stake: rate / denominator.
        rewards_rate: u64,
        rewards_rate_denominator: u64,
        /// Stake that may join in one epoch, in percent of the stake that votes.
        voting_power_increase_limit: u64
    }

    struct SlashingConfig has copy, drop, key {
        /// Part of the stake that an equivocation burns, in basis points.
        equivocation_share: u64,
        /// Part of what is taken that the reporter gets, in basis points.
        reporter_share: u64,
        /// Epochs that an equivocator must stay out, from the next one on.
        jail_epochs: u64,
        /// Time after an epoch during which evidence of it counts. Stake that served stays locked as long.
        evidence_window_secs: u64
    }

    /// Basis points of a whole.
    const BASIS_POINTS: u64 = 10000;
    /// Validators of one set, at most: what a committee may have.
    const MAX_VALIDATORS: u64 = 512;
    /// Largest number of a u64.
    const MAX_U64: u64 = 18446744073709551615;
    /// A hundred years.
    const MAX_LOCKUP_SECS: u64 = 3153600000;
    /// Largest rate, so that products fit.
    const MAX_REWARDS_RATE: u64 = 1000000;
    /// Most of a slashed stake that a reporter can get: reporting oneself must not pay.
    const MAX_REPORTER_SHARE: u64 = 1000;

    /// A lockup lasts between a second and a hundred years.
    const EZERO_LOCKUP_DURATION: u64 = 1;
    /// The rewards' denominator is not zero.
    const EZERO_REWARDS_RATE_DENOMINATOR: u64 = 2;
    /// The minimum is positive, not above the maximum, and a full set of the maximum fits a number.
    const EINVALID_STAKE_RANGE: u64 = 3;
    /// The limit of joining stake is between 1 and 50 percent.
    const EINVALID_VOTING_POWER_INCREASE_LIMIT: u64 = 4;
    /// The rewards' rate is above its maximum or above its denominator.
    const EINVALID_REWARDS_RATE: u64 = 5;
    /// A share is a part of the whole, and a reporter's at most a tenth.
    const EINVALID_SHARE: u64 = 6;
    /// An equivocator is jailed for an epoch at least, and for no more than can be counted.
    const EINVALID_JAIL: u64 = 7;
    /// Evidence counts for some time, and not longer than a lockup lasts.
    const EINVALID_EVIDENCE_WINDOW: u64 = 8;

    public(friend) fun initialize(
        aptos_framework: &signer,
        minimum_stake: u64,
        maximum_stake: u64,
        recurring_lockup_duration_secs: u64,
        allow_validator_set_change: bool,
        rewards_rate: u64,
        rewards_rate_denominator: u64,
        voting_power_increase_limit: u64
    ) {
        system_addresses::assert_aptos_framework(aptos_framework);
        check_stake_range(minimum_stake, maximum_stake);
        check_lockup(recurring_lockup_duration_secs);
        check_rewards(rewards_rate, rewards_rate_denominator);
        check_increase_limit(voting_power_increase_limit);
        move_to(aptos_framework, StakingConfig {
            minimum_stake,
            maximum_stake,
            recurring_lockup_duration_secs,
            allow_validator_set_change,
            rewards_rate,
            rewards_rate_denominator,
            voting_power_increase_limit
        });
    }

    public(friend) fun initialize_slashing(
        aptos_framework: &signer,
        equivocation_share: u64,
        reporter_share: u64,
        jail_epochs: u64,
        evidence_window_secs: u64
    ) {
        system_addresses::assert_aptos_framework(aptos_framework);
        check_slashing(equivocation_share, reporter_share, jail_epochs, evidence_window_secs);
        move_to(aptos_framework, SlashingConfig {
            equivocation_share, reporter_share, jail_epochs, evidence_window_secs
        });
    }

    public fun get(): StakingConfig {
        *borrow_global<StakingConfig>(@aptos_framework)
    }

    public fun get_slashing(): SlashingConfig {
        *borrow_global<SlashingConfig>(@aptos_framework)
    }

    public fun get_required_stake(config: &StakingConfig): (u64, u64) {
        (config.minimum_stake, config.maximum_stake)
    }

    public fun get_recurring_lockup_duration(config: &StakingConfig): u64 {
        config.recurring_lockup_duration_secs
    }

    public fun get_allow_validator_set_change(config: &StakingConfig): bool {
        config.allow_validator_set_change
    }

    public fun get_reward_rate(config: &StakingConfig): (u64, u64) {
        (config.rewards_rate, config.rewards_rate_denominator)
    }

    public fun get_voting_power_increase_limit(config: &StakingConfig): u64 {
        config.voting_power_increase_limit
    }

    public fun get_equivocation_share(config: &SlashingConfig): u64 {
        config.equivocation_share
    }

    public fun get_reporter_share(config: &SlashingConfig): u64 {
        config.reporter_share
    }

    public fun get_jail_epochs(config: &SlashingConfig): u64 {
        config.jail_epochs
    }

    public fun get_evidence_window(config: &SlashingConfig): u64 {
        config.evidence_window_secs
    }

    #[view]
    public fun reward_rate(): (u64, u64) {
        let config = get();
        (config.rewards_rate, config.rewards_rate_denominator)
    }

    #[view]
    /// Validators of one set, at most.
    public fun max_validators(): u64 {
        MAX_VALIDATORS
    }

    /// `share` basis points of `amount`, rounded down.
    public fun part(amount: u64, share: u64): u64 {
        (((amount as u128) * (share as u128) / (BASIS_POINTS as u128)) as u64)
    }

    public fun update_required_stake(aptos_framework: &signer, minimum_stake: u64, maximum_stake: u64) {
        system_addresses::assert_aptos_framework(aptos_framework);
        check_stake_range(minimum_stake, maximum_stake);
        let config = borrow_global_mut<StakingConfig>(@aptos_framework);
        config.minimum_stake = minimum_stake;
        config.maximum_stake = maximum_stake;
    }

    /// Lockups that run are not touched. Must not fall below the time for which evidence counts.
    public fun update_recurring_lockup_duration_secs(aptos_framework: &signer, duration_secs: u64) {
        system_addresses::assert_aptos_framework(aptos_framework);
        check_lockup(duration_secs);
        assert!(
            get_slashing().evidence_window_secs <= duration_secs,
            error::invalid_argument(EINVALID_EVIDENCE_WINDOW)
        );
        borrow_global_mut<StakingConfig>(@aptos_framework).recurring_lockup_duration_secs = duration_secs;
    }

    public fun update_rewards_rate(aptos_framework: &signer, rate: u64, denominator: u64) {
        system_addresses::assert_aptos_framework(aptos_framework);
        check_rewards(rate, denominator);
        let config = borrow_global_mut<StakingConfig>(@aptos_framework);
        config.rewards_rate = rate;
        config.rewards_rate_denominator = denominator;
    }

    public fun update_voting_power_increase_limit(aptos_framework: &signer, limit: u64) {
        system_addresses::assert_aptos_framework(aptos_framework);
        check_increase_limit(limit);
        borrow_global_mut<StakingConfig>(@aptos_framework).voting_power_increase_limit = limit;
    }

    public fun update_slashing(
        aptos_framework: &signer,
        equivocation_share: u64,
        reporter_share: u64,
        jail_epochs: u64,
        evidence_window_secs: u64
    ) {
        system_addresses::assert_aptos_framework(aptos_framework);
        check_slashing(equivocation_share, reporter_share, jail_epochs, evidence_window_secs);
        *borrow_global_mut<SlashingConfig>(@aptos_framework) = SlashingConfig {
            equivocation_share, reporter_share, jail_epochs, evidence_window_secs
        };
    }

    fun check_stake_range(minimum: u64, maximum: u64) {
        assert!(
            0 < minimum && minimum <= maximum && maximum <= MAX_U64 / MAX_VALIDATORS,
            error::invalid_argument(EINVALID_STAKE_RANGE)
        );
    }

    fun check_lockup(duration_secs: u64) {
        assert!(
            0 < duration_secs && duration_secs <= MAX_LOCKUP_SECS,
            error::invalid_argument(EZERO_LOCKUP_DURATION)
        );
    }

    fun check_rewards(rate: u64, denominator: u64) {
        assert!(denominator > 0, error::invalid_argument(EZERO_REWARDS_RATE_DENOMINATOR));
        assert!(
            rate <= MAX_REWARDS_RATE && rate <= denominator,
            error::invalid_argument(EINVALID_REWARDS_RATE)
        );
    }

    fun check_increase_limit(limit: u64) {
        assert!(0 < limit && limit <= 50, error::invalid_argument(EINVALID_VOTING_POWER_INCREASE_LIMIT));
    }

    fun check_slashing(equivocation_share: u64, reporter_share: u64, jail_epochs: u64, evidence_window_secs: u64) {
        assert!(
            equivocation_share <= BASIS_POINTS && reporter_share <= MAX_REPORTER_SHARE,
            error::invalid_argument(EINVALID_SHARE)
        );
        assert!(0 < jail_epochs && jail_epochs <= MAX_U64 / 2, error::invalid_argument(EINVALID_JAIL));
        assert!(
            0 < evidence_window_secs && evidence_window_secs <= get().recurring_lockup_duration_secs,
            error::invalid_argument(EINVALID_EVIDENCE_WINDOW)
        );
    }

    #[test_only]
    public fun set_allow_validator_set_change_for_test(allow: bool) {
        borrow_global_mut<StakingConfig>(@aptos_framework).allow_validator_set_change = allow;
    }
}
