//! Readers of the stream of events.

use std::pin::Pin;
use std::task::{Context, Waker};

use cache_page::{Page, Registry};
use http::StatusCode;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http_body::Body as _;
use http_body_util::BodyExt;

use crate::client::{data_of, event, events_after, get, id_of, next, registry};

#[test]
fn a_reader_receives_the_history_and_then_each_sample() {
    let (registry, cache) = registry();
    let page = Page::manual(registry);
    page.sample();
    cache.get(&1);
    page.sample();
    let mut stream = get(&page, "/events");
    assert_eq!(stream.headers()[CONTENT_TYPE], "text/event-stream");
    let hello = event(&mut stream);
    assert!(hello.starts_with("retry: 1000\nevent: hello\n"), "{hello}");
    let hits = |event: &str| data_of(event)["caches"][0]["hits"].as_u64().unwrap();
    assert_eq!(hits(&event(&mut stream)), 1);
    assert_eq!(hits(&event(&mut stream)), 2);
    assert_eq!(next(&mut stream), None);
    page.sample();
    assert_eq!(hits(&event(&mut stream)), 2);
    assert_eq!(next(&mut stream), None);
}

#[test]
fn a_waiting_reader_is_woken_by_a_sample() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    struct Woken(AtomicBool);
    impl std::task::Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let page = Page::manual(Registry::new());
    let mut stream = get(&page, "/events");
    event(&mut stream);
    let woken = Arc::new(Woken(AtomicBool::new(false)));
    let waker = Waker::from(Arc::clone(&woken));
    let mut context = Context::from_waker(&waker);
    assert!(
        Pin::new(stream.body_mut())
            .poll_frame(&mut context)
            .is_pending()
    );
    assert!(!woken.0.load(Ordering::SeqCst));
    page.sample();
    assert!(woken.0.load(Ordering::SeqCst));
}

#[test]
fn a_reader_continues_after_its_last_event() {
    let page = Page::manual(Registry::new());
    (0..5).for_each(|_| page.sample());
    let mut stream = get(&page, "/events");
    event(&mut stream);
    let ids: Vec<String> = (0..5)
        .map(|_| id_of(&event(&mut stream)).to_owned())
        .collect();
    let mut again = events_after(&page, &ids[2]);
    event(&mut again);
    assert_eq!(id_of(&event(&mut again)), ids[3]);
    assert_eq!(id_of(&event(&mut again)), ids[4]);
    assert_eq!(next(&mut again), None);
}

#[test]
fn an_id_of_another_run_or_no_id_at_all_gets_the_history() {
    let page = Page::manual(Registry::new());
    page.sample();
    let first = {
        let mut stream = get(&page, "/events");
        event(&mut stream);
        id_of(&event(&mut stream)).to_owned()
    };
    let future = first.replace("-1", "-9");
    let huge = format!("{first}{}", "9".repeat(10_000));
    for id in ["", "-", "1", "0123456789abcdef-1", "a-b-c", &future, &huge] {
        let mut stream = events_after(&page, id);
        event(&mut stream);
        assert_eq!(id_of(&event(&mut stream)), first, "{id}");
    }
}

#[test]
fn a_slow_reader_skips_samples() {
    let page = Page::manual(Registry::new());
    page.sample();
    let mut slow = get(&page, "/events");
    event(&mut slow);
    event(&mut slow);
    (0..100).for_each(|_| page.sample());
    assert!(id_of(&event(&mut slow)).ends_with("-101"));
    assert_eq!(next(&mut slow), None);
}

#[test]
fn a_thousand_readers_that_never_read_do_not_add_up() {
    let (registry, _cache) = registry();
    let page = Page::manual(registry);
    let mut idle: Vec<_> = (0..1_000).map(|_| get(&page, "/events")).collect();
    // A day. The idle readers hold a position and no event, so all of them receive what the page
    // still has: ten minutes, thinned.
    (0..86_400).for_each(|_| page.sample());
    assert_eq!(page.readers(), 1_000);
    for stream in [&mut idle[0], &mut get(&page, "/events")] {
        event(stream);
        let mut kept = Vec::new();
        while let Some(Some(event)) = next(stream) {
            kept.push(event.len());
        }
        assert!((100..=132).contains(&kept.len()), "{} events", kept.len());
        let bytes: usize = kept.iter().sum();
        assert!(bytes < 132 * 1_000, "{bytes} bytes");
    }
    drop(idle);
    assert_eq!(page.readers(), 0);
}

#[test]
fn readers_above_the_limit_get_an_error_until_one_leaves() {
    let page = Page::with_max_readers(Registry::new(), 2);
    let (first, _second) = (get(&page, "/events"), get(&page, "/events"));
    assert_eq!(first.status(), StatusCode::OK);
    let third = get(&page, "/events");
    assert_eq!(third.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(third.headers()[RETRY_AFTER], "5");
    assert_eq!(get(&page, "/").status(), StatusCode::OK);
    drop((first, third));
    assert_eq!(get(&page, "/events").status(), StatusCode::OK);
    page.close();
}

#[test]
fn closing_ends_all_streams() {
    let page = Page::manual(Registry::new());
    let mut stream = get(&page, "/events");
    event(&mut stream);
    assert_eq!(next(&mut stream), None);
    page.close();
    assert_eq!(next(&mut stream), Some(None));
    assert_eq!(
        get(&page, "/events").status(),
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert_eq!(get(&page, "/stats.json").status(), StatusCode::OK);
}

#[tokio::test]
async fn the_thread_takes_samples_by_itself() {
    let page = Page::new(Registry::new());
    let mut body = get(&page, "/events").into_body();
    for _ in 0..2 {
        body.frame().await.expect("an event").expect("infallible");
    }
    page.close();
    assert!(body.frame().await.is_none());
}
