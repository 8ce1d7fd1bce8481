//! All faults at once, drawn at random. `fleet storm` runs longer.

use cache_fleet_tests::{Storm, on_each_server};

use crate::CHILD;

#[test]
fn no_read_under_random_faults_is_beyond_the_bound() {
    on_each_server(CHILD, |mut fleet| async move {
        let seed = rand::random();
        eprintln!("seed {seed}");
        let storm = Storm {
            reads: 100_000,
            seed,
            processes: 3,
            weakness: None,
            is_verbose: false,
        };
        let report = storm.run(&mut fleet).await;
        eprintln!("{report}");
        assert_eq!(report.beyond, 0, "seed {seed}: {report}");
        assert!(report.invalidations > 100, "{report}");
    });
}
