//! The connections work on smol, without a Tokio runtime.

#![cfg(unix)]

mod servers;

use std::time::Duration;

use cache_redis::Redis;
use cache_smol::{Cache, Smol, tier::Tiered};
use servers::on_each_server_here;

type Process = Tiered<u64, String, Redis, Smol>;

async fn until(mut condition: impl FnMut() -> bool) {
    while !condition() {
        smol::Timer::after(Duration::from_millis(1)).await;
    }
}

async fn process(url: &str) -> Process {
    let redis = servers::builder(url).lazy().unwrap();
    let process = Cache::builder().max_capacity(100).tiered(redis);
    until(|| !process.tier_stats().horizon_left.is_zero()).await;
    process
}

#[test]
fn a_fleet_on_smol() {
    on_each_server_here(|mut server| {
        smol::block_on(async {
            let [writer, reader] = [process(&server.url()).await, process(&server.url()).await];
            assert_eq!(
                writer.get_with(7, || async { "old".to_string() }).await,
                "old"
            );
            assert_eq!(
                reader
                    .get_with(7, || async { "not cached".to_string() })
                    .await,
                "old"
            );
            writer.invalidate(&7).await.unwrap();
            until(|| reader.get(&7).is_none()).await;

            server.kill();
            until(|| reader.tier().last_error().is_some()).await;
            assert_eq!(
                reader.get_with(7, || async { "new".to_string() }).await,
                "new"
            );
            server.start();
            until(|| reader.tier_stats().connections >= 2).await;
            let heartbeats = reader.tier_stats().heartbeats;
            until(|| reader.tier_stats().heartbeats > heartbeats).await;
            assert_eq!(
                reader.get_with(7, || async { "newer".to_string() }).await,
                "newer"
            );
        });
    });
}
