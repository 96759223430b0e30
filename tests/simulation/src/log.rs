//! The log of a run, with simulated time.

use std::fmt;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

struct Simulated;

impl FormatTime for Simulated {
    fn format_time(&self, w: &mut Writer<'_>) -> fmt::Result {
        let elapsed = turmoil::sim_elapsed().unwrap_or_default();
        write!(w, "{:>10.3}", elapsed.as_secs_f64())
    }
}

/// Writes what passes a filter (as of `tracing`) to the standard error output.
pub fn install(filter: &str) {
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_timer(Simulated)
        .with_ansi(false)
        .with_writer(std::io::stderr)
        .init();
}
