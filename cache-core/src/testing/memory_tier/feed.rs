//! The stream of messages to one process, and the task that receives them.

use alloc::collections::VecDeque;
use core::hash::Hash;
use core::mem;
use core::task::{Poll, Waker};
use core::time::Duration;

use super::{Fault, MemoryTier, Step};
use crate::machine::Instant;
use crate::runtime::{Flavor, Runtime, Timer, working};
use crate::sync::Mutex;
use crate::tier::{TierEvents, WriteId};

/// What the server sends on a stream.
#[derive(Debug, Clone)]
pub(super) enum Message<K> {
    Removed(K),
    /// A process has written the key.
    Written(K, usize, WriteId),
    Filled(K),
    Cleared,
    /// The answer to a heartbeat that was sent at this time.
    Answer(Instant),
}

/// The stream to one process.
pub(super) struct Feed<K> {
    /// With the time of arrival, which never decreases.
    messages: VecDeque<(Instant, Message<K>)>,
    is_connected: bool,
    is_stalled: bool,
    /// The waker of the task that receives.
    waker: Option<Waker>,
}

/// What the receiving task finds on its stream.
enum Received<K> {
    Message(Message<K>),
    Broken,
    /// Nothing before this time.
    Nothing(Instant),
}

impl<K> Feed<K> {
    pub(super) const fn new() -> Self {
        Self {
            messages: VecDeque::new(),
            is_connected: false,
            is_stalled: false,
            waker: None,
        }
    }

    /// Sends `message`, to which `fault` happens. Returns the waker of the receiver.
    pub(super) fn send(&mut self, message: Message<K>, fault: Fault, now: Instant) -> Option<Waker>
    where
        K: Clone,
    {
        if !self.is_connected {
            return None;
        }
        let delay = match fault {
            Fault::None | Fault::Double => Duration::ZERO,
            Fault::Delay(by) => by,
            Fault::Lose | Fault::Fail | Fault::Cut => return self.cut(),
        };
        let last = self.messages.back().map_or(now, |(at, _)| *at);
        let at = now.after(delay).max(last);
        if fault == Fault::Double {
            self.messages.push_back((at, message.clone()));
        }
        self.messages.push_back((at, message));
        self.waker.take()
    }

    pub(super) fn cut(&mut self) -> Option<Waker> {
        self.is_connected = false;
        self.messages.clear();
        self.waker.take()
    }

    pub(super) fn stall(&mut self, stalled: bool) -> Option<Waker> {
        self.is_stalled = stalled;
        self.waker.take()
    }

    /// A new stream, which begins without messages.
    fn connect(&mut self) {
        self.messages.clear();
        self.is_connected = true;
    }

    /// Swaps `waker` with the last one if there is nothing to receive.
    fn receive(&mut self, now: Instant, waker: &mut Option<Waker>) -> Received<K> {
        if !self.is_connected {
            return Received::Broken;
        }
        let next = self.messages.front().map_or(Instant::FAR, |(at, _)| *at);
        if next <= now && !self.is_stalled {
            let message = self.messages.pop_front();
            return Received::Message(message.expect("the stream has a message").1);
        }
        mem::swap(&mut self.waker, waker);
        Received::Nothing(if self.is_stalled { Instant::FAR } else { next })
    }
}

/// Receives the messages of a process and sends its heartbeats, until the cache is dropped.
pub(super) async fn listen<K, V, R>(tier: MemoryTier<K, V, R>, events: TierEvents<K, R::Flavor>)
where
    K: Eq + Hash + Clone,
    V: Clone,
    R: Runtime + Clone,
{
    let pause = tier.settings.heartbeat_interval();
    while !events.is_closed() {
        if tier.step(Step::Connect).await.is_err() {
            events.failed();
            tier.sleep(pause).await;
            continue;
        }
        tier.server
            .with(|server| server.feed(tier.process).connect());
        events.connected();
        receive(&tier, &events).await;
    }
}

/// Receives messages until the stream breaks, an answer is overdue or the cache is dropped.
async fn receive<K, V, R>(tier: &MemoryTier<K, V, R>, events: &TierEvents<K, R::Flavor>)
where
    K: Eq + Hash + Clone,
    V: Clone,
    R: Runtime + Clone,
{
    let pause = tier.settings.heartbeat_interval();
    let mut next_heartbeat = tier.runtime.now();
    let mut last_answer = next_heartbeat;
    let mut timer = None;
    core::future::poll_fn(|cx| {
        loop {
            let now = tier.runtime.now();
            if events.is_closed() {
                return Poll::Ready(());
            }
            if next_heartbeat <= now {
                next_heartbeat = now.after(pause);
                send_heartbeat(tier, now);
            }
            if last_answer.after(tier.settings.max_staleness) < now {
                let replaced = tier.server.with(|server| server.feed(tier.process).cut());
                drop(replaced);
                return Poll::Ready(());
            }
            // Cloned and dropped outside of the lock.
            let mut waker = Some(cx.waker().clone());
            let received = tier
                .server
                .with(|server| server.feed(tier.process).receive(now, &mut waker));
            drop(waker);
            let next = match received {
                Received::Broken => return Poll::Ready(()),
                Received::Message(message) => {
                    if matches!(message, Message::Answer(_)) {
                        last_answer = now;
                    }
                    report(message, tier.process, events);
                    continue;
                }
                Received::Nothing(next) => next.min(next_heartbeat),
            };
            timer = working(timer.take(), &tier.runtime);
            match &mut timer {
                Some(timer) => {
                    let timer: &mut R::Timer = timer;
                    if timer.poll_until(next, cx).is_pending() {
                        return Poll::Pending;
                    }
                }
                None => return Poll::Pending,
            }
        }
    })
    .await;
}

fn report<K, F: Flavor>(message: Message<K>, process: usize, events: &TierEvents<K, F>) {
    match message {
        Message::Written(key, of, id) if of == process => events.written(key, id),
        Message::Written(key, ..) => events.removed(key),
        Message::Removed(key) => events.removed(key),
        Message::Filled(key) => events.filled(key),
        Message::Cleared => events.cleared(),
        Message::Answer(sent) => events.answered(sent),
    }
}

/// Sends a heartbeat at `now`. Its answer comes on the stream.
fn send_heartbeat<K, V, R>(tier: &MemoryTier<K, V, R>, now: Instant)
where
    K: Eq + Hash + Clone,
    V: Clone,
    R: Runtime,
{
    let waker = tier
        .server
        .with(|server| server.heartbeat(tier.process, now));
    drop(waker);
}
