/// Growable arrays.
///
/// The eight native functions are bytecode instructions; the rest is built on them. An index out of range aborts:
/// inside an instruction with VECTOR_OPERATION_ERROR, in this module's own functions with `EINDEX_OUT_OF_BOUNDS`.
module std::vector {
    /// The index is not below the length.
    const EINDEX_OUT_OF_BOUNDS: u64 = 0x20000;
    /// The range's start exceeds its end, or its end the length.
    const EINVALID_SLICE_RANGE: u64 = 0x20001;

    #[bytecode_instruction]
    /// An empty vector.
    native public fun empty<Element>(): vector<Element>;

    #[bytecode_instruction]
    /// The number of elements.
    native public fun length<Element>(self: &vector<Element>): u64;

    #[bytecode_instruction]
    /// The element at `i`.
    native public fun borrow<Element>(self: &vector<Element>, i: u64): &Element;

    #[bytecode_instruction]
    /// The element at `i`, mutable.
    native public fun borrow_mut<Element>(self: &mut vector<Element>, i: u64): &mut Element;

    #[bytecode_instruction]
    /// Adds `e` at the end.
    native public fun push_back<Element>(self: &mut vector<Element>, e: Element);

    #[bytecode_instruction]
    /// Takes the last element away.
    native public fun pop_back<Element>(self: &mut vector<Element>): Element;

    #[bytecode_instruction]
    /// Ends a vector that must be empty.
    native public fun destroy_empty<Element>(self: vector<Element>);

    #[bytecode_instruction]
    /// Exchanges the elements at `i` and `j`.
    native public fun swap<Element>(self: &mut vector<Element>, i: u64, j: u64);

    /// A vector of one element.
    public fun singleton<Element>(e: Element): vector<Element> {
        let v = empty<Element>();
        push_back(&mut v, e);
        v
    }

    /// Whether there is no element.
    public fun is_empty<Element>(self: &vector<Element>): bool {
        length(self) == 0
    }

    /// Reverses the order in place.
    public fun reverse<Element>(self: &mut vector<Element>) {
        let len = length(self);
        reverse_slice(self, 0, len);
    }

    /// Reverses the order of the elements from `left` up to, not including, `right`.
    public fun reverse_slice<Element>(self: &mut vector<Element>, left: u64, right: u64) {
        assert!(left <= right && right <= length(self), EINVALID_SLICE_RANGE);
        if (left == right) return;
        right = right - 1;
        while (left < right) {
            swap(self, left, right);
            left = left + 1;
            right = right - 1;
        }
    }

    /// Moves all elements of `other` to the end, in order.
    public fun append<Element>(self: &mut vector<Element>, other: vector<Element>) {
        reverse(&mut other);
        reverse_append(self, other);
    }

    /// Moves all elements of `other` to the end, last one first.
    public fun reverse_append<Element>(self: &mut vector<Element>, other: vector<Element>) {
        let left = length(&other);
        while (left > 0) {
            push_back(self, pop_back(&mut other));
            left = left - 1;
        };
        destroy_empty(other);
    }

    /// Keeps the first `new_len` elements and returns the others.
    public fun trim<Element>(self: &mut vector<Element>, new_len: u64): vector<Element> {
        let tail = trim_reverse(self, new_len);
        reverse(&mut tail);
        tail
    }

    /// Keeps the first `new_len` elements and returns the others, last one first.
    public fun trim_reverse<Element>(self: &mut vector<Element>, new_len: u64): vector<Element> {
        let len = length(self);
        assert!(new_len <= len, EINDEX_OUT_OF_BOUNDS);
        let tail = empty<Element>();
        while (new_len < len) {
            push_back(&mut tail, pop_back(self));
            len = len - 1;
        };
        tail
    }

    /// Whether some element equals `e`.
    public fun contains<Element>(self: &vector<Element>, e: &Element): bool {
        let (found, _) = index_of(self, e);
        found
    }

    /// `(true, i)` with the first index of `e`, or `(false, 0)`.
    public fun index_of<Element>(self: &vector<Element>, e: &Element): (bool, u64) {
        let i = 0;
        let len = length(self);
        while (i < len) {
            if (borrow(self, i) == e) return (true, i);
            i = i + 1;
        };
        (false, 0)
    }

    /// Puts `e` at index `i` and shifts what was there to the right; `i` may be the length.
    public fun insert<Element>(self: &mut vector<Element>, i: u64, e: Element) {
        let len = length(self);
        assert!(i <= len, EINDEX_OUT_OF_BOUNDS);
        push_back(self, e);
        while (i < len) {
            swap(self, i, len);
            i = i + 1;
        }
    }

    /// Takes the element at `i` away and shifts the later ones to the left.
    public fun remove<Element>(self: &mut vector<Element>, i: u64): Element {
        let len = length(self);
        assert!(i < len, EINDEX_OUT_OF_BOUNDS);
        let last = len - 1;
        while (i < last) {
            swap(self, i, i + 1);
            i = i + 1;
        };
        pop_back(self)
    }

    /// Takes the first element equal to `e` away; the result holds it, or is empty when there was none.
    public fun remove_value<Element>(self: &mut vector<Element>, e: &Element): vector<Element> {
        let (found, index) = index_of(self, e);
        if (found) singleton(remove(self, index)) else empty<Element>()
    }

    /// Takes the element at `i` away and puts the last one in its place: constant time, order lost.
    public fun swap_remove<Element>(self: &mut vector<Element>, i: u64): Element {
        let len = length(self);
        assert!(i < len, EINDEX_OUT_OF_BOUNDS);
        swap(self, i, len - 1);
        pop_back(self)
    }

    /// Puts `e` at `i` and returns what was there.
    public fun replace<Element>(self: &mut vector<Element>, i: u64, e: Element): Element {
        let len = length(self);
        assert!(i < len, EINDEX_OUT_OF_BOUNDS);
        push_back(self, e);
        swap(self, i, len);
        pop_back(self)
    }

    /// A copy of the elements from `start` up to, not including, `end`.
    public fun slice<Element: copy>(self: &vector<Element>, start: u64, end: u64): vector<Element> {
        assert!(start <= end && end <= length(self), EINVALID_SLICE_RANGE);
        let part = empty<Element>();
        while (start < end) {
            push_back(&mut part, *borrow(self, start));
            start = start + 1;
        };
        part
    }

    /// Moves the first `n` elements to the end; the result is the new index of the former first element.
    public fun rotate<Element>(self: &mut vector<Element>, n: u64): u64 {
        let len = length(self);
        assert!(n <= len, EINDEX_OUT_OF_BOUNDS);
        reverse_slice(self, 0, n);
        reverse_slice(self, n, len);
        reverse_slice(self, 0, len);
        len - n
    }

    /// The numbers from `start` up to, not including, `end`.
    public fun range(start: u64, end: u64): vector<u64> {
        let numbers = empty<u64>();
        while (start < end) {
            push_back(&mut numbers, start);
            start = start + 1;
        };
        numbers
    }
}
