//! Functions that call themselves.

use std::sync::Arc;

use super::adapter::cached;
use super::{Loads, run};

#[test]
fn a_function_may_call_itself() {
    static LOADS: Loads = Loads::new();

    #[cached]
    async fn fibonacci(n: u64) -> u64 {
        LOADS.next();
        if n < 2 { n } else { fibonacci(n - 1).await + fibonacci(n - 2).await }
    }

    #[cached]
    async fn depth(path: &str, separator: char) -> Result<usize, String> {
        match path.rsplit_once(separator) {
            Some((parent, _)) => Ok(depth(parent, separator).await? + 1),
            None if path.is_empty() => Err("no path".to_owned()),
            None => Ok(0),
        }
    }

    #[cached]
    async fn half(n: u64) -> Option<u64> {
        if n % 2 == 1 { None } else { tokio::join!(half(n / 2)).0.or(Some(n)) }
    }

    #[cached(skip(offset))]
    async fn borrowing(n: u64, offset: &u64) -> u64 {
        if n == 0 { *offset } else { borrowing(n - 1, offset).await + 1 }
    }

    run(async {
        assert_eq!(sends(fibonacci(80)).await, 23_416_728_348_467_685);
        assert_eq!(LOADS.count(), 81);
        assert_eq!(depth("a/b/c", '/').await, Ok(2));
        assert_eq!(depth("", '/').await, Err("no path".to_owned()));
        assert_eq!(half(12).await, Some(6));
        assert_eq!(sends(borrowing(5, &10)).await, 15);
        assert_eq!(borrowing::stats().loads, 6);
    });
}

#[test]
fn a_method_may_call_itself() {
    #[derive(Clone)]
    struct Tree(u64);

    impl Tree {
        #[cached(skip(self))]
        async fn borrowed(&self, n: u64) -> u64 {
            if n == 0 { self.0 } else { self.borrowed(n - 1).await + 1 }
        }

        #[cached(skip(self), clone(self))]
        async fn cloned(&self, n: u64) -> u64 {
            if n == 0 { self.0 } else { self.cloned(n - 1).await + 1 }
        }

        #[cached(skip(self))]
        async fn counted(self: Arc<Self>, n: u64) -> u64 {
            if n == 0 { self.0 } else { self.clone().counted(n - 1).await + 1 }
        }

        #[cached]
        async fn without(n: u64) -> u64 {
            if n == 0 { 0 } else { Self::without(n - 1).await + 1 }
        }
    }

    run(async {
        let tree = Tree(10);
        assert_eq!(sends(tree.borrowed(3)).await, 13);
        assert_eq!(sends(tree.cloned(3)).await, 13);
        assert_eq!(Arc::new(tree).counted(3).await, 13);
        assert_eq!(Tree::without(3).await, 3);
        assert_eq!(Tree::without_stats().loads, 4);
    });
}

fn sends<T: Send>(future: T) -> T {
    future
}
