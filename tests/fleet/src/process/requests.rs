//! The requests of a test.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::Node;

impl Node {
    pub(super) async fn respond(self: &Arc<Self>, request: &str) -> String {
        let words: Vec<&str> = request.split(' ').collect();
        let number = |word: &str| word.parse::<u32>().expect("a number");
        match *words {
            ["get", key] => version(self.get(number(key))),
            ["read", key] => version(self.read(number(key)).await),
            ["read-all", count] => self.read_all(number(count)).await,
            ["herd", key, callers] => self.herd(number(key), number(callers)).await,
            ["write", key] => written(self.write(number(key)).await),
            ["insert", key] => written(self.insert(number(key)).await),
            ["clear", keys] => match self.clear(0..number(keys)).await {
                Ok(()) => "ok".to_string(),
                Err(error) => format!("error {error}"),
            },
            ["traffic", readers, writers, keys, clears] => {
                let [readers, writers] = [readers, writers].map(number);
                self.begin_traffic(readers, writers, number(keys), number(clears));
                "ok".to_string()
            }
            ["rest"] => {
                self.traffic.end().await;
                "ok".to_string()
            }
            ["stats"] => self.stats(),
            _ => panic!("{request} is no request"),
        }
    }

    /// Reads a key by many callers at the same time. The lowest and the highest version, and the
    /// milliseconds until all have it.
    async fn herd(self: &Arc<Self>, key: u32, callers: u32) -> String {
        let begun = Instant::now();
        let callers: Vec<_> = (0..callers)
            .map(|_| {
                let node = Arc::clone(self);
                tokio::spawn(async move { node.read(key).await })
            })
            .collect();
        let (mut lowest, mut highest) = (u64::MAX, 0);
        for caller in callers {
            let version = caller.await.expect("no read panics").unwrap_or(0);
            lowest = lowest.min(version);
            highest = highest.max(version);
        }
        format!("{lowest} {highest} {}", begun.elapsed().as_millis())
    }

    /// Reads keys at the same time. The number of those that got a value.
    async fn read_all(self: &Arc<Self>, count: u32) -> String {
        let reads: Vec<_> = (0..count)
            .map(|key| {
                let node = Arc::clone(self);
                tokio::spawn(async move { node.read(key).await })
            })
            .collect();
        let mut found = 0;
        for read in reads {
            found += u32::from(read.await.expect("no read panics").is_some());
        }
        found.to_string()
    }

    fn stats(&self) -> String {
        let tier = self.cache.tier_stats();
        let redis = self.redis.stats();
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let figures = [
            ("believed", u64::from(tier.horizon_left > Duration::ZERO)),
            ("connected", u64::from(self.redis.last_error().is_none())),
            ("connections", tier.connections),
            ("heartbeats", tier.heartbeats),
            ("past_horizon", tier.past_horizon),
            ("bypassed", tier.bypassed),
            ("waits_expired", tier.waits_expired),
            ("fills_refused", tier.fills_refused),
            ("unreadable", redis.unreadable),
            ("full", redis.full),
            ("replayed", redis.replayed),
            ("generations", redis.generations),
            ("wall_clock", since_1970.map_or(0, |time| time.as_secs())),
        ];
        let figures = figures.map(|(name, value)| format!("{name}={value}"));
        figures.join(" ")
    }
}

fn version(version: Option<u64>) -> String {
    version.map_or("none".to_string(), |version| version.to_string())
}

fn written((version, result): (u64, Result<(), String>)) -> String {
    match result {
        Ok(()) => format!("ok {version}"),
        Err(error) => format!("error {version} {error}"),
    }
}
