//! A batch that is full against its timer against a member who goes away.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use cache_core::BatchWindow;
use shuttle::thread;

use crate::shuttle_runtime::{Stage, Value, check_requests, explore, one_of, yields};

const WINDOW: Duration = Duration::from_millis(5);

#[test]
fn a_full_batch_its_timer_and_a_cancelled_member() {
    explore(|stage| play(stage, BatchWindow::Fixed(WINDOW), 2, None));
}

#[test]
fn a_debounced_batch_its_timer_and_a_cancelled_member() {
    const MAX: Duration = Duration::from_millis(20);
    explore(|stage| {
        let window = BatchWindow::Debounce {
            gap: WINDOW,
            max: MAX,
        };
        play(stage, window, 3, None);
    });
}

#[test]
fn batches_that_wait_for_their_permit_and_a_cancelled_member() {
    explore(|stage| play(stage, BatchWindow::Yield(1), 2, Some(1)));
}

#[test]
fn a_member_who_joins_as_the_only_other_one_leaves() {
    explore(|stage| join_beside(stage, false));
}

#[test]
fn a_member_who_joins_one_who_is_never_polled_again() {
    explore(|stage| join_beside(stage, true));
}

#[test]
fn members_who_all_leave_a_detached_batch() {
    explore(|stage| {
        let cache = stage.builder().shards(1).detach_loads(true).build();
        let held = Arc::new(());
        let holds = Arc::clone(&held);
        let loader = move |_: Vec<u32>| {
            let _ = &holds;
            async { HashMap::<u32, Value>::new() }
        };
        let builder = cache.batching_builder(loader);
        let batches = builder.batch_window(BatchWindow::Fixed(WINDOW)).build();
        let members = [1, 2].map(|key| {
            let (stage, batches) = (stage.clone(), batches.clone());
            thread::spawn(move || {
                let _ = stage.call(batches.load(key)).poll();
            })
        });
        drop(batches);
        for member in members {
            member.join().expect("no panic");
        }
        while Arc::strong_count(&held) > 1 {
            stage.advance(WINDOW);
            thread::yield_now();
        }
        stage.join_tasks();
        check_requests(&cache, 2);
    });
}

/// The last member of a window leaves it as another comes for its key: the batch is given up, and the
/// key is loaded by the next one, or the batch goes on.
#[test]
fn a_member_who_joins_as_the_last_one_leaves() {
    explore(|stage| {
        let cache = stage.cache();
        let there = stage.clone();
        let batches = cache
            .batching_builder(move |keys: Vec<u32>| find_all(&there, &keys, 0))
            .batch_window(BatchWindow::Yield(1))
            .build();
        let leaves = {
            let (stage, batches) = (stage.clone(), batches.clone());
            thread::spawn(move || drop(stage.call(batches.load(1)).poll()))
        };
        let answer = stage.block_on(batches.load(1)).expect("no error");
        assert!(answer.is_some(), "it was found");
        leaves.join().expect("no panic");
        drop(batches);
        stage.join_tasks();
        check_requests(&cache, 0);
        let stats = cache.stats();
        assert_eq!(stats.loads, 1 + stats.loads_dropped, "{stats:?}");
    });
}

/// Members of two keys leave a window that no time ends, while others join them. The batch is given
/// up with the last, or its background task would wait for ever.
#[test]
fn members_who_join_and_leave_as_others_leave() {
    explore(|stage| {
        let cache = stage.cache();
        let there = stage.clone();
        let batches = cache
            .batching_builder(move |keys: Vec<u32>| find_all(&there, &keys, 0))
            .batch_window(BatchWindow::Fixed(WINDOW))
            .build();
        let members = [(1, 1), (1, 1 + one_of(2)), (2, 1)].map(|(key, polls)| {
            let (stage, batches) = (stage.clone(), batches.clone());
            thread::spawn(move || {
                let mut call = stage.call(batches.load(key));
                let _ = (0..polls).find(|_| call.poll().is_ready());
            })
        });
        for member in members {
            member.join().expect("no panic");
        }
        drop(batches);
        stage.join_tasks();
        check_requests(&cache, 1);
    });
}

/// A member leaves as another joins, in vain or not, while a third one keeps the batch. Once that one
/// has left too, nothing keeps it.
#[test]
fn a_member_who_joins_as_one_leaves_counts_for_the_batch_until_it_leaves() {
    explore(|stage| {
        let cache = stage.cache();
        let there = stage.clone();
        let batches = cache
            .batching_builder(move |keys: Vec<u32>| find_all(&there, &keys, 0))
            .batch_window(BatchWindow::Fixed(WINDOW))
            .build();
        let [keeps, leaves] = [2, 1].map(|key| {
            let batches = batches.clone();
            let mut call = stage.call(async move { batches.load(key).await });
            let _ = call.poll();
            call
        });
        let leaver = thread::spawn(move || drop(leaves));
        let joiner = {
            let (stage, batches) = (stage.clone(), batches.clone());
            thread::spawn(move || {
                let mut call = stage.call(batches.load(1));
                let _ = (0..3).find(|_| call.poll().is_ready());
            })
        };
        leaver.join().expect("no panic");
        joiner.join().expect("no panic");
        drop((keeps, batches));
        stage.join_tasks();
        check_requests(&cache, 1);
    });
}

/// A batch loader that finds every key, each after so many polls.
fn find_all(stage: &Stage, keys: &[u32], polls: u32) -> impl Future<Output = Vec<Value>> + use<> {
    let loads: Vec<_> = keys.iter().map(|key| stage.load(*key, polls)).collect();
    async move {
        let mut found = Vec::new();
        for load in loads {
            found.push(load.await);
        }
        found
    }
}

/// Members of three keys in batches of `size`, one of whom goes away, and time that passes meanwhile.
fn play(stage: &Stage, window: BatchWindow, size: usize, at_once: Option<usize>) {
    let cache = stage.cache();
    let running = Arc::new(AtomicUsize::new(0));
    let loader = {
        let (stage, running) = (stage.clone(), Arc::clone(&running));
        move |keys: Vec<u32>| async move {
            assert!(keys.len() <= size, "the batch is too large");
            let running = Running::begin(running);
            assert!(at_once.is_none_or(|most| running.number <= most));
            let loads: Vec<_> = keys.iter().map(|key| (*key, stage.load(*key, 0))).collect();
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
    if let Some(most) = at_once {
        builder = builder.max_concurrent_batches(most);
    }
    let batches = builder.build();
    let done = Arc::new(AtomicUsize::new(0));
    let members: Vec<_> = [(1, true), (2, true), (2, true), (3, false)]
        .into_iter()
        .map(|(key, stays)| {
            let (stage, batches, done) = (stage.clone(), batches.clone(), Arc::clone(&done));
            let polls = 1 + one_of(3);
            thread::spawn(move || {
                let mut call = stage.call(batches.load(key));
                if stays {
                    let answer = stage.block_on(call.into_future());
                    let value = answer.expect("no error").expect("it was found");
                    assert_eq!(cache_hit(&batches.cache(), key), value.made);
                } else {
                    let _ = (0..polls).find(|_| matches!(call.poll(), Poll::Ready(_)));
                    drop(call);
                }
                done.fetch_add(1, Ordering::SeqCst);
            })
        })
        .collect();
    while done.load(Ordering::SeqCst) < members.len() {
        stage.advance(WINDOW);
        thread::yield_now();
    }
    for member in members {
        member.join().expect("no panic");
    }
    drop(batches);
    // A batch that has left is carried through by its task also when its last member is gone.
    stage.join_tasks();
    check_requests(&cache, 0);
    for key in 1..=2 {
        assert_eq!(stage.loads(key), 1, "somebody waited for {key} all along");
    }
    assert!(stage.loads(3) <= 1, "nobody came back for key 3");
    assert!(cache.stats().largest_batch <= size as u64);
}

fn cache_hit(cache: &crate::shuttle_runtime::OnStage, key: u32) -> u64 {
    cache.get(&key).expect("what a batch brings is stored").made
}

/// Two members of one key. One is polled once, and goes away or stands still as soon as the other has
/// joined, who is answered by the one request.
fn join_beside(stage: &Stage, stands_still: bool) {
    let detached = one_of(2) == 0;
    let cache = stage.builder().shards(1).detach_loads(detached).build();
    let on_stage = stage.clone();
    let batches = cache
        .batching_builder(move |keys: Vec<u32>| find_all(&on_stage, &keys, 2))
        .batch_window(BatchWindow::Yield(one_of(2)))
        .max_batch_size(1 + one_of(2) as usize)
        .build();
    let stays = {
        let (stage, batches) = (stage.clone(), batches.clone());
        thread::spawn(move || stage.block_on(batches.load(1)))
    };
    let mut other = stage.call(batches.load(1));
    let _ = other.poll();
    while cache.stats().coalesced == 0 && cache.stats().load_successes == 0 {
        thread::yield_now();
    }
    let other = stands_still.then_some(other);
    let answer = stays.join().expect("no panic").expect("no error");
    assert!(answer.is_some(), "it was found");
    drop(other);
    drop(batches);
    stage.join_tasks();
    check_requests(&cache, 0);
    assert_eq!(stage.loads(1), 1, "somebody waited all along");
}

/// A batch that is at the loader.
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
