//! The true state of each key, independent of the cache: a substitute for the database, and the
//! loads from it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use crate::figures::{Figure, Figures};

/// A value with its key and its version.
#[derive(Debug, Clone)]
pub(crate) struct Value(Arc<Body>);

#[derive(Debug)]
struct Body {
    key: u32,
    version: u64,
    census: Arc<AtomicU64>,
    _payload: Box<[u8]>,
}

impl Drop for Body {
    fn drop(&mut self) {
        self.census.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The keys of one cache.
#[derive(Debug)]
pub(crate) struct Truth {
    keys: Box<[Key]>,
    /// Held shared while one key is written, and exclusively while the cache is cleared.
    clearing: RwLock<()>,
    /// Number of live values.
    census: Arc<AtomicU64>,
    payload: usize,
    next_load: AtomicU64,
    figures: Arc<Figures>,
}

#[derive(Debug, Default)]
struct Key {
    /// Held while the database and the cache are written, so that both get the writes in the same
    /// order.
    writing: Mutex<()>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The version in the database.
    version: u64,
    /// A call that begins from now on must not return an older version.
    settled: u64,
    /// Calls that may begin a new generation of the key: the number that began, and the number that
    /// returned.
    begun: u64,
    ended: u64,
    /// Running loaders.
    loads: Vec<Running>,
}

#[derive(Debug)]
struct Running {
    id: u64,
    /// Lower bound of the number of generations that were over when the load began.
    since: u64,
    /// Whether another load began in the same generation.
    is_doubled: bool,
    /// Number of polls since then.
    strays: u32,
}

/// The state of a key when a call began.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lookup {
    pub(crate) key: u32,
    settled: u64,
    /// Number of generations that were over.
    pub(crate) since: u64,
}

impl Truth {
    /// Creates the keys. Values have a payload of `payload` bytes.
    pub(crate) fn new(keys: u32, payload: usize, figures: Arc<Figures>) -> Self {
        Self {
            keys: (0..keys).map(|_| Key::default()).collect(),
            clearing: RwLock::default(),
            census: Arc::default(),
            payload,
            next_load: AtomicU64::new(0),
            figures,
        }
    }

    pub(crate) fn figures(&self) -> &Figures {
        &self.figures
    }

    pub(crate) fn value(&self, key: u32, version: u64) -> Value {
        self.census.fetch_add(1, Ordering::Relaxed);
        Value(Arc::new(Body {
            key,
            version,
            census: Arc::clone(&self.census),
            _payload: vec![0; self.payload].into(),
        }))
    }

    /// Number of live values.
    pub(crate) fn census(&self) -> u64 {
        self.census.load(Ordering::Relaxed)
    }

    /// Called before `key` is requested.
    pub(crate) fn begin_lookup(&self, key: u32) -> Lookup {
        let state = self.state(key);
        Lookup {
            key,
            settled: state.settled,
            since: state.ended,
        }
    }

    /// Checks the value that a call returned.
    pub(crate) fn check(&self, lookup: Lookup, value: &Value) {
        let Lookup { key, settled, .. } = lookup;
        let body = &value.0;
        self.figures.count(Figure::Answers);
        self.figures.check(body.key == key, || {
            format!("a caller of key {key} got the value of key {}", body.key)
        });
        self.figures.check(body.version >= settled, || {
            let version = body.version;
            format!(
                "a caller of key {key} got version {version}, but version {settled} had replaced it before the call"
            )
        });
    }

    /// Writes a new version of `key` to the database, then calls `write` to update the cache.
    pub(crate) fn write(&self, key: u32, write: impl FnOnce(u64)) {
        let _not_cleared = read(&self.clearing);
        let _alone = lock(&self.keys[key as usize].writing);
        let version = self.state(key).begin();
        write(version);
        self.state(key).end(version);
    }

    /// Writes a new version of every key to the database, then calls `clear` to empty the cache.
    pub(crate) fn write_all<T>(&self, clear: impl FnOnce() -> T) -> T {
        let _alone = self
            .clearing
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let keys = 0..self.keys.len() as u32;
        let versions: Vec<_> = keys.clone().map(|key| self.state(key).begin()).collect();
        let answer = clear();
        for (key, version) in keys.zip(versions) {
            self.state(key).end(version);
        }
        answer
    }

    /// Passes the current version of `key` to `prime`. No task replaces it meanwhile.
    pub(crate) fn prime(&self, key: u32, prime: impl FnOnce(Value)) {
        let _not_cleared = read(&self.clearing);
        let _alone = lock(&self.keys[key as usize].writing);
        let version = self.state(key).version;
        prime(self.value(key, version));
    }

    /// Held while `key` is refreshed, which begins a new generation.
    pub(crate) fn refresh(&self, key: u32) -> Refreshing<'_> {
        self.state(key).begun += 1;
        Refreshing { truth: self, key }
    }

    /// Records the start of a loader for `key`. At least `since` generations were over when its
    /// load began.
    pub(crate) fn load(self: &Arc<Self>, key: u32, since: u64) -> Load {
        self.figures.count(Figure::LoadersRun);
        let id = self.next_load.fetch_add(1, Ordering::Relaxed);
        let mut state = self.state(key);
        let begun = state.begun;
        for other in &mut state.loads {
            // Both loads are in one generation if every call that may begin a new one had returned
            // before both began.
            other.is_doubled |= begun == other.since.min(since);
        }
        state.loads.push(Running {
            id,
            since,
            is_doubled: false,
            strays: 0,
        });
        Load {
            truth: Arc::clone(self),
            key,
            id,
            version: state.version,
        }
    }

    /// Resets the generations. Called when no call is in flight.
    pub(crate) fn rest(&self) {
        for key in 0..self.keys.len() as u32 {
            let mut state = self.state(key);
            (state.begun, state.ended) = (0, 0);
        }
    }

    fn state(&self, key: u32) -> MutexGuard<'_, State> {
        lock(&self.keys[key as usize].state)
    }
}

impl State {
    fn begin(&mut self) -> u64 {
        self.begun += 1;
        self.version += 1;
        self.version
    }

    fn end(&mut self, version: u64) {
        self.ended += 1;
        self.settled = self.settled.max(version);
    }
}

/// A refresh in progress.
#[derive(Debug)]
pub(crate) struct Refreshing<'a> {
    truth: &'a Truth,
    key: u32,
}

impl Drop for Refreshing<'_> {
    fn drop(&mut self) {
        self.truth.state(self.key).ended += 1;
    }
}

/// A running loader, until this is dropped.
#[derive(Debug)]
pub(crate) struct Load {
    truth: Arc<Truth>,
    key: u32,
    id: u64,
    version: u64,
}

impl Load {
    /// The loaded value.
    pub(crate) fn value(&self) -> Value {
        self.truth.value(self.key, self.version)
    }

    /// Called on each poll of the loader.
    pub(crate) fn polled(&self) {
        let mut state = self.truth.state(self.key);
        let running = state.loads.iter_mut().find(|load| load.id == self.id);
        let Some(running) = running.filter(|load| load.is_doubled) else {
            return;
        };
        running.strays += 1;
        // One poll is allowed: it may have been about to begin when the load was dropped and
        // another load replaced it.
        if running.strays == 2 {
            drop(state);
            let key = self.key;
            self.truth
                .figures
                .violate(format_args!("two loads of key {key} at the same time"));
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        let mut state = self.truth.state(self.key);
        state.loads.retain(|load| load.id != self.id);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read(lock: &RwLock<()>) -> impl Drop + '_ {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}
