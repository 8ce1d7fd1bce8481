//! A server, a database, and the processes that use them.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::backend::Backend;
use crate::checker::{self, Report};
use crate::child::Process;
use crate::clock;
use crate::log::Log;
use crate::options::Options;
use crate::proxy::Proxy;
use crate::server::{Server, programs};

/// How old a value may be in these tests.
pub const MAX_STALENESS: Duration = Duration::from_millis(800);

/// How long a test may take.
const LIMIT: Duration = Duration::from_secs(180);

/// Runs a test with a fresh server of each program. `child` is the program of a process.
pub fn on_each_server<F: Future<Output = ()>>(child: &str, test: impl Fn(Fleet) -> F) {
    on_each_server_with(child, &[], test);
}

/// Runs a test with a fresh server of each program, with further arguments.
///
/// # Panics
/// If the test does, or does not end.
pub fn on_each_server_with<F: Future<Output = ()>>(
    child: &str,
    arguments: &[&str],
    test: impl Fn(Fleet) -> F,
) {
    for program in programs() {
        eprintln!("on {}", program.display());
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let fleet = Fleet::start(Path::new(child), &program, arguments);
            let finished = tokio::time::timeout(LIMIT, test(fleet)).await;
            finished.expect("the test ends in time");
        });
        runtime.shutdown_background();
    }
}

/// A server, a database, and the logs of all processes.
#[derive(Debug)]
pub struct Fleet {
    /// The server.
    pub server: Server,
    /// The database.
    pub backend: Backend,
    child: PathBuf,
    program: PathBuf,
    logs: Mutex<Vec<PathBuf>>,
    own_log: Log,
    number: AtomicUsize,
    /// The last field: the server ends before its directory does.
    directory: Directory,
}

#[derive(Debug)]
struct Directory(PathBuf);

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Fleet {
    /// Starts a server of this program, and a database.
    ///
    /// # Panics
    /// If the server does not start.
    #[must_use]
    pub fn start(child: &Path, program: &Path, arguments: &[&str]) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("cache-fleet-{}-{number}", process::id());
        let directory = Directory(env::temp_dir().join(name));
        fs::create_dir_all(&directory.0).expect("a directory");
        let own_log = directory.0.join("log");
        Self {
            server: Server::start_in(directory.0.join("server"), program, arguments),
            backend: Backend::listen(directory.0.join("backend")),
            child: child.to_owned(),
            program: program.to_owned(),
            own_log: Log::create(&own_log),
            logs: Mutex::new(vec![own_log]),
            number: AtomicUsize::new(0),
            directory,
        }
    }

    /// Another server of the same program.
    #[must_use]
    pub fn another_server(&self, arguments: &[&str]) -> Server {
        let name = format!("server-{}", self.next());
        Server::start_in(self.directory.0.join(name), &self.program, arguments)
    }

    /// A proxy to the server.
    pub async fn proxy(&self) -> Proxy {
        Proxy::to(&self.server.socket()).await
    }

    /// The settings of a process. A call that waits for the server for long loads without it.
    #[must_use]
    pub fn options(&self) -> Options {
        Options {
            url: self.server.url(),
            backend: self.backend.socket().to_owned(),
            // Each process gets its own.
            log: PathBuf::new(),
            schema: 0,
            also: None,
            format: 0,
            padding: 0,
            wait_replicas: 0,
            weakness: None,
            max_staleness: millis(MAX_STALENESS),
            soft_timeout: 200,
            lease_time: 3_000,
            max_wait: 4_000,
            command_timeout: 1_000,
        }
    }

    /// The settings of a process whose calls wait for a busy machine, for tests that count loads.
    #[must_use]
    pub fn patient_options(&self) -> Options {
        Options {
            soft_timeout: 20_000,
            lease_time: 20_000,
            max_wait: 30_000,
            ..self.options()
        }
    }

    /// The settings of a process behind a proxy.
    #[must_use]
    pub fn options_behind(&self, proxy: &Proxy) -> Options {
        Options {
            url: proxy.url(),
            ..self.options()
        }
    }

    /// Starts a process. It may not be connected yet.
    pub fn spawn(&self, options: Options) -> Process {
        self.spawn_under(&[], options)
    }

    /// Starts a process under another program.
    ///
    /// # Panics
    /// If it does not start.
    pub fn spawn_under(&self, under: &[&str], mut options: Options) -> Process {
        options.log = self.directory.0.join(format!("log-{}", self.next()));
        let mut logs = self.logs.lock().expect("no panic under this lock");
        logs.push(options.log.clone());
        drop(logs);
        Process::start(&self.child, under, &options)
    }

    /// Starts a process, and waits until its first tier returns its values.
    pub async fn process(&self, options: Options) -> Process {
        let process = self.spawn(options);
        process.reaches("believed", 1).await;
        process
    }

    /// Starts processes with the usual settings.
    pub async fn processes<const N: usize>(&self) -> [Process; N] {
        self.processes_with(&self.options()).await
    }

    /// Starts processes whose calls wait for a busy machine.
    pub async fn patient_processes<const N: usize>(&self) -> [Process; N] {
        self.processes_with(&self.patient_options()).await
    }

    /// Starts processes with these settings.
    pub async fn processes_with<const N: usize>(&self, options: &Options) -> [Process; N] {
        let processes = [(); N].map(|()| self.spawn(options.clone()));
        for process in &processes {
            process.reaches("believed", 1).await;
        }
        processes
    }

    /// Counts as an invalidation that returned `Ok` now.
    pub fn promise(&self, key: u32, version: u64) {
        self.own_log.invalidated(key, version, clock::now());
    }

    /// The number of records in the logs.
    ///
    /// # Panics
    /// Never.
    #[must_use]
    pub fn records(&self) -> u64 {
        let logs = self.logs.lock().expect("no panic under this lock");
        let bytes = logs
            .iter()
            .map(|log| fs::metadata(log).map_or(0, |data| data.len()));
        bytes.sum::<u64>() / crate::log::RECORD as u64
    }

    /// Checks every read.
    ///
    /// # Panics
    /// If a log cannot be read.
    #[must_use]
    pub fn report(&self, bound: Duration) -> Report {
        let logs = self.logs.lock().expect("no panic under this lock");
        // A process that has just started has no log yet.
        let logs: Vec<_> = logs.iter().filter(|log| log.exists()).collect();
        checker::check(logs, bound).expect("the logs are read")
    }

    /// Checks every read against [`MAX_STALENESS`].
    ///
    /// # Panics
    /// If one is beyond it.
    pub fn check(&self) -> Report {
        let report = self.report(MAX_STALENESS);
        eprintln!("{report}");
        assert_eq!(report.beyond, 0, "{report}");
        report
    }

    fn next(&self) -> usize {
        self.number.fetch_add(1, Ordering::Relaxed)
    }
}

/// Waits until all processes have stopped their traffic.
pub async fn rest<'a>(processes: impl IntoIterator<Item = &'a Process>) {
    let responses: Vec<_> = processes
        .into_iter()
        .map(|process| process.begin("rest"))
        .collect();
    for response in responses {
        // An error: the process was killed.
        let _ = response.await;
    }
}

/// Milliseconds.
#[must_use]
pub fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).expect("a short time")
}
