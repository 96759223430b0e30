//! Known mistakes, one at a time, to see that the checkers catch each. Without the feature
//! `mutants`, as in every build that people use, [`is_on`] is `false` and costs nothing.

macro_rules! mutants {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// A known mistake.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Mutant { $($(#[$doc])* $name,)* }

        impl Mutant {
            /// Every mistake.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];
        }
    };
}

mutants! {
    /// A deposed leader goes on: what is taken by a newer epoch is written again behind it,
    /// frames of an older epoch are believed, and a refusal of the metadata is no reason to
    /// step down.
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

#[cfg(feature = "mutants")]
std::thread_local! {
    static ON: std::cell::Cell<Option<Mutant>> = const { std::cell::Cell::new(None) };
}

/// A mistake that is on in this thread until this is dropped.
#[cfg(feature = "mutants")]
#[derive(Debug)]
#[must_use = "the mistake is off again when this is dropped"]
pub struct Switched {
    before: Option<Mutant>,
    /// It belongs to its thread.
    _thread: std::marker::PhantomData<*const ()>,
}

#[cfg(feature = "mutants")]
impl Drop for Switched {
    fn drop(&mut self) {
        ON.set(self.before);
    }
}

/// Switches a mistake on for this thread, instead of another that was on.
#[cfg(feature = "mutants")]
pub fn switch(mutant: Mutant) -> Switched {
    Switched {
        before: ON.replace(Some(mutant)),
        _thread: std::marker::PhantomData,
    }
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
