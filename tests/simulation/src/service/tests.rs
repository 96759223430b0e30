//! The contracts' suites on the simulated services, and what each fault does.

mod cache;
mod contracts;
mod coordinator;
mod links;
mod repetition;
mod store;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, UNIX_EPOCH};

use antiphon_core::clock;
use antiphon_core::contract::{
    AppendOutcome, BackendResult, Backends, NodeRecord, Record, RecordKind, body_hash,
};
use antiphon_protocol::{ClientId, ConversationId, MessageId, RoomName, UserName};

use super::{ServiceSettings, Services};

/// A simulation on a clock of its own.
fn simulation<'a>(seed: u64) -> turmoil::Sim<'a> {
    turmoil::Builder::new()
        .rng_seed(seed)
        .epoch(UNIX_EPOCH + Duration::from_secs(1_750_000_000))
        .simulation_duration(Duration::from_secs(100_000))
        .tick_duration(Duration::from_millis(5))
        .build()
}

/// Runs a test on a host of a simulation; what it returns.
fn seeded<T, F>(seed: u64, test: impl FnOnce(Services) -> F + 'static) -> T
where
    T: 'static,
    F: Future<Output = T> + 'static,
{
    let mut sim = simulation(seed);
    let services = Services::new(seed, ServiceSettings::default());
    let result = Rc::new(RefCell::new(None));
    let told = Rc::clone(&result);
    sim.client("a", async move {
        *told.borrow_mut() = Some(test(services).await);
        Ok(())
    });
    sim.run().expect("the simulation goes through");
    result.take().expect("the test has ended")
}

fn on_a_host<F: Future<Output = ()> + 'static>(test: impl FnOnce(Services) -> F + 'static) {
    seeded(7, test);
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// All is healed, and every host has had time to notice.
async fn heal(services: &Services) {
    services.faults().heal();
    clock::sleep(seconds(1)).await;
}

async fn timed<T>(call: impl Future<Output = T>) -> (T, Duration) {
    let begun = clock::now();
    let result = call.await;
    (result, begun.elapsed())
}

fn user(name: &str) -> UserName {
    UserName::parse(name).expect("a name")
}

fn hall() -> ConversationId {
    ConversationId::Room(RoomName::parse("hall").expect("a name"))
}

fn said(seq: u64, text: &str) -> Record {
    Record {
        conversation: hall(),
        seq,
        epoch: 1,
        kind: RecordKind::Chat,
        sender: user("ann"),
        client_id: ClientId::parse(text).expect("a client id"),
        message_id: MessageId(format!("id of {text}")),
        body_hash: body_hash("text", text),
        ts_ms: 1_750_000_000_000 + seq,
        format: "text".to_owned(),
        body: text.to_owned(),
    }
}

async fn append(backends: &Backends, seq: u64, text: &str) -> BackendResult<AppendOutcome> {
    let mut outcomes = backends.archive.append(vec![said(seq, text)]).await?;
    Ok(outcomes.remove(0))
}

async fn is_stored(backends: &Backends, text: &str) -> bool {
    let wanted = said(1, text);
    let Record {
        conversation,
        sender,
        client_id,
        ..
    } = &wanted;
    let found = backends.archive.find(conversation, sender, client_id);
    found.await.expect("an answer").is_some()
}

/// The texts of the log.
fn texts(services: &Services) -> Vec<String> {
    let records = services.records().into_iter();
    records.map(|record| record.body).collect()
}

fn server(name: &str) -> NodeRecord {
    NodeRecord {
        name: name.to_owned(),
        cluster_addr: format!("{name}:7000"),
        client_host: name.to_owned(),
        client_port: 8_000,
    }
}
