//! A pool of connections. SQLite blocks its thread, so queries run on threads that may be blocked,
//! a fixed number at a time. These threads belong to no runtime.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use blocking::unblock;
use rusqlite::{Connection, OpenFlags};
use tokio::sync::Semaphore;

use super::ShopError;

/// The time that a reader waits for a writer, and a writer for a reader.
const PATIENCE: Duration = Duration::from_secs(10);

/// The number of bytes of the file that are mapped into memory: the whole file, unless it is far
/// larger than usual.
const MAPPED: u64 = 1 << 30;

/// Read-only connections. Each is opened when it is first needed, and kept.
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
    /// Dropping the future leaves the queue. A query that has begun runs to its end, and its result
    /// is dropped.
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
            // The query owns the permit, which is released with the connection and not when the
            // caller is cancelled.
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
    // Each connection is used by one thread at a time, so SQLite's own lock is not needed.
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(PATIENCE)?;
    connection.pragma_update(None, "query_only", true)?;
    // A database server would have enough memory, so this database gets it here: pages are read in
    // place, not copied.
    connection.pragma_update(None, "mmap_size", MAPPED)?;
    Ok(connection)
}

fn open_writer(path: &Path) -> Result<Connection, ShopError> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.busy_timeout(PATIENCE)?;
    // The data can be recreated from its seed, so writes need not wait for the disk.
    connection.pragma_update(None, "synchronous", "OFF")?;
    Ok(connection)
}
