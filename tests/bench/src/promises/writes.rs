//! Writes and invalidations that arrive while the key is being loaded.

use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::stage::{
    Answer, Backend, KEY, MIDWAY, ScenarioResult, Void, answer, premise, run_all_tasks, spawn_load,
};
use super::{Outcome, Scenario, on_stage};
use crate::contenders::{Contender, Settings, Value};

const OLD: Value = 1;
const NEW: Value = 2;

pub(super) fn scenarios<C: Contender>() -> Vec<Scenario> {
    vec![
        on_stage!(
            "insert-during-load",
            "insert during a load: the write stays",
            insert::<C>
        ),
        on_stage!(
            "invalidate-during-load",
            "invalidate during a load: the value is not cached",
            invalidate::<C>
        ),
        on_stage!(
            "clear-during-load",
            "invalidate all during a load: the value is not cached",
            invalidate_all::<C>
        ),
        on_stage!(
            "load-after-invalidate",
            "invalidate during a load: a later call gets a fresh value",
            load_after_invalidation::<C>
        ),
    ]
}

async fn insert<C: Contender>() -> ScenarioResult {
    let (cache, loading) = halfway::<C>().await?;
    cache.insert(KEY, NEW).await;
    finish(loading).await?;
    Ok(match cache.get(KEY).await {
        Some(NEW) => Outcome::kept("write stays"),
        Some(_) => Outcome::broken("write lost"),
        None => Outcome::broken("nothing cached"),
    })
}

async fn invalidate<C: Contender>() -> ScenarioResult {
    let (cache, loading) = halfway::<C>().await?;
    cache.invalidate(KEY).await;
    finish(loading).await?;
    Ok(is_gone(&cache).await)
}

async fn invalidate_all<C: Contender>() -> ScenarioResult {
    let (cache, loading) = halfway::<C>().await?;
    cache.invalidate_all().await;
    finish(loading).await?;
    Ok(is_gone(&cache).await)
}

async fn load_after_invalidation<C: Contender>() -> ScenarioResult {
    let (cache, loading) = halfway::<C>().await?;
    cache.invalidate(KEY).await;
    run_all_tasks().await;
    let later = answer(spawn_load(&cache, &Backend::new(), NEW)).await;
    finish(loading).await?;
    Ok(match later {
        Answer::Got(NEW) => Outcome::kept("fresh value"),
        Answer::Got(_) => Outcome::broken("stale value"),
        Answer::Panicked => Outcome::broken("panics"),
        Answer::Hangs => Outcome::broken("hangs"),
    })
}

/// A cache that is loading the old value, with a second caller waiting for it.
async fn halfway<C: Contender>() -> Result<(C, [JoinHandle<Value>; 2]), Void> {
    let (cache, backend) = (C::build(Settings::entries(100)), Backend::new());
    let callers = [
        spawn_load(&cache, &backend, OLD),
        spawn_load(&cache, &backend, OLD),
    ];
    sleep(MIDWAY).await;
    premise(backend.calls() == 1, "the load has started")?;
    premise(
        callers.iter().all(|caller| !caller.is_finished()),
        "the load takes its time",
    )?;
    Ok((cache, callers))
}

/// The callers from before the write may get either value, but must get one.
async fn finish(callers: [JoinHandle<Value>; 2]) -> Result<(), Void> {
    for caller in callers {
        let value = answer(caller).await;
        premise(
            matches!(value, Answer::Got(OLD | NEW)),
            "the first callers are served",
        )?;
    }
    Ok(())
}

async fn is_gone<C: Contender>(cache: &C) -> Outcome {
    match cache.get(KEY).await {
        None => Outcome::kept("not cached"),
        Some(_) => Outcome::broken("stale value cached"),
    }
}
