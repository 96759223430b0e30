//! What every [`UserStore`] keeps.

use std::sync::Arc;

use antiphon_protocol::UserName;

use crate::contract::{BackendErrorKind, TokenRecord, UserRecord, UserStore};

/// Runs the suite; `make` gives an empty store each time.
pub async fn all(make: impl AsyncFn() -> Arc<dyn UserStore>) {
    an_account_comes_back_as_it_was_made(&*make().await).await;
    a_taken_name_and_its_look_alikes_are_refused(&*make().await).await;
    of_many_creates_of_one_name_one_wins(make().await).await;
    create_many_leaves_taken_names_alone(&*make().await).await;
    set_password_replaces_and_needs_an_account(&*make().await).await;
    a_token_comes_back_as_it_was_stored(&*make().await).await;
    a_token_is_rotated_once(make().await).await;
    expired_tokens_alone_may_be_dropped(&*make().await).await;
    revoking_a_family_leaves_others(&*make().await).await;
    revoking_a_user_spares_one_family(&*make().await).await;
}

fn name(raw: &str) -> UserName {
    UserName::parse(raw).expect("a name")
}

fn user(raw: &str) -> UserRecord {
    UserRecord {
        name: name(raw),
        password_hash: Some(format!("hash of {raw}")),
        created_at_ms: 7,
    }
}

fn token(number: u8, user: &str, family: &str) -> TokenRecord {
    TokenRecord {
        hash: [number; 32],
        user: name(user),
        family: family.to_owned(),
        expires_at_ms: 1_000,
        rotated_at_ms: None,
    }
}

async fn an_account_comes_back_as_it_was_made(store: &dyn UserStore) {
    let open = UserRecord {
        password_hash: None,
        ..user("bob")
    };
    let strange = UserRecord {
        created_at_ms: 1_763_000_000_000,
        ..user("李雷")
    };
    for record in [&user("ann"), &open, &strange] {
        store.create(record.clone()).await.expect("create");
        assert_eq!(
            store.get(&record.name).await.expect("get").as_ref(),
            Some(record)
        );
    }
    assert_eq!(store.get(&name("nobody")).await.expect("get"), None);
    assert_eq!(store.count().await.expect("count"), 3);
}

async fn a_taken_name_and_its_look_alikes_are_refused(store: &dyn UserStore) {
    store.create(user("paypal")).await.expect("create");
    let again = UserRecord {
        password_hash: None,
        ..user("paypal")
    };
    let look_alike = UserRecord {
        created_at_ms: 9,
        ..user("paypa1")
    };
    assert_eq!(
        look_alike.name.skeleton(),
        again.name.skeleton(),
        "the suite's own example"
    );
    for taken in [again, look_alike.clone()] {
        let refused = store.create(taken).await.expect_err("taken");
        assert_eq!(refused.kind, BackendErrorKind::Conflict);
        assert!(!refused.is_retryable());
    }
    assert_eq!(
        store.get(&name("paypal")).await.expect("get"),
        Some(user("paypal"))
    );
    assert_eq!(store.get(&look_alike.name).await.expect("get"), None);
    assert_eq!(store.count().await.expect("count"), 1);
}

async fn of_many_creates_of_one_name_one_wins(store: Arc<dyn UserStore>) {
    let create = |number: u64| {
        let store = Arc::clone(&store);
        async move {
            store
                .create(UserRecord {
                    created_at_ms: number,
                    ..user("ann")
                })
                .await
        }
    };
    let results = futures_util::future::join_all((0..8).map(create)).await;
    let winners: Vec<usize> = (0..8).filter(|number| results[*number].is_ok()).collect();
    let [winner] = winners[..] else {
        panic!("winners: {winners:?}")
    };
    for refused in results.iter().filter_map(|result| result.as_ref().err()) {
        assert_eq!(refused.kind, BackendErrorKind::Conflict);
    }
    let kept = store
        .get(&name("ann"))
        .await
        .expect("get")
        .expect("the winner");
    assert_eq!(kept.created_at_ms, winner as u64);
}

async fn create_many_leaves_taken_names_alone(store: &dyn UserStore) {
    assert_eq!(store.create_many(Vec::new()).await.expect("none"), 0);
    store.create(user("ann")).await.expect("create");
    store.create(user("paypal")).await.expect("create");
    let other = UserRecord {
        password_hash: None,
        ..user("ann")
    };
    let batch = vec![user("bob"), other, user("paypa1"), user("cat"), user("bob")];
    assert_eq!(
        store.create_many(batch.clone()).await.expect("create many"),
        2
    );
    assert_eq!(store.create_many(batch).await.expect("again"), 0);
    assert_eq!(
        store.get(&name("ann")).await.expect("get"),
        Some(user("ann"))
    );
    assert_eq!(
        store.get(&name("cat")).await.expect("get"),
        Some(user("cat"))
    );
    assert_eq!(store.count().await.expect("count"), 4);
    let many = (0..1_500)
        .map(|number| user(&format!("member{number:04}")))
        .collect();
    assert_eq!(store.create_many(many).await.expect("many"), 1_500);
    assert_eq!(store.count().await.expect("count"), 1_504);
}

async fn set_password_replaces_and_needs_an_account(store: &dyn UserStore) {
    store
        .create(UserRecord {
            password_hash: None,
            ..user("ann")
        })
        .await
        .expect("create");
    store.create(user("bob")).await.expect("create");
    store.set_password(&name("ann"), "new").await.expect("set");
    let changed = UserRecord {
        password_hash: Some("new".to_owned()),
        ..user("ann")
    };
    assert_eq!(store.get(&name("ann")).await.expect("get"), Some(changed));
    assert_eq!(
        store.get(&name("bob")).await.expect("get"),
        Some(user("bob"))
    );
    let refused = store
        .set_password(&name("nobody"), "new")
        .await
        .expect_err("no account");
    assert_eq!(refused.kind, BackendErrorKind::NotFound);
    assert_eq!(store.get(&name("nobody")).await.expect("get"), None);
}

async fn a_token_comes_back_as_it_was_stored(store: &dyn UserStore) {
    let rotated = TokenRecord {
        rotated_at_ms: Some(3),
        ..token(2, "ann", "f")
    };
    for record in [token(1, "ann", "f"), rotated] {
        store.put_token(record.clone(), 1).await.expect("put");
        assert_eq!(store.token(&record.hash).await.expect("get"), Some(record));
    }
    assert_eq!(store.token(&[9; 32]).await.expect("get"), None);
}

async fn a_token_is_rotated_once(store: Arc<dyn UserStore>) {
    store.put_token(token(1, "ann", "f"), 1).await.expect("put");
    let rotate = |now_ms: u64| {
        let store = Arc::clone(&store);
        async move { store.rotate_token(&[1; 32], now_ms).await.expect("rotate") }
    };
    let wins = futures_util::future::join_all((50..58).map(rotate)).await;
    assert_eq!(wins.iter().filter(|won| **won).count(), 1);
    let winner = 50 + wins.iter().position(|won| *won).expect("a winner") as u64;
    let kept = store.token(&[1; 32]).await.expect("get").expect("there");
    assert_eq!(
        kept,
        TokenRecord {
            rotated_at_ms: Some(winner),
            ..token(1, "ann", "f")
        }
    );
    assert!(
        !store.rotate_token(&[9; 32], 60).await.expect("rotate"),
        "no such token"
    );
}

async fn expired_tokens_alone_may_be_dropped(store: &dyn UserStore) {
    let lasting = TokenRecord {
        expires_at_ms: 5_000,
        ..token(2, "ann", "f")
    };
    store.put_token(token(1, "ann", "f"), 0).await.expect("put");
    store.put_token(lasting.clone(), 0).await.expect("put");
    store
        .put_token(
            TokenRecord {
                expires_at_ms: 9_000,
                ..token(3, "bob", "g")
            },
            4_999,
        )
        .await
        .expect("put");
    assert_eq!(
        store.token(&[2; 32]).await.expect("get"),
        Some(lasting),
        "not expired yet"
    );
    assert!(store.token(&[3; 32]).await.expect("get").is_some());
}

async fn revoking_a_family_leaves_others(store: &dyn UserStore) {
    for (number, user, family) in [(1, "ann", "f"), (2, "ann", "f"), (3, "ann", "g")] {
        store
            .put_token(token(number, user, family), 0)
            .await
            .expect("put");
    }
    store.revoke_family("f").await.expect("revoke");
    store.revoke_family("none").await.expect("revoke");
    assert_eq!(left(store).await, [3]);
}

async fn revoking_a_user_spares_one_family(store: &dyn UserStore) {
    for (number, user, family) in [(1, "ann", "f"), (2, "ann", "g"), (3, "bob", "h")] {
        store
            .put_token(token(number, user, family), 0)
            .await
            .expect("put");
    }
    store
        .revoke_user(&name("ann"), Some("g"))
        .await
        .expect("revoke");
    assert_eq!(left(store).await, [2, 3]);
    store.revoke_user(&name("ann"), None).await.expect("revoke");
    assert_eq!(left(store).await, [3]);
}

/// Which of the tokens 1 to 3 are there.
async fn left(store: &dyn UserStore) -> Vec<u8> {
    let mut left = Vec::new();
    for number in 1..=3 {
        if store.token(&[number; 32]).await.expect("get").is_some() {
            left.push(number);
        }
    }
    left
}
