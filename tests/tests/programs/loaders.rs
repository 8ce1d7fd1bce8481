//! Loaders and computations, which tell the model when they end.

use std::cell::RefCell;
use std::panic::resume_unwind;
use std::rc::Rc;
use std::time::Duration;

use cache_core::testing::VirtualRuntime;
use cache_core::{Computed, Loaded, Op, Ttl};

use crate::model::Model;
use crate::program::{Ends, Load};
use crate::words::{End, Wants};

/// What a loader brings.
type Brought = Result<Option<u64>, u64>;

/// A loader that runs for loads of one key: several, if their batch is for several.
pub(crate) struct Running {
    runtime: VirtualRuntime,
    model: Rc<RefCell<Model>>,
    loads: Vec<usize>,
}

impl Running {
    pub(crate) const fn new(
        runtime: VirtualRuntime,
        model: Rc<RefCell<Model>>,
        loads: Vec<usize>,
    ) -> Self {
        Self {
            runtime,
            model,
            loads,
        }
    }

    /// Ends as it is to: says so to the model, and then to the cache.
    pub(crate) fn bring(mut self, load: Load, ttl: Ttl) -> Brought {
        let mut model = self.model.borrow_mut();
        let value = model.fresh_value();
        let (end, brought) = match load.ends {
            Ends::Value => (End::Value(value), Ok(Some(value))),
            Ends::Missing => (End::Missing, Ok(None)),
            Ends::Error => (End::Error(value), Err(value)),
            Ends::Panic => (End::Panicked, Ok(None)),
        };
        for number in std::mem::take(&mut self.loads) {
            model.end(number, end, ttl);
        }
        drop(model);
        brought
    }

    /// Ends as it is to, for a computation that saw `old`. Says what is to become of it, too.
    pub(crate) async fn compute(
        mut self,
        load: Load,
        ttl: Ttl,
        old: Option<u64>,
    ) -> (Op<u64>, Computed<u64>) {
        self.runtime.sleep(Duration::from_millis(load.takes)).await;
        let number = self.loads.pop().expect("a computation is of one key");
        let mut model = self.model.borrow_mut();
        let value = model.fresh_value();
        let (op, wants) = match load.ends {
            Ends::Value => {
                let op = Op::Put(Loaded::new(value).ttl(ttl));
                (op, Wants::Value(value))
            }
            Ends::Missing => (Op::Nop, Wants::Nothing),
            Ends::Error => (Op::Remove, Wants::Removal),
            Ends::Panic => {
                model.end(number, End::Panicked, ttl);
                drop(model);
                resume_unwind(Box::new("the computation panics"));
            }
        };
        (op, model.end_computation(number, (wants, ttl), old))
    }

    async fn run(self, load: Load, ttl: Ttl) -> Brought {
        self.runtime.sleep(Duration::from_millis(load.takes)).await;
        let brought = self.bring(load, ttl);
        if load.ends == Ends::Panic {
            // Not by `panic!`, whose hook reports every one.
            resume_unwind(Box::new("the loader panics"));
        }
        brought
    }

    /// For a method that has neither errors nor absence.
    pub(crate) async fn value(self, mut load: Load) -> u64 {
        if load.ends != Ends::Panic {
            load.ends = Ends::Value;
        }
        let brought = self.run(load, Ttl::Default).await;
        brought.ok().flatten().expect("it ends in a value")
    }

    pub(crate) async fn option(self, mut load: Load) -> Option<u64> {
        if load.ends == Ends::Error {
            load.ends = Ends::Missing;
        }
        self.run(load, Ttl::Default).await.expect("it has no error")
    }

    pub(crate) async fn result(self, load: Load) -> Result<u64, u64> {
        self.loaded_as(load, Ttl::Default).await
    }

    pub(crate) async fn loaded(self, load: Load, ttl: Ttl) -> Result<Loaded<u64>, u64> {
        let value = self.loaded_as(load, ttl).await?;
        Ok(Loaded::new(value).ttl(ttl))
    }

    async fn loaded_as(self, mut load: Load, ttl: Ttl) -> Result<u64, u64> {
        if load.ends == Ends::Missing {
            load.ends = Ends::Error;
        }
        let brought = self.run(load, ttl).await?;
        Ok(brought.expect("it ends in a value or an error"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        for load in std::mem::take(&mut self.loads) {
            self.model
                .borrow_mut()
                .end(load, End::Dropped, Ttl::Default);
        }
    }
}
