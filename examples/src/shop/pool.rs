//! SQLite blocks its thread, so queries run on threads that may be blocked, a fixed number at a
//! time. These threads belong to no runtime.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use blocking::unblock;
use rusqlite::{Connection, OpenFlags};
use tokio::sync::Semaphore;

use super::ShopError;

/// How long a reader waits for a writer to finish, and the other way round.
const PATIENCE: Duration = Duration::from_secs(10);

/// How much of the file is mapped into memory, in bytes: all of it, unless it is made far larger
/// than usual.
const MAPPED: u64 = 1 << 30;

/// Read-only connections, opened when first needed and kept.
#[derive(Debug)]
pub(super) struct Pool {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
}

impl Pool {
    pub(super) fn new(path: &Path, connections: usize) -> Self {
        Self {
            path: path.to_owned(),
            idle: Mutex::default(),
            permits: Arc::new(Semaphore::new(connections.max(1))),
        }
    }

    /// Waits for a free connection and runs `query` on it.
    ///
    /// Dropping the future gives up the place in the queue; a query that has begun runs to its end,
    /// unseen.
    pub(super) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        query: impl FnOnce(&Connection) -> Result<T, ShopError> + Send + 'static,
    ) -> Result<T, ShopError> {
        let permit = Arc::clone(&self.permits)
            .acquire_owned()
            .await
            .map_err(|_| ShopError::Interrupted)?;
        let pool = Arc::clone(self);
        unblock(move || {
            // The permit travels with the query: it is free again when the connection is, not when
            // the caller is gone.
            let _permit = permit;
            let connection = pool.take()?;
            let answer = query(&connection);
            pool.give_back(connection);
            answer
        })
        .await
    }

    /// Runs `change` on a connection of its own, which may write.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Connection) -> Result<T, ShopError> + Send + 'static,
    ) -> Result<T, ShopError> {
        let path = self.path.clone();
        unblock(move || change(&open_writer(&path)?)).await
    }

    fn take(&self) -> Result<Connection, ShopError> {
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        idle.map_or_else(|| open_reader(&self.path), Ok)
    }

    fn give_back(&self, connection: Connection) {
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(connection);
    }
}

pub(super) fn open_reader(path: &Path) -> Result<Connection, ShopError> {
    // One connection is used by one thread at a time, so SQLite's own lock around each is not
    // needed.
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(PATIENCE)?;
    connection.pragma_update(None, "query_only", true)?;
    // A server would give its database enough memory, so it gets it here: pages are read in place,
    // not copied.
    connection.pragma_update(None, "mmap_size", MAPPED)?;
    Ok(connection)
}

fn open_writer(path: &Path) -> Result<Connection, ShopError> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.busy_timeout(PATIENCE)?;
    // The data can be made again from its seed, so no write has to wait for the disk.
    connection.pragma_update(None, "synchronous", "OFF")?;
    Ok(connection)
}
