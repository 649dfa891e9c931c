//! When a process that serves should end: Ctrl-C, SIGTERM, or the end of its stdin.

use std::io::Read;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Time that a node has to stop in order once its parent is gone.
const ORPHAN_GRACE: Duration = Duration::from_secs(10);
/// Exit code of a node that did not stop in time.
const ORPHAN_EXIT_CODE: i32 = 2;

/// Resolves on Ctrl-C or SIGTERM.
pub(crate) async fn signalled() {
    let mut terminate = match signal(SignalKind::terminate()) {
        Ok(terminate) => terminate,
        Err(_) => return std::future::pending().await,
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

/// Says when stdin ends. From then on the process ends for sure: in order, or after a while by force, whatever it does.
///
/// Whoever holds the other end of the pipe keeps the process alive: the system closes it when that one dies, however it
/// dies.
pub(crate) fn watch_stdin() -> std::io::Result<watch::Receiver<bool>> {
    let (sender, receiver) = watch::channel(false);
    std::thread::Builder::new().name("stdin".to_owned()).spawn(move || {
        let mut buffer = [0; 256];
        let mut stdin = std::io::stdin().lock();
        while !matches!(stdin.read(&mut buffer), Ok(0) | Err(_)) {}
        let _ = sender.send(true);
        std::thread::sleep(ORPHAN_GRACE);
        std::process::exit(ORPHAN_EXIT_CODE);
    })?;
    Ok(receiver)
}

/// Resolves when [`watch_stdin`] has seen the end; never without one.
pub(crate) async fn stdin_ended(watched: Option<watch::Receiver<bool>>) {
    match watched {
        Some(mut watched) => {
            let _ = watched.wait_for(|ended| *ended).await;
        }
        None => std::future::pending().await,
    }
}
