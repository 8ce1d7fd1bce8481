//! Counts instructions on mps2-an386, as `emulate.sh` runs it.

use cortex_m::Peripherals;
use cortex_m::peripheral::SYST;

/// The duration of an instruction and of a tick of the system timer, in nanoseconds.
const INSTRUCTION_NS: u32 = 64;
const TICK_NS: u32 = 40;

/// The number of instructions of one call of `f`, on average over `times` calls. Embassy's clock
/// stops meanwhile.
pub fn of_one(times: u32, mut f: impl FnMut()) -> u32 {
    count(|| (0..times).for_each(|_| f())) / times
}

/// The number of instructions of `f`, at most ten million. Embassy's clock stops meanwhile.
pub fn count(f: impl FnOnce()) -> u32 {
    const MAX_TICKS: u32 = 0x00FF_FFFF;
    // SAFETY: the timer has no other user at the moment, because its interrupt is off.
    let mut timer = unsafe { Peripherals::steal() }.SYST;
    timer.disable_interrupt();
    let reload = SYST::get_reload();
    timer.set_reload(MAX_TICKS);
    timer.clear_current();
    let before = SYST::get_current();
    f();
    let ticks = before.wrapping_sub(SYST::get_current()) & MAX_TICKS;
    timer.set_reload(reload);
    timer.clear_current();
    timer.enable_interrupt();
    (u64::from(ticks) * u64::from(TICK_NS) / u64::from(INSTRUCTION_NS)) as u32
}
