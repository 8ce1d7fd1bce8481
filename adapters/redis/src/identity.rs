//! Which server a connection reaches, and whether it can be a second tier.

use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;

use crate::error::{CLUSTER, Error};

/// What the server says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    run_id: String,
    replication_id: String,
    /// The replication that this server was a replica of before its promotion. Zeros: none.
    previous_replication_id: String,
    uptime: Duration,
}

/// The server of the last connection, and when it last answered.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) identity: Identity,
    pub(crate) at: Instant,
}

impl Identity {
    pub(crate) async fn ask(connection: &mut MultiplexedConnection) -> Result<Self, Error> {
        let mut info = redis::cmd("INFO");
        info.arg("server").arg("replication");
        let text: String = info.query_async(connection).await?;
        Self::parse(&text)
    }

    fn parse(info: &str) -> Result<Self, Error> {
        let field = |name: &str| {
            let mut lines = info.lines();
            lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        };
        if field("redis_mode") == Some("cluster") || field("server_mode") == Some("cluster") {
            return Err(Error::Unsupported(CLUSTER.into()));
        }
        if field("redis_mode") == Some("sentinel") || field("server_mode") == Some("sentinel") {
            let reason = "it is a sentinel, which stores nothing";
            return Err(Error::Unsupported(reason.into()));
        }
        if field("role") == Some("slave") {
            let reason = "it is a replica, which takes no writes";
            return Err(Error::Unsupported(reason.into()));
        }
        let required = |name: &'static str| {
            field(name).map(str::to_string).ok_or_else(|| {
                let reason = format!(
                    "its INFO has no {name}, by which a server that restarted with old data is \
                     recognized"
                );
                Error::Unsupported(reason.into())
            })
        };
        Ok(Self {
            run_id: required("run_id")?,
            replication_id: required("master_replid")?,
            previous_replication_id: required("master_replid2")?,
            uptime: Duration::from_secs(
                field("uptime_in_seconds").map_or(0, |text| text.trim().parse().unwrap_or(0)),
            ),
        })
    }

    /// What the control key holds of the server: a process of it. A restart changes it.
    pub(crate) fn text(&self) -> &str {
        &self.run_id
    }

    pub(crate) fn is_same_process(&self, other: &Self) -> bool {
        self.run_id == other.run_id
    }

    /// Whether the server has every write that it had when it was `seen`.
    pub(crate) fn has_all_of(&self, seen: &Self) -> bool {
        // A primary changes the id of its replication when its first replica connects. Another
        // change means that it was a replica meanwhile.
        let was_replica = !self.has_no_previous();
        self.is_same_process(seen) && (self.replication_id == seen.replication_id || !was_replica)
    }

    /// The process whose values this server has, with writes of the last moments missing at most.
    /// Empty: it is not known that there is one.
    pub(crate) fn descends_from<'a>(&self, seen: Option<&'a Seen>) -> &'a str {
        let Some(seen) = seen else {
            return "";
        };
        // A primary that restarts with a dump has the same previous id as a promoted replica. But
        // then it started after the last answer, and its values are as old as the dump.
        let ran_before = self.uptime > seen.at.elapsed() + Duration::from_secs(1);
        if ran_before && self.previous_replication_id == seen.identity.replication_id {
            seen.identity.text()
        } else {
            ""
        }
    }

    fn has_no_previous(&self) -> bool {
        self.previous_replication_id
            .bytes()
            .all(|digit| digit == b'0')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZEROS: &str = "0000000000000000000000000000000000000000";

    fn identity(run: &str, replication: &str, previous: &str, uptime: u64) -> Identity {
        let info = format!(
            "# Server\r\nredis_mode:standalone\r\nrun_id:{run}\r\nuptime_in_seconds:{uptime}\r\n\
             # Replication\r\nrole:master\r\nmaster_replid:{replication}\r\n\
             master_replid2:{previous}\r\n"
        );
        Identity::parse(&info).expect("a primary")
    }

    fn seen(identity: Identity) -> Seen {
        Seen {
            identity,
            at: Instant::now(),
        }
    }

    #[test]
    fn a_promoted_replica_descends_from_its_primary() {
        let old = seen(identity("a", "1", ZEROS, 100));
        let promoted = identity("b", "2", "1", 100);
        assert_eq!(promoted.descends_from(Some(&old)), "a");
        assert_eq!(promoted.descends_from(None), "");
        assert!(!promoted.has_all_of(&old.identity));
    }

    #[test]
    fn a_primary_that_restarted_with_a_dump_descends_from_nothing() {
        let old = seen(identity("a", "1", ZEROS, 100));
        let restarted = identity("b", "2", "1", 0);
        assert_eq!(restarted.descends_from(Some(&old)), "");
        assert!(!restarted.has_all_of(&old.identity));
    }

    #[test]
    fn a_primary_with_its_first_replica_has_all_of_its_writes() {
        let old = identity("a", "1", ZEROS, 100);
        assert!(identity("a", "2", ZEROS, 100).has_all_of(&old));
        assert!(identity("a", "1", "0", 100).has_all_of(&old));
    }

    #[test]
    fn a_primary_that_was_a_replica_meanwhile_may_lack_writes() {
        let old = identity("a", "1", ZEROS, 100);
        assert!(!identity("a", "3", "2", 100).has_all_of(&old));
    }

    #[test]
    fn servers_that_cannot_be_a_tier_are_named() {
        let message = |info: &str| Identity::parse(info).unwrap_err().to_string();
        assert!(message("redis_mode:cluster\r\n").contains("a node of a cluster"));
        assert!(message("role:slave\r\n").contains("a replica"));
        assert!(message("role:master\r\n").contains("no run_id"));
    }
}
