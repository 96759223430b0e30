//! How a run goes on: a bar on a terminal, a line now and then elsewhere. On standard error.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use antiphon_core::clock;
use indicatif::{ProgressBar, ProgressStyle};

use super::load::World;
use super::nemesis::Frame;
use crate::output;
use crate::seeding::show::grouped;

const STEP: Duration = Duration::from_millis(250);
/// Steps between two lines where there is no terminal.
const STEPS_A_LINE: u32 = 40;

/// Says what is being done.
pub(super) fn say(words: &str) {
    output::error_line(&format!("  {words}"));
}

fn state(world: &World) -> String {
    let shown = &world.shown;
    let count = |counter: &std::sync::atomic::AtomicU64| grouped(counter.load(Ordering::Relaxed));
    let fault = shown.fault.lock().expect("no holder panics");
    let separator = if fault.is_empty() { "" } else { "  now: " };
    format!(
        "sent {}  acked {}  delivered {}{separator}{fault}",
        count(&shown.sent),
        count(&shown.acked),
        count(&shown.delivered),
    )
}

/// Shows until the load ends.
pub(super) async fn show(frame: Frame, world: Arc<World>, duration: Duration) {
    let seconds = duration.as_secs();
    let bar = std::io::stderr().is_terminal().then(|| {
        let style = ProgressStyle::with_template("  {wide_bar} {pos} of {len} s  {msg}");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        ProgressBar::new(seconds).with_style(style)
    });
    let begun = clock::now();
    for step in 1_u32.. {
        tokio::select! {
            () = frame.load.stopping() => break,
            () = clock::sleep(STEP) => {}
        }
        let passed = clock::now().saturating_duration_since(begun).as_secs();
        match &bar {
            Some(bar) => {
                bar.set_position(passed.min(seconds));
                bar.set_message(state(&world));
            }
            None if step.is_multiple_of(STEPS_A_LINE) => {
                say(&format!("{passed} of {seconds} s: {}", state(&world)));
            }
            None => {}
        }
    }
    if let Some(bar) = bar {
        bar.abandon();
    }
}
