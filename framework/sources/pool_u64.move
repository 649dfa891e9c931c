/// A pot of coins that shareholders own parts of: who buys in gets shares at the price of the moment, and profits and
/// losses of the pot are those of all shares.
///
/// Rounding is down, in favour of the pot: buying and redeeming at once never gains.
module aptos_std::pool_u64 {
    use std::error;
    use aptos_std::simple_map::{Self, SimpleMap};

    /// The account has no shares.
    const ESHAREHOLDER_NOT_FOUND: u64 = 1;
    /// The pool has as many shareholders as it may.
    const ETOO_MANY_SHAREHOLDERS: u64 = 2;
    /// The pool has coins still.
    const EPOOL_IS_NOT_EMPTY: u64 = 3;
    /// The shareholder has fewer shares.
    const EINSUFFICIENT_SHARES: u64 = 4;
    /// The shareholder's shares do not fit u64.
    const ESHAREHOLDER_SHARES_OVERFLOW: u64 = 5;
    /// The pool's coins do not fit u64.
    const EPOOL_TOTAL_COINS_OVERFLOW: u64 = 6;
    /// The pool's shares do not fit u64.
    const EPOOL_TOTAL_SHARES_OVERFLOW: u64 = 7;

    const MAX_U64: u64 = 0xFFFF_FFFF_FFFF_FFFF;

    struct Pool has store {
        shareholders_limit: u64,
        total_coins: u64,
        total_shares: u64,
        /// None is zero.
        shares: SimpleMap<address, u64>,
        /// Shares that the first coin buys.
        scaling_factor: u64
    }

    /// An empty pool for at most this many shareholders.
    public fun new(shareholders_limit: u64): Pool {
        create_with_scaling_factor(shareholders_limit, 1)
    }

    /// As `new`.
    public fun create(shareholders_limit: u64): Pool {
        new(shareholders_limit)
    }

    /// As `new`; while there are no shares a coin buys `scaling_factor`, so that later ones can be cut finer.
    public fun create_with_scaling_factor(shareholders_limit: u64, scaling_factor: u64): Pool {
        Pool { shareholders_limit, total_coins: 0, total_shares: 0, shares: simple_map::new(), scaling_factor }
    }

    /// Ends a pool without coins.
    public fun destroy_empty(self: Pool) {
        assert!(self.total_coins == 0, error::invalid_state(EPOOL_IS_NOT_EMPTY));
        let Pool { shareholders_limit: _, total_coins: _, total_shares: _, shares: _, scaling_factor: _ } = self;
    }

    public fun total_coins(self: &Pool): u64 {
        self.total_coins
    }

    public fun total_shares(self: &Pool): u64 {
        self.total_shares
    }

    /// Whether the account has shares.
    public fun contains(self: &Pool, shareholder: address): bool {
        self.shares.contains_key(&shareholder)
    }

    /// The account's shares.
    public fun shares(self: &Pool, shareholder: address): u64 {
        if (contains(self, shareholder)) *self.shares.borrow(&shareholder) else 0
    }

    /// What the account's shares are worth.
    public fun balance(self: &Pool, shareholder: address): u64 {
        shares_to_amount(self, shares(self, shareholder))
    }

    /// All accounts with shares.
    public fun shareholders(self: &Pool): vector<address> {
        self.shares.keys()
    }

    public fun shareholders_count(self: &Pool): u64 {
        self.shares.length()
    }

    /// Sets what the pot holds: profit or loss of all shares.
    public fun update_total_coins(self: &mut Pool, new_total_coins: u64) {
        self.total_coins = new_total_coins;
    }

    /// Puts coins into the pot and returns the shares that they bought.
    public fun buy_in(self: &mut Pool, shareholder: address, coins_amount: u64): u64 {
        if (coins_amount == 0) return 0;
        let new_shares = amount_to_shares(self, coins_amount);
        assert!(MAX_U64 - self.total_coins >= coins_amount, error::invalid_argument(EPOOL_TOTAL_COINS_OVERFLOW));
        assert!(MAX_U64 - self.total_shares >= new_shares, error::invalid_argument(EPOOL_TOTAL_SHARES_OVERFLOW));
        self.total_coins = self.total_coins + coins_amount;
        self.total_shares = self.total_shares + new_shares;
        add_shares(self, shareholder, new_shares);
        new_shares
    }

    /// Takes shares back and returns the coins that they were worth.
    public fun redeem_shares(self: &mut Pool, shareholder: address, shares_to_redeem: u64): u64 {
        if (shares_to_redeem == 0) return 0;
        let coins = shares_to_amount(self, shares_to_redeem);
        deduct_shares(self, shareholder, shares_to_redeem);
        self.total_coins = self.total_coins - coins;
        self.total_shares = self.total_shares - shares_to_redeem;
        coins
    }

    /// Gives shares to another account.
    public fun transfer_shares(
        self: &mut Pool, shareholder_1: address, shareholder_2: address, shares_to_transfer: u64
    ) {
        if (shares_to_transfer == 0) return;
        deduct_shares(self, shareholder_1, shares_to_transfer);
        add_shares(self, shareholder_2, shares_to_transfer);
    }

    /// The shares that so many coins buy.
    public fun amount_to_shares(self: &Pool, coins_amount: u64): u64 {
        amount_to_shares_with_total_coins(self, coins_amount, self.total_coins)
    }

    /// As `amount_to_shares`, as if the pot held `total_coins`.
    public fun amount_to_shares_with_total_coins(self: &Pool, coins_amount: u64, total_coins: u64): u64 {
        // A pot that lost everything begins anew.
        if (self.total_coins == 0 || self.total_shares == 0) {
            assert!(
                self.scaling_factor == 0 || MAX_U64 / self.scaling_factor >= coins_amount,
                error::invalid_argument(EPOOL_TOTAL_COINS_OVERFLOW)
            );
            coins_amount * self.scaling_factor
        } else {
            multiply_then_divide(self, coins_amount, self.total_shares, total_coins)
        }
    }

    /// The coins that so many shares are worth.
    public fun shares_to_amount(self: &Pool, shares: u64): u64 {
        shares_to_amount_with_total_coins(self, shares, self.total_coins)
    }

    /// As `shares_to_amount`, as if the pot held `total_coins`.
    public fun shares_to_amount_with_total_coins(self: &Pool, shares: u64, total_coins: u64): u64 {
        if (self.total_coins == 0 || self.total_shares == 0) {
            0
        } else {
            multiply_then_divide(self, shares, total_coins, self.total_shares)
        }
    }

    /// `x * y / z`, rounded down; the product need not fit.
    public fun multiply_then_divide(_self: &Pool, x: u64, y: u64, z: u64): u64 {
        std::u64::mul_div(x, y, z)
    }

    fun add_shares(self: &mut Pool, shareholder: address, new_shares: u64) {
        if (contains(self, shareholder)) {
            let held = self.shares.borrow_mut(&shareholder);
            assert!(MAX_U64 - *held >= new_shares, error::invalid_argument(ESHAREHOLDER_SHARES_OVERFLOW));
            *held = *held + new_shares;
        } else if (new_shares > 0) {
            assert!(self.shares.length() < self.shareholders_limit, error::invalid_state(ETOO_MANY_SHAREHOLDERS));
            self.shares.add(shareholder, new_shares);
        }
    }

    fun deduct_shares(self: &mut Pool, shareholder: address, num_shares: u64) {
        assert!(contains(self, shareholder), error::invalid_argument(ESHAREHOLDER_NOT_FOUND));
        let held = self.shares.borrow_mut(&shareholder);
        assert!(*held >= num_shares, error::invalid_argument(EINSUFFICIENT_SHARES));
        *held = *held - num_shares;
        if (*held == 0) {
            self.shares.remove(&shareholder);
        }
    }
}
