//! A process that commits blocks is killed again and again: nothing it acknowledged is lost, nothing is there twice.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking too")]

mod common;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use common::{block, memory};
use noema_state::{COLUMNS, StateDb};
use noema_store::{RocksOptions, RocksStore};
use noema_types::*;

/// Where the child finds the database.
const FOLDER: &str = "NOEMA_TEST_KILL_FOLDER";
/// How often the child is killed.
const KILLS: usize = 20;

fn open(folder: &Path) -> StateDb {
    // Small buffers, so that files are written and compacted under the test too.
    let options = RocksOptions { block_cache_bytes: 1 << 20, write_buffer_bytes: 64 << 10 };
    StateDb::open(Arc::new(RocksStore::open(folder, COLUMNS, options).unwrap())).unwrap()
}

/// The block at a height: the same in every process.
fn block_at(height: u64) -> BlockCommit {
    let change = |number: u64| ((number * 7 % 48) as u8, (!number.is_multiple_of(3)).then(|| vec![number as u8; 200]));
    let plan = (0..3).map(|part| (0..4).map(|number| change(height + part * 5 + number)).collect()).collect();
    block(height, height * 3, &plan)
}

#[test]
#[ignore = "the other test starts it, and kills it"]
fn child() {
    #[allow(clippy::disallowed_methods, reason = "the parent passes the folder so; nothing deterministic reads it")]
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let db = open(Path::new(&folder));
    loop {
        let height = db.next_height();
        db.commit_block(&block_at(height.0)).unwrap();
        writeln!(std::io::stdout(), "committed {height}").unwrap();
    }
}

/// Lets the child commit some blocks and kills it; the last height that it acknowledged.
fn run_and_kill(folder: &Path, commits: usize) -> Option<u64> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut heights = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok)
        .filter_map(|line| line.rsplit_once("committed ")?.1.parse::<u64>().ok());
    let seen = heights.by_ref().take(commits).last();
    child.kill().unwrap();
    let last = heights.last().or(seen);
    child.wait().unwrap();
    last
}

#[test]
fn no_acknowledged_block_is_lost_and_none_is_there_twice() {
    let folder = tempfile::tempdir().unwrap();
    let reference = memory();
    for kill in 0..KILLS {
        let acknowledged = run_and_kill(folder.path(), 1 + kill * 7 % 23).expect("the child commits at least one");
        let db = open(folder.path());
        let latest = db.latest().unwrap();
        assert!(latest.info.height.0 >= acknowledged, "kill {kill}: block {acknowledged} is lost");
        assert!(latest.info.height.0 <= acknowledged + 1, "kill {kill}: at most one block is in flight");
        while reference.next_height() <= latest.info.height {
            reference.commit_block(&block_at(reference.next_height().0)).unwrap();
        }
        assert_eq!(reference.latest(), Some(latest.clone()), "kill {kill}: as if nothing had happened");
        assert_eq!(db.commit_block(&block_at(latest.info.height.0)), Ok(latest), "kill {kill}: again is nothing new");
    }
    let db = open(folder.path());
    for version in 0..=reference.latest_version().unwrap().0 {
        let version = Version(version);
        assert_eq!(db.transaction(version).unwrap(), reference.transaction(version).unwrap());
    }
}
