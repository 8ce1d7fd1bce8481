//! No call returns a value that was invalidated `max_staleness` before it began, whatever fails.
//!
//! Several processes read a few keys, and all but one invalidate them, while links stall and break
//! and the server stops, restarts, forgets, and comes back with old data. The backend counts
//! versions. A read of the first tier alone, which knows no horizon, is the control: it must return
//! such values, or the test would see none.
//!
//! `CACHE_TIER_SECONDS` is how long it runs (default: 6).

#![cfg(unix)]

mod servers;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use servers::proxy::Proxy;
use servers::{MAX_STALENESS, Process, Server, believed, builder, on_each_server_with, process};

const KEYS: usize = 10;
const PROCESSES: usize = 3;

/// The database, and what the invalidations promise.
#[derive(Default)]
struct Backend {
    rows: Mutex<Vec<Row>>,
}

#[derive(Clone, Default)]
struct Row {
    version: u64,
    /// When the invalidation after the write of a version returned `Ok`.
    promised: Vec<(u64, Instant)>,
}

/// What the readers found.
#[derive(Default)]
struct Findings {
    reads: AtomicUsize,
    stale: AtomicUsize,
    control: AtomicUsize,
    invalidations: AtomicUsize,
    has_ended: AtomicBool,
}

impl Backend {
    fn version(&self, key: usize) -> u64 {
        self.rows.lock().unwrap()[key].version
    }

    fn write(&self, key: usize) -> u64 {
        let row = &mut self.rows.lock().unwrap()[key];
        row.version += 1;
        row.version
    }

    fn promise(&self, key: usize, version: u64) {
        let row = &mut self.rows.lock().unwrap()[key];
        row.promised.push((version, Instant::now()));
    }

    /// The oldest version that a call may return which begins now.
    fn oldest_allowed(&self, key: usize) -> u64 {
        let now = Instant::now();
        let row = &self.rows.lock().unwrap()[key];
        let due = row
            .promised
            .iter()
            .filter(|(_, at)| *at + MAX_STALENESS <= now);
        due.map(|(version, _)| *version).max().unwrap_or(0)
    }
}

async fn read(process: Process, backend: Arc<Backend>, findings: Arc<Findings>) {
    for key in (0..KEYS).cycle() {
        if findings.has_ended.load(Ordering::Relaxed) {
            return;
        }
        let allowed = backend.oldest_allowed(key);
        let is_old = |value: &str| value.parse::<u64>().unwrap() < allowed;
        if process
            .cache()
            .get(&key.to_string())
            .is_some_and(|value| is_old(&value))
        {
            findings.control.fetch_add(1, Ordering::Relaxed);
        }
        let allowed = backend.oldest_allowed(key);
        let is_old = |value: &str| value.parse::<u64>().unwrap() < allowed;
        let loader = {
            let backend = Arc::clone(&backend);
            move || async move { backend.version(key).to_string() }
        };
        let value = process.get_with(key.to_string(), loader).await;
        findings.reads.fetch_add(1, Ordering::Relaxed);
        if is_old(&value) {
            findings.stale.fetch_add(1, Ordering::Relaxed);
            eprintln!("key {key}: version {value}, but {allowed} was promised");
        }
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
}

/// Reads the first tier alone.
async fn read_control(process: Process, backend: Arc<Backend>, findings: Arc<Findings>) {
    for key in (0..KEYS).cycle() {
        if findings.has_ended.load(Ordering::Relaxed) {
            return;
        }
        let allowed = backend.oldest_allowed(key);
        let value = process.cache().get(&key.to_string());
        if value.is_some_and(|value| value.parse::<u64>().unwrap() < allowed) {
            findings.control.fetch_add(1, Ordering::Relaxed);
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn write(process: Process, backend: Arc<Backend>, findings: Arc<Findings>, first: usize) {
    for key in (0..KEYS).cycle().skip(first) {
        if findings.has_ended.load(Ordering::Relaxed) {
            return;
        }
        let version = backend.write(key);
        if process.invalidate(&key.to_string()).await.is_ok() {
            backend.promise(key, version);
            findings.invalidations.fetch_add(1, Ordering::Relaxed);
        }
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
}

/// What fails, in turn. Each fault lasts long enough for a process that does not notice it to be
/// caught.
async fn fail(server: &mut Server, proxies: &[Proxy], until: Instant) {
    let long = MAX_STALENESS * 3 / 2;
    let short = MAX_STALENESS / 4;
    for turn in 0.. {
        if Instant::now() > until {
            return;
        }
        match turn % 7 {
            // The process that only reads: the others remove values from their own first tiers.
            0 => {
                proxies[0].stall();
                tokio::time::sleep(long).await;
                proxies[0].resume();
            }
            1 => proxies[turn % proxies.len()].cut(),
            2 => {
                server.freeze();
                tokio::time::sleep(long).await;
                server.resume();
            }
            3 => {
                let _: redis::Value = server.command(&["SAVE"]).await;
                tokio::time::sleep(short).await;
                server.kill();
                server.start();
            }
            4 => {
                let _: redis::Value = server.command(&["FLUSHALL"]).await;
            }
            5 => {
                let _: i64 = server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
            }
            _ => {
                let _: redis::Value = server.command(&["DEL", "test:ctl"]).await;
            }
        }
        tokio::time::sleep(short).await;
    }
}

#[test]
fn no_call_returns_a_value_beyond_max_staleness() {
    on_each_server_with(&["--dbfilename", "old.rdb"], |mut server| async move {
        let backend = Arc::new(Backend::default());
        backend.rows.lock().unwrap().resize(KEYS, Row::default());
        let findings = Arc::new(Findings::default());
        let mut proxies = vec![];
        let mut tasks = vec![];
        for number in 0..PROCESSES {
            let proxy = Proxy::to(server.socket()).await;
            let builder = builder(&proxy.url()).command_timeout(Duration::from_millis(300));
            let process = process(builder.lazy().unwrap());
            believed(&process).await;
            proxies.push(proxy);
            let state = || (process.clone(), Arc::clone(&backend), Arc::clone(&findings));
            for _ in 0..2 {
                let (process, backend, findings) = state();
                tasks.push(tokio::spawn(read(process, backend, findings)));
            }
            let (process, backend, findings) = state();
            tasks.push(if number == 0 {
                tokio::spawn(read_control(process, backend, findings))
            } else {
                tokio::spawn(write(process, backend, findings, number * 3))
            });
        }
        let until = Instant::now() + Duration::from_secs(servers::seconds());
        fail(&mut server, &proxies, until).await;
        findings.has_ended.store(true, Ordering::Relaxed);
        for task in tasks {
            task.await.unwrap();
        }
        let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
        let [reads, stale, control] =
            [&findings.reads, &findings.stale, &findings.control].map(count);
        let invalidations = count(&findings.invalidations);
        eprintln!("{reads} reads, {invalidations} invalidations, control: {control} stale");
        assert_eq!(stale, 0, "of {reads} reads");
        assert!(
            invalidations > 100,
            "{invalidations} invalidations returned Ok"
        );
        assert!(
            control > 0,
            "the faults would show a cache without a horizon"
        );
    });
}
