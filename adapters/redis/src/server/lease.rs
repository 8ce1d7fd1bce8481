//! The ends of leases: a value, a longer time, or nothing.

use redis::Value;

use super::{FULL, KEYS_OF_A_SCRIPT, Server, Write, array, millis, unexpected};
use crate::error::Error;
use crate::scripts::{FILL, RELEASE, RENEW};
use crate::wire::Tag;

impl Server {
    /// Stores values whose keys still have the tag. Returns whether each was stored: `None` if the
    /// server is full.
    pub(crate) async fn fill(&self, fills: &[(Tag, Write)]) -> Result<Vec<Option<bool>>, Error> {
        let link = self.link()?;
        let generation = self.generation()?;
        let mut filled = vec![];
        for fills in fills.chunks(KEYS_OF_A_SCRIPT) {
            let mut call = FILL.call().arg(&self.names.channel);
            for (tag, write) in fills {
                call.push_key(self.names.key(generation, &write.text));
                call.push(tag.0.as_slice());
                call.push(write.state.as_slice());
                call.push(millis(write.time_to_live));
                call.push(&write.text);
            }
            let reply = link.run(&call).await?;
            for value in array(reply, fills.len())? {
                filled.push(match value {
                    Value::Int(FULL) => {
                        self.counters.full.add(1);
                        None
                    }
                    Value::Int(stored) => Some(stored == 1),
                    other => return Err(unexpected(&other)),
                });
            }
        }
        Ok(filled)
    }

    pub(crate) async fn renew(&self, leases: &[(String, Tag)]) -> Result<(), Error> {
        let link = self.link()?;
        let generation = self.generation()?;
        for leases in leases.chunks(KEYS_OF_A_SCRIPT) {
            let time = self.settings.tier.lease_time.as_millis().to_string();
            let mut call = RENEW.call().arg(time);
            for (text, tag) in leases {
                call.push_key(self.names.key(generation, text));
                call.push(tag.0.as_slice());
            }
            link.run(&call).await?;
        }
        Ok(())
    }

    pub(crate) async fn release(&self, leases: &[(String, Tag)]) -> Result<(), Error> {
        let link = self.link()?;
        let generation = self.generation()?;
        for leases in leases.chunks(KEYS_OF_A_SCRIPT) {
            let mut call = RELEASE.call().arg(&self.names.channel);
            for (text, tag) in leases {
                call.push_key(self.names.key(generation, text));
                call.push(tag.0.as_slice());
                call.push(text);
            }
            link.run(&call).await?;
        }
        Ok(())
    }
}
