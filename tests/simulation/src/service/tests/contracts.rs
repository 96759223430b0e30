//! The contracts' suites.

use antiphon_core::conformance;
use antiphon_core::contract::Backends;

use super::on_a_host;
use crate::service::{ServiceSettings, Services};

/// Services of their own for each promise.
fn fresh() -> Backends {
    Services::new(11, ServiceSettings::default()).backends("a")
}

#[test]
fn the_coordinator_keeps_its_contract() {
    on_a_host(|_| conformance::coordinator::all(async || fresh().coordinator));
}

#[test]
fn the_server_directory_keeps_its_contract() {
    on_a_host(|_| conformance::server_directory::all(async || fresh().directory));
}

#[test]
fn the_session_registry_keeps_its_contract() {
    on_a_host(|_| conformance::session_registry::all(async || fresh().sessions));
}

#[test]
fn recent_messages_keep_their_contract() {
    on_a_host(|_| conformance::recent_messages::all(async || fresh().recent));
}

#[test]
fn the_word_ranking_keeps_its_contract() {
    on_a_host(|_| conformance::word_ranking::all(async || fresh().ranking));
}

#[test]
fn the_user_store_keeps_its_contract() {
    on_a_host(|_| conformance::user_store::all(async || fresh().users));
}

#[test]
fn the_room_store_keeps_its_contract() {
    on_a_host(|_| conformance::room_store::all(async || fresh().rooms));
}

#[test]
fn the_message_archive_keeps_its_contract() {
    on_a_host(|_| conformance::message_archive::all(async || fresh().archive));
}
