//! A limit to how often one place in the code may warn: while a store is away, every request
//! would.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use antiphon_core::clock;
use tracing::callsite::Identifier;
use tracing::{Event, Level, Metadata, Subscriber, warn};
use tracing_subscriber::layer::{Context, Filter};

/// So many warnings of one place are logged in a window.
const LINES_MAX: u64 = 10;
const WINDOW: Duration = Duration::from_secs(10);

/// A filter that lets the first few warnings (and errors) of each place through, and counts the
/// others until [`LogLimit::keep_telling`] tells how many they were. Less important lines are
/// not limited: whoever asked for them wants them.
#[derive(Debug, Clone, Default)]
pub struct LogLimit {
    // There are no more places than the code has.
    places: Arc<Mutex<HashMap<Identifier, Place>>>,
}

#[derive(Debug)]
struct Place {
    metadata: &'static Metadata<'static>,
    lines: u64,
}

impl LogLimit {
    /// Begins a window every ten seconds, and tells what the one before left out, for ever.
    pub async fn keep_telling(self) {
        let mut ticks = clock::interval(WINDOW);
        loop {
            ticks.tick().await;
            self.next_window();
        }
    }

    fn next_window(&self) {
        // Not while it is locked: what is told here comes back through the filter.
        let places =
            std::mem::take(&mut *self.places.lock().unwrap_or_else(PoisonError::into_inner));
        for Place { metadata, lines } in places.into_values() {
            let left_out = lines.saturating_sub(LINES_MAX);
            if left_out > 0 {
                let (file, line) = (metadata.file(), metadata.line());
                warn!(left_out, file, line, "warnings of one place were left out");
            }
        }
    }

    fn takes(&self, metadata: &'static Metadata<'static>) -> bool {
        if *metadata.level() > Level::WARN || metadata.target() == module_path!() {
            return true;
        }
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let place = places
            .entry(metadata.callsite())
            .or_insert(Place { metadata, lines: 0 });
        place.lines = place.lines.saturating_add(1);
        place.lines <= LINES_MAX
    }
}

impl<S: Subscriber> Filter<S> for LogLimit {
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        true
    }

    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        self.takes(event.metadata())
    }
}

#[cfg(test)]
mod tests;
