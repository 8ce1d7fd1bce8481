//! Parameters with patterns.

use super::adapter::{Cache, cached};
use super::{Loads, run};

#[derive(Debug, PartialEq, Eq, Hash)]
struct State<T>(T);

#[derive(Debug)]
struct Path<T>(T);

#[test]
fn names_that_patterns_bind_can_be_skipped_and_make_the_key() {
    static LOADS: Loads = Loads::new();

    #[cached(key = "id", skip(offset))]
    async fn by_id(State(offset): State<u64>, Path(mut id): Path<u64>) -> u64 {
        LOADS.next();
        id += offset;
        id
    }

    #[cached(key = "(format!(\"{user} {}\", page), user.len())")]
    async fn by_text(Path((page, user)): Path<(u64, String)>, _: State<u8>) -> String {
        format!("{user}{page}")
    }

    #[cached(key = "(*page, user.clone())")]
    async fn through_reference((page, user): &(u64, String)) -> String {
        format!("{user}{page}")
    }

    #[cached(skip(offset, scale))]
    async fn skipping((offset, scale): (u64, u64), id: u64) -> u64 {
        offset + scale * id
    }

    #[cached(key(page, user))]
    async fn chosen((page, user): (u64, String), _: State<u8>, unit: ()) -> String {
        let () = unit;
        format!("{user}{page}")
    }

    run(async {
        assert_eq!(by_id(State(10), Path(1)).await, 11);
        assert_eq!(by_id(State(20), Path(1)).await, 11);
        let cache: &Cache<_, u64> = by_id::cache();
        assert_eq!(cache.entry_count(), 1);
        by_id::invalidate(Path(2));
        assert_eq!(cache.entry_count(), 1);
        by_id::invalidate(Path(1));
        assert_eq!(by_id(State(20), Path(1)).await, 21);
        assert_eq!(LOADS.count(), 2);

        assert_eq!(by_text(Path((1, "a".to_owned())), State(0)).await, "a1");
        assert_eq!(by_text(Path((1, "a".to_owned())), State(9)).await, "a1");
        assert_eq!(by_text::stats().loads, 1);

        assert_eq!(through_reference(&(1, "a".to_owned())).await, "a1");
        through_reference::invalidate(&(1, "a".to_owned()));
        assert_eq!(through_reference::cache().entry_count(), 0);

        assert_eq!((skipping((1, 2), 3).await, skipping((3, 2), 3).await), (7, 7));
        skipping::invalidate(3);
        assert_eq!(skipping((3, 2), 3).await, 9);

        assert_eq!(chosen((1, "a".to_owned()), State(0), ()).await, "a1");
        let cache: &Cache<(u64, String), String> = chosen::cache();
        assert!(cache.contains_key(&(1, "a".to_owned())));
        chosen::invalidate((1, "a".to_owned()));
        assert_eq!(chosen::cache().entry_count(), 0);
    });
}
