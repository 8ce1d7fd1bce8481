//! A process of the fleet, as the test sees it.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::oneshot;

use crate::options::Options;

type Responses = Mutex<HashMap<u64, oneshot::Sender<String>>>;

/// A process, which is killed with this value.
#[derive(Debug)]
pub struct Process {
    child: Child,
    stdin: Mutex<ChildStdin>,
    responses: Arc<Responses>,
    next: AtomicU64,
}

impl Process {
    /// Starts the program. The words of `under` are a program that runs it, such as `faketime`.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start(program: &Path, under: &[&str], options: &Options) -> Self {
        let mut words: Vec<PathBuf> = under.iter().map(PathBuf::from).collect();
        words.push(program.to_owned());
        words.extend(options.arguments().into_iter().map(PathBuf::from));
        let mut child = Command::new(&words[0])
            .args(&words[1..])
            // Only the clock on the wall differs from that of the others.
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program runs");
        let stdin = child.stdin.take().expect("a pipe");
        let stdout = child.stdout.take().expect("a pipe");
        let responses = Arc::<Responses>::default();
        let received = Arc::clone(&responses);
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let (id, response) = line.split_once(' ').expect("a response has a number");
                let id = id.parse().expect("a number");
                if let Some(sender) = lock(&received).remove(&id) {
                    // An error: the test does not wait for it.
                    let _ = sender.send(response.to_string());
                }
            }
            lock(&received).clear();
        });
        Self {
            child,
            stdin: Mutex::new(stdin),
            responses,
            next: AtomicU64::new(0),
        }
    }

    /// Sends a request. Its response is an error if the process is killed.
    pub fn begin(&self, request: &str) -> oneshot::Receiver<String> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, response) = oneshot::channel();
        lock(&self.responses).insert(id, sender);
        let mut stdin = self.stdin.lock().expect("nothing panics under this lock");
        let sent = writeln!(stdin, "{id} {request}").and_then(|()| stdin.flush());
        if sent.is_err() {
            lock(&self.responses).remove(&id);
        }
        response
    }

    /// Sends a request, and waits for its response.
    ///
    /// # Panics
    /// If the process has ended.
    pub async fn request(&self, request: &str) -> String {
        self.begin(request).await.expect("the process runs")
    }

    /// Reads a key through both tiers and the database.
    ///
    /// # Panics
    /// If the process has ended.
    pub async fn read(&self, key: u32) -> u64 {
        let version = self.request(&format!("read {key}")).await;
        version.parse().expect("a version")
    }

    /// Reads a key in the first tier.
    ///
    /// # Panics
    /// If the process has ended.
    pub async fn get(&self, key: u32) -> Option<u64> {
        self.request(&format!("get {key}")).await.parse().ok()
    }

    /// Writes a row, and invalidates its key. Returns the version.
    ///
    /// # Errors
    /// Why the invalidation failed.
    ///
    /// # Panics
    /// If the process has ended.
    pub async fn write(&self, key: u32) -> Result<u64, String> {
        let response = self.request(&format!("write {key}")).await;
        match response.strip_prefix("ok ") {
            Some(version) => Ok(version.parse().expect("a version")),
            None => Err(response),
        }
    }

    /// A figure of the process: `process/requests.rs` lists them.
    ///
    /// # Panics
    /// If the process has ended.
    pub async fn figure(&self, name: &str) -> u64 {
        let stats = self.request("stats").await;
        let mut figures = stats.split(' ').filter_map(|figure| figure.split_once('='));
        let figure = figures.find(|(other, _)| *other == name);
        figure.expect("a figure").1.parse().expect("a number")
    }

    /// Waits until a figure is at least this.
    ///
    /// # Panics
    /// If the process has ended.
    pub async fn reaches(&self, name: &str, least: u64) {
        while self.figure(name).await < least {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Waits until the process uses a connection after that number of others.
    ///
    /// # Panics
    /// If the process has ended.
    pub async fn reconnected(&self, others: u64) {
        self.reaches("connections", others + 1).await;
        let heartbeats = self.figure("heartbeats").await;
        self.reaches("heartbeats", heartbeats + 1).await;
    }

    /// Stops the process until [`Process::resume`].
    pub fn stop(&self) {
        self.signal(Signal::STOP);
    }

    /// Continues the process.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Ends the process at once.
    pub fn kill(&mut self) {
        // An error: it has ended before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("the process runs");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn lock(responses: &Responses) -> MutexGuard<'_, HashMap<u64, oneshot::Sender<String>>> {
    responses.lock().expect("nothing panics under this lock")
}
