/// A vector that begins as an ordinary one and goes on in buckets when it grows: see `aptos_std::big_vector`.
module aptos_std::smart_vector {
    use std::bcs;
    use std::error;
    use std::option::{Self, Option};
    use aptos_std::big_vector::{Self, BigVector};

    /// The index is not below the length.
    const EINDEX_OUT_OF_BOUNDS: u64 = 1;
    /// The vector has elements.
    const EVECTOR_NOT_EMPTY: u64 = 2;
    /// The vector has no element.
    const EVECTOR_EMPTY: u64 = 3;
    /// A bucket holds at least one element.
    const EZERO_BUCKET_SIZE: u64 = 4;
    /// Two vectors that are walked together have different lengths.
    const ESMART_VECTORS_LENGTH_MISMATCH: u64 = 0x20005;

    /// Bytes that may stay in the ordinary vector, and that a bucket holds, when the caller did not say how many
    /// elements.
    const INLINE_BYTES: u64 = 512;
    const BUCKET_BYTES: u64 = 2048;

    struct SmartVector<T> has store {
        /// The first elements.
        inline_vec: vector<T>,
        /// The others; there is one as soon as there were any.
        big_vec: Option<BigVector<T>>,
        inline_capacity: Option<u64>,
        bucket_size: Option<u64>
    }

    /// An empty vector.
    public fun new<T: store>(): SmartVector<T> {
        SmartVector {
            inline_vec: vector[],
            big_vec: option::none(),
            inline_capacity: option::none(),
            bucket_size: option::none()
        }
    }

    /// As `new`.
    public fun empty<T: store>(): SmartVector<T> {
        new()
    }

    /// As `new`, with this many elements in the ordinary vector and in a bucket.
    public fun empty_with_config<T: store>(inline_capacity: u64, bucket_size: u64): SmartVector<T> {
        assert!(bucket_size > 0, error::invalid_argument(EZERO_BUCKET_SIZE));
        SmartVector {
            inline_vec: vector[],
            big_vec: option::none(),
            inline_capacity: option::some(inline_capacity),
            bucket_size: option::some(bucket_size)
        }
    }

    /// A vector of one element.
    public fun singleton<T: store>(element: T): SmartVector<T> {
        let v = new();
        v.push_back(element);
        v
    }

    /// Ends a vector that must be empty.
    public fun destroy_empty<T>(self: SmartVector<T>) {
        assert!(is_empty(&self), error::invalid_argument(EVECTOR_NOT_EMPTY));
        let SmartVector { inline_vec, big_vec, inline_capacity: _, bucket_size: _ } = self;
        inline_vec.destroy_empty();
        big_vec.destroy(|v| big_vector::destroy_empty(v));
    }

    /// Ends a vector with its elements.
    public fun destroy<T: drop>(self: SmartVector<T>) {
        clear(&mut self);
        destroy_empty(self);
    }

    /// Drops all elements.
    public fun clear<T: drop>(self: &mut SmartVector<T>) {
        self.inline_vec = vector[];
        self.big_vec.take().for_each(|v| big_vector::destroy(v));
    }

    /// The element at `i`.
    public fun borrow<T>(self: &SmartVector<T>, i: u64): &T {
        assert!(i < length(self), error::invalid_argument(EINDEX_OUT_OF_BOUNDS));
        let inline_len = self.inline_vec.length();
        if (i < inline_len) &self.inline_vec[i] else self.big_vec.borrow().borrow(i - inline_len)
    }

    /// The element at `i`, mutable.
    public fun borrow_mut<T>(self: &mut SmartVector<T>, i: u64): &mut T {
        assert!(i < length(self), error::invalid_argument(EINDEX_OUT_OF_BOUNDS));
        let inline_len = self.inline_vec.length();
        if (i < inline_len) &mut self.inline_vec[i] else self.big_vec.borrow_mut().borrow_mut(i - inline_len)
    }

    /// Moves all elements of `other` to the end, in order.
    public fun append<T: store>(self: &mut SmartVector<T>, other: SmartVector<T>) {
        add_all(self, drain(&mut other));
        destroy_empty(other);
    }

    /// Adds all elements at the end, in order.
    public fun add_all<T: store>(self: &mut SmartVector<T>, vals: vector<T>) {
        vals.for_each(|val| push_back(self, val));
    }

    /// A copy as an ordinary vector, which must be small enough.
    public fun to_vector<T: store + copy>(self: &SmartVector<T>): vector<T> {
        let all = self.inline_vec;
        if (self.big_vec.is_some()) all.append(self.big_vec.borrow().to_vector());
        all
    }

    /// Adds an element at the end.
    public fun push_back<T: store>(self: &mut SmartVector<T>, val: T) {
        if (self.big_vec.is_none()) {
            let inline_len = self.inline_vec.length();
            let bytes = bcs::serialized_size(&val) + 1;
            let capacity = *self.inline_capacity.borrow_with_default(&(INLINE_BYTES / bytes));
            if (inline_len < capacity) {
                self.inline_vec.push_back(val);
                return
            };
            let bucket_size = *self.bucket_size.borrow_with_default(&std::u64::max(BUCKET_BYTES / bytes, 1));
            self.big_vec.fill(big_vector::empty(bucket_size));
        };
        self.big_vec.borrow_mut().push_back(val);
    }

    /// Takes the last element away.
    public fun pop_back<T>(self: &mut SmartVector<T>): T {
        assert!(!is_empty(self), error::invalid_state(EVECTOR_EMPTY));
        if (self.big_vec.is_none()) return self.inline_vec.pop_back();
        let big = self.big_vec.extract();
        let val = big.pop_back();
        keep(self, big);
        val
    }

    /// Takes the element at `i` away and shifts the later ones to the left.
    public fun remove<T>(self: &mut SmartVector<T>, i: u64): T {
        assert!(i < length(self), error::invalid_argument(EINDEX_OUT_OF_BOUNDS));
        let inline_len = self.inline_vec.length();
        if (self.big_vec.is_none()) return self.inline_vec.remove(i);
        let big = self.big_vec.extract();
        let val = if (i < inline_len) {
            // The first of the others moves up.
            self.inline_vec.push_back(big.remove(0));
            self.inline_vec.remove(i)
        } else {
            big.remove(i - inline_len)
        };
        keep(self, big);
        val
    }

    /// Takes the element at `i` away and puts the last one in its place.
    public fun swap_remove<T>(self: &mut SmartVector<T>, i: u64): T {
        assert!(i < length(self), error::invalid_argument(EINDEX_OUT_OF_BOUNDS));
        let inline_len = self.inline_vec.length();
        if (self.big_vec.is_none()) return self.inline_vec.swap_remove(i);
        let big = self.big_vec.extract();
        let val = if (i < inline_len) {
            self.inline_vec.replace(i, big.pop_back())
        } else {
            big.swap_remove(i - inline_len)
        };
        keep(self, big);
        val
    }

    /// Exchanges the elements at `i` and `j`.
    public fun swap<T: store>(self: &mut SmartVector<T>, i: u64, j: u64) {
        if (i > j) return swap(self, j, i);
        assert!(j < length(self), error::invalid_argument(EINDEX_OUT_OF_BOUNDS));
        let inline_len = self.inline_vec.length();
        if (j < inline_len) {
            self.inline_vec.swap(i, j);
        } else if (i >= inline_len) {
            self.big_vec.borrow_mut().swap(i - inline_len, j - inline_len);
        } else {
            let big = self.big_vec.borrow_mut();
            big.push_back(self.inline_vec.swap_remove(i));
            self.inline_vec.push_back(big.swap_remove(j - inline_len));
            self.inline_vec.swap(i, inline_len - 1);
        }
    }

    /// Reverses the order.
    public fun reverse<T: store>(self: &mut SmartVector<T>) {
        let all = drain(self);
        all.reverse();
        add_all(self, all);
    }

    /// `(true, i)` with the first index of `val`, or `(false, 0)`.
    public fun index_of<T>(self: &SmartVector<T>, val: &T): (bool, u64) {
        let (found, i) = self.inline_vec.index_of(val);
        if (found || self.big_vec.is_none()) return (found, i);
        let (found, i) = self.big_vec.borrow().index_of(val);
        (found, if (found) self.inline_vec.length() + i else 0)
    }

    /// Whether some element equals `val`.
    public fun contains<T>(self: &SmartVector<T>, val: &T): bool {
        let (found, _) = index_of(self, val);
        found
    }

    /// The number of elements.
    public fun length<T>(self: &SmartVector<T>): u64 {
        self.inline_vec.length() + if (self.big_vec.is_none()) 0 else self.big_vec.borrow().length()
    }

    /// Whether there is no element.
    public fun is_empty<T>(self: &SmartVector<T>): bool {
        length(self) == 0
    }

    /// Applies `f` to every element, first one first.
    public inline fun for_each<T: store>(self: SmartVector<T>, f: |T|) {
        into_vector(self).for_each(|e| f(e))
    }

    /// Applies `f` to every element, last one first.
    public inline fun for_each_reverse<T>(self: SmartVector<T>, f: |T|) {
        let left = length(&self);
        while (left > 0) {
            f(pop_back(&mut self));
            left = left - 1;
        };
        destroy_empty(self);
    }

    /// Applies `f` to a reference to every element.
    public inline fun for_each_ref<T>(self: &SmartVector<T>, f: |&T|) {
        let i = 0;
        let len = length(self);
        while (i < len) {
            f(borrow(self, i));
            i = i + 1;
        }
    }

    /// Applies `f` to a mutable reference to every element.
    public inline fun for_each_mut<T>(self: &mut SmartVector<T>, f: |&mut T|) {
        let i = 0;
        let len = length(self);
        while (i < len) {
            f(borrow_mut(self, i));
            i = i + 1;
        }
    }

    /// Applies `f` to every index and a reference to its element.
    public inline fun enumerate_ref<T>(self: &SmartVector<T>, f: |u64, &T|) {
        let i = 0;
        let len = length(self);
        while (i < len) {
            f(i, borrow(self, i));
            i = i + 1;
        }
    }

    /// Applies `f` to every index and a mutable reference to its element.
    public inline fun enumerate_mut<T>(self: &mut SmartVector<T>, f: |u64, &mut T|) {
        let i = 0;
        let len = length(self);
        while (i < len) {
            f(i, borrow_mut(self, i));
            i = i + 1;
        }
    }

    /// `f(.. f(f(init, first), second) .., last)`
    public inline fun fold<Accumulator, T: store>(
        self: SmartVector<T>, init: Accumulator, f: |Accumulator, T| Accumulator
    ): Accumulator {
        into_vector(self).fold(init, |total, e| f(total, e))
    }

    /// `f(first, f(second, .. f(last, init)))`
    public inline fun foldr<Accumulator, T: store>(
        self: SmartVector<T>, init: Accumulator, f: |T, Accumulator| Accumulator
    ): Accumulator {
        into_vector(self).foldr(init, |e, total| f(e, total))
    }

    /// The results of `f`, in order.
    public inline fun map<T1: store, T2: store>(self: SmartVector<T1>, f: |T1| T2): SmartVector<T2> {
        let results = new<T2>();
        for_each(self, |e| push_back(&mut results, f(e)));
        results
    }

    /// The results of `f` on references, in order.
    public inline fun map_ref<T1, T2: store>(self: &SmartVector<T1>, f: |&T1| T2): SmartVector<T2> {
        let results = new<T2>();
        for_each_ref(self, |e| push_back(&mut results, f(e)));
        results
    }

    /// The elements for which `p` holds, in order.
    public inline fun filter<T: store + drop>(self: SmartVector<T>, p: |&T| bool): SmartVector<T> {
        let kept = new<T>();
        for_each(self, |e| {
            if (p(&e)) push_back(&mut kept, e);
        });
        kept
    }

    /// Applies `f` to the pairs of elements at one index; the lengths must be equal.
    public inline fun zip<T1: store, T2: store>(self: SmartVector<T1>, v2: SmartVector<T2>, f: |T1, T2|) {
        assert!(length(&self) == length(&v2), ESMART_VECTORS_LENGTH_MISMATCH);
        into_vector(self).zip(into_vector(v2), |a, b| f(a, b))
    }

    /// As `zip`, with references.
    public inline fun zip_ref<T1, T2>(self: &SmartVector<T1>, v2: &SmartVector<T2>, f: |&T1, &T2|) {
        let i = 0;
        let len = length(self);
        assert!(len == length(v2), ESMART_VECTORS_LENGTH_MISMATCH);
        while (i < len) {
            f(borrow(self, i), borrow(v2, i));
            i = i + 1;
        }
    }

    /// All elements as an ordinary vector, which must be small enough.
    public fun into_vector<T>(self: SmartVector<T>): vector<T> {
        let all = drain(&mut self);
        destroy_empty(self);
        all
    }

    /// Takes all elements out, in order.
    fun drain<T>(self: &mut SmartVector<T>): vector<T> {
        let others = vector[];
        if (self.big_vec.is_some()) {
            let big = self.big_vec.extract();
            while (!big.is_empty()) {
                others.push_back(big.pop_back());
            };
            big.destroy_empty();
        };
        let all = self.inline_vec.trim(0);
        all.reverse_append(others);
        all
    }

    /// Puts the others back, unless there are none left.
    fun keep<T>(self: &mut SmartVector<T>, big: BigVector<T>) {
        if (big.is_empty()) big.destroy_empty() else self.big_vec.fill(big);
    }
}
