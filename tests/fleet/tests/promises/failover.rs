//! A replica is promoted, and a primary is cut off.

use std::time::{Duration, Instant};

use cache_fleet_tests::fleet::rest;
use cache_fleet_tests::{Fleet, MAX_STALENESS, Options, Process, Proxy, Server, on_each_server};
use tokio::time::sleep;

use crate::{CHILD, traffic};

/// A primary, which is the server of the fleet, and its replica.
struct Replicated {
    replica: Server,
    /// Between the two.
    replication: Proxy,
}

impl Replicated {
    async fn new(fleet: &Fleet) -> Self {
        // The first replica waits for no other.
        fleet
            .server
            .configure("repl-diskless-sync-delay", "0")
            .await;
        let replication = fleet.proxy().await;
        let source = format!("127.0.0.1 {}", replication.port());
        let replica = fleet.another_server(&["--replicaof", &source]);
        while !info(&replica).await.contains("master_link_status:up") {
            sleep(Duration::from_millis(10)).await;
        }
        Self {
            replica,
            replication,
        }
    }

    async fn promote(&self) {
        let _: String = self.replica.command(&["REPLICAOF", "NO", "ONE"]).await;
    }

    /// Waits until the replica has a key.
    async fn replicates(&self, key: &str) {
        while self.replica.states(key).await.is_empty() {
            sleep(Duration::from_millis(5)).await;
        }
    }
}

async fn info(server: &Server) -> String {
    server.command(&["INFO", "replication"]).await
}

/// A process recognizes a promotion by the uptime of the server, which counts seconds.
async fn is_old(server: &Server) {
    while server.number("uptime_in_seconds").await < 2 {
        sleep(Duration::from_millis(50)).await;
    }
}

async fn behind(fleet: &Fleet, proxy: &Proxy) -> Process {
    fleet.process(fleet.options_behind(proxy)).await
}

/// The primary dies with an invalidation that no replica has, and the replica is promoted. The
/// address of the primary still is that of the dead one.
async fn lose_an_invalidation(fleet: &mut Fleet, servers: &Replicated, process: &Process) {
    servers.replicates("key-1").await;
    is_old(&servers.replica).await;
    servers.replication.stall();
    assert_eq!(process.write(1).await.unwrap(), 2);
    fleet.server.kill();
    servers.replication.cut();
    servers.promote().await;
    assert_eq!(
        servers.replica.states("key-1").await.len(),
        1,
        "the old value"
    );
}

#[test]
fn a_promoted_replica_gets_the_invalidations_that_it_lacks() {
    on_each_server(CHILD, |mut fleet| async move {
        let servers = Replicated::new(&fleet).await;
        let address = fleet.proxy().await;
        let [process, other] = [
            behind(&fleet, &address).await,
            behind(&fleet, &address).await,
        ];
        assert_eq!(process.read(1).await, 1);
        assert_eq!(other.read(1).await, 1);
        traffic(&other, 2, 0, 2).await;
        let written = Instant::now();
        lose_an_invalidation(&mut fleet, &servers, &process).await;
        address.redirect(&servers.replica.socket());
        process.reaches("replayed", 1).await;
        // Staleness is bounded from here on.
        let bound = written.elapsed() + MAX_STALENESS;
        sleep(MAX_STALENESS * 3 / 2).await;
        rest([&other]).await;
        assert_eq!(other.read(1).await, 2);
        assert_eq!(process.read(1).await, 2);
        let report = fleet.report(bound);
        assert_eq!(report.beyond, 0, "{report}");
        assert_eq!(
            process.figure("generations").await,
            0,
            "the other values stay"
        );
    });
}

#[test]
fn an_invalidation_is_lost_if_its_process_dies_with_the_primary() {
    on_each_server(CHILD, |mut fleet| async move {
        let servers = Replicated::new(&fleet).await;
        let address = fleet.proxy().await;
        let [mut process, other] = [
            behind(&fleet, &address).await,
            behind(&fleet, &address).await,
        ];
        assert_eq!(process.read(1).await, 1);
        lose_an_invalidation(&mut fleet, &servers, &process).await;
        process.kill();
        address.redirect(&servers.replica.socket());
        other.reconnected(1).await;
        // What the page says is not promised. `wait_replicas` prevents it.
        assert_eq!(other.read(1).await, 1);
    });
}

#[test]
fn an_invalidation_that_no_replica_has_is_an_error_if_one_is_required() {
    on_each_server(CHILD, |fleet| async move {
        let servers = Replicated::new(&fleet).await;
        let options = Options {
            wait_replicas: 1,
            ..fleet.options()
        };
        let process = fleet.process(options).await;
        assert_eq!(process.write(1).await.unwrap(), 2);
        servers.replica.stop();
        let error = process.write(1).await.unwrap_err();
        assert!(error.contains("0 replicas have the change"), "{error}");
        servers.replica.resume();
        process.reaches("replayed", 1).await;
        assert_eq!(process.write(1).await.unwrap(), 4);
    });
}

/// A process on each side of a network that has split: A on the old primary, B on the promoted
/// replica. Returns what A reads for a time after B's invalidation.
async fn split(fleet: &Fleet) -> Vec<u64> {
    let servers = Replicated::new(fleet).await;
    let [side_a, side_b] = [fleet.proxy().await, fleet.proxy().await];
    let [a, b] = [behind(fleet, &side_a).await, behind(fleet, &side_b).await];
    assert_eq!(a.read(1).await, 1);
    assert_eq!(b.read(1).await, 1);
    servers.replicates("key-1").await;
    servers.replication.stall();
    servers.promote().await;
    side_b.redirect(&servers.replica.socket());
    side_b.cut();
    b.reconnected(1).await;
    assert_eq!(b.write(1).await.unwrap(), 2);
    // The primary notices within its maximum lag, 1 s, and a second of its timer.
    sleep(Duration::from_secs(3) + MAX_STALENESS).await;
    let mut versions = vec![];
    for _ in 0..20 {
        versions.push(a.read(1).await);
        sleep(Duration::from_millis(20)).await;
    }
    versions
}

#[test]
fn a_primary_that_is_cut_off_is_not_used_if_it_must_have_a_replica() {
    on_each_server(CHILD, |fleet| async move {
        fleet.server.configure("min-replicas-to-write", "1").await;
        fleet.server.configure("min-replicas-max-lag", "1").await;
        assert_eq!(split(&fleet).await, [2; 20]);
    });
}

#[test]
fn a_primary_that_is_cut_off_returns_old_values_if_it_needs_no_replica() {
    on_each_server(CHILD, |fleet| async move {
        // What the page says is not promised.
        assert_eq!(split(&fleet).await, [1; 20]);
    });
}
