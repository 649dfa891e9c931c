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

    /// Takes the value away, if there is one.
    public fun take<Element>(self: &mut Option<Element>): Option<Element> {
        if (is_none(self)) none() else some(extract(self))
    }

    // ----------------------------------------------------------------------------------------------------------------
    // Inline functions

    /// Applies `f` to the value, if there is one.
    public inline fun for_each<Element>(self: Option<Element>, f: |Element|) {
        if (is_some(&self)) f(destroy_some(self)) else destroy_none(self)
    }

    /// Applies `f` to a reference to the value, if there is one.
    public inline fun for_each_ref<Element>(self: &Option<Element>, f: |&Element|) {
        if (is_some(self)) f(borrow(self));
    }

    /// Applies `f` to a mutable reference to the value, if there is one.
    public inline fun for_each_mut<Element>(self: &mut Option<Element>, f: |&mut Element|) {
        if (is_some(self)) f(borrow_mut(self));
    }

    /// `f(init, value)`, or `init` when absent.
    public inline fun fold<Accumulator, Element>(
        self: Option<Element>, init: Accumulator, f: |Accumulator, Element| Accumulator
    ): Accumulator {
        if (is_some(&self)) {
            f(init, destroy_some(self))
        } else {
            destroy_none(self);
            init
        }
    }

    /// The result of `f` on the value, if there is one.
    public inline fun map<Element, OtherElement>(
        self: Option<Element>, f: |Element| OtherElement
    ): Option<OtherElement> {
        if (is_some(&self)) {
            some(f(destroy_some(self)))
        } else {
            destroy_none(self);
            none()
        }
    }

    /// The result of `f` on a reference to the value, if there is one.
    public inline fun map_ref<Element, OtherElement>(
        self: &Option<Element>, f: |&Element| OtherElement
    ): Option<OtherElement> {
        if (is_some(self)) some(f(borrow(self))) else none()
    }

    /// What `f` makes of the value, if there is one.
    public inline fun and_then<Element, OtherElement>(
        self: Option<Element>, f: |Element| Option<OtherElement>
    ): Option<OtherElement> {
        if (is_some(&self)) {
            f(destroy_some(self))
        } else {
            destroy_none(self);
            none()
        }
    }

    /// The option itself, or what `f` gives when it is absent.
    public inline fun or_else<Element>(self: Option<Element>, f: || Option<Element>): Option<Element> {
        if (is_some(&self)) {
            self
        } else {
            destroy_none(self);
            f()
        }
    }

    /// The value, if there is one and `f` holds for it.
    public inline fun filter<Element: drop>(self: Option<Element>, f: |&Element| bool): Option<Element> {
        if (is_some(&self) && f(borrow(&self))) self else none()
    }

    /// Whether there is a value and `p` holds for it.
    public inline fun any<Element>(self: &Option<Element>, p: |&Element| bool): bool {
        is_some(self) && p(borrow(self))
    }

    /// Ends an option by ending the value with `d`.
    public inline fun destroy<Element>(self: Option<Element>, d: |Element|) {
        for_each(self, |e| d(e))
    }

    // ----------------------------------------------------------------------------------------------------------------
    // Macros

    /// Ends an option by ending the value with `f`.
    public macro fun destroy<$T, $R: drop>($o: Option<$T>, $f: |$T| -> $R) {
        let o = $o;
        if (o.is_some()) {
            $f(o.destroy_some());
        } else {
            o.destroy_none();
        }
    }

    /// Applies `f` to the value, if there is one.
    public macro fun do<$T, $R: drop>($o: Option<$T>, $f: |$T| -> $R) {
        let o = $o;
        if (o.is_some()) {
            $f(o.destroy_some());
        } else {
            o.destroy_none();
        }
    }

    /// Applies `f` to a reference to the value, if there is one.
    public macro fun do_ref<$T, $R: drop>($o: &Option<$T>, $f: |&$T| -> $R) {
        let o = $o;
        if (o.is_some()) {
            $f(o.borrow());
        }
    }

    /// Applies `f` to a mutable reference to the value, if there is one.
    public macro fun do_mut<$T, $R: drop>($o: &mut Option<$T>, $f: |&mut $T| -> $R) {
        let o = $o;
        if (o.is_some()) {
            $f(o.borrow_mut());
        }
    }

    /// The option itself, or `default`, which is evaluated only when it is absent.
    public macro fun or<$T>($o: Option<$T>, $default: Option<$T>): Option<$T> {
        let o = $o;
        if (o.is_some()) {
            o
        } else {
            o.destroy_none();
            $default
        }
    }

    /// What `f` makes of the value, if there is one.
    public macro fun and<$T, $U>($o: Option<$T>, $f: |$T| -> Option<$U>): Option<$U> {
        let o = $o;
        if (o.is_some()) {
            $f(o.destroy_some())
        } else {
            o.destroy_none();
            none()
        }
    }

    /// What `f` makes of a reference to the value, if there is one.
    public macro fun and_ref<$T, $U>($o: &Option<$T>, $f: |&$T| -> Option<$U>): Option<$U> {
        let o = $o;
        if (o.is_some()) $f(o.borrow()) else none()
    }

    /// The result of `f` on the value, if there is one.
    public macro fun map<$T, $U>($o: Option<$T>, $f: |$T| -> $U): Option<$U> {
        let o = $o;
        if (o.is_some()) {
            some($f(o.destroy_some()))
        } else {
            o.destroy_none();
            none()
        }
    }

    /// The result of `f` on a reference to the value, if there is one.
    public macro fun map_ref<$T, $U>($o: &Option<$T>, $f: |&$T| -> $U): Option<$U> {
        let o = $o;
        if (o.is_some()) some($f(o.borrow())) else none()
    }

    /// The value, if there is one and `f` holds for it.
    public macro fun filter<$T: drop>($o: Option<$T>, $f: |&$T| -> bool): Option<$T> {
        let o = $o;
        if (o.is_some() && $f(o.borrow())) o else none()
    }

    /// Whether there is a value and `f` holds for it.
    public macro fun is_some_and<$T>($o: &Option<$T>, $f: |&$T| -> bool): bool {
        let o = $o;
        o.is_some() && $f(o.borrow())
    }

    /// Whether there is no value or `f` holds for it.
    public macro fun is_none_or<$T>($o: &Option<$T>, $f: |&$T| -> bool): bool {
        let o = $o;
        o.is_none() || $f(o.borrow())
    }

    /// Takes the value away, or gives `default`, which is evaluated only when there is none.
    public macro fun extract_or<$T>($o: &mut Option<$T>, $default: $T): $T {
        let o = $o;
        if (o.is_some()) o.extract() else $default
    }

    /// The value, or `default`, which is evaluated only when there is none.
    public macro fun destroy_or<$T>($o: Option<$T>, $default: $T): $T {
        let o = $o;
        if (o.is_some()) {
            o.destroy_some()
        } else {
            o.destroy_none();
            $default
        }
    }
}
