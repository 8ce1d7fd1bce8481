//! Values that a process writes or refreshes, while others read, write and invalidate them.

mod servers;

use std::time::Duration;

use cache_core::{Loaded, Ttl};
use servers::{Process, hit, load, on_each_server, until};
use tokio::sync::oneshot;

async fn insert(process: &Process, value: &str) {
    let written = process.insert("k".to_string(), value.to_string());
    written.await.expect("the server answers");
}

async fn refresh(process: &Process, value: &'static str) -> String {
    let loader = move || async move { Ok::<_, String>(value.to_string()) };
    let value = process.refresh("k".to_string(), loader).await;
    value.expect("the loader does not fail")
}

#[test]
fn a_process_keeps_what_it_writes_until_another_writes_or_invalidates() {
    on_each_server(|server| async move {
        let [writer, other] = [server.process().await, server.process().await];
        insert(&writer, "first").await;
        until(|| writer.get("k").as_deref() == Some("first")).await;
        assert_eq!(writer.tier_stats().fetches, 0);
        insert(&other, "second").await;
        until(|| other.get("k").as_deref() == Some("second")).await;
        until(|| writer.get("k").is_none()).await;
        assert_eq!(hit(&writer, "k").await, "second");
        writer.invalidate("k").await.unwrap();
        until(|| other.get("k").is_none()).await;
        assert_eq!(server.keys("k").await, Vec::<String>::new());
        assert_eq!(writer.tier().stats().foreign_messages, 0);
    });
}

#[test]
fn a_refresh_replaces_the_value_on_the_server_and_in_every_process() {
    on_each_server(|server| async move {
        let [refreshing, other] = [server.process().await, server.process().await];
        assert_eq!(load(&refreshing, "k", "old").await, "old");
        assert_eq!(hit(&other, "k").await, "old");
        assert_eq!(refresh(&refreshing, "new").await, "new");
        until(|| other.get("k").is_none()).await;
        assert_eq!(hit(&other, "k").await, "new");
        until(|| refreshing.get("k").as_deref() == Some("new")).await;
        // A key that no tier has.
        refreshing.invalidate("k").await.unwrap();
        assert_eq!(refresh(&refreshing, "newer").await, "newer");
        assert_eq!(hit(&other, "k").await, "newer");
    });
}

#[test]
fn a_refresh_of_a_remembered_missing_value_stores_one() {
    on_each_server(|server| async move {
        let [first, second] = [server.process().await, server.process().await];
        let none = first.optionally_get_with("k".to_string(), || async { None });
        assert_eq!(none.await, None);
        assert_eq!(refresh(&second, "found").await, "found");
        assert_eq!(hit(&first, "k").await, "found");
    });
}

#[test]
fn a_key_that_is_invalidated_or_written_during_a_refresh_does_not_get_the_older_value() {
    on_each_server(|server| async move {
        let [refreshing, other] = [server.process().await, server.process().await];
        for is_written in [false, true] {
            load(&other, "k", "old").await;
            let (entered, has_entered) = oneshot::channel();
            let (finish, finished) = oneshot::channel::<()>();
            let refresh = tokio::spawn({
                let refreshing = refreshing.clone();
                async move {
                    let loader = || async {
                        entered.send(()).unwrap();
                        finished.await.unwrap();
                        Ok::<_, String>("older".to_string())
                    };
                    refreshing.refresh("k".to_string(), loader).await
                }
            });
            has_entered.await.unwrap();
            if is_written {
                insert(&other, "newer").await;
            } else {
                other.invalidate("k").await.unwrap();
            }
            finish.send(()).unwrap();
            assert_eq!(refresh.await.unwrap().unwrap(), "older");
            assert_ne!(load(&other, "k", "newest").await, "older");
            until(|| refreshing.get("k").as_deref() != Some("older")).await;
            assert_ne!(load(&refreshing, "k", "newest").await, "older");
            other.invalidate("k").await.unwrap();
        }
        assert_eq!(refreshing.tier_stats().fills_refused, 2);
    });
}

#[test]
fn a_refresh_keeps_its_ttl_on_the_server() {
    on_each_server(|server| async move {
        let [first, second] = [server.process().await, server.process().await];
        let minute = Ttl::After(Duration::from_secs(60));
        let loader =
            move || async move { Ok::<_, String>(Loaded::new("v".to_string()).ttl(minute)) };
        first.refresh("k".to_string(), loader).await.unwrap();
        until(|| second.tier_stats().removals_heard > 0).await;
        hit(&second, "k").await;
        let left = second.cache().time_to_expiry("k").unwrap();
        assert!(
            left <= Duration::from_secs(60) && left > Duration::from_secs(50),
            "{left:?}"
        );
    });
}
