//! Embassy's clock, on the system timer of the core. A tick is a millisecond.

use core::cell::{Cell, RefCell};
use core::task::Waker;

use cortex_m::Peripherals;
use cortex_m::peripheral::syst::SystClkSource;
use cortex_m_rt::exception;
use critical_section::Mutex;
use embassy_time_driver::Driver;
use embassy_time_queue_utils::Queue;

/// The frequency of the core's clock, in kHz.
const CLOCK_KHZ: u32 = if cfg!(target_has_atomic = "ptr") {
    // The clock of mps2-an386. On lm3s6965evb, whose clock is slower, a tick takes two
    // milliseconds.
    25_000
} else {
    16_000
};

embassy_time_driver::time_driver_impl!(static CLOCK: Clock = Clock {
    now: Mutex::new(Cell::new(0)),
    queue: Mutex::new(RefCell::new(Queue::new())),
    hook: Mutex::new(Cell::new(None)),
    jitter: Mutex::new(Cell::new(None)),
});

struct Clock {
    now: Mutex<Cell<u64>>,
    queue: Mutex<RefCell<Queue>>,
    hook: Mutex<Cell<Option<fn(u64)>>>,
    /// The approximate interval of the interrupt in ticks, if it is not a millisecond, and the
    /// state of the random numbers.
    jitter: Mutex<Cell<Option<(u32, u32)>>>,
}

impl Driver for Clock {
    fn now(&self) -> u64 {
        critical_section::with(|token| self.now.borrow(token).get())
    }

    fn schedule_wake(&self, at: u64, waker: &Waker) {
        critical_section::with(|token| {
            let mut queue = self.queue.borrow_ref_mut(token);
            if queue.schedule_wake(at, waker) {
                queue.next_expiration(self.now.borrow(token).get());
            }
        });
    }
}

/// Calls `hook` from the clock's interrupt, with the time in milliseconds.
pub fn on_tick(hook: fn(u64)) {
    critical_section::with(|token| CLOCK.hook.borrow(token).set(Some(hook)));
}

/// Like [`on_tick`]. From now on the interval of the interrupt is random: between `ticks` of the
/// core's clock and twice as many.
pub fn on_tick_about_every(ticks: u32, hook: fn(u64)) {
    critical_section::with(|token| CLOCK.jitter.borrow(token).set(Some((ticks, 1))));
    on_tick(hook);
}

/// Sets the interval after the current one: the timer reloads at the next interrupt.
fn jitter() {
    let jitter = critical_section::with(|token| CLOCK.jitter.borrow(token).get());
    if let Some((ticks, state)) = jitter {
        // A linear congruential generator, from Numerical Recipes.
        let state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        critical_section::with(|token| CLOCK.jitter.borrow(token).set(Some((ticks, state))));
        // SAFETY: after `init` only interrupts that cannot preempt this one set the timer.
        let mut timer = unsafe { Peripherals::steal() }.SYST;
        timer.set_reload(ticks + (state >> 8) % ticks);
    }
}

pub(crate) fn init() {
    let mut timer = Peripherals::take().expect("`init` is called once").SYST;
    timer.set_clock_source(SystClkSource::Core);
    timer.set_reload(CLOCK_KHZ - 1);
    timer.clear_current();
    timer.enable_counter();
    timer.enable_interrupt();
}

#[exception]
fn SysTick() {
    let (now, hook) = critical_section::with(|token| {
        let now = CLOCK.now.borrow(token).get() + 1;
        CLOCK.now.borrow(token).set(now);
        CLOCK.queue.borrow_ref_mut(token).next_expiration(now);
        (now, CLOCK.hook.borrow(token).get())
    });
    jitter();
    if let Some(hook) = hook {
        hook(now);
    }
}
