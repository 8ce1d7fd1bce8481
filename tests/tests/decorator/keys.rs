//! The parts of a key.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::adapter::{Cache, cached};
use super::{Loads, run};

#[test]
fn distinct_values_never_collide() {
    static LOADS: Loads = Loads::new();

    #[cached(max_capacity = 1_000)]
    async fn joined(left: &str, right: &str, numbers: &[u8], flag: Option<bool>) -> String {
        LOADS.next();
        format!("{left:?} {right:?} {numbers:?} {flag:?}")
    }

    run(async {
        let mut answers = HashSet::new();
        let texts = ["", "a", "b", "ab", "a,b", "None"];
        let lists: [&[u8]; 3] = [&[], &[1], &[1, 0]];
        for left in texts {
            for right in texts {
                for numbers in lists {
                    for flag in [None, Some(false), Some(true)] {
                        answers.insert(joined(left, right, numbers, flag).await);
                    }
                }
            }
        }
        assert_eq!(answers.len(), 6 * 6 * 3 * 3);
        assert_eq!(LOADS.count(), answers.len() as u64);
    });
}

#[test]
fn a_key_consists_of_the_owned_arguments() {
    #[cached]
    async fn none() -> u8 {
        0
    }

    #[cached]
    async fn one(name: &str) -> usize {
        name.len()
    }

    #[cached]
    async fn two(path: &Path, id: &u64) -> usize {
        path.as_os_str().len() + usize::try_from(*id).unwrap()
    }

    run(async {
        let of_none: &Cache<(), u8> = none::cache();
        let of_one: &Cache<String, usize> = one::cache();
        let of_two: &Cache<(PathBuf, u64), usize> = two::cache();
        none().await;
        one("four").await;
        two(Path::new("abc"), &1).await;
        assert_eq!(of_none.get(&()), Some(0));
        assert_eq!(of_one.get("four"), Some(4));
        assert_eq!(of_two.get(&(PathBuf::from("abc"), 1)), Some(4));
    });
}

#[test]
fn skipped_arguments_are_not_part_of_the_key() {
    static LOADS: Loads = Loads::new();

    struct Database(u64);

    #[cached(skip(database, trace))]
    async fn user(database: Arc<Database>, id: u64, trace: impl Fn() + Send + 'static) -> u64 {
        trace();
        LOADS.next();
        database.0 + id
    }

    #[cached(key(id))]
    async fn borrowing(database: &Database, id: u64) -> u64 {
        LOADS.next();
        database.0 + id
    }

    run(async {
        let databases = [100, 200].map(|number| Arc::new(Database(number)));
        assert_eq!(user(databases[0].clone(), 1, || ()).await, 101);
        assert_eq!(user(databases[1].clone(), 1, || ()).await, 101);
        assert_eq!(user::refresh(databases[1].clone(), 1, || ()).await, 201);
        user::invalidate(1);
        assert_eq!(user(databases[0].clone(), 1, || ()).await, 101);
        assert_eq!(LOADS.count(), 3);

        assert_eq!(borrowing(&databases[0], 1).await, 101);
        assert_eq!(borrowing(&databases[1], 1).await, 101);
        borrowing::invalidate(1);
        assert_eq!(borrowing(&databases[1], 1).await, 201);
    });
}

#[test]
fn an_expression_can_compute_the_key() {
    static LOADS: Loads = Loads::new();

    #[derive(Debug)]
    struct Request {
        tenant: u32,
        path: String,
        trace: f64,
    }

    #[cached(key = "(request.tenant, request.path.clone())")]
    async fn page(request: Request) -> String {
        format!("{} {} {}", LOADS.next(), request.path, request.trace)
    }

    #[cached(
        key = name.to_lowercase(),
        weigher = |key: &String, _| key.len() as u32,
        max_capacity = 100
    )]
    async fn folded(name: &str) -> u64 {
        let _ = name;
        LOADS.next()
    }

    let request = |tenant, trace| Request {
        tenant,
        path: "/".to_owned(),
        trace,
    };
    run(async {
        assert_eq!(page(request(1, 0.5)).await, "1 / 0.5");
        assert_eq!(page(request(1, 0.7)).await, "1 / 0.5");
        assert_eq!(page(request(2, 0.7)).await, "2 / 0.7");
        page::invalidate(request(1, 0.0));
        assert_eq!(page::cache().entry_count(), 1);
        assert_eq!(page::refresh(request(2, 0.9)).await, "3 / 0.9");
        assert_eq!(page::stats().loads, 3);
        page::clear();
        assert_eq!(page::cache().entry_count(), 0);

        assert_eq!(folded("Name").await, 4);
        assert_eq!(folded("NAME").await, 4);
        assert_eq!(folded::cache().weighted_size(), 4);
    });
}
