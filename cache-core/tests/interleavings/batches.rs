//! Batches: a full batch, its timer, and a cancelled caller race each other.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use cache_core::{BatchLoader, BatchWindow};
use shuttle::thread;

use crate::shuttle_runtime::{
    Call, ShuttleCache, ShuttleRuntime, Value, check_requests, explore, one_of, yields,
};

const WINDOW: Duration = Duration::from_millis(5);

#[test]
fn a_full_batch_races_its_timer_and_a_cancelled_caller() {
    explore(|runtime| run(runtime, BatchWindow::Fixed(WINDOW), 2, None));
}

#[test]
fn a_debounced_batch_races_its_timer_and_a_cancelled_caller() {
    const MAX: Duration = Duration::from_millis(20);
    explore(|runtime| {
        let window = BatchWindow::Debounce {
            gap: WINDOW,
            max: MAX,
        };
        run(runtime, window, 3, None);
    });
}

#[test]
fn batches_that_wait_for_a_permit_race_a_cancelled_caller() {
    explore(|runtime| run(runtime, BatchWindow::Yield(1), 2, Some(1)));
}

#[test]
fn a_caller_joins_as_the_only_other_one_is_cancelled() {
    explore(|runtime| join_beside(runtime, false));
}

#[test]
fn a_caller_joins_one_that_is_never_polled_again() {
    explore(|runtime| join_beside(runtime, true));
}

#[test]
fn all_callers_of_a_detached_batch_are_cancelled() {
    explore(|runtime| {
        let cache = runtime.builder().shards(1).detach_loads(true).build();
        let held = Arc::new(());
        let holds = Arc::clone(&held);
        let loader = move |_: Vec<u32>| {
            let _ = &holds;
            async { HashMap::<u32, Value>::new() }
        };
        let builder = cache.batching_builder(loader);
        let batches = builder.batch_window(BatchWindow::Fixed(WINDOW)).build();
        let members = [1, 2].map(|key| {
            let (runtime, batches) = (runtime.clone(), batches.clone());
            thread::spawn(move || {
                let _ = runtime.call(batches.get(key)).poll();
            })
        });
        drop(batches);
        for member in members {
            member.join().expect("no panic");
        }
        while Arc::strong_count(&held) > 1 {
            runtime.advance(WINDOW);
            thread::yield_now();
        }
        runtime.join_tasks();
        check_requests(&cache, 2);
    });
}

/// The last caller of a window is cancelled as another caller requests its key. Either the batch is
/// cancelled and the key is loaded by the next one, or the batch continues.
#[test]
fn a_caller_joins_as_the_last_one_is_cancelled() {
    explore(|runtime| {
        let cache = runtime.cache();
        let batches = view(runtime, &cache, BatchWindow::Yield(1));
        let leaves = {
            let (runtime, batches) = (runtime.clone(), batches.clone());
            thread::spawn(move || drop(runtime.call(batches.get(1)).poll()))
        };
        let answer = runtime.block_on(batches.get(1)).expect("no error");
        assert!(answer.is_some(), "a value is found");
        leaves.join().expect("no panic");
        drop(batches);
        runtime.join_tasks();
        check_requests(&cache, 0);
        let stats = cache.stats();
        assert_eq!(stats.loads, 1 + stats.loads_dropped, "{stats:?}");
    });
}

/// Callers of two keys are cancelled in a window without a timer, while others join them. The batch
/// must be cancelled with the last one, or its background task would wait forever.
#[test]
fn callers_join_and_are_cancelled_as_others_are() {
    explore(|runtime| {
        let cache = runtime.cache();
        let batches = view(runtime, &cache, BatchWindow::Fixed(WINDOW));
        let members = [(1, 1), (1, 1 + one_of(2)), (2, 1)].map(|(key, polls)| {
            let (runtime, batches) = (runtime.clone(), batches.clone());
            thread::spawn(move || {
                let mut call = runtime.call(batches.get(key));
                let _ = (0..polls).find(|_| call.poll().is_ready());
            })
        });
        for member in members {
            member.join().expect("no panic");
        }
        drop(batches);
        runtime.join_tasks();
        check_requests(&cache, 1);
    });
}

/// One caller is cancelled as another joins, successfully or not, while a third one keeps the batch
/// alive. When the third is cancelled too, the batch must end.
#[test]
fn a_caller_that_joins_as_another_is_cancelled_counts_until_its_own_cancellation() {
    explore(|runtime| {
        let cache = runtime.cache();
        let batches = view(runtime, &cache, BatchWindow::Fixed(WINDOW));
        let [keeps, leaves] = begun(runtime, &batches, [2, 1]);
        let leaver = thread::spawn(move || drop(leaves));
        let joiner = {
            let (runtime, batches) = (runtime.clone(), batches.clone());
            thread::spawn(move || {
                let mut call = runtime.call(batches.get(1));
                let _ = (0..3).find(|_| call.poll().is_ready());
            })
        };
        leaver.join().expect("no panic");
        joiner.join().expect("no panic");
        drop((keeps, batches));
        runtime.join_tasks();
        check_requests(&cache, 1);
    });
}

/// A caller joins a flight as its last caller leaves, while another key keeps the batch of that
/// flight alive. If the join was too late, the caller must not wait for the batch: its own loader
/// runs.
#[test]
fn a_caller_that_joins_a_cancelled_flight_does_not_wait_for_its_batch() {
    explore(|runtime| {
        let cache = runtime.cache();
        let batches = view(runtime, &cache, BatchWindow::Fixed(WINDOW));
        let [keeps, leaves] = begun(runtime, &batches, [2, 1]);
        let leaver = thread::spawn(move || drop(leaves));
        let joiner = {
            let (runtime, cache) = (runtime.clone(), cache.clone());
            thread::spawn(move || {
                let there = runtime.clone();
                let load = cache.get_with(1, move || there.load(1, 0));
                drop(runtime.block_on(load));
            })
        };
        leaver.join().expect("no panic");
        // Without a timer, only a dispatch ends the window for a caller that joined in time.
        if cache.stats().loads_dropped == 0 {
            batches.dispatch();
        }
        joiner.join().expect("no panic");
        drop((keeps, batches));
        runtime.join_tasks();
    });
}

/// A view whose loader finds every key.
fn view(
    runtime: &ShuttleRuntime,
    cache: &ShuttleCache,
    window: BatchWindow,
) -> BatchLoader<u32, Value, Infallible, ShuttleRuntime> {
    let source = runtime.clone();
    let loader = move |keys: Vec<u32>| find_all(&source, &keys, 0);
    cache.batching_builder(loader).batch_window(window).build()
}

/// Requests for `keys`, each polled once.
fn begun(
    runtime: &ShuttleRuntime,
    batches: &BatchLoader<u32, Value, Infallible, ShuttleRuntime>,
    keys: [u32; 2],
) -> [Call<impl Future + use<>>; 2] {
    keys.map(|key| {
        let batches = batches.clone();
        let mut call = runtime.call(async move { batches.get(key).await });
        let _ = call.poll();
        call
    })
}

/// A batch loader that finds every key, each after `polls` polls.
pub(crate) fn find_all(
    runtime: &ShuttleRuntime,
    keys: &[u32],
    polls: u32,
) -> impl Future<Output = Vec<Value>> + use<> {
    let loads: Vec<_> = keys.iter().map(|key| runtime.load(*key, polls)).collect();
    async move {
        let mut found = Vec::new();
        for load in loads {
            found.push(load.await);
        }
        found
    }
}

/// Callers of three keys in batches of `size`. One caller is cancelled while time passes.
fn run(runtime: &ShuttleRuntime, window: BatchWindow, size: usize, max_concurrent: Option<usize>) {
    let cache = runtime.cache();
    let running = Arc::new(AtomicUsize::new(0));
    let loader = {
        let (runtime, running) = (runtime.clone(), Arc::clone(&running));
        move |keys: Vec<u32>| async move {
            assert!(keys.len() <= size, "the batch is too large");
            let running = Running::begin(running);
            assert!(max_concurrent.is_none_or(|most| running.number <= most));
            let loads: Vec<_> = keys
                .iter()
                .map(|key| (*key, runtime.load(*key, 0)))
                .collect();
            yields(1).await;
            let mut found = HashMap::new();
            for (key, load) in loads {
                found.insert(key, load.await);
            }
            drop(running);
            found
        }
    };
    let mut builder = cache
        .batching_builder(loader)
        .batch_window(window)
        .max_batch_size(size);
    if let Some(most) = max_concurrent {
        builder = builder.max_concurrent_batches(most);
    }
    let batches = builder.build();
    let done = Arc::new(AtomicUsize::new(0));
    let members: Vec<_> = [(1, true), (2, true), (2, true), (3, false)]
        .into_iter()
        .map(|(key, stays)| {
            let (runtime, batches, done) = (runtime.clone(), batches.clone(), Arc::clone(&done));
            let polls = 1 + one_of(3);
            thread::spawn(move || {
                let mut call = runtime.call(batches.get(key));
                if stays {
                    let answer = runtime.block_on(call.into_future());
                    let value = answer.expect("no error").expect("a value is found");
                    assert_eq!(cache_hit(batches.cache(), key), value.made);
                } else {
                    let _ = (0..polls).find(|_| matches!(call.poll(), Poll::Ready(_)));
                    drop(call);
                }
                done.fetch_add(1, Ordering::SeqCst);
            })
        })
        .collect();
    while done.load(Ordering::SeqCst) < members.len() {
        runtime.advance(WINDOW);
        thread::yield_now();
    }
    for member in members {
        member.join().expect("no panic");
    }
    drop(batches);
    // The task of a dispatched batch completes it even without callers.
    runtime.join_tasks();
    check_requests(&cache, 0);
    for key in 1..=2 {
        assert_eq!(runtime.loads(key), 1, "{key} always had a caller");
    }
    assert!(runtime.loads(3) <= 1, "no caller retried key 3");
    assert!(cache.stats().largest_batch <= size as u64);
}

fn cache_hit(cache: &crate::shuttle_runtime::ShuttleCache, key: u32) -> u64 {
    cache.get(&key).expect("batch results are stored").made
}

/// Two callers of one key. One is polled once, and is cancelled or stalls as soon as the other has
/// joined. The other gets the result of the one request.
fn join_beside(runtime: &ShuttleRuntime, stalls: bool) {
    let detached = one_of(2) == 0;
    let cache = runtime.builder().shards(1).detach_loads(detached).build();
    let source = runtime.clone();
    let batches = cache
        .batching_builder(move |keys: Vec<u32>| find_all(&source, &keys, 2))
        .batch_window(BatchWindow::Yield(one_of(2)))
        .max_batch_size(1 + one_of(2) as usize)
        .build();
    let stays = {
        let (runtime, batches) = (runtime.clone(), batches.clone());
        thread::spawn(move || runtime.block_on(batches.get(1)))
    };
    let mut other = runtime.call(batches.get(1));
    let _ = other.poll();
    while cache.stats().coalesced == 0 && cache.stats().load_successes == 0 {
        thread::yield_now();
    }
    let other = stalls.then_some(other);
    let answer = stays.join().expect("no panic").expect("no error");
    assert!(answer.is_some(), "a value is found");
    drop(other);
    drop(batches);
    runtime.join_tasks();
    check_requests(&cache, 0);
    assert_eq!(runtime.loads(1), 1, "the key always had a caller");
}

/// A batch at its loader.
struct Running {
    number: usize,
    all: Arc<AtomicUsize>,
}

impl Running {
    fn begin(all: Arc<AtomicUsize>) -> Self {
        let number = 1 + all.fetch_add(1, Ordering::SeqCst);
        Self { number, all }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.all.fetch_sub(1, Ordering::SeqCst);
    }
}
