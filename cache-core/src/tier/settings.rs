//! The settings of the protocol.

use core::time::Duration;

use crate::error::{BuildError, Value};

/// How the first tier and the second work together: [`Tier::settings`](super::Tier::settings)
/// returns it.
///
/// ```
/// use cache_core::tier::TierSettings;
/// use core::time::Duration;
///
/// let mut settings = TierSettings::default();
/// settings.max_staleness = Duration::from_secs(1);
/// assert_eq!(settings.heartbeat_interval(), Duration::from_millis(250));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct TierSettings {
    /// How old a value of the first tier may be: no call that begins this long after an
    /// invalidation returned `Ok`, in any process, gets the invalidated value. Default: 2 s.
    pub max_staleness: Duration,
    /// How long a call waits for the second tier to answer, before it loads without it. Default:
    /// 50 ms.
    pub soft_timeout: Duration,
    /// How long a process that loads a key keeps its lease without a sign of life. Default: 3 s.
    pub lease_time: Duration,
    /// How long a call waits for the load of another process, before it loads the key itself.
    /// Default: 4 s.
    pub max_wait: Duration,
    /// How many calls of the second tier must fail in a row for the breaker to open. Loads bypass
    /// the second tier then. Default: 5.
    pub breaker_failures: u32,
    /// How long the breaker stays open before one call tries the second tier, unless the answer to
    /// a heartbeat closes it earlier. Default: 1 s.
    pub breaker_pause: Duration,
    /// The maximum number of keys in one [`Tier::fetch`](super::Tier::fetch). Default: 128.
    pub max_fetch: usize,
}

impl Default for TierSettings {
    fn default() -> Self {
        Self {
            max_staleness: Duration::from_secs(2),
            soft_timeout: Duration::from_millis(50),
            lease_time: Duration::from_secs(3),
            max_wait: Duration::from_secs(4),
            breaker_failures: 5,
            breaker_pause: Duration::from_secs(1),
            max_fetch: 128,
        }
    }
}

impl TierSettings {
    /// Returns the longest pause between two heartbeats: a quarter of `max_staleness`.
    ///
    /// ```
    /// # use core::time::Duration;
    /// use cache_core::tier::TierSettings;
    ///
    /// assert_eq!(TierSettings::default().heartbeat_interval(), Duration::from_millis(500));
    /// ```
    #[must_use]
    pub fn heartbeat_interval(&self) -> Duration {
        self.max_staleness / 4
    }

    /// Checks the settings.
    pub(super) fn check(&self) -> Result<(), BuildError> {
        let durations = [
            ("max_staleness", self.max_staleness),
            ("soft_timeout", self.soft_timeout),
            ("lease_time", self.lease_time),
            ("max_wait", self.max_wait),
            ("breaker_pause", self.breaker_pause),
        ];
        for (field, value) in durations {
            if value.is_zero() {
                let rule = "it must be longer than zero";
                return Err(BuildError::new(field, Value::Time(value), rule));
            }
        }
        let counts = [
            ("breaker_failures", self.breaker_failures as usize),
            ("max_fetch", self.max_fetch),
        ];
        for (field, value) in counts {
            if value == 0 {
                let rule = "it must be at least 1";
                return Err(BuildError::new(field, Value::Count(value), rule));
            }
        }
        Ok(())
    }
}
