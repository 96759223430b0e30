//! The conformance suites.

use antiphon_core::conformance;

use super::*;

macro_rules! suite {
    ($(#[$doc:meta])* $test:ident: $contract:ident, $part:ident) => {
        $(#[$doc])*
        #[tokio::test]
        async fn $test() {
            let server = RedisServer::start().await;
            let clients = tokio::sync::Mutex::new(Vec::new());
            conformance::$contract::all(async || {
                let client = connect(&server.url(), apart(RedisSettings::default())).await;
                let store = client.$part();
                clients.lock().await.push(client);
                store
            })
            .await;
        }
    };
}

suite! {
    /// Pitfall 81: a list that is not renewed ends.
    server_directory_keeps_its_promises: server_directory, directory
}
suite! {
    /// Pitfalls 45 and 46: entries of an ended registration don't count, also when they come late.
    session_registry_keeps_its_promises: session_registry, sessions
}
suite! {
    recent_messages_keep_their_promises: recent_messages, recent
}
suite! {
    /// Pitfall 98: words count by the time at which they were said.
    word_ranking_keeps_its_promises: word_ranking, ranking
}
