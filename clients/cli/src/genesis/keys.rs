//! `noema genesis keys`: a validator's keys and its registration.

use serde_json::json;

use super::registration::{REGISTRATION_FILE, RegistrationFile};
use crate::args::GenesisKeysArgs;
use crate::keys::{KEY_FILES, ValidatorKeys, write_new};
use crate::output::{CliResult, Output, paint};
use noema_types::ChainId;

/// Runs the command.
pub(crate) fn run(output: Output, args: &GenesisKeysArgs) -> CliResult {
    let keys = ValidatorKeys::generate();
    // Made before anything is written: a wrong address must not leave keys behind.
    let registration = RegistrationFile::sign(&keys, ChainId(args.chain_id), &args.name, &args.address)?;
    keys.save(&args.dir)?;
    let path = write_new(&args.dir.join(REGISTRATION_FILE), registration.to_toml()?.as_bytes())?;
    output.note(format!("{} in {}: keep them secret, back them up", KEY_FILES.join(", "), args.dir.display()));
    output.result(
        || {
            format!(
                "{} {}\naccount {}\nsend it to whoever builds genesis: everything in it is public",
                paint("registration", "32"),
                path.display(),
                keys.address(),
            )
        },
        || json!({ "registration": path, "account": keys.address(), "name": args.name, "chain_id": args.chain_id }),
    );
    Ok(())
}
