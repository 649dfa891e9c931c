/// A map ordered by its keys (`std::cmp`), in one vector: lookups read logarithmically many entries, insertions and
/// removals move those behind. Equal maps have equal bytes, however they came about.
module aptos_std::ordered_map {
    use std::cmp;
    use std::error;
    use std::option::{Self, Option};

    /// The key has a value already.
    const EKEY_ALREADY_EXISTS: u64 = 1;
    /// The key has no value, or the map no entry.
    const EKEY_NOT_FOUND: u64 = 2;
    /// There is no entry there.
    const EITER_OUT_OF_BOUNDS: u64 = 3;
    /// The new key does not stand between the old one's neighbours.
    const ENEW_KEY_NOT_IN_ORDER: u64 = 4;

    const END: u64 = 0xFFFF_FFFF_FFFF_FFFF;

    struct OrderedMap<K, V> has copy, drop, store {
        /// By key, every key once.
        entries: vector<Entry<K, V>>
    }

    struct Entry<K, V> has copy, drop, store {
        key: K,
        value: V
    }

    /// A place in a map, as long as the map's keys do not change.
    struct IteratorPtr has copy, drop {
        /// How many entries are before it; `END` behind the last one.
        index: u64
    }

    /// An empty map.
    public fun new<K, V>(): OrderedMap<K, V> {
        OrderedMap { entries: vector[] }
    }

    /// The map of these keys, all different, and the values at their positions.
    public fun new_from<K, V>(keys: vector<K>, values: vector<V>): OrderedMap<K, V> {
        let map = new();
        add_all(&mut map, keys, values);
        map
    }

    /// Whether there is no entry.
    public fun is_empty<K, V>(self: &OrderedMap<K, V>): bool {
        self.entries.is_empty()
    }

    /// The number of entries.
    public fun length<K, V>(self: &OrderedMap<K, V>): u64 {
        self.entries.length()
    }

    /// Sets the value of a key that has none.
    public fun add<K, V>(self: &mut OrderedMap<K, V>, key: K, value: V) {
        let (found, at) = search(self, &key);
        assert!(!found, error::invalid_argument(EKEY_ALREADY_EXISTS));
        self.entries.insert(at, Entry { key, value });
    }

    /// Sets the value of a key and returns the value that was there before.
    public fun upsert<K: drop, V>(self: &mut OrderedMap<K, V>, key: K, value: V): Option<V> {
        let (found, at) = search(self, &key);
        if (found) {
            let Entry { key: _, value } = self.entries.replace(at, Entry { key, value });
            option::some(value)
        } else {
            self.entries.insert(at, Entry { key, value });
            option::none()
        }
    }

    /// Takes the value of a key that has one.
    public fun remove<K: drop, V>(self: &mut OrderedMap<K, V>, key: &K): V {
        let at = position(self, key);
        let Entry { key: _, value } = self.entries.remove(at);
        value
    }

    /// Takes the value of a key, if it has one.
    public fun remove_or_none<K: drop, V>(self: &mut OrderedMap<K, V>, key: &K): Option<V> {
        if (contains(self, key)) option::some(remove(self, key)) else option::none()
    }

    /// Whether the key has a value.
    public fun contains<K, V>(self: &OrderedMap<K, V>, key: &K): bool {
        let (found, _) = search(self, key);
        found
    }

    /// The value of a key that has one.
    public fun borrow<K, V>(self: &OrderedMap<K, V>, key: &K): &V {
        &self.entries[position(self, key)].value
    }

    /// The value of a key that has one, mutable.
    public fun borrow_mut<K, V>(self: &mut OrderedMap<K, V>, key: &K): &mut V {
        let at = position(self, key);
        &mut self.entries[at].value
    }

    /// A copy of the value of a key, if it has one.
    public fun get<K, V: copy>(self: &OrderedMap<K, V>, key: &K): Option<V> {
        let (found, at) = search(self, key);
        if (found) option::some(self.entries[at].value) else option::none()
    }

    /// The result of `f` on the value of a key, if it has one.
    public inline fun get_and_map<K, V, R>(self: &OrderedMap<K, V>, key: &K, f: |&V| R): Option<R> {
        if (contains(self, key)) option::some(f(borrow(self, key))) else option::none()
    }

    /// The result of `f` on the value of a key that has one.
    public inline fun modify_and_return<K, V, R>(self: &mut OrderedMap<K, V>, key: &K, f: |&mut V| R): R {
        f(borrow_mut(self, key))
    }

    /// Applies `f` to the value of a key that has one.
    public inline fun modify<K, V>(self: &mut OrderedMap<K, V>, key: &K, f: |&mut V|) {
        f(borrow_mut(self, key))
    }

    /// Puts `new_key` in the place of a key that has a value; no other key may lie between them.
    public fun replace_key_inplace<K: drop, V>(self: &mut OrderedMap<K, V>, old_key: &K, new_key: K) {
        let at = position(self, old_key);
        assert!(
            (at == 0 || cmp::compare(&self.entries[at - 1].key, &new_key).is_lt())
                && (at + 1 == length(self) || cmp::compare(&new_key, &self.entries[at + 1].key).is_lt()),
            error::invalid_argument(ENEW_KEY_NOT_IN_ORDER)
        );
        self.entries[at].key = new_key;
    }

    /// Sets the values of keys that have none.
    public fun add_all<K, V>(self: &mut OrderedMap<K, V>, keys: vector<K>, values: vector<V>) {
        keys.zip(values, |key, value| add(self, key, value));
    }

    /// Sets the values of keys; a later one wins.
    public fun upsert_all<K: drop, V: drop>(self: &mut OrderedMap<K, V>, keys: vector<K>, values: vector<V>) {
        keys.zip(values, |key, value| {
            upsert(self, key, value);
        });
    }

    /// Moves all entries of `other` in; its values win.
    public fun append<K: drop, V: drop>(self: &mut OrderedMap<K, V>, other: OrderedMap<K, V>) {
        append_impl(self, other);
    }

    /// Moves all entries of `other` in; none of its keys may have a value.
    public fun append_disjoint<K, V>(self: &mut OrderedMap<K, V>, other: OrderedMap<K, V>) {
        let replaced = append_impl(self, other);
        assert!(replaced.is_empty(), error::invalid_argument(EKEY_ALREADY_EXISTS));
        replaced.destroy_empty();
    }

    /// Merges in linear time and returns the entries of `self` whose keys `other` has too.
    fun append_impl<K, V>(self: &mut OrderedMap<K, V>, other: OrderedMap<K, V>): vector<Entry<K, V>> {
        let OrderedMap { entries: others } = other;
        let mine = self.entries.trim_reverse(0);
        others.reverse();
        let replaced = vector[];
        // Both are now last key first, and merged from their ends: least key first.
        while (!mine.is_empty() && !others.is_empty()) {
            let order = cmp::compare(&mine[mine.length() - 1].key, &others[others.length() - 1].key);
            if (order.is_lt()) {
                self.entries.push_back(mine.pop_back());
            } else {
                if (order.is_eq()) replaced.push_back(mine.pop_back());
                self.entries.push_back(others.pop_back());
            }
        };
        self.entries.reverse_append(mine);
        self.entries.reverse_append(others);
        replaced
    }

    /// Keeps the first `at` entries and returns the map of the others.
    public fun trim<K, V>(self: &mut OrderedMap<K, V>, at: u64): OrderedMap<K, V> {
        OrderedMap { entries: self.entries.trim(at) }
    }

    /// The entry with the least key.
    public fun borrow_front<K, V>(self: &OrderedMap<K, V>): (&K, &V) {
        entry_at(self, 0)
    }

    /// The entry with the greatest key.
    public fun borrow_back<K, V>(self: &OrderedMap<K, V>): (&K, &V) {
        assert!(!is_empty(self), error::invalid_argument(EITER_OUT_OF_BOUNDS));
        entry_at(self, length(self) - 1)
    }

    /// Takes the entry with the least key.
    public fun pop_front<K, V>(self: &mut OrderedMap<K, V>): (K, V) {
        assert!(!is_empty(self), error::invalid_argument(EITER_OUT_OF_BOUNDS));
        let Entry { key, value } = self.entries.remove(0);
        (key, value)
    }

    /// Takes the entry with the greatest key.
    public fun pop_back<K, V>(self: &mut OrderedMap<K, V>): (K, V) {
        assert!(!is_empty(self), error::invalid_argument(EITER_OUT_OF_BOUNDS));
        let Entry { key, value } = self.entries.pop_back();
        (key, value)
    }

    /// The greatest key below `key`, which need not have a value.
    public fun prev_key<K: copy, V>(self: &OrderedMap<K, V>, key: &K): Option<K> {
        let (_, at) = search(self, key);
        if (at == 0) option::none() else option::some(self.entries[at - 1].key)
    }

    /// The least key above `key`, which need not have a value.
    public fun next_key<K: copy, V>(self: &OrderedMap<K, V>, key: &K): Option<K> {
        let (found, at) = search(self, key);
        if (found) at = at + 1;
        if (at == length(self)) option::none() else option::some(self.entries[at].key)
    }

    /// All keys, in order.
    public fun keys<K: copy, V>(self: &OrderedMap<K, V>): vector<K> {
        self.entries.map_ref(|entry| entry.key)
    }

    /// All values, in the order of their keys.
    public fun values<K, V: copy>(self: &OrderedMap<K, V>): vector<V> {
        self.entries.map_ref(|entry| entry.value)
    }

    /// All keys in order, and the values at their positions.
    public fun to_vec_pair<K, V>(self: OrderedMap<K, V>): (vector<K>, vector<V>) {
        let (keys, values) = (vector[], vector[]);
        let OrderedMap { entries } = self;
        entries.for_each(|entry| {
            let Entry { key, value } = entry;
            keys.push_back(key);
            values.push_back(value);
        });
        (keys, values)
    }

    /// Ends a map that must be empty.
    public fun destroy_empty<K, V>(self: OrderedMap<K, V>) {
        let OrderedMap { entries } = self;
        entries.destroy_empty();
    }

    /// Ends a map by ending its keys with `dk` and its values with `dv`.
    public inline fun destroy<K, V>(self: OrderedMap<K, V>, dk: |K|, dv: |V|) {
        let (keys, values) = to_vec_pair(self);
        keys.for_each(|key| dk(key));
        values.for_each(|value| dv(value));
    }

    /// Applies `f` to every entry, in order.
    public inline fun for_each<K, V>(self: OrderedMap<K, V>, f: |K, V|) {
        let (keys, values) = to_vec_pair(self);
        keys.zip(values, |key, value| f(key, value));
    }

    /// Applies `f` to references to every entry, in order.
    public inline fun for_each_ref<K, V>(self: &OrderedMap<K, V>, f: |&K, &V|) {
        let i = 0;
        let len = length(self);
        while (i < len) {
            let (key, value) = entry_at(self, i);
            f(key, value);
            i = i + 1;
        }
    }

    /// Applies `f` to every key and a mutable reference to its value, in order.
    public inline fun for_each_mut<K: copy + drop, V>(self: &mut OrderedMap<K, V>, f: |K, &mut V|) {
        let i = 0;
        let len = length(self);
        while (i < len) {
            let (key, _) = entry_at(self, i);
            let key = *key;
            f(key, value_at_mut(self, i));
            i = i + 1;
        }
    }

    /// The entry with `index` entries before it.
    public fun entry_at<K, V>(self: &OrderedMap<K, V>, index: u64): (&K, &V) {
        assert!(index < length(self), error::invalid_argument(EITER_OUT_OF_BOUNDS));
        let entry = &self.entries[index];
        (&entry.key, &entry.value)
    }

    /// The value, mutable, with `index` entries before it.
    public fun value_at_mut<K, V>(self: &mut OrderedMap<K, V>, index: u64): &mut V {
        assert!(index < length(self), error::invalid_argument(EITER_OUT_OF_BOUNDS));
        &mut self.entries[index].value
    }

    // ----------------------------------------------------------------------------------------------------------------
    // Places

    /// The place of the least key, or the end.
    public fun new_begin_iter<K, V>(self: &OrderedMap<K, V>): IteratorPtr {
        place(self, 0)
    }

    /// The place behind the last entry.
    public fun new_end_iter<K, V>(_self: &OrderedMap<K, V>): IteratorPtr {
        IteratorPtr { index: END }
    }

    /// The place of the least key that is not below `key`, or the end.
    public fun lower_bound<K, V>(self: &OrderedMap<K, V>, key: &K): IteratorPtr {
        let (_, at) = search(self, key);
        place(self, at)
    }

    /// The place of `key`, or the end if it has no value.
    public fun find<K, V>(self: &OrderedMap<K, V>, key: &K): IteratorPtr {
        let (found, at) = search(self, key);
        if (found) place(self, at) else new_end_iter(self)
    }

    /// Whether the place is that of the least key, or the map is empty.
    public fun iter_is_begin<K, V>(self: &IteratorPtr, map: &OrderedMap<K, V>): bool {
        index_of(self, map) == 0
    }

    /// Whether the place is behind the last entry.
    public fun iter_is_end<K, V>(self: &IteratorPtr, _map: &OrderedMap<K, V>): bool {
        self.index == END
    }

    /// The next place; the end has none.
    public fun iter_next<K, V>(self: IteratorPtr, map: &OrderedMap<K, V>): IteratorPtr {
        place(map, entry_index(&self, map) + 1)
    }

    /// The place before; the least key's has none.
    public fun iter_prev<K, V>(self: IteratorPtr, map: &OrderedMap<K, V>): IteratorPtr {
        let at = index_of(&self, map);
        assert!(at > 0, error::invalid_argument(EITER_OUT_OF_BOUNDS));
        place(map, at - 1)
    }

    /// The key there.
    public fun iter_borrow_key<K, V>(self: &IteratorPtr, map: &OrderedMap<K, V>): &K {
        &map.entries[entry_index(self, map)].key
    }

    /// The value there.
    public fun iter_borrow<K, V>(self: IteratorPtr, map: &OrderedMap<K, V>): &V {
        &map.entries[entry_index(&self, map)].value
    }

    /// The value there, mutable.
    public fun iter_borrow_mut<K, V>(self: IteratorPtr, map: &mut OrderedMap<K, V>): &mut V {
        let at = entry_index(&self, map);
        &mut map.entries[at].value
    }

    /// Takes the value there away.
    public fun iter_remove<K: drop, V>(self: IteratorPtr, map: &mut OrderedMap<K, V>): V {
        let at = entry_index(&self, map);
        let Entry { key: _, value } = map.entries.remove(at);
        value
    }

    fun place<K, V>(self: &OrderedMap<K, V>, index: u64): IteratorPtr {
        IteratorPtr { index: if (index < length(self)) index else END }
    }

    fun index_of<K, V>(self: &IteratorPtr, map: &OrderedMap<K, V>): u64 {
        if (self.index == END) length(map) else self.index
    }

    fun entry_index<K, V>(self: &IteratorPtr, map: &OrderedMap<K, V>): u64 {
        let at = index_of(self, map);
        assert!(at < length(map), error::invalid_argument(EITER_OUT_OF_BOUNDS));
        at
    }

    fun position<K, V>(self: &OrderedMap<K, V>, key: &K): u64 {
        let (found, at) = search(self, key);
        assert!(found, error::invalid_argument(EKEY_NOT_FOUND));
        at
    }

    /// Whether the key has a value, and how many keys are below it.
    fun search<K, V>(self: &OrderedMap<K, V>, key: &K): (bool, u64) {
        let low = 0;
        let high = self.entries.length();
        while (low < high) {
            let middle = low + (high - low) / 2;
            let order = cmp::compare(&self.entries[middle].key, key);
            if (order.is_lt()) {
                low = middle + 1;
            } else if (order.is_eq()) {
                return (true, middle)
            } else {
                high = middle;
            }
        };
        (false, low)
    }
}
