use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use cache_core::testing::{Fault, Step, VirtualRuntime};
use cache_core::tier::TierSettings;
use cache_core::{Cache, Loaded, Ttl};

use futures_util::future::join;

use crate::fleet::{Fleet, ms};

#[test]
fn an_insert_is_what_every_process_gets_next() {
    let fleet = Fleet::new();
    let [first, second] = fleet.processes();
    fleet.run(async {
        second.get(7, ms(1)).await;
        assert!(first.insert(7).await);
        fleet.sleep(ms(1)).await;
        let new = first.peek(7).expect("the writer keeps its own value");
        assert_eq!(first.get(7, ms(1)).await, new);
        assert_eq!(second.get(7, ms(1)).await, new);
        assert_eq!(second.peek(7), Some(new));
    });
    assert_eq!(fleet.loads(7), 1);
}

#[test]
fn invalidate_all_empties_both_tiers_of_every_process() {
    let fleet = Fleet::new();
    let [first, second] = fleet.processes();
    fleet.run(async {
        let old = first.get(7, ms(1)).await;
        second.get(7, ms(1)).await;
        assert!(first.invalidate_all().await);
        fleet.sleep(ms(1)).await;
        assert_eq!((first.peek(7), second.peek(7)), (None, None));
        assert_ne!(second.get(7, ms(1)).await, old);
    });
}

#[test]
fn a_value_of_the_second_tier_expires_in_the_first_no_later() {
    let fleet = Fleet::new();
    let [first, second] = fleet.processes();
    fleet.run(async {
        let load = || async { Ok::<_, ()>(Loaded::new(1).ttl(Ttl::After(ms(1_000)))) };
        first.cache.load_with(7, load).await.unwrap();
        fleet.sleep(ms(600)).await;
        second.get(7, ms(1)).await;
        assert_eq!(second.cache.cache().time_to_expiry(&7), Some(ms(400)));
        second
            .cache
            .load_with(8, || async { Ok::<_, ()>(Loaded::new(2)) })
            .await
            .unwrap();
        let left = second.cache.cache().time_to_expiry(&8);
        assert_eq!(left, Some(Duration::from_secs(60)));
    });
}

#[test]
fn both_tiers_remember_a_missing_value_if_the_builder_says_so() {
    let fleet = Fleet::new();
    let builder = || Cache::builder_on(fleet.runtime.clone()).negative_ttl(ms(1_000));
    let first = builder().tiered(fleet.server.process());
    let second = builder().tiered(fleet.server.process());
    fleet.runtime.run_until_idle();
    fleet.run(async {
        assert_eq!(first.optionally_get_with(7, || async { None }).await, None);
        let found = second.optionally_get_with(7, || async { Some(1) });
        assert_eq!(found.await, None);
        fleet.sleep(ms(2_000)).await;
        let found = second.optionally_get_with(7, || async { Some(1) });
        assert_eq!(found.await, Some(1));
    });
}

#[test]
fn a_missing_value_is_not_remembered_by_default() {
    let fleet = Fleet::new();
    let [first, second] = fleet.processes();
    fleet.run(async {
        let found = first.cache.optionally_get_with(7, || async { None });
        assert_eq!(found.await, None);
        fleet.sleep(ms(1)).await;
        let found = second.cache.optionally_get_with(7, || async { Some(1) });
        assert_eq!(found.await, Some(1));
    });
}

#[test]
fn a_batch_loader_gets_the_keys_that_both_tiers_lack() {
    let fleet = Fleet::new();
    let [first, second] = fleet.processes();
    let batches = Rc::new(RefCell::new(vec![]));
    let view = second.cache.batching({
        let batches = Rc::clone(&batches);
        move |mut keys: Vec<u32>| {
            keys.sort_unstable();
            batches.borrow_mut().push(keys.clone());
            async move {
                keys.into_iter()
                    .map(|key| (key, 100))
                    .collect::<HashMap<_, u64>>()
            }
        }
    });
    fleet.run(async {
        let in_second = first.get(1, ms(1)).await;
        let in_first = second.get(2, ms(1)).await;
        let found = view.get_all([1, 2, 3, 4, 3]).await;
        let found: Vec<_> = found.into_iter().map(|found| found.unwrap()).collect();
        let loaded = Some(100);
        assert_eq!(
            found,
            [Some(in_second), Some(in_first), loaded, loaded, loaded]
        );
    });
    assert_eq!(*batches.borrow(), [[3, 4]]);
    assert_eq!(fleet.server.value(&4), Some(100));
    assert_eq!(second.peek(4), Some(100));
}

#[test]
fn a_value_of_the_second_tier_does_not_wait_for_the_batch_loader() {
    let fleet = Fleet::new();
    let [first, second] = fleet.processes();
    let view = second.cache.batching({
        let fleet = fleet.clone();
        move |keys: Vec<u32>| {
            let fleet = fleet.clone();
            async move {
                fleet.sleep(ms(1_000)).await;
                vec![100_u64; keys.len()]
            }
        }
    });
    fleet.run(async {
        first.get(1, ms(1)).await;
        let both = join(view.get(2), async {
            view.get(1).await.unwrap();
            fleet.runtime.elapsed()
        });
        let (_, elapsed) = both.await;
        assert!(elapsed < ms(10), "{elapsed:?}");
    });
}

#[test]
fn the_errors_of_a_batch_loader_reach_its_callers() {
    let fleet = Fleet::new();
    let process = fleet.process();
    let view = process.cache.batching(|keys: Vec<u32>| async move {
        let items = keys.into_iter();
        items
            .map(|key| if key == 1 { Err("one") } else { Ok(2_u64) })
            .collect::<Vec<_>>()
    });
    fleet.run(async {
        let found = view.get_all([1, 2]).await;
        assert_eq!(found[0].as_ref().unwrap_err().loader(), Some(&"one"));
        assert_eq!(found[1].as_ref().unwrap(), &Some(2));
        fleet.sleep(ms(1)).await;
    });
    assert!(!fleet.server.is_leased(&1));
}

#[test]
fn callers_of_one_process_share_a_load_whatever_the_method() {
    let fleet = Fleet::new();
    let process = fleet.process();
    let view = process
        .cache
        .batching(|keys: Vec<u32>| async move { vec![1_u64; keys.len()] });
    fleet.run(async {
        let plain = process.get(7, ms(10));
        let (value, batched) = join(plain, view.get(7)).await;
        assert_eq!(batched.unwrap(), Some(value));
    });
    assert_eq!(process.stats().fetched_keys, 1);
}

#[test]
fn the_listener_ends_with_the_cache() {
    let fleet = Fleet::new();
    let process = fleet.process();
    assert_eq!(fleet.runtime.task_count(), 1);
    drop(process);
    fleet.runtime.advance(ms(1_000));
    assert_eq!(fleet.runtime.task_count(), 0);
}

#[test]
fn a_message_that_arrives_twice_changes_nothing() {
    let fleet = Fleet::new();
    fleet.server.set_faults(|_, step| match step {
        Step::Message | Step::Request => Fault::Double,
        _ => Fault::None,
    });
    let [first, second] = fleet.processes();
    fleet.run(async {
        let old = first.get(7, ms(1)).await;
        assert!(second.invalidate(7).await);
        fleet.sleep(ms(1)).await;
        assert_ne!(first.get(7, ms(1)).await, old);
    });
    assert_eq!(fleet.staleness().worst, Duration::ZERO);
}

#[test]
fn an_invalid_setting_of_the_tier_is_named() {
    let runtime = VirtualRuntime::new();
    let mut invalid = TierSettings::default();
    invalid.max_fetch = 0;
    let server = Fleet::on(runtime.clone()).server.with_settings(invalid);
    let error = Cache::builder_on(runtime).try_tiered(server).unwrap_err();
    assert_eq!(
        error.to_string(),
        "max_fetch is 0, but it must be at least 1"
    );
}
