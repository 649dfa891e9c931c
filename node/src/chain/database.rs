//! The database on disk, which a restored snapshot may replace while the node runs.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use noema_state::{COLUMNS, StateDb};
use noema_store::{RocksOptions, RocksStore, Store};
use noema_types::BlockCommit;
use parking_lot::RwLock;

use crate::NodeError;

/// Names the folder of the database that is in use.
const CURRENT: &str = "CURRENT";
const FIRST: &str = "db";

/// The state and the ledger, and where they lie.
#[derive(Debug)]
pub(super) struct Database {
    folder: PathBuf,
    state: RwLock<StateDb>,
}

impl Database {
    /// Opens the database that is in use, or an empty one. Folders of others, left by an interrupted restore, go.
    pub(super) fn open(folder: &Path) -> Result<Self, NodeError> {
        fs::create_dir_all(folder).map_err(|error| database_error(folder, &error))?;
        let current = match fs::read_to_string(folder.join(CURRENT)) {
            Ok(name) => name.trim().to_owned(),
            Err(_) => FIRST.to_owned(),
        };
        for entry in fs::read_dir(folder).map_err(|error| database_error(folder, &error))?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with(FIRST) && name != current {
                fs::remove_dir_all(entry.path()).map_err(|error| database_error(&entry.path(), &error))?;
            }
        }
        let path = folder.join(current);
        let state = StateDb::open(open_store(&path)?).map_err(|error| database_error(&path, &error))?;
        Ok(Self { folder: folder.to_owned(), state: RwLock::new(state) })
    }

    /// The database in use. Clones share everything.
    pub(super) fn state(&self) -> StateDb {
        self.state.read().clone()
    }

    /// Commits the first block into an empty database; another chain's database is refused.
    pub(super) fn begin(&self, first: &BlockCommit) -> Result<(), NodeError> {
        let state = self.state();
        let committed = match state.base() {
            // A restored database begins later: its certified blocks tie it to the chain.
            Some(base) if base.info.height > first.height => return Ok(()),
            _ => state.commit_block(first),
        };
        committed.map(drop).map_err(|error| {
            NodeError::Genesis(format!(
                "{}: {error}\nhint: this folder belongs to another chain; use another data_dir or the right genesis file",
                self.folder.display()
            ))
        })
    }

    /// An empty store beside the one in use, for a snapshot of this name.
    pub(super) fn beside(&self, name: &str) -> Result<(String, Arc<dyn Store>), NodeError> {
        let name = format!("{FIRST}-{name}");
        let path = self.folder.join(&name);
        if path.exists() {
            fs::remove_dir_all(&path).map_err(|error| database_error(&path, &error))?;
        }
        Ok((name, open_store(&path)?))
    }

    /// Makes a database beside the one in use the one in use, durably.
    pub(super) fn replace(&self, name: &str, state: StateDb) -> Result<(), NodeError> {
        let written = || -> std::io::Result<()> {
            let temporary = self.folder.join(format!("{CURRENT}.new"));
            let mut file = fs::File::create(&temporary)?;
            file.write_all(name.as_bytes())?;
            file.sync_all()?;
            fs::rename(&temporary, self.folder.join(CURRENT))?;
            fs::File::open(&self.folder)?.sync_all()
        };
        written().map_err(|error| database_error(&self.folder, &error))?;
        *self.state.write() = state;
        Ok(())
    }
}

fn open_store(path: &Path) -> Result<Arc<dyn Store>, NodeError> {
    let store =
        RocksStore::open(path, COLUMNS, RocksOptions::default()).map_err(|error| database_error(path, &error))?;
    Ok(Arc::new(store))
}

fn database_error(path: &Path, error: &dyn std::fmt::Display) -> NodeError {
    NodeError::Database { path: path.to_owned(), reason: error.to_string() }
}
