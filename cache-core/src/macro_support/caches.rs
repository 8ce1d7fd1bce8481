//! The caches of one decorated function.

use alloc::boxed::Box;
use core::any::Any;
use core::fmt;
use core::marker::PhantomData;

use super::{Arguments, ByExpression};
use crate::builder::Builder;
use crate::cache::Cache;
use crate::runtime::Runtime;
use crate::sync::OnceLock;

/// The caches of one decorated function: one for each set of type arguments of the function, or for
/// each `Self` of a method. A `static` cannot be generic, but its content can.
///
/// The list only grows, so a look-up takes no lock. O(caches of the function).
pub struct Caches {
    first: Link,
}

type Link = OnceLock<Box<Node>>;

struct Node {
    cache: Box<dyn Any + Send + Sync>,
    next: Link,
}

/// A cache `C` for the type arguments `S`.
struct Scoped<S, C> {
    cache: C,
    scope: PhantomData<fn() -> S>,
}

/// The caches of scope `S`.
pub struct Scope<S> {
    caches: &'static Caches,
    scope: PhantomData<fn() -> S>,
}

impl Caches {
    /// An empty list.
    #[must_use]
    pub const fn new() -> Self {
        Self { first: Link::new() }
    }

    /// The caches of scope `S`.
    #[must_use]
    pub const fn of<S: 'static>(&'static self) -> Scope<S> {
        Scope {
            caches: self,
            scope: PhantomData,
        }
    }
}

impl<S: 'static> Scope<S> {
    /// The cache of this type; the first call builds it.
    pub fn get<C>(self, build: impl FnOnce() -> C) -> &'static C
    where
        C: Send + Sync + 'static,
    {
        let mut build = Some(build);
        let mut link = &self.caches.first;
        loop {
            let node = link.get_or_init(|| {
                let build = build.take().expect("only the last link is empty");
                Box::new(Node::new::<S, C>(build()))
            });
            if let Some(scoped) = node.cache.downcast_ref::<Scoped<S, C>>() {
                return &scoped.cache;
            }
            link = &node.next;
        }
    }
}

/// Requires that the `Self` of a method is `'static`. The compiler's message quotes the bound and
/// its comment.
#[derive(Debug)]
pub struct EachSelf<
    S: 'static, // each `Self` has a cache of its own, for ever; with `skip(Self)` all share one
>(PhantomData<fn() -> S>);

impl Node {
    fn new<S, C>(cache: C) -> Self
    where
        S: 'static,
        C: Send + Sync + 'static,
    {
        let scoped = Scoped::<S, C> {
            cache,
            scope: PhantomData,
        };
        Self {
            cache: Box::new(scoped),
            next: Link::new(),
        }
    }
}

impl Default for Caches {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Caches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caches").finish_non_exhaustive()
    }
}

impl<S> fmt::Debug for Scope<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").finish_non_exhaustive()
    }
}

/// Sets the type of a builder's keys to that of the arguments that `witness` returns. `witness` is
/// never called.
pub fn with_key_type<A: Arguments, V, R: Runtime, S>(
    witness: impl FnOnce() -> A,
    builder: Builder<A::Key, V, R, S>,
) -> Builder<A::Key, V, R, S> {
    let _ = witness;
    builder
}

/// Applies the attribute's `builder` to the settings of its other arguments.
pub fn configure<K, V, R: Runtime, S>(
    builder: Builder<K, V, R, S>,
    configure: impl FnOnce(Builder<K, V, R, S>) -> Builder<K, V, R, S>,
) -> Builder<K, V, R, S> {
    configure(builder)
}

/// Recovers the key type of a cache that was returned with an opaque one, `impl Clone + Eq + Hash`.
///
/// # Panics
/// If `K` is not the key type of the cache.
pub fn downcast_cache<K, O, V, R, S>(
    cache: &'static Cache<O, V, R, S>,
    _: &ByExpression<K>,
) -> &'static Cache<K, V, R, S>
where
    K: 'static,
    O: 'static,
    R: Runtime,
    S: 'static,
{
    (cache as &dyn Any)
        .downcast_ref()
        .expect("a key's expression has one type wherever it is evaluated")
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use std::thread;

    #[test]
    fn each_scope_has_one_cache_on_all_threads() {
        static CACHES: Caches = Caches::new();

        let look_up = || {
            let of_u8 = CACHES.of::<(u8,)>().get(|| 1_u64);
            let of_u16 = CACHES.of::<(u16,)>().get(|| 2_u64);
            let of_both = CACHES.of::<(u8, u16)>().get(|| 3_u64);
            let of_other_type = CACHES.of::<(u8,)>().get(|| 4_u32);
            assert_eq!((*of_u8, *of_u16, *of_both, *of_other_type), (1, 2, 3, 4));
            [of_u8, of_u16, of_both]
                .map(core::ptr::from_ref::<u64>)
                .map(|at| at as usize)
        };
        let threads: Vec<_> = (0..8).map(|_| thread::spawn(look_up)).collect();
        let found: Vec<_> = threads
            .into_iter()
            .map(|thread| thread.join().expect("it finds them"))
            .collect();
        assert!(found.windows(2).all(|pair| pair[0] == pair[1]));
    }
}
