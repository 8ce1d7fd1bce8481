//! Several processes of a fleet on a server that works.

mod servers;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use servers::{hit, load, on_each_server, until};
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
    on_each_server(|server| async move {
        let process = server.process().await;
        let mut tasks = vec![];
        for key in 0..1_000 {
            let process = process.clone();
            tasks.push(tokio::spawn(async move {
                load(&process, &key.to_string(), "loaded").await
            }));
        }
        for task in tasks {
            assert_eq!(task.await.unwrap(), "loaded");
        }
        let stats = process.tier_stats();
        assert_eq!(stats.fetched_keys, 1_000);
        assert!(stats.fetches <= 10, "{stats:?}");
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
