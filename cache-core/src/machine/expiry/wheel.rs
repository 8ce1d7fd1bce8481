//! The timer wheel: which token is due next, without a sorted structure.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::machine::list::{Links, List, Token, extend_to};
use crate::machine::time::Instant;

/// A hierarchical timing wheel: tokens hang in buckets that get finer as their deadline comes near.
///
/// After Varghese & Lauck, "Hashed and Hierarchical Timing Wheels" (SOSP 1987). Time is cut into
/// ticks of 1.05 ms; eight levels of 64 buckets cover all ticks that an [`Instant`]
/// can express, so nothing lies beyond the horizon. A deadline is rounded **up** to its tick: a
/// token is never popped early, and at most one tick late. Who needs to know exactly compares
/// [`Wheel::scheduled`] with the time.
///
/// Scheduling and cancelling are O(1). A token moves down a level at most seven times before it
/// is due: once or twice for a deadline a second away, four times for a day. Memory is 18 bytes a
/// token and half a kilobyte for each level in use; a wheel that was never used holds none.
///
/// Drive it so: sleep until [`Wheel::next_deadline`], call [`Wheel::advance`] until it returns
/// `None`, ask again. A call with nothing due is cheap and harmless. Where the budget ran out,
/// the next deadline lies in the past; any other call may come in between.
#[derive(Debug)]
pub(crate) struct Wheel {
    links: Links,
    /// [`Instant::FAR`] for a token that is not scheduled.
    deadlines: Vec<Instant>,
    /// Where each scheduled token hangs. The deadline alone does not tell: while a bucket is half
    /// emptied, of two tokens with the same deadline one may have moved down and one not.
    homes: Vec<Bucket>,
    /// One bit for each bucket that is not empty.
    occupied: [u64; LEVELS],
    lists: [Option<Box<[List; SLOTS]>>; LEVELS],
    /// The tick that buckets are chosen from. It never passes a bucket that is not empty.
    position: u64,
    /// The bucket that begins at the position, if one does: it may be half emptied.
    arrived: Option<Bucket>,
    /// The latest tick that has been reached; ahead of `position` when a budget ran out.
    now: u64,
    len: usize,
}

/// A token hangs at the level of the highest digit (base 64) in which its tick differs from the
/// position, in the slot which that digit names. So no digit of an occupied bucket is behind the
/// position's, and as long as the position passes none, no bucket depends on where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bucket {
    level: u8,
    slot: u8,
}

impl Wheel {
    /// The length of a tick, 1.05 ms: how late a token may be popped at worst.
    #[cfg(test)]
    const GRANULARITY: core::time::Duration = core::time::Duration::from_nanos(TICK);

    /// An empty wheel. Allocates nothing before the first token is scheduled.
    pub(crate) fn new() -> Self {
        Self {
            links: Links::default(),
            deadlines: Vec::new(),
            homes: Vec::new(),
            occupied: [0; LEVELS],
            lists: [const { None }; LEVELS],
            position: 0,
            arrived: None,
            now: 0,
            len: 0,
        }
    }

    /// Gives `token` the deadline `at`, in place of any it had; [`Instant::FAR`] takes it out.
    /// A deadline in the past is due at the next [`Wheel::advance`].
    pub(crate) fn schedule(&mut self, token: Token, at: Instant) {
        if at == Instant::FAR {
            return self.cancel(token);
        }
        let bucket = self.bucket_for(at);
        match self.bucket_of(token) {
            // What an idle expiry does at each hit: most often only the deadline changes.
            Some(home) if home == bucket => {}
            Some(home) => {
                self.unlink(token, home);
                self.link(token, bucket);
            }
            None => {
                self.grow(token);
                self.len += 1;
                self.link(token, bucket);
            }
        }
        self.deadlines[token.index()] = at;
    }

    /// Takes `token` out; nothing happens if it is not scheduled.
    pub(crate) fn cancel(&mut self, token: Token) {
        if let Some(home) = self.bucket_of(token) {
            self.unlink(token, home);
            self.deadlines[token.index()] = Instant::FAR;
            self.len -= 1;
        }
    }

    /// The deadline of `token`, as it was given.
    #[cfg_attr(not(target_os = "none"), inline)]
    pub(crate) fn scheduled(&self, token: Token) -> Option<Instant> {
        let at = *self.deadlines.get(token.index())?;
        (at != Instant::FAR).then_some(at)
    }

    /// How many tokens are scheduled.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    #[cfg_attr(not(target_os = "none"), inline)]
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// When [`Wheel::advance`] next has something to do: the instant, on a tick, at which a token
    /// can be popped, or before that at which one must move down. O(levels). [`Instant::FAR`] for
    /// what is due only when the clock ends.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.earliest().map(|(tick, _)| tick_start(tick))
    }

    /// Takes out one token whose tick has come, in the order of ticks.
    ///
    /// Every token popped or moved down takes one from `budget`. `None` with some budget left
    /// means that nothing is due. A `now` before the latest seen counts as the latest seen.
    /// O(levels) for each bucket visited, and no bucket is visited that does not use up budget,
    /// however far the clock jumped.
    pub(crate) fn advance(&mut self, now: Instant, budget: &mut usize) -> Option<Token> {
        self.now = self.now.max(ticks_passed(now));
        while *budget > 0 {
            let Some((tick, bucket)) = self.earliest().filter(|&(tick, _)| tick <= self.now) else {
                (self.position, self.arrived) = (self.now, None);
                return None;
            };
            (self.position, self.arrived) = (tick, Some(bucket));
            if bucket.level == 0 {
                let token = self.front(bucket)?;
                *budget -= 1;
                self.cancel(token);
                return Some(token);
            }
            self.cascade(bucket, budget);
        }
        None
    }

    /// Takes out the tokens whose deadline has passed in the tick in progress: they would be popped
    /// once it is over. To be called when [`Wheel::advance`] has nothing left to do.
    ///
    /// They all hang in one bucket, the one that begins with the next tick. O(tokens in it): those
    /// of one tick, but for the rare tick with which a coarser bucket begins.
    pub(crate) fn take_early(&mut self, now: Instant) -> Vec<Token> {
        let next = self.earliest().filter(|&(tick, _)| tick <= self.now + 1);
        let Some((_, bucket)) = next else {
            return Vec::new();
        };
        let passed = |token: &Token| self.deadlines[token.index()].has_passed(now);
        let early: Vec<_> = self.tokens_in(bucket).filter(passed).collect();
        for &token in &early {
            self.cancel(token);
        }
        early
    }

    /// Takes out every token. Memory and the latest time seen are kept.
    pub(crate) fn clear(&mut self) {
        for lists in self.lists.iter_mut().flatten() {
            **lists = [List::EMPTY; SLOTS];
        }
        self.occupied = [0; LEVELS];
        self.deadlines.clear();
        self.homes.clear();
        self.len = 0;
    }

    /// Bytes held on the heap.
    pub(crate) fn memory_used(&self) -> usize {
        self.links.memory_used()
            + self.deadlines.capacity() * size_of::<Instant>()
            + self.homes.capacity() * size_of::<Bucket>()
            + self.lists.iter().flatten().count() * size_of::<[List; SLOTS]>()
    }

    /// Checks that every scheduled token hangs once, where its deadline says.
    ///
    /// # Panics
    /// When an invariant is broken.
    pub(crate) fn validate(&self) {
        assert!(self.position <= self.now, "ahead of time");
        let hanging = Bucket::all().map(|bucket| self.validate_bucket(bucket));
        assert_eq!(hanging.sum::<usize>(), self.len, "tokens in buckets");
        let scheduled = self.deadlines.iter().filter(|at| **at != Instant::FAR);
        assert_eq!(scheduled.count(), self.len, "tokens with a deadline");
    }

    fn validate_bucket(&self, bucket: Bucket) -> usize {
        let begins_here = bucket.start(self.position) == self.position;
        let half_emptied = begins_here && self.arrived == Some(bucket);
        let mut count = 0;
        // One more than there can be: a chain bent into a circle ends, and is counted wrong.
        for token in self.tokens_in(bucket).take(self.len + 1) {
            let at = self.scheduled(token).expect("a deadline");
            let not_yet_moved = half_emptied && Bucket::at(bucket.level, due_tick(at)) == bucket;
            let in_place = not_yet_moved || self.bucket_for(at) == bucket;
            assert!(in_place, "{token:?} hangs astray");
            assert_eq!(self.homes[token.index()], bucket, "home of {token:?}");
            count += 1;
        }
        assert_eq!(self.is_occupied(bucket), count > 0, "bit of {bucket:?}");
        count
    }

    /// The occupied bucket that begins first, and the tick at which it does. Within a level that
    /// is the lowest slot, among levels the lowest: coarser ones hold what differs in a higher
    /// digit. Only a half-emptied bucket goes before the finer ones that it fills.
    fn earliest(&self) -> Option<(u64, Bucket)> {
        if let Some(half_emptied) = self.arrived.filter(|&bucket| self.is_occupied(bucket)) {
            return Some((self.position, half_emptied));
        }
        let row = self.occupied.iter().position(|slots| *slots != 0)?;
        let slot = self.occupied[row].trailing_zeros() as u8;
        let level = row as u8;
        let bucket = Bucket { level, slot };
        Some((bucket.start(self.position), bucket))
    }

    /// Moves tokens of `bucket`, where the position has arrived, to finer ones.
    fn cascade(&mut self, bucket: Bucket, budget: &mut usize) {
        while *budget > 0 {
            let Some(token) = self.front(bucket) else {
                return;
            };
            *budget -= 1;
            self.unlink(token, bucket);
            self.link(token, self.bucket_for(self.deadlines[token.index()]));
        }
    }

    fn bucket_for(&self, at: Instant) -> Bucket {
        let tick = due_tick(at).max(self.position);
        let highest_bit = ((tick ^ self.position) | 1).ilog2();
        Bucket::at((highest_bit / SLOT_BITS) as u8, tick)
    }

    fn bucket_of(&self, token: Token) -> Option<Bucket> {
        self.scheduled(token).map(|_| self.homes[token.index()])
    }

    fn is_occupied(&self, bucket: Bucket) -> bool {
        self.occupied[bucket.row()] & bucket.bit() != 0
    }

    fn tokens_in(&self, bucket: Bucket) -> impl Iterator<Item = Token> + '_ {
        let lists = self.lists[bucket.row()].iter();
        lists.flat_map(move |lists| self.links.iter(&lists[bucket.column()]))
    }

    fn front(&self, bucket: Bucket) -> Option<Token> {
        self.lists[bucket.row()].as_ref()?[bucket.column()].front()
    }

    fn link(&mut self, token: Token, bucket: Bucket) {
        let lists = &mut self.lists[bucket.row()];
        let lists = lists.get_or_insert_with(|| Box::new([List::EMPTY; SLOTS]));
        self.links.push_back(&mut lists[bucket.column()], token);
        self.occupied[bucket.row()] |= bucket.bit();
        self.homes[token.index()] = bucket;
    }

    fn unlink(&mut self, token: Token, bucket: Bucket) {
        let Some(lists) = &mut self.lists[bucket.row()] else {
            return;
        };
        let list = &mut lists[bucket.column()];
        self.links.remove(list, token);
        if list.is_empty() {
            self.occupied[bucket.row()] &= !bucket.bit();
        }
    }

    fn grow(&mut self, token: Token) {
        extend_to(&mut self.deadlines, token, Instant::FAR);
        extend_to(&mut self.homes, token, Bucket::at(0, 0));
    }
}

impl Bucket {
    /// The bucket of `level` that `tick` falls into.
    fn at(level: u8, tick: u64) -> Self {
        let slot = (tick >> (u32::from(level) * SLOT_BITS)) as usize % SLOTS;
        Self {
            level,
            slot: slot as u8,
        }
    }

    fn all() -> impl Iterator<Item = Self> {
        (0..LEVELS as u8).flat_map(|level| (0..SLOTS as u8).map(move |slot| Self { level, slot }))
    }

    /// The first tick of this bucket in the turn of its level that `position` is in.
    fn start(self, position: u64) -> u64 {
        let shift = u32::from(self.level) * SLOT_BITS;
        let turn = position >> shift >> SLOT_BITS << SLOT_BITS;
        (turn | u64::from(self.slot)) << shift
    }

    fn row(self) -> usize {
        usize::from(self.level)
    }

    fn column(self) -> usize {
        usize::from(self.slot)
    }

    fn bit(self) -> u64 {
        1 << self.slot
    }
}

/// The first tick at which a deadline at `at` has passed for certain.
fn due_tick(at: Instant) -> u64 {
    at.as_nanos().div_ceil(TICK)
}

/// The latest tick that has begun. The end of time begins one more, for the deadlines in the last
/// incomplete tick before it.
fn ticks_passed(now: Instant) -> u64 {
    match now {
        Instant::FAR => due_tick(now),
        now => now.as_nanos() / TICK,
    }
}

fn tick_start(tick: u64) -> Instant {
    Instant::from_nanos(tick.saturating_mul(TICK))
}

/// Nanoseconds. A power of two, so that division is a shift.
const TICK: u64 = 1 << 20;
const SLOT_BITS: u32 = 6;
const SLOTS: usize = 1 << SLOT_BITS;
/// 8 × 6 bits hold every tick: those of 64-bit nanoseconds need 44, and one more to round up.
const LEVELS: usize = 8;

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);
    const LAST: Instant = Instant::from_nanos(u64::MAX - 1);

    fn token(index: usize) -> Token {
        Token::from_index(index)
    }

    fn later(by: Duration) -> Instant {
        Instant::ORIGIN.after(by)
    }

    fn drain(wheel: &mut Wheel, now: Instant, mut budget: usize) -> Vec<usize> {
        let popped = core::iter::from_fn(|| wheel.advance(now, &mut budget));
        let popped = popped.map(Token::index).collect();
        wheel.validate();
        popped
    }

    #[test]
    fn a_token_is_popped_neither_early_nor_more_than_a_tick_late() {
        for nanos in [1, TICK - 1, TICK, TICK + 1, 3_600_000_000_000, u64::MAX / 2] {
            let mut wheel = Wheel::new();
            wheel.schedule(token(0), Instant::from_nanos(nanos));
            assert_eq!(drain(&mut wheel, Instant::from_nanos(nanos - 1), 99), []);
            let in_time = Instant::from_nanos(nanos + TICK - 1);
            assert_eq!(drain(&mut wheel, in_time, 99), [0]);
        }
    }

    #[test]
    fn tokens_come_in_the_order_of_their_deadlines_however_far_the_clock_jumps() {
        let mut wheel = Wheel::new();
        for (index, days) in [400, 1, 36_500, 30].into_iter().enumerate() {
            wheel.schedule(token(index), later(DAY * days));
        }
        assert_eq!(drain(&mut wheel, later(DAY * 200 * 365), 99), [1, 3, 0, 2]);
    }

    #[test]
    fn the_last_deadline_of_all_is_popped_at_the_end_of_time_and_not_before() {
        let mut wheel = Wheel::new();
        wheel.schedule(token(0), LAST);
        wheel.schedule(token(1), Instant::FAR);
        assert_eq!(drain(&mut wheel, Instant::from_nanos(u64::MAX - 2), 99), []);
        assert_eq!(drain(&mut wheel, Instant::FAR, 99), [0]);
        assert!(wheel.is_empty());
    }

    #[test]
    fn a_past_deadline_is_due_at_once_and_the_end_of_time_takes_out() {
        let mut wheel = Wheel::new();
        assert_eq!(drain(&mut wheel, later(DAY), 99), []);
        wheel.schedule(token(3), Instant::ORIGIN);
        wheel.schedule(token(4), Instant::ORIGIN);
        wheel.schedule(token(4), Instant::FAR);
        assert_eq!(wheel.scheduled(token(4)), None);
        assert_eq!(drain(&mut wheel, Instant::ORIGIN, 99), [3]);
    }

    #[test]
    fn a_half_emptied_bucket_accepts_every_change() {
        let mut wheel = Wheel::new();
        let soon = later(Duration::from_secs(100));
        (0..10).for_each(|index| wheel.schedule(token(index), soon));
        let start = wheel.next_deadline().unwrap();
        assert_eq!(drain(&mut wheel, start, 5), []);
        wheel.cancel(token(0));
        wheel.cancel(token(9));
        wheel.schedule(token(1), start);
        wheel.schedule(token(8), start);
        wheel.schedule(token(7), later(DAY));
        wheel.schedule(token(10), soon);
        assert_eq!(drain(&mut wheel, start, 99), [1, 8]);
        let mut rest = drain(&mut wheel, soon.after(Wheel::GRANULARITY), 99);
        rest.sort_unstable();
        assert_eq!(rest, [2, 3, 4, 5, 6, 10]);
        assert_eq!(drain(&mut wheel, later(DAY * 2), 99), [7]);
    }

    #[test]
    fn a_sleeper_who_follows_next_deadline_moves_one_token_at_each_of_few_wakes() {
        for (ttl, most) in [(DAY / 86_400, 3), (DAY, 6), (DAY * 36_500, 8)] {
            let mut wheel = Wheel::new();
            drain(&mut wheel, later(DAY * 1_000), 99);
            wheel.schedule(token(0), later(DAY * 1_000 + ttl));
            let mut budget = most;
            while let Some(at) = wheel.next_deadline() {
                let before = budget;
                wheel.advance(at, &mut budget);
                assert_eq!(budget, before - 1, "for {ttl:?}");
            }
        }
    }

    #[test]
    fn memory_is_taken_by_the_first_token_and_grows_no_more_with_use() {
        let mut wheel = Wheel::new();
        assert_eq!(wheel.memory_used(), 0);
        (0..100).for_each(|index| wheel.schedule(token(index), later(DAY)));
        drain(&mut wheel, later(DAY * 2), 999);
        let grown = wheel.memory_used();
        (0..100).for_each(|index| wheel.schedule(token(index), later(DAY * 3)));
        wheel.clear();
        wheel.validate();
        assert_eq!(wheel.next_deadline(), None);
        (0..100).for_each(|index| wheel.schedule(token(index), later(DAY * 3)));
        assert_eq!((wheel.memory_used(), wheel.len()), (grown, 100));
    }
}
