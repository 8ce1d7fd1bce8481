//! Values that are returned after their time to live because their load fails or is slow.

use std::time::Duration;

use tokio::time::sleep;

use super::super::stage::{MIDWAY, ScenarioResult, answer, premise};
use super::super::{Outcome, Scenario, on_stage};
use super::{NEW, OLD, WRITTEN, after_load, aged, spawn_get, value_of};
use crate::contenders::refreshing::{KEEP, REVALIDATE, Refreshing, SLOW, SourceMode, TTL};

pub(super) fn scenarios<C: Refreshing>() -> Vec<Scenario> {
    vec![
        on_stage!(
            "error-old",
            "a load fails after the ttl: the old value is returned",
            old::<C>
        ),
        on_stage!(
            "error-once",
            "100 such callers at once: one call of the backend",
            once::<C>
        ),
        on_stage!(
            "error-not-fresh",
            "a read that does not load finds nothing then",
            not_fresh::<C>
        ),
        on_stage!(
            "error-ends",
            "the old value is returned for a limited time",
            ends::<C>
        ),
        on_stage!(
            "error-insert",
            "insert during a load that fails: the old value is gone",
            insert::<C>
        ),
        on_stage!(
            "error-invalidate",
            "invalidate during a load that fails: the old value is gone",
            invalidate::<C>
        ),
        on_stage!(
            "slow",
            "a load is slow: its callers get the old value in time",
            slow::<C>
        ),
    ]
}

/// An age at which the value is returned only if its load fails.
const AGE: Duration = TTL
    .saturating_add(REVALIDATE)
    .saturating_add(Duration::from_secs(100));

async fn old<C: Refreshing>() -> ScenarioResult {
    if !C::KEEPS {
        return Ok(Outcome::not_offered());
    }
    let (cache, _) = aged::<C>(AGE, SourceMode::Fails).await?;
    Ok(match value_of(spawn_get(&cache)).await {
        Some(OLD) => Outcome::kept("old value"),
        _ => Outcome::broken("error"),
    })
}

async fn once<C: Refreshing>() -> ScenarioResult {
    if !C::KEEPS {
        return Ok(Outcome::not_offered());
    }
    let (cache, source) = aged::<C>(AGE, SourceMode::Fails).await?;
    let callers: Vec<_> = (0..100).map(|_| spawn_get(&cache)).collect();
    let mut served = 0;
    for caller in callers {
        served += usize::from(value_of(caller).await == Some(OLD));
    }
    premise(served == 100, "every caller is served")?;
    Ok(match source.calls().len() - 1 {
        1 => Outcome::kept("1 call"),
        calls => Outcome::broken(format!("{calls} calls")),
    })
}

async fn not_fresh<C: Refreshing>() -> ScenarioResult {
    if !C::KEEPS {
        return Ok(Outcome::not_offered());
    }
    let (cache, _) = aged::<C>(AGE, SourceMode::Fails).await?;
    let served = value_of(spawn_get(&cache)).await == Some(OLD);
    premise(served, "the old value is returned")?;
    Ok(match cache.peek().await {
        None => Outcome::kept("nothing"),
        Some(_) => Outcome::broken("the old value is fresh again"),
    })
}

async fn ends<C: Refreshing>() -> ScenarioResult {
    if !C::KEEPS {
        return Ok(Outcome::not_offered());
    }
    let (cache, _) = aged::<C>(AGE, SourceMode::Fails).await?;
    for _ in 0..5 {
        // Its load fails, so the call must not prolong the life of the value.
        drop(spawn_get(&cache).await);
        cache.pass(KEEP / 4).await;
    }
    Ok(match value_of(spawn_get(&cache)).await {
        None => Outcome::kept("error at the end"),
        Some(_) => Outcome::broken("returned without end"),
    })
}

async fn insert<C: Refreshing>() -> ScenarioResult {
    if !C::KEEPS {
        return Ok(Outcome::not_offered());
    }
    let (cache, _) = aged::<C>(AGE, SourceMode::Fails).await?;
    let caller = spawn_get(&cache);
    sleep(MIDWAY).await;
    cache.insert(WRITTEN).await;
    let answer = value_of(caller).await;
    let stored = cache.peek().await;
    Ok(match (answer, stored) {
        (Some(WRITTEN), Some(WRITTEN)) => Outcome::kept("written value"),
        (None, Some(WRITTEN)) => Outcome::kept("error, write stays"),
        (_, Some(WRITTEN)) => Outcome::broken("old value"),
        _ => Outcome::broken("write lost"),
    })
}

async fn invalidate<C: Refreshing>() -> ScenarioResult {
    if !C::KEEPS {
        return Ok(Outcome::not_offered());
    }
    let (cache, _) = aged::<C>(AGE, SourceMode::Fails).await?;
    let caller = spawn_get(&cache);
    sleep(MIDWAY).await;
    cache.invalidate().await;
    drop(answer(caller).await);
    Ok(match value_of(spawn_get(&cache)).await {
        None => Outcome::kept("gone"),
        Some(_) => Outcome::broken("the old value returns"),
    })
}

async fn slow<C: Refreshing>() -> ScenarioResult {
    if !C::LEAVES_SLOW_LOADS {
        return Ok(Outcome::not_offered());
    }
    let (cache, source) = aged::<C>(AGE, SourceMode::GivesSlowly(NEW)).await?;
    let caller = spawn_get(&cache);
    sleep(2 * SLOW).await;
    if !caller.is_finished() {
        return Ok(Outcome::broken("the caller waits"));
    }
    let in_time = value_of(caller).await == Some(OLD);
    sleep(10 * SLOW).await;
    after_load().await;
    premise(source.calls().len() == 2, "there is one load")?;
    let stored = cache.peek().await == Some(NEW);
    Ok(Outcome::kept_if(
        in_time && stored,
        if stored {
            "old value, then new"
        } else {
            "the load is lost"
        },
    ))
}
