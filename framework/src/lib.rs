//! Carries the chain's own Move modules, their natives and genesis.
//!
//! [`package`] is the source text that contracts compile against; [`natives`] implements what it and the standard library
//! declare `native`; [`test_natives`] are the same with scripted answers instead of models, for unit tests in Move;
//! [`on_chain`] reads the epoch and its committee from the state; [`calls`] are validators' transactions.

pub mod calls;
mod compile;
mod genesis;
mod natives;
pub mod on_chain;
mod package_metadata;
mod registration;

pub use compile::{compile_packages, source_package};
pub use genesis::{
    GenesisConfig, GenesisError, GenesisPackage, GenesisValidator, INFERENCE_CALLS_PER_TRANSACTION,
    INFERENCE_UNITS_PER_TRANSACTION, ResidentModel, StakingParameters, build_genesis,
};
pub use natives::{natives, test_natives};
use noema_move_stdlib::EmbeddedPackage;
pub use package_metadata::{Any, ModuleMetadata, PackageDep, PackageMetadata, UpgradePolicy};
pub use registration::{Registration, RegistrationError, RegistrationKeys, is_network_address, verify_registration};

/// The framework. It needs [`noema_move_stdlib::package`].
#[must_use]
pub fn package() -> EmbeddedPackage {
    EmbeddedPackage {
        name: "NoemaFramework",
        manifest: include_str!("../Move.toml"),
        sources: include!(concat!(env!("OUT_DIR"), "/sources.rs")),
    }
}
