//! The loads that the current thread of control polls, and the hooks that it runs.

use alloc::vec::Vec;
use core::cell::RefCell;

use super::Runtime;

/// The loads that one thread of control polls, and the hooks that it runs, innermost last.
///
/// The cache detects two deadlocks by it: a loader that requests a key whose load it is part of,
/// and a hook that calls its own cache while a shard is locked. An adapter only stores the context
/// and passes it to [`Runtime::context`]: one context for each thread of control.
#[derive(Debug, Default)]
pub struct Context {
    loads: RefCell<Vec<LoadId>>,
    /// Not on bare metal: there the lock panics when a hook calls its cache.
    #[cfg(not(target_os = "none"))]
    hooks: RefCell<Vec<Hook>>,
}

/// Identifies a load or a batch among all that exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LoadId {
    owner: usize,
    /// Not on a microcontroller, where each load has a flight.
    #[cfg(not(target_os = "none"))]
    serial: u64,
}

impl LoadId {
    /// A load or a batch that lives at `address`.
    pub(crate) const fn at(address: usize) -> Self {
        Self {
            owner: address,
            #[cfg(not(target_os = "none"))]
            serial: 0,
        }
    }

    /// Load number `serial` of the shard at `address`, also before the load has a flight.
    pub(crate) const fn of_shard(address: usize, serial: u64) -> Self {
        // Not called on a microcontroller.
        let _ = serial;
        Self {
            owner: address,
            #[cfg(not(target_os = "none"))]
            serial,
        }
    }
}

/// A running hook: the address of its cache, and its name.
#[cfg(not(target_os = "none"))]
type Hook = (usize, &'static str);

impl Context {
    /// Returns a context for a thread of control that polls no load and runs no hook.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            loads: RefCell::new(Vec::new()),
            #[cfg(not(target_os = "none"))]
            hooks: RefCell::new(Vec::new()),
        }
    }

    pub(crate) fn enter(&self, load: LoadId) {
        self.loads.borrow_mut().push(load);
    }

    pub(crate) fn leave(&self) {
        self.loads.borrow_mut().pop();
    }

    pub(crate) fn is_inside(&self, load: LoadId) -> bool {
        self.loads.borrow().contains(&load)
    }

    /// The name of the running hook of `cache`, if there is one.
    #[cfg(not(target_os = "none"))]
    pub(crate) fn hook_of(&self, cache: usize) -> Option<&'static str> {
        let hooks = self.hooks.borrow();
        let hook = hooks.iter().find(|hook| hook.0 == cache)?;
        Some(hook.1)
    }
}

/// Marks a hook as running on the current thread of control until it is dropped.
#[cfg(not(target_os = "none"))]
pub(crate) struct HookGuard<'a, R: Runtime>(&'a R);

#[cfg(not(target_os = "none"))]
impl<'a, R: Runtime> HookGuard<'a, R> {
    pub(crate) fn new(runtime: &'a R, cache: usize, name: &'static str) -> Self {
        runtime.context(|context| context.hooks.borrow_mut().push((cache, name)));
        Self(runtime)
    }
}

#[cfg(not(target_os = "none"))]
impl<R: Runtime> Drop for HookGuard<'_, R> {
    fn drop(&mut self) {
        self.0.context(|context| context.hooks.borrow_mut().pop());
    }
}

/// Hides the loads that the current thread of control polls until it is dropped: a task that a
/// waker runs in place is not part of them.
pub(crate) struct ContextGuard<'a, R: Runtime> {
    runtime: &'a R,
    loads: Vec<LoadId>,
}

impl<'a, R: Runtime> ContextGuard<'a, R> {
    pub(crate) fn new(runtime: &'a R) -> Self {
        let loads = runtime.context(|context| context.loads.take());
        Self { runtime, loads }
    }
}

impl<R: Runtime> Drop for ContextGuard<'_, R> {
    fn drop(&mut self) {
        let loads = core::mem::take(&mut self.loads);
        self.runtime.context(|context| context.loads.replace(loads));
    }
}

/// Calls `f` with the context of the current thread: the [`Runtime::context`] of every runtime
/// whose tasks run on threads.
#[cfg(feature = "std")]
pub fn thread_context<T>(f: impl FnOnce(&Context) -> T) -> T {
    std::thread_local! {
        static CONTEXT: Context = const { Context::new() };
    }
    // A destructor of another thread-local may run after the context was dropped. It is part of no
    // load.
    let mut f = Some(f);
    let known = CONTEXT.try_with(|context| f.take().map(|f| f(context)));
    match (known, f) {
        (Ok(Some(answer)), _) => answer,
        (_, Some(f)) => f(&Context::new()),
        (_, None) => unreachable!("the function is called once"),
    }
}
