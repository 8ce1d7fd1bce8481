//! The events of a cache, on texts of keys.

use cache_core::Instant;
use cache_core::runtime::MultiThread;
use cache_core::tier::{TierEvents, WriteId};

use crate::key::TierKey;
use crate::session::Listener;

/// The events of a cache, on texts of keys.
pub(super) struct Events<K>(pub(super) TierEvents<K, MultiThread>);

impl<K: TierKey + Send + Sync + 'static> Listener for Events<K> {
    fn removed(&self, text: &str) -> bool {
        let key = K::from_text(text);
        key.map(|key| self.0.removed(key)).is_some()
    }

    fn written(&self, text: &str, number: u64) -> bool {
        let key = K::from_text(text);
        let id = WriteId::new(number);
        key.map(|key| self.0.written(key, id)).is_some()
    }

    fn filled(&self, text: &str) -> bool {
        let key = K::from_text(text);
        key.map(|key| self.0.filled(key)).is_some()
    }

    fn cleared(&self) {
        self.0.cleared();
    }

    fn connected(&self) {
        self.0.connected();
    }

    fn answered(&self, sent: Instant) {
        self.0.answered(sent);
    }

    fn failed(&self) {
        self.0.failed();
    }

    fn now(&self) -> Option<Instant> {
        self.0.now()
    }
}
