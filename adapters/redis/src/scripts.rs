//! The scripts that the server runs. Each is one step for the server, whatever other processes do.

use std::sync::LazyLock;

use redis::aio::MultiplexedConnection;
use redis::{Cmd, ErrorKind, RedisError, Script, ServerErrorKind, ToRedisArgs, Value};

macro_rules! scripts {
    ($($name:ident = $file:literal;)*) => {$(
        pub(crate) static $name: Source = Source {
            text: include_str!($file),
            script: LazyLock::new(|| Script::new(include_str!($file))),
        };
    )*};
}

scripts! {
    ACQUIRE = "scripts/acquire.lua";
    CLEAR = "scripts/clear.lua";
    CONFIRM = "scripts/confirm.lua";
    FILL = "scripts/fill.lua";
    PUT = "scripts/put.lua";
    RELEASE = "scripts/release.lua";
    REMOVE = "scripts/remove.lua";
    RENEW = "scripts/renew.lua";
    REPLACE = "scripts/replace.lua";
}

/// A script.
pub(crate) struct Source {
    text: &'static str,
    /// For its hash.
    script: LazyLock<Script>,
}

impl Source {
    pub(crate) fn call(&'static self) -> Call {
        Call {
            source: self,
            keys: vec![],
            args: vec![],
        }
    }
}

/// A call of a script.
pub(crate) struct Call {
    source: &'static Source,
    keys: Vec<String>,
    args: Vec<Vec<u8>>,
}

impl Call {
    pub(crate) fn key(mut self, key: impl Into<String>) -> Self {
        self.keys.push(key.into());
        self
    }

    pub(crate) fn arg(mut self, arg: impl ToRedisArgs) -> Self {
        self.push(arg);
        self
    }

    pub(crate) fn push_key(&mut self, key: String) {
        self.keys.push(key);
    }

    pub(crate) fn push(&mut self, arg: impl ToRedisArgs) {
        arg.write_redis_args(&mut self.args);
    }

    /// Runs the script by its hash. A server that does not know the hash gets the text.
    pub(crate) async fn run(
        &self,
        connection: &mut MultiplexedConnection,
    ) -> Result<Value, RedisError> {
        let by_hash = self.command("EVALSHA", self.source.script.get_hash());
        match by_hash.query_async(connection).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                let by_text = self.command("EVAL", self.source.text);
                by_text.query_async(connection).await
            }
            result => result,
        }
    }

    fn command(&self, name: &str, script: &str) -> Cmd {
        let mut command = redis::cmd(name);
        command.arg(script).arg(self.keys.len());
        command.arg(&self.keys).arg(&self.args);
        command
    }
}
