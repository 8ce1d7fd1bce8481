//! One load for many callers, even if the caller that started it is cancelled.

use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::stage::{
    Answer, Backend, Down, Failure, KEY, LOAD, MIDWAY, ScenarioResult, answer, answers, conclude,
    poll_once, premise, run_all_tasks, spawn_load, unanswered, virtual_time,
};
use super::{Outcome, Scenario, on_stage};
use crate::contenders::{Contender, Refusal, Settings, Value};

pub(super) fn scenarios<C: Contender>() -> Vec<Scenario> {
    vec![
        on_stage!(
            "thundering-herd",
            "1 000 concurrent misses of a key: one load",
            thundering_herd::<C>
        ),
        on_stage!(
            "leader-cancelled",
            "leader cancelled: its load continues for the waiters",
            leader_cancelled::<C>
        ),
        on_stage!(
            "leaders-cancelled",
            "300 callers, 250 cancelled: the others are served",
            leaders_cancelled::<C>
        ),
        on_stage!(
            "leader-parked",
            "leader alive but not polled: waiters are served",
            leader_parked::<C>
        ),
        Scenario {
            id: "runtime-gone",
            promise: "leader's runtime shut down: a waiter elsewhere is served",
            run: || conclude(runtime_gone::<C>()),
        },
        on_stage!(
            "mixed-methods",
            "a key loaded through three methods: one load",
            mixed_methods::<C>
        ),
        on_stage!(
            "mixed-errors",
            "callers with different error types: one load",
            mixed_errors::<C>
        ),
    ]
}

/// The easiest promise. Every cache here keeps it, which shows that the harness is sound.
async fn thundering_herd<C: Contender>() -> ScenarioResult {
    let (cache, backend) = (C::build(Settings::entries(100)), Backend::new());
    let callers = (0..1000).map(|_| spawn_load(&cache, &backend, 7)).collect();
    Ok(all_served(&answers(callers).await, &backend, 7))
}

async fn leader_cancelled<C: Contender>() -> ScenarioResult {
    let (cache, backend) = (C::build(Settings::entries(100)), Backend::new());
    let leader = spawn_load(&cache, &backend, 7);
    run_all_tasks().await;
    premise(backend.calls() == 1, "the leader's load has started")?;
    let waiters: Vec<_> = (0..5).map(|_| spawn_load(&cache, &backend, 7)).collect();
    sleep(MIDWAY).await;
    premise(
        waiters.iter().all(|waiter| !waiter.is_finished()),
        "the waiters wait",
    )?;

    leader.abort();

    Ok(all_served(&answers(waiters).await, &backend, 7))
}

/// Cancels one leader after another. The remaining callers must get an answer. The number of loads
/// that this takes is the subject of another promise.
async fn leaders_cancelled<C: Contender>() -> ScenarioResult {
    let (cache, backend) = (C::build(Settings::entries(100)), Backend::new());
    let mut callers = Crowd::gather(&cache, &backend, 300);
    run_all_tasks().await;
    premise(backend.calls() == 1, "one of the callers leads")?;

    for _ in 0..250 {
        callers.cancel_the_leader();
        run_all_tasks().await;
    }

    let survivors = answers(callers.remaining()).await;
    let served = format!("{} served", survivors.len());
    let words = unanswered(&survivors).unwrap_or(served);
    Ok(Outcome::kept_if(
        survivors.iter().all(|answer| *answer == Answer::Got(7)),
        words,
    ))
}

async fn leader_parked<C: Contender>() -> ScenarioResult {
    let (cache, backend) = (C::build(Settings::entries(100)), Backend::new());
    let mut leader = pin!(cache.load(KEY, backend.gives(7)));
    premise(
        poll_once(leader.as_mut()).is_pending(),
        "the leader waits for its load",
    )?;
    run_all_tasks().await;
    premise(backend.calls() == 1, "the leader's load has started")?;

    let waiter = answer(spawn_load(&cache, &backend, 7)).await;

    if waiter == Answer::Hangs {
        // The leader's load finishes once the leader is polled again, which proves that only the
        // missing poll stalled it.
        premise(poll_once(leader) == Poll::Ready(7), "the leader can finish")?;
    }
    Ok(all_served(&[waiter], &backend, 7))
}

/// The load waits for a gate and not for a timer. A timer ends with its runtime, which would not be
/// the cache's fault.
fn runtime_gone<C: Contender>() -> ScenarioResult {
    let (cache, backend) = (C::build(Settings::entries(100)), Backend::new());
    let (gate, closed) = watch::channel(false);
    let call = || {
        let (cache, loader) = (cache.clone(), gated(backend.clone(), closed.clone()));
        async move { cache.try_load(KEY, loader).await }
    };
    let (doomed, other) = (virtual_time(), virtual_time());
    // A second caller joins the leader, so that a cache that moves a load to a task moves it to
    // this runtime.
    for _ in 0..2 {
        doomed.spawn(call());
        doomed.block_on(run_all_tasks());
    }
    premise(backend.calls() == 1, "the leader's load has started")?;
    let waiter = other.spawn(call());
    other.block_on(run_all_tasks());
    premise(!waiter.is_finished(), "the waiter waits")?;

    drop(doomed);

    let waiter = other.block_on(async {
        run_all_tasks().await;
        gate.send_replace(true);
        answer(waiter).await
    });
    Ok(match waiter {
        Answer::Got(Ok(7)) => Outcome::kept(format!("served ({})", backend.loads())),
        Answer::Got(Ok(_)) => Outcome::broken("wrong value"),
        Answer::Got(Err(_)) => Outcome::broken("waiter gets an error"),
        Answer::Panicked => Outcome::broken("waiter panics"),
        Answer::Hangs => Outcome::broken("waiter hangs"),
    })
}

async fn gated(backend: Backend, mut gate: watch::Receiver<bool>) -> Result<Value, Down> {
    backend.note();
    gate.wait_for(|open| *open).await.map_err(|_| Failure)?;
    Ok(7)
}

async fn mixed_methods<C: Contender>() -> ScenarioResult {
    let (cache, backend) = (C::build(Settings::entries(100)), Backend::new());
    let plain = spawn_load(&cache, &backend, 7);
    let fallible = spawn_fallible::<C, 0>(&cache, &backend);
    let optional = tokio::spawn({
        let (cache, loader) = (cache.clone(), backend.gives(Some(7)));
        async move { cache.find(KEY, loader).await }
    });
    let answers = [
        answer(plain).await.got(),
        answer(fallible).await.got().and_then(Result::ok),
        answer(optional).await.got().flatten(),
    ];
    premise(answers == [Some(7); 3], "every caller is served")?;
    Ok(Outcome::kept_if(backend.calls() == 1, backend.loads()))
}

async fn mixed_errors<C: Contender>() -> ScenarioResult {
    let (cache, backend) = (C::build(Settings::entries(100)), Backend::new());
    let first = spawn_fallible::<C, 1>(&cache, &backend);
    let second = spawn_fallible::<C, 2>(&cache, &backend);
    let answers =
        [answer(first).await, answer(second).await].map(|answer| answer.got().and_then(Result::ok));
    premise(answers == [Some(7); 2], "every caller is served")?;
    Ok(Outcome::kept_if(backend.calls() == 1, backend.loads()))
}

fn spawn_fallible<C: Contender, const N: u8>(
    cache: &C,
    backend: &Backend,
) -> JoinHandle<Result<Value, Refusal>> {
    let (cache, loader) = (cache.clone(), backend.gives(Ok::<_, Failure<N>>(7)));
    tokio::spawn(async move { cache.try_load(KEY, loader).await })
}

/// Kept if every caller got `value` and the backend was called once.
fn all_served(answers: &[Answer<Value>], backend: &Backend, value: Value) -> Outcome {
    let served = answers.iter().all(|answer| *answer == Answer::Got(value));
    match (unanswered(answers), backend.calls()) {
        (None, 1) if served => Outcome::kept("1 load"),
        (None, 1) => Outcome::broken("wrong value"),
        (None, _) => Outcome::broken(format!("restarts ({})", backend.loads())),
        (Some(_), _) if answers == [Answer::Hangs] => Outcome::broken("hangs"),
        (Some(trouble), _) => Outcome::broken(trouble),
    }
}

/// Callers of one key. They record which of them leads the load.
struct Crowd {
    callers: Vec<Option<JoinHandle<Value>>>,
    leader: Arc<Mutex<usize>>,
}

impl Crowd {
    fn gather<C: Contender>(cache: &C, backend: &Backend, size: usize) -> Self {
        let leader = Arc::new(Mutex::new(0));
        let callers = (0..size).map(|number| {
            let (cache, loader) = (
                cache.clone(),
                recording_loader(number, leader.clone(), backend.clone()),
            );
            Some(tokio::spawn(async move { cache.load(KEY, loader).await }))
        });
        Self {
            callers: callers.collect(),
            leader,
        }
    }

    /// Cancels the leader. If the load outlives its leader, there is no new leader, and the longest
    /// waiting caller is cancelled.
    fn cancel_the_leader(&mut self) {
        let leader = *self
            .leader
            .lock()
            .expect("no task panics while it holds the lock");
        let present = self.callers[leader].take();
        let next = present.or_else(|| self.callers.iter_mut().find_map(Option::take));
        if let Some(caller) = next {
            caller.abort();
        }
    }

    fn remaining(self) -> Vec<JoinHandle<Value>> {
        self.callers.into_iter().flatten().collect()
    }
}

async fn recording_loader(number: usize, leader: Arc<Mutex<usize>>, backend: Backend) -> Value {
    backend.note();
    *leader
        .lock()
        .expect("no task panics while it holds the lock") = number;
    // Longer than all cancellations take, so that only the last leader's load ends.
    sleep(LOAD + Duration::from_secs(1)).await;
    7
}
