//! Which loads and hooks the current thread of control is inside of.

use alloc::vec::Vec;
use core::cell::RefCell;

use super::Runtime;

/// The loads that are being polled right now and the hooks that run, innermost last.
///
/// A loader that asks for a key whose load it is itself part of would wait for ever, and so would a
/// hook that uses the cache whose shard is locked around it; this is how the cache notices. One
/// context serves one thread of control.
#[derive(Debug, Default)]
pub struct Context {
    loads: RefCell<Vec<usize>>,
    /// On a device the lock itself notices.
    #[cfg(not(target_os = "none"))]
    hooks: RefCell<Vec<Hook>>,
}

/// A hook that runs, by the address of its cache and by its name.
#[cfg(not(target_os = "none"))]
type Hook = (usize, &'static str);

impl Context {
    /// No load and no hook.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            loads: RefCell::new(Vec::new()),
            #[cfg(not(target_os = "none"))]
            hooks: RefCell::new(Vec::new()),
        }
    }

    pub(crate) fn enter(&self, load: usize) {
        self.loads.borrow_mut().push(load);
    }

    pub(crate) fn leave(&self) {
        self.loads.borrow_mut().pop();
    }

    pub(crate) fn is_inside(&self, load: usize) -> bool {
        self.loads.borrow().contains(&load)
    }

    /// The name of the hook of `cache` that runs, if one does.
    #[cfg(not(target_os = "none"))]
    pub(crate) fn hook_of(&self, cache: usize) -> Option<&'static str> {
        let hooks = self.hooks.borrow();
        let hook = hooks.iter().find(|hook| hook.0 == cache)?;
        Some(hook.1)
    }
}

/// A hook that runs on the current thread of control, as long as this lives.
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

/// Sets the loads that the current thread of control is inside of aside, as long as it lives: what
/// runs meanwhile has no part in them.
pub(crate) struct ContextGuard<'a, R: Runtime> {
    runtime: &'a R,
    loads: Vec<usize>,
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

/// Calls `f` with the context of the current thread: what [`Runtime::context`] is on every
/// runtime whose tasks run on threads.
///
/// [`Runtime::context`]: super::Runtime::context
#[cfg(feature = "std")]
pub fn thread_context<T>(f: impl FnOnce(&Context) -> T) -> T {
    std::thread_local! {
        static CONTEXT: Context = const { Context::new() };
    }
    // While a thread ends, its context may be gone: then it is inside of no load.
    let mut f = Some(f);
    let known = CONTEXT.try_with(|context| f.take().map(|f| f(context)));
    match (known, f) {
        (Ok(Some(answer)), _) => answer,
        (_, Some(f)) => f(&Context::new()),
        (_, None) => unreachable!("the function is called once"),
    }
}
