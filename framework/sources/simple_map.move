/// A small map that keeps its entries in the order of their insertion: lookups read them all. For maps that grow use
/// `aptos_std::ordered_map`, or a table.
module aptos_std::simple_map {
    use std::error;
    use std::option::{Self, Option};

    /// The key has a value already.
    const EKEY_ALREADY_EXISTS: u64 = 1;
    /// The key has no value.
    const EKEY_NOT_FOUND: u64 = 2;

    struct SimpleMap<Key, Value> has copy, drop, store {
        data: vector<Element<Key, Value>>
    }

    struct Element<Key, Value> has copy, drop, store {
        key: Key,
        value: Value
    }

    /// The number of keys.
    public fun length<Key: store, Value: store>(self: &SimpleMap<Key, Value>): u64 {
        self.data.length()
    }

    /// An empty map.
    public fun new<Key: store, Value: store>(): SimpleMap<Key, Value> {
        SimpleMap { data: vector[] }
    }

    /// The map of these keys, all different, and the values at their positions.
    public fun new_from<Key: store, Value: store>(keys: vector<Key>, values: vector<Value>): SimpleMap<Key, Value> {
        let map = new();
        add_all(&mut map, keys, values);
        map
    }

    /// As `new`.
    public fun create<Key: store, Value: store>(): SimpleMap<Key, Value> {
        new()
    }

    /// The value of a key that has one.
    public fun borrow<Key: store, Value: store>(self: &SimpleMap<Key, Value>, key: &Key): &Value {
        &self.data[position(self, key)].value
    }

    /// The value of a key that has one, mutable.
    public fun borrow_mut<Key: store, Value: store>(self: &mut SimpleMap<Key, Value>, key: &Key): &mut Value {
        let at = position(self, key);
        &mut self.data[at].value
    }

    /// Whether the key has a value.
    public fun contains_key<Key: store, Value: store>(self: &SimpleMap<Key, Value>, key: &Key): bool {
        find(self, key).is_some()
    }

    /// Ends a map that must be empty.
    public fun destroy_empty<Key: store, Value: store>(self: SimpleMap<Key, Value>) {
        let SimpleMap { data } = self;
        data.destroy_empty();
    }

    /// Sets the value of a key that has none.
    public fun add<Key: store, Value: store>(self: &mut SimpleMap<Key, Value>, key: Key, value: Value) {
        assert!(find(self, &key).is_none(), error::invalid_argument(EKEY_ALREADY_EXISTS));
        self.data.push_back(Element { key, value });
    }

    /// Sets the values of keys that have none.
    public fun add_all<Key: store, Value: store>(
        self: &mut SimpleMap<Key, Value>, keys: vector<Key>, values: vector<Value>
    ) {
        keys.zip(values, |key, value| add(self, key, value));
    }

    /// Sets the value of a key and returns the key and value that were there before.
    public fun upsert<Key: store, Value: store>(
        self: &mut SimpleMap<Key, Value>, key: Key, value: Value
    ): (Option<Key>, Option<Value>) {
        let at = find(self, &key);
        if (at.is_none()) {
            self.data.push_back(Element { key, value });
            return (option::none(), option::none())
        };
        let Element { key, value } = self.data.replace(at.destroy_some(), Element { key, value });
        (option::some(key), option::some(value))
    }

    /// All keys, in the order of the entries.
    public fun keys<Key: copy, Value>(self: &SimpleMap<Key, Value>): vector<Key> {
        self.data.map_ref(|entry| entry.key)
    }

    /// All values, in the order of the entries.
    public fun values<Key, Value: copy>(self: &SimpleMap<Key, Value>): vector<Value> {
        self.data.map_ref(|entry| entry.value)
    }

    /// All keys and the values at their positions.
    public fun to_vec_pair<Key: store, Value: store>(self: SimpleMap<Key, Value>): (vector<Key>, vector<Value>) {
        let (keys, values) = (vector[], vector[]);
        let SimpleMap { data } = self;
        data.for_each(|entry| {
            let Element { key, value } = entry;
            keys.push_back(key);
            values.push_back(value);
        });
        (keys, values)
    }

    /// Ends a map by ending its keys with `dk` and its values with `dv`.
    public inline fun destroy<Key: store, Value: store>(
        self: SimpleMap<Key, Value>, dk: |Key|, dv: |Value|
    ) {
        let (keys, values) = to_vec_pair(self);
        keys.for_each(|key| dk(key));
        values.for_each(|value| dv(value));
    }

    /// Takes the entry of a key that has one; the last entry takes its place.
    public fun remove<Key: store, Value: store>(self: &mut SimpleMap<Key, Value>, key: &Key): (Key, Value) {
        let at = position(self, key);
        let Element { key, value } = self.data.swap_remove(at);
        (key, value)
    }

    fun position<Key: store, Value: store>(self: &SimpleMap<Key, Value>, key: &Key): u64 {
        let at = find(self, key);
        assert!(at.is_some(), error::invalid_argument(EKEY_NOT_FOUND));
        at.destroy_some()
    }

    fun find<Key: store, Value: store>(self: &SimpleMap<Key, Value>, key: &Key): Option<u64> {
        let (found, at) = self.data.find(|entry| &entry.key == key);
        if (found) option::some(at) else option::none()
    }
}
