//! Random operations on an engine.

use std::time::Duration;

use cache_core::machine::{EntryLimits, EvictionPolicy, FreshnessSettings, Settings, Ttl};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::op::{Case, End, Jump, Op, Read, Step};

/// Cases with all operations.
pub(crate) fn cases() -> impl Strategy<Value = Case> {
    cases_of(ops().prop_map(|op| Step { op, fuse: None }))
}

/// The same cases, with foreign code (comparisons of keys, and closures) that panics at times.
pub(crate) fn cases_with_panics() -> impl Strategy<Value = Case> {
    let fuse = prop_oneof![2 => Just(None), 1 => (0..4_u32).prop_map(Some)];
    cases_of((ops(), fuse).prop_map(|(op, fuse)| Step { op, fuse }))
}

fn cases_of(step: impl Strategy<Value = Step>) -> impl Strategy<Value = Case> {
    let capacity = prop_oneof![
        1 => Just(Some(0)),
        1 => Just(Some(1)),
        8 => (2..24_u64).prop_map(Some),
        2 => Just(None),
    ];
    let keys = prop_oneof![4 => 4..12_u8, 1 => Just(60)];
    let answers = option::of(0..6_usize);
    let all = (settings(), capacity, answers, keys, vec(step, 0..120));
    all.prop_map(|(settings, capacity, answers, keys, steps)| Case {
        settings,
        capacity,
        answers,
        keys,
        steps,
    })
}

fn settings() -> impl Strategy<Value = Settings> {
    let policy = prop_oneof![Just(EvictionPolicy::S3Fifo), Just(EvictionPolicy::Lru)];
    let limit = || prop_oneof![3 => Just(None), 3 => option::of(duration())];
    let times = (limit(), duration(), duration(), duration());
    let freshness = prop_oneof![2 => Just(None), 1 => times.prop_map(Some)];
    (limit(), limit(), policy, freshness).prop_map(|(ttl, tti, policy, freshness)| {
        let mut settings = Settings::default();
        settings.time_to_live = ttl;
        settings.time_to_idle = tti;
        settings.eviction_policy = policy;
        settings.freshness = freshness.map(|(after, stale, kept, pause)| {
            let mut freshness = FreshnessSettings::default();
            freshness.refresh_after = after;
            freshness.stale_while_revalidate = stale;
            freshness.stale_if_error = kept;
            // Equal bounds, so that the model knows each pause.
            freshness.backoff = (pause, pause);
            freshness
        });
        settings
    })
}

fn ops() -> impl Strategy<Value = Op> {
    let write = || (any::<u8>(), rating());
    let flight = any::<usize>;
    let reads = prop_oneof![
        2 => any::<u8>().prop_map(Op::Get),
        1 => any::<u8>().prop_map(Op::LookUp),
        4 => any::<u8>().prop_map(Op::GetMut),
        1 => any::<u8>().prop_map(Op::Peek),
        2 => any::<u8>().prop_map(Op::See),
    ];
    let writes = prop_oneof![
        12 => write().prop_map(|(key, rating)| Op::Insert(key, rating)),
        3 => write().prop_map(|(key, rating)| Op::InsertRated(key, rating)),
        2 => (write(), read()).prop_map(|((key, rating), read)| Op::Offer(key, rating, read)),
        2 => any::<u8>().prop_map(Op::Remove),
        1 => any::<u8>().prop_map(Op::Expire),
        2 => (any::<u8>(), ttl()).prop_map(|(key, ttl)| Op::SetTtl(key, ttl)),
        1 => flight().prop_map(Op::RemoveIfSame),
        2 => (flight(), ttl()).prop_map(|(seen, ttl)| Op::SetTtlIfSame(seen, ttl)),
    ];
    let loads = prop_oneof![
        6 => any::<u8>().prop_map(Op::Join),
        2 => any::<u8>().prop_map(Op::JoinFlight),
        1 => any::<u8>().prop_map(Op::Refresh),
        1 => any::<u8>().prop_map(Op::MarkStale),
        4 => (flight(), rating()).prop_map(|(flight, rating)| Op::Settle(flight, rating)),
        1 => (flight(), rating()).prop_map(|(flight, rating)| Op::SettleWrite(flight, rating)),
        1 => flight().prop_map(Op::SettleRemoval),
        4 => (flight(), end()).prop_map(|(flight, end)| Op::LoadEnd(flight, end)),
        1 => flight().prop_map(Op::Forget),
    ];
    let upkeep = prop_oneof![
        3 => (0..6_usize).prop_map(Op::HandleTimeout),
        1 => Just(Op::HandleTimeout(usize::MAX)),
        2 => Just(Op::PurgeAll),
        1 => (1..6_usize).prop_map(Op::CatchUp),
        2 => duration().prop_map(Op::Sleep),
        3 => jump().prop_map(Op::Clock),
    ];
    let rare = prop_oneof![
        1 => Just(Op::Clear),
        2 => (0..12_u64).prop_map(Op::EvictFor),
        2 => (0..12_u64).prop_map(Op::ExpireFor),
        4 => Just(Op::Compact),
        2 => (0..12_u64).prop_map(Op::GiveBack),
    ];
    prop_oneof![
        4 => reads.boxed(),
        8 => writes.boxed(),
        6 => loads.boxed(),
        4 => upkeep.boxed(),
        1 => rare.boxed(),
    ]
    .boxed()
}

fn rating() -> BoxedStrategy<EntryLimits> {
    let weight = prop_oneof![
        2 => Just(0),
        10 => Just(1),
        5 => 2..8_u32,
        1 => 8..40_u32,
        1 => Just(u32::MAX),
    ];
    (ttl(), weight, any::<bool>())
        .prop_map(|(ttl, weight, is_capped)| {
            let limits = EntryLimits::new(ttl, weight);
            if is_capped { limits.capped() } else { limits }
        })
        .boxed()
}

fn ttl() -> BoxedStrategy<Ttl> {
    prop_oneof![
        5 => Just(Ttl::Default),
        1 => Just(Ttl::Never),
        5 => duration().prop_map(Ttl::After),
    ]
    .boxed()
}

fn end() -> BoxedStrategy<End> {
    prop_oneof![
        Just(End::Missing),
        duration().prop_map(End::MissingFor),
        Just(End::Failed),
        duration().prop_map(End::FailedFor),
        Just(End::Dropped),
    ]
    .boxed()
}

fn read() -> BoxedStrategy<Read> {
    prop_oneof![
        Just(Read::Whenever),
        Just(Read::InThisEpoch),
        Just(Read::InTheLast),
    ]
    .boxed()
}

fn jump() -> BoxedStrategy<Jump> {
    prop_oneof![
        8 => duration().prop_map(Jump::Forward),
        4 => duration().prop_map(Jump::Back),
        1 => (0..3_u64).prop_map(Jump::End),
    ]
    .boxed()
}

/// Zero, some milliseconds, nanoseconds to centuries, or forever.
fn duration() -> BoxedStrategy<Duration> {
    let short = (0..16_u64 << 20).prop_map(Duration::from_nanos);
    let span = (any::<u64>(), 8..64_u32).prop_map(|(span, shift)| span >> shift);
    prop_oneof![
        1 => Just(Duration::ZERO),
        8 => short,
        4 => span.prop_map(Duration::from_nanos),
        1 => Just(Duration::MAX),
    ]
    .boxed()
}
