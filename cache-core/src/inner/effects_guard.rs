//! The effects of calls to a shard, applied once the shard is unlocked.

use core::mem::needs_drop;
use core::ops::{Deref, DerefMut};

use super::Inner;
use crate::machine::{Effects, Removed};
use crate::opt_in::{EventStreams, Feature, Freshening};
use crate::panic::{self, Payload};
use crate::runtime::Runtime;
use crate::shards::ShardEffects;

/// The effects of calls to a shard: listener calls, drops of entries, and the janitor's next
/// deadline.
///
/// The caller flushes them after it has unlocked the shard and woken the waiters: a listener may be
/// slow. If a panic in user code unwinds before the flush, the drop of the guard applies them.
pub(crate) struct EffectsGuard<'a, K, V, R: Runtime, S> {
    inner: &'a Inner<K, V, R, S>,
    fx: ShardEffects<K, V, R>,
}

impl<K, V, R: Runtime, S> EffectsGuard<'_, K, V, R, S> {
    /// Applies the effects.
    ///
    /// # Panics
    /// If the listener panics, after it was called for every entry.
    pub(crate) fn flush(self) {
        panic::resume_first(self.finish());
    }

    /// Applies the effects. Returns the payload of the first panic.
    #[must_use]
    pub(crate) fn finish(mut self) -> Option<Payload> {
        self.inner.flush(&mut self.fx)
    }
}

impl<K, V, R: Runtime, S> Deref for EffectsGuard<'_, K, V, R, S> {
    type Target = ShardEffects<K, V, R>;

    fn deref(&self) -> &Self::Target {
        &self.fx
    }
}

impl<K, V, R: Runtime, S> DerefMut for EffectsGuard<'_, K, V, R, S> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.fx
    }
}

impl<K, V, R: Runtime, S> Drop for EffectsGuard<'_, K, V, R, S> {
    fn drop(&mut self) {
        // Effects are left only if a panic unwinds. If a listener panics too, the panic hook has
        // reported that.
        drop(self.inner.flush(&mut self.fx));
    }
}

impl<K, V, R: Runtime, S> Inner<K, V, R, S> {
    /// Returns an empty buffer for the effects of calls to a shard.
    #[cfg_attr(target_os = "none", inline(never))]
    pub(crate) const fn effects(&self) -> EffectsGuard<'_, K, V, R, S> {
        EffectsGuard {
            inner: self,
            fx: Effects::new(),
        }
    }

    fn flush(&self, fx: &mut ShardEffects<K, V, R>) -> Option<Payload> {
        let nothing = fx.has_no_effects() || self.janitor().is_none() && !self.handles_removals();
        let applied = if nothing {
            None
        } else {
            self.apply_effects(fx)
        };
        if Freshening::is_enabled() && self.refreshing.is_set() {
            return applied.or(self.end_fenced(fx));
        }
        applied
    }

    /// Reports an entry that a write removed, and drops the entry, as [`EffectsGuard::flush`] does.
    ///
    /// # Panics
    /// If the listener panics.
    #[inline]
    pub(crate) fn discard(&self, removed: Option<Removed<K, V>>) {
        if self.handles_removals() {
            panic::resume_first(self.notify_all(removed.into_iter()));
        }
    }

    fn apply_effects(&self, fx: &mut ShardEffects<K, V, R>) -> Option<Payload> {
        if let (Some(janitor), Some(deadline)) = (self.janitor(), fx.take_deadline()) {
            janitor.purge_by(deadline, &self.runtime);
        }
        if self.handles_removals() {
            self.notify_all(fx.drain_removed())
        } else {
            None
        }
    }

    /// Whether a removed entry needs more than to be forgotten.
    #[inline(always)]
    fn handles_removals(&self) -> bool {
        needs_drop::<(K, V)>() || self.listener().is_some() || self.shards.are_removals_observed()
    }

    /// Reports every removed entry to streams and to the listener, and drops the entry. Returns the
    /// payload of the first panic.
    #[must_use]
    pub(crate) fn notify_all(
        &self,
        removed: impl Iterator<Item = Removed<K, V>>,
    ) -> Option<Payload> {
        let mut first = None;
        for removed in removed {
            let notified = self.notify(&removed);
            // The drop of a key or value may panic too, and must not stop the other calls.
            let dropped = panic::catch(|| drop(removed)).err();
            first = first.or(notified).or(dropped);
        }
        first
    }

    /// Reports a removed entry to streams, and then to the listener. Returns the payload of the
    /// first panic.
    #[must_use]
    pub(crate) fn notify(&self, removed: &Removed<K, V>) -> Option<Payload> {
        // Must come before the listener, which may be slow: later events wait for this one.
        let published = self.publish(removed);
        let Some(listener) = self.listener() else {
            return published;
        };
        let call = || listener(&removed.key, &removed.value, removed.cause);
        let called = panic::catch(call).err();
        published.or(called)
    }

    /// Reports a removed entry to streams. Returns the payload of the first panic.
    #[inline(always)]
    fn publish(&self, removed: &Removed<K, V>) -> Option<Payload> {
        if !EventStreams::is_enabled() || removed.number == 0 {
            return None;
        }
        self.events.publish(&self.runtime, removed)
    }
}
