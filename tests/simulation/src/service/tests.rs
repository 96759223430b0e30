//! The contracts' suites on the simulated services, and what each fault does.

mod contracts;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, UNIX_EPOCH};

use super::{ServiceSettings, Services};

/// Runs a test on a host of a simulation.
fn on_a_host<F: Future<Output = ()> + 'static>(test: impl FnOnce(Services) -> F + 'static) {
    let mut sim = turmoil::Builder::new()
        .rng_seed(7)
        .epoch(UNIX_EPOCH + Duration::from_secs(1_750_000_000))
        .simulation_duration(Duration::from_secs(100_000))
        .tick_duration(Duration::from_millis(5))
        .build();
    let services = Services::new(7, ServiceSettings::default());
    let done = Rc::new(RefCell::new(false));
    let told = Rc::clone(&done);
    sim.client("a", async move {
        test(services).await;
        *told.borrow_mut() = true;
        Ok(())
    });
    sim.run().expect("the simulation goes through");
    assert!(*done.borrow());
}
