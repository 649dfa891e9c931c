/// Growable arrays.
///
/// The eight native functions are bytecode instructions; the rest is built on them. An index out of range aborts:
/// inside an instruction with VECTOR_OPERATION_ERROR, in this module's own functions with `EINDEX_OUT_OF_BOUNDS`.
///
/// Functions that take lambdas are there twice. `inline fun`s have Aptos' names and are called `v.map(|x| ..)`;
/// `macro fun`s have Sui's and are called `v.map!(|x| ..)`. Both are expanded where they are called.
module std::vector {
    use std::option::{Self, Option};

    public use fun std::string::utf8 as vector.to_string;
    public use fun std::string::try_utf8 as vector.try_to_string;
    public use fun std::ascii::string as vector.to_ascii_string;
    public use fun std::ascii::try_string as vector.try_to_ascii_string;

    /// The index is not below the length.
    const EINDEX_OUT_OF_BOUNDS: u64 = 0x20000;
    /// The range's start exceeds its end, or its end the length.
    const EINVALID_SLICE_RANGE: u64 = 0x20001;
    /// Two vectors that are walked together have different lengths.
    const EVECTORS_LENGTH_MISMATCH: u64 = 0x20002;
    /// A step must be above zero.
    const EINVALID_STEP: u64 = 0x20003;
    /// An order must name every index once.
    const EINVALID_ORDER: u64 = 0x20004;

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
        rotate_slice(self, 0, n, len)
    }

    /// Moves the elements from `left` up to, not including, `rot` behind those from `rot` up to, not including, `right`;
    /// the result is the new index of the element that was at `left`.
    public fun rotate_slice<Element>(self: &mut vector<Element>, left: u64, rot: u64, right: u64): u64 {
        assert!(left <= rot && rot <= right && right <= length(self), EINDEX_OUT_OF_BOUNDS);
        reverse_slice(self, left, rot);
        reverse_slice(self, rot, right);
        reverse_slice(self, left, right);
        left + (right - rot)
    }

    /// Moves `count` elements of `from`, beginning at `start`, into `to` before index `at`.
    public fun move_range<Element>(
        from: &mut vector<Element>, start: u64, count: u64, to: &mut vector<Element>, at: u64
    ) {
        let len = length(from);
        assert!(start <= len && count <= len - start, EINDEX_OUT_OF_BOUNDS);
        assert!(at <= length(to), EINDEX_OUT_OF_BOUNDS);
        let tail = trim(from, start + count);
        let moved = trim(from, start);
        append(from, tail);
        let rest = trim(to, at);
        append(to, moved);
        append(to, rest);
    }

    /// The numbers from `start` up to, not including, `end`.
    public fun range(start: u64, end: u64): vector<u64> {
        range_with_step(start, end, 1)
    }

    /// Every `step`-th number from `start` up to, not including, `end`.
    public fun range_with_step(start: u64, end: u64, step: u64): vector<u64> {
        assert!(step > 0, EINVALID_STEP);
        let numbers = empty<u64>();
        while (start < end) {
            push_back(&mut numbers, start);
            // The last step may lead past the largest number.
            if (end - start <= step) break;
            start = start + step;
        };
        numbers
    }

    /// The elements of all vectors, in order.
    public fun flatten<Element>(self: vector<vector<Element>>): vector<Element> {
        let all = empty<Element>();
        reverse(&mut self);
        while (!is_empty(&self)) {
            append(&mut all, pop_back(&mut self));
        };
        destroy_empty(self);
        all
    }

    /// The first `n` elements.
    public fun take<Element: drop>(self: vector<Element>, n: u64): vector<Element> {
        trim_reverse(&mut self, n);
        self
    }

    /// All but the first `n` elements.
    public fun skip<Element: drop>(self: vector<Element>, n: u64): vector<Element> {
        trim(&mut self, n)
    }

    /// Takes the first `n` elements out.
    public fun take_mut<Element>(self: &mut vector<Element>, n: u64): vector<Element> {
        let rest = trim(self, n);
        let taken = trim(self, 0);
        append(self, rest);
        taken
    }

    /// Takes all but the first `n` elements out.
    public fun skip_mut<Element>(self: &mut vector<Element>, n: u64): vector<Element> {
        trim(self, n)
    }

    /// Puts the element that is at `order[i]` to `i`, for every `i`, in linear time. The order must name every index
    /// once.
    public fun arrange<Element>(self: &mut vector<Element>, order: vector<u64>) {
        let len = length(self);
        assert!(length(&order) == len, EINVALID_ORDER);
        // Where each element goes; `len` stands for an index that the order has not named yet.
        let places = empty<u64>();
        let i = 0;
        while (i < len) {
            push_back(&mut places, len);
            i = i + 1;
        };
        i = 0;
        while (i < len) {
            let from = *borrow(&order, i);
            assert!(from < len && *borrow(&places, from) == len, EINVALID_ORDER);
            *borrow_mut(&mut places, from) = i;
            i = i + 1;
        };
        i = 0;
        while (i < len) {
            let place = *borrow(&places, i);
            if (place == i) {
                i = i + 1;
            } else {
                // One element more is where it belongs.
                swap(self, i, place);
                swap(&mut places, i, place);
            }
        }
    }

    // ----------------------------------------------------------------------------------------------------------------
    // Inline functions

    /// Applies `f` to every element, first one first.
    public inline fun for_each<Element>(self: vector<Element>, f: |Element|) {
        reverse(&mut self);
        let left = length(&self);
        while (left > 0) {
            f(pop_back(&mut self));
            left = left - 1;
        };
        destroy_empty(self);
    }

    /// Applies `f` to every element, last one first.
    public inline fun for_each_reverse<Element>(self: vector<Element>, f: |Element|) {
        let left = length(&self);
        while (left > 0) {
            f(pop_back(&mut self));
            left = left - 1;
        };
        destroy_empty(self);
    }

    /// Applies `f` to a reference to every element.
    public inline fun for_each_ref<Element>(self: &vector<Element>, f: |&Element|) {
        let i = 0;
        let len = length(self);
        while (i < len) {
            f(borrow(self, i));
            i = i + 1;
        }
    }

    /// Applies `f` to a mutable reference to every element.
    public inline fun for_each_mut<Element>(self: &mut vector<Element>, f: |&mut Element|) {
        let i = 0;
        let len = length(self);
        while (i < len) {
            f(borrow_mut(self, i));
            i = i + 1;
        }
    }

    /// Applies `f` to every index and a reference to its element.
    public inline fun enumerate_ref<Element>(self: &vector<Element>, f: |u64, &Element|) {
        let i = 0;
        let len = length(self);
        while (i < len) {
            f(i, borrow(self, i));
            i = i + 1;
        }
    }

    /// Applies `f` to every index and a mutable reference to its element.
    public inline fun enumerate_mut<Element>(self: &mut vector<Element>, f: |u64, &mut Element|) {
        let i = 0;
        let len = length(self);
        while (i < len) {
            f(i, borrow_mut(self, i));
            i = i + 1;
        }
    }

    /// Applies `f` to the pairs of elements at one index; the lengths must be equal.
    public inline fun zip<Element1, Element2>(
        self: vector<Element1>, v2: vector<Element2>, f: |Element1, Element2|
    ) {
        reverse(&mut self);
        reverse(&mut v2);
        let left = length(&self);
        assert!(left == length(&v2), EVECTORS_LENGTH_MISMATCH);
        while (left > 0) {
            f(pop_back(&mut self), pop_back(&mut v2));
            left = left - 1;
        };
        destroy_empty(self);
        destroy_empty(v2);
    }

    /// As `zip`, last pair first.
    public inline fun zip_reverse<Element1, Element2>(
        self: vector<Element1>, v2: vector<Element2>, f: |Element1, Element2|
    ) {
        let left = length(&self);
        assert!(left == length(&v2), EVECTORS_LENGTH_MISMATCH);
        while (left > 0) {
            f(pop_back(&mut self), pop_back(&mut v2));
            left = left - 1;
        };
        destroy_empty(self);
        destroy_empty(v2);
    }

    /// As `zip`, with references.
    public inline fun zip_ref<Element1, Element2>(
        self: &vector<Element1>, v2: &vector<Element2>, f: |&Element1, &Element2|
    ) {
        let i = 0;
        let len = length(self);
        assert!(len == length(v2), EVECTORS_LENGTH_MISMATCH);
        while (i < len) {
            f(borrow(self, i), borrow(v2, i));
            i = i + 1;
        }
    }

    /// As `zip`, with mutable references.
    public inline fun zip_mut<Element1, Element2>(
        self: &mut vector<Element1>, v2: &mut vector<Element2>, f: |&mut Element1, &mut Element2|
    ) {
        let i = 0;
        let len = length(self);
        assert!(len == length(v2), EVECTORS_LENGTH_MISMATCH);
        while (i < len) {
            f(borrow_mut(self, i), borrow_mut(v2, i));
            i = i + 1;
        }
    }

    /// The results of `f`, in order.
    public inline fun map<Element, NewElement>(self: vector<Element>, f: |Element| NewElement): vector<NewElement> {
        reverse(&mut self);
        let left = length(&self);
        let results = empty<NewElement>();
        while (left > 0) {
            push_back(&mut results, f(pop_back(&mut self)));
            left = left - 1;
        };
        destroy_empty(self);
        results
    }

    /// The results of `f` on references, in order.
    public inline fun map_ref<Element, NewElement>(
        self: &vector<Element>, f: |&Element| NewElement
    ): vector<NewElement> {
        let i = 0;
        let len = length(self);
        let results = empty<NewElement>();
        while (i < len) {
            push_back(&mut results, f(borrow(self, i)));
            i = i + 1;
        };
        results
    }

    /// The results of `f` on the pairs of elements at one index; the lengths must be equal.
    public inline fun zip_map<Element1, Element2, NewElement>(
        self: vector<Element1>, v2: vector<Element2>, f: |Element1, Element2| NewElement
    ): vector<NewElement> {
        reverse(&mut self);
        reverse(&mut v2);
        let left = length(&self);
        assert!(left == length(&v2), EVECTORS_LENGTH_MISMATCH);
        let results = empty<NewElement>();
        while (left > 0) {
            push_back(&mut results, f(pop_back(&mut self), pop_back(&mut v2)));
            left = left - 1;
        };
        destroy_empty(self);
        destroy_empty(v2);
        results
    }

    /// As `zip_map`, with references.
    public inline fun zip_map_ref<Element1, Element2, NewElement>(
        self: &vector<Element1>, v2: &vector<Element2>, f: |&Element1, &Element2| NewElement
    ): vector<NewElement> {
        let i = 0;
        let len = length(self);
        assert!(len == length(v2), EVECTORS_LENGTH_MISMATCH);
        let results = empty<NewElement>();
        while (i < len) {
            push_back(&mut results, f(borrow(self, i), borrow(v2, i)));
            i = i + 1;
        };
        results
    }

    /// The elements for which `p` holds, in order.
    public inline fun filter<Element: drop>(self: vector<Element>, p: |&Element| bool): vector<Element> {
        reverse(&mut self);
        let left = length(&self);
        let kept = empty<Element>();
        while (left > 0) {
            let e = pop_back(&mut self);
            if (p(&e)) push_back(&mut kept, e);
            left = left - 1;
        };
        destroy_empty(self);
        kept
    }

    /// `f(.. f(f(init, first), second) .., last)`
    public inline fun fold<Accumulator, Element>(
        self: vector<Element>, init: Accumulator, f: |Accumulator, Element| Accumulator
    ): Accumulator {
        reverse(&mut self);
        let left = length(&self);
        let total = init;
        while (left > 0) {
            total = f(total, pop_back(&mut self));
            left = left - 1;
        };
        destroy_empty(self);
        total
    }

    /// `f(first, f(second, .. f(last, init)))`
    public inline fun foldr<Accumulator, Element>(
        self: vector<Element>, init: Accumulator, f: |Element, Accumulator| Accumulator
    ): Accumulator {
        let left = length(&self);
        let total = init;
        while (left > 0) {
            total = f(pop_back(&mut self), total);
            left = left - 1;
        };
        destroy_empty(self);
        total
    }

    /// `(true, i)` with the first index whose element `p` holds for, or `(false, 0)`.
    public inline fun find<Element>(self: &vector<Element>, p: |&Element| bool): (bool, u64) {
        let i = 0;
        let len = length(self);
        while (i < len && !p(borrow(self, i))) i = i + 1;
        if (i < len) (true, i) else (false, 0)
    }

    /// Whether `p` holds for some element.
    public inline fun any<Element>(self: &vector<Element>, p: |&Element| bool): bool {
        let i = 0;
        let len = length(self);
        while (i < len && !p(borrow(self, i))) i = i + 1;
        i < len
    }

    /// Whether `p` holds for every element.
    public inline fun all<Element>(self: &vector<Element>, p: |&Element| bool): bool {
        let i = 0;
        let len = length(self);
        while (i < len && p(borrow(self, i))) i = i + 1;
        i == len
    }

    /// Moves the elements for which `p` holds before the others and returns how many they are; both parts lose their
    /// order.
    public inline fun partition<Element>(self: &mut vector<Element>, p: |&Element| bool): u64 {
        let first = 0;
        let i = 0;
        let len = length(self);
        while (i < len) {
            if (p(borrow(self, i))) {
                swap(self, first, i);
                first = first + 1;
            };
            i = i + 1;
        };
        first
    }

    /// Moves the elements for which `p` holds before the others and returns how many they are; both parts keep their
    /// order.
    public inline fun stable_partition<Element>(self: &mut vector<Element>, p: |&Element| bool): u64 {
        let i = 0;
        let len = length(self);
        let order = empty<u64>();
        let others = empty<u64>();
        while (i < len) {
            if (p(borrow(self, i))) push_back(&mut order, i) else push_back(&mut others, i);
            i = i + 1;
        };
        let first = length(&order);
        append(&mut order, others);
        arrange(self, order);
        first
    }

    /// Sorts so that `le` (less or equal) holds between neighbours; elements that `le` holds for in both directions keep
    /// their order. Merges runs of indices, so elements move once: O(n log n) comparisons.
    public inline fun sort_by<Element>(self: &mut vector<Element>, le: |&Element, &Element| bool) {
        let len = length(self);
        let order = range(0, len);
        let width = 1;
        while (width < len) {
            let merged = empty<u64>();
            let end = 0;
            while (end < len) {
                let left = end;
                let middle = if (width < len - left) left + width else len;
                let right = middle;
                end = if (width < len - middle) middle + width else len;
                while (left < middle || right < end) {
                    let is_left = if (left == middle) {
                        false
                    } else if (right == end) {
                        true
                    } else {
                        le(borrow(self, *borrow(&order, left)), borrow(self, *borrow(&order, right)))
                    };
                    if (is_left) {
                        push_back(&mut merged, *borrow(&order, left));
                        left = left + 1;
                    } else {
                        push_back(&mut merged, *borrow(&order, right));
                        right = right + 1;
                    }
                }
            };
            order = merged;
            width = width * 2;
        };
        arrange(self, order);
    }

    /// Ends a vector by ending every element with `d`.
    public inline fun destroy<Element>(self: vector<Element>, d: |Element|) {
        let left = length(&self);
        while (left > 0) {
            d(pop_back(&mut self));
            left = left - 1;
        };
        destroy_empty(self);
    }

    // ----------------------------------------------------------------------------------------------------------------
    // Macros. A failing one aborts with the number of its constant: private names mean nothing where it is expanded.

    /// The results of `f` on 0, 1, .. `n - 1`.
    public macro fun tabulate<$T>($n: u64, $f: |u64| -> $T): vector<$T> {
        let mut results = vector[];
        let n = $n;
        let mut i = 0;
        while (i < n) {
            results.push_back($f(i));
            i = i + 1;
        };
        results
    }

    /// Ends a vector by ending every element with `f`, last one first.
    public macro fun destroy<$T, $R: drop>($v: vector<$T>, $f: |$T| -> $R) {
        let mut v = $v;
        let mut left = v.length();
        while (left > 0) {
            $f(v.pop_back());
            left = left - 1;
        };
        v.destroy_empty();
    }

    /// Applies `f` to every element, first one first.
    public macro fun do<$T, $R: drop>($v: vector<$T>, $f: |$T| -> $R) {
        let mut v = $v;
        v.reverse();
        let mut left = v.length();
        while (left > 0) {
            $f(v.pop_back());
            left = left - 1;
        };
        v.destroy_empty();
    }

    /// Applies `f` to a reference to every element.
    public macro fun do_ref<$T, $R: drop>($v: &vector<$T>, $f: |&$T| -> $R) {
        let v = $v;
        let len = v.length();
        let mut i = 0;
        while (i < len) {
            $f(v.borrow(i));
            i = i + 1;
        }
    }

    /// Applies `f` to a mutable reference to every element.
    public macro fun do_mut<$T, $R: drop>($v: &mut vector<$T>, $f: |&mut $T| -> $R) {
        let v = $v;
        let len = v.length();
        let mut i = 0;
        while (i < len) {
            $f(v.borrow_mut(i));
            i = i + 1;
        }
    }

    /// The results of `f`, in order.
    public macro fun map<$T, $U>($v: vector<$T>, $f: |$T| -> $U): vector<$U> {
        let mut v = $v;
        v.reverse();
        let mut left = v.length();
        let mut results = vector[];
        while (left > 0) {
            results.push_back($f(v.pop_back()));
            left = left - 1;
        };
        v.destroy_empty();
        results
    }

    /// The results of `f` on references, in order.
    public macro fun map_ref<$T, $U>($v: &vector<$T>, $f: |&$T| -> $U): vector<$U> {
        let v = $v;
        let len = v.length();
        let mut results = vector[];
        let mut i = 0;
        while (i < len) {
            results.push_back($f(v.borrow(i)));
            i = i + 1;
        };
        results
    }

    /// The elements for which `f` holds, in order.
    public macro fun filter<$T: drop>($v: vector<$T>, $f: |&$T| -> bool): vector<$T> {
        let mut v = $v;
        v.reverse();
        let mut left = v.length();
        let mut kept = vector[];
        while (left > 0) {
            let e = v.pop_back();
            if ($f(&e)) kept.push_back(e);
            left = left - 1;
        };
        v.destroy_empty();
        kept
    }

    /// The elements for which `f` holds, and the others, in order.
    public macro fun partition<$T>($v: vector<$T>, $f: |&$T| -> bool): (vector<$T>, vector<$T>) {
        let mut v = $v;
        v.reverse();
        let mut left = v.length();
        let mut with = vector[];
        let mut without = vector[];
        while (left > 0) {
            let e = v.pop_back();
            if ($f(&e)) with.push_back(e) else without.push_back(e);
            left = left - 1;
        };
        v.destroy_empty();
        (with, without)
    }

    /// The first index whose element `f` holds for.
    public macro fun find_index<$T>($v: &vector<$T>, $f: |&$T| -> bool): Option<u64> {
        let v = $v;
        let len = v.length();
        let mut i = 0;
        while (i < len) {
            if ($f(v.borrow(i))) return option::some(i);
            i = i + 1;
        };
        option::none()
    }

    /// All indices whose elements `f` holds for, in order.
    public macro fun find_indices<$T>($v: &vector<$T>, $f: |&$T| -> bool): vector<u64> {
        let v = $v;
        let len = v.length();
        let mut found = vector[];
        let mut i = 0;
        while (i < len) {
            if ($f(v.borrow(i))) found.push_back(i);
            i = i + 1;
        };
        found
    }

    /// How many elements `f` holds for.
    public macro fun count<$T>($v: &vector<$T>, $f: |&$T| -> bool): u64 {
        let v = $v;
        let len = v.length();
        let mut count = 0;
        let mut i = 0;
        while (i < len) {
            if ($f(v.borrow(i))) count = count + 1;
            i = i + 1;
        };
        count
    }

    /// `f(.. f(f(init, first), second) .., last)`
    public macro fun fold<$T, $Acc>($v: vector<$T>, $init: $Acc, $f: |$Acc, $T| -> $Acc): $Acc {
        let mut v = $v;
        v.reverse();
        let mut left = v.length();
        let mut total = $init;
        while (left > 0) {
            total = $f(total, v.pop_back());
            left = left - 1;
        };
        v.destroy_empty();
        total
    }

    /// Whether `f` holds for some element.
    public macro fun any<$T>($v: &vector<$T>, $f: |&$T| -> bool): bool {
        let v = $v;
        let len = v.length();
        let mut i = 0;
        while (i < len) {
            if ($f(v.borrow(i))) return true;
            i = i + 1;
        };
        false
    }

    /// Whether `f` holds for every element.
    public macro fun all<$T>($v: &vector<$T>, $f: |&$T| -> bool): bool {
        let v = $v;
        let len = v.length();
        let mut i = 0;
        while (i < len) {
            if (!$f(v.borrow(i))) return false;
            i = i + 1;
        };
        true
    }

    /// Applies `f` to the pairs of elements at one index; the lengths must be equal.
    public macro fun zip_do<$T1, $T2, $R: drop>($v1: vector<$T1>, $v2: vector<$T2>, $f: |$T1, $T2| -> $R) {
        let mut v1 = $v1;
        let mut v2 = $v2;
        v1.reverse();
        v2.reverse();
        let mut left = v1.length();
        assert!(left == v2.length(), 0x20002);
        while (left > 0) {
            $f(v1.pop_back(), v2.pop_back());
            left = left - 1;
        };
        v1.destroy_empty();
        v2.destroy_empty();
    }

    /// As `zip_do`, last pair first.
    public macro fun zip_do_reverse<$T1, $T2, $R: drop>($v1: vector<$T1>, $v2: vector<$T2>, $f: |$T1, $T2| -> $R) {
        let mut v1 = $v1;
        let mut v2 = $v2;
        let mut left = v1.length();
        assert!(left == v2.length(), 0x20002);
        while (left > 0) {
            $f(v1.pop_back(), v2.pop_back());
            left = left - 1;
        };
        v1.destroy_empty();
        v2.destroy_empty();
    }

    /// As `zip_do`, with references.
    public macro fun zip_do_ref<$T1, $T2, $R: drop>($v1: &vector<$T1>, $v2: &vector<$T2>, $f: |&$T1, &$T2| -> $R) {
        let v1 = $v1;
        let v2 = $v2;
        let len = v1.length();
        assert!(len == v2.length(), 0x20002);
        let mut i = 0;
        while (i < len) {
            $f(v1.borrow(i), v2.borrow(i));
            i = i + 1;
        }
    }

    /// As `zip_do`, with mutable references.
    public macro fun zip_do_mut<$T1, $T2, $R: drop>(
        $v1: &mut vector<$T1>, $v2: &mut vector<$T2>, $f: |&mut $T1, &mut $T2| -> $R
    ) {
        let v1 = $v1;
        let v2 = $v2;
        let len = v1.length();
        assert!(len == v2.length(), 0x20002);
        let mut i = 0;
        while (i < len) {
            $f(v1.borrow_mut(i), v2.borrow_mut(i));
            i = i + 1;
        }
    }

    /// The results of `f` on the pairs of elements at one index; the lengths must be equal.
    public macro fun zip_map<$T1, $T2, $U>($v1: vector<$T1>, $v2: vector<$T2>, $f: |$T1, $T2| -> $U): vector<$U> {
        let mut v1 = $v1;
        let mut v2 = $v2;
        v1.reverse();
        v2.reverse();
        let mut left = v1.length();
        assert!(left == v2.length(), 0x20002);
        let mut results = vector[];
        while (left > 0) {
            results.push_back($f(v1.pop_back(), v2.pop_back()));
            left = left - 1;
        };
        v1.destroy_empty();
        v2.destroy_empty();
        results
    }

    /// As `zip_map`, with references.
    public macro fun zip_map_ref<$T1, $T2, $U>(
        $v1: &vector<$T1>, $v2: &vector<$T2>, $f: |&$T1, &$T2| -> $U
    ): vector<$U> {
        let v1 = $v1;
        let v2 = $v2;
        let len = v1.length();
        assert!(len == v2.length(), 0x20002);
        let mut results = vector[];
        let mut i = 0;
        while (i < len) {
            results.push_back($f(v1.borrow(i), v2.borrow(i)));
            i = i + 1;
        };
        results
    }

    /// Sorts by inserting one element after the other, stable; quick when little is out of order, quadratic else.
    public macro fun insertion_sort_by<$T>($v: &mut vector<$T>, $le: |&$T, &$T| -> bool) {
        let v = $v;
        let len = v.length();
        let mut sorted = 1;
        while (sorted < len) {
            let mut at = sorted;
            while (at > 0 && !$le(v.borrow(at - 1), v.borrow(at))) {
                v.swap(at - 1, at);
                at = at - 1;
            };
            sorted = sorted + 1;
        }
    }

    /// Sorts by `le` (less or equal), stable, with O(n log n) comparisons.
    public macro fun merge_sort_by<$T>($v: &mut vector<$T>, $le: |&$T, &$T| -> bool) {
        sort_by($v, |a, b| $le(a, b))
    }

    /// Whether `le` (less or equal) holds between all neighbours.
    public macro fun is_sorted_by<$T>($v: &vector<$T>, $le: |&$T, &$T| -> bool): bool {
        let v = $v;
        let len = v.length();
        let mut i = 1;
        while (i < len) {
            if (!$le(v.borrow(i - 1), v.borrow(i))) return false;
            i = i + 1;
        };
        true
    }

    /// The first elements as long as `p` holds.
    public macro fun take_while<$T: drop>($v: vector<$T>, $p: |&$T| -> bool): vector<$T> {
        let v = $v;
        let len = v.length();
        let mut n = 0;
        while (n < len && $p(v.borrow(n))) n = n + 1;
        v.take(n)
    }

    /// What follows the first elements for which `p` holds.
    public macro fun skip_while<$T: drop>($v: vector<$T>, $p: |&$T| -> bool): vector<$T> {
        let v = $v;
        let len = v.length();
        let mut n = 0;
        while (n < len && $p(v.borrow(n))) n = n + 1;
        v.skip(n)
    }
}
