//! A server that cannot be a second tier is refused by an error that says why.

#![cfg(unix)]

mod servers;

use std::time::Duration;

use cache_redis::{ConnectError, Error};
use servers::{Server, builder, load, on_each_server, on_each_server_with, process, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Both ways to learn it: a program that checks its server, and one that starts without it.
async fn refusal(url: &str) -> Error {
    let Err(ConnectError::Server(error)) = builder(url).connect().await else {
        panic!("the server is refused");
    };
    let lazy = process(builder(url).lazy().unwrap());
    assert_eq!(load(&lazy, "k", "loaded").await, "loaded");
    until(|| lazy.tier().last_error().is_some()).await;
    error
}

fn with_user(server: &Server, user: &str, password: &str) -> String {
    format!("{}?user={user}&pass={password}", server.url())
}

#[test]
fn a_working_server_is_accepted() {
    on_each_server(|server| async move {
        server.builder().connect().await.unwrap();
    });
}

#[test]
fn no_server_at_all() {
    on_each_server(|mut server| async move {
        server.kill();
        let error = refusal(&server.url()).await;
        assert!(matches!(error, Error::Io(_)), "{error:?}");
    });
}

#[test]
fn a_wrong_password() {
    on_each_server(|server| async move {
        let _: redis::Value = server
            .command(&["ACL", "SETUSER", "app", "on", ">right", "~*", "&*", "+@all"])
            .await;
        builder(&with_user(&server, "app", "right"))
            .connect()
            .await
            .unwrap();
        let error = refusal(&with_user(&server, "app", "wrong")).await;
        assert!(matches!(error, Error::Denied(_)), "{error:?}");
        assert!(!error.to_string().contains("wrong"), "{error}");
    });
}

#[test]
fn a_missing_password() {
    on_each_server_with(&["--requirepass", "right"], |server| async move {
        let error = refusal(&server.url()).await;
        assert!(matches!(error, Error::Denied(_)), "{error:?}");
    });
}

/// The rights that docs/fleet.md names are enough, and each is needed.
#[test]
fn a_user_without_a_right() {
    on_each_server(|server| async move {
        let rights = [
            "~test:*",
            "&test:feed",
            "-@all",
            "+@connection",
            "+@scripting",
            "+mget",
            "+get",
            "+getrange",
            "+set",
            "+setrange",
            "+pttl",
            "+pexpire",
            "+persist",
            "+unlink",
            "+publish",
            "+subscribe",
            "+info",
            "+time",
            "+wait",
        ];
        let with = async |rights: &[&str]| {
            let mut words = vec!["ACL", "SETUSER", "app", "reset", "on", ">right"];
            words.extend(rights);
            let _: redis::Value = server.command(&words).await;
            with_user(&server, "app", "right")
        };
        let url = with(&rights).await;
        let process = process(builder(&url).lazy().unwrap());
        servers::believed(&process).await;
        assert_eq!(load(&process, "k", "v").await, "v");
        process.invalidate("k").await.unwrap();
        process.invalidate_all().await.unwrap();
        drop(process);
        for missing in ["+@scripting", "+info", "+get"] {
            let rest: Vec<_> = rights
                .into_iter()
                .filter(|right| *right != missing)
                .collect();
            let error = refusal(&with(&rest).await).await;
            assert!(matches!(error, Error::Denied(_)), "{missing}: {error:?}");
        }
    });
}

#[test]
fn a_node_of_a_cluster() {
    on_each_server_with(&["--cluster-enabled", "yes"], |server| async move {
        let error = refusal(&server.url()).await.to_string();
        assert!(error.contains("a node of a cluster"), "{error}");
    });
}

#[test]
fn a_replica() {
    on_each_server_with(&["--replicaof", "127.0.0.1 1"], |server| async move {
        let error = refusal(&server.url()).await.to_string();
        assert!(error.contains("a replica"), "{error}");
    });
}

#[test]
fn a_server_without_scripts() {
    let renamed = ["--rename-command", "EVALSHA", ""];
    on_each_server_with(&renamed, |server| async move {
        let error = refusal(&server.url()).await.to_string();
        assert!(error.contains("scripts"), "{error}");
    });
}

#[test]
fn a_server_that_speaks_an_older_protocol() {
    on_each_server(|_server| async move {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut bytes = [0; 1024];
                    while let Ok(1..) = stream.read(&mut bytes).await {
                        let reply = "-ERR unknown command `HELLO`, with args beginning with: \r\n";
                        // One for each command of the first message, more than enough.
                        stream.write_all(reply.repeat(5).as_bytes()).await.unwrap();
                    }
                });
            }
        });
        let error = refusal(&format!("redis://{address}")).await.to_string();
        assert!(error.contains("RESP3"), "{error}");
    });
}

#[test]
fn a_server_that_never_answers() {
    on_each_server(|_server| async move {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("redis://{}", listener.local_addr().unwrap());
        let builder = builder(&url).command_timeout(Duration::from_millis(50));
        let Err(ConnectError::Server(error)) = builder.connect().await else {
            panic!("the server is refused");
        };
        assert!(matches!(error, Error::Timeout), "{error:?}");
    });
}
