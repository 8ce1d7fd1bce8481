//! Threads with sync loaders race async callers of the same key.

use shuttle::thread;

use crate::shuttle_runtime::{
    ShuttleCache, ShuttleRuntime, Value, check_loads, check_requests, explore, one_of,
};

/// A thread whose loader of key 1 itself waits.
fn blocking(runtime: &ShuttleRuntime, cache: &ShuttleCache) -> thread::JoinHandle<Value> {
    let (runtime, cache) = (runtime.clone(), cache.clone());
    let polls = one_of(3);
    thread::spawn(move || {
        let load = || runtime.block_on(runtime.load(1, polls));
        cache.blocking().get_with(1, load)
    })
}

#[test]
fn threads_and_an_async_caller_share_one_load() {
    explore(|runtime| {
        let cache = runtime.cache();
        let threads = [blocking(runtime, &cache), blocking(runtime, &cache)];
        let load = || runtime.load(1, 2);
        let value = if one_of(2) == 0 {
            runtime.block_on(cache.get_with(1, load))
        } else {
            runtime.block_on(cache.get_with_scoped(1, load))
        };
        for thread in threads {
            assert_eq!(thread.join().expect("no panic").made, value.made);
        }
        assert_eq!((runtime.loads(1), runtime.most_concurrent(1)), (1, 1));
        check_requests(&cache, 0);
    });
}

#[test]
fn a_thread_outlasts_an_async_leader_that_is_dropped() {
    explore(|runtime| {
        let cache = runtime.cache();
        let leader = {
            let (runtime, cache) = (runtime.clone(), cache.clone());
            let is_scoped = one_of(2) == 0;
            thread::spawn(move || {
                let load = || runtime.load(1, 2);
                if is_scoped {
                    let _ = runtime.call(cache.get_with_scoped(1, load)).poll();
                } else {
                    let _ = runtime.call(cache.get_with(1, load)).poll();
                }
            })
        };
        let waiter = blocking(runtime, &cache);
        leader.join().expect("no panic");
        let value = waiter.join().expect("no panic");
        assert_eq!(cache.get(&1).map(|value| value.made), Some(value.made));
        runtime.join_tasks();
        check_loads(&cache);
        assert_eq!(runtime.most_concurrent(1), 1);
    });
}

#[test]
fn threads_that_load_a_value_and_none_all_end() {
    explore(|runtime| {
        let cache = runtime.cache();
        let none = {
            let cache = cache.clone();
            thread::spawn(move || cache.blocking().optionally_get_with(1, || None))
        };
        let threads = [blocking(runtime, &cache), blocking(runtime, &cache)];
        let values = threads.map(|thread| thread.join().expect("no panic").made);
        none.join().expect("no panic");
        assert_eq!(values[0], values[1]);
        assert_eq!((runtime.loads(1), runtime.most_concurrent(1)), (1, 1));
        check_loads(&cache);
    });
}
