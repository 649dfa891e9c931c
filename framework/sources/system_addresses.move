/// Addresses with a meaning of their own.
module aptos_framework::system_addresses {
    use std::error;
    use std::signer;

    /// The signer is not the framework's account, 0x1.
    const ENOT_APTOS_FRAMEWORK_ADDRESS: u64 = 3;
    /// The signer is not the virtual machine, 0x0.
    const EVM: u64 = 2;
    /// The address is not one of those reserved for the framework, 0x1 to 0xa.
    const ENOT_FRAMEWORK_RESERVED_ADDRESS: u64 = 4;

    public fun assert_aptos_framework(account: &signer) {
        assert!(
            is_aptos_framework_address(signer::address_of(account)),
            error::permission_denied(ENOT_APTOS_FRAMEWORK_ADDRESS)
        )
    }

    public fun assert_framework_reserved_address(account: &signer) {
        assert!(
            is_framework_reserved_address(signer::address_of(account)),
            error::permission_denied(ENOT_FRAMEWORK_RESERVED_ADDRESS)
        )
    }

    public fun assert_vm(account: &signer) {
        assert!(is_vm(account), error::permission_denied(EVM))
    }

    public fun is_aptos_framework_address(addr: address): bool {
        addr == @aptos_framework
    }

    /// Whether the address is one of 0x1 to 0xa.
    public fun is_framework_reserved_address(addr: address): bool {
        addr == @0x1
            || addr == @0x2
            || addr == @0x3
            || addr == @0x4
            || addr == @0x5
            || addr == @0x6
            || addr == @0x7
            || addr == @0x8
            || addr == @0x9
            || addr == @0xa
    }

    public fun is_vm(account: &signer): bool {
        is_vm_address(signer::address_of(account))
    }

    public fun is_vm_address(addr: address): bool {
        addr == @vm_reserved
    }
}
