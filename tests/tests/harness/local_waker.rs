//! Wakers with hooks that are not `Send`.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Wake, Waker};

/// A waker that runs `on_wake` when woken and `on_drop` when dropped. A waker must be `Send` and
/// the hooks are not, so they stay in a thread-local map and the waker holds their number.
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
        let (on_wake, _) = hooks.expect("the hooks live as long as the waker");
        on_wake();
    }
}

impl Drop for Hooked {
    fn drop(&mut self) {
        // At the end of the thread the map may be dropped before the waker.
        let hooks = HOOKS.try_with(|hooks| hooks.borrow_mut().remove(&self.0));
        if let Ok(Some((_, on_drop))) = hooks {
            on_drop();
        }
    }
}
