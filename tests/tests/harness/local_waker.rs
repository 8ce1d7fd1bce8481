//! Wakers of a test's own, where nothing else may travel between threads.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Wake, Waker};

/// A waker of the test's own: what it does when it is woken, and when it is dropped. Wakers travel
/// between threads and what these do cannot, so they stay behind and the waker knows their number.
pub fn waker(on_wake: impl Fn() + 'static, on_drop: impl Fn() + 'static) -> Waker {
    let number = HOOKS.with_borrow_mut(|hooks| {
        let number = NEXT_HOOK.replace(NEXT_HOOK.get() + 1);
        hooks.insert(number, (Rc::new(on_wake), Rc::new(on_drop)));
        number
    });
    Waker::from(Arc::new(Hooked(number)))
}

type Hook = Rc<dyn Fn()>;

thread_local! {
    static HOOKS: RefCell<HashMap<u64, (Hook, Hook)>> = RefCell::default();
    static NEXT_HOOK: Cell<u64> = const { Cell::new(0) };
}

struct Hooked(u64);

impl Wake for Hooked {
    fn wake(self: Arc<Self>) {
        let hooks = HOOKS.with_borrow(|hooks| hooks.get(&self.0).cloned());
        let (on_wake, _) = hooks.expect("the hooks stay as long as the waker");
        on_wake();
    }
}

impl Drop for Hooked {
    fn drop(&mut self) {
        // While the thread ends, the hooks may be gone before a waker is.
        let hooks = HOOKS.try_with(|hooks| hooks.borrow_mut().remove(&self.0));
        if let Ok(Some((_, on_drop))) = hooks {
            on_drop();
        }
    }
}
