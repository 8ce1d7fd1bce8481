//! Reads what a server may have under a key, and what it may send as a key: every sequence of bytes.

#![no_main]

use std::collections::HashMap;

use cache_redis::wire::{State, Stored, Tag};
use cache_redis::{Codec, MessagePack, Raw, TierKey};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    match State::decode(bytes) {
        Some(State::Stored(stored)) => {
            assert_eq!(stored.encode(), bytes);
            let _ = stored.left(stored.made);
            if let Some(payload) = stored.payload {
                read_value(payload);
            }
        }
        Some(State::Leased {
            tag: Tag(tag),
            awaited,
        }) => {
            assert_eq!(bytes[0], if awaited { b'W' } else { b'L' });
            assert_eq!(bytes[1..], tag);
        }
        None => {}
    }
    read_value(bytes);
    if let Ok(text) = str::from_utf8(bytes) {
        read_key::<String>(text);
        read_key::<Vec<u8>>(text);
        read_key::<(u64, String, [u8; 3])>(text);
        read_key::<(i8, (char, bool))>(text);
    }
    let written = Stored {
        tag: Tag([7; 8]),
        made: std::time::Duration::ZERO,
        time_to_live: std::time::Duration::ZERO,
        payload: Some(bytes),
    };
    assert_eq!(
        State::decode(&written.encode()),
        Some(State::Stored(written))
    );
});

/// A text is the text of the key that it reads as.
fn read_key<K: TierKey>(text: &str) {
    if let Some(key) = K::from_text(text) {
        assert_eq!(key.to_text(), text);
    }
}

/// Values are read, or refused.
fn read_value(bytes: &[u8]) {
    let _: Result<String, _> = Raw.decode(bytes);
    let _: Result<HashMap<String, Vec<Option<i64>>>, _> = MessagePack.decode(bytes);
}
