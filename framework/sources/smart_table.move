/// A map in buckets that live in state of their own, as many as its items need: access to an item reads one bucket.
/// Buckets are split one by one as the table grows (Litwin: Linear hashing), so no insertion moves more than one.
///
/// A bucket's items are found by a hash that anyone can compute: who chooses keys freely can fill one bucket, and every
/// access to it then costs more. Keys that users choose belong into `aptos_std::table`.
module aptos_std::smart_table {
    use std::error;
    use std::option::{Self, Option};
    use aptos_std::aptos_hash;
    use aptos_std::simple_map::{Self, SimpleMap};
    use aptos_std::table_with_length::{Self, TableWithLength};

    /// The key has no value.
    const ENOT_FOUND: u64 = 1;
    /// The table has items.
    const ENOT_EMPTY: u64 = 3;
    /// The key has a value already.
    const EALREADY_EXIST: u64 = 4;
    /// The load threshold is a percentage, 1 to 100.
    const EINVALID_LOAD_THRESHOLD_PERCENT: u64 = 5;
    /// A bucket is meant for at least one item.
    const EINVALID_TARGET_BUCKET_SIZE: u64 = 6;

    /// Bytes of a bucket, about, when the caller did not say how many items.
    const BUCKET_BYTES: u64 = 2048;

    struct SmartTable<K, V> has store {
        buckets: TableWithLength<u64, vector<Entry<K, V>>>,
        num_buckets: u64,
        /// 2^level buckets or more, but less than twice as many.
        level: u8,
        size: u64,
        /// How full the buckets are on average, in percent, before one is split.
        split_load_threshold: u8,
        /// Items of a bucket; 0 until the first one shows its size.
        target_bucket_size: u64
    }

    struct Entry<K, V> has copy, drop, store {
        hash: u64,
        key: K,
        value: V
    }

    /// An empty table.
    public fun new<K: copy + drop + store, V: store>(): SmartTable<K, V> {
        new_with_config(0, 0, 0)
    }

    /// An empty table of at least `num_initial_buckets` buckets, split when they are `split_load_threshold` percent full
    /// of `target_bucket_size` items each. 0 lets the table decide.
    public fun new_with_config<K: copy + drop + store, V: store>(
        num_initial_buckets: u64, split_load_threshold: u8, target_bucket_size: u64
    ): SmartTable<K, V> {
        assert!(
            split_load_threshold <= 100, error::invalid_argument(EINVALID_LOAD_THRESHOLD_PERCENT)
        );
        let buckets = table_with_length::new();
        buckets.add(0, vector[]);
        let map = SmartTable {
            buckets,
            num_buckets: 1,
            level: 0,
            size: 0,
            split_load_threshold: if (split_load_threshold == 0) 75 else split_load_threshold,
            target_bucket_size
        };
        while (map.num_buckets < num_initial_buckets) split_one_bucket(&mut map);
        map
    }

    /// Ends a table without items.
    public fun destroy_empty<K, V>(self: SmartTable<K, V>) {
        assert!(self.size == 0, error::invalid_argument(ENOT_EMPTY));
        let SmartTable { buckets, num_buckets, level: _, size: _, split_load_threshold: _, target_bucket_size: _ } =
            self;
        let i = 0;
        while (i < num_buckets) {
            buckets.remove(i).destroy_empty();
            i = i + 1;
        };
        buckets.destroy_empty();
    }

    /// Ends a table with its items.
    public fun destroy<K: drop, V: drop>(self: SmartTable<K, V>) {
        clear(&mut self);
        destroy_empty(self);
    }

    /// Drops all items.
    public fun clear<K: drop, V: drop>(self: &mut SmartTable<K, V>) {
        *self.buckets.borrow_mut(0) = vector[];
        while (self.num_buckets > 1) {
            self.num_buckets = self.num_buckets - 1;
            self.buckets.remove(self.num_buckets);
        };
        self.level = 0;
        self.size = 0;
    }

    /// Sets the value of a key that has none.
    public fun add<K, V>(self: &mut SmartTable<K, V>, key: K, value: V) {
        let hash = aptos_hash::sip_hash_from_value(&key);
        let bucket = bucket_of(self, hash);
        assert!(find(self, bucket, hash, &key).is_none(), error::invalid_argument(EALREADY_EXIST));
        if (self.target_bucket_size == 0) {
            let bytes = std::bcs::serialized_size(&key) + std::bcs::serialized_size(&value) + 8;
            self.target_bucket_size = std::u64::max(BUCKET_BYTES / bytes, 1);
        };
        self.buckets.borrow_mut(bucket).push_back(Entry { hash, key, value });
        self.size = self.size + 1;
        if (load_factor(self) >= (self.split_load_threshold as u64)) split_one_bucket(self);
    }

    /// Sets the values of keys that have none.
    public fun add_all<K, V>(self: &mut SmartTable<K, V>, keys: vector<K>, values: vector<V>) {
        keys.zip(values, |key, value| add(self, key, value));
    }

    /// A copy as a map, which must be small enough.
    public fun to_simple_map<K: store + copy + drop, V: store + copy>(self: &SmartTable<K, V>): SimpleMap<K, V> {
        let map = simple_map::new();
        for_each_ref(self, |key, value| map.add(*key, *value));
        map
    }

    /// All keys, which must be few enough; in no order that means something.
    public fun keys<K: store + copy + drop, V: store + copy>(self: &SmartTable<K, V>): vector<K> {
        let keys = vector[];
        for_each_ref(self, |key, _value| keys.push_back(*key));
        keys
    }

    /// At most `num_keys_to_get` keys from a place on, and the place of the next one, if there are more. The first place
    /// is `(0, 0)`.
    public fun keys_paginated<K: store + copy + drop, V: store + copy>(
        self: &SmartTable<K, V>, starting_bucket_index: u64, starting_vector_index: u64, num_keys_to_get: u64
    ): (vector<K>, Option<u64>, Option<u64>) {
        let keys = vector[];
        let (bucket, i) = (starting_bucket_index, starting_vector_index);
        while (bucket < self.num_buckets) {
            let entries = self.buckets.borrow(bucket);
            while (i < entries.length()) {
                if (keys.length() == num_keys_to_get) return (keys, option::some(bucket), option::some(i));
                keys.push_back(entries[i].key);
                i = i + 1;
            };
            bucket = bucket + 1;
            i = 0;
        };
        (keys, option::none(), option::none())
    }

    /// The value of a key that has one.
    public fun borrow<K: drop, V>(self: &SmartTable<K, V>, key: K): &V {
        let (bucket, at) = locate(self, &key);
        &self.buckets.borrow(bucket)[at].value
    }

    /// The value of a key, or `default`.
    public fun borrow_with_default<K: copy + drop, V>(self: &SmartTable<K, V>, key: K, default: &V): &V {
        if (contains(self, key)) borrow(self, key) else default
    }

    /// The value of a key that has one, mutable.
    public fun borrow_mut<K: drop, V>(self: &mut SmartTable<K, V>, key: K): &mut V {
        let (bucket, at) = locate(self, &key);
        &mut self.buckets.borrow_mut(bucket)[at].value
    }

    /// The value of a key, mutable, set to `default` first when there is none.
    public fun borrow_mut_with_default<K: copy + drop, V: drop>(
        self: &mut SmartTable<K, V>, key: K, default: V
    ): &mut V {
        if (!contains(self, key)) add(self, key, default);
        borrow_mut(self, key)
    }

    /// Whether the key has a value.
    public fun contains<K: drop, V>(self: &SmartTable<K, V>, key: K): bool {
        let hash = aptos_hash::sip_hash_from_value(&key);
        find(self, bucket_of(self, hash), hash, &key).is_some()
    }

    /// Sets the value of a key, whether it has one or not.
    public fun upsert<K: copy + drop, V: drop>(self: &mut SmartTable<K, V>, key: K, value: V) {
        if (contains(self, key)) *borrow_mut(self, key) = value else add(self, key, value);
    }

    /// Takes the value of a key that has one.
    public fun remove<K: copy + drop, V>(self: &mut SmartTable<K, V>, key: K): V {
        let (bucket, at) = locate(self, &key);
        let Entry { hash: _, key: _, value } = self.buckets.borrow_mut(bucket).swap_remove(at);
        self.size = self.size - 1;
        value
    }

    /// The number of items.
    public fun length<K, V>(self: &SmartTable<K, V>): u64 {
        self.size
    }

    /// Items as a percentage of what the buckets are meant for.
    public fun load_factor<K, V>(self: &SmartTable<K, V>): u64 {
        if (self.size == 0) 0 else self.size * 100 / self.num_buckets / self.target_bucket_size
    }

    /// Sets how full buckets get before one is split, in percent.
    public fun update_split_load_threshold<K, V>(self: &mut SmartTable<K, V>, split_load_threshold: u8) {
        assert!(
            split_load_threshold <= 100 && split_load_threshold > 0,
            error::invalid_argument(EINVALID_LOAD_THRESHOLD_PERCENT)
        );
        self.split_load_threshold = split_load_threshold;
    }

    /// Sets how many items a bucket is meant for.
    public fun update_target_bucket_size<K, V>(self: &mut SmartTable<K, V>, target_bucket_size: u64) {
        assert!(target_bucket_size > 0, error::invalid_argument(EINVALID_TARGET_BUCKET_SIZE));
        self.target_bucket_size = target_bucket_size;
    }

    /// The number of buckets.
    public fun num_buckets<K, V>(self: &SmartTable<K, V>): u64 {
        self.num_buckets
    }

    /// The number of items in a bucket.
    public fun bucket_length<K, V>(self: &SmartTable<K, V>, bucket: u64): u64 {
        self.buckets.borrow(bucket).length()
    }

    /// An item by its place.
    public fun entry_at<K, V>(self: &SmartTable<K, V>, bucket: u64, i: u64): (&K, &V) {
        let entry = &self.buckets.borrow(bucket)[i];
        (&entry.key, &entry.value)
    }

    /// An item by its place, its value mutable.
    public fun entry_at_mut<K, V>(self: &mut SmartTable<K, V>, bucket: u64, i: u64): (&K, &mut V) {
        let entry = &mut self.buckets.borrow_mut(bucket)[i];
        (&entry.key, &mut entry.value)
    }

    /// Applies `f` to references to every item, in no order that means something.
    public inline fun for_each_ref<K, V>(self: &SmartTable<K, V>, f: |&K, &V|) {
        let bucket = 0;
        let buckets = num_buckets(self);
        while (bucket < buckets) {
            let i = 0;
            let len = bucket_length(self, bucket);
            while (i < len) {
                let (key, value) = entry_at(self, bucket, i);
                f(key, value);
                i = i + 1;
            };
            bucket = bucket + 1;
        }
    }

    /// Applies `f` to every key and a mutable reference to its value, in no order that means something.
    public inline fun for_each_mut<K, V>(self: &mut SmartTable<K, V>, f: |&K, &mut V|) {
        let bucket = 0;
        let buckets = num_buckets(self);
        while (bucket < buckets) {
            let i = 0;
            let len = bucket_length(self, bucket);
            while (i < len) {
                let (key, value) = entry_at_mut(self, bucket, i);
                f(key, value);
                i = i + 1;
            };
            bucket = bucket + 1;
        }
    }

    /// Whether `p` holds for some item.
    public inline fun any<K, V>(self: &SmartTable<K, V>, p: |&K, &V| bool): bool {
        let found = false;
        for_each_ref(self, |key, value| {
            if (!found) found = p(key, value);
        });
        found
    }

    /// The bucket of a hash: its lowest bits, one more of them for the buckets that were split at this level.
    fun bucket_of<K, V>(self: &SmartTable<K, V>, hash: u64): u64 {
        let bucket = hash % (1u64 << (self.level + 1));
        if (bucket < self.num_buckets) bucket else hash % (1u64 << self.level)
    }

    fun find<K, V>(self: &SmartTable<K, V>, bucket: u64, hash: u64, key: &K): Option<u64> {
        let (found, at) = self.buckets.borrow(bucket).find(|entry| entry.hash == hash && &entry.key == key);
        if (found) option::some(at) else option::none()
    }

    fun locate<K, V>(self: &SmartTable<K, V>, key: &K): (u64, u64) {
        let hash = aptos_hash::sip_hash_from_value(key);
        let bucket = bucket_of(self, hash);
        let at = find(self, bucket, hash, key);
        assert!(at.is_some(), error::invalid_argument(ENOT_FOUND));
        (bucket, at.destroy_some())
    }

    /// Splits the next bucket of this level: the items whose next bit is set move to a new last bucket.
    fun split_one_bucket<K, V>(self: &mut SmartTable<K, V>) {
        let new_bucket = self.num_buckets;
        let span = 1u64 << self.level;
        let old_bucket = new_bucket - span;
        self.num_buckets = new_bucket + 1;
        if (self.num_buckets == 2 * span) self.level = self.level + 1;
        let entries = self.buckets.borrow_mut(old_bucket);
        let kept = entries.partition(|entry| entry.hash % (2 * span) == old_bucket);
        let moved = entries.trim(kept);
        self.buckets.add(new_bucket, moved);
    }
}
