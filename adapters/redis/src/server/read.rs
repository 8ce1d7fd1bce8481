//! Reads: the values of keys, and leases of the keys that have none.

use std::time::Duration;

use redis::Value;

use super::generation::{GENERATIONS, OTHER_GENERATION, changing};
use super::{FULL, Link, Server, array, unexpected};
use crate::error::Error;
use crate::names::Generation;
use crate::scripts::ACQUIRE;
use crate::wire::{State, Tag};

/// What the server has for a key.
#[derive(Debug)]
pub(crate) enum Item {
    Stored(Vec<u8>),
    Leased(Tag),
    Busy(Duration),
    /// Nothing that this program has written, or the server has no space for a lease.
    Unusable,
}

impl Server {
    /// Reads the keys, and leases those without a state. Fails with `confirmed` if the server takes
    /// no writes at the same time.
    pub(crate) async fn fetch(
        &self,
        texts: &[String],
        confirmed: bool,
    ) -> Result<Vec<Item>, Error> {
        let link = self.link()?;
        for _ in 0..GENERATIONS {
            let generation = self.generation()?;
            let keys: Vec<_> = texts
                .iter()
                .map(|text| self.names.key(generation, text))
                .collect();
            let mut pipeline = redis::pipe();
            if confirmed {
                // A write that changes nothing.
                let write = pipeline.cmd("PERSIST").arg(&self.names.control);
                write.ignore();
            }
            pipeline.cmd("MGET").arg(&self.names.control).arg(&keys);
            let mut connection = link.connection.clone();
            let reply = pipeline.query_async(&mut connection).await;
            let (mut values,): (Vec<Value>,) = link.checked(reply)?;
            if values.len() != keys.len() + 1 {
                return Err(unexpected(&Value::Array(values)));
            }
            let control = values.remove(0);
            if Self::generation_of(&link, &control) != Some(generation) {
                self.learn(&link, &control).await?;
                continue;
            }
            if let Some(items) = self.lease_missing(&link, generation, keys, values).await? {
                return Ok(items);
            }
        }
        Err(changing())
    }

    /// `None`: the generation has changed.
    async fn lease_missing(
        &self,
        link: &Link,
        generation: Generation,
        keys: Vec<String>,
        values: Vec<Value>,
    ) -> Result<Option<Vec<Item>>, Error> {
        let mut call = ACQUIRE
            .call()
            .key(&self.names.control)
            .arg(generation.to_string())
            .arg(self.settings.tier.lease_time.as_millis().to_string());
        let mut missing = vec![];
        let mut items = vec![];
        for (key, value) in keys.into_iter().zip(values) {
            let item = match value {
                Value::BulkString(state) if !is_lease(&state) => Item::Stored(state),
                _ => {
                    let tag = self.tag();
                    call.push_key(key);
                    call.push(tag.0.as_slice());
                    missing.push((items.len(), tag));
                    Item::Unusable
                }
            };
            items.push(item);
        }
        if missing.is_empty() {
            return Ok(Some(items));
        }
        let reply = link.run(&call).await?;
        if reply == OTHER_GENERATION {
            self.learn(link, &Value::Nil).await?;
            return Ok(None);
        }
        let found = array(reply, missing.len())?;
        for ((index, tag), value) in missing.into_iter().zip(found) {
            items[index] = self.leased(tag, value);
        }
        Ok(Some(items))
    }

    fn leased(&self, tag: Tag, value: Value) -> Item {
        match value {
            Value::BulkString(state) if state == b"L" => Item::Leased(tag),
            Value::BulkString(state) => Item::Stored(state),
            Value::Int(FULL) => {
                self.counters.full.add(1);
                Item::Unusable
            }
            Value::Int(left @ 0..) => Item::Busy(Duration::from_millis(left.unsigned_abs())),
            // A lease that expired meanwhile, or one that another program left without an end.
            Value::Int(-2 | -1) => Item::Busy(Duration::ZERO),
            _ => Item::Unusable,
        }
    }
}

fn is_lease(state: &[u8]) -> bool {
    matches!(State::decode(state), Some(State::Leased { .. }))
}
