//! A setting that cannot work is refused, with its value and the rule.

use std::time::Duration;

use cache_redis::{Builder, ConfigError, Redis};

fn at(url: &str) -> Result<Redis, ConfigError> {
    Redis::builder(url).namespace("test").lazy()
}

fn refused(set: impl Fn(Builder) -> Builder) -> String {
    let builder = Redis::builder("redis://localhost").namespace("test");
    set(builder).lazy().unwrap_err().to_string()
}

#[test]
fn addresses_of_servers_are_accepted() {
    for url in [
        "redis://localhost",
        "redis://:secret@10.0.0.7:7000/3",
        "valkey://user:secret@[::1]/",
        "unix:///run/redis.sock?db=1&user=a&pass=b",
        "redis+unix:///run/redis.sock",
    ] {
        at(url).unwrap();
    }
}

#[test]
fn an_address_that_is_none_is_refused_without_its_password() {
    for url in [
        "",
        "localhost",
        "http://:secret@localhost",
        "redis://user:secret@localhost/users",
        "redis://:secret@0.0.0.0/",
        "redis://:secret@localhost/?protocol=resp2",
        "unix:///run/redis.sock?db=x&pass=secret",
    ] {
        let error = at(url).unwrap_err();
        assert_eq!(error.field(), "url", "{url}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

#[test]
fn an_address_of_a_cluster_is_refused_by_its_name() {
    for url in [
        "redis-cluster://10.0.0.1",
        "redis+cluster://10.0.0.1",
        "redis://10.0.0.1,10.0.0.2",
    ] {
        let error = at(url).unwrap_err().to_string();
        assert!(error.contains("cluster"), "{error}");
    }
    let error = at("redis+sentinel://10.0.0.1/primary")
        .unwrap_err()
        .to_string();
    assert!(error.contains("Sentinel"), "{error}");
}

#[test]
fn settings_out_of_range_are_refused() {
    let without = Redis::builder("redis://localhost").lazy().unwrap_err();
    assert_eq!(without.field(), "namespace");
    for namespace in ["", "a b", "ü", "a{b}", "a*"] {
        let error = refused(|builder| builder.namespace(namespace));
        assert!(error.contains(&format!("{namespace:?}")), "{error}");
    }
    let zero = Duration::ZERO;
    for (field, error) in [
        (
            "time_to_live",
            refused(|builder| builder.time_to_live(zero)),
        ),
        (
            "time_to_live",
            refused(|builder| builder.time_to_live(Duration::MAX)),
        ),
        (
            "max_staleness",
            refused(|builder| builder.max_staleness(zero)),
        ),
        (
            "command_timeout",
            refused(|builder| builder.command_timeout(zero)),
        ),
        ("max_value", refused(|builder| builder.max_value(0))),
        (
            "max_value",
            refused(|builder| builder.max_value(usize::MAX)),
        ),
        ("also", refused(|builder| builder.schema(3).also(3))),
        ("also", refused(|builder| builder.also(2).also(2))),
    ] {
        assert!(error.starts_with(&format!("{field} is ")), "{error}");
    }
}

#[test]
fn the_password_is_not_in_debug_output() {
    let redis = at("redis://:secret@localhost").unwrap();
    assert!(!format!("{redis:?}").contains("secret"));
    let builder = Redis::builder("redis://:secret@localhost");
    assert!(!format!("{builder:?}").contains("secret"));
}
