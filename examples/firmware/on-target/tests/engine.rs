//! Compares the engine, with no lock and no executor, with a naive model.

#![no_std]
#![no_main]

use core::time::Duration;

use board::hprintln;
use cache_core::machine::{Capacity, Effects, Engine, Entry, Instant, Settings, Ttl};

const KEYS: usize = 32;
const STEPS: u32 = 5_000;

/// Pseudo-random numbers: the linear congruential generator of Knuth's MMIX.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u32) -> u32 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as u32 % end
    }
}

fn the_engine_agrees_with_a_naive_model() {
    let capacity = Capacity::new(KEYS as u64);
    let mut engine: Engine<u32, u32> = Engine::new(Settings::default(), capacity);
    let mut model = [None; KEYS];
    let (mut fx, mut now, mut random) = (Effects::new(), Instant::ORIGIN, Random(1));
    for step in 0..STEPS {
        let key = random.below(KEYS as u32);
        fx.drain_removed().for_each(drop);
        match random.below(8) {
            0 => {
                let removed = engine.remove(key, &key, now, &mut fx);
                let known = model[key as usize].take();
                assert_eq!(
                    removed.map(|removed| removed.value),
                    known.map(|(value, _)| value)
                );
            }
            1..=3 => {
                let ttl = Duration::from_millis(u64::from(random.below(2_000)));
                let entry = Entry::new(key, step).ttl(Ttl::After(ttl));
                assert!(
                    engine.insert(key, entry, now, &mut fx).is_ok(),
                    "the entry fits"
                );
                let until = now.after(ttl);
                model[key as usize] = Some((step, until)).filter(|(_, until)| *until > now);
            }
            4 => {
                now = now.after(Duration::from_millis(u64::from(random.below(100))));
                for known in &mut model {
                    *known = known.filter(|(_, until)| *until > now);
                }
            }
            5 => {
                engine.purge_expired(now, 10, &mut fx);
            }
            _ => {
                let found = engine.get(key, &key, || now).copied();
                assert_eq!(
                    found,
                    model[key as usize].map(|(value, _)| value),
                    "step {step}"
                );
            }
        }
    }
    while !engine.purge_expired(now.after(Duration::from_secs(10)), 100, &mut fx) {}
    assert_eq!(engine.entry_count(), 0);
}

fn the_engine_evicts_only_at_its_capacity() {
    let mut engine: Engine<u32, u32> = Engine::new(Settings::default(), Capacity::new(8));
    let (mut fx, now) = (Effects::new(), Instant::ORIGIN);
    for key in 0..100 {
        assert!(
            engine
                .insert(key, Entry::new(key, key), now, &mut fx)
                .is_ok()
        );
        assert_eq!(engine.entry_count(), u64::from(key + 1).min(8));
    }
}

#[board::entry]
fn main() -> ! {
    board::init();
    the_engine_agrees_with_a_naive_model();
    the_engine_evicts_only_at_its_capacity();
    hprintln!("the engine agrees with a naive model in {} steps", STEPS);
    board::exit(true)
}
