//! Several processes of a fleet on a server that works.

#![cfg(unix)]

mod servers;

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use servers::{hit, load, on_each_server, on_each_server_and_one_thread, until};
use tokio::sync::oneshot;

#[test]
fn a_herd_on_an_absent_key_is_one_load_in_the_whole_fleet() {
    on_each_server(|server| async move {
        let mut processes = vec![];
        for _ in 0..4 {
            processes.push(server.process().await);
        }
        for key in ["a", "b", "c"] {
            let loads = Arc::new(AtomicUsize::new(0));
            let mut tasks = vec![];
            for process in &processes {
                for _ in 0..100 {
                    let (process, loads) = (process.clone(), Arc::clone(&loads));
                    tasks.push(tokio::spawn(async move {
                        let loader = || async move {
                            loads.fetch_add(1, Ordering::Relaxed);
                            // Long enough for the others to wait for the lease.
                            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                            "loaded".to_string()
                        };
                        process.get_with(key.to_string(), loader).await
                    }));
                }
            }
            for task in tasks {
                assert_eq!(task.await.unwrap(), "loaded");
            }
            assert_eq!(loads.load(Ordering::Relaxed), 1);
        }
    });
}

#[test]
fn an_invalidation_reaches_every_process() {
    on_each_server(|server| async move {
        let [writer, reader] = [server.process().await, server.process().await];
        for key in ["plain", "", "a:b %{}*\u{0}é\n", &"long".repeat(2_500)] {
            assert_eq!(load(&writer, key, "old").await, "old");
            assert_eq!(hit(&reader, key).await, "old");
            assert_eq!(reader.get(key).as_deref(), Some("old"));
            writer.invalidate(key).await.unwrap();
            assert_eq!(writer.get(key), None);
            until(|| reader.get(key).is_none()).await;
            assert_eq!(load(&reader, key, "new").await, "new");
            assert_eq!(hit(&writer, key).await, "new");
        }
        assert_eq!(writer.tier().stats().foreign_messages, 0);
    });
}

#[test]
fn a_written_value_reaches_every_process() {
    on_each_server(|server| async move {
        let [writer, reader] = [server.process().await, server.process().await];
        assert_eq!(load(&reader, "k", "old").await, "old");
        writer
            .insert("k".to_string(), "new".to_string())
            .await
            .unwrap();
        until(|| reader.get("k").is_none()).await;
        assert_eq!(hit(&reader, "k").await, "new");
        assert_eq!(hit(&writer, "k").await, "new");
    });
}

#[test]
fn a_load_that_began_before_an_invalidation_stores_nothing() {
    on_each_server(|server| async move {
        let [loading, invalidating] = [server.process().await, server.process().await];
        let (entered, has_entered) = oneshot::channel();
        let (finish, finished) = oneshot::channel::<()>();
        let old = tokio::spawn({
            let loading = loading.clone();
            async move {
                let loader = || async {
                    entered.send(()).unwrap();
                    finished.await.unwrap();
                    "old".to_string()
                };
                loading.get_with("k".to_string(), loader).await
            }
        });
        has_entered.await.unwrap();
        invalidating.invalidate("k").await.unwrap();
        finish.send(()).unwrap();
        assert_eq!(old.await.unwrap(), "old");
        assert_eq!(server.keys("k").await, Vec::<String>::new());
        assert_eq!(loading.get("k"), None);
        assert_eq!(load(&invalidating, "k", "new").await, "new");
        assert_eq!(hit(&loading, "k").await, "new");
    });
}

#[test]
fn a_clear_reaches_every_process_and_every_value() {
    on_each_server(|server| async move {
        let [clearing, reader] = [server.process().await, server.process().await];
        assert_eq!(load(&reader, "k", "old").await, "old");
        clearing.invalidate_all().await.unwrap();
        until(|| reader.get("k").is_none()).await;
        assert_eq!(load(&clearing, "k", "new").await, "new");
        assert_eq!(hit(&reader, "k").await, "new");
    });
}

#[test]
fn a_missing_value_is_remembered_for_the_fleet() {
    on_each_server(|server| async move {
        let [first, second] = [server.process().await, server.process().await];
        let none = first
            .optionally_get_with("k".to_string(), || async { None })
            .await;
        assert_eq!(none, None);
        let loader = || async { Some("not cached".to_string()) };
        assert_eq!(
            second.optionally_get_with("k".to_string(), loader).await,
            None
        );
    });
}

#[test]
fn a_load_that_fails_leaves_the_key_to_the_next_process() {
    on_each_server(|server| async move {
        let [failing, next] = [server.process().await, server.process().await];
        let loader = || async { Err::<String, _>("no database") };
        let failed = failing.try_get_with("k".to_string(), loader).await;
        assert_eq!(failed.unwrap_err().to_string(), "no database");
        assert_eq!(load(&next, "k", "loaded").await, "loaded");
        assert_eq!(hit(&failing, "k").await, "loaded");
    });
}

#[test]
fn many_misses_are_few_reads() {
    // On several threads, how many depends on how they run.
    on_each_server_and_one_thread(|server| async move {
        let process = server.process().await;
        let loads = (0..1_000).map(|key| {
            let process = process.clone();
            Box::pin(async move {
                let value = load(&process, &key.to_string(), "loaded").await;
                assert_eq!(value, "loaded");
            })
        });
        let mut loads: Vec<_> = loads.collect();
        // Each poll of this task polls all of them.
        poll_fn(|cx| {
            loads.retain_mut(|load| load.as_mut().poll(cx).is_pending());
            if loads.is_empty() {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
        let stats = process.tier_stats();
        assert_eq!((stats.fetched_keys, stats.fetches), (1_000, 8));
    });
}

#[test]
fn versions_of_a_program_hear_each_other_and_share_no_values() {
    on_each_server(|server| async move {
        let version = async |schema, also| {
            let redis = server.builder().schema(schema).also(also).lazy().unwrap();
            let process = servers::process(redis);
            servers::believed(&process).await;
            process
        };
        let [old, new] = [version(2, 3).await, version(3, 2).await];
        assert_eq!(load(&old, "k", "format 2").await, "format 2");
        assert_eq!(load(&new, "k", "format 3").await, "format 3");
        assert_eq!(server.keys("k").await.len(), 2);
        old.invalidate("k").await.unwrap();
        assert_eq!(server.keys("k").await, Vec::<String>::new());
        until(|| new.get("k").is_none()).await;
        new.insert("k".to_string(), "format 3".to_string())
            .await
            .unwrap();
        assert_eq!(server.keys("k").await.len(), 1);
        assert_eq!(load(&old, "k", "format 2").await, "format 2");
    });
}

#[test]
fn a_value_that_cannot_be_read_is_a_miss_and_stays() {
    on_each_server(|server| async move {
        let process = server.process().await;
        assert_eq!(load(&process, "k", "old").await, "old");
        let key = server.keys("k").await.remove(0);
        for (count, words) in [
            &["SET", &*key, "another program's"][..],
            &["SET", &*key, ""],
            &["SETRANGE", &*key, "9", "another version"],
        ]
        .iter()
        .enumerate()
        {
            process.cache().invalidate_all();
            let _: redis::Value = server.command(words).await;
            if words[2].is_empty() {
                continue;
            }
            assert_eq!(load(&process, "k", "loaded").await, "loaded");
            assert!(process.tier().stats().unreadable as usize > count / 2);
        }
        let _: redis::Value = server.command(&["DEL", &key]).await;
        let _: redis::Value = server.command(&["LPUSH", &key, "a list"]).await;
        process.cache().invalidate_all();
        assert_eq!(load(&process, "k", "loaded").await, "loaded");
        assert_eq!(server.command::<String>(&["TYPE", &key]).await, "list");
        // An invalidation removes it.
        process.invalidate("k").await.unwrap();
        assert_eq!(load(&process, "k", "new").await, "new");
        assert_eq!(server.command::<String>(&["TYPE", &key]).await, "string");
    });
}

#[test]
fn a_value_above_the_limit_is_served_and_not_stored() {
    on_each_server(|server| async move {
        let process = servers::process(server.builder().max_value(100).lazy().unwrap());
        servers::believed(&process).await;
        let large = "x".repeat(101);
        assert_eq!(load(&process, "k", &large).await, large);
        assert_eq!(server.keys("k").await, Vec::<String>::new());
        assert_eq!(process.tier().stats().too_large, 1);
        // A value that cannot be written does not leave the old one.
        process
            .insert("k".to_string(), "small".to_string())
            .await
            .unwrap();
        assert_eq!(server.keys("k").await.len(), 1);
        let error = process.insert("k".to_string(), large).await.unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("103 bytes") && text.contains("100 bytes"),
            "{text}"
        );
        assert_eq!(server.keys("k").await, Vec::<String>::new());
    });
}

/// The script that docs/fleet.md shows.
const INVALIDATE: &str = "
local control = redis.call('GET', KEYS[1])
if not control then return 0 end
for i = 3, #ARGV do
  redis.call('UNLINK', ARGV[1] .. ':' .. string.sub(control, 1, 16) .. ':s' .. ARGV[i] .. ':' .. ARGV[2])
end
return redis.call('PUBLISH', ARGV[1] .. ':feed', 'D ' .. ARGV[2])
";

#[test]
fn another_language_invalidates_with_a_script() {
    on_each_server(|server| async move {
        let process = server.process().await;
        assert_eq!(load(&process, "a b", "old").await, "old");
        let words = ["EVAL", INVALIDATE, "1", "test:ctl", "test", "a%20b", "0"];
        assert_eq!(server.command::<i64>(&words).await, 1);
        until(|| process.get("a b").is_none()).await;
        assert_eq!(load(&process, "a b", "new").await, "new");
    });
}

#[test]
fn a_message_that_means_nothing_is_counted() {
    on_each_server(|server| async move {
        let process = server.process().await;
        assert_eq!(load(&process, "k", "v").await, "v");
        for message in ["", "D", "D %zz", "X k", "G", "G 1", "\u{1}"] {
            let _: i64 = server.command(&["PUBLISH", "test:feed", message]).await;
        }
        until(|| process.tier().stats().foreign_messages == 7).await;
        assert_eq!(process.get("k").as_deref(), Some("v"));
    });
}

#[test]
fn a_lease_whose_process_died_ends_by_itself() {
    on_each_server(|server| async move {
        let mut settings = servers::protocol();
        settings.lease_time = std::time::Duration::from_millis(200);
        let url = server.url();
        let (entered, has_entered) = oneshot::channel();
        let dead = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let redis = servers::builder(&url).protocol(settings).lazy().unwrap();
                let process = servers::process(redis);
                servers::believed(&process).await;
                tokio::spawn(async move {
                    let loader = || async {
                        entered.send(()).unwrap();
                        std::future::pending::<String>().await
                    };
                    process.get_with("k".to_string(), loader).await
                });
                has_entered.await.unwrap();
            });
            // Its tasks end here, and so do those that would give the lease up.
            runtime.shutdown_background();
        });
        tokio::task::spawn_blocking(|| dead.join().unwrap())
            .await
            .unwrap();
        let next = server.process().await;
        assert_eq!(load(&next, "k", "loaded").await, "loaded");
        assert_eq!(next.tier_stats().waits_expired, 0);
    });
}
