/// Numbers that are unique per account.
module aptos_framework::guid {
    friend aptos_framework::account;
    friend aptos_framework::object;

    /// A unique number that cannot be copied: whoever holds it owns what it names.
    struct GUID has drop, store {
        id: ID
    }

    /// The number itself.
    struct ID has copy, drop, store {
        creation_num: u64,
        addr: address
    }

    /// Takes the next number of `addr`.
    public(friend) fun create(addr: address, creation_num_ref: &mut u64): GUID {
        let creation_num = *creation_num_ref;
        *creation_num_ref = creation_num + 1;
        GUID { id: ID { creation_num, addr } }
    }

    public fun create_id(addr: address, creation_num: u64): ID {
        ID { creation_num, addr }
    }

    public fun id(self: &GUID): ID {
        self.id
    }

    public fun creator_address(self: &GUID): address {
        self.id.addr
    }

    public fun id_creator_address(self: &ID): address {
        self.addr
    }

    public fun creation_num(self: &GUID): u64 {
        self.id.creation_num
    }

    public fun id_creation_num(self: &ID): u64 {
        self.creation_num
    }

    public fun eq_id(self: &GUID, id: &ID): bool {
        &self.id == id
    }
}
