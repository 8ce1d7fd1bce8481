//! The checker finds processes that break a rule of the protocol.

use std::time::Duration;

use cache_fleet_tests::backend::Delays;
use cache_fleet_tests::fleet::rest;
use cache_fleet_tests::{MAX_STALENESS, Options, Weakness, on_each_server};
use tokio::time::sleep;

use crate::{CHILD, traffic};

#[test]
fn without_a_horizon_a_stalled_link_shows_old_values() {
    on_each_server(CHILD, |fleet| async move {
        let proxy = fleet.proxy().await;
        let options = Options {
            weakness: Some(Weakness::NoHorizon),
            ..fleet.options_behind(&proxy)
        };
        let behind = fleet.process(options).await;
        let [writer] = fleet.processes().await;
        traffic(&behind, 3, 0, 20).await;
        traffic(&writer, 1, 1, 20).await;
        sleep(MAX_STALENESS / 2).await;
        proxy.stall();
        sleep(2 * MAX_STALENESS).await;
        proxy.resume();
        rest([&behind, &writer]).await;
        let report = fleet.report(MAX_STALENESS);
        eprintln!("{report}");
        assert!(report.beyond > 0, "{report}");
    });
}

#[test]
fn values_that_a_plain_set_stores_are_old_even_if_nothing_fails() {
    on_each_server(CHILD, |fleet| async move {
        fleet
            .backend
            .set_delays(Delays::up_to(Duration::from_millis(50)));
        let options = Options {
            weakness: Some(Weakness::PlainSet),
            ..fleet.options()
        };
        let processes = fleet.processes_with::<3>(&options).await;
        for process in &processes {
            traffic(process, 3, 1, 100).await;
        }
        let mut report = fleet.report(MAX_STALENESS);
        while report.beyond == 0 {
            sleep(MAX_STALENESS).await;
            report = fleet.report(MAX_STALENESS);
        }
        eprintln!("{report}");
        rest(&processes).await;
    });
}
