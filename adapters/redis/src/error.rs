//! What settings and servers are refused, and why a call fails.

use std::error;
use std::fmt;
use std::sync::Arc;

use redis::{ErrorKind, RedisError, ServerErrorKind};

/// A setting that [`Builder`](crate::Builder) refuses: its value and the rule.
///
/// ```
/// use cache_redis::Redis;
///
/// let error = Redis::builder("redis://localhost/").namespace("a b").lazy().unwrap_err();
/// assert_eq!(error.field(), "namespace");
/// assert_eq!(
///     error.to_string(),
///     "namespace is \"a b\", but it must consist of ASCII letters, digits and `-._~:`",
/// );
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    field: &'static str,
    value: String,
    rule: String,
}

impl ConfigError {
    pub(crate) fn new(
        field: &'static str,
        value: impl fmt::Debug,
        rule: impl Into<String>,
    ) -> Self {
        Self {
            field,
            value: format!("{value:?}"),
            rule: rule.into(),
        }
    }

    /// Returns the name of the builder method that set the value; `url` for the server's address.
    #[must_use]
    pub const fn field(&self) -> &'static str {
        self.field
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, value, rule } = self;
        write!(f, "{field} is {value}, but {rule}")
    }
}

impl error::Error for ConfigError {}

/// Why the second tier did not do what a call requested.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Error {
    /// There is no connection now. The reason is that of the last attempt to connect.
    Disconnected(Option<Arc<Self>>),
    /// The connection broke.
    Io(Arc<str>),
    /// The server did not answer in time.
    Timeout,
    /// The server refuses the user, the password, or one of the commands.
    Denied(Arc<str>),
    /// The server cannot be a second tier. The text says what it lacks.
    Unsupported(Arc<str>),
    /// The server is full and evicts nothing (`maxmemory-policy noeviction`).
    Full,
    /// Another error of the server.
    Server(Arc<str>),
    /// A value is larger than the tier accepts.
    TooLarge {
        /// The number of bytes of the value.
        size: usize,
        /// [`max_value`](crate::Builder::max_value).
        limit: usize,
    },
    /// The codec has no bytes for a value.
    Encode(Arc<str>),
    /// Fewer replicas than [`wait_replicas`](crate::Builder::wait_replicas) have the change.
    NotReplicated {
        /// The number of replicas that were requested.
        wanted: usize,
        /// The number of replicas that have it.
        reached: usize,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disconnected(None) => f.write_str("the server is not connected yet"),
            Self::Disconnected(Some(reason)) => write!(f, "the server is not connected: {reason}"),
            Self::Io(reason) => write!(f, "the connection to the server broke: {reason}"),
            Self::Timeout => f.write_str("the server did not answer in time"),
            Self::Denied(reason) => write!(f, "the server denies access: {reason}"),
            Self::Unsupported(reason) => write!(f, "the server cannot be a second tier: {reason}"),
            Self::Full => {
                f.write_str("the server has reached its maxmemory, and its policy is noeviction")
            }
            Self::Server(reason) => write!(f, "the server reports an error: {reason}"),
            Self::TooLarge { size, limit } => write!(
                f,
                "the value has {size} bytes, but max_value is {limit} bytes"
            ),
            Self::Encode(reason) => write!(f, "the codec cannot write the value: {reason}"),
            Self::NotReplicated { wanted, reached } => write!(
                f,
                "{reached} replicas have the change, but wait_replicas is {wanted}"
            ),
        }
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Disconnected(Some(reason)) => Some(&**reason),
            _ => None,
        }
    }
}

impl Error {
    /// Whether the connection is of no use any more.
    pub(crate) fn breaks_connection(&self) -> bool {
        matches!(self, Self::Io(_) | Self::Unsupported(_))
    }
}

impl From<RedisError> for Error {
    fn from(error: RedisError) -> Self {
        if error.is_timeout() {
            return Self::Timeout;
        }
        let text: Arc<str> = error.to_string().into();
        match error.kind() {
            ErrorKind::AuthenticationFailed | ErrorKind::Server(ServerErrorKind::NoPerm) => {
                Self::Denied(text)
            }
            ErrorKind::RESP3NotSupported => {
                Self::Unsupported("it does not have RESP3, which Redis 6 and later have".into())
            }
            ErrorKind::Server(ServerErrorKind::ReadOnly) => {
                Self::Unsupported("it is a replica, and takes no writes".into())
            }
            ErrorKind::Server(
                ServerErrorKind::Moved | ServerErrorKind::Ask | ServerErrorKind::CrossSlot,
            ) => Self::Unsupported(CLUSTER.into()),
            _ => match error.code() {
                Some("WRONGPASS" | "NOAUTH" | "NOPERM") => Self::Denied(text),
                Some("NOPROTO") => {
                    Self::Unsupported("it does not have RESP3, which Redis 6 and later have".into())
                }
                Some("OOM") => Self::Full,
                Some(_) => Self::Server(text),
                // A parse error too: what follows on the stream has no meaning.
                None => Self::Io(text),
            },
        }
    }
}

pub(crate) const CLUSTER: &str = "it is a node of a cluster, and this version of cache-redis \
                                  works with a single primary and its replicas";
