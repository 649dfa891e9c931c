/// A value that may be absent.
module std::option {
    use std::vector;

    /// Absent is an empty vector, present a vector of one element.
    struct Option<Element> has copy, drop, store {
        vec: vector<Element>
    }

    /// The option holds a value, and must not.
    const EOPTION_IS_SET: u64 = 0x40000;
    /// The option holds no value, and must.
    const EOPTION_NOT_SET: u64 = 0x40001;
    /// A vector of more than one element is no option.
    const EOPTION_VEC_TOO_LONG: u64 = 0x40002;

    /// An absent value.
    public fun none<Element>(): Option<Element> {
        Option { vec: vector::empty() }
    }

    /// A present value.
    public fun some<Element>(e: Element): Option<Element> {
        Option { vec: vector::singleton(e) }
    }

    /// Reads a vector of at most one element as an option.
    public fun from_vec<Element>(vec: vector<Element>): Option<Element> {
        assert!(vector::length(&vec) <= 1, EOPTION_VEC_TOO_LONG);
        Option { vec }
    }

    public fun is_none<Element>(self: &Option<Element>): bool {
        vector::is_empty(&self.vec)
    }

    public fun is_some<Element>(self: &Option<Element>): bool {
        !vector::is_empty(&self.vec)
    }

    /// Whether the value is present and equals `e`.
    public fun contains<Element>(self: &Option<Element>, e: &Element): bool {
        vector::contains(&self.vec, e)
    }

    /// The value, which must be present.
    public fun borrow<Element>(self: &Option<Element>): &Element {
        assert!(is_some(self), EOPTION_NOT_SET);
        vector::borrow(&self.vec, 0)
    }

    /// The value, or `default` when absent.
    public fun borrow_with_default<Element>(self: &Option<Element>, default: &Element): &Element {
        if (is_none(self)) default else vector::borrow(&self.vec, 0)
    }

    /// A copy of the value, or `default` when absent.
    public fun get_with_default<Element: copy + drop>(self: &Option<Element>, default: Element): Element {
        if (is_none(self)) default else *vector::borrow(&self.vec, 0)
    }

    /// Sets the value, which must be absent.
    public fun fill<Element>(self: &mut Option<Element>, e: Element) {
        assert!(is_none(self), EOPTION_IS_SET);
        vector::push_back(&mut self.vec, e);
    }

    /// Takes the value away, which must be present.
    public fun extract<Element>(self: &mut Option<Element>): Element {
        assert!(is_some(self), EOPTION_NOT_SET);
        vector::pop_back(&mut self.vec)
    }

    /// The value, mutable; it must be present.
    public fun borrow_mut<Element>(self: &mut Option<Element>): &mut Element {
        assert!(is_some(self), EOPTION_NOT_SET);
        vector::borrow_mut(&mut self.vec, 0)
    }

    /// Replaces the value, which must be present, and returns the old one.
    public fun swap<Element>(self: &mut Option<Element>, e: Element): Element {
        assert!(is_some(self), EOPTION_NOT_SET);
        let old = vector::pop_back(&mut self.vec);
        vector::push_back(&mut self.vec, e);
        old
    }

    /// Sets the value and returns the old one, if there was one.
    public fun swap_or_fill<Element>(self: &mut Option<Element>, e: Element): Option<Element> {
        let old = if (is_none(self)) none() else some(vector::pop_back(&mut self.vec));
        vector::push_back(&mut self.vec, e);
        old
    }

    /// The value, or `default` when absent.
    public fun destroy_with_default<Element: drop>(self: Option<Element>, default: Element): Element {
        let Option { vec } = self;
        if (vector::is_empty(&vec)) default else vector::pop_back(&mut vec)
    }

    /// The value, which must be present.
    public fun destroy_some<Element>(self: Option<Element>): Element {
        assert!(is_some(&self), EOPTION_NOT_SET);
        let Option { vec } = self;
        let e = vector::pop_back(&mut vec);
        vector::destroy_empty(vec);
        e
    }

    /// Ends an option that must be absent.
    public fun destroy_none<Element>(self: Option<Element>) {
        assert!(is_none(&self), EOPTION_IS_SET);
        let Option { vec } = self;
        vector::destroy_empty(vec);
    }

    /// A vector of no or one element.
    public fun to_vec<Element>(self: Option<Element>): vector<Element> {
        let Option { vec } = self;
        vec
    }
}
