//! Cache handles that are cloned and dropped during a load.

use shuttle::thread;

use crate::shuttle_runtime::{check_requests, explore, one_of};

#[test]
fn the_last_handle_is_dropped_during_a_load() {
    explore(|runtime| {
        let cache = runtime
            .builder()
            .shards(1)
            .detach_loads(one_of(2) == 0)
            .build();
        let callers: Vec<_> = (0..2)
            .map(|_| {
                let (runtime, cache) = (runtime.clone(), cache.clone());
                let stays = one_of(2) == 0;
                thread::spawn(move || {
                    let clone = cache.clone();
                    drop(cache);
                    let load_on = runtime.clone();
                    let mut call = runtime.call(async move {
                        let value = clone.get_with(1, || load_on.load(1, 2)).await;
                        assert_eq!(clone.get(&1).map(|value| value.made), Some(value.made));
                    });
                    if stays {
                        runtime.block_on(call.into_future());
                    } else {
                        let _ = call.poll();
                    }
                })
            })
            .collect();
        drop(cache);
        for caller in callers {
            caller.join().expect("no panic");
        }
    });
}

#[test]
fn a_clone_outlives_the_handle_that_started_the_load() {
    explore(|runtime| {
        let cache = runtime.cache();
        let (first, second) = (cache.clone(), cache.clone());
        let stage_there = runtime.clone();
        let starts = thread::spawn(move || {
            let mut call = stage_there.call(first.get_with(1, || stage_there.load(1, 1)));
            let _ = call.poll();
        });
        let stage_there = runtime.clone();
        let follows = thread::spawn(move || {
            let value = stage_there.block_on(second.get_with(1, || stage_there.load(1, 1)));
            second.invalidate_all();
            value.made
        });
        starts.join().expect("no panic");
        follows.join().expect("no panic");
        runtime.join_tasks();
        check_requests(&cache, 0);
        assert!(runtime.loads(1) <= 2);
    });
}
