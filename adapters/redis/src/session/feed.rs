//! The messages that one connection receives, and what they change.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redis::{PushInfo, PushKind, Value};
use tokio::sync::Notify;

use super::Listener;
use crate::message::Message;
use crate::server::Server;

/// What receives the messages of one connection.
pub(super) struct Feed {
    pub(super) server: Arc<Server>,
    pub(super) listener: Arc<dyn Listener>,
    /// A newer connection may have taken over.
    pub(super) is_current: AtomicBool,
    /// Notified when the control key may have changed.
    pub(super) check: Notify,
    /// Notified when the connection is of no use.
    pub(super) broken: Arc<Notify>,
}

impl Feed {
    pub(super) fn receive(&self, push: &PushInfo) {
        if !self.is_current.load(Ordering::Acquire) {
            return;
        }
        match push.kind {
            PushKind::Message => {
                if let [Value::BulkString(channel), Value::BulkString(message)] = &*push.data
                    && *channel == self.server.names.channel.as_bytes()
                {
                    self.receive_message(message);
                }
            }
            PushKind::Invalidate => {
                // A flush of the server names no key.
                if matches!(&*push.data, [Value::Nil]) {
                    self.listener.cleared();
                }
                self.check.notify_one();
            }
            PushKind::Disconnection => self.broken.notify_one(),
            _ => {}
        }
    }

    fn receive_message(&self, message: &[u8]) {
        let foreign = match Message::decode(message) {
            Some(Message::Removed(texts)) => {
                let texts = texts.into_iter();
                texts.filter(|text| !self.listener.removed(text)).count()
            }
            Some(Message::Written { origin, writes }) => {
                let is_own = origin == self.server.origin;
                let is_foreign = |&(number, text): &(u64, &str)| {
                    !if is_own {
                        self.listener.written(text, number)
                    } else {
                        self.listener.removed(text)
                    }
                };
                writes.into_iter().filter(is_foreign).count()
            }
            Some(Message::Filled(texts)) => {
                let texts = texts.into_iter();
                texts.filter(|text| !self.listener.filled(text)).count()
            }
            Some(Message::Generation(generation)) => {
                if self.server.set_generation(generation) {
                    self.listener.cleared();
                }
                0
            }
            None => 1,
        };
        self.server.counters.foreign_messages.add(foreign);
    }
}
