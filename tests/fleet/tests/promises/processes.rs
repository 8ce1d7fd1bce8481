//! Processes stop and die.

use std::time::{Duration, Instant};

use cache_fleet_tests::fleet::rest;
use cache_fleet_tests::{Backend, Fleet, MAX_STALENESS, Options, on_each_server, server};
use tokio::time::sleep;

use crate::{CHILD, traffic};

const LEASE_TIME: u64 = 2_000;

/// Processes whose leases end soon.
fn options(fleet: &Fleet) -> Options {
    Options {
        lease_time: LEASE_TIME,
        ..fleet.patient_options()
    }
}

async fn held(backend: &Backend, key: u32, loads: usize) {
    while backend.waiting(key) < loads {
        sleep(Duration::from_millis(1)).await;
    }
}

#[test]
fn a_process_that_was_stopped_returns_no_old_value_when_it_continues() {
    on_each_server(CHILD, |fleet| async move {
        let [stopped, writer] = fleet.processes().await;
        assert_eq!(stopped.read(1_000).await, 1);
        traffic(&stopped, 3, 0, 20).await;
        traffic(&writer, 1, 1, 20).await;
        for turn in 0..3 {
            sleep(MAX_STALENESS / 4).await;
            stopped.stop();
            sleep(MAX_STALENESS / 2).await;
            let version = writer.write(1_000).await.unwrap();
            assert_eq!(version, turn + 2);
            sleep(MAX_STALENESS * 3 / 2).await;
            // Its first call, at once, of a key that no other call has looked up before.
            let first = stopped.begin("read 1000");
            stopped.resume();
            assert_eq!(first.await.unwrap(), version.to_string());
        }
        rest([&stopped, &writer]).await;
        fleet.check();
    });
}

#[test]
fn a_key_whose_loading_process_is_killed_is_loaded_by_another() {
    on_each_server(CHILD, |fleet| async move {
        let [mut holder, next, other] = fleet.processes_with(&options(&fleet)).await;
        fleet.backend.hold(1);
        let lost = holder.begin("read 1");
        held(&fleet.backend, 1, 1).await;
        let waiting = [next.begin("herd 1 100"), other.begin("herd 1 100")];
        let killed = Instant::now();
        holder.kill();
        assert!(lost.await.is_err());
        // One of the two takes the lease.
        held(&fleet.backend, 1, 2).await;
        let waited = killed.elapsed();
        fleet.backend.release(1);
        for response in waiting {
            assert!(response.await.unwrap().starts_with("1 1 "));
        }
        assert_eq!(fleet.backend.loads(1), 2);
        assert!(
            waited < Duration::from_millis(LEASE_TIME) + Duration::from_secs(5),
            "{waited:?}"
        );
        fleet.check();
    });
}

#[test]
fn a_process_that_is_stopped_longer_than_its_lease_stores_nothing() {
    on_each_server(CHILD, |fleet| async move {
        let [holder, next, other] = fleet.processes_with(&options(&fleet)).await;
        fleet.backend.hold(1);
        let late = holder.begin("read 1");
        held(&fleet.backend, 1, 1).await;
        holder.stop();
        // No invalidation: the lease alone decides.
        assert_eq!(fleet.backend.write(1), 2);
        let second = next.begin("read 1");
        held(&fleet.backend, 1, 2).await;
        fleet.backend.release(1);
        assert_eq!(second.await.unwrap(), "2");
        holder.resume();
        assert_eq!(late.await.unwrap(), "1");
        assert!(holder.figure("fills_refused").await >= 1);
        for process in [&other, &holder] {
            assert_eq!(process.read(1).await, 2);
        }
        assert_eq!(fleet.backend.loads(1), 2);
    });
}

#[test]
fn a_load_that_is_longer_than_the_lease_keeps_it() {
    on_each_server(CHILD, |fleet| async move {
        let [holder, next] = fleet.processes_with(&options(&fleet)).await;
        fleet.backend.hold(1);
        let first = holder.begin("read 1");
        held(&fleet.backend, 1, 1).await;
        let second = next.begin("read 1");
        sleep(Duration::from_millis(2 * LEASE_TIME)).await;
        fleet.backend.release(1);
        assert_eq!(first.await.unwrap(), "1");
        assert_eq!(second.await.unwrap(), "1");
        assert_eq!(fleet.backend.loads(1), 1);
    });
}

#[test]
fn a_lease_that_never_ends_delays_a_call_by_max_wait() {
    on_each_server(CHILD, |fleet| async move {
        let options = Options {
            max_wait: 500,
            ..options(&fleet)
        };
        let process = fleet.process(options.clone()).await;
        assert_eq!(process.read(1).await, 1);
        let state = fleet.server.states("key-1").await.remove(0);
        let _: String = fleet.server.command(&["SET", &state, "L--tag---"]).await;
        // Its first tier is empty.
        let other = fleet.process(options).await;
        let begun = Instant::now();
        assert_eq!(other.read(1).await, 1);
        assert!(begun.elapsed() >= Duration::from_millis(500));
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "{:?}",
            begun.elapsed()
        );
        assert_eq!(other.figure("waits_expired").await, 1);
    });
}

#[test]
fn clocks_that_differ_by_an_hour_have_no_effect() {
    let Some(faketime) = server::find("faketime") else {
        assert!(
            std::env::var_os("CACHE_TIER_SERVERS_REQUIRED").is_none(),
            "no faketime: .ci/servers installs it"
        );
        eprintln!("SKIPPED: PATH has no faketime");
        return;
    };
    let faketime = faketime.to_str().unwrap();
    on_each_server(CHILD, |fleet| async move {
        let early = fleet.spawn_under(&[faketime, "-f", "-1h"], fleet.patient_options());
        let late = fleet.spawn_under(&[faketime, "-f", "+1h"], fleet.patient_options());
        let [right] = fleet.patient_processes().await;
        let processes = [&early, &late, &right];
        for process in processes {
            process.reaches("believed", 1).await;
        }
        let [early_clock, late_clock] = [
            early.figure("wall_clock").await,
            late.figure("wall_clock").await,
        ];
        assert!(late_clock - early_clock >= 7_000, "the clocks differ");
        for (key, process) in (0..).zip(processes) {
            assert_eq!(process.read(key).await, 1);
            for other in processes {
                assert_eq!(other.read(key).await, 1);
                // Its time to live has not ended.
                while other.get(key).await.is_none() {}
            }
            assert_eq!(fleet.backend.loads(key), 1);
        }
        for process in processes {
            traffic(process, 2, 1, 20).await;
        }
        sleep(MAX_STALENESS * 3 / 2).await;
        rest(processes).await;
        fleet.check();
    });
}
