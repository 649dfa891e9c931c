/// Proof that an account agreed to the transaction.
module std::signer {
    /// The account's address, borrowed from the signer.
    native public fun borrow_address(s: &signer): &address;

    /// The account's address.
    public fun address_of(s: &signer): address {
        *borrow_address(s)
    }
}
