//! Support for a program on an emulated board: time, a counting heap, output and exit.

#![no_std]

pub mod heap;
pub mod instructions;
mod time;

use core::panic::PanicInfo;

use cortex_m_semihosting::debug;

pub use cortex_m_rt::entry;
pub use cortex_m_semihosting::hprintln;
pub use time::{on_tick, on_tick_about_every};

/// Starts the clock and the heap.
///
/// # Panics
/// If it is called twice.
pub fn init() {
    heap::init();
    time::init();
}

/// Ends the program, and the emulator with it.
pub fn exit(success: bool) -> ! {
    let status = if success {
        debug::EXIT_SUCCESS
    } else {
        debug::EXIT_FAILURE
    };
    loop {
        debug::exit(status);
    }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    #[cfg(feature = "report")]
    hprintln!("{}", info);
    let _ = info;
    exit(false)
}
