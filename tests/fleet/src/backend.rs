//! The database: a version for each key. It is part of the test, and processes reach it by a
//! socket.
//!
//! A connection has one line of request and one line of response: `load KEY…`, `write KEY`, or
//! `peek KEY…`, which reads and counts no load. The response has a version for each key.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use rand::Rng;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;

/// How long loads take after they have read their rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delays {
    /// Most loads take up to this time.
    pub usual: Duration,
    /// One load in 50 takes up to this time.
    pub late: Duration,
}

impl Delays {
    /// All loads take up to this time.
    #[must_use]
    pub const fn up_to(time: Duration) -> Self {
        Self {
            usual: time,
            late: time,
        }
    }

    fn draw(self) -> Duration {
        let mut random = rand::rng();
        let longest = if random.random_ratio(1, 50) {
            self.late
        } else {
            self.usual
        };
        longest.mul_f64(random.random())
    }
}

/// The database as the test sees it.
#[derive(Debug, Clone)]
pub struct Backend(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    socket: PathBuf,
    tables: Mutex<Tables>,
    /// Keys whose loads are held back.
    held: watch::Sender<BTreeSet<u32>>,
}

#[derive(Debug)]
struct Tables {
    rows: HashMap<u32, Row>,
    delays: Delays,
    /// Loads that are held back now.
    waiting: HashMap<u32, usize>,
}

#[derive(Debug, Clone, Copy)]
struct Row {
    version: u64,
    loads: usize,
}

impl Backend {
    /// Listens on a socket.
    ///
    /// # Panics
    /// If the socket cannot be bound.
    #[must_use]
    pub fn listen(socket: PathBuf) -> Self {
        let listener = UnixListener::bind(&socket).expect("a socket");
        let backend = Self(Arc::new(Shared {
            socket,
            tables: Mutex::new(Tables {
                rows: HashMap::new(),
                delays: Delays::up_to(Duration::ZERO),
                waiting: HashMap::new(),
            }),
            held: watch::Sender::default(),
        }));
        let shared = backend.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let backend = shared.clone();
                // A process that was killed does not read its response.
                tokio::spawn(async move { drop(backend.serve(stream).await) });
            }
        });
        backend
    }

    /// The path of the socket.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.0.socket
    }

    async fn serve(&self, stream: UnixStream) -> io::Result<()> {
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let mut words = line.split_ascii_whitespace();
        let request = words.next().unwrap_or_default();
        let keys: Vec<u32> = words.filter_map(|word| word.parse().ok()).collect();
        let versions: Vec<_> = match request {
            "load" => self.load(&keys).await,
            "write" => keys.iter().map(|&key| self.write(key)).collect(),
            "peek" => keys.iter().map(|&key| self.version(key)).collect(),
            other => return Err(io::Error::other(format!("{other} is no request"))),
        };
        let versions: Vec<_> = versions.iter().map(ToString::to_string).collect();
        let response = versions.join(" ") + "\n";
        stream.write_all(response.as_bytes()).await
    }

    async fn load(&self, keys: &[u32]) -> Vec<u64> {
        let (versions, delay) = self.tables().load(keys);
        tokio::time::sleep(delay).await;
        for &key in keys {
            *self.tables().waiting.entry(key).or_default() += 1;
            let mut held = self.0.held.subscribe();
            // An error: the test has ended.
            let _ = held.wait_for(|held| !held.contains(&key)).await;
            *self.tables().waiting.entry(key).or_default() -= 1;
        }
        versions
    }

    /// Sets how long loads take.
    pub fn set_delays(&self, delays: Delays) {
        self.tables().delays = delays;
    }

    /// Holds loads of a key back, after they have read its version.
    pub fn hold(&self, key: u32) {
        self.0.held.send_modify(|held| {
            held.insert(key);
        });
    }

    /// Lets loads of a key end.
    pub fn release(&self, key: u32) {
        self.0.held.send_modify(|held| {
            held.remove(&key);
        });
    }

    /// How many loads of a key are held back now.
    #[must_use]
    pub fn waiting(&self, key: u32) -> usize {
        self.tables().waiting.get(&key).copied().unwrap_or(0)
    }

    /// Writes the next version of a row, and returns it.
    pub fn write(&self, key: u32) -> u64 {
        let mut tables = self.tables();
        let row = tables.row(key);
        row.version += 1;
        row.version
    }

    /// Sets the version of a row.
    pub fn set(&self, key: u32, version: u64) {
        self.tables().row(key).version = version;
    }

    /// The version of a row.
    #[must_use]
    pub fn version(&self, key: u32) -> u64 {
        self.tables().row(key).version
    }

    /// How often a row was loaded.
    #[must_use]
    pub fn loads(&self, key: u32) -> usize {
        self.tables().row(key).loads
    }

    /// How often rows were loaded.
    #[must_use]
    pub fn all_loads(&self) -> usize {
        self.tables().rows.values().map(|row| row.loads).sum()
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.0
            .tables
            .lock()
            .expect("nothing panics under this lock")
    }
}

impl Tables {
    /// Reads rows, and draws how long the load takes from now on.
    fn load(&mut self, keys: &[u32]) -> (Vec<u64>, Duration) {
        let versions = keys.iter().map(|&key| {
            let row = self.row(key);
            row.loads += 1;
            row.version
        });
        (versions.collect(), self.delays.draw())
    }

    fn row(&mut self, key: u32) -> &mut Row {
        self.rows.entry(key).or_insert(Row {
            version: 1,
            loads: 0,
        })
    }
}

/// The database as a process sees it.
#[derive(Debug, Clone)]
pub struct Database(Arc<Path>);

impl Database {
    /// The database with this socket.
    #[must_use]
    pub fn at(socket: &Path) -> Self {
        Self(socket.into())
    }

    /// Loads rows.
    ///
    /// # Errors
    /// If the test has ended.
    pub async fn load(&self, keys: &[u32]) -> io::Result<Vec<u64>> {
        self.request("load", keys).await
    }

    /// Reads rows without a load.
    ///
    /// # Errors
    /// If the test has ended.
    pub async fn peek(&self, keys: &[u32]) -> io::Result<Vec<u64>> {
        self.request("peek", keys).await
    }

    /// Writes the next version of a row, and returns it.
    ///
    /// # Errors
    /// If the test has ended.
    pub async fn write(&self, key: u32) -> io::Result<u64> {
        Ok(self.request("write", &[key]).await?[0])
    }

    async fn request(&self, request: &str, keys: &[u32]) -> io::Result<Vec<u64>> {
        let stream = UnixStream::connect(&self.0).await?;
        let mut stream = BufReader::new(stream);
        let keys: Vec<_> = keys.iter().map(ToString::to_string).collect();
        let line = format!("{request} {}\n", keys.join(" "));
        stream.write_all(line.as_bytes()).await?;
        let mut response = String::new();
        stream.read_line(&mut response).await?;
        let versions = response.split_ascii_whitespace().map(str::parse);
        let versions: Vec<u64> = versions
            .collect::<Result<_, _>>()
            .map_err(io::Error::other)?;
        if versions.len() != keys.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(versions)
    }
}
