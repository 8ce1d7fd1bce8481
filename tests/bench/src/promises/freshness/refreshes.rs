//! Refreshes in the background.

use std::time::Duration;

use tokio::time::sleep;

use super::super::stage::{MIDWAY, ScenarioResult, Void, premise, run_all_tasks};
use super::super::{Outcome, Scenario, on_stage};
use super::{NEW, OLD, WRITTEN, after_load, aged, spawn_get, value_of};
use crate::contenders::refreshing::{DUE, Refreshing, Source, SourceMode};

pub(super) fn scenarios<C: Refreshing>() -> Vec<Scenario> {
    vec![
        on_stage!(
            "refresh-once",
            "100 callers of a value that is due: none waits, one refresh",
            once::<C>
        ),
        on_stage!(
            "refresh-insert",
            "insert during a refresh: the write stays",
            insert::<C>
        ),
        on_stage!(
            "refresh-invalidate",
            "invalidate during a refresh: the value is not cached",
            invalidate::<C>
        ),
        on_stage!(
            "refresh-fails",
            "a failing refresh is retried after 1, 2, 4 s and never sooner",
            fails::<C>
        ),
        on_stage!(
            "refresh-hangs",
            "a refresh that hangs stalls no caller, and is given up",
            hangs::<C>
        ),
        on_stage!(
            "refresh-panics",
            "a refresh that panics harms no caller, and is retried",
            panics::<C>
        ),
        on_stage!(
            "refresh-cancelled",
            "the caller that starts a refresh is cancelled: it continues",
            cancelled::<C>
        ),
        on_stage!(
            "refresh-missing",
            "a refresh that finds no value removes the old one",
            missing::<C>
        ),
    ]
}

/// An age at which the value is due.
const AGE: Duration = DUE.saturating_add(Duration::from_secs(10));

async fn once<C: Refreshing>() -> ScenarioResult {
    if !C::REFRESHES {
        return Ok(Outcome::not_offered());
    }
    let (cache, source) = aged::<C>(AGE, SourceMode::Gives(NEW)).await?;
    let callers: Vec<_> = (0..100).map(|_| spawn_get(&cache)).collect();
    sleep(MIDWAY).await;
    let waiting = callers
        .iter()
        .filter(|caller| !caller.is_finished())
        .count();
    if waiting > 0 {
        return Ok(Outcome::broken(format!("{waiting} of 100 wait")));
    }
    after_load().await;
    let refreshes = source.calls().len() - 1;
    let stored = value_of(spawn_get(&cache)).await == Some(NEW);
    Ok(match (refreshes, stored) {
        (1, true) => Outcome::kept("1 refresh"),
        (_, true) => Outcome::broken(format!("{refreshes} refreshes")),
        (_, false) => Outcome::broken("the new value is not cached"),
    })
}

async fn insert<C: Refreshing>() -> ScenarioResult {
    if !C::REFRESHES {
        return Ok(Outcome::not_offered());
    }
    let (cache, _) = midway::<C>(SourceMode::Gives(NEW)).await?;
    cache.insert(WRITTEN).await;
    after_load().await;
    Ok(match value_of(spawn_get(&cache)).await {
        Some(WRITTEN) => Outcome::kept("write stays"),
        Some(_) => Outcome::broken("write lost"),
        None => Outcome::broken("nothing cached"),
    })
}

async fn invalidate<C: Refreshing>() -> ScenarioResult {
    if !C::REFRESHES {
        return Ok(Outcome::not_offered());
    }
    let (cache, source) = midway::<C>(SourceMode::Gives(OLD)).await?;
    source.set(SourceMode::Gives(NEW));
    cache.invalidate().await;
    after_load().await;
    Ok(match value_of(spawn_get(&cache)).await {
        Some(NEW) => Outcome::kept("not cached"),
        _ => Outcome::broken("stale value cached"),
    })
}

async fn fails<C: Refreshing>() -> ScenarioResult {
    if !C::REFRESHES {
        return Ok(Outcome::not_offered());
    }
    let (cache, source) = aged::<C>(AGE, SourceMode::Fails).await?;
    for _ in 0..100 {
        let served = value_of(spawn_get(&cache)).await == Some(OLD);
        premise(served, "a failing refresh is not noticed")?;
        cache.pass(Duration::from_millis(100)).await;
    }
    let attempts = source.calls().split_off(1);
    let pauses = attempts.windows(2).map(|pair| pair[1] - pair[0]);
    let promised = (0..).map(|failures| Duration::from_secs(1 << failures));
    let kept = attempts.len() > 2 && pauses.zip(promised).all(|(pause, least)| pause >= least);
    let words = format!("{} refreshes in 10 s", attempts.len());
    Ok(Outcome::kept_if(kept, words))
}

async fn hangs<C: Refreshing>() -> ScenarioResult {
    if !C::REFRESHES {
        return Ok(Outcome::not_offered());
    }
    let (cache, source) = midway::<C>(SourceMode::Hangs).await?;
    source.set(SourceMode::Gives(NEW));
    is_refreshed_again(&cache).await
}

async fn panics<C: Refreshing>() -> ScenarioResult {
    if !C::REFRESHES {
        return Ok(Outcome::not_offered());
    }
    let (cache, source) = midway::<C>(SourceMode::Panics).await?;
    after_load().await;
    source.set(SourceMode::Gives(NEW));
    is_refreshed_again(&cache).await
}

/// Whether the value, which stays due, is refreshed within two minutes.
async fn is_refreshed_again<C: Refreshing>(cache: &C) -> ScenarioResult {
    for _ in 0..120 {
        cache.pass(Duration::from_secs(1)).await;
        let caller = spawn_get(cache);
        run_all_tasks().await;
        if !caller.is_finished() {
            return Ok(Outcome::broken("a caller waits"));
        }
        match value_of(caller).await {
            Some(OLD) => {}
            Some(_) => return Ok(Outcome::kept("refreshed")),
            None => return Ok(Outcome::broken("a caller gets an error")),
        }
    }
    Ok(Outcome::broken("not refreshed any more"))
}

async fn cancelled<C: Refreshing>() -> ScenarioResult {
    if !C::REFRESHES {
        return Ok(Outcome::not_offered());
    }
    let (cache, source) = aged::<C>(AGE, SourceMode::Gives(NEW)).await?;
    let caller = spawn_get(&cache);
    tokio::task::yield_now().await;
    caller.abort();
    after_load().await;
    premise(source.calls().len() == 2, "the refresh has started")?;
    source.set(SourceMode::Fails);
    Ok(match value_of(spawn_get(&cache)).await {
        Some(NEW) => Outcome::kept("refreshed"),
        _ => Outcome::broken("the refresh is lost"),
    })
}

async fn missing<C: Refreshing>() -> ScenarioResult {
    if !C::REFRESHES {
        return Ok(Outcome::not_offered());
    }
    let (cache, _) = midway::<C>(SourceMode::FindsNothing).await?;
    after_load().await;
    Ok(match value_of(spawn_get(&cache)).await {
        None => Outcome::kept("removed"),
        Some(_) => Outcome::broken("the old value stays"),
    })
}

/// A cache whose value is due, in the middle of a refresh.
async fn midway<C: Refreshing>(mode: SourceMode) -> Result<(C, Source), Void> {
    let (cache, source) = aged::<C>(AGE, mode).await?;
    let served = value_of(spawn_get(&cache)).await == Some(OLD);
    premise(served, "a value that is due is returned")?;
    sleep(MIDWAY).await;
    premise(source.calls().len() == 2, "the refresh has started")?;
    Ok((cache, source))
}
