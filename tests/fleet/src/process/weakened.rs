//! The tier, or one that breaks a rule: the controls of the checker.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cache_core::Instant;
use cache_core::runtime::MultiThread;
use cache_redis::wire::{Stored, Tag};
use cache_redis::{Codec, Error, Redis, TierKey, TierSettings};
use cache_tokio::tier::{Fill, Filled, Found, Lease, Put, Read, Tier, TierEvents};

use super::format::Format;
use crate::options::{Options, Weakness};

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type Answer<T> = Boxed<Result<T, Error>>;

/// The tier of a process.
pub(super) struct Weakened {
    redis: Redis<Format>,
    weakness: Option<Weakness>,
    plain: Arc<Plain>,
}

/// A client that knows no leases.
struct Plain {
    client: redis::Client,
    schema: u32,
    format: Format,
}

impl Weakened {
    pub(super) fn new(redis: Redis<Format>, options: &Options) -> Self {
        Self {
            redis,
            weakness: options.weakness,
            plain: Arc::new(Plain {
                client: redis::Client::open(&*options.url).expect("a URL"),
                schema: options.schema,
                format: Format {
                    number: options.format,
                    padding: options.padding,
                },
            }),
        }
    }
}

impl Plain {
    async fn set(&self, key: &str, version: u64) -> redis::RedisResult<()> {
        let mut connection = self.client.get_multiplexed_async_connection().await?;
        let control: String = redis::cmd("GET")
            .arg("fleet:ctl")
            .query_async(&mut connection)
            .await?;
        let generation = control.split(' ').next().unwrap_or_default();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let payload = self
            .format
            .encode(&version)
            .expect("every version has bytes");
        let state = Stored {
            tag: Tag(rand::random()),
            made: now.expect("a time after 1970"),
            time_to_live: Duration::from_secs(3600),
            payload: Some(&payload),
        };
        redis::cmd("SET")
            .arg(format!("fleet:{generation}:s{}:{key}", self.schema))
            .arg(state.encode())
            .exec_async(&mut connection)
            .await
    }
}

impl Tier<String, u64, MultiThread> for Weakened {
    type Error = Error;

    fn settings(&self) -> TierSettings {
        Tier::<String, u64, MultiThread>::settings(&self.redis)
    }

    fn fetch(&self, keys: Vec<String>, read: Read) -> Answer<Vec<Found<u64>>> {
        self.redis.fetch(keys, read)
    }

    fn fill(&self, fills: Vec<Fill<String, u64>>) -> Answer<Vec<Filled>> {
        if self.weakness != Some(Weakness::PlainSet) {
            return self.redis.fill(fills);
        }
        let plain = Arc::clone(&self.plain);
        Box::pin(async move {
            for fill in &fills {
                let version = fill.value.expect("every loader finds a value");
                // A failure is that of a cache without a second tier.
                let _ = plain.set(&fill.key.to_text(), version).await;
            }
            Ok(vec![Filled::Stored; fills.len()])
        })
    }

    fn renew(&self, leases: Vec<(String, Lease)>) -> Answer<()> {
        Tier::<String, u64, MultiThread>::renew(&self.redis, leases)
    }

    fn release(&self, leases: Vec<(String, Lease)>) -> Boxed<()> {
        Tier::<String, u64, MultiThread>::release(&self.redis, leases)
    }

    fn put(&self, puts: Vec<Put<String, u64>>) -> Answer<()> {
        self.redis.put(puts)
    }

    fn remove(&self, keys: Vec<String>) -> Answer<()> {
        Tier::<String, u64, MultiThread>::remove(&self.redis, keys)
    }

    fn clear(&self) -> Answer<()> {
        Tier::<String, u64, MultiThread>::clear(&self.redis)
    }

    fn listen(&self, events: TierEvents<String, MultiThread>) -> Option<Boxed<()>> {
        if self.weakness == Some(Weakness::NoHorizon) {
            events.answered(Instant::FAR);
        }
        Tier::<String, u64, MultiThread>::listen(&self.redis, events)
    }
}
