//! Counts instructions on mps2-an386, as `emulate.sh` runs it.

use cortex_m::Peripherals;
use cortex_m::peripheral::SYST;

/// An instruction takes 64 ns, and the system timer counts every 40 ns.
const TICKS: (u32, u32) = (64, 40);

/// The number of instructions of one call of `f`, on average over `times` calls. The clock stops
/// meanwhile.
pub fn of_one(times: u32, mut f: impl FnMut()) -> u32 {
    count(|| (0..times).for_each(|_| f())) / times
}

/// The number of instructions of `f`, at most ten million. The clock stops meanwhile.
pub fn count(f: impl FnOnce()) -> u32 {
    const WHOLE: u32 = 0x00FF_FFFF;
    // SAFETY: the timer has no other user at the moment, because its interrupt is off.
    let mut timer = unsafe { Peripherals::steal() }.SYST;
    timer.disable_interrupt();
    let reload = SYST::get_reload();
    timer.set_reload(WHOLE);
    timer.clear_current();
    let before = SYST::get_current();
    f();
    let ticks = before.wrapping_sub(SYST::get_current()) & WHOLE;
    timer.set_reload(reload);
    timer.clear_current();
    timer.enable_interrupt();
    (u64::from(ticks) * u64::from(TICKS.1) / u64::from(TICKS.0)) as u32
}
