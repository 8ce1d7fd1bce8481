//! `?` converts the error of a load to the error types of applications, with its message and its
//! sources.

#![allow(missing_docs)]

use std::error::Error;
use std::fmt;
use std::num::ParseIntError;
use std::time::Duration;

use anyhow::Context;
use cache_core::testing::VirtualRuntime;
use cache_core::{Cache, LoadError};

type BoxError = Box<dyn Error + Send + Sync>;
type Numbers = Cache<u32, u64, VirtualRuntime>;

/// An error with a source.
#[derive(Debug)]
struct Invalid(ParseIntError);

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the record is invalid")
    }
}

impl Error for Invalid {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

async fn parse() -> Result<u64, Invalid> {
    "x".parse().map_err(Invalid)
}

async fn parse_with_anyhow() -> anyhow::Result<u64> {
    "x".parse::<u64>().context("the record is invalid")
}

async fn parse_boxed() -> Result<u64, BoxError> {
    Ok(parse().await?)
}

const MESSAGES: [&str; 2] = ["the record is invalid", "invalid digit found in string"];

fn run<T>(request: impl AsyncFnOnce(&Numbers) -> T) -> T {
    let runtime = VirtualRuntime::new();
    let cache = Cache::builder_on(runtime.clone()).build();
    runtime.block_on(request(&cache))
}

fn messages(error: &(dyn Error + 'static)) -> Vec<String> {
    std::iter::successors(Some(error), |error| (**error).source())
        .map(ToString::to_string)
        .collect()
}

#[test]
fn an_error_type_converts_to_anyhow_with_its_message_and_its_sources() {
    async fn request(cache: &Numbers) -> anyhow::Result<u64> {
        Ok(cache.try_get_with(1, parse).await?)
    }
    let error = run(request).unwrap_err();
    assert!(error.chain().map(ToString::to_string).eq(MESSAGES));
    let load_error = error.downcast_ref::<LoadError<Invalid>>().unwrap();
    assert!(load_error.loader().is_some());
}

#[test]
fn an_error_type_converts_to_a_boxed_error_with_its_message_and_its_sources() {
    async fn request(cache: &Numbers) -> Result<u64, BoxError> {
        Ok(cache.try_get_with(1, parse).await?)
    }
    let error = run(request).unwrap_err();
    assert_eq!(messages(&*error), MESSAGES);
}

#[test]
fn an_anyhow_error_converts_to_anyhow_and_to_a_boxed_error_with_its_sources() {
    async fn to_anyhow(cache: &Numbers) -> anyhow::Result<u64> {
        let load = cache.try_get_with(1, parse_with_anyhow);
        Ok(load.await.map_err(LoadError::into_dyn)?)
    }
    async fn to_boxed(cache: &Numbers) -> Result<u64, BoxError> {
        let load = cache.try_get_with(1, parse_with_anyhow);
        Ok(load.await.map_err(LoadError::into_dyn)?)
    }
    let error = run(to_anyhow).unwrap_err();
    assert!(error.chain().map(ToString::to_string).eq(MESSAGES));
    assert_eq!(messages(&*run(to_boxed).unwrap_err()), MESSAGES);
}

#[test]
fn a_boxed_error_converts_to_anyhow_with_its_sources() {
    async fn request(cache: &Numbers) -> anyhow::Result<u64> {
        let load = cache.try_get_with(1, parse_boxed);
        Ok(load.await.map_err(LoadError::into_dyn)?)
    }
    let error = run(request).unwrap_err();
    assert!(error.chain().map(ToString::to_string).eq(MESSAGES));
}

#[test]
fn an_error_type_converts_to_eyre_with_its_message_and_its_sources() {
    async fn request(cache: &Numbers) -> eyre::Result<u64> {
        Ok(cache.try_get_with(1, parse).await?)
    }
    let error = run(request).unwrap_err();
    assert!(error.chain().map(ToString::to_string).eq(MESSAGES));
}

#[test]
fn an_eyre_report_converts_to_eyre_with_its_sources() {
    async fn parse_with_eyre() -> eyre::Result<u64> {
        Ok(parse().await?)
    }
    async fn request(cache: &Numbers) -> eyre::Result<u64> {
        let load = cache.try_get_with(1, parse_with_eyre);
        Ok(load.await.map_err(LoadError::into_dyn)?)
    }
    let error = run(request).unwrap_err();
    assert!(error.chain().map(ToString::to_string).eq(MESSAGES));
}

#[test]
fn a_string_converts_to_anyhow_to_eyre_and_to_a_boxed_error() {
    async fn fail() -> Result<u64, String> {
        Err(MESSAGES[0].into())
    }
    async fn to_anyhow(cache: &Numbers) -> anyhow::Result<u64> {
        let load = cache.try_get_with(1, fail);
        let value = load.await.map_err(anyhow::Error::msg)?;
        Ok(value)
    }
    async fn to_eyre(cache: &Numbers) -> eyre::Result<u64> {
        let load = cache.try_get_with(1, fail);
        let value = load.await.map_err(eyre::Report::msg)?;
        Ok(value)
    }
    async fn to_boxed(cache: &Numbers) -> Result<u64, BoxError> {
        let load = cache.try_get_with(1, fail);
        Ok(load.await.map_err(|error| error.to_string())?)
    }
    assert_eq!(run(to_anyhow).unwrap_err().to_string(), MESSAGES[0]);
    assert_eq!(run(to_eyre).unwrap_err().to_string(), MESSAGES[0]);
    assert_eq!(run(to_boxed).unwrap_err().to_string(), MESSAGES[0]);
}

#[test]
fn errors_are_equal_if_variant_and_content_are() {
    let failed = LoadError::from("down");
    assert_eq!(failed, LoadError::from("down"));
    assert_eq!(failed.clone(), failed);
    assert_ne!(failed, LoadError::from("up"));
    assert_ne!(failed, LoadError::Panicked);
    let timed_out = |seconds| LoadError::<u8>::TimedOut(Duration::from_secs(seconds));
    assert_eq!(timed_out(1).clone(), timed_out(1));
    assert_ne!(timed_out(1), timed_out(2));
}

#[test]
fn the_other_variants_keep_their_message_and_have_no_source() {
    let panicked = LoadError::<anyhow::Error>::Panicked;
    assert_eq!(panicked.to_string(), "the loader panicked");
    assert_eq!(messages(&panicked.into_dyn()), ["the loader panicked"]);
    let mapped = LoadError::<u8>::Reentrant.map(|number| u64::from(*number));
    assert!(matches!(mapped, LoadError::Reentrant));
}

#[test]
#[should_panic(expected = "not an error of the loader: the loader panicked")]
fn unwrapping_the_loaders_error_of_another_variant_panics_with_its_message() {
    let _ = LoadError::<u8>::Panicked.unwrap_loader();
}
