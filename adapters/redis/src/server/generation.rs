//! Generations: what the control key says, and removals that are sent again.

use redis::Value;

use super::{Link, Server};
use crate::error::Error;
use crate::names::Generation;
use crate::recovery::Replay;
use crate::scripts::{CLEAR, CONFIRM, Call};

/// How often an operation is tried while other processes change the generation.
pub(super) const GENERATIONS: usize = 3;
/// A script's reply that the keys are of another generation.
pub(super) const OTHER_GENERATION: Value = Value::Int(-1);

impl Server {
    /// Reads the control key's content. `None` if it does not name the server of `link`.
    pub(super) fn generation_of(link: &Link, control: &Value) -> Option<Generation> {
        let Value::BulkString(control) = control else {
            return None;
        };
        let identity = control.get(17..)?;
        let generation = Generation::of_control(control)?;
        (identity == link.identity.text().as_bytes()).then_some(generation)
    }

    /// Makes the control key name the server of `link`, and returns the generation.
    pub(crate) async fn confirm(&self, link: &Link) -> Result<Generation, Error> {
        let call = CONFIRM
            .call()
            .key(&self.names.control)
            .arg(link.identity.text())
            .arg(self.new_generation().to_string())
            .arg(link.identity.descends_from(self.seen().as_ref()))
            .arg(&self.names.channel);
        let control = link.run(&call).await?;
        Self::generation_of(link, &control).ok_or_else(|| {
            let name = &self.names.control;
            Error::Server(format!("the key {name} is not what this program wrote").into())
        })
    }

    /// Learns the generation from the control key's content, or makes one. Returns whether it is
    /// another one than before.
    pub(crate) async fn learn(&self, link: &Link, control: &Value) -> Result<bool, Error> {
        let generation = match Self::generation_of(link, control) {
            Some(generation) => generation,
            None => self.confirm(link).await?,
        };
        Ok(self.set_generation(generation))
    }

    fn new_generation(&self) -> Generation {
        Generation::new(self.random.next())
    }

    /// Begins a generation: the values of the others are out of reach.
    pub(super) async fn begin_generation(&self, link: &Link) -> Result<(), Error> {
        let call = CLEAR
            .call()
            .key(&self.names.control)
            .arg(link.identity.text())
            .arg(self.new_generation().to_string())
            .arg(&self.names.channel);
        let control = link.run(&call).await?;
        self.learn(link, &control).await?;
        Ok(())
    }

    /// Sends failed removals again; with `all` also those that the server has answered.
    pub(crate) async fn replay(&self, link: &Link, all: bool) -> Result<(), Error> {
        match self.recovery.replay(all) {
            Replay::Keys(texts) if texts.is_empty() => Ok(()),
            Replay::Keys(texts) => {
                let attempt = self.recovery.begin(&texts);
                self.remove_on(link, &texts).await?;
                attempt.answered();
                self.counters.replayed.add(texts.len());
                Ok(())
            }
            Replay::All => {
                self.begin_generation(link).await?;
                self.recovery.reset();
                self.counters.generations.add(1);
                Ok(())
            }
        }
    }

    /// Runs a script that checks the generation, until it is that of its keys.
    pub(super) async fn in_generation(
        &self,
        link: &Link,
        call: impl Fn(Generation) -> Call,
    ) -> Result<Value, Error> {
        for _ in 0..GENERATIONS {
            let call = call(self.generation()?);
            let reply = link.run(&call).await?;
            if reply != OTHER_GENERATION {
                return Ok(reply);
            }
            self.learn(link, &Value::Nil).await?;
        }
        Err(changing())
    }
}

pub(super) fn changing() -> Error {
    Error::Server("other processes change the generation all the time".into())
}
