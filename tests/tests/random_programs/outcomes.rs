//! The types that callers, loads and the model exchange.

/// The end of a load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Value(u64),
    Missing,
    Error(u64),
    Panicked,
    /// Dropped before its end: it had no callers, or it timed out.
    Dropped,
    /// A computation that wrote nothing. Its waiters retry.
    WroteNothing,
}

impl End {
    /// Whether a waiter of a load with this end may get this result.
    pub(crate) const fn is_answered_with(self, answer: Answer) -> bool {
        match (self, answer) {
            (Self::Value(brought), Answer::Value(value)) => brought == value,
            (Self::Error(brought), Answer::Error(error)) => brought == error,
            (Self::Missing, Answer::Missing) | (Self::Panicked, Answer::Panicked) => true,
            // Methods without an error type panic.
            (Self::Dropped, Answer::TimedOut | Answer::Panicked) => true,
            _ => false,
        }
    }
}

/// The result that a caller got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Value(u64),
    Missing,
    Error(u64),
    Panicked,
    TimedOut,
}

/// The change that a computation wants.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wants {
    Value(u64),
    Removal,
    Nothing,
}

/// The results other than a value that a caller accepts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Accepts {
    pub(crate) missing: bool,
    pub(crate) errors: bool,
}

impl Accepts {
    pub(crate) const NOTHING: Self = Self {
        missing: false,
        errors: false,
    };
    pub(crate) const ALL: Self = Self {
        missing: true,
        errors: true,
    };
    pub(crate) const ERRORS: Self = Self {
        missing: false,
        errors: true,
    };

    pub(crate) const fn is_answered_by(self, end: End) -> bool {
        match end {
            End::Missing => self.missing,
            End::Error(_) => self.errors,
            _ => true,
        }
    }
}
