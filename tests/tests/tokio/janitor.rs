//! A janitor that ended with its runtime is restarted on the next runtime.

use std::time::Duration;

use cache_core::Ttl;
use cache_core::testing::MockClock;
use cache_tokio::{Cache, Tokio};
use tokio::runtime::{Builder, Runtime};

use crate::contract::support::backend::yields;

const SECOND: Duration = Duration::from_secs(1);

fn runtime() -> Runtime {
    let runtime = Builder::new_current_thread().enable_time().build();
    runtime.expect("the runtime is built")
}

/// How the runtime ends, before or after the janitor's first poll.
#[derive(Debug, Clone, Copy)]
enum End {
    Dropped,
    ShutDown,
    BeforeTheJanitorRan,
}

/// A cache whose janitor ended with its runtime. Its last announced wake-up was at 10 s.
fn orphan(clock: &MockClock, end: End) -> Cache<u32, u64> {
    let on_clock = Tokio::on_clock(clock.clone());
    let cache: Cache<u32, u64> = Cache::builder_on(on_clock).janitor(true).build();
    let first = runtime();
    let write = || cache.insert_with_ttl(1, 1, Ttl::After(SECOND * 10));
    if let End::BeforeTheJanitorRan = end {
        let _inside = first.enter();
        write();
    } else {
        first.block_on(async {
            write();
            yields(20).await;
        });
    }
    match end {
        End::ShutDown => first.shutdown_background(),
        End::Dropped | End::BeforeTheJanitorRan => drop(first),
    }
    cache
}

#[test]
fn a_janitor_that_ended_with_its_runtime_is_restarted_on_the_next() {
    for end in [End::Dropped, End::ShutDown, End::BeforeTheJanitorRan] {
        // The new deadline is earlier or later than the wake-up that the first janitor announced.
        for ttl in [5, 60] {
            let clock = MockClock::new();
            let cache = orphan(&clock, end);
            runtime().block_on(async {
                cache.insert_with_ttl(2, 2, Ttl::After(SECOND * ttl));
                yields(20).await;
                clock.advance(SECOND * 100);
                yields(200).await;
            });
            assert_eq!(cache.entry_count(), 0, "{end:?}, {ttl} s");
        }
    }
}

#[test]
fn a_janitor_that_ended_twice_is_restarted_twice() {
    let clock = MockClock::new();
    let cache = orphan(&clock, End::Dropped);
    for _ in 0..2 {
        runtime().block_on(async {
            cache.insert_with_ttl(2, 2, Ttl::After(SECOND * 60));
            yields(20).await;
        });
    }
    runtime().block_on(async {
        cache.insert_with_ttl(3, 3, Ttl::After(SECOND * 70));
        yields(20).await;
        clock.advance(SECOND * 100);
        yields(200).await;
    });
    assert_eq!(cache.entry_count(), 0);
}
