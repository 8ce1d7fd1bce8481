//! The calls of a cache: requests and answers, with faults.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::hash::Hash;
use core::task::{Poll, Waker};
use core::time::Duration;

use super::faults::{Fault, MemoryTierError, Step};
use super::server::Server;
use super::{MemoryTier, feed};
use crate::machine::Instant;
use crate::runtime::{CurrentThread, Flavor, MultiThread, Runtime, Timer, working};
use crate::sync::Mutex;
use crate::testing::VirtualRuntime;
use crate::tier::{Fill, Filled, Found, Lease, Put, Read, Tier, TierEvents, TierSettings};

/// When a sender gives up that gets no answer.
const TIMEOUT: Duration = Duration::from_millis(500);

impl<K, V, R: Runtime> MemoryTier<K, V, R>
where
    K: Eq + Hash + Clone,
    V: Clone,
{
    /// Runs `f` on the server, and what is foreign code after the server is unlocked.
    pub(super) fn with<O>(&self, f: impl FnOnce(&mut Server<K, V>) -> O) -> O {
        let (output, (wakers, discarded)) = self.server.with(|server| {
            let output = f(server);
            (output, server.take_leftovers())
        });
        drop(discarded);
        wakers.into_iter().for_each(Waker::wake);
        output
    }

    /// Sends a request, lets the server do it by `execute`, and receives the answer, with faults
    /// at each step.
    async fn call<O>(
        self,
        mut execute: impl FnMut(&mut Server<K, V>, Instant) -> Result<O, MemoryTierError>,
    ) -> Result<O, MemoryTierError> {
        let repeats = self.step(Step::Request).await?;
        let mut answer = Err(MemoryTierError);
        for _ in 0..repeats {
            let now = self.runtime.now();
            answer = self.with(|server| execute(server, now));
        }
        self.step(Step::Answer).await?;
        answer
    }

    /// Lets a fault happen to a message of this process. Returns how often the message arrives.
    pub(super) async fn step(&self, step: Step) -> Result<usize, MemoryTierError> {
        let fault = self.server.with(|server| server.fault(self.process, step));
        match fault {
            Fault::None => Ok(1),
            Fault::Double => Ok(2),
            Fault::Delay(by) => {
                self.sleep(by).await;
                Ok(1)
            }
            Fault::Lose => {
                self.sleep(TIMEOUT).await;
                Err(MemoryTierError)
            }
            Fault::Fail => Err(MemoryTierError),
            Fault::Cut => {
                self.cut();
                Err(MemoryTierError)
            }
        }
    }

    /// Waits for `by`; not at all on a runtime without timers.
    pub(super) async fn sleep(&self, by: Duration) {
        let deadline = self.runtime.now().after(by);
        let mut timer = None;
        core::future::poll_fn(|cx| {
            timer = working(timer.take(), &self.runtime);
            match &mut timer {
                Some(timer) => timer.poll_until(deadline, cx),
                None => Poll::Ready(()),
            }
        })
        .await;
    }
}

/// Implements [`Tier`] for a flavor. The futures are boxed where the flavor is known.
macro_rules! tier {
    ($flavor:ty, [$($send:ident)?], [$($sync:ident)?]) => {
        impl<K, V, R> Tier<K, V, $flavor> for MemoryTier<K, V, R>
        where
            K: Eq + Hash + Clone + $($send +)? $($sync +)? 'static,
            V: Clone + $($send +)? $($sync +)? 'static,
            R: Runtime<Flavor = $flavor> + Clone + $($send +)? $($sync +)? 'static,
            R::Timer: $($send +)? 'static,
        {
            type Error = MemoryTierError;

            fn settings(&self) -> TierSettings {
                self.settings
            }

            fn fetch(
                &self,
                keys: Vec<K>,
                read: Read,
            ) -> <$flavor as Flavor>::Future<Result<Vec<Found<V>>, MemoryTierError>> {
                let lease_time = self.settings.lease_time;
                Box::pin(self.clone().call(move |server, now| {
                    server.fetch(&keys, read, now, lease_time)
                }))
            }

            fn fill(
                &self,
                fills: Vec<Fill<K, V>>,
            ) -> <$flavor as Flavor>::Future<Result<Vec<Filled>, MemoryTierError>> {
                let process = self.process;
                Box::pin(self.clone().call(move |server, now| {
                    server.fill(process, &fills, now)
                }))
            }

            fn renew(
                &self,
                leases: Vec<(K, Lease)>,
            ) -> <$flavor as Flavor>::Future<Result<(), MemoryTierError>> {
                let lease_time = self.settings.lease_time;
                Box::pin(self.clone().call(move |server, now| {
                    server.renew(&leases, now, lease_time)
                }))
            }

            fn release(&self, leases: Vec<(K, Lease)>) -> <$flavor as Flavor>::Future<()> {
                let call = self.clone().call(move |server, now| server.release(&leases, now));
                Box::pin(async move { _ = call.await })
            }

            fn put(
                &self,
                puts: Vec<Put<K, V>>,
            ) -> <$flavor as Flavor>::Future<Result<(), MemoryTierError>> {
                let process = self.process;
                Box::pin(self.clone().call(move |server, now| {
                    server.put(process, &puts, now)
                }))
            }

            fn remove(
                &self,
                keys: Vec<K>,
            ) -> <$flavor as Flavor>::Future<Result<(), MemoryTierError>> {
                Box::pin(self.clone().call(move |server, now| server.remove(&keys, now)))
            }

            fn clear(&self) -> <$flavor as Flavor>::Future<Result<(), MemoryTierError>> {
                Box::pin(self.clone().call(Server::clear))
            }

            fn listen(
                &self,
                events: TierEvents<K, $flavor>,
            ) -> Option<<$flavor as Flavor>::Future<()>> {
                Some(Box::pin(feed::listen(self.clone(), events)))
            }
        }
    };
}

tier!(CurrentThread, [], []);
tier!(MultiThread, [Send], [Sync]);

supports_tier!(VirtualRuntime: CurrentThread);
