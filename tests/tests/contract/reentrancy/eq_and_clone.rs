//! Equality and clone of keys and values that use the cache: a call that would deadlock panics, and
//! the cache stays usable.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::contract::support::common::{Hook, Later, after, assert_sound, caught};
use crate::harness::{Cache, run, runtime};

type Meddlers = Cache<Meddler, Meddler>;
type Call = fn(&Meddlers, &Meddler);

/// Drops a result, whether or not it has a destructor.
fn ignore<T>(_: T) {}

/// A number that calls the cache when it is compared or cloned, if armed.
struct Meddler {
    number: u32,
    hook: Arc<Hook<Self, Self>>,
    arms: Arms,
}

/// The operations that make the next call.
#[derive(Clone, Default)]
struct Arms {
    equality: Arc<AtomicBool>,
    clone: Arc<AtomicBool>,
    call: Arc<std::sync::Mutex<Option<Call>>>,
}

impl Meddler {
    #[allow(
        clippy::arc_with_non_send_sync,
        reason = "it is Send where keys must be"
    )]
    fn new(hook: Hook<Self, Self>, arms: &Arms) -> Self {
        Self {
            number: 1,
            hook: Arc::new(hook),
            arms: arms.clone(),
        }
    }

    fn step(&self, armed: &AtomicBool) {
        if armed.swap(false, Ordering::SeqCst) {
            let call = *self.arms.call.lock().expect("no other thread panicked");
            call.expect("it is armed")(&self.hook.cache(), self);
        }
    }

    fn plain(&self, number: u32) -> Self {
        Self {
            number,
            hook: Arc::clone(&self.hook),
            arms: self.arms.clone(),
        }
    }
}

impl Clone for Meddler {
    fn clone(&self) -> Self {
        self.step(&self.arms.clone);
        self.plain(self.number)
    }
}

impl PartialEq for Meddler {
    fn eq(&self, other: &Self) -> bool {
        self.step(&self.arms.equality);
        self.number == other.number
    }
}

impl Eq for Meddler {}

impl Hash for Meddler {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.number.hash(state);
    }
}

#[test]
fn equality_or_clone_that_writes_to_its_own_shard_panics_and_does_not_deadlock() {
    let calls: [Call; 6] = [
        |cache, one| cache.insert(one.plain(1), one.plain(1)),
        |cache, one| ignore(cache.remove(&one.plain(1))),
        |cache, one| ignore(cache.set_ttl(&one.plain(1), after(1))),
        |cache, _| cache.invalidate_all(),
        |cache, _| cache.run_pending_tasks(),
        |cache, one| ignore(cache.drain().pop().unwrap_or((one.plain(1), one.plain(1)))),
    ];
    let uses: [Call; 5] = [
        |cache, one| ignore(cache.get(&one.plain(1))),
        |cache, one| ignore(cache.peek(&one.plain(1))),
        |cache, one| ignore(cache.get_all([&one.plain(1)])),
        |cache, one| cache.insert(one.plain(1), one.plain(1)),
        |cache, _| ignore(cache.iter().count()),
    ];
    // After many reads the lock may be biased towards readers.
    for (call, reads) in calls.into_iter().flat_map(|call| [(call, 0), (call, 300)]) {
        run(|| async move {
            let (later, arms) = (Later::new(), Arms::default());
            let one = Meddler::new(later.hook(), &arms);
            let cache: Meddlers = Cache::builder_on(runtime()).shards(1).build();
            later.set(&cache);
            cache.insert(one.plain(1), one.plain(1));
            *arms.call.lock().expect("no other thread panicked") = Some(call);
            for (number, use_it) in uses.into_iter().enumerate() {
                for armed in [&arms.equality, &arms.clone] {
                    (0..reads).for_each(|_| ignore(cache.get(&one)));
                    armed.store(true, Ordering::SeqCst);
                    let answer = caught(|| use_it(&cache, &one));
                    // Not every call compares keys and clones values.
                    if !armed.swap(false, Ordering::SeqCst) {
                        let words = answer.expect_err("the call panics");
                        assert!(words.contains("must not use"), "use {number}: {words}");
                    }
                    assert!(cache.get(&one).is_some_and(|one| one.number == 1));
                }
            }
            assert_sound(&cache, |_, _| 1);
        });
    }
}
