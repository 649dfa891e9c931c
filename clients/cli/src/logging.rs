//! The log of a running node, on stderr.

use tracing_subscriber::EnvFilter;

use crate::args::{LogArgs, LogFormat};
use crate::output::{CliError, CliResult, use_color};

/// What is logged unless `RUST_LOG` or `NOEMA_LOG` says otherwise.
const DEFAULT_FILTER: &str = "warn,noema_node=info,noema_consensus=info,noema_network=info,noema_remote=info";

/// Starts logging; once per process.
pub(crate) fn init(args: &LogArgs) -> CliResult {
    let filter = match ["RUST_LOG", "NOEMA_LOG"].into_iter().find(|name| std::env::var_os(name).is_some()) {
        Some(name) => EnvFilter::try_from_env(name).map_err(|error| {
            CliError::fault(format!("{name} is no filter of logs: {error}"))
                .hint("write for example info,noema_consensus=debug")
        })?,
        None => EnvFilter::new(DEFAULT_FILTER),
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match args.log_format {
        LogFormat::Text => builder.with_ansi(use_color()).init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
    Ok(())
}
