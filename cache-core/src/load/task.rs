//! The background task of a load.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use super::drive::LoadCtx;
use crate::flight::{Flight, Role};
use crate::inner::Inner;
use crate::runtime::Runtime;
use crate::sync::Arc;

/// The background task of a load.
///
/// Its drop lets the waiters drive the load, or drops a load without callers.
#[expect(unnameable_types, reason = "a hidden method boxes it")]
pub struct LoadTask<K, V, R: Runtime, S> {
    inner: Arc<Inner<K, V, R, S>>,
    flight: Arc<Flight<V, R>>,
}

impl<K, V, R: Runtime, S> LoadTask<K, V, R, S> {
    pub(crate) const fn new(inner: Arc<Inner<K, V, R, S>>, flight: Arc<Flight<V, R>>) -> Self {
        Self { inner, flight }
    }

    fn ctx(&self) -> LoadCtx<'_, K, V, R, S> {
        LoadCtx::new(&self.inner, &self.flight)
    }
}

impl<K: Eq, V: Clone, R: Runtime, S> Future for LoadTask<K, V, R, S> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let ctx = self.ctx();
        // A refresh that was fenced, and that no caller waits for.
        if self.flight.is_abandoned_refresh() {
            ctx.cancel_if_unused();
        }
        self.flight.load.poll_task(
            cx,
            |cx| ctx.poll_step(Role::Task, cx),
            || {
                let detached = self.inner.options.detach_loads.is_set();
                if !detached || self.flight.is_abandoned_refresh() {
                    ctx.cancel_if_unused();
                }
            },
        )
    }
}

impl<K, V, R: Runtime, S> Drop for LoadTask<K, V, R, S> {
    fn drop(&mut self) {
        if self.flight.load.is_complete() {
            return;
        }
        self.flight.load.task_dropped();
        if self.flight.is_refresh() {
            self.flight.abandon_refresh();
        }
        // Must come after `task_dropped`: the last caller of a detached load, if it left before,
        // left the load to this task; if it leaves later, it finds no task and drops the load.
        self.ctx().cancel_if_unused();
    }
}

impl<K, V, R: Runtime, S> fmt::Debug for LoadTask<K, V, R, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LoadTask").field(&self.flight).finish()
    }
}
