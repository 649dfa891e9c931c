//! `noema node init`: makes a node's folder.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use noema_node::{
    ConsensusTuning, FullNodeConfig, GatewayConfig, InferenceConfig, NodeConfig, ValidatorNodeConfig, init_validator,
};
use serde_json::json;

use super::{CONFIG_FILE, DATA_DIR, GENESIS_FILE, explain};
use crate::args::NodeInitArgs;
use crate::genesis::{REGISTRATION_FILE, RegistrationFile, check_url};
use crate::home::Home;
use crate::keys::{KEY_FILES, ValidatorKeys, make_private_folder, write_new};
use crate::model::find;
use crate::output::{CliError, CliResult, Context, Output, paint};

/// Where a validator listens if nothing says otherwise.
const DEFAULT_CONSENSUS_PORT: u16 = 6180;

/// Runs the command.
pub(crate) fn run(output: Output, args: &NodeInitArgs) -> CliResult {
    let config_path = args.dir.join(CONFIG_FILE);
    if config_path.exists() {
        return Err(CliError::fault(format!("{} exists already", config_path.display()))
            .hint("edit it, or choose another --dir; the consensus log of a validator is never made twice"));
    }
    for url in &args.upstream {
        check_url(url).map_err(CliError::fault)?;
    }
    let home = Home::find()?;
    let models: CliResult<Vec<PathBuf>> = args.models.iter().map(|name| absolute(&find(&home, Some(name))?)).collect();
    make_private_folder(&args.dir)?;
    let validator = args.validator.then(|| validator(output, args)).transpose()?;
    copy_genesis(&args.genesis, &args.dir.join(GENESIS_FILE))?;
    let full_node = (!args.validator).then(|| FullNodeConfig { upstream: args.upstream.clone() });
    let config = NodeConfig {
        data_dir: DATA_DIR.into(),
        genesis: GENESIS_FILE.into(),
        api_address: args.api,
        metrics_address: args.metrics,
        faucet_address: None,
        models: models?,
        inference: InferenceConfig::default(),
        gateway: GatewayConfig::default(),
        validator,
        full_node,
        consensus: ConsensusTuning::default(),
    };
    write_new(&config_path, config.to_toml().as_bytes())?;
    if args.validator {
        let config = NodeConfig::load(&config_path).map_err(explain)?;
        init_validator(&config).map_err(explain)?;
    }
    let account = config.validator.as_ref().map(|validator| validator.account);
    output.result(
        || {
            let role = if args.validator { "validator" } else { "full node" };
            let account = account.map(|account| format!("\naccount {account}")).unwrap_or_default();
            format!(
                "{} {}{account}\nstart it with `noema node run --config {}`",
                paint(&format!("{role} in"), "32"),
                args.dir.display(),
                config_path.display()
            )
        },
        || json!({ "config": config_path, "account": account, "validator": args.validator }),
    );
    Ok(())
}

fn validator(output: Output, args: &NodeInitArgs) -> CliResult<ValidatorNodeConfig> {
    let keys = if KEY_FILES.iter().any(|name| args.dir.join(name).exists()) {
        ValidatorKeys::load(&args.dir)?
    } else {
        let keys = ValidatorKeys::generate();
        keys.save(&args.dir)?;
        output.note(format!("new keys in {} (keep them secret, back them up)", args.dir.display()));
        keys
    };
    let listen = match args.listen {
        Some(listen) => listen,
        None => SocketAddr::from((Ipv4Addr::UNSPECIFIED, registered_port(&args.dir)?)),
    };
    Ok(ValidatorNodeConfig::new(keys.address(), listen))
}

fn registered_port(dir: &Path) -> CliResult<u16> {
    let path = dir.join(REGISTRATION_FILE);
    if !path.exists() {
        return Ok(DEFAULT_CONSENSUS_PORT);
    }
    let file = RegistrationFile::load(&path, None)?;
    let port = file.registration.network_address.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    Ok(port.unwrap_or(DEFAULT_CONSENSUS_PORT))
}

/// Copies genesis unless it is there; another one in its place is refused.
fn copy_genesis(from: &Path, to: &Path) -> CliResult {
    let bytes = std::fs::read(from).context(format!("cannot read {}", from.display()))?;
    if to.exists() {
        let present = std::fs::read(to).context(format!("cannot read {}", to.display()))?;
        if present == bytes {
            return Ok(());
        }
        return Err(CliError::fault(format!("{} is the genesis of another chain", to.display()))
            .hint("a node belongs to one chain: choose another --dir"));
    }
    write_new(to, &bytes).map(drop)
}

fn absolute(path: &Path) -> CliResult<PathBuf> {
    path.canonicalize().context(format!("cannot find {}", path.display()))
}
