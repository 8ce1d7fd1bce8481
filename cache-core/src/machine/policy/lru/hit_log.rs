//! The hits of exact LRU under a shared lock, in their order.

use alloc::boxed::Box;
use core::sync::atomic::{AtomicU32, Ordering};

use crate::machine::list::Token;

/// A log of tokens. It loses no hit: one that does not fit is refused.
///
/// A hit takes the next place in the log by an atomic addition, and stores its token there. The
/// additions have one order, which contains the order of each thread and every order between
/// threads that a program can observe: if one hit happens before another, its place comes first.
/// The tokens are read with exclusive access, when every hit has stored its own.
#[derive(Debug, Default)]
pub(super) struct HitLog {
    /// How many places hits have taken or tried to take.
    taken: AtomicU32,
    tokens: Box<[AtomicU32]>,
}

impl HitLog {
    /// Appends a hit of `token`, unless the log is full.
    #[cfg(all(target_has_atomic = "32", not(target_os = "none")))]
    #[inline]
    pub(super) fn push(&self, token: Token) -> bool {
        let at = self.taken.fetch_add(1, Ordering::Relaxed);
        let place = self.tokens.get(at as usize);
        if let Some(place) = place {
            place.store(token.number(), Ordering::Relaxed);
        }
        place.is_some()
    }

    /// On a microcontroller every hit has exclusive access.
    #[cfg(not(all(target_has_atomic = "32", not(target_os = "none"))))]
    pub(super) fn push(&self, _: Token) -> bool {
        false
    }

    #[cfg_attr(not(target_os = "none"), inline)]
    pub(super) fn is_empty(&mut self) -> bool {
        *self.taken.get_mut() == 0
    }

    /// Takes out all hits, the earliest first.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Token> + '_ {
        let taken = core::mem::take(self.taken.get_mut()) as usize;
        let tokens = self.tokens.iter_mut().take(taken);
        tokens.map(|token| Token::from_number(*token.get_mut()))
    }

    /// Grows an empty log for a queue of `entries`: it has a place for each, up to a number for
    /// which the exclusive lock of a full log no longer matters.
    #[cfg_attr(not(target_os = "none"), inline)]
    pub(super) fn grow_for(&mut self, entries: usize) {
        let len = self.tokens.len();
        if len < MOST_HITS && len < entries && cfg!(not(target_os = "none")) {
            self.grow();
        }
    }

    #[cold]
    fn grow(&mut self) {
        self.resize((self.tokens.len() * 2).clamp(FEWEST_HITS, MOST_HITS));
    }

    /// Shrinks an empty log to a queue of `entries`. It keeps a place for each, as
    /// [`HitLog::grow_for`] does, or a cache that is only read from now on could log no hit.
    pub(super) fn shrink_for(&mut self, entries: usize) {
        let places = entries.min(MOST_HITS).next_power_of_two();
        let places = if entries == 0 {
            0
        } else {
            places.max(FEWEST_HITS)
        };
        if cfg!(not(target_os = "none")) && self.tokens.len() > places {
            self.resize(places);
        }
    }

    fn resize(&mut self, places: usize) {
        self.tokens = (0..places).map(|_| AtomicU32::new(0)).collect();
    }

    /// The logged hits, for invariant checks.
    pub(super) fn tokens(&self) -> impl Iterator<Item = Token> + '_ {
        let taken = self.taken.load(Ordering::Relaxed) as usize;
        let tokens = self.tokens.iter().take(taken);
        tokens.map(|token| Token::from_number(token.load(Ordering::Relaxed)))
    }

    pub(super) fn memory_used(&self) -> usize {
        size_of_val(&*self.tokens)
    }
}

/// The smallest log.
const FEWEST_HITS: usize = 16;

/// The largest log. A full one costs an exclusive lock, after which the reader-biased lock needs 64
/// reads to be biased again.
const MOST_HITS: usize = 1_024;
