use std::pin::Pin;

use cache_core::Instant;
use cache_core::runtime::CurrentThread;
use cache_core::testing::MemoryTierError;
use cache_core::tier::{Fill, Filled, Found, Lease, Put, Read, Tier, TierEvents, TierSettings};

use futures_util::future::join;

use crate::fleet::{DELTA, Fleet, Server, Value, ms};

/// The server, with one rule broken.
struct Broken {
    server: Server,
    rule: Rule,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// Every heartbeat counts as answered.
    Horizon,
    /// A fill is stored whether or not its lease holds.
    Lease,
}

type Boxed<T> = Pin<Box<dyn Future<Output = T>>>;
type Answer<T> = Boxed<Result<T, MemoryTierError>>;

impl Tier<u32, Value, CurrentThread> for Broken {
    type Error = MemoryTierError;

    fn settings(&self) -> TierSettings {
        self.server.settings()
    }

    fn fetch(&self, keys: Vec<u32>, read: Read) -> Answer<Vec<Found<Value>>> {
        self.server.fetch(keys, read)
    }

    fn fill(&self, fills: Vec<Fill<u32, Value>>) -> Answer<Vec<Filled>> {
        if self.rule != Rule::Lease {
            return self.server.fill(fills);
        }
        for fill in &fills {
            let value = fill.value.expect("every loader finds a value");
            self.server.set(fill.key, value);
        }
        Box::pin(async move { Ok(vec![Filled::Stored; fills.len()]) })
    }

    fn renew(&self, leases: Vec<(u32, Lease)>) -> Answer<()> {
        self.server.renew(leases)
    }

    fn release(&self, leases: Vec<(u32, Lease)>) -> Boxed<()> {
        self.server.release(leases)
    }

    fn put(&self, puts: Vec<Put<u32, Value>>) -> Answer<()> {
        self.server.put(puts)
    }

    fn remove(&self, keys: Vec<u32>) -> Answer<()> {
        self.server.remove(keys)
    }

    fn clear(&self) -> Answer<()> {
        Tier::clear(&self.server)
    }

    fn listen(&self, events: TierEvents<u32, CurrentThread>) -> Option<Boxed<()>> {
        if self.rule == Rule::Horizon {
            events.answered(Instant::FAR);
        }
        self.server.listen(events)
    }
}

fn broken(fleet: &Fleet, rule: Rule) -> Broken {
    Broken {
        server: fleet.server.process(),
        rule,
    }
}

/// Reads a key while the stream is stalled and the key is invalidated.
async fn stalled(fleet: &Fleet, rule: Rule) {
    let reader = fleet.process_on(broken(fleet, rule));
    let writer = fleet.process_on(broken(fleet, rule));
    reader.get(7, ms(1)).await;
    reader.cache.tier().server.stall(true);
    writer.invalidate(7).await;
    // Before the listener connects again, which clears the first tier.
    fleet.sleep(DELTA + ms(50)).await;
    reader.get(7, ms(1)).await;
}

/// Invalidates a key while a process loads it.
async fn overtaken(fleet: &Fleet, rule: Rule) {
    let reader = fleet.process_on(broken(fleet, rule));
    let writer = fleet.process_on(broken(fleet, rule));
    let invalidation = async {
        fleet.sleep(ms(10)).await;
        writer.invalidate(7).await;
    };
    join(reader.get(7, ms(20)), invalidation).await;
    fleet.sleep(3 * DELTA).await;
    writer.get(7, ms(1)).await;
}

#[test]
fn the_checker_finds_a_cache_without_a_horizon() {
    let fleet = Fleet::new();
    fleet.run(stalled(&fleet, Rule::Horizon));
    assert_eq!(fleet.staleness().violations, 1);
    // The same steps with a horizon.
    let fleet = Fleet::new();
    fleet.run(stalled(&fleet, Rule::Lease));
    assert_eq!(fleet.staleness().violations, 0);
}

#[test]
fn the_checker_finds_a_fill_that_ignores_its_lease() {
    let fleet = Fleet::new();
    fleet.run(overtaken(&fleet, Rule::Lease));
    assert_eq!(fleet.staleness().violations, 1);
    // The same steps with leases.
    let fleet = Fleet::new();
    fleet.run(overtaken(&fleet, Rule::Horizon));
    assert_eq!(fleet.staleness().violations, 0);
}
