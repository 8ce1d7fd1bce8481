//! Redis and Valkey servers: a process each, on a unix socket in a directory of its own.
//!
//! `CACHE_TIER_SERVERS` lists the programs, separated by colons. Without it, they are those of
//! `redis-server` and `valkey-server` that `PATH` has.

use std::env;
use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// The programs to test.
///
/// # Panics
/// If there is none, and `CACHE_TIER_SERVERS_REQUIRED` is set.
#[must_use]
pub fn programs() -> Vec<PathBuf> {
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

/// The program of this name in `PATH`.
#[must_use]
pub fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|directory| directory.join(name))
        .find(|program| program.is_file())
}

/// A server, which ends with this value.
#[derive(Debug)]
pub struct Server {
    program: PathBuf,
    arguments: Vec<String>,
    directory: PathBuf,
    child: Option<Child>,
}

impl Server {
    /// Starts a server with further arguments. Its directory is new.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start_in(directory: PathBuf, program: &Path, arguments: &[&str]) -> Self {
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

    /// The path of the socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.directory.join("socket")
    }

    /// The server's address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// Starts the program, and waits until it accepts connections.
    ///
    /// # Panics
    /// If it runs, or does not start.
    pub fn start(&mut self) {
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
        while UnixStream::connect(self.directory.join("socket")).is_err() {
            let has_ended = child.try_wait().expect("a child").is_some();
            assert!(!has_ended, "{}", fs::read_to_string(log).expect("a log"));
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Ends the program without a chance to save anything.
    ///
    /// # Panics
    /// If it cannot be killed.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("the server is killed");
            child.wait().expect("the server has ended");
        }
    }

    /// Deletes what the server has saved.
    pub fn forget(&self) {
        // An error: it has saved nothing.
        let _ = fs::remove_file(self.directory.join("dump.rdb"));
    }

    /// Stops the program until [`Server::resume`].
    pub fn stop(&self) {
        self.signal(Signal::STOP);
    }

    /// Continues the program.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().expect("the server runs");
        kill_process(Pid::from_child(child), signal).expect("the server runs");
    }

    /// Runs a command.
    ///
    /// # Panics
    /// If it fails.
    pub async fn command<T: redis::FromRedisValue>(&self, words: &[&str]) -> T {
        let reply = async {
            let client = redis::Client::open(self.url())?;
            let mut connection = client.get_multiplexed_async_connection().await?;
            let mut command = redis::cmd(words[0]);
            command.arg(&words[1..]);
            command.query_async(&mut connection).await
        };
        reply
            .await
            .unwrap_or_else(|error: redis::RedisError| panic!("{words:?}: {error}"))
    }

    /// Sets a setting.
    ///
    /// # Panics
    /// If the server refuses it.
    pub async fn configure(&self, name: &str, value: &str) {
        let _: String = self.command(&["CONFIG", "SET", name, value]).await;
    }

    /// A number in what the server says about itself.
    ///
    /// # Panics
    /// If it has no such field.
    pub async fn number(&self, field: &str) -> u64 {
        let info: String = self.command(&["INFO", "everything"]).await;
        let mut fields = info.lines().filter_map(|line| line.split_once(':'));
        let number = fields.find(|(name, _)| *name == field);
        number.expect("a field").1.parse().expect("a number")
    }

    /// The states of a key, whatever their schema and generation.
    pub async fn states(&self, key: &str) -> Vec<String> {
        self.command(&["KEYS", &format!("*:s*:{key}")]).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
