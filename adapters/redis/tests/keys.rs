//! Keys are reversible and distinct, whatever characters they have.

use std::fmt::Debug;
use std::sync::Arc;

use cache_redis::TierKey;
use proptest::prelude::*;

/// The text of a key is that key's and no other's.
fn reverses<K: TierKey + PartialEq + Debug>(key: K) -> Result<(), TestCaseError> {
    let text = key.to_text();
    prop_assert!(
        text.bytes().all(|byte| byte.is_ascii_graphic()),
        "{text:?} is printable and has no space"
    );
    prop_assert_eq!(K::from_text(&text), Some(key));
    Ok(())
}

/// A text that is read is the text of the key that it reads as. So no two texts name one key.
fn is_canonical<K: TierKey + Debug>(text: &str) -> Result<(), TestCaseError> {
    if let Some(key) = K::from_text(text) {
        prop_assert_eq!(key.to_text(), text);
    }
    Ok(())
}

/// Strings of characters that mean something in keys, beside any others.
fn awkward() -> impl Strategy<Value = String> {
    prop_oneof![
        "[:%{} *?\\[\\]0-9a-f]{0,8}",
        any::<String>(),
        "(%3A|%|:|é|\u{0}|\n){0,6}",
    ]
}

proptest! {
    #[test]
    fn a_key_is_read_back_from_its_text(
        text in awkward(),
        other in awkward(),
        bytes in any::<Vec<u8>>(),
        array in any::<[u8; 5]>(),
        character in any::<char>(),
        flag in any::<bool>(),
        signed in any::<i64>(),
        unsigned in any::<u128>(),
    ) {
        reverses(Arc::<str>::from(&*text))?;
        reverses(character)?;
        reverses(signed)?;
        reverses(unsigned)?;
        reverses((text.clone(), other.clone()))?;
        reverses(((text.clone(), flag), (array, other.clone())))?;
        reverses((signed, bytes.clone(), text.clone(), flag, character, other))?;
        reverses(bytes)?;
        reverses(text)?;
    }

    #[test]
    fn two_keys_have_two_texts(
        left in (awkward(), awkward()),
        right in (awkward(), awkward()),
    ) {
        prop_assert_eq!(left == right, left.to_text() == right.to_text());
    }

    #[test]
    fn a_text_that_is_not_a_keys_is_refused(text in "[a:%0-9A-F+\\-é]{0,12}") {
        is_canonical::<String>(&text)?;
        is_canonical::<Vec<u8>>(&text)?;
        is_canonical::<i32>(&text)?;
        is_canonical::<(u8, String)>(&text)?;
        is_canonical::<bool>(&text)?;
        is_canonical::<char>(&text)?;
        is_canonical::<[u8; 2]>(&text)?;
        #[cfg(feature = "uuid")]
        is_canonical::<uuid::Uuid>(&text)?;
    }
}

#[test]
fn texts_are_readable() {
    assert_eq!(7_u64.to_text(), "7");
    assert_eq!(
        "alice@example.org".to_string().to_text(),
        "alice%40example.org"
    );
    assert_eq!(("acme".to_string(), -3_i16).to_text(), "acme:-3");
    assert_eq!(String::new().to_text(), "");
    assert_eq!((String::new(), String::new()).to_text(), ":");
    assert_eq!('é'.to_text(), "%C3%A9");
    assert_eq!("x".repeat(10_000).to_text().len(), 10_000);
}

#[test]
fn other_spellings_of_a_key_are_refused() {
    for text in ["007", "+7", "7 ", "", "7:", "%37", "-0"] {
        assert_eq!(i32::from_text(text), None, "{text:?}");
    }
    for text in ["%3a", "%41", "a b", "é", "%", "%4", "a:b"] {
        assert_eq!(String::from_text(text), None, "{text:?}");
    }
}
