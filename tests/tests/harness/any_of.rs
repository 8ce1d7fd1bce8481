//! One runtime type for several adapters, so that the contract is compiled once for all of them.

/// Defines `Rt`, the runtime under test: one of these adapters, on a mock clock. It counts its
/// tasks, and each task finds the runtime that spawned it through [`mock_time::runtime`].
macro_rules! any_of {
    ($flavor:ty, $lock:ident, $mutex:ident: $($name:ident($adapter:ty)),*) => {
        /// The runtime under test.
        #[derive(Debug, Clone)]
        pub struct Rt {
            adapter: Adapter,
            place: Place,
            clock: MockClock,
            tasks: Arc<AtomicUsize>,
        }

        #[derive(Debug, Clone)]
        enum Adapter {
            $($name($adapter)),*
        }

        /// A timer of the runtime under test.
        pub enum AnyTimer {
            $($name(<$adapter as Runtime>::Timer)),*
        }

        impl Rt {
            fn new(place: Place) -> Self {
                let clock = MockClock::new();
                Self {
                    adapter: place.adapter(clock.clone()),
                    place,
                    clock,
                    tasks: Arc::default(),
                }
            }
        }

        impl Runtime for Rt {
            type Flavor = $flavor;
            type Lock<T> = $lock<T>;
            type Mutex<T> = $mutex<T>;
            type Timer = AnyTimer;

            fn now(&self) -> Instant {
                match &self.adapter {
                    $(Adapter::$name(adapter) => adapter.now()),*
                }
            }

            fn timer(&self) -> Option<AnyTimer> {
                match &self.adapter {
                    $(Adapter::$name(adapter) => adapter.timer().map(AnyTimer::$name)),*
                }
            }

            fn spawn(&self, task: runtime::Task<Self>) -> Result<(), runtime::Task<Self>> {
                let counted = mock_time::Counted::new(&self.tasks);
                let inside = mock_time::inside(self.clone(), Self::delayed(task));
                let task: runtime::Task<Self> = Box::pin(async move {
                    inside.await;
                    drop(counted);
                });
                let spawned = match &self.adapter {
                    $(Adapter::$name(adapter) => adapter.spawn(task)),*
                };
                Self::after_spawn();
                spawned
            }

            fn executor(&self) -> Option<runtime::ExecutorId> {
                match &self.adapter {
                    $(Adapter::$name(adapter) => adapter.executor()),*
                }
            }

            fn transient_executor(&self) -> Option<runtime::ExecutorId> {
                match &self.adapter {
                    $(Adapter::$name(adapter) => adapter.transient_executor()),*
                }
            }

            fn end_check(&self) -> Option<runtime::EndCheck<Self>> {
                match &self.adapter {
                    $(Adapter::$name(adapter) => adapter.end_check()),*
                }
            }

            fn enter<T>(&self, f: impl FnOnce() -> T) -> T {
                match &self.adapter {
                    $(Adapter::$name(adapter) => adapter.enter(f)),*
                }
            }

            fn context<T>(&self, f: impl FnOnce(&runtime::Context) -> T) -> T {
                match &self.adapter {
                    $(Adapter::$name(adapter) => adapter.context(f)),*
                }
            }
        }

        impl runtime::Timer for AnyTimer {
            fn poll_until(&mut self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
                match self {
                    $(Self::$name(timer) => timer.poll_until(deadline, cx)),*
                }
            }

            fn is_usable(&self) -> bool {
                match self {
                    $(Self::$name(timer) => timer.is_usable()),*
                }
            }
        }
    };
}
