//! Functions that are not async.

use std::thread;

use super::Loads;
use super::adapter::{LoadError, cached};

#[test]
fn concurrent_threads_run_a_sync_function_once() {
    static LOADS: Loads = Loads::new();

    #[cached]
    fn tens(id: u64) -> u64 {
        LOADS.next();
        thread::yield_now();
        id * 10
    }

    thread::scope(|scope| {
        let calls = [7; 8].map(|id| scope.spawn(move || tens(id)));
        for call in calls {
            assert_eq!(call.join().expect("the call returns"), 70);
        }
    });
    assert_eq!((LOADS.count(), tens::stats().loads), (1, 1));
    assert_eq!(tens::cache().get(&7), Some(70));
}

#[test]
fn companions_of_a_sync_function_are_sync() {
    static LOADS: Loads = Loads::new();

    #[cached]
    fn version(name: &str) -> String {
        format!("{name} {}", LOADS.next())
    }

    assert_eq!((&*version("a"), &*version("a")), ("a 1", "a 1"));
    assert_eq!(version::refresh("a"), "a 2");
    assert_eq!(version("a"), "a 2");
    version::invalidate("a");
    assert_eq!(version("a"), "a 3");
    version::clear();
    assert_eq!(version("a"), "a 4");
    assert_eq!((version::stats().loads, version::stats().hits), (4, 2));
}

#[test]
fn a_sync_function_borrows_its_arguments() {
    struct Table(Vec<u64>);

    impl Table {
        #[cached(skip(self))]
        fn row(&self, number: usize, column: &str) -> Option<u64> {
            self.0.get(number).copied().filter(|_| column == "id")
        }
    }

    #[cached(key = "id / 10", skip(log))]
    fn decade(id: u64, log: &mut Vec<u64>) -> u64 {
        log.push(id);
        id / 10
    }

    let table = Table(vec![5]);
    assert_eq!((table.row(0, "id"), table.row(0, "id"), table.row(1, "id")), (Some(5), Some(5), None));
    assert_eq!((Table::row_stats().hits, Table::row_cache().entry_count()), (1, 1));

    let mut log = Vec::new();
    assert_eq!((decade(41, &mut log), decade(42, &mut log), decade(50, &mut log)), (4, 4, 5));
    assert_eq!(decade::refresh(43, &mut log), 4);
    assert_eq!(log, [41, 50, 43]);
}

#[test]
fn failures_of_a_sync_function_are_not_stored() {
    static LOADS: Loads = Loads::new();

    #[cached]
    fn find(name: &str) -> Result<Option<u64>, LoadError<std::num::ParseIntError>> {
        LOADS.next();
        if name.is_empty() { Ok(None) } else { Ok(Some(name.parse()?)) }
    }

    #[cached(cache_err)]
    fn remembered(name: &str) -> Result<u64, std::num::ParseIntError> {
        LOADS.next();
        name.parse()
    }

    for _ in 0..2 {
        assert!(find("x").is_err());
        assert_eq!(find("").expect("there is no error"), None);
        assert_eq!(find("7").expect("it is a number"), Some(7));
    }
    assert_eq!(LOADS.count(), 5);
    assert!(remembered("x").is_err() && remembered("x").is_err());
    assert_eq!(LOADS.count(), 6);
}

#[test]
fn a_sync_function_may_call_itself() {
    #[cached]
    fn fibonacci(n: u64) -> u64 {
        if n < 2 { n } else { fibonacci(n - 1) + fibonacci(n - 2) }
    }

    assert_eq!(fibonacci(50), 12_586_269_025);
    assert_eq!(fibonacci::stats().loads, 51);
}
