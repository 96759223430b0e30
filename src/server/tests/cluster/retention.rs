//! A page that is read while its first messages are removed.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use antiphon_core::contract::{Coordinator, Record};
use antiphon_protocol::ConversationId;
use antiphon_protocol::client::Visibility;
use serde_json::json;

use super::{Client, HALL, Plan, TestCluster};
use crate::server::tests::support::archive::FaultyArchive;
use crate::server::tests::support::{record, room, stores};

#[tokio::test(flavor = "multi_thread")]
async fn a_page_never_claims_to_be_complete_without_its_first_messages() {
    let mut stores = stores().await;
    stores.add_users(&["alice"]).await;
    stores.add_room(HALL, Visibility::Public, &["alice"]).await;
    let hall = ConversationId::Room(room(HALL));
    let records = |seqs: std::ops::RangeInclusive<u64>| -> Vec<Record> {
        seqs.map(|seq| record(&hall, seq, 1, &format!("m{seq}")))
            .collect()
    };
    let archive = FaultyArchive::new(&stores.backends.archive);
    stores.backends.archive = Arc::clone(&archive) as Arc<_>;
    let inner = Arc::clone(&archive);
    let coordinator: Arc<dyn Coordinator> = Arc::new(stores.coordinator.clone());
    let cluster = TestCluster::start_on(Plan::default(), stores, vec![coordinator]).await;
    let mut client = Client::login(cluster.client_addr("n1"), "alice").await;
    let mut last = 0;
    for data in [json!({ "afterSeq": 0 }), json!({})] {
        let archive = &cluster.stores.backends.archive;
        let more = records(last + 1..=last + 10);
        archive.append(more).await.unwrap();
        last += 10;
        inner.trims_between.store(true, Ordering::Relaxed);
        let mut data = data;
        data["conversation"] = json!("room:hall");
        data["limit"] = json!(50);
        let answer = client.ask("history", data).await.unwrap();
        let page = &answer["data"];
        assert_eq!(page["complete"], false, "{answer}");
        assert_eq!(page["firstAvailableSeq"], last, "{answer}");
        assert_eq!(page["messages"].as_array().unwrap().len(), 1, "{answer}");
    }
    cluster.stop().await;
}
