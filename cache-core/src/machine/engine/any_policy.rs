//! The connection of policy and store: the choice of the policy, and what it reads of entries.

use alloc::vec::Vec;

use super::Meta;
use crate::machine::list::{Token, ensure_slot, truncate_and_shrink};
use crate::machine::opt_in::{Enabled, Gated, LruPolicy};
use crate::machine::policy::{EntryInfo, HitCounter, Lru, Policy, S3Fifo};
use crate::machine::store::{Slot, Store};
use crate::machine::table::Hashed;

/// Which entry is evicted when the cache is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum EvictionPolicy {
    /// S3-FIFO (Yang et al., SOSP 2023): scan-resistant, and hits reorder nothing.
    #[default]
    S3Fifo,
    /// Exact least-recently-used order: that of each thread, and of any two uses of which one
    /// happens before the other. Uses at the same time on several threads count in one of their
    /// possible orders. The cache has a single shard. Hits share its lock, and write to one
    /// counter.
    Lru,
}

/// The policy in use. An unbounded cache evicts nothing and needs none.
#[derive(Debug)]
// A tag of its own is tested with one instruction, one inside of a field with five.
#[cfg_attr(not(target_os = "none"), repr(u8))]
pub(in crate::machine) enum AnyPolicy {
    None,
    S3Fifo(S3Fifo),
    Lru(Lru, Enabled<LruPolicy>),
}

/// Evaluates `$body` with `$policy` bound to the policy in use, or `$none` if there is none.
macro_rules! each_policy {
    ($any:expr, $policy:ident => $body:expr, $none:expr) => {
        match $any {
            AnyPolicy::None => $none,
            AnyPolicy::S3Fifo($policy) => $body,
            AnyPolicy::Lru($policy, enabled) => {
                enabled.check();
                $body
            }
        }
    };
}

/// Borrows what a policy reads of the engine's entries, without the policy itself.
macro_rules! view {
    ($engine:expr) => {
        PolicyView {
            store: &$engine.store,
            weights: &$engine.weights,
        }
    };
}

impl AnyPolicy {
    pub(super) fn new(lru: Gated<(), LruPolicy>, bounded: bool) -> Self {
        match lru.proof() {
            _ if !bounded => Self::None,
            Some(enabled) => Self::Lru(Lru::new(), enabled),
            None => Self::S3Fifo(S3Fifo::new()),
        }
    }

    pub(super) const fn reorders_on_hit(&self) -> bool {
        match self {
            Self::None => false,
            Self::S3Fifo(_) => S3Fifo::REORDERS_ON_HIT,
            Self::Lru(..) => Lru::REORDERS_ON_HIT,
        }
    }

    #[cfg_attr(not(target_os = "none"), inline)]
    pub(super) fn insert<K, V>(&mut self, token: Token, view: PolicyView<'_, K, V>) {
        if view.weight(token) > 0 {
            each_policy!(self, policy => policy.insert(token, &view), ());
        }
    }

    pub(super) fn hit(&mut self, token: Token, weight: u32) {
        if weight > 0 && self.reorders_on_hit() {
            each_policy!(self, policy => policy.hit(token), ());
        }
    }

    /// Whether [`AnyPolicy::log_hit`] records hits that reorder the queues.
    pub(super) const fn logs_hits(&self) -> bool {
        let has_log = cfg!(all(target_has_atomic = "32", not(target_os = "none")));
        has_log && matches!(self, Self::Lru(..))
    }

    /// Records a hit through a shared reference, if the policy reorders its queues on a hit.
    /// Returns `false` if the hit needs [`AnyPolicy::hit`].
    #[inline]
    pub(super) fn log_hit(&self, token: Token, weight: u32) -> bool {
        match self {
            Self::Lru(policy, _) if self.logs_hits() => weight == 0 || policy.log_hit(token),
            _ => !self.reorders_on_hit(),
        }
    }

    pub(super) fn remove<K, V>(&mut self, token: Token, view: PolicyView<'_, K, V>) {
        if view.weight(token) > 0 {
            each_policy!(self, policy => policy.remove(token, &view), ());
        }
    }

    #[cfg_attr(not(target_os = "none"), inline)]
    pub(super) fn evict<K, V>(&mut self, view: PolicyView<'_, K, V>) -> Option<Token> {
        each_policy!(self, policy => policy.evict(&view), None)
    }

    pub(super) fn clear(&mut self) {
        each_policy!(self, policy => policy.clear(), ());
    }

    pub(super) fn move_token(&mut self, from: Token, to: Token) {
        each_policy!(self, policy => policy.move_token(from, to), ());
    }

    pub(super) fn truncate(&mut self, len: usize) {
        each_policy!(self, policy => policy.truncate(len), ());
    }

    pub(super) fn memory_used(&self) -> usize {
        each_policy!(self, policy => policy.memory_used(), 0)
    }

    /// Checks the policy and returns how many tokens it knows; `None` if there is no policy.
    pub(in crate::machine) fn validate<K, V>(&self, view: PolicyView<'_, K, V>) -> Option<usize> {
        each_policy!(self, policy => {
            policy.validate(&view);
            Some(policy.tokens().count())
        }, None)
    }
}

/// The weights of the entries, by token. Allocates nothing as long as every entry weighs 1.
#[derive(Debug)]
pub(in crate::machine) struct Weights(Vec<u32>);

impl Weights {
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    #[cfg_attr(not(target_os = "none"), inline)]
    pub(in crate::machine) fn of(&self, token: Token) -> u32 {
        self.0.get(token.index()).copied().unwrap_or(1)
    }

    #[cfg_attr(not(target_os = "none"), inline)]
    pub(super) fn set(&mut self, token: Token, weight: u32) {
        if token.index() >= self.0.len() {
            if weight == 1 {
                return;
            }
            ensure_slot(&mut self.0, token, 1);
        }
        self.0[token.index()] = weight;
    }

    /// Whether every entry weighs 1. May be `false` also then.
    #[inline]
    pub(super) fn all_are_one(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.0 = Vec::new();
    }

    pub(super) fn move_token(&mut self, from: Token, to: Token) {
        self.set(to, self.of(from));
    }

    pub(super) fn truncate(&mut self, len: usize) {
        truncate_and_shrink(&mut self.0, len);
    }

    pub(super) fn memory_used(&self) -> usize {
        self.0.capacity() * size_of::<u32>()
    }
}

/// Store and weights, as a policy reads them.
#[derive(Debug)]
pub(in crate::machine) struct PolicyView<'a, K, V> {
    pub(in crate::machine) store: &'a Store<K, V, Meta>,
    pub(in crate::machine) weights: &'a Weights,
}

impl<K, V> PolicyView<'_, K, V> {
    fn meta(&self, token: Token) -> (&Meta, u32) {
        let slot = self.store.get(token);
        let slot = slot.expect("a policy knows only stored entries");
        (&slot.meta, slot.hash())
    }
}

impl<K, V> EntryInfo for PolicyView<'_, K, V> {
    fn hits(&self, token: Token) -> &HitCounter {
        &self.meta(token).0.hits
    }

    fn weight(&self, token: Token) -> u32 {
        self.weights.of(token)
    }

    fn hash(&self, token: Token) -> u32 {
        self.meta(token).1
    }
}

/// The store, as a policy reads it where every entry weighs 1: [`Engine::is_plain`].
///
/// [`Engine::is_plain`]: super::Engine::is_plain
#[derive(Debug)]
pub(in crate::machine) struct PlainView<'a, K, V>(pub(super) &'a Store<K, V, Meta>);

/// As [`PlainView`], for the insertion of an entry whose hash is at hand.
#[derive(Debug)]
pub(in crate::machine) struct InsertView<'a, K, V> {
    pub(super) entries: PlainView<'a, K, V>,
    /// The hash of the new entry, the only one whose hash an insertion reads.
    pub(super) hash: u32,
}

impl<K, V> PlainView<'_, K, V> {
    #[inline(always)]
    fn slot(&self, token: Token) -> &Slot<K, V, Meta> {
        let slot = self.0.get(token);
        slot.expect("a policy knows only stored entries")
    }
}

impl<K, V> EntryInfo for PlainView<'_, K, V> {
    #[inline(always)]
    fn hits(&self, token: Token) -> &HitCounter {
        &self.slot(token).meta.hits
    }

    #[inline(always)]
    fn weight(&self, _: Token) -> u32 {
        1
    }

    #[inline(always)]
    fn hash(&self, token: Token) -> u32 {
        self.slot(token).hash()
    }
}

impl<K, V> EntryInfo for InsertView<'_, K, V> {
    #[inline(always)]
    fn hits(&self, token: Token) -> &HitCounter {
        self.entries.hits(token)
    }

    #[inline(always)]
    fn weight(&self, _: Token) -> u32 {
        1
    }

    #[inline(always)]
    fn hash(&self, _: Token) -> u32 {
        self.hash
    }
}
