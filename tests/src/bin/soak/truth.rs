//! What is true of each key, whatever the cache says: what stands in for the database, and who loads from it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use crate::figures::{Figure, Figures};

/// A value: the key that it was made for, and which version of it.
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
    /// Held by who writes one key; exclusively by who clears the cache.
    clearing: RwLock<()>,
    /// Values that there are.
    census: Arc<AtomicU64>,
    payload: usize,
    next_load: AtomicU64,
    figures: Arc<Figures>,
}

#[derive(Debug, Default)]
struct Key {
    /// Held while the database and the cache are written, so that writes come to both in the same order.
    writing: Mutex<()>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// What the database has.
    version: u64,
    /// No call that begins from now on may be answered with an older version.
    settled: u64,
    /// Calls that may begin a new generation of the key: so many were made, so many have returned.
    begun: u64,
    ended: u64,
    /// Loaders that are there.
    loads: Vec<Running>,
}

#[derive(Debug)]
struct Running {
    id: u64,
    /// How many generations were over when the load began, at the least.
    since: u64,
    /// Whether another load began in the same generation.
    is_doubled: bool,
    /// How often it was polled since.
    strays: u32,
}

/// What was true of a key when a call began.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) key: u32,
    settled: u64,
    /// How many generations were over.
    pub(crate) since: u64,
}

impl Truth {
    /// Values have a payload of so many bytes.
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

    /// How many values there are.
    pub(crate) fn census(&self) -> u64 {
        self.census.load(Ordering::Relaxed)
    }

    /// To be called before `key` is asked for.
    pub(crate) fn ask(&self, key: u32) -> Asked {
        let state = self.state(key);
        Asked {
            key,
            settled: state.settled,
            since: state.ended,
        }
    }

    /// Checks an answer.
    pub(crate) fn check(&self, asked: Asked, value: &Value) {
        let Asked { key, settled, .. } = asked;
        let body = &value.0;
        self.figures.count(Figure::Answers);
        self.figures.check(body.key == key, || {
            format!("who asked for key {key} got the value of key {}", body.key)
        });
        self.figures.check(body.version >= settled, || {
            let version = body.version;
            format!(
                "who asked for key {key} got version {version}, which version {settled} had replaced before"
            )
        });
    }

    /// Writes a new version of `key` to the database, and then has `write` tell the cache.
    pub(crate) fn write(&self, key: u32, write: impl FnOnce(u64)) {
        let _not_cleared = read(&self.clearing);
        let _alone = lock(&self.keys[key as usize].writing);
        let version = self.state(key).begin();
        write(version);
        self.state(key).end(version);
    }

    /// Writes a new version of every key to the database, and then has `clear` empty the cache.
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

    /// Offers the present version of `key`, which nobody replaces meanwhile.
    pub(crate) fn prime(&self, key: u32, prime: impl FnOnce(Value)) {
        let _not_cleared = read(&self.clearing);
        let _alone = lock(&self.keys[key as usize].writing);
        let version = self.state(key).version;
        prime(self.value(key, version));
    }

    /// To be held while `key` is refreshed: that begins a new generation.
    pub(crate) fn refresh(&self, key: u32) -> Refreshing<'_> {
        self.state(key).begun += 1;
        Refreshing { truth: self, key }
    }

    /// A loader for `key` begins, of a load that did not begin before so many generations were over.
    pub(crate) fn load(self: &Arc<Self>, key: u32, since: u64) -> Load {
        self.figures.count(Figure::LoadersRun);
        let id = self.next_load.fetch_add(1, Ordering::Relaxed);
        let mut state = self.state(key);
        let begun = state.begun;
        for other in &mut state.loads {
            // No call that may begin a new generation was made that had not returned before both.
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

    /// Forgets which generations there were. To be called when nothing is under way.
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

/// A key is being refreshed.
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

/// A loader that is there, until this is dropped.
#[derive(Debug)]
pub(crate) struct Load {
    truth: Arc<Truth>,
    key: u32,
    id: u64,
    version: u64,
}

impl Load {
    /// What it has found.
    pub(crate) fn value(&self) -> Value {
        self.truth.value(self.key, self.version)
    }

    /// To be called whenever the loader is polled.
    pub(crate) fn polled(&self) {
        let mut state = self.truth.state(self.key);
        let running = state.loads.iter_mut().find(|load| load.id == self.id);
        let Some(running) = running.filter(|load| load.is_doubled) else {
            return;
        };
        running.strays += 1;
        // A poll may have been about to begin when the load was dropped, and another load took its place.
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
