//! What the connections have learned: the link, the generation, the server's time and identity.

use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use super::link::OldLink;
use super::{Link, Server};
use crate::error::Error;
use crate::identity::{Identity, Seen};
use crate::names::Generation;

#[derive(Debug, Default)]
pub(super) struct ConnectionState {
    link: Option<Link>,
    old_links: Vec<OldLink>,
    generation: Option<Generation>,
    clock: Option<ServerClock>,
    seen: Option<Seen>,
    last_error: Option<Arc<Error>>,
}

/// The server's time when it answered a heartbeat.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ServerClock {
    pub(crate) time: Duration,
    pub(crate) sent: Instant,
    pub(crate) received: Instant,
}

impl Server {
    /// The latest time that the server can have: a value may live shorter by one round trip.
    pub(crate) fn latest_time(&self) -> Duration {
        let clock = self.state().clock;
        clock.map_or(Duration::ZERO, |clock| clock.time + clock.sent.elapsed())
    }

    /// The earliest time that the server can have.
    pub(crate) fn earliest_time(&self) -> Duration {
        let clock = self.state().clock;
        clock.map_or(Duration::ZERO, |clock| {
            clock.time + clock.received.elapsed()
        })
    }

    pub(crate) fn set_clock(&self, clock: ServerClock) {
        self.state().clock = Some(clock);
    }

    /// Notes what the server says about itself.
    pub(crate) fn set_identity(&self, identity: Identity) {
        let mut state = self.state();
        let at = state
            .seen
            .as_ref()
            .map_or_else(Instant::now, |seen| seen.at);
        state.seen = Some(Seen { identity, at });
    }

    /// Notes that the server answered what was sent at this time.
    pub(crate) fn set_answered(&self, at: Instant) {
        if let Some(seen) = &mut self.state().seen {
            seen.at = at;
        }
    }

    pub(crate) fn seen(&self) -> Option<Seen> {
        self.state().seen.clone()
    }

    /// Uses this connection for commands from now on.
    pub(crate) fn set_link(&self, link: Link) {
        let mut state = self.state();
        state.last_error = None;
        let old = state.link.replace(link);
        drop(state);
        drop(old);
    }

    pub(crate) fn disconnect(&self, reason: Error) {
        let mut state = self.state();
        state.last_error = Some(Arc::new(reason));
        let old = state.link.take();
        state.old_links.extend(old.as_ref().map(Link::as_old));
        drop(state);
        drop(old);
    }

    pub(super) fn old_links(&self) -> Vec<OldLink> {
        self.state().old_links.clone()
    }

    pub(super) fn forget_old_links(&self) {
        self.state().old_links.clear();
    }

    pub(crate) fn last_error(&self) -> Option<Arc<Error>> {
        self.state().last_error.clone()
    }

    /// Returns whether the generation is another one now.
    pub(crate) fn set_generation(&self, generation: Generation) -> bool {
        let old = self.state().generation.replace(generation);
        old != Some(generation)
    }

    pub(super) fn link(&self) -> Result<Link, Error> {
        let state = self.state();
        match &state.link {
            Some(link) => Ok(link.clone()),
            None => Err(Error::Disconnected(state.last_error.clone())),
        }
    }

    pub(super) fn generation(&self) -> Result<Generation, Error> {
        self.state().generation.ok_or(Error::Disconnected(None))
    }

    fn state(&self) -> MutexGuard<'_, ConnectionState> {
        self.state.lock().expect("nothing panics under this lock")
    }
}
