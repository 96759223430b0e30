//! A database that answers, but with an error.

use antiphon_core::contract::{AppendOutcome, BackendErrorKind, MessageArchive, Record};
use mongodb::Client;
use mongodb::bson::{Document, doc};

use super::{Databases, chat, connect, room};

/// Makes the next answers to inserts be this.
async fn answer_inserts_with(databases: &Databases, times: i32, answer: Document) {
    let client = Client::with_uri_str(databases.server().url("admin")).await;
    let admin = client.unwrap().database("admin");
    let mut data = answer;
    data.insert("failCommands", vec!["insert"]);
    let command = doc! {
        "configureFailPoint": "failCommand",
        "mode": { "times": times },
        "data": data,
    };
    admin.run_command(command).await.unwrap();
}

async fn append(archive: &dyn MessageArchive, seq: u64) -> Result<AppendOutcome, BackendErrorKind> {
    let outcomes = archive.append(vec![record(seq)]).await;
    let mut outcomes = outcomes.map_err(|error| error.kind)?;
    Ok(outcomes.remove(0))
}

fn record(seq: u64) -> Record {
    chat(&room("hall"), seq)
}

#[tokio::test]
async fn a_write_that_no_majority_confirmed_is_not_acked() {
    let databases = Databases::of_own_server().await;
    let archive = connect(&databases.url()).await.archive();
    assert_eq!(append(&*archive, 1).await, Ok(AppendOutcome::Stored));
    let unconfirmed = doc! { "code": 64, "codeName": "WriteConcernTimeout", "errmsg": "waited" };
    let answer = doc! { "writeConcernError": unconfirmed };
    answer_inserts_with(&databases, 1, answer).await;
    // It was written, but nobody can say for how long.
    assert_eq!(append(&*archive, 2).await, Err(BackendErrorKind::Timeout));
    let again = append(&*archive, 2).await;
    let there = AppendOutcome::DuplicateClientId(Box::new(record(2)));
    assert_eq!(again, Ok(there));
    assert_eq!(append(&*archive, 3).await, Ok(AppendOutcome::Stored));
}

#[tokio::test]
async fn an_election_is_ridden_through_or_leaves_the_write_unknown() {
    let databases = Databases::of_own_server().await;
    let archive = connect(&databases.url()).await.archive();
    assert_eq!(append(&*archive, 1).await, Ok(AppendOutcome::Stored));
    // Not the primary; interrupted by an election; going down.
    for (code, seq) in [10_107, 11_602, 91].into_iter().zip(2..) {
        let answer = || doc! { "errorCode": code, "errorLabels": ["RetryableWriteError"] };
        answer_inserts_with(&databases, 1, answer()).await;
        assert_eq!(
            append(&*archive, seq).await,
            Ok(AppendOutcome::Stored),
            "{code}"
        );
    }
    let answer = doc! { "errorCode": 10_107, "errorLabels": ["RetryableWriteError"] };
    answer_inserts_with(&databases, 2, answer).await;
    assert_eq!(append(&*archive, 5).await, Err(BackendErrorKind::Timeout));
    assert_eq!(append(&*archive, 5).await, Ok(AppendOutcome::Stored));
    assert_eq!(archive.count().await.unwrap(), 5);
}

#[tokio::test]
async fn a_user_without_the_right_to_write_gets_a_certain_answer() {
    let databases = Databases::of_own_server().await;
    let archive = connect(&databases.url()).await.archive();
    assert_eq!(append(&*archive, 1).await, Ok(AppendOutcome::Stored));
    answer_inserts_with(&databases, 1, doc! { "errorCode": 13 }).await;
    assert_eq!(
        append(&*archive, 2).await,
        Err(BackendErrorKind::Unavailable)
    );
    assert_eq!(append(&*archive, 2).await, Ok(AppendOutcome::Stored));
}
