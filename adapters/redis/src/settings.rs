//! The settings of the tier, checked once.

use std::time::Duration;

use cache_core::tier::TierSettings;

use crate::address;
use crate::codec::MessagePack;
use crate::error::{ConfigError, Error};
use crate::tier::Redis;
use crate::wire::MAX_TIME;

/// Builds a [`Redis`].
#[derive(Clone)]
#[must_use]
pub struct Builder<C = MessagePack> {
    url: String,
    codec: C,
    settings: Settings,
    #[cfg(any(feature = "tokio-rustls", feature = "smol-rustls"))]
    root_certificate: Option<Vec<u8>>,
}

/// The settings without the codec.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) namespace: String,
    pub(crate) schema: u32,
    pub(crate) also: Vec<u32>,
    pub(crate) time_to_live: Duration,
    pub(crate) max_value: usize,
    pub(crate) command_timeout: Duration,
    pub(crate) recovery: Duration,
    pub(crate) wait_replicas: usize,
    pub(crate) tier: TierSettings,
}

impl Builder {
    pub(crate) fn new(url: String) -> Self {
        Self {
            url,
            codec: MessagePack,
            settings: Settings {
                namespace: String::new(),
                schema: 0,
                also: vec![],
                time_to_live: Duration::from_secs(3600),
                max_value: 512 * 1024,
                command_timeout: Duration::from_secs(1),
                recovery: Duration::from_secs(30),
                wait_replicas: 0,
                tier: TierSettings::default(),
            },
            #[cfg(any(feature = "tokio-rustls", feature = "smol-rustls"))]
            root_certificate: None,
        }
    }
}

impl<C> Builder<C> {
    /// Sets the namespace, which all processes with this cache share: keys begin with it. Required.
    ///
    /// It consists of ASCII letters, digits and `-._~:`.
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.settings.namespace = namespace.into();
        self
    }

    /// Sets the number of the values' format, which is in the keys. Default: 0.
    ///
    /// A version of the program with another number has values of its own. See
    /// [`also`](Self::also).
    pub const fn schema(mut self, schema: u32) -> Self {
        self.settings.schema = schema;
        self
    }

    /// Invalidates values of this schema too: that of the version that a deployment replaces, or
    /// that a rollback returns to.
    ///
    /// First tiers receive invalidations of every schema of their namespace.
    pub fn also(mut self, schema: u32) -> Self {
        self.settings.also.push(schema);
        self
    }

    /// Sets how long the server keeps a value that has no time to live of its own. Default: 1 hour.
    pub const fn time_to_live(mut self, time_to_live: Duration) -> Self {
        self.settings.time_to_live = time_to_live;
        self
    }

    /// Sets how old a value may be that a first tier returns after an invalidation. Default: 2 s.
    ///
    /// See [`TierSettings::max_staleness`]. A shorter time costs more heartbeats, four for each
    /// process in this time, and a slow network makes first tiers unusable more often.
    pub const fn max_staleness(mut self, max_staleness: Duration) -> Self {
        self.settings.tier.max_staleness = max_staleness;
        self
    }

    /// Sets all settings of the protocol, also [`max_staleness`](Self::max_staleness).
    pub const fn protocol(mut self, settings: TierSettings) -> Self {
        self.settings.tier = settings;
        self
    }

    /// Sets how large a value may be, in bytes, for the server to store it. Default: 512 KiB.
    ///
    /// The cache returns a larger value to its callers and does not send it: the server would serve
    /// no other request while it receives the value.
    pub const fn max_value(mut self, bytes: usize) -> Self {
        self.settings.max_value = bytes;
        self
    }

    /// Sets how long a command may take, invalidations included, before it fails. Default: 1 s.
    pub const fn command_timeout(mut self, timeout: Duration) -> Self {
        self.settings.command_timeout = timeout;
        self
    }

    /// Sets for how long invalidations are remembered, to send them again. Default: 30 s.
    ///
    /// The tier sends an invalidation again that failed. To a replica that was promoted it sends all
    /// of them again, because the replica may lack the last writes of its primary.
    pub const fn recovery(mut self, recovery: Duration) -> Self {
        self.settings.recovery = recovery;
        self
    }

    /// Sets how many replicas must have an invalidation before it returns `Ok`. Default: 0.
    ///
    /// With 0, a failover loses an invalidation that no replica has if the process that requested it
    /// fails too.
    pub const fn wait_replicas(mut self, replicas: usize) -> Self {
        self.settings.wait_replicas = replicas;
        self
    }

    /// Sets how values become bytes. Default: [`MessagePack`].
    pub fn codec<D>(self, codec: D) -> Builder<D> {
        Builder {
            url: self.url,
            codec,
            settings: self.settings,
            #[cfg(any(feature = "tokio-rustls", feature = "smol-rustls"))]
            root_certificate: self.root_certificate,
        }
    }

    /// Trusts servers with a certificate of this authority, in PEM, instead of the system's
    /// authorities.
    ///
    /// The URL has the scheme `rediss` or `valkeys`. If the program has no default provider of
    /// cryptography for rustls, [`lazy`](Self::lazy) installs that of `ring`.
    #[cfg(any(feature = "tokio-rustls", feature = "smol-rustls"))]
    pub fn root_certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.root_certificate = Some(pem.into());
        self
    }

    /// Returns the tier. It connects once a cache is built on it, and the server may be down.
    ///
    /// # Errors
    ///
    /// If a setting is refused.
    pub fn lazy(self) -> Result<Redis<C>, ConfigError> {
        self.settings.check()?;
        let client = address::client(&self.url)?;
        #[cfg(any(feature = "tokio-rustls", feature = "smol-rustls"))]
        let client = address::with_tls(client, &self.url, self.root_certificate)?;
        Ok(Redis::new(self.codec, client, self.settings))
    }

    /// Returns the tier, after it has connected to the server once.
    ///
    /// For a program that must not start without its server.
    ///
    /// # Errors
    ///
    /// If a setting is refused, or if the server cannot be a second tier.
    pub async fn connect(self) -> Result<Redis<C>, ConnectError> {
        let redis = self.lazy().map_err(ConnectError::Config)?;
        redis.check().await.map_err(ConnectError::Server)?;
        Ok(redis)
    }
}

impl<C> std::fmt::Debug for Builder<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder")
            .field("url", &address::without_password(&self.url))
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// Why [`Builder::connect`] fails.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ConnectError {
    /// A setting is refused.
    Config(ConfigError),
    /// The server is out of reach, or cannot be a second tier.
    Server(Error),
}

impl std::fmt::Display for ConnectError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Server(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ConnectError {}

impl Settings {
    fn check(&self) -> Result<(), ConfigError> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte);
        if self.namespace.is_empty() {
            let rule = "every cache needs one, which its keys on the server begin with";
            return Err(ConfigError::new("namespace", &self.namespace, rule));
        }
        if !self.namespace.bytes().all(is_plain) {
            let rule = "it must consist of ASCII letters, digits and `-._~:`";
            return Err(ConfigError::new("namespace", &self.namespace, rule));
        }
        let mut seen = vec![self.schema];
        for &schema in &self.also {
            if seen.contains(&schema) {
                let rule = "it is the schema of the program, or was set before";
                return Err(ConfigError::new("also", schema, rule));
            }
            seen.push(schema);
        }
        // The core accepts shorter times too: they work with a tier in the process itself.
        let millisecond = Duration::from_millis(1);
        let rule = "it must be from 1 ms to 8,900 years";
        for (field, time) in [
            ("time_to_live", self.time_to_live),
            ("command_timeout", self.command_timeout),
            ("max_staleness", self.tier.max_staleness),
            ("lease_time", self.tier.lease_time),
        ] {
            if time < millisecond || time > MAX_TIME {
                return Err(ConfigError::new(field, time, rule));
            }
        }
        const SERVERS_LIMIT: usize = 512 * 1024 * 1024 - 1024;
        if self.max_value == 0 || self.max_value > SERVERS_LIMIT {
            let rule = format!("it must be from 1 to {SERVERS_LIMIT} bytes");
            return Err(ConfigError::new("max_value", self.max_value, rule));
        }
        Ok(())
    }
}
