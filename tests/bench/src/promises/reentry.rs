//! User code that re-enters the cache, or panics inside it.

use std::collections::HashSet;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::stage::{
    Answer, Backend, Down, KEY, LOAD, ScenarioResult, Void, answer, answers, poll_once, premise,
    run_all_tasks, spawn_load,
};
use super::{Outcome, Scenario, on_stage};
use crate::contenders::{Contender, Key, Listener, Refusal, Settings, Value};

const OTHER: Key = KEY + 1;

pub(super) fn scenarios<C: Contender>() -> Vec<Scenario> {
    vec![
        on_stage!(
            "own-key",
            "a loader that loads its own key gets an error",
            own_key::<C>
        ),
        on_stage!(
            "circle",
            "two loaders that load each other's key get an error",
            circle::<C>
        ),
        on_stage!(
            "waker-reenters",
            "a waker may call the cache",
            waker_reenters::<C>
        ),
        on_stage!(
            "listener-panics",
            "listener panics: later notices are still delivered",
            listener_panics::<C>
        ),
        on_stage!(
            "weigher-panics",
            "weigher panics: key and cache stay usable",
            weigher_panics::<C>
        ),
    ]
}

async fn own_key<C: Contender>() -> ScenarioResult {
    loaders_may_nest::<C>().await?;
    let cache = C::build(Settings::entries(100));
    let inner = cache.clone();
    let loader = async move { inner.try_load(KEY, two()).await };
    let caller = tokio::spawn(async move { cache.try_load(KEY, loader).await });
    Ok(refused(&answer(caller).await))
}

async fn circle<C: Contender>() -> ScenarioResult {
    loaders_may_nest::<C>().await?;
    let cache = C::build(Settings::entries(100));
    let (first, second) = (cache.clone(), cache.clone());
    let back = async move { second.try_load(KEY, two()).await };
    let loader = async move { first.try_load(OTHER, back).await };
    let caller = tokio::spawn(async move { cache.try_load(KEY, loader).await });
    Ok(refused(&answer(caller).await))
}

/// The premise that loaders may nest: if a later scenario hangs, the cycle is the cause and not the
/// nesting.
async fn loaders_may_nest<C: Contender>() -> Result<(), Void> {
    let cache = C::build(Settings::entries(100));
    let inner = cache.clone();
    let loader = async move { inner.try_load(OTHER, two()).await };
    let caller = tokio::spawn(async move { cache.try_load(KEY, loader).await.ok() });
    premise(
        answer(caller).await == Answer::Got(Some(2)),
        "a loader may load another key",
    )
}

/// Has the same error type as the loaders around it. In a cache where the error type is part of the
/// key, another type would not form a cycle.
async fn two() -> Result<Value, Refusal> {
    Ok(2)
}

fn refused(answer: &Answer<Result<Value, Refusal>>) -> Outcome {
    match answer {
        Answer::Got(Err(_)) => Outcome::kept("error"),
        Answer::Got(Ok(_)) => Outcome::broken("loads it twice"),
        Answer::Panicked => Outcome::broken("panics"),
        Answer::Hangs => Outcome::broken("hangs"),
    }
}

/// Some executors run a task inside its waker. To the cache this looks like a waker that calls the
/// cache.
async fn waker_reenters<C: Contender>() -> ScenarioResult {
    let (cache, backend) = (C::build(Settings::entries(100)), Backend::new());
    let leader = spawn_load(&cache, &backend, 7);
    run_all_tasks().await;
    premise(backend.calls() == 1, "the leader's load has started")?;
    let caller = Arc::new(Caller {
        cache: cache.clone(),
        woken: AtomicUsize::new(0),
    });
    let waker = Waker::from(caller.clone());
    let mut waiter = pin!(cache.load(KEY, backend.gives(7)));
    premise(
        waiter
            .as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending(),
        "the waiter waits",
    )?;

    sleep(2 * LOAD).await;

    premise(
        caller.woken.load(Ordering::SeqCst) > 0,
        "the waiter is woken",
    )?;
    premise(
        answer(leader).await == Answer::Got(7),
        "the leader is served",
    )?;
    Ok(match poll_once(waiter) {
        Poll::Ready(7) => Outcome::kept("served"),
        Poll::Ready(_) => Outcome::broken("wrong value"),
        Poll::Pending => Outcome::broken("woken for nothing"),
    })
}

/// A waker that requests the same key when it is woken.
struct Caller<C> {
    cache: C,
    woken: AtomicUsize,
}

impl<C: Contender> Wake for Caller<C> {
    fn wake(self: Arc<Self>) {
        let _ = poll_once(pin!(self.cache.load(KEY, async { 8 })));
        self.woken.fetch_add(1, Ordering::SeqCst);
    }
}

/// A cache may pass the panic on to the caller of `insert`, but later notices must still be
/// delivered.
async fn listener_panics<C: Contender>() -> ScenarioResult {
    let notified = Arc::new(Mutex::new(HashSet::new()));
    let cache = C::build(Settings::entries(4).listener(panics_once(notified.clone())));
    let mut inserted = HashSet::new();
    for key in 0..20 {
        if answer(spawn_insert(&cache, key, 1)).await == Answer::Got(()) {
            inserted.insert(key);
        }
    }
    let settling = cache.clone();
    let _ = answer(tokio::spawn(async move { settling.settle().await })).await;
    let mut lost = HashSet::new();
    for key in &inserted {
        if cache.get(*key).await.is_none()
            && !notified.lock().expect("held for a moment").contains(key)
        {
            lost.insert(*key);
        }
    }
    let notified = notified.lock().expect("held for a moment").len();
    premise(
        inserted.len() > 15 && notified > 0,
        "entries are inserted and evicted",
    )?;
    Ok(Outcome::kept_if(
        lost.is_empty(),
        format!("{notified} of {} notices", notified + lost.len()),
    ))
}

fn panics_once(notified: Arc<Mutex<HashSet<Key>>>) -> Listener {
    Arc::new(move |key| {
        let earlier = {
            let mut notified = notified.lock().expect("held for a moment");
            notified.insert(key);
            notified.len() - 1
        };
        assert!(earlier > 0, "the listener panics once, as planned");
    })
}

/// The callers of that load may get any answer, but they must get one, and the key must stay
/// loadable.
async fn weigher_panics<C: Contender>() -> ScenarioResult {
    const HEAVY: Value = 13;
    let (cache, backend) = (
        C::build(Settings::weighed(100, no_thirteen)),
        Backend::new(),
    );
    let callers = (0..3).map(|_| {
        let (cache, loader) = (cache.clone(), backend.gives(Ok::<_, Down>(HEAVY)));
        tokio::spawn(async move { cache.try_load(KEY, loader).await.ok() })
    });
    let callers = answers(callers.collect()).await;
    premise(backend.calls() > 0, "the value is loaded")?;
    let again = answer(spawn_load(&cache, &backend, 7)).await;
    let other = answer(spawn_insert(&cache, OTHER, 7)).await;
    let reader = cache.clone();
    let read = answer(tokio::spawn(async move { reader.get(OTHER).await })).await;
    let usable = (other, read) == (Answer::Got(()), Answer::Got(Some(7)));
    Ok(match again {
        _ if callers.contains(&Answer::Hangs) => Outcome::broken("callers hang"),
        Answer::Got(7 | HEAVY) if usable => Outcome::kept("usable"),
        Answer::Got(7 | HEAVY) => Outcome::broken("the cache is unusable"),
        _ => Outcome::broken("the key cannot be loaded"),
    })
}

fn no_thirteen(value: Value) -> u32 {
    assert_ne!(value, 13, "the weigher panics, as planned");
    1
}

fn spawn_insert<C: Contender>(cache: &C, key: Key, value: Value) -> JoinHandle<()> {
    let cache = cache.clone();
    tokio::spawn(async move { cache.insert(key, value).await })
}
