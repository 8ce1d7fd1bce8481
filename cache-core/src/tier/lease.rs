//! A lease of this process: prolonged while its load runs, given up if the load has no value.

use alloc::vec;
use core::future::Future;
use core::pin::Pin;
use core::task::Poll;

use super::client::Client;
use super::store::{Lease, Tier};
use crate::runtime::{Flavor, Runtime, Timer, working};
use crate::sync::{Arc, AtomicBool, Ordering};

/// A lease of this process. Its drop gives the lease up, unless a fill has used it.
pub(super) struct LeaseGuard<K: 'static, V: 'static, T, R>
where
    T: Tier<K, V, R::Flavor>,
    R: Runtime,
{
    client: Arc<Client<K, V, T, R>>,
    key: Option<K>,
    lease: Lease,
    /// Whether a load uses the lease. Two loads of the process may share a lookup, if the first was
    /// fenced before the lookup ended.
    is_taken: AtomicBool,
    /// Whether a fill has ended the lease.
    is_used: AtomicBool,
}

impl<K, V, T, R> LeaseGuard<K, V, T, R>
where
    K: Clone,
    T: Tier<K, V, R::Flavor>,
    R: Runtime,
{
    pub(super) const fn new(client: Arc<Client<K, V, T, R>>, key: K, lease: Lease) -> Self {
        Self {
            client,
            key: Some(key),
            lease,
            is_taken: AtomicBool::new(false),
            is_used: AtomicBool::new(false),
        }
    }

    pub(super) const fn lease(&self) -> Lease {
        self.lease
    }

    /// Takes the lease for a load. Only the first call returns `true`.
    pub(super) fn take(&self) -> bool {
        !self.is_taken.swap(true, Ordering::Relaxed)
    }

    /// Marks the lease as ended by a fill: the drop does not give it up.
    pub(super) fn end(&self) {
        self.is_used.store(true, Ordering::Relaxed);
    }

    /// Runs the loader, and prolongs the lease meanwhile. A prolongation that fails does no harm:
    /// the fill is refused if the lease is lost.
    pub(super) async fn hold<F: Future + Unpin>(&self, mut loader: F) -> F::Output {
        let client = &self.client;
        let pause = client.settings.lease_time / 3;
        let mut next = client.runtime.now().after(pause);
        let mut timer = None;
        let mut renewal: Option<<R::Flavor as Flavor>::Future<_>> = None;
        core::future::poll_fn(|cx| {
            if let Poll::Ready(output) = Pin::new(&mut loader).poll(cx) {
                return Poll::Ready(output);
            }
            loop {
                if let Some(call) = &mut renewal
                    && Pin::new(call).poll(cx).is_ready()
                {
                    renewal = None;
                }
                timer = working(timer.take(), &client.runtime);
                let Some(timer) = &mut timer else {
                    return Poll::Pending;
                };
                if timer.poll_until(next, cx).is_pending() {
                    return Poll::Pending;
                }
                next = client.runtime.now().after(pause);
                let lease = self.key.clone().map(|key| (key, self.lease));
                renewal = Some(client.tier.renew(lease.into_iter().collect()));
            }
        })
        .await
    }
}

impl<K, V, T, R> Drop for LeaseGuard<K, V, T, R>
where
    T: Tier<K, V, R::Flavor>,
    R: Runtime,
{
    fn drop(&mut self) {
        if self.is_used.load(Ordering::Relaxed) {
            return;
        }
        if let Some(key) = self.key.take() {
            let release = self.client.tier.release(vec![(key, self.lease)]);
            // If nothing can be spawned, the lease ends by its time.
            drop(self.client.runtime.spawn(release));
        }
    }
}
