/// Rights that an account owns and hands out: `Cap<Feature>` proves that its holder may use a feature, and only the
/// feature's module, which alone can make a `Feature`, can create and check it.
module aptos_std::capability {
    use std::error;
    use std::signer;

    /// The account owns the feature already.
    const ECAPABILITY_ALREADY_EXISTS: u64 = 1;
    /// The account neither owns the feature nor got it delegated.
    const ECAPABILITY_NOT_FOUND: u64 = 2;
    /// The account has a delegation of the feature already, or owns it.
    const EDELEGATE: u64 = 3;

    /// The right to use a feature, for this transaction.
    struct Cap<phantom Feature> has copy, drop {
        root: address
    }

    /// The same, to be used once.
    struct LinearCap<phantom Feature> has drop {
        root: address
    }

    /// At the owner.
    struct CapState<phantom Feature> has key {
        delegates: vector<address>
    }

    /// At an account that the owner delegated to.
    struct CapDelegateState<phantom Feature> has key {
        root: address
    }

    /// Makes an account the owner of a feature.
    public fun create<Feature>(owner: &signer, _feature_witness: &Feature) {
        assert!(
            !exists<CapState<Feature>>(signer::address_of(owner)), error::already_exists(ECAPABILITY_ALREADY_EXISTS)
        );
        move_to(owner, CapState<Feature> { delegates: vector[] });
    }

    /// The right, for the owner or a delegate.
    public fun acquire<Feature>(requester: &signer, _feature_witness: &Feature): Cap<Feature> {
        Cap { root: root_of<Feature>(signer::address_of(requester)) }
    }

    /// As `acquire`, to be used once.
    public fun acquire_linear<Feature>(requester: &signer, _feature_witness: &Feature): LinearCap<Feature> {
        LinearCap { root: root_of<Feature>(signer::address_of(requester)) }
    }

    /// The owner that the right comes from.
    public fun root_addr<Feature>(self: Cap<Feature>, _feature_witness: &Feature): address {
        self.root
    }

    /// The owner that the right comes from.
    public fun linear_root_addr<Feature>(self: LinearCap<Feature>, _feature_witness: &Feature): address {
        self.root
    }

    /// Lets another account acquire the right.
    public fun delegate<Feature>(self: Cap<Feature>, _feature_witness: &Feature, to: &signer) {
        let delegate = signer::address_of(to);
        assert!(
            !exists<CapDelegateState<Feature>>(delegate) && !exists<CapState<Feature>>(delegate),
            error::already_exists(EDELEGATE)
        );
        move_to(to, CapDelegateState<Feature> { root: self.root });
        borrow_global_mut<CapState<Feature>>(self.root).delegates.push_back(delegate);
    }

    /// Ends a delegation, if there is one.
    public fun revoke<Feature>(self: Cap<Feature>, _feature_witness: &Feature, from: address) {
        if (!exists<CapDelegateState<Feature>>(from)) return;
        // An account may be the delegate of another owner of the same feature.
        if (borrow_global<CapDelegateState<Feature>>(from).root != self.root) return;
        let CapDelegateState { root } = move_from<CapDelegateState<Feature>>(from);
        borrow_global_mut<CapState<Feature>>(root).delegates.remove_value(&from);
    }

    fun root_of<Feature>(requester: address): address {
        if (exists<CapDelegateState<Feature>>(requester)) {
            borrow_global<CapDelegateState<Feature>>(requester).root
        } else {
            assert!(exists<CapState<Feature>>(requester), error::not_found(ECAPABILITY_NOT_FOUND));
            requester
        }
    }
}
