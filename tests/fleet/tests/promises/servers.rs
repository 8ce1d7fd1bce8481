//! The server stops, dies, forgets and fills up.

use std::time::Duration;

use cache_fleet_tests::backend::Delays;
use cache_fleet_tests::fleet::rest;
use cache_fleet_tests::{MAX_STALENESS, Options, Process, on_each_server};
use tokio::time::sleep;

use crate::{CHILD, traffic};

const HOT_KEYS: u32 = 1_000;

/// All processes read all hot keys at the same time.
async fn read_hot_keys(processes: &[Process]) {
    let request = format!("read-all {HOT_KEYS}");
    let reads: Vec<_> = processes
        .iter()
        .map(|process| process.begin(&request))
        .collect();
    for read in reads {
        assert_eq!(read.await.unwrap(), HOT_KEYS.to_string());
    }
}

#[test]
fn a_server_that_stops_for_a_while_loses_no_values() {
    on_each_server(CHILD, |fleet| async move {
        let [reader, writer] = fleet.processes().await;
        assert_eq!(reader.read(1_000).await, 1);
        traffic(&reader, 2, 0, 20).await;
        traffic(&writer, 1, 1, 20).await;
        for _ in 0..2 {
            sleep(MAX_STALENESS / 4).await;
            fleet.server.stop();
            sleep(MAX_STALENESS * 2).await;
            assert_eq!(reader.get(1_000).await, None, "past its horizon");
            fleet.server.resume();
            while reader.get(1_000).await.is_none() {}
        }
        rest([&reader, &writer]).await;
        assert_eq!(fleet.backend.loads(1_000), 1);
        fleet.check();
    });
}

#[test]
fn a_server_that_comes_back_empty_is_one_load_for_each_key() {
    on_each_server(CHILD, |mut fleet| async move {
        fleet
            .backend
            .set_delays(Delays::up_to(Duration::from_millis(20)));
        let processes = fleet.patient_processes::<4>().await;
        read_hot_keys(&processes).await;
        assert_eq!(fleet.backend.all_loads(), HOT_KEYS as usize);
        fleet.server.kill();
        fleet.server.start();
        for process in &processes {
            process.reconnected(1).await;
        }
        read_hot_keys(&processes).await;
        assert_eq!(fleet.backend.all_loads(), 2 * HOT_KEYS as usize);
        fleet.check();
    });
}

#[test]
fn a_server_that_dies_and_comes_back_empty_under_traffic_leaves_no_old_values() {
    on_each_server(CHILD, |mut fleet| async move {
        let processes = fleet.processes::<3>().await;
        for process in &processes {
            traffic(process, 2, 1, 40).await;
        }
        for _ in 0..3 {
            sleep(MAX_STALENESS / 2).await;
            fleet.server.kill();
            sleep(MAX_STALENESS / 2).await;
            fleet.server.start();
        }
        sleep(MAX_STALENESS * 3 / 2).await;
        rest(&processes).await;
        fleet.check();
    });
}

#[test]
fn a_server_that_comes_back_with_old_data_has_none_that_is_used() {
    on_each_server(CHILD, |mut fleet| async move {
        let processes = fleet.processes::<3>().await;
        for process in &processes {
            assert_eq!(process.read(1_000).await, 1);
            traffic(process, 2, 1, 40).await;
        }
        for turn in 1..3 {
            let _: String = fleet.server.command(&["SAVE"]).await;
            let version = processes[0].write(1_000).await.unwrap();
            sleep(MAX_STALENESS / 2).await;
            fleet.server.kill();
            fleet.server.start();
            if turn == 1 {
                assert_eq!(fleet.server.states("key-1000").await.len(), 1, "it is back");
            }
            for process in &processes {
                process.reconnected(turn).await;
                assert_eq!(process.read(1_000).await, version);
            }
        }
        rest(&processes).await;
        // A process that starts now has never seen the server before.
        let [fresh] = fleet.processes().await;
        assert_eq!(fresh.read(1_000).await, 3);
        fleet.check();
    });
}

#[test]
fn flushes_and_lost_control_keys_under_traffic_leave_no_old_values() {
    on_each_server(CHILD, |fleet| async move {
        let processes = fleet.processes::<3>().await;
        for process in &processes {
            traffic(process, 2, 1, 40).await;
        }
        for _ in 0..5 {
            sleep(MAX_STALENESS / 4).await;
            let _: String = fleet.server.command(&["FLUSHALL"]).await;
            sleep(MAX_STALENESS / 8).await;
            let _: i64 = fleet.server.command(&["DEL", "fleet:ctl"]).await;
        }
        sleep(MAX_STALENESS * 3 / 2).await;
        rest(&processes).await;
        fleet.check();
    });
}

#[test]
fn a_server_that_evicts_causes_loads_and_no_old_values() {
    on_each_server(CHILD, |fleet| async move {
        let options = Options {
            padding: 4_000,
            ..fleet.options()
        };
        let processes = fleet.processes_with::<2>(&options).await;
        let server = &fleet.server;
        server.configure("maxmemory-policy", "allkeys-random").await;
        let limit = server.number("used_memory").await + 200_000;
        server.configure("maxmemory", &limit.to_string()).await;
        read_hot_keys(&processes).await;
        for process in &processes {
            traffic(process, 2, 1, HOT_KEYS).await;
        }
        sleep(MAX_STALENESS * 2).await;
        rest(&processes).await;
        assert!(server.number("evicted_keys").await > 0);
        fleet.check();
    });
}

#[test]
fn a_full_server_is_read_and_invalidated() {
    on_each_server(CHILD, |fleet| async move {
        let processes = fleet.processes::<2>().await;
        for key in 1_000..1_010 {
            assert_eq!(processes[0].read(key).await, 1);
        }
        fleet
            .server
            .configure("maxmemory-policy", "noeviction")
            .await;
        fleet.server.configure("maxmemory", "1").await;
        for process in &processes {
            traffic(process, 2, 1, 40).await;
        }
        for key in 1_000..1_010 {
            assert_eq!(processes[1].read(key).await, 1);
            assert_eq!(processes[0].write(key).await.unwrap(), 2);
        }
        sleep(MAX_STALENESS * 3 / 2).await;
        for key in 1_000..1_010 {
            assert_eq!(processes[1].read(key).await, 2);
        }
        rest(&processes).await;
        for process in &processes {
            assert!(process.figure("full").await > 0);
        }
        let report = fleet.check();
        assert!(report.invalidations > 10, "{report}");
    });
}
