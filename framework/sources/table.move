/// Maps whose items live in state of their own, one per key: reading one item touches no other.
///
/// A table without `drop` never disappears by accident; a table handed out by a function can be emptied, not ended:
/// its items would stay in state without an owner.
module aptos_std::table {
    friend aptos_std::table_with_length;

    // The natives abort with these codes.

    /// The key has a value already.
    const EALREADY_EXISTS: u64 = 0x80064;
    /// The key has no value.
    const ENOT_FOUND: u64 = 0x60065;

    /// The handle is the address under which the items are kept.
    struct Table<phantom K: copy + drop, phantom V> has store {
        handle: address
    }

    /// What is stored per key: a resource, so that natives handle items with the rules of global storage.
    struct Box<V> has key, drop, store {
        val: V
    }

    /// An empty table.
    public fun new<K: copy + drop, V: store>(): Table<K, V> {
        Table { handle: new_table_handle<K, V>() }
    }

    /// Sets the value of a key that has none.
    public fun add<K: copy + drop, V>(self: &mut Table<K, V>, key: K, val: V) {
        add_box<K, V, Box<V>>(self, key, Box { val })
    }

    /// The value of a key that has one.
    public fun borrow<K: copy + drop, V>(self: &Table<K, V>, key: K): &V {
        &borrow_box<K, V, Box<V>>(self, key).val
    }

    /// The value of a key, or `default`.
    public fun borrow_with_default<K: copy + drop, V>(self: &Table<K, V>, key: K, default: &V): &V {
        if (contains(self, key)) borrow(self, key) else default
    }

    /// The value of a key that has one, mutable.
    public fun borrow_mut<K: copy + drop, V>(self: &mut Table<K, V>, key: K): &mut V {
        &mut borrow_box_mut<K, V, Box<V>>(self, key).val
    }

    /// The value of a key, mutable, set to `default` first when there is none.
    public fun borrow_mut_with_default<K: copy + drop, V: drop>(
        self: &mut Table<K, V>, key: K, default: V
    ): &mut V {
        if (!contains(self, key)) {
            add(self, key, default)
        };
        borrow_mut(self, key)
    }

    /// Sets the value of a key, whether it has one or not.
    public fun upsert<K: copy + drop, V: drop>(self: &mut Table<K, V>, key: K, value: V) {
        if (contains(self, key)) {
            *borrow_mut(self, key) = value
        } else {
            add(self, key, value)
        }
    }

    /// Takes the value of a key away.
    public fun remove<K: copy + drop, V>(self: &mut Table<K, V>, key: K): V {
        let Box { val } = remove_box<K, V, Box<V>>(self, key);
        val
    }

    /// Whether the key has a value.
    public fun contains<K: copy + drop, V>(self: &Table<K, V>, key: K): bool {
        contains_box<K, V, Box<V>>(self, key)
    }

    /// The address under which the items are kept.
    public fun handle<K: copy + drop, V>(self: &Table<K, V>): address {
        self.handle
    }

    /// Ends a table that the caller knows to be empty.
    public(friend) fun destroy_known_empty_unsafe<K: copy + drop, V>(self: Table<K, V>) {
        let Table { handle: _ } = self;
    }

    native fun new_table_handle<K, V>(): address;

    native fun add_box<K: copy + drop, V, B>(table: &mut Table<K, V>, key: K, val: Box<V>);

    native fun borrow_box<K: copy + drop, V, B>(table: &Table<K, V>, key: K): &Box<V>;

    native fun borrow_box_mut<K: copy + drop, V, B>(table: &mut Table<K, V>, key: K): &mut Box<V>;

    native fun contains_box<K: copy + drop, V, B>(table: &Table<K, V>, key: K): bool;

    native fun remove_box<K: copy + drop, V, B>(table: &mut Table<K, V>, key: K): Box<V>;
}
