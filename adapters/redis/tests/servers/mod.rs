//! Servers for tests: a process each, on a unix socket in a directory of its own.
//!
//! `CACHE_TIER_SERVERS` lists the programs, separated by colons. Without it, they are those of
//! `redis-server` and `valkey-server` that `PATH` has. If there is none, the tests are skipped, and
//! say so; `CACHE_TIER_SERVERS_REQUIRED` makes that an error.

#![allow(dead_code, reason = "each test program uses a part of it")]

pub(crate) mod proxy;

use std::env;
use std::fs;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cache_redis::{Builder, Redis};
use cache_tokio::tier::Tiered;
use cache_tokio::{Cache, Tokio};

/// How old a value may be in these tests.
pub(crate) const MAX_STALENESS: Duration = Duration::from_millis(800);

/// A cache of one process of the fleet.
pub(crate) type Process = Tiered<String, String, Redis, Tokio>;

/// Runs a test on a fresh server of each program.
pub(crate) fn on_each_server<F: Future<Output = ()>>(test: impl Fn(Server) -> F) {
    on_each_server_with(&[], test);
}

/// Runs a test on a fresh server of each program, with further arguments.
pub(crate) fn on_each_server_with<F: Future<Output = ()>>(
    arguments: &[&str],
    test: impl Fn(Server) -> F,
) {
    on_each_server_here_with(arguments, |server| {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        block_on(runtime.worker_threads(2), test(server));
    });
}

/// Runs a test on a fresh server of each program, on a runtime of one thread.
pub(crate) fn on_each_server_and_one_thread<F: Future<Output = ()>>(test: impl Fn(Server) -> F) {
    on_each_server_here(|server| {
        block_on(
            &mut tokio::runtime::Builder::new_current_thread(),
            test(server),
        );
    });
}

fn block_on(runtime: &mut tokio::runtime::Builder, test: impl Future<Output = ()>) {
    let runtime = runtime.enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let limit = Duration::from_secs(60 + seconds());
        let finished = tokio::time::timeout(limit, test).await;
        finished.expect("the test ends in time");
    });
}

/// Runs a test on a fresh server of each program, on this thread.
pub(crate) fn on_each_server_here(test: impl Fn(Server)) {
    on_each_server_here_with(&[], test);
}

fn on_each_server_here_with(arguments: &[&str], test: impl Fn(Server)) {
    for program in programs() {
        eprintln!("on {}", program.display());
        test(Server::new(&program, arguments));
    }
}

/// How long the tests with random faults run.
pub(crate) fn seconds() -> u64 {
    env::var("CACHE_TIER_SECONDS").map_or(6, |text| text.parse().expect("a number of seconds"))
}

fn programs() -> Vec<PathBuf> {
    let programs: Vec<PathBuf> = match env::var_os("CACHE_TIER_SERVERS") {
        Some(paths) => env::split_paths(&paths).collect(),
        None => ["redis-server", "valkey-server"]
            .iter()
            .filter_map(|name| find(name))
            .collect(),
    };
    if programs.is_empty() {
        assert!(
            env::var_os("CACHE_TIER_SERVERS_REQUIRED").is_none(),
            "no server: .ci/servers installs some"
        );
        eprintln!("SKIPPED: PATH has no redis-server and no valkey-server");
    }
    programs
}

fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|directory| directory.join(name))
        .find(|program| program.is_file())
}

/// A server, which ends with this value.
pub(crate) struct Server {
    program: PathBuf,
    arguments: Vec<String>,
    directory: PathBuf,
    child: Option<Child>,
}

impl Server {
    pub(crate) fn new(program: &Path, arguments: &[&str]) -> Self {
        Self::try_new(program, arguments).expect("the server starts")
    }

    /// The error is what the program has printed before it ended.
    fn try_new(program: &Path, arguments: &[&str]) -> Result<Self, String> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("cache-redis-{}-{number}", process::id());
        let directory = env::temp_dir().join(name);
        fs::create_dir_all(&directory).expect("a directory for the server");
        let mut server = Self {
            program: program.to_owned(),
            arguments: arguments.iter().map(ToString::to_string).collect(),
            directory,
            child: None,
        };
        server.try_start()?;
        Ok(server)
    }

    /// Another server of the same program.
    pub(crate) fn another(&self, arguments: &[&str]) -> Self {
        Self::new(&self.program, arguments)
    }

    pub(crate) fn try_another(&self, arguments: &[&str]) -> Result<Self, String> {
        Self::try_new(&self.program, arguments)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.join("socket")
    }

    pub(crate) fn url(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// Starts the program, and waits until it accepts connections.
    pub(crate) fn start(&mut self) {
        self.try_start().expect("the server starts");
    }

    fn try_start(&mut self) -> Result<(), String> {
        assert!(self.child.is_none(), "the server runs");
        let _ = fs::remove_file(self.socket());
        let log = self.directory.join("log");
        let child = Command::new(&self.program)
            .args(["--port", "0", "--save", "", "--appendonly", "no"])
            .arg("--unixsocket")
            .arg(self.socket())
            .arg("--dir")
            .arg(&self.directory)
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(fs::File::create(&log).expect("a log"))
            .spawn()
            .expect("the program runs");
        let child = self.child.insert(child);
        while std::os::unix::net::UnixStream::connect(self.directory.join("socket")).is_err() {
            if child.try_wait().expect("a child").is_some() {
                self.child = None;
                return Err(fs::read_to_string(log).expect("a log"));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Ends the program without a chance to save anything.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("the server is killed");
            child.wait().expect("the server has ended");
        }
    }

    pub(crate) fn freeze(&self) {
        self.signal("-STOP");
    }

    pub(crate) fn resume(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let child = self.child.as_ref().expect("the server runs");
        let status = Command::new("kill")
            .arg(signal)
            .arg(child.id().to_string())
            .status()
            .expect("kill runs");
        assert!(status.success());
    }

    /// Runs a command, with an administrator's rights.
    pub(crate) async fn command<T: redis::FromRedisValue>(&self, words: &[&str]) -> T {
        self.try_command(words).await.expect("the command succeeds")
    }

    pub(crate) async fn try_command<T: redis::FromRedisValue>(
        &self,
        words: &[&str],
    ) -> redis::RedisResult<T> {
        let client = redis::Client::open(self.url())?;
        let mut connection = client.get_multiplexed_async_connection().await?;
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        command.query_async(&mut connection).await
    }

    /// The keys of values, whatever their generation.
    pub(crate) async fn keys(&self, end: &str) -> Vec<String> {
        self.command(&["KEYS", &format!("*:s*:{end}")]).await
    }

    /// A section of what the server says about itself.
    pub(crate) async fn info(&self, section: &str) -> String {
        self.command(&["INFO", section]).await
    }

    pub(crate) fn builder(&self) -> Builder {
        builder(&self.url())
    }

    /// A connected process of the fleet.
    pub(crate) async fn process(&self) -> Process {
        let process = process(self.builder().lazy().expect("valid settings"));
        believed(&process).await;
        process
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

pub(crate) fn builder(url: &str) -> Builder {
    Redis::builder(url)
        .namespace("test")
        .protocol(protocol())
        .command_timeout(Duration::from_secs(2))
}

/// The times that a busy machine can keep.
pub(crate) fn protocol() -> cache_redis::TierSettings {
    let mut settings = cache_redis::TierSettings::default();
    settings.max_staleness = MAX_STALENESS;
    settings.soft_timeout = Duration::from_millis(500);
    settings
}

pub(crate) fn process(redis: Redis) -> Process {
    let minute = Duration::from_secs(60);
    Cache::builder()
        .max_capacity(10_000)
        .time_to_live(10 * minute)
        .negative_ttl(minute)
        .tiered(redis)
}

/// Waits until the first tier of a process returns its values.
pub(crate) async fn believed(process: &Process) {
    until(|| !process.tier_stats().horizon_left.is_zero()).await;
}

/// Waits until a process has a connection after that number of others, and uses it.
pub(crate) async fn reconnected(process: &Process, others: u64) {
    until(|| process.tier_stats().connections > others).await;
    let heartbeats = process.tier_stats().heartbeats;
    until(|| process.tier_stats().heartbeats > heartbeats).await;
}

/// Waits for a condition that other threads or processes bring about.
pub(crate) async fn until(mut condition: impl FnMut() -> bool) {
    while !condition() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Loads a key with this value.
pub(crate) async fn load(process: &Process, key: &str, value: &str) -> String {
    let value = value.to_string();
    process.get_with(key.to_string(), || async { value }).await
}

/// Loads a key that has a value.
pub(crate) async fn hit(process: &Process, key: &str) -> String {
    let key = key.to_string();
    process
        .get_with(key, || async { "not cached".to_string() })
        .await
}
