//! The contracts' suites.

use antiphon_core::conformance;
use antiphon_core::contract::Backends;

use super::{millis, on_a_host};
use crate::service::{ServiceSettings, Services};

/// Services of their own for each promise.
fn fresh() -> Backends {
    Services::new(11, ServiceSettings::default()).backends("a")
}

/// The same, so slow that calls overtake each other.
fn slow() -> Backends {
    let settings = ServiceSettings {
        latency: millis(1)..=millis(90),
        sync: millis(1)..=millis(120),
        ..ServiceSettings::default()
    };
    Services::new(12, settings).backends("a")
}

/// Runs a suite on both.
macro_rules! keeps {
    ($($test:ident: $suite:ident, $part:ident;)*) => {$(
        #[test]
        fn $test() {
            on_a_host(async |_| {
                conformance::$suite::all(async || fresh().$part).await;
                conformance::$suite::all(async || slow().$part).await;
            });
        }
    )*};
}

keeps! {
    the_coordinator_keeps_its_contract: coordinator, coordinator;
    the_server_directory_keeps_its_contract: server_directory, directory;
    the_session_registry_keeps_its_contract: session_registry, sessions;
    recent_messages_keep_their_contract: recent_messages, recent;
    the_word_ranking_keeps_its_contract: word_ranking, ranking;
    the_user_store_keeps_its_contract: user_store, users;
    the_room_store_keeps_its_contract: room_store, rooms;
    the_message_archive_keeps_its_contract: message_archive, archive;
}
