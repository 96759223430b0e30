//! The indexes: made at the start if they are absent, and looked at afterwards. Uniqueness
//! is what keeps the promises, so it is never assumed: a database whose index is missing, not
//! unique, over other keys, over a part of the documents or with a collation is refused.

use futures_util::TryStreamExt;
use mongodb::bson::{Bson, Document};
use mongodb::error::Error;
use mongodb::options::{Collation, IndexOptions};
use mongodb::{Collection, Database, IndexModel};

use super::failure::command_code;

/// The collection of a listing is not there.
const NAMESPACE_NOT_FOUND: i32 = 26;
/// Documents of equal keys are there, so a unique index can't be built.
const DUPLICATE_KEY: i32 = 11_000;

/// An index that the store relies on.
#[derive(Debug)]
pub(super) struct Index {
    pub(super) collection: &'static str,
    pub(super) name: &'static str,
    pub(super) keys: &'static [&'static str],
    pub(super) unique: bool,
}

const fn unique(
    collection: &'static str,
    name: &'static str,
    keys: &'static [&'static str],
) -> Index {
    Index {
        collection,
        name,
        keys,
        unique: true,
    }
}

const fn plain(
    collection: &'static str,
    name: &'static str,
    keys: &'static [&'static str],
) -> Index {
    Index {
        collection,
        name,
        keys,
        unique: false,
    }
}

/// Every index; all keys ascending.
pub(super) const INDEXES: &[Index] = &[
    unique("messages", "by_seq", &["conversation", "seq"]),
    unique(
        "messages",
        "by_client_id",
        &["conversation", "sender", "client_id"],
    ),
    plain("messages", "by_word", &["conversation", "words", "seq"]),
    plain("messages", "by_time", &["kind", "ts_ms", "seq"]),
    unique("conversations", "by_key", &["key"]),
    plain("conversations", "by_user", &["users", "key"]),
    unique("users", "by_name", &["name"]),
    unique("users", "by_skeleton", &["skeleton"]),
    unique("tokens", "by_hash", &["hash"]),
    plain("tokens", "by_family", &["family"]),
    plain("tokens", "by_user", &["user", "family"]),
    plain("tokens", "by_expiry", &["expires_at_ms"]),
    unique("rooms", "by_name", &["name"]),
    unique("rooms", "by_skeleton", &["skeleton"]),
    unique("room_members", "by_room", &["room", "user"]),
    plain("room_members", "by_user", &["user", "room"]),
    unique("read_cursors", "by_user", &["user", "conversation"]),
];

/// Why the indexes of a database can't be relied on.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// It is not there.
    #[error("the index {index} of the collection {collection} is missing")]
    Missing {
        /// The collection.
        collection: &'static str,
        /// The index.
        index: &'static str,
    },
    /// It is there, but it is another.
    #[error(
        "the index {index} of the collection {collection} can't be relied on: {difference}; \
         drop it and start again"
    )]
    Differs {
        /// The collection.
        collection: &'static str,
        /// The index, by the name that it has in the database.
        index: String,
        /// In what.
        difference: String,
    },
    /// A unique index can't be made over documents of equal keys.
    #[error(
        "the collection {collection} has documents of equal keys, so that its unique index \
         {index} can't be made"
    )]
    Duplicates {
        /// The collection.
        collection: &'static str,
        /// The index.
        index: &'static str,
        /// The server's words.
        #[source]
        source: Error,
    },
    /// It can't be made.
    #[error("the index {index} of the collection {collection} can't be made")]
    Build {
        /// The collection.
        collection: &'static str,
        /// The index.
        index: &'static str,
        /// The server's words.
        #[source]
        source: Error,
    },
    /// They can't be listed.
    #[error("the indexes of the collection {collection} can't be listed")]
    List {
        /// The collection.
        collection: &'static str,
        /// The server's words.
        #[source]
        source: Error,
    },
}

/// Makes the indexes that are absent, if `make`, and checks all of them.
pub(super) async fn ensure(database: &Database, make: bool) -> Result<(), IndexError> {
    let mut collections: Vec<&'static str> = INDEXES.iter().map(|index| index.collection).collect();
    collections.dedup();
    for name in collections {
        let collection: Collection<Document> = database.collection(name);
        let wanted = || INDEXES.iter().filter(|index| index.collection == name);
        let mut found = list(&collection, name).await?;
        let absent: Vec<&Index> = wanted()
            .filter(|index| find(index, &found).is_none())
            .collect();
        if make && !absent.is_empty() {
            // One after the other, so that an error is of one index.
            for index in absent {
                build(&collection, index).await?;
            }
            found = list(&collection, name).await?;
        }
        wanted().try_for_each(|index| check(index, &found))?;
    }
    Ok(())
}

async fn list(
    collection: &Collection<Document>,
    name: &'static str,
) -> Result<Vec<IndexModel>, IndexError> {
    let listing = async { collection.list_indexes().await?.try_collect().await };
    match listing.await {
        Ok(found) => Ok(found),
        Err(error) if command_code(&error) == Some(NAMESPACE_NOT_FOUND) => Ok(Vec::new()),
        Err(source) => Err(IndexError::List {
            collection: name,
            source,
        }),
    }
}

async fn build(collection: &Collection<Document>, index: &Index) -> Result<(), IndexError> {
    // A collection may have a collation of its own, which its indexes would take.
    let options = IndexOptions::builder()
        .name(index.name.to_owned())
        .unique(index.unique.then_some(true))
        .collation(Collation::builder().locale("simple".to_owned()).build())
        .build();
    let keys = index
        .keys
        .iter()
        .map(|key| ((*key).to_owned(), Bson::Int32(1)));
    let model = IndexModel::builder()
        .keys(keys.collect::<Document>())
        .options(options)
        .build();
    let (collection_name, name) = (index.collection, index.name);
    match collection.create_index(model).await {
        Ok(_) => Ok(()),
        Err(source) if command_code(&source) == Some(DUPLICATE_KEY) => {
            Err(IndexError::Duplicates {
                collection: collection_name,
                index: name,
                source,
            })
        }
        Err(source) => Err(IndexError::Build {
            collection: collection_name,
            index: name,
            source,
        }),
    }
}

/// The index over the wanted keys, whatever its name, or else the one of the wanted name.
fn find<'f>(index: &Index, found: &'f [IndexModel]) -> Option<&'f IndexModel> {
    let by_keys = found.iter().find(|model| has_keys(model, index));
    by_keys.or_else(|| found.iter().find(|model| name(model) == Some(index.name)))
}

fn name(model: &IndexModel) -> Option<&str> {
    model.options.as_ref()?.name.as_deref()
}

/// Whether the keys are the wanted ones, in their order, all ascending.
fn has_keys(model: &IndexModel, index: &Index) -> bool {
    // Servers tell directions in numbers of any type.
    let ascending = |direction: &Bson| {
        matches!(direction, Bson::Int32(1) | Bson::Int64(1))
            || matches!(direction, Bson::Double(number) if *number == 1.0)
    };
    model.keys.len() == index.keys.len()
        && model
            .keys
            .iter()
            .zip(index.keys)
            .all(|((key, direction), wanted)| key == wanted && ascending(direction))
}

fn check(index: &Index, found: &[IndexModel]) -> Result<(), IndexError> {
    let Some(model) = find(index, found) else {
        return Err(IndexError::Missing {
            collection: index.collection,
            index: index.name,
        });
    };
    match difference(model, index) {
        None => Ok(()),
        Some(difference) => Err(IndexError::Differs {
            collection: index.collection,
            index: name(model).unwrap_or(index.name).to_owned(),
            difference,
        }),
    }
}

fn difference(model: &IndexModel, index: &Index) -> Option<String> {
    if !has_keys(model, index) {
        let keys = &model.keys;
        return Some(format!(
            "its keys are {keys}, not {}",
            index.keys.join(", ")
        ));
    }
    let options = model.options.clone().unwrap_or_default();
    let collation = options.collation.map(|collation| collation.locale);
    let findings = [
        (
            index.unique && options.unique != Some(true),
            "it is not unique",
        ),
        (
            !index.unique && options.unique == Some(true),
            "it is unique",
        ),
        (options.sparse == Some(true), "it is sparse"),
        (
            options.partial_filter_expression.is_some(),
            "it is over a part of the documents",
        ),
        (
            collation.is_some_and(|locale| locale != "simple"),
            "it has a collation",
        ),
        (options.expire_after.is_some(), "it makes documents expire"),
        (options.hidden == Some(true), "it is hidden"),
    ];
    let found = findings.into_iter().find(|(is_so, _)| *is_so);
    found.map(|(_, what)| what.to_owned())
}
