//! Nothing fails.

use std::time::Duration;

use cache_fleet_tests::backend::Delays;
use cache_fleet_tests::fleet::rest;
use cache_fleet_tests::on_each_server;
use cache_fleet_tests::options::awkward_keys;
use tokio::time::sleep;

use crate::{CHILD, traffic_with_clears};

/// Callers of each process.
const CALLERS: u32 = 1_000;

/// How many herds: `FLEET_HERDS` (default: 5).
fn herds() -> u32 {
    std::env::var("FLEET_HERDS").map_or(5, |text| text.parse().expect("a number"))
}

#[test]
fn thousands_of_callers_in_four_processes_are_one_load() {
    on_each_server(CHILD, |fleet| async move {
        fleet
            .backend
            .set_delays(Delays::up_to(Duration::from_millis(40)));
        let processes = fleet.patient_processes::<4>().await;
        for key in 0..herds() {
            let request = format!("herd {key} {CALLERS}");
            let herd: Vec<_> = processes
                .iter()
                .map(|process| process.begin(&request))
                .collect();
            for response in herd {
                let response = response.await.unwrap();
                assert!(response.starts_with("1 1 "), "{response}");
            }
            assert_eq!(fleet.backend.loads(key), 1, "loads of key {key}");
        }
        assert_eq!(fleet.check().reads, u64::from(4 * CALLERS * herds()));
    });
}

#[test]
fn processes_that_all_read_and_write_return_no_old_values() {
    on_each_server(CHILD, |fleet| async move {
        fleet
            .backend
            .set_delays(Delays::up_to(Duration::from_millis(20)));
        let processes = fleet.processes::<4>().await;
        for process in &processes {
            traffic_with_clears(process, 3, 2, 40, 20).await;
        }
        sleep(Duration::from_secs(2)).await;
        rest(&processes).await;
        let report = fleet.check();
        assert!(
            report.reads > 1_000 && report.invalidations > 100,
            "{report}"
        );
    });
}

#[test]
fn a_written_value_is_the_one_that_every_process_reads() {
    on_each_server(CHILD, |fleet| async move {
        let [writer, reader] = fleet.patient_processes().await;
        for key in 0..10 {
            for version in 2..5 {
                assert_eq!(reader.read(key).await, version - 1);
                let written = writer.request(&format!("insert {key}")).await;
                assert_eq!(written, format!("ok {version}"));
                while reader.get(key).await.is_some_and(|found| found < version) {}
                assert_eq!(reader.read(key).await, version);
            }
            assert_eq!(fleet.backend.loads(key), 1);
        }
        fleet.check();
    });
}

#[test]
fn a_load_that_ends_after_an_invalidation_stores_its_value_in_no_tier() {
    on_each_server(CHILD, |fleet| async move {
        let [loading, writer, other] = fleet.patient_processes().await;
        fleet.backend.hold(1);
        let late = loading.begin("read 1");
        while fleet.backend.waiting(1) == 0 {
            sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(writer.write(1).await.unwrap(), 2);
        fleet.backend.release(1);
        // It began before the invalidation.
        assert_eq!(late.await.unwrap(), "1");
        assert!(loading.figure("fills_refused").await >= 1);
        for process in [&loading, &writer, &other] {
            assert_eq!(process.read(1).await, 2);
        }
        assert_eq!(fleet.backend.loads(1), 2);
        fleet.check();
    });
}

#[test]
fn keys_with_any_characters_are_distinct() {
    on_each_server(CHILD, |fleet| async move {
        let [writer, reader] = fleet.patient_processes().await;
        for key in awkward_keys() {
            // No two keys ever have the same version.
            fleet.backend.set(key, u64::from(key) * 1_000);
            assert_eq!(writer.read(key).await, u64::from(key) * 1_000);
        }
        for key in awkward_keys() {
            assert_eq!(reader.read(key).await, u64::from(key) * 1_000);
            assert_eq!(fleet.backend.loads(key), 1, "loads of key {key}");
        }
        for key in awkward_keys() {
            let version = writer.write(key).await.unwrap();
            while reader.get(key).await.is_some_and(|found| found < version) {}
            // The other keys keep their values.
            for key in awkward_keys() {
                assert_eq!(reader.read(key).await, fleet.backend.version(key));
            }
            assert_eq!(fleet.backend.loads(key), 2, "loads of key {key}");
        }
        fleet.check();
    });
}
