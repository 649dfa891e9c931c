/// A table that counts its items, and so can be ended when it has none. Every addition and removal writes the count:
/// transactions that change such a table conflict.
module aptos_std::table_with_length {
    use std::error;
    use aptos_std::table::{Self, Table};

    // What the table's natives abort with is there: 0x80064 and 0x60065.

    /// The table has items.
    const ENOT_EMPTY: u64 = 102;

    struct TableWithLength<phantom K: copy + drop, phantom V> has store {
        inner: Table<K, V>,
        length: u64
    }

    /// An empty table.
    public fun new<K: copy + drop, V: store>(): TableWithLength<K, V> {
        TableWithLength { inner: table::new(), length: 0 }
    }

    /// Ends a table without items.
    public fun destroy_empty<K: copy + drop, V>(self: TableWithLength<K, V>) {
        assert!(self.length == 0, error::invalid_state(ENOT_EMPTY));
        let TableWithLength { inner, length: _ } = self;
        inner.destroy_known_empty_unsafe();
    }

    /// Sets the value of a key that has none.
    public fun add<K: copy + drop, V>(self: &mut TableWithLength<K, V>, key: K, val: V) {
        self.inner.add(key, val);
        self.length = self.length + 1;
    }

    /// The value of a key that has one.
    public fun borrow<K: copy + drop, V>(self: &TableWithLength<K, V>, key: K): &V {
        self.inner.borrow(key)
    }

    /// The value of a key, or `default`.
    public fun borrow_with_default<K: copy + drop, V>(self: &TableWithLength<K, V>, key: K, default: &V): &V {
        self.inner.borrow_with_default(key, default)
    }

    /// The value of a key that has one, mutable.
    public fun borrow_mut<K: copy + drop, V>(self: &mut TableWithLength<K, V>, key: K): &mut V {
        self.inner.borrow_mut(key)
    }

    /// The value of a key, mutable, set to `default` first when there is none.
    public fun borrow_mut_with_default<K: copy + drop, V: drop>(
        self: &mut TableWithLength<K, V>, key: K, default: V
    ): &mut V {
        if (!contains(self, key)) add(self, key, default);
        borrow_mut(self, key)
    }

    /// Sets the value of a key, whether it has one or not.
    public fun upsert<K: copy + drop, V: drop>(self: &mut TableWithLength<K, V>, key: K, value: V) {
        if (contains(self, key)) *borrow_mut(self, key) = value else add(self, key, value);
    }

    /// Takes the value of a key away.
    public fun remove<K: copy + drop, V>(self: &mut TableWithLength<K, V>, key: K): V {
        let val = self.inner.remove(key);
        self.length = self.length - 1;
        val
    }

    /// Whether the key has a value.
    public fun contains<K: copy + drop, V>(self: &TableWithLength<K, V>, key: K): bool {
        self.inner.contains(key)
    }

    /// The number of items.
    public fun length<K: copy + drop, V>(self: &TableWithLength<K, V>): u64 {
        self.length
    }

    /// Whether there is no item.
    public fun empty<K: copy + drop, V>(self: &TableWithLength<K, V>): bool {
        self.length == 0
    }
}
