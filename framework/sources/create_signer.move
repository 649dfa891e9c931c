/// Makes signers for the framework's own modules; nobody else may.
module aptos_framework::create_signer {
    friend aptos_framework::account;
    friend aptos_framework::aptos_account;
    friend aptos_framework::genesis;
    friend aptos_framework::object;

    public(friend) native fun create_signer(addr: address): signer;
}
