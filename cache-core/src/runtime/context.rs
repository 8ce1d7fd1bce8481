//! Which loads the current thread of control is inside of.

use alloc::vec::Vec;
use core::cell::RefCell;

use super::Runtime;

/// The loads that are being polled right now, innermost last.
///
/// A loader that asks for a key whose load it is itself part of would wait for ever; this is how
/// the cache notices. One context serves one thread of control.
#[derive(Debug, Default)]
pub struct Context {
    loads: RefCell<Vec<usize>>,
}

impl Context {
    /// No load.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            loads: RefCell::new(Vec::new()),
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
}

/// Sets the loads that the current thread of control is inside of aside, as long as it lives: what
/// runs meanwhile has no part in them.
pub(crate) struct Aside<'a, R: Runtime> {
    runtime: &'a R,
    loads: Vec<usize>,
}

impl<'a, R: Runtime> Aside<'a, R> {
    pub(crate) fn new(runtime: &'a R) -> Self {
        let loads = runtime.context(|context| context.loads.take());
        Self { runtime, loads }
    }
}

impl<R: Runtime> Drop for Aside<'_, R> {
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
