/// Publishes packages of modules and keeps what they are.
///
/// The bytes of `PackageMetadata` are the format of docs/package-metadata.md.
module aptos_framework::code {
    use std::error;
    use std::option::Option;
    use std::signer;
    use std::string::{Self, String};
    use std::vector;
    use aptos_std::copyable_any::Any;
    use aptos_std::from_bcs;
    use aptos_framework::event;
    use aptos_framework::system_addresses;

    friend aptos_framework::genesis;

    /// The packages that an account published.
    struct PackageRegistry has drop, key, store {
        packages: vector<PackageMetadata>
    }

    /// What a package is.
    struct PackageMetadata has copy, drop, store {
        name: String,
        upgrade_policy: UpgradePolicy,
        /// How often the package was upgraded; the chain counts, whatever the publisher says.
        upgrade_number: u64,
        /// Digest of the sources, for people.
        source_digest: String,
        /// The package's manifest, gzipped, or empty.
        manifest: vector<u8>,
        modules: vector<ModuleMetadata>,
        deps: vector<PackageDep>,
        extension: Option<Any>
    }

    /// A package that this one needs.
    struct PackageDep has copy, drop, store {
        account: address,
        package_name: String
    }

    struct ModuleMetadata has copy, drop, store {
        name: String,
        /// The source, gzipped, or empty.
        source: vector<u8>,
        /// The source map, gzipped, or empty.
        source_map: vector<u8>,
        extension: Option<Any>
    }

    struct UpgradePolicy has copy, drop, store {
        policy: u8
    }

    #[event]
    struct PublishPackage has drop, store {
        code_address: address,
        is_upgrade: bool
    }

    /// A module of the package exists already in another package of the account.
    const EMODULE_NAME_CLASH: u64 = 0x1;
    /// An immutable package cannot change.
    const EUPGRADE_IMMUTABLE: u64 = 0x2;
    /// A policy can only become stricter.
    const EUPGRADE_WEAKER_POLICY: u64 = 0x3;
    /// An upgrade must keep every module.
    const EMODULE_MISSING: u64 = 0x4;
    /// Policy 0 (anything goes) and unknown ones are refused.
    const EINCOMPATIBLE_POLICY_DISABLED: u64 = 0x5;
    /// A package that this one needs is not at its address.
    const EPACKAGE_DEP_MISSING: u64 = 0x6;
    /// A package that this one needs has a weaker policy.
    const EDEP_WEAKER_POLICY: u64 = 0x7;
    /// A transaction publishes one package.
    const EALREADY_REQUESTED: u64 = 0x8;
    /// Metadata and code name different numbers of modules.
    const EMODULE_COUNT_MISMATCH: u64 = 0x9;
    /// A package has a name of 1 to 128 bytes.
    const EINVALID_PACKAGE_NAME: u64 = 0xA;
    /// An account may publish only so many packages.
    const ETOO_MANY_PACKAGES: u64 = 0xB;

    const COMPATIBLE: u8 = 1;
    const IMMUTABLE: u8 = 2;
    const PACKAGE_NAME_BYTES_MAX: u64 = 128;
    const PACKAGES_MAX: u64 = 64;

    /// Upgrades keep public signatures and struct layouts.
    public fun upgrade_policy_compat(): UpgradePolicy {
        UpgradePolicy { policy: COMPATIBLE }
    }

    /// No upgrades.
    public fun upgrade_policy_immutable(): UpgradePolicy {
        UpgradePolicy { policy: IMMUTABLE }
    }

    /// Whether a package of policy `from` may become one of policy `to`.
    public fun can_change_upgrade_policy_to(from: UpgradePolicy, to: UpgradePolicy): bool {
        from.policy <= to.policy
    }

    #[view]
    /// Names of the packages that an account published.
    public fun package_names(account: address): vector<String> {
        let names = vector::empty();
        if (!exists<PackageRegistry>(account)) return names;
        let packages = &borrow_global<PackageRegistry>(account).packages;
        let i = 0;
        while (i < vector::length(packages)) {
            vector::push_back(&mut names, vector::borrow(packages, i).name);
            i = i + 1;
        };
        names
    }

    /// Records a package of the framework; genesis writes its modules itself.
    public(friend) fun initialize(aptos_framework: &signer, metadata_serialized: vector<u8>) {
        system_addresses::assert_aptos_framework(aptos_framework);
        let pack = from_bcs::from_bytes<PackageMetadata>(metadata_serialized);
        if (!exists<PackageRegistry>(@aptos_framework)) {
            move_to(aptos_framework, PackageRegistry { packages: vector::empty() })
        };
        vector::push_back(&mut borrow_global_mut<PackageRegistry>(@aptos_framework).packages, pack);
    }

    /// Publishes or upgrades a package under the signer's account.
    public entry fun publish_package_txn(
        owner: &signer, metadata_serialized: vector<u8>, code: vector<vector<u8>>
    ) {
        publish_package(owner, from_bcs::from_bytes<PackageMetadata>(metadata_serialized), code)
    }

    /// Publishes or upgrades a package. The modules are verified, linked and written when the transaction's function
    /// has returned; if they fail, the whole transaction fails.
    public fun publish_package(owner: &signer, pack: PackageMetadata, code: vector<vector<u8>>) {
        let addr = signer::address_of(owner);
        let policy = pack.upgrade_policy.policy;
        assert!(
            policy == COMPATIBLE || policy == IMMUTABLE,
            error::invalid_argument(EINCOMPATIBLE_POLICY_DISABLED)
        );
        let name_length = string::length(&pack.name);
        assert!(
            name_length > 0 && name_length <= PACKAGE_NAME_BYTES_MAX,
            error::invalid_argument(EINVALID_PACKAGE_NAME)
        );
        assert!(
            vector::length(&pack.modules) == vector::length(&code),
            error::invalid_argument(EMODULE_COUNT_MISMATCH)
        );
        check_dependencies(addr, &pack);

        if (!exists<PackageRegistry>(addr)) {
            move_to(owner, PackageRegistry { packages: vector::empty() })
        };
        let module_names = module_names(&pack);
        let packages = &mut borrow_global_mut<PackageRegistry>(addr).packages;
        let len = vector::length(packages);
        let index = len;
        let i = 0;
        while (i < len) {
            let old = vector::borrow(packages, i);
            if (old.name == pack.name) {
                check_upgradability(old, &pack, &module_names);
                index = i;
            } else {
                check_coexistence(old, &module_names)
            };
            i = i + 1;
        };
        let is_upgrade = index < len;
        if (is_upgrade) {
            pack.upgrade_number = vector::borrow(packages, index).upgrade_number + 1;
            *vector::borrow_mut(packages, index) = pack
        } else {
            assert!(len < PACKAGES_MAX, error::resource_exhausted(ETOO_MANY_PACKAGES));
            pack.upgrade_number = 0;
            vector::push_back(packages, pack)
        };
        event::emit(PublishPackage { code_address: addr, is_upgrade });
        assert!(
            request_publish(addr, name_bytes(&module_names), code, policy),
            error::invalid_state(EALREADY_REQUESTED)
        );
    }

    /// Makes all packages of the signer's account immutable, for ever.
    public entry fun freeze_packages(owner: &signer) {
        let addr = signer::address_of(owner);
        if (!exists<PackageRegistry>(addr)) return;
        let packages = &mut borrow_global_mut<PackageRegistry>(addr).packages;
        let i = 0;
        while (i < vector::length(packages)) {
            vector::borrow_mut(packages, i).upgrade_policy = upgrade_policy_immutable();
            i = i + 1;
        }
    }

    fun check_upgradability(old: &PackageMetadata, new: &PackageMetadata, new_modules: &vector<String>) {
        assert!(old.upgrade_policy.policy < IMMUTABLE, error::invalid_argument(EUPGRADE_IMMUTABLE));
        assert!(
            can_change_upgrade_policy_to(old.upgrade_policy, new.upgrade_policy),
            error::invalid_argument(EUPGRADE_WEAKER_POLICY)
        );
        let i = 0;
        while (i < vector::length(&old.modules)) {
            assert!(
                vector::contains(new_modules, &vector::borrow(&old.modules, i).name),
                error::invalid_argument(EMODULE_MISSING)
            );
            i = i + 1;
        }
    }

    fun check_coexistence(old: &PackageMetadata, new_modules: &vector<String>) {
        let i = 0;
        while (i < vector::length(&old.modules)) {
            assert!(
                !vector::contains(new_modules, &vector::borrow(&old.modules, i).name),
                error::already_exists(EMODULE_NAME_CLASH)
            );
            i = i + 1;
        }
    }

    /// Packages at the reserved addresses are always there and change only with the chain.
    fun check_dependencies(publish_address: address, pack: &PackageMetadata) {
        let i = 0;
        while (i < vector::length(&pack.deps)) {
            let dep = vector::borrow(&pack.deps, i);
            i = i + 1;
            if (system_addresses::is_framework_reserved_address(dep.account)) continue;
            if (dep.account == publish_address && dep.package_name == pack.name) continue;
            assert!(exists<PackageRegistry>(dep.account), error::not_found(EPACKAGE_DEP_MISSING));
            check_dependency(dep, pack.upgrade_policy.policy);
        }
    }

    fun check_dependency(dep: &PackageDep, policy: u8) {
        let packages = &borrow_global<PackageRegistry>(dep.account).packages;
        let i = 0;
        while (i < vector::length(packages)) {
            let found = vector::borrow(packages, i);
            if (found.name == dep.package_name) {
                assert!(found.upgrade_policy.policy >= policy, error::invalid_argument(EDEP_WEAKER_POLICY));
                return
            };
            i = i + 1;
        };
        abort error::not_found(EPACKAGE_DEP_MISSING)
    }

    fun module_names(pack: &PackageMetadata): vector<String> {
        let names = vector::empty();
        let i = 0;
        while (i < vector::length(&pack.modules)) {
            vector::push_back(&mut names, vector::borrow(&pack.modules, i).name);
            i = i + 1;
        };
        names
    }

    fun name_bytes(names: &vector<String>): vector<vector<u8>> {
        let bytes = vector::empty();
        let i = 0;
        while (i < vector::length(names)) {
            vector::push_back(&mut bytes, *string::bytes(vector::borrow(names, i)));
            i = i + 1;
        };
        bytes
    }

    /// Asks for the modules to be published at the end of the transaction; false if the transaction asked before. The
    /// bundle must hold exactly the modules named, in that order, all with `owner` as their own address.
    native fun request_publish(
        owner: address, expected_modules: vector<vector<u8>>, bundle: vector<vector<u8>>, policy: u8
    ): bool;

    #[test_only]
    public fun package_for_test(
        name: vector<u8>, policy: u8, modules: vector<vector<u8>>, dep_accounts: vector<address>, dep_name: vector<u8>
    ): PackageMetadata {
        let metadata = vector::empty();
        vector::reverse(&mut modules);
        while (!vector::is_empty(&modules)) {
            vector::push_back(&mut metadata, ModuleMetadata {
                name: string::utf8(vector::pop_back(&mut modules)),
                source: b"",
                source_map: b"",
                extension: std::option::none()
            });
        };
        let deps = vector::empty();
        while (!vector::is_empty(&dep_accounts)) {
            let account = vector::pop_back(&mut dep_accounts);
            vector::push_back(&mut deps, PackageDep { account, package_name: string::utf8(dep_name) });
        };
        PackageMetadata {
            name: string::utf8(name),
            upgrade_policy: UpgradePolicy { policy },
            upgrade_number: 0,
            source_digest: string::utf8(b""),
            manifest: b"",
            modules: metadata,
            deps,
            extension: std::option::none()
        }
    }

    #[test_only]
    public fun upgrade_number_for_test(account: address, index: u64): u64 {
        vector::borrow(&borrow_global<PackageRegistry>(account).packages, index).upgrade_number
    }
}
