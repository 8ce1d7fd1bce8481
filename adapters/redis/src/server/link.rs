//! The connection for commands, and what its errors mean.

use std::sync::Arc;

use redis::aio::MultiplexedConnection;
use redis::{RedisError, Value};
use tokio::sync::Notify;

use crate::error::Error;
use crate::identity::Identity;
use crate::scripts::Call;
use crate::server::Server;

/// The connection for commands, and the server that it reaches.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    pub(crate) connection: MultiplexedConnection,
    pub(crate) identity: Arc<Identity>,
    /// The server's number of the connection.
    pub(crate) number: u64,
    /// Notified when a command finds that the connection is of no use.
    pub(crate) broken: Arc<Notify>,
}

/// A connection for commands that the tier no longer uses, on a server that may still have it.
#[derive(Debug, Clone)]
pub(super) struct OldLink {
    identity: Arc<Identity>,
    number: u64,
}

impl Server {
    /// Ends the old connections on the server of `link`. A write that the network still has of them
    /// must not replace a value that is written from now on.
    pub(crate) async fn end_old_links(&self, link: &Link) -> Result<(), Error> {
        for old in self.old_links() {
            // Another process of the server has other connections with the same numbers.
            if !old.identity.is_same_process(&link.identity) {
                continue;
            }
            let mut kill = redis::cmd("CLIENT");
            kill.arg("KILL").arg("ID").arg(old.number);
            let reply = kill.exec_async(&mut link.connection.clone()).await;
            match link.checked(reply) {
                Err(error) if error.breaks_connection() || matches!(error, Error::Timeout) => {
                    return Err(error);
                }
                // The right to do it is no condition of a second tier.
                _ => {}
            }
        }
        self.forget_old_links();
        Ok(())
    }
}

impl Link {
    pub(super) fn as_old(&self) -> OldLink {
        OldLink {
            identity: Arc::clone(&self.identity),
            number: self.number,
        }
    }

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
