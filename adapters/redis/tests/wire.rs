//! The decoder of states accepts every sequence of bytes, and reads what the encoder writes.

use std::time::Duration;

use cache_redis::wire::{HEADER, MAX_TIME, State, Stored, Tag};
use proptest::prelude::*;

proptest! {
    #[test]
    fn a_state_is_read_back(
        tag in any::<[u8; 8]>(),
        made in 0..1_u64 << 48,
        time_to_live in 0..1_u64 << 48,
        payload in any::<Option<Vec<u8>>>(),
    ) {
        let stored = Stored {
            tag: Tag(tag),
            made: Duration::from_millis(made),
            time_to_live: Duration::from_millis(time_to_live),
            payload: payload.as_deref(),
        };
        let bytes = stored.encode();
        prop_assert_eq!(bytes.len(), HEADER + payload.as_ref().map_or(0, Vec::len));
        prop_assert_eq!(State::decode(&bytes), Some(State::Stored(stored)));
    }

    #[test]
    fn bytes_of_other_programs_are_no_state_or_one_that_encodes_to_them(
        bytes in prop_oneof![
            any::<Vec<u8>>(),
            "[LWVN]".prop_flat_map(|kind| {
                any::<[u8; 30]>().prop_map(move |mut bytes| {
                    bytes[0] = kind.as_bytes()[0];
                    bytes[9] &= 1;
                    bytes[10] &= 1;
                    bytes.to_vec()
                })
            }),
        ],
        length in 0..32_usize,
    ) {
        let bytes = &bytes[..length.min(bytes.len())];
        if let Some(State::Stored(stored)) = State::decode(bytes) {
            prop_assert_eq!(stored.encode(), bytes);
        }
    }

    #[test]
    fn a_value_never_lives_longer_than_its_time_to_live(
        made in 0..1_u64 << 48,
        time_to_live in 0..1_u64 << 48,
        now in any::<u64>(),
    ) {
        let [made, time_to_live, now] = [made, time_to_live, now].map(Duration::from_millis);
        let stored = Stored { tag: Tag([0; 8]), made, time_to_live, payload: None };
        let left = stored.left(now);
        prop_assert!(left <= time_to_live);
        prop_assert!(now < made || now + left <= (made + time_to_live).max(now));
    }
}

#[test]
fn leases_are_read() {
    let leased = |bytes: &[u8]| match State::decode(bytes) {
        Some(State::Leased { tag, awaited }) => Some((tag.0, awaited)),
        _ => None,
    };
    assert_eq!(leased(b"L12345678"), Some((*b"12345678", false)));
    assert_eq!(leased(b"W12345678"), Some((*b"12345678", true)));
    assert_eq!(State::decode(b"L1234567"), None);
    assert_eq!(State::decode(b"L123456789"), None);
}

#[test]
fn times_beyond_the_limit_are_the_limit() {
    let stored = Stored {
        tag: Tag([0; 8]),
        made: Duration::MAX,
        time_to_live: Duration::MAX,
        payload: Some(b""),
    };
    let bytes = stored.encode();
    let Some(State::Stored(read)) = State::decode(&bytes) else {
        panic!("{bytes:?} is a state");
    };
    assert_eq!((read.made, read.time_to_live), (MAX_TIME, MAX_TIME));
}
