//! What the server stores under a key: a lease, or a value.
//!
//! This is the format for tools that inspect the server. A state begins with its kind and a tag of
//! 8 random bytes:
//!
//! | bytes | of | what |
//! |---|---|---|
//! | 0 | all | kind: `L` a lease, `W` a lease that another process waits for, `V` a value, `N` no value |
//! | 1–8 | all | tag: a fill replaces the state only if it names this tag |
//! | 9 | `V`, `N` | version of the format: 1 |
//! | 10 | `V`, `N` | flags: 0 |
//! | 11–16 | `V`, `N` | the server's time when the value was stored, in milliseconds since 1970, big-endian |
//! | 17–22 | `V`, `N` | the value's time to live from then on, in milliseconds, big-endian |
//! | 23… | `V` | the value, as the codec writes it |
//!
//! ```
//! use cache_redis::wire::{State, Stored, Tag};
//! use std::time::Duration;
//!
//! let stored = Stored {
//!     tag: Tag(*b"8 bytes."),
//!     made: Duration::from_millis(1_700_000_000_000),
//!     time_to_live: Duration::from_secs(60),
//!     payload: Some(b"alice"),
//! };
//! assert_eq!(State::decode(&stored.encode()), Some(State::Stored(stored)));
//! assert_eq!(State::decode(b"anything else"), None);
//! ```

use std::time::Duration;

/// The number of bytes before a value.
pub const HEADER: usize = 23;

/// The longest time that a state can hold: about 8,900 years.
pub const MAX_TIME: Duration = Duration::from_millis((1 << 48) - 1);

const VERSION: u8 = 1;
const FLAGS: u8 = 0;

/// What a fill names to replace the state of a key, and only that state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tag(pub [u8; 8]);

/// The state of a key that exists on the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State<'a> {
    /// A process loads the value.
    Leased {
        /// The tag of the lease.
        tag: Tag,
        /// Whether another process waits for the value.
        awaited: bool,
    },
    /// A value, or the knowledge that there is none.
    Stored(Stored<'a>),
}

/// A value on the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored<'a> {
    /// The tag of this value.
    pub tag: Tag,
    /// The server's time when the value was stored, since 1970.
    pub made: Duration,
    /// How long the value lives from then on.
    pub time_to_live: Duration,
    /// The bytes of the value. `None` if a loader found no value.
    pub payload: Option<&'a [u8]>,
}

impl<'a> State<'a> {
    /// Reads a state. `None` if the bytes are not a state of a version that this package knows.
    ///
    /// Every sequence of bytes has a result: another program may write to the same server.
    #[must_use]
    pub fn decode(bytes: &'a [u8]) -> Option<Self> {
        let (&kind, rest) = bytes.split_first()?;
        let (tag, rest) = rest.split_first_chunk()?;
        let tag = Tag(*tag);
        match kind {
            b'L' | b'W' if rest.is_empty() => Some(Self::Leased {
                tag,
                awaited: kind == b'W',
            }),
            b'V' | b'N' => {
                let (&[VERSION, FLAGS], rest) = rest.split_first_chunk()? else {
                    return None;
                };
                let (made, rest) = rest.split_first_chunk()?;
                let (time_to_live, payload) = rest.split_first_chunk()?;
                if kind == b'N' && !payload.is_empty() {
                    return None;
                }
                Some(Self::Stored(Stored {
                    tag,
                    made: decode_time(*made),
                    time_to_live: decode_time(*time_to_live),
                    payload: (kind == b'V').then_some(payload),
                }))
            }
            _ => None,
        }
    }
}

impl Stored<'_> {
    /// Writes a state. Times have milliseconds, and are at most [`MAX_TIME`].
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let payload = self.payload.unwrap_or_default();
        let mut bytes = Vec::with_capacity(HEADER + payload.len());
        bytes.push(if self.payload.is_some() { b'V' } else { b'N' });
        bytes.extend(self.tag.0);
        bytes.extend([VERSION, FLAGS]);
        bytes.extend(encode_time(self.made));
        bytes.extend(encode_time(self.time_to_live));
        bytes.extend(payload);
        bytes
    }

    /// How long the value lives after this time of the server.
    #[must_use]
    pub fn left(&self, server_now: Duration) -> Duration {
        // A value from the future has its whole time to live: the server's clock was set back.
        let age = server_now.saturating_sub(self.made);
        self.time_to_live.saturating_sub(age)
    }
}

fn encode_time(time: Duration) -> [u8; 6] {
    let millis = u64::try_from(time.min(MAX_TIME).as_millis()).expect("48 bits");
    let [_, _, bytes @ ..] = millis.to_be_bytes();
    bytes
}

fn decode_time([a, b, c, d, e, f]: [u8; 6]) -> Duration {
    Duration::from_millis(u64::from_be_bytes([0, 0, a, b, c, d, e, f]))
}
