//! The indexes are made and looked at; without them there is no start.

use antiphon_core::contract::AppendOutcome;
use mongodb::bson::{Document, doc};
use mongodb::options::{Collation, IndexOptions};
use mongodb::{Client, Collection, Database, IndexModel};

use super::super::indexes::{INDEXES, Index};
use super::super::{ConnectError, IndexError, MongoSettings, MongoStore};
use super::{Databases, chat, connect, room};

/// The database behind a store's URL, for doing what an operator might.
async fn database(url: &str) -> Database {
    let client = Client::with_uri_str(url).await.unwrap();
    client.default_database().unwrap()
}

fn keys(index: &Index) -> Document {
    let keys = index.keys.iter();
    keys.map(|key| ((*key).to_owned(), 1.into())).collect()
}

async fn refusal(url: &str, settings: MongoSettings) -> IndexError {
    match MongoStore::connect(url, settings).await {
        Err(ConnectError::Index(error)) => error,
        other => panic!("{other:?}"),
    }
}

async fn make(collection: &Collection<Document>, keys: Document, options: IndexOptions) {
    let model = IndexModel::builder().keys(keys).options(options).build();
    collection.create_index(model).await.unwrap();
}

fn named(index: &Index) -> IndexOptions {
    let mut options = IndexOptions::default();
    options.name = Some(index.name.to_owned());
    options
}

fn uniques() -> impl Iterator<Item = &'static Index> {
    INDEXES.iter().filter(|index| index.unique)
}

/// Pitfall 86: they are made at the start.
#[tokio::test]
async fn every_index_is_made_and_a_second_start_finds_them() {
    let databases = Databases::start().await;
    let url = databases.url();
    connect(&url).await;
    let settings = MongoSettings {
        make_indexes: false,
        ..MongoSettings::default()
    };
    MongoStore::connect(&url, settings).await.unwrap();
    let database = database(&url).await;
    for index in INDEXES {
        let collection: Collection<Document> = database.collection(index.collection);
        let names = collection.list_index_names().await.unwrap();
        assert!(names.iter().any(|name| name == index.name), "{index:?}");
    }
}

#[tokio::test]
async fn a_missing_index_is_refused_or_made_again() {
    let databases = Databases::start().await;
    let url = databases.url();
    connect(&url).await;
    let database = database(&url).await;
    let settings = MongoSettings {
        make_indexes: false,
        ..MongoSettings::default()
    };
    for index in INDEXES {
        let collection: Collection<Document> = database.collection(index.collection);
        collection.drop_index(index.name).await.unwrap();
        let error = refusal(&url, settings).await;
        let IndexError::Missing {
            collection,
            index: missing,
        } = error
        else {
            panic!("{error:?}")
        };
        assert_eq!((collection, missing), (index.collection, index.name));
        connect(&url).await;
    }
}

#[tokio::test]
async fn an_index_that_is_not_unique_is_refused_by_name() {
    let databases = Databases::start().await;
    let url = databases.url();
    connect(&url).await;
    let database = database(&url).await;
    for index in uniques() {
        let collection: Collection<Document> = database.collection(index.collection);
        // Under its own name, and under another.
        for name in [index.name, "by_hand"] {
            collection.drop_index(index.name).await.unwrap();
            let mut options = named(index);
            options.name = Some(name.to_owned());
            make(&collection, keys(index), options).await;
            let error = refusal(&url, MongoSettings::default()).await.to_string();
            let told = [index.collection, name, "it is not unique"];
            assert!(told.iter().all(|word| error.contains(word)), "{error}");
            collection.drop_index(name).await.unwrap();
            connect(&url).await;
        }
    }
}

#[tokio::test]
async fn an_index_over_other_keys_or_a_part_or_with_a_collation_is_refused() {
    let databases = Databases::start().await;
    let url = databases.url();
    connect(&url).await;
    let index = uniques().next().unwrap();
    let database = database(&url).await;
    let collection: Collection<Document> = database.collection(index.collection);
    let unique = || {
        let mut options = named(index);
        options.unique = Some(true);
        options
    };
    let mut collated = unique();
    collated.collation = Some(Collation::builder().locale("en".to_owned()).build());
    let mut partial = unique();
    partial.partial_filter_expression = Some(doc! { "kind": 0 });
    let mut sparse = unique();
    sparse.sparse = Some(true);
    let cases = [
        (doc! { "conversation": 1 }, unique(), "its keys are"),
        (
            doc! { "seq": 1, "conversation": 1 },
            unique(),
            "its keys are",
        ),
        (
            doc! { "conversation": 1, "seq": -1 },
            unique(),
            "its keys are",
        ),
        (keys(index), collated, "collation"),
        (keys(index), partial, "a part of the documents"),
        (keys(index), sparse, "sparse"),
    ];
    for (keys, options, told) in cases {
        collection.drop_index(index.name).await.unwrap();
        make(&collection, keys, options).await;
        let error = refusal(&url, MongoSettings::default()).await;
        let text = error.to_string();
        assert!(matches!(error, IndexError::Differs { .. }), "{text}");
        assert!(text.contains(told) && text.contains("by_seq"), "{text}");
        collection.drop_index(index.name).await.unwrap();
        connect(&url).await;
    }
}

#[tokio::test]
async fn duplicates_are_refused_by_collection_and_index() {
    let databases = Databases::start().await;
    for index in uniques() {
        let url = databases.url();
        let database = database(&url).await;
        let collection: Collection<Document> = database.collection(index.collection);
        // Of equal keys in this index, and of others in the other unique ones.
        let others = uniques().filter(|other| other.collection == index.collection);
        let others: Vec<&str> = others.flat_map(|other| other.keys).copied().collect();
        let document = |number: i32| -> Document {
            let field = |key: &&str| {
                let value = if index.keys.contains(key) { 7 } else { number };
                ((*key).to_owned(), value.into())
            };
            others.iter().map(field).collect()
        };
        let documents = [document(1), document(2)];
        collection.insert_many(&documents).await.unwrap();
        let error = refusal(&url, MongoSettings::default()).await;
        let IndexError::Duplicates {
            collection,
            index: of,
            ..
        } = error
        else {
            panic!("{error:?}")
        };
        assert_eq!((collection, of), (index.collection, index.name));
    }
}

#[tokio::test]
async fn a_server_on_its_own_and_a_newer_database_are_refused() {
    let alone = antiphon_test_services::MongoServer::start_with(&["--standalone"]).await;
    let refused = MongoStore::connect(&alone.url("antiphon"), MongoSettings::default()).await;
    assert!(
        matches!(refused, Err(ConnectError::Standalone)),
        "{refused:?}"
    );
    let databases = Databases::of_own_server().await;
    let url = databases.url();
    let store = connect(&url).await;
    let outcome = store.archive().append(vec![chat(&room("hall"), 1)]).await;
    assert_eq!(outcome.unwrap(), [AppendOutcome::Stored]);
    let meta: Collection<Document> = database(&url).await.collection("meta");
    let newer = doc! { "$set": { "schema": 2_i64 } };
    meta.update_one(doc! {}, newer).await.unwrap();
    let refused = MongoStore::connect(&url, MongoSettings::default()).await;
    assert!(
        matches!(refused, Err(ConnectError::TooNew { found: 2 })),
        "{refused:?}"
    );
    databases.server().kill();
    let away = MongoStore::connect(&url, MongoSettings::default()).await;
    assert!(
        matches!(away, Err(ConnectError::Unreachable(_))),
        "{away:?}"
    );
    let nowhere = MongoStore::connect("mongodb://[::1", MongoSettings::default()).await;
    assert!(matches!(nowhere, Err(ConnectError::Url(_))), "{nowhere:?}");
}

#[tokio::test]
async fn a_wrong_password_is_told_from_a_database_that_is_away() {
    let server = antiphon_test_services::MongoServer::start_with(&["--auth"]).await;
    let admin = database(&server.url("admin")).await;
    let user = doc! {
        "createUser": "antiphon",
        "pwd": "right",
        "roles": [{ "role": "root", "db": "admin" }],
    };
    admin.run_command(user).await.unwrap();
    let url = |password: &str| {
        let address = server.address();
        format!("mongodb://antiphon:{password}@{address}/antiphon?authSource=admin")
    };
    let store = connect(&url("right")).await;
    store.health().await.unwrap();
    let outcome = store.archive().append(vec![chat(&room("hall"), 1)]).await;
    assert_eq!(outcome.unwrap(), [AppendOutcome::Stored]);
    let refused = MongoStore::connect(&url("wrong"), MongoSettings::default()).await;
    assert!(
        matches!(refused, Err(ConnectError::Login(_))),
        "{refused:?}"
    );
    let stranger = MongoStore::connect(&server.url("antiphon"), MongoSettings::default()).await;
    assert!(stranger.is_err());
    // What is told never has the password.
    let mut told = format!("{refused:?}");
    if let Err(error) = &refused {
        told += &antiphon_core::error_chain::ErrorChain(error).to_string();
    }
    assert!(!told.contains("wrong"), "{told}");
}
