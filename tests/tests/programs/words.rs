//! What callers, loads and the model say to each other.

/// How a load ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Value(u64),
    Missing,
    Error(u64),
    Panicked,
    /// Before its end: nobody waited, or it took too long.
    Dropped,
    /// It was a computation that wrote nothing: who waited for it comes again.
    WroteNothing,
}

impl End {
    /// Whether who waited for a load that ended so may get this answer.
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

/// What a caller got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Value(u64),
    Missing,
    Error(u64),
    Panicked,
    TimedOut,
}

/// What a computation wants done.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wants {
    Value(u64),
    Removal,
    Nothing,
}

/// What else than a value is an answer to a caller.
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
