//! Which futures are polled, and when the task is woken.

use alloc::rc::Rc;
use alloc::vec;
use core::cell::RefCell;

use super::*;
use crate::sync::AtomicUsize;

/// A future that the test holds the other end of.
#[derive(Default)]
struct Probe {
    polls: usize,
    waker: Option<Waker>,
    output: Option<usize>,
    /// Whether each poll wakes its own waker.
    wakes_itself: bool,
}

#[derive(Clone, Default)]
struct Probed(Rc<RefCell<Probe>>);

impl Future for Probed {
    type Output = usize;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<usize> {
        let mut probe = self.0.borrow_mut();
        probe.polls += 1;
        probe.waker = Some(cx.waker().clone());
        if probe.wakes_itself {
            cx.waker().wake_by_ref();
        }
        probe.output.take().map_or(Poll::Pending, Poll::Ready)
    }
}

impl Probed {
    fn polls(&self) -> usize {
        self.0.borrow().polls
    }

    fn waker(&self) -> Waker {
        let waker = self.0.borrow().waker.clone();
        waker.expect("it was polled")
    }

    fn end(&self, output: usize) {
        self.0.borrow_mut().output = Some(output);
        self.waker().wake();
    }
}

/// The waker of a task, which counts.
#[derive(Default)]
struct Task(AtomicUsize);

impl Task {
    fn count(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl_wake!(Task, |task| task.count());

/// Several futures, the task that polls them, and those that are over.
struct Stage {
    has_siblings: Several<u32, Probed>,
    task: Arc<Task>,
    over: Vec<(u32, usize)>,
}

impl Stage {
    fn new() -> Self {
        Self {
            has_siblings: Several::new(),
            task: Arc::default(),
            over: Vec::new(),
        }
    }

    /// Polls what was woken, and then starts `new`, as a task does.
    fn poll(&mut self, new: &[(u32, &Probed)]) {
        let waker = Waker::from(Arc::clone(&self.task));
        let over = &mut self.over;
        let mut done = |(name, _, output): Done<u32, Probed, usize>| {
            let output = output.unwrap_or_else(|_| panic!("no future panics"));
            over.push((name, output));
        };
        let cx = Context::from_waker(&waker);
        self.has_siblings.poll_notified(&cx, &mut done);
        for (name, future) in new {
            self.has_siblings.start(*name, (*future).clone(), &mut done);
        }
    }

    fn wakes(&self) -> usize {
        self.task.0.load(Ordering::SeqCst)
    }
}

#[test]
fn a_future_is_polled_when_it_was_woken_and_not_when_another_was() {
    let (mut stage, probes) = (Stage::new(), [Probed::default(), Probed::default()]);
    stage.poll(&[(0, &probes[0]), (1, &probes[1])]);
    stage.poll(&[]);
    assert_eq!([probes[0].polls(), probes[1].polls()], [1, 1]);
    probes[1].waker().wake();
    stage.poll(&[]);
    assert_eq!([probes[0].polls(), probes[1].polls()], [1, 2]);
    probes[1].end(7);
    stage.poll(&[]);
    assert_eq!([probes[0].polls(), probes[1].polls()], [1, 3]);
    assert_eq!(stage.over, [(1, 7)]);
    assert_eq!(stage.has_siblings.len(), 1);
}

#[test]
fn many_wakes_are_one_wake_of_the_task_and_one_poll_of_each_future() {
    let (mut stage, probes) = (Stage::new(), [Probed::default(), Probed::default()]);
    stage.poll(&[(0, &probes[0]), (1, &probes[1])]);
    for _ in 0..3 {
        probes.iter().for_each(|probe| probe.waker().wake());
    }
    assert_eq!(stage.wakes(), 1);
    stage.poll(&[]);
    assert_eq!([probes[0].polls(), probes[1].polls()], [2, 2]);
    probes[0].waker().wake();
    assert_eq!(stage.wakes(), 2, "the next wake is a new one");
}

#[test]
fn a_future_that_wakes_itself_comes_back_through_the_executor() {
    let (mut stage, probe) = (Stage::new(), Probed::default());
    probe.0.borrow_mut().wakes_itself = true;
    stage.poll(&[(0, &probe)]);
    assert_eq!((probe.polls(), stage.wakes()), (1, 1));
    for polls in 2..5 {
        stage.poll(&[]);
        assert_eq!((probe.polls(), stage.wakes()), (polls, polls));
    }
}

#[test]
fn a_waker_of_a_future_that_is_over_wakes_nothing() {
    let (mut stage, probes) = (Stage::new(), [Probed::default(), Probed::default()]);
    stage.poll(&[(0, &probes[0])]);
    let old = probes[0].waker();
    probes[0].end(1);
    assert_eq!(stage.wakes(), 1);
    stage.poll(&[(1, &probes[1])]);
    old.wake();
    assert_eq!(stage.wakes(), 1);
    stage.poll(&[]);
    assert_eq!(probes[1].polls(), 1, "it took the place of the first");
}

/// The wake comes while the future is polled for the last time, so it is noted already.
#[test]
fn a_future_that_wakes_itself_at_its_end_wakes_no_other_in_its_place() {
    let (mut stage, probes) = (Stage::new(), [Probed::default(), Probed::default()]);
    probes[0].0.borrow_mut().wakes_itself = true;
    probes[0].0.borrow_mut().output = Some(1);
    stage.poll(&[(0, &probes[0]), (1, &probes[1])]);
    assert_eq!(stage.over, [(0, 1)]);
    stage.poll(&[]);
    assert_eq!(probes[1].polls(), 1);
    probes[1].end(2);
    stage.poll(&[]);
    assert_eq!(stage.over, [(0, 1), (1, 2)]);
}

#[test]
fn a_waker_that_outlives_the_futures_does_not_keep_the_task() {
    let (mut stage, probe) = (Stage::new(), Probed::default());
    stage.poll(&[(0, &probe)]);
    let waker = probe.waker();
    let Stage {
        has_siblings, task, ..
    } = stage;
    drop(has_siblings);
    assert_eq!(Arc::strong_count(&task), 1);
    waker.wake();
    assert_eq!(task.0.load(Ordering::SeqCst), 0);
}

#[test]
fn outputs_come_in_the_order_of_the_futures() {
    let probes: Vec<Probed> = (0..4).map(|_| Probed::default()).collect();
    let mut all = JoinAll::new(probes.iter().cloned());
    let task = Arc::new(Task::default());
    let waker = Waker::from(Arc::clone(&task));
    let mut cx = Context::from_waker(&waker);
    assert!(Pin::new(&mut all).poll(&mut cx).is_pending());
    for place in [2, 0, 3, 1] {
        probes[place].end(place * 10);
        let polled = Pin::new(&mut all).poll(&mut cx);
        if place == 1 {
            assert_eq!(polled, Poll::Ready(vec![0, 10, 20, 30]));
        } else {
            assert!(polled.is_pending());
        }
    }
    assert!(probes.iter().all(|probe| probe.polls() == 2));
}
