/// Objects: resources at an address of their own, with an owner.
module aptos_framework::object {
    use std::bcs;
    use std::error;
    use std::hash;
    use std::signer;
    use std::vector;
    use aptos_std::from_bcs;
    use aptos_framework::account;
    use aptos_framework::create_signer::create_signer;
    use aptos_framework::event::{Self, EventHandle};
    use aptos_framework::guid;
    use aptos_framework::transaction_context;

    /// The object exists already.
    const EOBJECT_EXISTS: u64 = 1;
    /// There is no object at the address.
    const EOBJECT_DOES_NOT_EXIST: u64 = 2;
    /// The signer does not own the object, directly or through other objects.
    const ENOT_OBJECT_OWNER: u64 = 4;
    /// The object may only move through its `TransferRef`.
    const ENO_UNGATED_TRANSFERS: u64 = 3;
    /// The object lacks the resource that its type names.
    const ERESOURCE_DOES_NOT_EXIST: u64 = 7;
    /// The object cannot be deleted.
    const ECANNOT_DELETE: u64 = 5;
    /// Owners are nested too deep.
    const EMAXIMUM_NESTING: u64 = 6;

    const MAXIMUM_OBJECT_NESTING: u64 = 8;
    const OBJECT_FROM_GUID_ADDRESS_SCHEME: u8 = 0xFD;
    const OBJECT_FROM_SEED_ADDRESS_SCHEME: u8 = 0xFE;

    /// What every object has.
    struct ObjectCore has key {
        /// Next unique number, far from those of accounts.
        guid_creation_num: u64,
        owner: address,
        allow_ungated_transfer: bool,
        transfer_events: EventHandle<TransferEvent>
    }

    /// A pointer to an object that holds a resource `T`.
    struct Object<phantom T> has copy, drop, store {
        inner: address
    }

    /// Handed out once, at creation: what else may be made of the object.
    struct ConstructorRef has drop {
        self: address,
        can_delete: bool
    }

    struct DeleteRef has drop, store {
        self: address
    }

    /// Makes the object's signer.
    struct ExtendRef has drop, store {
        self: address
    }

    /// Moves the object whatever its owner says.
    struct TransferRef has drop, store {
        self: address
    }

    struct TransferEvent has drop, store {
        object: address,
        from: address,
        to: address
    }

    #[event]
    struct Transfer has drop, store {
        object: address,
        from: address,
        to: address
    }

    const INIT_GUID_CREATION_NUM: u64 = 0x4000000000000;

    #[view]
    /// Whether there is an object at the address.
    public fun is_object(object: address): bool {
        exists<ObjectCore>(object)
    }

    #[view]
    public fun object_exists<T: key>(object: address): bool {
        exists<ObjectCore>(object) && exists_at<T>(object)
    }

    /// The address of the object that `source` gets for `seed`.
    public fun create_object_address(source: &address, seed: vector<u8>): address {
        let bytes = bcs::to_bytes(source);
        vector::append(&mut bytes, seed);
        vector::push_back(&mut bytes, OBJECT_FROM_SEED_ADDRESS_SCHEME);
        from_bcs::to_address(hash::sha3_256(bytes))
    }

    /// The address of the object that `source` gets for a unique number.
    public fun create_guid_object_address(source: address, creation_num: u64): address {
        let bytes = bcs::to_bytes(&guid::create_id(source, creation_num));
        vector::push_back(&mut bytes, OBJECT_FROM_GUID_ADDRESS_SCHEME);
        from_bcs::to_address(hash::sha3_256(bytes))
    }

    /// Makes an object whose address follows from creator and seed. It cannot be deleted.
    public fun create_named_object(creator: &signer, seed: vector<u8>): ConstructorRef {
        let creator_address = signer::address_of(creator);
        create_object_internal(creator_address, create_object_address(&creator_address, seed), false)
    }

    /// Makes an object at a new unique address.
    public fun create_object(owner_address: address): ConstructorRef {
        create_object_internal(owner_address, transaction_context::generate_auid_address(), true)
    }

    /// Makes an object at a new unique address that its owner can never lose to deletion.
    public fun create_sticky_object(owner_address: address): ConstructorRef {
        create_object_internal(owner_address, transaction_context::generate_auid_address(), false)
    }

    /// Makes an object from the creator's next unique number.
    public fun create_object_from_account(creator: &signer): ConstructorRef {
        let guid = account::create_guid(creator);
        let creator_address = signer::address_of(creator);
        let object = create_guid_object_address(creator_address, guid::creation_num(&guid));
        create_object_internal(creator_address, object, true)
    }

    fun create_object_internal(owner: address, object: address, can_delete: bool): ConstructorRef {
        assert!(!exists<ObjectCore>(object), error::already_exists(EOBJECT_EXISTS));
        let object_signer = create_signer(object);
        let guid_creation_num = INIT_GUID_CREATION_NUM;
        let transfer_events_guid = guid::create(object, &mut guid_creation_num);
        move_to(&object_signer, ObjectCore {
            guid_creation_num,
            owner,
            allow_ungated_transfer: true,
            transfer_events: event::new_event_handle(transfer_events_guid)
        });
        ConstructorRef { self: object, can_delete }
    }

    public fun generate_signer(self: &ConstructorRef): signer {
        create_signer(self.self)
    }

    public fun address_from_constructor_ref(self: &ConstructorRef): address {
        self.self
    }

    /// The object, once it holds a `T`.
    public fun object_from_constructor_ref<T: key>(self: &ConstructorRef): Object<T> {
        address_to_object<T>(self.self)
    }

    public fun can_generate_delete_ref(self: &ConstructorRef): bool {
        self.can_delete
    }

    public fun generate_delete_ref(self: &ConstructorRef): DeleteRef {
        assert!(self.can_delete, error::permission_denied(ECANNOT_DELETE));
        DeleteRef { self: self.self }
    }

    public fun generate_extend_ref(self: &ConstructorRef): ExtendRef {
        ExtendRef { self: self.self }
    }

    public fun generate_transfer_ref(self: &ConstructorRef): TransferRef {
        TransferRef { self: self.self }
    }

    public fun generate_signer_for_extending(self: &ExtendRef): signer {
        create_signer(self.self)
    }

    public fun address_from_extend_ref(self: &ExtendRef): address {
        self.self
    }

    public fun disable_ungated_transfer(self: &TransferRef) {
        borrow_global_mut<ObjectCore>(self.self).allow_ungated_transfer = false;
    }

    public fun enable_ungated_transfer(self: &TransferRef) {
        borrow_global_mut<ObjectCore>(self.self).allow_ungated_transfer = true;
    }

    /// Moves the object whatever its owner says.
    public fun transfer_with_ref(self: &TransferRef, to: address) {
        assert!(exists<ObjectCore>(self.self), error::not_found(EOBJECT_DOES_NOT_EXIST));
        transfer_unchecked(self.self, to);
    }

    /// Removes the object's core; its module removes the other resources itself.
    public fun delete(self: DeleteRef) {
        assert!(exists<ObjectCore>(self.self), error::not_found(EOBJECT_DOES_NOT_EXIST));
        let ObjectCore { guid_creation_num: _, owner: _, allow_ungated_transfer: _, transfer_events } =
            move_from<ObjectCore>(self.self);
        event::destroy_handle(transfer_events);
    }

    /// A new unique number of an object.
    public fun create_guid(object: &signer): guid::GUID {
        let addr = signer::address_of(object);
        assert!(exists<ObjectCore>(addr), error::not_found(EOBJECT_DOES_NOT_EXIST));
        guid::create(addr, &mut borrow_global_mut<ObjectCore>(addr).guid_creation_num)
    }

    public fun new_event_handle<T: drop + store>(object: &signer): EventHandle<T> {
        event::new_event_handle(create_guid(object))
    }

    /// Points to the object at an address, which must hold a `T`.
    public fun address_to_object<T: key>(object: address): Object<T> {
        assert!(exists<ObjectCore>(object), error::not_found(EOBJECT_DOES_NOT_EXIST));
        assert!(exists_at<T>(object), error::not_found(ERESOURCE_DOES_NOT_EXIST));
        Object<T> { inner: object }
    }

    public fun object_address<T: key>(self: &Object<T>): address {
        self.inner
    }

    /// The same object, seen as holding a `Y`.
    public fun convert<X: key, Y: key>(self: Object<X>): Object<Y> {
        address_to_object<Y>(self.inner)
    }

    #[view]
    public fun owner<T: key>(self: Object<T>): address {
        assert!(exists<ObjectCore>(self.inner), error::not_found(EOBJECT_DOES_NOT_EXIST));
        borrow_global<ObjectCore>(self.inner).owner
    }

    #[view]
    /// Whether the address owns the object directly.
    public fun is_owner<T: key>(self: Object<T>, owner: address): bool {
        owner(self) == owner
    }

    #[view]
    /// Whether the address owns the object, directly or through objects that it owns.
    public fun owns<T: key>(self: Object<T>, owner: address): bool {
        self.inner == owner || owns_address(self.inner, owner)
    }

    #[view]
    public fun ungated_transfer_allowed<T: key>(self: Object<T>): bool {
        assert!(exists<ObjectCore>(self.inner), error::not_found(EOBJECT_DOES_NOT_EXIST));
        borrow_global<ObjectCore>(self.inner).allow_ungated_transfer
    }

    /// Gives the object to `to`.
    public entry fun transfer<T: key>(owner: &signer, object: Object<T>, to: address) {
        transfer_raw(owner, object.inner, to)
    }

    /// Gives the object at an address to `to`.
    public entry fun transfer_call(owner: &signer, object: address, to: address) {
        transfer_raw(owner, object, to)
    }

    /// Gives an object to another object.
    public entry fun transfer_to_object<O: key, T: key>(owner: &signer, object: Object<O>, to: Object<T>) {
        transfer_raw(owner, object.inner, to.inner)
    }

    /// Gives the object at an address to `to`.
    public fun transfer_raw(owner: &signer, object: address, to: address) {
        assert!(exists<ObjectCore>(object), error::not_found(EOBJECT_DOES_NOT_EXIST));
        assert_may_transfer(object, signer::address_of(owner));
        transfer_unchecked(object, to);
    }

    /// An object moves freely only if it and every object above it, up to the owner, may: what lies in a locked vault is
    /// locked too.
    fun assert_may_transfer(object: address, owner: address) {
        let current = object;
        let depth = 0;
        loop {
            assert!(depth < MAXIMUM_OBJECT_NESTING, error::out_of_range(EMAXIMUM_NESTING));
            assert!(exists<ObjectCore>(current), error::permission_denied(ENOT_OBJECT_OWNER));
            let core = borrow_global<ObjectCore>(current);
            assert!(core.allow_ungated_transfer, error::permission_denied(ENO_UNGATED_TRANSFERS));
            if (core.owner == owner) return;
            current = core.owner;
            depth = depth + 1;
        }
    }

    fun transfer_unchecked(object: address, to: address) {
        let core = borrow_global_mut<ObjectCore>(object);
        let from = core.owner;
        if (from == to) return;
        core.owner = to;
        event::emit_event(&mut core.transfer_events, TransferEvent { object, from, to });
        event::emit(Transfer { object, from, to });
    }

    fun owns_address(object: address, candidate: address): bool {
        let current = object;
        let depth = 0;
        while (exists<ObjectCore>(current)) {
            assert!(depth < MAXIMUM_OBJECT_NESTING, error::out_of_range(EMAXIMUM_NESTING));
            let owner = borrow_global<ObjectCore>(current).owner;
            if (owner == candidate) return true;
            current = owner;
            depth = depth + 1;
        };
        false
    }

    /// Whether the address holds a `T`, whichever module defines it.
    native fun exists_at<T: key>(object: address): bool;
}
