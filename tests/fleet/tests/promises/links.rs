//! Links between processes and the server break, stall and delay.

use std::time::Duration;

use cache_fleet_tests::fleet::rest;
use cache_fleet_tests::proxy::Links;
use cache_fleet_tests::{MAX_STALENESS, Options, on_each_server};
use tokio::time::sleep;

use crate::{CHILD, traffic};

#[test]
fn a_feed_that_is_cut_again_and_again_leaves_no_old_values() {
    on_each_server(CHILD, |fleet| async move {
        let processes = fleet.processes::<3>().await;
        for process in &processes {
            traffic(process, 2, 1, 40).await;
        }
        for _ in 0..8 {
            sleep(MAX_STALENESS / 4).await;
            let _: i64 = fleet
                .server
                .command(&["CLIENT", "KILL", "TYPE", "pubsub"])
                .await;
        }
        for process in &processes {
            process.reaches("connections", 3).await;
        }
        rest(&processes).await;
        fleet.check();
    });
}

#[test]
fn a_process_behind_a_stalled_link_stops_using_its_first_tier() {
    on_each_server(CHILD, |fleet| async move {
        let proxy = fleet.proxy().await;
        let behind = fleet.process(fleet.options_behind(&proxy)).await;
        let [writer] = fleet.processes().await;
        traffic(&behind, 3, 0, 20).await;
        traffic(&writer, 1, 1, 20).await;
        for _ in 0..2 {
            sleep(MAX_STALENESS / 2).await;
            proxy.stall();
            sleep(2 * MAX_STALENESS).await;
            proxy.resume();
        }
        behind.reaches("believed", 1).await;
        rest([&behind, &writer]).await;
        assert!(behind.figure("past_horizon").await > 0);
        fleet.check();
    });
}

#[test]
fn a_slow_link_and_a_link_of_small_pieces_leave_no_old_values() {
    on_each_server(CHILD, |fleet| async move {
        let [slow, pieces] = [fleet.proxy().await, fleet.proxy().await];
        let behind_slow = fleet.process(fleet.options_behind(&slow)).await;
        let behind_pieces = fleet.process(fleet.options_behind(&pieces)).await;
        slow.set(Links {
            delay: Duration::from_millis(50),
            ..Links::FLOW
        });
        pieces.set(Links {
            piece: 3,
            ..Links::FLOW
        });
        let processes = [&behind_slow, &behind_pieces];
        for process in processes {
            traffic(process, 2, 1, 20).await;
        }
        sleep(2 * MAX_STALENESS).await;
        rest(processes).await;
        fleet.check();
    });
}

#[test]
fn an_invalidation_that_failed_is_sent_again_and_then_bounds_staleness() {
    on_each_server(CHILD, |fleet| async move {
        let proxy = fleet.proxy().await;
        let cut_off = Options {
            command_timeout: 100,
            ..fleet.options_behind(&proxy)
        };
        let cut_off = fleet.process(cut_off).await;
        let [other] = fleet.processes().await;
        assert_eq!(other.read(1).await, 1);
        proxy.stall();
        let error = cut_off.write(1).await.unwrap_err();
        assert!(error.starts_with("error 2 "), "{error}");
        // The command that was held back is lost with its link.
        proxy.cut();
        while other.get(1).await != Some(1) {}
        proxy.resume();
        cut_off.reaches("replayed", 1).await;
        fleet.promise(1, 2);
        traffic(&other, 1, 0, 2).await;
        sleep(MAX_STALENESS * 3 / 2).await;
        rest([&other]).await;
        assert_eq!(other.read(1).await, 2);
        fleet.check();
    });
}

#[test]
fn a_call_without_an_answer_ends_after_the_soft_timeout() {
    on_each_server(CHILD, |fleet| async move {
        let proxy = fleet.proxy().await;
        let behind = fleet.process(fleet.options_behind(&proxy)).await;
        proxy.stall();
        for key in 0..20 {
            assert_eq!(behind.read(key).await, 1);
        }
        // The breaker has opened: not every one of them waited.
        let response = behind.request("herd 100 1000").await;
        let time = response.rsplit(' ').next().unwrap().parse::<u64>().unwrap();
        assert!(time < 20_000, "{response}");
        assert!(behind.figure("bypassed").await >= 20);
    });
}

#[test]
fn a_write_that_failed_and_arrives_late_replaces_no_later_value() {
    on_each_server(CHILD, |fleet| async move {
        let proxy = fleet.proxy().await;
        let patient = Options {
            // The links are given up before the command is.
            command_timeout: 6_000,
            ..fleet.options_behind(&proxy)
        };
        let process = fleet.process(patient).await;
        let [other] = fleet.processes().await;
        assert_eq!(other.read(1).await, 1);
        // The server knows the script that writes.
        assert_eq!(process.request("insert 2").await, "ok 2");
        proxy.strand();
        let error = process.request("insert 1").await;
        assert!(error.starts_with("error 2 "), "{error}");
        // The process opens other links, and the old ones still have the write.
        process.reconnected(1).await;
        assert_eq!(process.write(1).await.unwrap(), 3);
        assert_eq!(other.read(1).await, 3);
        proxy.deliver_stranded();
        traffic(&other, 2, 0, 2).await;
        sleep(MAX_STALENESS * 3 / 2).await;
        rest([&other]).await;
        assert_eq!(other.read(1).await, 3);
        fleet.check();
    });
}
