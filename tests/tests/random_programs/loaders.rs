//! Loaders and computations. They notify the model when they end.

use std::cell::RefCell;
use std::panic::resume_unwind;
use std::rc::Rc;
use std::time::Duration;

use cache_core::testing::VirtualRuntime;
use cache_core::{Computed, Loaded, Op, Ttl};

use crate::outcomes::{End, Wants};
use crate::program::{Ends, Load};
use crate::sequential_model::Model;

/// The result of a loader.
type Brought = Result<Option<u64>, u64>;

/// A running loader of one key. A batch loader may serve several loads of the key.
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

    /// Ends as planned. Notifies the model first, then returns the result to the cache.
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

    /// Ends a computation that saw `old`, as planned. Also returns the outcome that its caller must
    /// get.
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

    /// For a method that blocks its thread.
    pub(crate) fn blocking(self, mut load: Load) -> Result<u64, u64> {
        if load.ends == Ends::Missing {
            load.ends = Ends::Error;
        }
        let brought = self.end(load, Ttl::Default)?;
        Ok(brought.expect("the loader returns a value or an error"))
    }

    async fn run(self, load: Load, ttl: Ttl) -> Brought {
        self.runtime.sleep(Duration::from_millis(load.takes)).await;
        self.end(load, ttl)
    }

    fn end(self, load: Load, ttl: Ttl) -> Brought {
        let brought = self.bring(load, ttl);
        if load.ends == Ends::Panic {
            // Not `panic!`, which would run the panic hook.
            resume_unwind(Box::new("the loader panics"));
        }
        brought
    }

    /// For a method without errors and missing values.
    pub(crate) async fn value(self, mut load: Load) -> u64 {
        if load.ends != Ends::Panic {
            load.ends = Ends::Value;
        }
        let brought = self.run(load, Ttl::Default).await;
        brought.ok().flatten().expect("the loader returns a value")
    }

    pub(crate) async fn option(self, mut load: Load) -> Option<u64> {
        if load.ends == Ends::Error {
            load.ends = Ends::Missing;
        }
        self.run(load, Ttl::Default)
            .await
            .expect("the loader returns no error")
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
        Ok(brought.expect("the loader returns a value or an error"))
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
