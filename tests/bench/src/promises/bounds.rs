//! Capacity and counts.

use super::stage::{Backend, KEY, ScenarioResult, answers, premise, spawn_load};
use super::{Outcome, Scenario, on_stage};
use crate::contenders::{Contender, Key, Settings, Value};

pub(super) fn scenarios<C: Contender>() -> Vec<Scenario> {
    vec![
        on_stage!(
            "counts",
            "entry_count is exact as soon as the call returns",
            counts::<C>
        ),
        on_stage!(
            "oversized",
            "an entry above capacity is not stored and evicts nothing",
            oversized::<C>
        ),
        on_stage!(
            "oversized-overwrite",
            "a value above capacity overwrites an entry: neither stays",
            overwrite::<C>
        ),
        on_stage!(
            "capacity-one",
            "a cache of capacity 1 holds one entry",
            capacity_one::<C>
        ),
        on_stage!(
            "capacity-zero",
            "a cache of capacity 0 stores nothing and loads once",
            capacity_zero::<C>
        ),
    ]
}

async fn counts<C: Contender>() -> ScenarioResult {
    let cache = C::build(Settings::entries(100));
    for key in 0..10 {
        cache.insert(key, 1).await;
    }
    let after_inserts = cache.entry_count();
    cache.invalidate(0).await;
    let after_removal = cache.entry_count();
    let words = format!("{after_inserts} after 10, then {after_removal}");
    Ok(Outcome::kept_if(
        (after_inserts, after_removal) == (10, 9),
        words,
    ))
}

const OVERSIZED: Value = 200;

async fn oversized<C: Contender>() -> ScenarioResult {
    let cache = C::build(Settings::weighed(100, itself));
    for key in 0..10 {
        cache.insert(key, 5).await;
    }
    cache.settle().await;
    premise(present(&cache).await == 10, "the small entries fit")?;

    cache.insert(99, OVERSIZED).await;

    let readable = cache.get(99).await.is_some();
    cache.settle().await;
    let stays = cache.get(99).await.is_some();
    let lost = 10 - present(&cache).await;
    Ok(match (readable, stays, lost) {
        (false, false, 0) => Outcome::kept("not stored"),
        (true, false, 0) => Outcome::broken("readable at first"),
        (_, true, 0) => Outcome::broken("stored"),
        (_, true, lost) => Outcome::broken(format!("stored, evicts {lost} of 10")),
        (_, false, lost) => Outcome::broken(format!("evicts {lost} of 10")),
    })
}

async fn overwrite<C: Contender>() -> ScenarioResult {
    let cache = C::build(Settings::weighed(100, itself));
    cache.insert(KEY, 5).await;
    cache.settle().await;
    premise(cache.get(KEY).await == Some(5), "the small value fits")?;

    cache.insert(KEY, OVERSIZED).await;

    let at_first = cache.get(KEY).await;
    cache.settle().await;
    Ok(match (at_first, cache.get(KEY).await) {
        (None, None) => Outcome::kept("neither"),
        (Some(OVERSIZED), None) => Outcome::broken("readable at first"),
        (_, Some(OVERSIZED)) => Outcome::broken("stored"),
        _ => Outcome::broken("the old value stays"),
    })
}

async fn capacity_one<C: Contender>() -> ScenarioResult {
    let (cache, backend) = (C::build(Settings::entries(1)), Backend::new());
    for _ in 0..3 {
        answers(vec![spawn_load(&cache, &backend, 7)]).await;
        cache.settle().await;
    }
    let words = format!("{} for 3 calls", backend.loads());
    Ok(Outcome::kept_if(backend.calls() == 1, words))
}

async fn capacity_zero<C: Contender>() -> ScenarioResult {
    let (cache, backend) = (C::build(Settings::entries(0)), Backend::new());
    let callers = (0..10).map(|_| spawn_load(&cache, &backend, 7)).collect();
    let served = answers(callers)
        .await
        .into_iter()
        .all(|answer| answer.got() == Some(7));
    premise(served, "every caller is served")?;
    let readable = cache.get(KEY).await.is_some();
    let words = match (backend.calls(), readable) {
        (1, false) => "1 load, not stored".to_owned(),
        (_, false) => backend.loads(),
        (_, true) => format!("{}, readable", backend.loads()),
    };
    Ok(Outcome::kept_if(backend.calls() == 1 && !readable, words))
}

async fn present<C: Contender>(cache: &C) -> usize {
    let mut present = 0;
    for key in 0..10 as Key {
        present += usize::from(cache.get(key).await.is_some());
    }
    present
}

/// The weight of a value is the value.
fn itself(value: Value) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
