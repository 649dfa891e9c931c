//! `noema worker run` and `noema worker key`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use noema_crypto::{Ed25519KeyPair, read_key_file, write_key_file};
use noema_engine::{Pool, PoolConfig, PoolError, Resources};
use noema_models::{Device, load};
use noema_remote::{AttachConfig, AttachError, Attached, attach, parse_key};
use serde_json::json;
use tokio::sync::watch;

use crate::args::{WorkerKeyArgs, WorkerRunArgs};
use crate::home::Home;
use crate::model::find;
use crate::output::{CliError, CliResult, Context, Output};
use crate::{logging, machine, shutdown};

/// Threads of the connection; the pool has its own.
const THREADS: usize = 1;
/// Characters of the key in a worker's name: `0x` and four bytes.
const NAME_CHARACTERS: usize = 10;
/// Time for threads that wait for answers nobody wants any more.
const END_MAX: Duration = Duration::from_millis(200);

/// Prints this worker's key.
pub(super) fn key(output: Output, args: &WorkerKeyArgs) -> CliResult {
    let (key, path) = own_key(args)?;
    let public = key.public();
    output.result(
        || format!("{public}\n\nadmit it in the node's node.toml:\n[inference]\nworkers = [\"{public}\"]"),
        || json!({ "key": public, "file": path }),
    );
    Ok(())
}

fn own_key(args: &WorkerKeyArgs) -> CliResult<(Ed25519KeyPair, PathBuf)> {
    let path = match &args.key {
        Some(path) => path.clone(),
        None => Home::find()?.worker_key(),
    };
    if path.exists() {
        return Ok((read_key_file(&path).map_err(CliError::fault)?, path));
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).context(format!("cannot make {}", folder.display()))?;
    }
    let key = Ed25519KeyPair::generate();
    write_key_file(&path, &key).map_err(CliError::fault)?;
    Ok((key, path))
}

/// Runs a worker until a signal.
pub(super) fn run(output: Output, args: &WorkerRunArgs) -> CliResult {
    logging::init(&args.log)?;
    let stdin = args.stop_with_stdin.then(shutdown::watch_stdin).transpose().context("cannot watch stdin")?;
    let (key, _) = own_key(&args.key)?;
    let node_key = parse_key(&args.node_key)
        .map_err(|why| CliError::fault(why).hint("`noema worker list` on the node prints its key"))?;
    let device = machine::device(&args.compute)?;
    let place = match &device {
        Some(device) => device.name().to_owned(),
        None => machine::kernel(&args.compute)?.name().to_owned(),
    };
    let pool = Arc::new(pool(output, args, device)?);
    let name = args.name.clone().unwrap_or_else(|| key.public().to_string().chars().take(NAME_CHARACTERS).collect());
    let config = AttachConfig {
        node: address(&args.node)?,
        node_key,
        key: key.clone(),
        name,
        program: concat!("noema ", env!("CARGO_PKG_VERSION")).to_owned(),
        kernel: place,
        threads: args.compute.threads.unwrap_or_else(machine::cores),
        capacity: args.jobs,
        grace: Duration::from_secs(args.grace),
    };
    output.note(format!("worker {} serves the node at {}", key.public(), config.node));
    let stats = Arc::clone(&pool);
    let attached = Attached { engine: pool, stats: Arc::new(move || stats.stats().into()) };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()
        .context("the system gives no thread")?;
    let ended = runtime.block_on(async {
        let (stop, stopped) = watch::channel(false);
        let serving = attach(&config, &attached, stopped);
        tokio::pin!(serving);
        tokio::select! {
            ended = &mut serving => return ended,
            () = shutdown::signalled() => {}
            () = shutdown::stdin_ended(stdin) => {}
        }
        stop.send_replace(true);
        // Whoever says it twice means now.
        tokio::select! {
            ended = &mut serving => ended,
            () = shutdown::signalled() => Ok(()),
        }
    });
    runtime.shutdown_timeout(END_MAX);
    match ended {
        Ok(()) => {
            output.note("stopped");
            Ok(())
        }
        Err(error) => Err(explain(error)),
    }
}

/// Tests the machine, loads the models, starts to compute.
fn pool(output: Output, args: &WorkerRunArgs, device: Option<Device>) -> CliResult<Pool> {
    let compute = machine::compute(&args.compute)?;
    let home = Home::find()?;
    let paths: Vec<PathBuf> = if args.models.is_empty() {
        vec![find(&home, None)?]
    } else {
        args.models.iter().map(|model| find(&home, Some(model))).collect::<CliResult<_>>()?
    };
    let spinner = output.spinner("loading models");
    let load = |path: &PathBuf| {
        load(path, None).map_err(|error| CliError::verdict(format!("cannot use {}: {error}", path.display())))
    };
    let models = paths.iter().map(load).collect::<CliResult<Vec<_>>>()?;
    let resources = Resources { device, ..Resources::default() };
    let pool = Pool::start_with(models, &PoolConfig { compute }, resources);
    spinner.finish_and_clear();
    pool.map_err(|error| match error {
        PoolError::SelfTest(_) => {
            CliError::verdict(error).hint("`noema worker selftest` shows which operation is wrong")
        }
        PoolError::Thread(_) | PoolError::Duplicate(_) | PoolError::Device { .. } => CliError::fault(error),
    })
}

/// "host:port" of an address or URL.
fn address(node: &str) -> CliResult<String> {
    let plain = node.strip_prefix("https://").unwrap_or(node).trim_end_matches('/');
    let port = plain.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)));
    match port {
        Some((host, _)) if !host.is_empty() && !plain.contains("://") && !plain.contains('/') => Ok(plain.to_owned()),
        _ => Err(CliError::fault(format!("`{node}` is no address of a node"))
            .hint("write HOST:PORT, as `worker_listen` of the node's configuration says")),
    }
}

fn explain(error: AttachError) -> CliError {
    let hint = match &error {
        AttachError::KeyRefused { key, .. } => {
            format!("admit it in the node's node.toml, then start the node again: [inference] workers = [\"{key}\"]")
        }
        AttachError::WrongNode { .. } => {
            "compare --node-key with what `noema worker list` on the node prints".to_owned()
        }
        AttachError::Protocol { .. } => {
            "is it the node's worker_listen, not its REST API? do both run the same release?".to_owned()
        }
        AttachError::Refused(_) => "`noema worker selftest` tests this machine; the node's log says more".to_owned(),
        AttachError::Own(_) => "the log says more".to_owned(),
    };
    match &error {
        AttachError::Own(_) => CliError::fault(&error).hint(hint),
        _ => CliError::verdict(&error).hint(hint),
    }
}

#[cfg(test)]
mod tests {
    use super::address;

    #[test]
    fn nodes_have_a_host_and_a_port() {
        for (text, expected) in
            [("a:1", "a:1"), ("https://10.0.0.1:6190/", "10.0.0.1:6190"), ("[::1]:6190", "[::1]:6190")]
        {
            assert_eq!(address(text).ok().as_deref(), Some(expected));
        }
        for wrong in ["", "a", ":1", "a:", "a:70000", "http://a:1", "https://a:1/v1"] {
            assert!(address(wrong).is_err(), "{wrong}");
        }
    }
}
