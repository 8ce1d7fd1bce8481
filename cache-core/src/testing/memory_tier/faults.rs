//! What may happen to a message.

use core::error::Error;
use core::fmt;
use core::time::Duration;

/// A step of a message between a process and the server of a
/// [`MemoryTier`](super::MemoryTier).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Step {
    /// A process sends a request.
    Request,
    /// The server answers a request, which it has done.
    Answer,
    /// A process connects its stream.
    Connect,
    /// A process sends a heartbeat.
    Heartbeat,
    /// The server sends a message, or the answer to a heartbeat, on the stream of a process.
    Message,
}

/// What happens to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// It arrives.
    None,
    /// It arrives later. So do the messages after it on the same stream.
    Delay(Duration),
    /// It never arrives, and the sender gets an error after half a second. On a stream, which loses
    /// no single message, this breaks the stream.
    Lose,
    /// Its sender gets an error, and it does not arrive. On a stream this breaks the stream.
    Fail,
    /// It arrives twice.
    Double,
    /// The stream of the process breaks: what it has not received is lost.
    Cut,
}

/// The server of a [`MemoryTier`](super::MemoryTier) did not do what a call requested, or its
/// answer was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryTierError;

impl fmt::Display for MemoryTierError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the server of the memory tier does not answer")
    }
}

impl Error for MemoryTierError {}
