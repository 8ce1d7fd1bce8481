//! Loaders that fail and loaders that panic.

use tokio::task::JoinHandle;

use super::stage::{
    Answer, Backend, Down, Failure, KEY, ScenarioResult, answer, answers, spawn_load, unanswered,
};
use super::{Outcome, Scenario, on_stage};
use crate::contenders::{Contender, Refusal, Settings, Value};

pub(super) fn scenarios<C: Contender>() -> Vec<Scenario> {
    vec![
        on_stage!(
            "backend-down",
            "100 callers of a failing backend: one call, one error",
            backend_down::<C>
        ),
        on_stage!(
            "loader-panics",
            "loader panics: one call, its waiters get an error",
            loader_panics::<C>
        ),
    ]
}

type Reply = Result<Value, Refusal>;

async fn backend_down<C: Contender>() -> ScenarioResult {
    let (cache, backend) = (C::build(Settings::entries(100)), Backend::new());
    let callers = (0..100).map(|_| spawn_failing(&cache, &backend)).collect();
    let answers = answers(callers).await;
    if !next_call_loads(&cache).await {
        return Ok(Outcome::broken("the key cannot be loaded"));
    }
    let words = unanswered(&answers).unwrap_or_else(|| calls(&backend));
    let all_failed = answers.iter().all(is_error);
    Ok(Outcome::kept_if(backend.calls() == 1 && all_failed, words))
}

/// The caller that passed the loader may panic. The others get an error.
async fn loader_panics<C: Contender>() -> ScenarioResult {
    let (cache, backend) = (C::build(Settings::entries(100)), Backend::new());
    let callers = (0..10).map(|_| spawn_panicking(&cache, &backend)).collect();
    let answers = answers(callers).await;
    if !next_call_loads(&cache).await {
        return Ok(Outcome::broken("the key cannot be loaded"));
    }
    let errors = answers.iter().filter(|answer| is_error(answer)).count();
    let words = match unanswered(&answers) {
        Some(trouble) if errors < 9 => format!("{}, {trouble}", calls(&backend)),
        _ => format!("{}, {errors} errors", calls(&backend)),
    };
    Ok(Outcome::kept_if(backend.calls() == 1 && errors >= 9, words))
}

fn spawn_failing<C: Contender>(cache: &C, backend: &Backend) -> JoinHandle<Reply> {
    let (cache, loader) = (cache.clone(), backend.gives(Err::<Value, Down>(Failure)));
    tokio::spawn(async move { cache.try_load(KEY, loader).await })
}

fn spawn_panicking<C: Contender>(cache: &C, backend: &Backend) -> JoinHandle<Reply> {
    let (cache, waits) = (cache.clone(), backend.gives(()));
    let loader = async {
        waits.await;
        panic!("the loader panics, as planned");
        #[expect(unreachable_code, reason = "says what the loader would give")]
        Ok::<Value, Down>(0)
    };
    tokio::spawn(async move { cache.try_load(KEY, loader).await })
}

/// A failed load must not block later loads of the key.
async fn next_call_loads<C: Contender>(cache: &C) -> bool {
    let next = spawn_load(cache, &Backend::new(), 8);
    answer(next).await == Answer::Got(8)
}

fn is_error(answer: &Answer<Reply>) -> bool {
    matches!(answer, Answer::Got(Err(_)))
}

fn calls(backend: &Backend) -> String {
    match backend.calls() {
        1 => "1 call".to_owned(),
        calls => format!("{calls} calls"),
    }
}
