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
use std::time::{Duration, Instant};

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
    for program in programs() {
        eprintln!("on {}", program.display());
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        let server = Server::new(&program, arguments);
        runtime.block_on(async {
            let limit = Duration::from_secs(60);
            let finished = tokio::time::timeout(limit, test(server)).await;
            finished.expect("the test ends within a minute");
        });
    }
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
        server.start();
        server
    }

    /// Another server of the same program.
    pub(crate) fn another(&self, arguments: &[&str]) -> Self {
        Self::new(&self.program, arguments)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.join("socket")
    }

    pub(crate) fn url(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// Starts the program, and waits until it accepts connections.
    pub(crate) fn start(&mut self) {
        assert!(self.child.is_none(), "the server runs");
        let _ = fs::remove_file(self.socket());
        let child = Command::new(&self.program)
            .args(["--port", "0", "--save", "", "--appendonly", "no"])
            .arg("--unixsocket")
            .arg(self.socket())
            .arg("--dir")
            .arg(&self.directory)
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("the server starts");
        self.child = Some(child);
        let begun = Instant::now();
        while std::os::unix::net::UnixStream::connect(self.socket()).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(20), "no server");
            std::thread::sleep(Duration::from_millis(1));
        }
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
fn protocol() -> cache_redis::TierSettings {
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
