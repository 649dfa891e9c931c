/// A vector cut into buckets that live in state of their own: access to an element reads one bucket.
module aptos_std::big_vector {
    use std::error;
    use aptos_std::table_with_length::{Self, TableWithLength};

    /// The index is not below the length.
    const EINDEX_OUT_OF_BOUNDS: u64 = 1;
    /// The vector has elements.
    const EVECTOR_NOT_EMPTY: u64 = 2;
    /// The vector has no element.
    const EVECTOR_EMPTY: u64 = 3;
    /// A bucket holds at least one element.
    const EZERO_BUCKET_SIZE: u64 = 4;

    struct BigVector<T> has store {
        /// All full but the last; none empty.
        buckets: TableWithLength<u64, vector<T>>,
        end_index: u64,
        bucket_size: u64
    }

    /// An empty vector with buckets of so many elements.
    public fun empty<T: store>(bucket_size: u64): BigVector<T> {
        assert!(bucket_size > 0, error::invalid_argument(EZERO_BUCKET_SIZE));
        BigVector { buckets: table_with_length::new(), end_index: 0, bucket_size }
    }

    /// A vector of one element.
    public fun singleton<T: store>(element: T, bucket_size: u64): BigVector<T> {
        let v = empty(bucket_size);
        v.push_back(element);
        v
    }

    /// Ends a vector that must be empty.
    public fun destroy_empty<T>(self: BigVector<T>) {
        assert!(is_empty(&self), error::invalid_argument(EVECTOR_NOT_EMPTY));
        let BigVector { buckets, end_index: _, bucket_size: _ } = self;
        buckets.destroy_empty();
    }

    /// Ends a vector with its elements.
    public fun destroy<T: drop>(self: BigVector<T>) {
        let BigVector { buckets, end_index, bucket_size: _ } = self;
        let i = 0;
        while (end_index > 0) {
            end_index = end_index - buckets.remove(i).length();
            i = i + 1;
        };
        buckets.destroy_empty();
    }

    /// The element at `i`.
    public fun borrow<T>(self: &BigVector<T>, i: u64): &T {
        assert!(i < length(self), error::invalid_argument(EINDEX_OUT_OF_BOUNDS));
        &self.buckets.borrow(i / self.bucket_size)[i % self.bucket_size]
    }

    /// The element at `i`, mutable.
    public fun borrow_mut<T>(self: &mut BigVector<T>, i: u64): &mut T {
        assert!(i < length(self), error::invalid_argument(EINDEX_OUT_OF_BOUNDS));
        let size = self.bucket_size;
        &mut self.buckets.borrow_mut(i / size)[i % size]
    }

    /// Moves all elements of `other` to the end, in order.
    public fun append<T: store>(self: &mut BigVector<T>, other: BigVector<T>) {
        let elements = drain(&mut other);
        destroy_empty(other);
        elements.for_each(|element| push_back(self, element));
    }

    /// Adds an element at the end.
    public fun push_back<T: store>(self: &mut BigVector<T>, val: T) {
        let bucket = self.end_index / self.bucket_size;
        if (self.end_index % self.bucket_size == 0) {
            self.buckets.add(bucket, vector[val]);
        } else {
            self.buckets.borrow_mut(bucket).push_back(val);
        };
        self.end_index = self.end_index + 1;
    }

    /// Takes the last element away.
    public fun pop_back<T>(self: &mut BigVector<T>): T {
        assert!(!is_empty(self), error::invalid_state(EVECTOR_EMPTY));
        let last = self.end_index - 1;
        let bucket = last / self.bucket_size;
        self.end_index = last;
        if (last % self.bucket_size == 0) {
            let elements = self.buckets.remove(bucket);
            let val = elements.pop_back();
            elements.destroy_empty();
            val
        } else {
            self.buckets.borrow_mut(bucket).pop_back()
        }
    }

    /// Takes the element at `i` away and shifts the later ones to the left: touches all later buckets.
    public fun remove<T>(self: &mut BigVector<T>, i: u64): T {
        let len = length(self);
        assert!(i < len, error::invalid_argument(EINDEX_OUT_OF_BOUNDS));
        // From the back, every bucket's first element moves to the end of the one before.
        let carried = vector[pop_back(self)];
        let size = self.bucket_size;
        let bucket = if (len == 1) 0 else (len - 2) / size;
        while (bucket > i / size) {
            let elements = self.buckets.borrow_mut(bucket);
            elements.push_back(carried.pop_back());
            carried.push_back(elements.remove(0));
            bucket = bucket - 1;
        };
        if (i + 1 < len) {
            let elements = self.buckets.borrow_mut(i / size);
            elements.push_back(carried.pop_back());
            carried.push_back(elements.remove(i % size));
        };
        let val = carried.pop_back();
        carried.destroy_empty();
        val
    }

    /// Takes the element at `i` away and puts the last one in its place.
    public fun swap_remove<T>(self: &mut BigVector<T>, i: u64): T {
        assert!(i < length(self), error::invalid_argument(EINDEX_OUT_OF_BOUNDS));
        let last = pop_back(self);
        if (i == self.end_index) return last;
        let size = self.bucket_size;
        self.buckets.borrow_mut(i / size).replace(i % size, last)
    }

    /// Exchanges the elements at `i` and `j`.
    public fun swap<T>(self: &mut BigVector<T>, i: u64, j: u64) {
        assert!(i < length(self) && j < length(self), error::invalid_argument(EINDEX_OUT_OF_BOUNDS));
        let size = self.bucket_size;
        if (i / size == j / size) {
            self.buckets.borrow_mut(i / size).swap(i % size, j % size);
        } else {
            // Two buckets cannot be borrowed at once: one comes out of the table meanwhile.
            let first = self.buckets.remove(i / size);
            let second = self.buckets.borrow_mut(j / size);
            let from = first.swap_remove(i % size);
            let to = second.replace(j % size, from);
            first.push_back(to);
            let last = first.length() - 1;
            first.swap(i % size, last);
            self.buckets.add(i / size, first);
        }
    }

    /// Reverses the order in place.
    public fun reverse<T: store>(self: &mut BigVector<T>) {
        let elements = drain(self);
        elements.for_each_reverse(|element| push_back(self, element));
    }

    /// `(true, i)` with the first index of `val`, or `(false, 0)`.
    public fun index_of<T>(self: &BigVector<T>, val: &T): (bool, u64) {
        let buckets = self.buckets.length();
        let bucket = 0;
        while (bucket < buckets) {
            let (found, i) = self.buckets.borrow(bucket).index_of(val);
            if (found) return (true, bucket * self.bucket_size + i);
            bucket = bucket + 1;
        };
        (false, 0)
    }

    /// Whether some element equals `val`.
    public fun contains<T>(self: &BigVector<T>, val: &T): bool {
        let (found, _) = index_of(self, val);
        found
    }

    /// A copy as an ordinary vector, which must be small enough.
    public fun to_vector<T: copy>(self: &BigVector<T>): vector<T> {
        let all = vector[];
        let buckets = self.buckets.length();
        let bucket = 0;
        while (bucket < buckets) {
            all.append(*self.buckets.borrow(bucket));
            bucket = bucket + 1;
        };
        all
    }

    /// The number of elements.
    public fun length<T>(self: &BigVector<T>): u64 {
        self.end_index
    }

    /// Whether there is no element.
    public fun is_empty<T>(self: &BigVector<T>): bool {
        self.end_index == 0
    }

    /// Takes all elements out, in order.
    fun drain<T>(self: &mut BigVector<T>): vector<T> {
        let all = vector[];
        let buckets = self.buckets.length();
        let bucket = 0;
        while (bucket < buckets) {
            all.append(self.buckets.remove(bucket));
            bucket = bucket + 1;
        };
        self.end_index = 0;
        all
    }
}
