//! Known mistakes, one at a time, to see that the checkers catch each. Without the feature
//! `mutants`, as in every build that people use, [`is_on`] is `false` and costs nothing.

/// A known mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutant {
    /// A deposed leader goes on: what is taken by a newer epoch is written again behind it,
    /// and frames of an older epoch are believed.
    NoFence,
    /// A message is acknowledged and delivered before it is durable.
    AckBeforeCommit,
    /// The log does not know the client ids of what it holds.
    NoDedupeKey,
    /// Nobody tells where a conversation stands, so a lost delivery stays lost.
    NoPositioning,
    /// A client that sees a later message believes that it has all before it.
    CursorAtMaximum,
    /// What a client does not read is kept for it without a bound.
    UnboundedQueue,
}

impl Mutant {
    /// Every mistake.
    pub const ALL: &'static [Self] = &[
        Self::NoFence,
        Self::AckBeforeCommit,
        Self::NoDedupeKey,
        Self::NoPositioning,
        Self::CursorAtMaximum,
        Self::UnboundedQueue,
    ];
}

#[cfg(feature = "mutants")]
std::thread_local! {
    static ON: std::cell::Cell<Option<Mutant>> = const { std::cell::Cell::new(None) };
}

/// Switches a mistake on, or all off, for this thread.
#[cfg(feature = "mutants")]
pub fn switch(mutant: Option<Mutant>) {
    ON.set(mutant);
}

/// Whether a mistake is on.
#[cfg(feature = "mutants")]
pub fn is_on(mutant: Mutant) -> bool {
    ON.get() == Some(mutant)
}

/// Whether a mistake is on: never.
#[cfg(not(feature = "mutants"))]
pub const fn is_on(_mutant: Mutant) -> bool {
    false
}
