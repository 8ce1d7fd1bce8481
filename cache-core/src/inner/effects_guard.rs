//! The effects of calls to a shard, applied once the shard is unlocked.

use core::mem::needs_drop;
use core::ops::{Deref, DerefMut};

use super::Inner;
use crate::machine::{Effects, Removed};
use crate::panic::{self, Payload};
use crate::runtime::Runtime;
use crate::shards::ShardEffects;

/// What calls to a shard have left to do, with nothing locked and after waiters were woken.
///
/// If a panic in user code keeps [`EffectsGuard::flush`] from being called, nothing is lost either.
pub(crate) struct EffectsGuard<'a, K, V: 'static, R: Runtime, S> {
    inner: &'a Inner<K, V, R, S>,
    fx: ShardEffects<K, V, R>,
}

impl<K, V, R: Runtime, S> EffectsGuard<'_, K, V, R, S> {
    /// Does it.
    ///
    /// # Panics
    /// If the listener does, once every notice was delivered.
    pub(crate) fn flush(self) {
        panic::resume_first(self.finish());
    }

    /// Does it. Returns what the listener's panic carried, if it panicked.
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
        // Nothing is left here but while a panic unwinds; a second one has been reported.
        drop(self.inner.flush(&mut self.fx));
    }
}

impl<K, V, R: Runtime, S> Inner<K, V, R, S> {
    /// A buffer for the effects of calls to a shard.
    #[cfg_attr(target_os = "none", inline(never))]
    pub(crate) const fn effects(&self) -> EffectsGuard<'_, K, V, R, S> {
        EffectsGuard {
            inner: self,
            fx: Effects::new(),
        }
    }

    fn flush(&self, fx: &mut ShardEffects<K, V, R>) -> Option<Payload> {
        let nothing = fx.has_no_effects()
            || self.janitor().is_none() && self.listener().is_none() && !needs_drop::<(K, V)>();
        if nothing {
            None
        } else {
            self.apply_effects(fx)
        }
    }

    fn apply_effects(&self, fx: &mut ShardEffects<K, V, R>) -> Option<Payload> {
        if let (Some(janitor), Some(deadline)) = (self.janitor(), fx.take_deadline()) {
            janitor.look_by(deadline, &self.runtime);
        }
        if self.listener().is_some() || needs_drop::<(K, V)>() {
            self.notify_all(fx.drain_removed())
        } else {
            None
        }
    }

    /// Tells the listener of every entry that left, and drops it. Returns the first panic, if there
    /// was one.
    #[must_use]
    pub(crate) fn notify_all(
        &self,
        removed: impl Iterator<Item = Removed<K, V>>,
    ) -> Option<Payload> {
        let mut first = None;
        for removed in removed {
            let told = self.notify(&removed);
            // What it drops is foreign code too, and must not keep the others from being told of.
            let dropped = panic::catch(|| drop(removed)).err();
            first = first.or(told).or(dropped);
        }
        first
    }

    /// Tells the listener of an entry that left. Returns its panic, if there was one.
    #[must_use]
    pub(crate) fn notify(&self, removed: &Removed<K, V>) -> Option<Payload> {
        let listener = self.listener()?;
        panic::catch(|| listener(&removed.key, &removed.value, removed.cause)).err()
    }
}
