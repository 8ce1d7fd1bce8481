//! The program of one process: a tiered cache that lines on stdin drive.
//!
//! A request is `ID COMMAND …`, its response `ID RESULT`. Requests run at the same time. The
//! process ends with its stdin.

mod format;
mod requests;
mod traffic;
mod weakened;

use std::io::{BufRead, Write};
use std::sync::Arc;
use std::time::Duration;

use cache_redis::Redis;
use cache_tokio::tier::{Tiered, TieredBatchLoader};
use cache_tokio::{Cache, Tokio};
use tokio::sync::mpsc;

use crate::backend::Database;
use crate::log::Log;
use crate::options::{Options, key};
use format::Format;
use traffic::Traffic;
use weakened::Weakened;

type Fleet = Tiered<String, u64, Weakened, Tokio>;
type Batches = TieredBatchLoader<String, u64, std::io::Error, Weakened, Tokio>;

/// What the requests use.
struct Node {
    cache: Fleet,
    batches: Batches,
    redis: Redis<Format>,
    database: Database,
    log: Log,
    traffic: Traffic,
}

/// Runs until stdin ends.
///
/// # Panics
/// If an option is invalid, or stdin has a line that is no request.
pub fn run(options: Options) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(serve(options));
    runtime.shutdown_background();
}

async fn serve(options: Options) {
    let node = Arc::new(Node::new(&options));
    let (sender, mut lines) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        let lines = std::io::stdin().lock().lines();
        for line in lines.map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    let flushed = Arc::clone(&node);
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_millis(50)).await;
            flushed.log.flush();
        }
    });
    while let Some(line) = lines.recv().await {
        let (id, request) = line.split_once(' ').expect("a request has a number");
        let (id, request) = (id.to_string(), request.to_string());
        let node = Arc::clone(&node);
        tokio::spawn(async move {
            let response = node.respond(&request).await.replace('\n', " ");
            // The log is complete before the test learns that the request is done.
            node.log.flush();
            let mut stdout = std::io::stdout().lock();
            // An error: the test has ended.
            let _ = writeln!(stdout, "{id} {response}").and_then(|()| stdout.flush());
        });
    }
    node.log.flush();
}

impl Node {
    fn new(options: &Options) -> Self {
        let mut builder = Redis::builder(&options.url)
            .namespace("fleet")
            .schema(options.schema)
            .protocol(options.protocol())
            .command_timeout(Duration::from_millis(options.command_timeout))
            .wait_replicas(options.wait_replicas);
        if let Some(also) = options.also {
            builder = builder.also(also);
        }
        let format = Format {
            number: options.format,
            padding: options.padding,
        };
        let redis = builder.codec(format).lazy().expect("valid settings");
        let cache = Cache::builder()
            .max_capacity(100_000)
            .time_to_live(Duration::from_secs(600))
            .tiered(Weakened::new(redis.clone(), options));
        let database = Database::at(&options.backend);
        let batched = database.clone();
        let batches = cache.batching(move |keys: Vec<String>| {
            let database = batched.clone();
            async move {
                let numbers: Vec<u32> = keys.iter().map(|key| number(key)).collect();
                database.load(&numbers).await
            }
        });
        Self {
            cache,
            batches,
            redis,
            database,
            log: Log::create(&options.log),
            traffic: Traffic::default(),
        }
    }

    /// Reads a key, and logs it. `None`: the test has ended.
    async fn read(&self, number: u32) -> Option<u64> {
        let database = self.database.clone();
        let loader = move || async move { Ok(database.load(&[number]).await?[0]) };
        let begun = crate::clock::now();
        let read = self
            .cache
            .try_get_with::<std::io::Error, _, _>(key(number), loader);
        let version = read.await.ok()?;
        self.log.read(number, version, begun);
        Some(version)
    }

    /// Reads the first tier, and logs it.
    fn get(&self, number: u32) -> Option<u64> {
        let begun = crate::clock::now();
        let version = self.cache.get(&*key(number))?;
        self.log.read(number, version, begun);
        Some(version)
    }

    /// Reads keys together, and logs them.
    async fn get_all(&self, numbers: &[u32]) {
        let begun = crate::clock::now();
        let versions = self
            .batches
            .get_all(numbers.iter().map(|&number| key(number)))
            .await;
        for (&number, version) in numbers.iter().zip(versions) {
            if let Ok(Some(version)) = version {
                self.log.read(number, version, begun);
            }
        }
    }

    /// Writes a row, and invalidates its key. An error has the text of why the invalidation failed.
    async fn write(&self, number: u32) -> (u64, Result<(), String>) {
        let Ok(version) = self.database.write(number).await else {
            return (0, Err("the test has ended".to_string()));
        };
        let result = self.cache.invalidate(&*key(number)).await;
        if result.is_ok() {
            self.log.invalidated(number, version, crate::clock::now());
        }
        (version, result.map_err(|error| error.to_string()))
    }

    /// Writes a row, and the value into the cache.
    async fn insert(&self, number: u32) -> (u64, Result<(), String>) {
        let Ok(version) = self.database.write(number).await else {
            return (0, Err("the test has ended".to_string()));
        };
        let result = self.cache.insert(key(number), version).await;
        if result.is_ok() {
            self.log.invalidated(number, version, crate::clock::now());
        }
        (version, result.map_err(|error| error.to_string()))
    }

    /// Invalidates all keys.
    async fn clear(&self, numbers: std::ops::Range<u32>) -> Result<(), String> {
        let numbers: Vec<u32> = numbers.collect();
        let versions = self.database.peek(&numbers).await;
        let versions = versions.map_err(|error| error.to_string())?;
        let result = self.cache.invalidate_all().await;
        result.map_err(|error| error.to_string())?;
        let now = crate::clock::now();
        for (number, version) in numbers.into_iter().zip(versions) {
            self.log.invalidated(number, version, now);
        }
        Ok(())
    }
}

/// The number of a usual key.
fn number(key: &str) -> u32 {
    let number = key.strip_prefix("key-").and_then(|text| text.parse().ok());
    number.expect("batches load usual keys")
}
