//! Which futures a set polls, and when it wakes its task.

use alloc::rc::Rc;
use alloc::vec;
use core::cell::RefCell;

use super::*;
use crate::sync::AtomicUsize;

/// A future that the test completes.
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
        waker.expect("the future was polled")
    }

    fn end(&self, output: usize) {
        self.0.borrow_mut().output = Some(output);
        self.waker().wake();
    }
}

/// The waker of a task, which counts its wakes.
#[derive(Default)]
struct Task(AtomicUsize);

impl Task {
    fn count(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl_wake!(Task, |task| task.count());

/// A set of futures, the task that polls it, and the finished futures.
struct Harness {
    set: PollSet<u32, Probed>,
    task: Arc<Task>,
    finished: Vec<(u32, usize)>,
}

impl Harness {
    fn new() -> Self {
        Self {
            set: PollSet::new(),
            task: Arc::default(),
            finished: Vec::new(),
        }
    }

    /// Polls the woken futures and then adds `new`, as a task does.
    fn poll(&mut self, new: &[(u32, &Probed)]) {
        let waker = Waker::from(Arc::clone(&self.task));
        let finished = &mut self.finished;
        let mut done = |(tag, _, output): Finished<u32, Probed, usize>| {
            let output = output.unwrap_or_else(|_| panic!("no future panics"));
            finished.push((tag, output));
        };
        let cx = Context::from_waker(&waker);
        self.set.poll_notified(&cx, &mut done);
        for (tag, future) in new {
            self.set.push(*tag, (*future).clone(), &mut done);
        }
    }

    fn wakes(&self) -> usize {
        self.task.0.load(Ordering::SeqCst)
    }
}

#[test]
fn a_wake_polls_only_the_future_that_was_woken() {
    let (mut harness, probes) = (Harness::new(), [Probed::default(), Probed::default()]);
    harness.poll(&[(0, &probes[0]), (1, &probes[1])]);
    harness.poll(&[]);
    assert_eq!([probes[0].polls(), probes[1].polls()], [1, 1]);
    probes[1].waker().wake();
    harness.poll(&[]);
    assert_eq!([probes[0].polls(), probes[1].polls()], [1, 2]);
    probes[1].end(7);
    harness.poll(&[]);
    assert_eq!([probes[0].polls(), probes[1].polls()], [1, 3]);
    assert_eq!(harness.finished, [(1, 7)]);
    assert_eq!(harness.set.len(), 1);
}

#[test]
fn many_wakes_wake_the_task_once_and_poll_each_future_once() {
    let (mut harness, probes) = (Harness::new(), [Probed::default(), Probed::default()]);
    harness.poll(&[(0, &probes[0]), (1, &probes[1])]);
    for _ in 0..3 {
        probes.iter().for_each(|probe| probe.waker().wake());
    }
    assert_eq!(harness.wakes(), 1);
    harness.poll(&[]);
    assert_eq!([probes[0].polls(), probes[1].polls()], [2, 2]);
    probes[0].waker().wake();
    assert_eq!(
        harness.wakes(),
        2,
        "a wake after the poll wakes the task again"
    );
}

#[test]
fn a_future_that_wakes_itself_is_polled_in_the_next_poll_of_the_task() {
    let (mut harness, probe) = (Harness::new(), Probed::default());
    probe.0.borrow_mut().wakes_itself = true;
    harness.poll(&[(0, &probe)]);
    assert_eq!((probe.polls(), harness.wakes()), (1, 1));
    for polls in 2..5 {
        harness.poll(&[]);
        assert_eq!((probe.polls(), harness.wakes()), (polls, polls));
    }
}

#[test]
fn the_waker_of_a_finished_future_wakes_nothing() {
    let (mut harness, probes) = (Harness::new(), [Probed::default(), Probed::default()]);
    harness.poll(&[(0, &probes[0])]);
    let old = probes[0].waker();
    probes[0].end(1);
    assert_eq!(harness.wakes(), 1);
    harness.poll(&[(1, &probes[1])]);
    old.wake();
    assert_eq!(harness.wakes(), 1);
    harness.poll(&[]);
    assert_eq!(
        probes[1].polls(),
        1,
        "the second future reuses the slot of the first"
    );
}

/// The future wakes itself in its last poll, so its index is queued when its slot is reused.
#[test]
fn a_wake_of_a_finished_future_does_not_poll_the_next_in_its_slot() {
    let (mut harness, probes) = (Harness::new(), [Probed::default(), Probed::default()]);
    probes[0].0.borrow_mut().wakes_itself = true;
    probes[0].0.borrow_mut().output = Some(1);
    harness.poll(&[(0, &probes[0]), (1, &probes[1])]);
    assert_eq!(harness.finished, [(0, 1)]);
    harness.poll(&[]);
    assert_eq!(probes[1].polls(), 1);
    probes[1].end(2);
    harness.poll(&[]);
    assert_eq!(harness.finished, [(0, 1), (1, 2)]);
}

#[test]
fn a_waker_that_outlives_the_set_does_not_keep_the_task_alive() {
    let (mut harness, probe) = (Harness::new(), Probed::default());
    harness.poll(&[(0, &probe)]);
    let waker = probe.waker();
    let Harness { set, task, .. } = harness;
    drop(set);
    assert_eq!(Arc::strong_count(&task), 1);
    waker.wake();
    assert_eq!(task.0.load(Ordering::SeqCst), 0);
}

#[test]
fn outputs_are_in_the_order_of_the_futures() {
    let probes: Vec<Probed> = (0..4).map(|_| Probed::default()).collect();
    let mut all = JoinAll::new(probes.iter().cloned());
    let task = Arc::new(Task::default());
    let waker = Waker::from(Arc::clone(&task));
    let mut cx = Context::from_waker(&waker);
    assert!(Pin::new(&mut all).poll(&mut cx).is_pending());
    for index in [2, 0, 3, 1] {
        probes[index].end(index * 10);
        let polled = Pin::new(&mut all).poll(&mut cx);
        if index == 1 {
            assert_eq!(polled, Poll::Ready(vec![0, 10, 20, 30]));
        } else {
            assert!(polled.is_pending());
        }
    }
    assert!(probes.iter().all(|probe| probe.polls() == 2));
}
