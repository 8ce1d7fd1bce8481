//! Values as states of keys on the server, and back.

use cache_core::Ttl;
use cache_core::tier::{Found, Lease};

use super::Redis;
use crate::codec::Codec;
use crate::error::Error;
use crate::key::TierKey;
use crate::server::{Item, Write};
use crate::wire::{MAX_TIME, State, Stored, Tag};

impl<C> Redis<C> {
    /// What the server stores, or why it stores nothing.
    pub(super) fn write<K: TierKey, V>(
        &self,
        key: &K,
        tag: Tag,
        value: Option<&V>,
        ttl: Ttl,
    ) -> Result<Write, Error>
    where
        C: Codec<V>,
    {
        let payload = match value {
            Some(value) => Some(self.codec.encode(value).map_err(|error| {
                self.server.counters.unwritable.add(1);
                Error::Encode(error.to_string().into())
            })?),
            None => None,
        };
        let limit = self.server.settings.max_value;
        let size = payload.as_ref().map_or(0, Vec::len);
        if size > limit {
            self.server.counters.too_large.add(1);
            return Err(Error::TooLarge { size, limit });
        }
        let time_to_live = match ttl {
            Ttl::Default => Some(self.server.settings.time_to_live),
            Ttl::Never => None,
            Ttl::After(time) => (time < MAX_TIME).then_some(time),
        };
        let stored = Stored {
            tag,
            made: self.server.earliest_time(),
            time_to_live: time_to_live.unwrap_or(MAX_TIME),
            payload: payload.as_deref(),
        };
        Ok(Write {
            text: key.to_text(),
            state: stored.encode(),
            time_to_live,
        })
    }

    /// What the second tier has for a key, if this is what the server has.
    pub(super) fn found<V>(&self, item: Item) -> Found<V>
    where
        C: Codec<V>,
    {
        let state = match item {
            Item::Leased(tag) => return Found::Leased(lease(tag)),
            Item::Busy(left) => return Found::Busy { left },
            Item::Unusable => return Found::Unreadable,
            Item::Stored(state) => state,
        };
        let found = match State::decode(&state) {
            Some(State::Stored(stored)) => match stored.payload {
                None => Some(Found::Missing {
                    tag: lease(stored.tag),
                }),
                Some(payload) => {
                    let value = self.codec.decode(payload).ok();
                    let is_finite = stored.time_to_live < MAX_TIME;
                    let left = || stored.left(self.server.latest_time());
                    value.map(|value| Found::Value {
                        value,
                        left: is_finite.then(left),
                        tag: lease(stored.tag),
                    })
                }
            },
            _ => None,
        };
        found.unwrap_or_else(|| {
            self.server.counters.unreadable.add(1);
            Found::Unreadable
        })
    }
}

pub(super) fn tag(lease: Lease) -> Tag {
    Tag(lease.tag().to_be_bytes())
}

pub(super) fn lease(tag: Tag) -> Lease {
    Lease::new(u64::from_be_bytes(tag.0))
}
