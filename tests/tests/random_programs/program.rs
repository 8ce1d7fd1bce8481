//! Random programs and their parts.

use std::time::Duration;

use cache_core::{BatchWindow, Ttl};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

/// The number of keys: so few that tasks use the same keys.
pub(crate) const KEYS: u32 = 3;

/// A cache, and tasks that use it concurrently.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    pub(crate) settings: Settings,
    pub(crate) tasks: Vec<Vec<Step>>,
}

#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) order: Order,
    pub(crate) capacity: Option<u64>,
    pub(crate) ttl: Option<u64>,
    pub(crate) tti: Option<u64>,
    pub(crate) timeout: Option<u64>,
    /// How long a scoped leader may leave its woken loader unpolled.
    pub(crate) takeover: Option<u64>,
    /// How long a missing value is remembered.
    pub(crate) negative_ttl: Option<u64>,
    pub(crate) error_ttl: Option<u64>,
    pub(crate) detach: bool,
    pub(crate) window: BatchWindow,
    pub(crate) batch: Load,
}

/// The order in which tasks run.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Order {
    FirstCome,
    Random(u64),
    /// First come first served, and no task can be spawned.
    WithoutSpawner,
}

/// A step of a task. No step calls `dispatch`, because the keys of a batch that is dispatched early
/// are not observable before its loader is called.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Get(u32),
    Peek(u32),
    Load(u32, Method, Load, Patience),
    Refresh(u32, Load, Patience),
    Batch(u32, Patience),
    /// A load on the thread of the task, with a loader that is ready at once.
    Blocking(u32, Load),
    /// A computation, which writes, removes, keeps the entry or panics, as the load ends.
    Compute(u32, Load, Life, Patience),
    Insert(u32, Life),
    SetTtl(u32, Life),
    Remove(u32),
    Invalidate(u32),
    InvalidateAll,
    Purge,
    Sleep(u64),
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Method {
    Plain,
    Fallible,
    Optional,
    Scoped,
    WithTtl(Life),
}

/// The duration of a load in milliseconds, and its result.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) takes: u64,
    pub(crate) ends: Ends,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ends {
    Value,
    Missing,
    Error,
    Panic,
}

/// The behavior of a waiting caller.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Patience {
    Waits,
    /// Is cancelled after this many milliseconds.
    Leaves(u64),
    /// Is not polled again for this many milliseconds.
    Stalls(u64),
}

/// The lifetime of an entry, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Life {
    Default,
    Never,
    After(u64),
}

impl Life {
    pub(crate) const fn ttl(self) -> Ttl {
        match self {
            Self::Default => Ttl::Default,
            Self::Never => Ttl::Never,
            Self::After(millis) => Ttl::After(Duration::from_millis(millis)),
        }
    }
}

/// The kind of program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kinds {
    Loads,
    Batches,
    SmallCapacity,
    /// Programs in which each miss starts or joins one load and gets its value.
    Answers,
}

impl Program {
    /// Whether each miss starts or joins one load and gets its result. Excludes loaders that end
    /// with their caller, that return no value, or that load although a value is stored.
    pub(crate) fn answers_each_miss_once(&self) -> bool {
        let settings = &self.settings;
        let bring_values = settings.batch.ends == Ends::Value && settings.timeout.is_none();
        bring_values && self.tasks.iter().flatten().all(Step::answers_once)
    }
}

impl Step {
    fn answers_once(&self) -> bool {
        match self {
            Self::Load(_, method, load, _) => {
                load.ends == Ends::Value && !matches!(method, Method::Scoped)
            }
            Self::Blocking(_, load) => load.ends == Ends::Value,
            Self::Refresh(..) | Self::Compute(..) => false,
            _ => true,
        }
    }
}

pub(crate) fn programs(kinds: Kinds) -> impl Strategy<Value = Program> {
    let tasks = vec(vec(steps(kinds), 1..8), 1..5);
    let program =
        (settings(kinds), tasks).prop_map(|(settings, tasks)| Program { settings, tasks });
    program.prop_map(move |mut program| {
        if kinds == Kinds::Answers {
            program.settings.batch.ends = Ends::Value;
            program.settings.timeout = None;
            let tasks = program.tasks.iter_mut().flatten();
            for step in tasks {
                if let Step::Load(_, _, load, _) | Step::Blocking(_, load) = step {
                    load.ends = Ends::Value;
                }
            }
            for steps in &mut program.tasks {
                steps.retain(Step::answers_once);
            }
        }
        program
    })
}

fn settings(kinds: Kinds) -> impl Strategy<Value = Settings> {
    let order = prop_oneof![
        Just(Order::FirstCome),
        Just(Order::WithoutSpawner),
        any::<u64>().prop_map(Order::Random),
    ];
    let capacity = match kinds {
        Kinds::SmallCapacity => (0_u64..3).prop_map(Some).boxed(),
        _ => Just(None).boxed(),
    };
    let window = prop_oneof![
        (0_u64..4).prop_map(|millis| BatchWindow::Fixed(Duration::from_millis(millis))),
        (0_u32..3).prop_map(BatchWindow::Yield),
    ];
    let lives = (option::of(1_u64..12), option::of(1_u64..8));
    let remembered = (option::of(1_u64..8), option::of(1_u64..8));
    let takeover = match kinds {
        // A waiter that takes a lead may fill a batch in the same poll, before the model knows.
        Kinds::Batches | Kinds::Answers => Just(None).boxed(),
        Kinds::Loads | Kinds::SmallCapacity => option::weighted(0.8, 1_u64..4).boxed(),
    };
    let limits = (option::of(1_u64..8), takeover);
    let times = (lives, limits, remembered);
    (order, capacity, times, any::<bool>(), window, loads()).prop_map(
        |(order, capacity, (lives, limits, remembered), detach, window, batch)| Settings {
            order,
            capacity,
            ttl: lives.0,
            tti: lives.1,
            timeout: limits.0,
            takeover: limits.1,
            negative_ttl: remembered.0,
            error_ttl: remembered.1,
            detach,
            window,
            batch,
        },
    )
}

fn steps(kinds: Kinds) -> impl Strategy<Value = Step> {
    if matches!(kinds, Kinds::Batches | Kinds::Answers) {
        let loads = (keys(), patience()).prop_map(|(key, patience)| Step::Batch(key, patience));
        prop_oneof![1 => loads, 2 => single_steps()].boxed()
    } else {
        single_steps().boxed()
    }
}

fn single_steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => keys().prop_map(Step::Get),
        1 => keys().prop_map(Step::Peek),
        8 => (keys(), methods(), loads(), patience()).prop_map(|(key, method, load, patience)| {
            Step::Load(key, method, load, patience)
        }),
        2 => (keys(), loads(), patience())
            .prop_map(|(key, load, patience)| Step::Refresh(key, load, patience)),
        2 => (keys(), loads(), lives(), patience()).prop_map(|(key, load, life, patience)| {
            Step::Compute(key, load, life, patience)
        }),
        1 => (keys(), loads()).prop_map(|(key, load)| Step::Blocking(key, load)),
        2 => (keys(), lives()).prop_map(|(key, life)| Step::Insert(key, life)),
        1 => (keys(), lives()).prop_map(|(key, life)| Step::SetTtl(key, life)),
        1 => keys().prop_map(Step::Remove),
        1 => keys().prop_map(Step::Invalidate),
        1 => Just(Step::InvalidateAll),
        1 => Just(Step::Purge),
        4 => (0_u64..6).prop_map(Step::Sleep),
    ]
}

fn keys() -> impl Strategy<Value = u32> {
    0..KEYS
}

fn methods() -> impl Strategy<Value = Method> {
    prop_oneof![
        1 => Just(Method::Plain),
        1 => Just(Method::Fallible),
        1 => Just(Method::Optional),
        2 => Just(Method::Scoped),
        1 => lives().prop_map(Method::WithTtl),
    ]
}

fn loads() -> impl Strategy<Value = Load> {
    let ends = prop_oneof![
        4 => Just(Ends::Value),
        1 => Just(Ends::Missing),
        1 => Just(Ends::Error),
        1 => Just(Ends::Panic),
    ];
    (0_u64..6, ends).prop_map(|(takes, ends)| Load { takes, ends })
}

fn patience() -> impl Strategy<Value = Patience> {
    prop_oneof![
        3 => Just(Patience::Waits),
        1 => (0_u64..6).prop_map(Patience::Leaves),
        1 => (0_u64..12).prop_map(Patience::Stalls),
    ]
}

fn lives() -> impl Strategy<Value = Life> {
    prop_oneof![
        2 => Just(Life::Default),
        1 => Just(Life::Never),
        2 => (0_u64..8).prop_map(Life::After),
    ]
}
