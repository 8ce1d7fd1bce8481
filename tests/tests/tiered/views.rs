use std::cell::Cell;
use std::rc::Rc;

use cache_core::testing::{MemoryTier, VirtualRuntime};
use cache_core::tier::{TieredLoadingCache, TieredOptionalLoadingCache};
use cache_core::{Cache, LoadError};

use crate::fleet::{Fleet, Server, ms};

/// A view can be a field: its type has no type of a loader.
struct Views {
    squares: TieredLoadingCache<u32, u64, &'static str, Server, VirtualRuntime>,
    roots: TieredOptionalLoadingCache<u32, u64, (), Server, VirtualRuntime>,
    calls: Rc<Cell<u64>>,
}

impl Views {
    fn of(process: &crate::fleet::Process) -> Self {
        let calls = Rc::new(Cell::new(0));
        let counter = Rc::clone(&calls);
        let squares = process.cache.loading(move |n: u32| {
            counter.set(counter.get() + 1);
            async move {
                u64::from(n)
                    .checked_mul(10)
                    .filter(|n| *n > 0)
                    .ok_or("zero")
            }
        });
        let roots = process.cache.loading_optional(|n: u32| async move {
            Ok::<_, ()>((0..=u64::from(n)).find(|root| root * root == u64::from(n)))
        });
        Self {
            squares,
            roots,
            calls,
        }
    }
}

#[test]
fn a_view_calls_its_loader_for_what_both_tiers_lack() {
    let fleet = Fleet::new();
    let [first, second] = fleet.processes();
    let (views, others) = (Views::of(&first), Views::of(&second));
    fleet.run(async {
        assert_eq!(views.squares.get(7).await, Ok(70));
        assert_eq!(views.squares.get(&7).await, Ok(70));
        assert_eq!(others.squares.clone().get(7).await, Ok(70));
        assert_eq!((views.calls.get(), others.calls.get()), (1, 0));
        let error = views.squares.get(0).await;
        assert_eq!(error.unwrap_err().loader(), Some(&"zero"));
        fleet.sleep(ms(1)).await;
        assert!(!fleet.server.is_leased(&0));
    });
}

#[test]
fn the_keys_of_a_view_are_read_together() {
    let fleet = Fleet::new();
    let [first, second] = fleet.processes();
    let (views, others) = (Views::of(&first), Views::of(&second));
    fleet.run(async {
        others.squares.get(2).await.unwrap();
        let found = views.squares.get_all([1, 2, 3, 0, 3]).await;
        let values: Vec<_> = found.into_iter().map(Result::ok).collect();
        assert_eq!(values, [Some(10), Some(20), Some(30), None, Some(30)]);
    });
    assert_eq!((first.stats().fetches, first.stats().fetched_keys), (1, 4));
    assert_eq!(views.calls.get(), 3);
}

#[test]
fn a_view_refreshes_a_key_in_both_tiers() {
    let fleet = Fleet::new();
    let [first, second] = fleet.processes();
    let views = Views::of(&first);
    fleet.run(async {
        second.cache.insert(7, 1).await.unwrap();
        assert_eq!(views.squares.get(7).await, Ok(1));
        assert_eq!(views.squares.refresh(7).await, Ok(70));
        fleet.sleep(ms(1)).await;
        assert_eq!(second.peek(7), None);
        assert_eq!(
            (first.peek(7), fleet.server.value(&7)),
            (Some(70), Some(70))
        );
        // The old value stays if the loader fails.
        second.cache.insert(0, 1).await.unwrap();
        assert!(views.squares.refresh(0).await.is_err());
        assert_eq!(fleet.server.value(&0), Some(1));
    });
    assert_eq!(views.squares.tiered().get(&7), Some(70));
}

#[test]
fn a_refresh_that_finds_no_value_removes_the_old_one() {
    let fleet = Fleet::new();
    let [first, second] = fleet.processes();
    let views = Views::of(&first);
    fleet.run(async {
        assert_eq!(views.roots.get(49).await, Ok(Some(7)));
        assert_eq!(views.roots.get(50).await, Ok(None));
        second.cache.insert(50, 1).await.unwrap();
        assert_eq!(views.roots.get(50).await, Ok(Some(1)));
        assert_eq!(views.roots.refresh(50).await, Ok(None));
        fleet.sleep(ms(1)).await;
        assert_eq!((fleet.server.value(&50), first.peek(50)), (None, None));
        assert_eq!(second.peek(50), None);
    });
}

#[test]
fn a_view_takes_borrowed_keys() {
    let fleet = Fleet::new();
    let tier = MemoryTier::<String, usize>::new(fleet.runtime.clone());
    let cache = Cache::builder_on(fleet.runtime.clone()).tiered(tier);
    fleet.runtime.run_until_idle();
    let lengths = cache.loading(|key: String| async move { key.len() });
    let batches = cache.batching(|keys: Vec<String>| async move {
        keys.iter().map(String::len).collect::<Vec<_>>()
    });
    fleet.run(async {
        assert_eq!(lengths.get("seven").await, Ok(5));
        assert_eq!(batches.get("seven").await, Ok(Some(5)));
        assert_eq!(lengths.get_all(["one", "three"]).await, [Ok(3), Ok(5)]);
    });
}

#[test]
fn get_all_with_reads_once_and_loads_what_both_tiers_lack_in_one_call() {
    let fleet = Fleet::new();
    let [first, second] = fleet.processes();
    let calls = Rc::new(Cell::new(0));
    fleet.run(async {
        let in_second = second.get(1, ms(1)).await;
        let in_first = first.get(2, ms(1)).await;
        let fetches = first.stats().fetches;
        let counter = Rc::clone(&calls);
        let load = move |keys: Vec<u32>| {
            counter.set(counter.get() + 1);
            async move {
                keys.into_iter()
                    .map(|_| Ok(100))
                    .collect::<Vec<Result<u64, LoadError<()>>>>()
            }
        };
        let found = first.cache.get_all_with([1, 2, 3, 4], load).await;
        let values: Vec<_> = found
            .into_iter()
            .map(|found| found.ok().flatten())
            .collect();
        let loaded = Some(100);
        assert_eq!(values, [Some(in_second), Some(in_first), loaded, loaded]);
        assert_eq!(first.stats().fetches, fetches + 1);
    });
    assert_eq!(calls.get(), 1);
    assert_eq!(fleet.server.value(&4), Some(100));
}
