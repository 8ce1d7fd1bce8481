//! What holds while connections break and servers stop, restart or forget.

#![cfg(unix)]

mod servers;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use cache_redis::Builder;
use servers::proxy::Proxy;
use servers::{
    MAX_STALENESS, Process, Server, believed, builder, hit, load, on_each_server,
    on_each_server_with, process, reconnected, until,
};

/// Loads key `k`, lets the server save it, and removes it: a restart brings the old value back.
async fn save_old_data(server: &Server, process: &Process) {
    assert_eq!(load(process, "k", "old").await, "old");
    let _: redis::Value = server.command(&["SAVE"]).await;
    process.invalidate("k").await.unwrap();
}

/// A connected process with these settings.
async fn connected(builder: Builder) -> Process {
    let process = process(builder.lazy().unwrap());
    believed(&process).await;
    process
}

#[test]
fn a_process_starts_and_works_without_its_server() {
    on_each_server(|mut server| async move {
        server.kill();
        let process = process(server.builder().lazy().unwrap());
        assert_eq!(load(&process, "k", "loaded").await, "loaded");
        until(|| process.tier().last_error().is_some()).await;
        let error = process.invalidate("k").await.unwrap_err().to_string();
        assert!(error.starts_with("the server is not connected"), "{error}");
        server.start();
        believed(&process).await;
        assert_eq!(load(&process, "k", "new").await, "new");
        assert_eq!(process.get("k").as_deref(), Some("new"));
        assert!(process.tier().last_error().is_none());
    });
}

#[test]
fn a_server_that_comes_back_empty_is_one_load_in_the_whole_fleet() {
    on_each_server(|mut server| async move {
        let processes = [server.process().await, server.process().await];
        for process in &processes {
            assert_eq!(load(process, "k", "old").await, "old");
        }
        server.kill();
        server.start();
        for process in &processes {
            until(|| process.get("k").is_none()).await;
            reconnected(process, 1).await;
        }
        let loads = Arc::new(AtomicUsize::new(0));
        let tasks = processes.map(|process| {
            let loads = Arc::clone(&loads);
            tokio::spawn(async move {
                let loader = || async move {
                    loads.fetch_add(1, Ordering::Relaxed);
                    "new".to_string()
                };
                process.get_with("k".to_string(), loader).await
            })
        });
        for task in tasks {
            assert_eq!(task.await.unwrap(), "new");
        }
        assert_eq!(loads.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn a_server_that_comes_back_with_old_data_has_none_that_is_used() {
    on_each_server_with(&["--dbfilename", "old.rdb"], |mut server| async move {
        let process = server.process().await;
        save_old_data(&server, &process).await;
        server.kill();
        server.start();
        assert_eq!(server.keys("k").await.len(), 1, "the old value is back");
        reconnected(&process, 1).await;
        assert_eq!(load(&process, "k", "new").await, "new");
        // A process that starts now has never seen the server before.
        assert_eq!(hit(&server.process().await, "k").await, "new");
    });
}

#[test]
fn a_process_that_starts_after_the_server_restarted_uses_no_old_data() {
    on_each_server_with(&["--dbfilename", "old.rdb"], |mut server| async move {
        save_old_data(&server, &server.process().await).await;
        server.kill();
        server.start();
        let process = server.process().await;
        assert_eq!(load(&process, "k", "new").await, "new");
    });
}

#[test]
fn a_flush_of_the_server_clears_the_first_tiers() {
    on_each_server(|server| async move {
        let process = server.process().await;
        assert_eq!(load(&process, "k", "old").await, "old");
        let _: redis::Value = server.command(&["FLUSHALL"]).await;
        until(|| process.get("k").is_none()).await;
        // The new generation clears it once more.
        while process.get("k").is_none() {
            assert_eq!(load(&process, "k", "new").await, "new");
        }
        assert_eq!(process.get("k").as_deref(), Some("new"));
    });
}

#[test]
fn a_lost_control_key_begins_a_generation() {
    on_each_server(|server| async move {
        let process = server.process().await;
        assert_eq!(load(&process, "k", "old").await, "old");
        let _: redis::Value = server.command(&["DEL", "test:ctl"]).await;
        until(|| process.get("k").is_none()).await;
        assert_eq!(load(&process, "k", "new").await, "new");
        process.invalidate("k").await.unwrap();
    });
}

#[test]
fn a_server_that_stops_for_a_while_loses_no_values() {
    on_each_server(|server| async move {
        let process = server.process().await;
        assert_eq!(load(&process, "k", "v").await, "v");
        server.freeze();
        let frozen = Instant::now();
        until(|| process.get("k").is_none()).await;
        // The last heartbeat was sent a quarter of the time before, at least.
        assert!(frozen.elapsed() <= MAX_STALENESS + Duration::from_millis(200));
        // Calls end all the same.
        assert_eq!(
            load(&process, "k", "from the backend").await,
            "from the backend"
        );
        server.resume();
        until(|| process.get("k").as_deref() == Some("v")).await;
        assert_eq!(process.tier().stats().connections, 1);
    });
}

#[test]
fn a_stalled_link_makes_the_first_tier_unbelieved() {
    on_each_server(|server| async move {
        let proxy = Proxy::to(server.socket()).await;
        let behind = connected(builder(&proxy.url())).await;
        let writer = server.process().await;
        assert_eq!(load(&behind, "k", "old").await, "old");
        proxy.stall();
        writer.invalidate("k").await.unwrap();
        let invalidated = Instant::now();
        until(|| behind.get("k").is_none()).await;
        assert!(invalidated.elapsed() <= MAX_STALENESS + Duration::from_millis(200));
        assert_eq!(load(&behind, "k", "new").await, "new");
        proxy.resume();
        believed(&behind).await;
        // The message came before the answer to the heartbeat.
        assert_eq!(behind.get("k"), None);
    });
}

#[test]
fn a_cut_link_clears_the_first_tier() {
    on_each_server(|server| async move {
        let proxy = Proxy::to(server.socket()).await;
        let behind = connected(builder(&proxy.url())).await;
        assert_eq!(load(&behind, "k", "v").await, "v");
        proxy.cut();
        reconnected(&behind, 1).await;
        assert_eq!(behind.get("k"), None);
        assert_eq!(hit(&behind, "k").await, "v");
    });
}

#[test]
fn a_lost_subscription_clears_the_first_tier() {
    on_each_server(|server| async move {
        let process = server.process().await;
        assert_eq!(load(&process, "k", "v").await, "v");
        let killed: i64 = server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
        assert_eq!(killed, 1);
        reconnected(&process, 1).await;
        assert_eq!(process.get("k"), None);
        assert_eq!(hit(&process, "k").await, "v");
    });
}

#[test]
fn an_invalidation_that_failed_is_sent_again() {
    on_each_server(|server| async move {
        let proxy = Proxy::to(server.socket()).await;
        let builder = builder(&proxy.url()).command_timeout(Duration::from_millis(100));
        let cut_off = connected(builder).await;
        let other = server.process().await;
        assert_eq!(load(&other, "k", "old").await, "old");
        proxy.stall();
        cut_off.invalidate("k").await.unwrap_err();
        // The command that was held back is lost with its link.
        proxy.cut();
        assert_eq!(other.get("k").as_deref(), Some("old"));
        proxy.resume();
        until(|| other.get("k").is_none()).await;
        assert_eq!(load(&other, "k", "new").await, "new");
        assert!(cut_off.tier().stats().replayed >= 1);
    });
}

#[test]
fn a_full_server_is_read_and_invalidated() {
    on_each_server_with(&["--maxmemory-policy", "noeviction"], |server| async move {
        let [process, other] = [server.process().await, server.process().await];
        assert_eq!(load(&process, "stored", "old").await, "old");
        let _: redis::Value = server.command(&["CONFIG", "SET", "maxmemory", "1"]).await;
        assert_eq!(load(&process, "k", "loaded").await, "loaded");
        assert!(process.tier().stats().full > 0);
        assert_eq!(server.keys("k").await, Vec::<String>::new());
        assert_eq!(hit(&other, "stored").await, "old");
        let error = process
            .insert("k".to_string(), "new".to_string())
            .await
            .unwrap_err();
        assert!(error.to_string().contains("maxmemory"), "{error}");
        process.invalidate("stored").await.unwrap();
        until(|| other.get("stored").is_none()).await;
        process.invalidate_all().await.unwrap();
        believed(&process).await;
    });
}

#[test]
fn a_primary_that_lost_its_replicas_is_not_believed() {
    on_each_server(|server| async move {
        let process = server.process().await;
        assert_eq!(load(&process, "k", "v").await, "v");
        let replicas = ["CONFIG", "SET", "min-replicas-to-write", "1"];
        let _: redis::Value = server.command(&replicas).await;
        until(|| process.get("k").is_none()).await;
        process.invalidate("k").await.unwrap_err();
        let replicas = ["CONFIG", "SET", "min-replicas-to-write", "0"];
        let _: redis::Value = server.command(&replicas).await;
        // The invalidation that failed is sent again.
        believed(&process).await;
        until(|| process.tier().stats().replayed >= 1).await;
        assert_eq!(load(&process, "k", "new").await, "new");
    });
}

#[test]
fn a_removal_that_no_replica_has_is_an_error_if_one_is_required() {
    on_each_server(|server| async move {
        let builder = server.builder().wait_replicas(1);
        let process = connected(builder.command_timeout(Duration::from_millis(200))).await;
        let error = process.invalidate("k").await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "0 replicas have the change, but wait_replicas is 1"
        );
    });
}

#[test]
fn the_connections_end_with_the_cache() {
    on_each_server(|server| async move {
        let clients = async || {
            let list: String = server.command(&["CLIENT", "LIST"]).await;
            list.lines().count()
        };
        let alone = clients().await;
        let process = server.process().await;
        let redis = process.tier().clone();
        assert_eq!(clients().await, alone + 2);
        drop(process);
        while clients().await > alone {}
        assert!(redis.last_error().is_some());
    });
}

#[test]
fn a_promoted_replica_gets_the_invalidations_that_it_lacks() {
    on_each_server(|mut primary| async move {
        let replication = Proxy::to(primary.socket()).await;
        let source = format!("127.0.0.1 {}", replication.port());
        let replica = primary.another(&["--replicaof", &source]);
        while !replica
            .info("replication")
            .await
            .contains("master_link_status:up")
        {}
        let address = Proxy::to(primary.socket()).await;
        let connect = || connected(builder(&address.url()));
        let [process, other] = [connect().await, connect().await];
        assert_eq!(load(&process, "k", "old").await, "old");
        assert_eq!(load(&process, "untouched", "v").await, "v");
        assert_eq!(load(&other, "k", "not cached").await, "old");
        // A process recognizes a promotion by the uptime of the server, which counts seconds.
        let is_young = |info: &str| {
            let young = ["0", "1"].map(|seconds| format!("uptime_in_seconds:{seconds}\r"));
            young.iter().any(|line| info.contains(line))
        };
        while is_young(&replica.info("server").await) || replica.keys("*").await.len() < 2 {}
        replication.stall();
        process.invalidate("k").await.unwrap();
        primary.kill();
        replication.cut();
        let _: redis::Value = replica.command(&["REPLICAOF", "NO", "ONE"]).await;
        assert_eq!(
            replica.keys("k").await.len(),
            1,
            "the replica lacks the removal"
        );
        address.redirect(replica.socket());
        until(|| process.tier().stats().replayed > 0).await;
        reconnected(&process, 1).await;
        assert_eq!(replica.keys("k").await, Vec::<String>::new());
        reconnected(&other, 1).await;
        assert_eq!(load(&other, "k", "new").await, "new");
        // The rest of the values stays.
        assert_eq!(hit(&other, "untouched").await, "v");
        assert_eq!(process.tier().stats().generations, 0);
    });
}

#[test]
fn a_load_that_takes_longer_than_its_lease_keeps_it() {
    on_each_server(|server| async move {
        let mut settings = servers::protocol();
        settings.lease_time = Duration::from_millis(300);
        settings.max_wait = Duration::from_secs(30);
        let connect = || connected(server.builder().protocol(settings));
        let [loading, waiting] = [connect().await, connect().await];
        let (finish, finished) = tokio::sync::oneshot::channel::<()>();
        let (entered, has_entered) = tokio::sync::oneshot::channel();
        let leader = tokio::spawn(async move {
            let loader = || async {
                entered.send(()).unwrap();
                finished.await.unwrap();
                "loaded".to_string()
            };
            loading.get_with("k".to_string(), loader).await
        });
        has_entered.await.unwrap();
        let begun = Instant::now();
        let waiter = tokio::spawn(async move { hit(&waiting, "k").await });
        until(|| begun.elapsed() > 4 * settings.lease_time).await;
        finish.send(()).unwrap();
        assert_eq!(leader.await.unwrap(), "loaded");
        assert_eq!(waiter.await.unwrap(), "loaded");
    });
}

#[test]
fn a_server_that_evicts_keeps_the_fleet_working() {
    on_each_server_with(
        &["--maxmemory-policy", "allkeys-random"],
        |server| async move {
            let [process, other] = [server.process().await, server.process().await];
            let info = server.info("memory").await;
            let used = info
                .lines()
                .find_map(|line| line.strip_prefix("used_memory:"));
            let limit = used.unwrap().trim().parse::<u64>().unwrap() + 300_000;
            let limit = limit.to_string();
            let _: redis::Value = server
                .command(&["CONFIG", "SET", "maxmemory", &limit])
                .await;
            for process in [&process, &other] {
                for key in 0..500 {
                    let (key, value) = (key.to_string(), key.to_string().repeat(2_000));
                    assert_eq!(load(process, &key, &value).await, value);
                }
            }
            for key in 0..500 {
                let key = key.to_string();
                process.invalidate(&key).await.unwrap();
                until(|| other.get(&key).is_none()).await;
                assert_eq!(load(&other, &key, "new").await, "new");
                assert_eq!(load(&process, &key, "new").await, "new");
            }
            let info = server.info("stats").await;
            assert!(!info.contains("evicted_keys:0\r"), "{info}");
        },
    );
}
