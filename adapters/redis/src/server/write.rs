//! Writes that reach every first tier: removals, values that replace others, and a clear.

use std::time::Duration;

use redis::Value;

use super::{FULL, KEYS_OF_A_SCRIPT, Link, Server, millis, unexpected};
use crate::error::Error;
use crate::message;
use crate::scripts::{PUT, REMOVE, REPLACE};
use crate::wire::Tag;

/// A value to be stored.
#[derive(Debug)]
pub(crate) struct Write {
    pub(crate) text: String,
    pub(crate) state: Vec<u8>,
    /// `None`: for ever.
    pub(crate) time_to_live: Option<Duration>,
}

impl Server {
    /// Removes keys of all schemas, and publishes it.
    pub(crate) async fn remove(&self, texts: &[String]) -> Result<(), Error> {
        let attempt = self.recovery.begin(texts);
        let link = self.link()?;
        self.remove_on(&link, texts).await?;
        attempt.answered();
        Ok(())
    }

    pub(super) async fn remove_on(&self, link: &Link, texts: &[String]) -> Result<(), Error> {
        for texts in texts.chunks(KEYS_OF_A_SCRIPT) {
            self.in_generation(link, |generation| {
                let mut call = REMOVE
                    .call()
                    .key(&self.names.control)
                    .arg(generation.to_string())
                    .arg(&self.names.channel)
                    .arg(message::removed(texts));
                for text in texts {
                    self.names
                        .keys(generation, text)
                        .for_each(|key| call.push_key(key));
                }
                call
            })
            .await?;
        }
        self.wait_for_replicas(link).await
    }

    /// Stores values whatever state their keys have, and publishes it with the number of each write.
    pub(crate) async fn put(&self, writes: &[(u64, Write)]) -> Result<(), Error> {
        let texts: Vec<_> = writes.iter().map(|(_, write)| write.text.clone()).collect();
        let attempt = self.recovery.begin(&texts);
        let link = self.link()?;
        let mut refused = 0;
        for writes in writes.chunks(KEYS_OF_A_SCRIPT) {
            let texts = writes.iter().map(|(number, write)| (*number, &*write.text));
            let message = message::written(&self.origin, texts);
            let reply = self.in_generation(&link, |generation| {
                let mut call = PUT
                    .call()
                    .key(&self.names.control)
                    .arg(generation.to_string())
                    .arg(&self.names.channel)
                    .arg(&message)
                    .arg(self.names.schemas());
                for (_, write) in writes {
                    self.names
                        .keys(generation, &write.text)
                        .for_each(|key| call.push_key(key));
                    call.push(write.state.as_slice());
                    call.push(millis(write.time_to_live));
                }
                call
            });
            if let Value::Int(count) = reply.await? {
                refused += usize::try_from(count).unwrap_or(0);
            }
        }
        self.wait_for_replicas(&link).await?;
        attempt.answered();
        if refused > 0 {
            self.counters.full.add(refused);
            return Err(Error::Full);
        }
        Ok(())
    }

    /// Stores a value if its key still has the tag, and publishes it with the number of the write.
    /// Returns whether it was stored: `None` if the server is full.
    pub(crate) async fn replace(
        &self,
        tag: Tag,
        number: u64,
        write: &Write,
    ) -> Result<Option<bool>, Error> {
        let link = self.link()?;
        let text = &*write.text;
        let reply = self.in_generation(&link, |generation| {
            let mut call = REPLACE
                .call()
                .key(&self.names.control)
                .arg(generation.to_string())
                .arg(&self.names.channel)
                .arg(message::written(&self.origin, [(number, text)].into_iter()))
                .arg(tag.0.as_slice())
                .arg(write.state.as_slice())
                .arg(millis(write.time_to_live))
                .arg(message::filled(text));
            self.names
                .keys(generation, text)
                .for_each(|key| call.push_key(key));
            call
        });
        match reply.await? {
            Value::Int(FULL) => {
                self.counters.full.add(1);
                Ok(None)
            }
            Value::Int(stored) => Ok(Some(stored == 1)),
            other => Err(unexpected(&other)),
        }
    }

    /// Removes all keys: begins a generation.
    pub(crate) async fn clear(&self) -> Result<(), Error> {
        let link = self.link()?;
        self.begin_generation(&link).await?;
        self.wait_for_replicas(&link).await
    }

    /// Waits until the replicas have what this connection has written.
    async fn wait_for_replicas(&self, link: &Link) -> Result<(), Error> {
        let wanted = self.settings.wait_replicas;
        if wanted == 0 {
            return Ok(());
        }
        let mut wait = redis::cmd("WAIT");
        // The server answers shortly before the client gives up.
        let timeout = self.settings.command_timeout * 9 / 10;
        wait.arg(wanted).arg(millis(Some(timeout)));
        let reply = wait.query_async(&mut link.connection.clone()).await;
        let reached: usize = link.checked(reply)?;
        if reached < wanted {
            return Err(Error::NotReplicated { wanted, reached });
        }
        Ok(())
    }
}
