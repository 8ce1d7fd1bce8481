//! The connection for commands, and what its errors mean.

use std::sync::Arc;

use redis::aio::MultiplexedConnection;
use redis::{RedisError, Value};
use tokio::sync::Notify;

use crate::error::Error;
use crate::identity::Identity;
use crate::scripts::Call;

/// The connection for commands, and the server that it reaches.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    pub(crate) connection: MultiplexedConnection,
    pub(crate) identity: Arc<Identity>,
    /// Notified when a command finds that the connection is of no use.
    pub(crate) broken: Arc<Notify>,
}

impl Link {
    /// Runs a script.
    pub(super) async fn run(&self, call: &Call) -> Result<Value, Error> {
        let reply = self.checked(call.run(&mut self.connection.clone()).await);
        reply.map_err(|error| match error {
            Error::Server(text) if text.contains("unknown command") => {
                let reason = format!("its scripts are disabled: {text}");
                Error::Unsupported(reason.into())
            }
            // The script may run, and a command in it may not.
            Error::Server(text)
                if text.contains("can't run this command") || text.contains("ACL failure") =>
            {
                Error::Denied(text)
            }
            other => other,
        })
    }

    /// Passes a reply on. Notifies the supervisor if the connection broke.
    pub(super) fn checked<T>(&self, reply: Result<T, RedisError>) -> Result<T, Error> {
        reply.map_err(|error| {
            let error = Error::from(error);
            if error.breaks_connection() {
                self.broken.notify_one();
            }
            error
        })
    }
}
