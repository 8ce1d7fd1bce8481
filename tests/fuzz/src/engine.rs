//! Compares the engine with the naive model of `cache-core/tests/engine_model`, with user code that
//! panics at times. After each call every result is compared, and every invariant is checked.

#![no_main]

mod input;
#[path = "../../../cache-core/tests/engine_model/mod.rs"]
mod model;

use arbitrary::{Result, Unstructured};
use cache_core::machine::{EntryLimits, EvictionPolicy, Settings, Ttl};
use libfuzzer_sys::{Corpus, fuzz_target};

use input::{span, steps};
use model::Pair;
use model::op::{Case, End, Jump, Op, Read, Step};

fuzz_target!(|bytes: &[u8]| -> Corpus {
    match case(&mut Unstructured::new(bytes)) {
        Ok(case) => Pair::try_out(&case),
        Err(_) => return Corpus::Reject,
    }
    Corpus::Keep
});

fn case(bytes: &mut Unstructured<'_>) -> Result<Case> {
    let mut settings = Settings::default();
    settings.time_to_live = limit(bytes)?;
    settings.time_to_idle = limit(bytes)?;
    settings.eviction_policy = *bytes.choose(&[EvictionPolicy::S3Fifo, EvictionPolicy::Lru])?;
    Ok(Case {
        settings,
        capacity: match bytes.int_in_range(0..=24)? {
            24 => None,
            capacity => Some(capacity),
        },
        answers: match bytes.int_in_range(0..=8)? {
            8 => None,
            answers => Some(answers),
        },
        keys: *bytes.choose(&[4, 8, 12, 60])?,
        steps: steps(bytes, step)?,
    })
}

fn limit(bytes: &mut Unstructured<'_>) -> Result<Option<std::time::Duration>> {
    let is_set = bytes.ratio(1, 3)?;
    is_set.then(|| span(bytes)).transpose()
}

fn step(bytes: &mut Unstructured<'_>) -> Result<Step> {
    let fuse = bytes.ratio(1, 4)?;
    let fuse = fuse.then(|| bytes.int_in_range(0..=3)).transpose()?;
    Ok(Step {
        op: op(bytes)?,
        fuse,
    })
}

fn op(bytes: &mut Unstructured<'_>) -> Result<Op> {
    Ok(match bytes.int_in_range(0..=38)? {
        0..=5 => Op::Insert(bytes.arbitrary()?, rating(bytes)?),
        6 => Op::InsertRated(bytes.arbitrary()?, rating(bytes)?),
        7 => {
            let reads = [Read::Whenever, Read::InThisEpoch, Read::InTheLast];
            Op::Offer(bytes.arbitrary()?, rating(bytes)?, *bytes.choose(&reads)?)
        }
        8 => Op::Get(bytes.arbitrary()?),
        9 => Op::LookUp(bytes.arbitrary()?),
        10..=11 => Op::GetMut(bytes.arbitrary()?),
        12 => Op::Peek(bytes.arbitrary()?),
        13 => Op::Remove(bytes.arbitrary()?),
        14 => Op::Expire(bytes.arbitrary()?),
        15 => Op::SetTtl(bytes.arbitrary()?, ttl(bytes)?),
        16 => Op::See(bytes.arbitrary()?),
        17 => Op::RemoveIfSame(index(bytes)?),
        18 => Op::SetTtlIfSame(index(bytes)?, ttl(bytes)?),
        19..=20 => Op::Join(bytes.arbitrary()?),
        21 => Op::JoinFlight(bytes.arbitrary()?),
        22 => Op::Refresh(bytes.arbitrary()?),
        23 => Op::Settle(index(bytes)?, rating(bytes)?),
        24 => Op::SettleWrite(index(bytes)?, rating(bytes)?),
        25 => Op::SettleRemoval(index(bytes)?),
        26 => Op::LoadEnd(index(bytes)?, end(bytes)?),
        27 => Op::Forget(index(bytes)?),
        28 => Op::HandleTimeout(bytes.int_in_range(0..=5)?),
        29 => Op::HandleTimeout(usize::MAX),
        30 => Op::PurgeAll,
        31 => Op::CatchUp(bytes.int_in_range(1..=5)?),
        32 => Op::Sleep(span(bytes)?),
        33 => Op::Clear,
        34 => Op::EvictFor(bytes.int_in_range(0..=11)?),
        35 => Op::GiveBack(bytes.int_in_range(0..=11)?),
        36 => Op::ExpireFor(bytes.int_in_range(0..=11)?),
        37 => Op::Compact,
        _ => Op::Clock(match bytes.int_in_range(0..=8)? {
            0..=4 => Jump::Forward(span(bytes)?),
            5..=7 => Jump::Back(span(bytes)?),
            _ => Jump::End(bytes.int_in_range(0..=2)?),
        }),
    })
}

/// An index into a short list.
fn index(bytes: &mut Unstructured<'_>) -> Result<usize> {
    Ok(bytes.arbitrary::<u8>()?.into())
}

fn rating(bytes: &mut Unstructured<'_>) -> Result<EntryLimits> {
    let weight = match bytes.int_in_range(0..=15)? {
        0..=7 => 1,
        8..=9 => 0,
        15 => u32::MAX,
        _ => bytes.int_in_range(2..=39)?,
    };
    let limits = EntryLimits::new(ttl(bytes)?, weight);
    Ok(if bytes.arbitrary()? {
        limits.capped()
    } else {
        limits
    })
}

fn ttl(bytes: &mut Unstructured<'_>) -> Result<Ttl> {
    Ok(match bytes.int_in_range(0..=4)? {
        0..=1 => Ttl::Default,
        2 => Ttl::Never,
        _ => Ttl::After(span(bytes)?),
    })
}

fn end(bytes: &mut Unstructured<'_>) -> Result<End> {
    Ok(match bytes.int_in_range(0..=4)? {
        0 => End::Missing,
        1 => End::MissingFor(span(bytes)?),
        2 => End::Failed,
        3 => End::FailedFor(span(bytes)?),
        _ => End::Dropped,
    })
}
