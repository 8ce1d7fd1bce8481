//! Two versions of a program share a server.

use cache_fleet_tests::fleet::rest;
use cache_fleet_tests::{MAX_STALENESS, Options, on_each_server};
use tokio::time::sleep;

use crate::{CHILD, traffic};

#[test]
fn versions_that_name_each_other_are_both_invalidated() {
    on_each_server(CHILD, |fleet| async move {
        let version = |schema, also, format| Options {
            schema,
            also: Some(also),
            format,
            ..fleet.patient_options()
        };
        let old = fleet.process(version(2, 3, 2)).await;
        let new = fleet.process(version(3, 2, 3)).await;
        for [first, second] in [[&old, &new], [&new, &old]] {
            let version = first.read(1).await;
            assert_eq!(second.read(1).await, version);
            assert_eq!(fleet.server.states("key-1").await.len(), 2);
            assert_eq!(first.write(1).await.unwrap(), version + 1);
            assert_eq!(fleet.server.states("key-1").await.len(), 0);
            while second.get(1).await.is_some() {}
        }
        for process in [&old, &new] {
            traffic(process, 2, 1, 20).await;
        }
        sleep(MAX_STALENESS * 2).await;
        rest([&old, &new]).await;
        for process in [&old, &new] {
            assert_eq!(process.figure("unreadable").await, 0);
        }
        fleet.check();
    });
}

#[test]
fn values_that_a_version_cannot_read_are_misses_and_stay() {
    on_each_server(CHILD, |fleet| async move {
        let version = |format| Options {
            format,
            ..fleet.patient_options()
        };
        let old = fleet.process(version(2)).await;
        let new = fleet.process(version(3)).await;
        assert_eq!(old.read(1_000).await, 1);
        assert_eq!(new.read(1_000).await, 1);
        assert_eq!(new.figure("unreadable").await, 1);
        // Another process of the old version gets its value.
        let third = fleet.process(version(2)).await;
        assert_eq!(third.read(1_000).await, 1);
        assert_eq!(fleet.backend.loads(1_000), 2);
        for process in [&old, &new, &third] {
            traffic(process, 2, 1, 20).await;
        }
        sleep(MAX_STALENESS * 2).await;
        rest([&old, &new, &third]).await;
        fleet.check();
    });
}
