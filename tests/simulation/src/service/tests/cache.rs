//! What the cache does when it is down, hangs, is flushed, or its users die.

use antiphon_core::clock;
use antiphon_core::contract::{BackendErrorKind, Backends, Directory, SessionEntry};
use antiphon_protocol::{NodeId, SessionId};

use super::{hall, millis, on_a_host, said, seconds, timed, user};
use crate::service::{Link, Service};

fn session(id: &str) -> SessionEntry {
    SessionEntry {
        session: SessionId(id.to_owned()),
        user: user("ann"),
        node: NodeId {
            name: "server".to_owned(),
            incarnation: 1,
        },
        login_at_ms: 1,
    }
}

async fn sessions_of_ann(backends: &Backends) -> Vec<String> {
    let found = backends.sessions.locate(&user("ann")).await;
    let found = found.expect("an answer").into_iter();
    found.map(|entry| entry.session.0).collect()
}

#[test]
fn down_refuses_at_once_and_hanging_never_answers() {
    on_a_host(async |services| {
        let (faults, a) = (services.faults(), services.backends("a"));
        faults.set_cache_down(true);
        let (refused, took) = timed(a.directory.list()).await;
        assert_eq!(refused.unwrap_err().kind, BackendErrorKind::Unavailable);
        assert!(took < millis(20), "{took:?}");
        faults.set_cache_down(false);
        faults.set_cache_hanging(true);
        let (silent, took) = timed(a.recent.push(&[said(1, "one")])).await;
        assert_eq!(silent.unwrap_err().kind, BackendErrorKind::Timeout);
        assert!((millis(300)..millis(320)).contains(&took), "{took:?}");
        let (silent, _) = timed(a.recent.latest(&hall(), 1)).await;
        assert_eq!(silent.unwrap_err().kind, BackendErrorKind::Timeout);
        faults.heal();
        assert_eq!(a.recent.latest(&hall(), 1).await.unwrap(), None);
    });
}

#[test]
fn what_was_asked_when_it_went_down_is_unknown() {
    on_a_host(async |services| {
        let (faults, a) = (services.faults(), services.backends("a"));
        faults.set_link("a", Service::Cache, Link::Slow(millis(50)..=millis(50)));
        let going = async {
            clock::sleep(millis(20)).await;
            faults.set_cache_down(true);
        };
        let ((unknown, took), ()) = tokio::join!(timed(a.directory.list()), going);
        assert_eq!(unknown.unwrap_err().kind, BackendErrorKind::Timeout);
        assert!(took < millis(100), "{took:?}");
    });
}

#[test]
fn a_flush_takes_all_and_hosts_tell_again_who_is_online() {
    on_a_host(async |services| {
        let (faults, a) = (services.faults(), services.backends("a"));
        a.sessions.bind(session("one")).await.unwrap();
        a.recent.push(&[said(1, "one")]).await.unwrap();
        assert!(a.ranking.claim_rebuild().await.unwrap());
        let list = Directory {
            epoch: 3,
            generated_at_ms: 1,
            servers: Vec::new(),
        };
        a.directory.publish(list, seconds(600)).await.unwrap();
        faults.flush_cache();
        assert_eq!(sessions_of_ann(&a).await, Vec::<String>::new());
        assert_eq!(a.recent.latest(&hall(), 9).await.unwrap(), None);
        assert_eq!(a.directory.list().await.unwrap(), None);
        assert!(a.ranking.claim_rebuild().await.unwrap());
        clock::sleep(seconds(6)).await;
        assert_eq!(sessions_of_ann(&a).await, ["one"]);
    });
}

#[test]
fn a_login_needs_no_cache_and_is_told_later() {
    on_a_host(async |services| {
        let (faults, a) = (services.faults(), services.backends("a"));
        let b = services.backends("b");
        a.sessions.bind(session("one")).await.unwrap();
        faults.set_link("a", Service::Cache, Link::Cut);
        a.sessions.bind(session("two")).await.unwrap();
        a.sessions
            .unbind(&user("ann"), &session("one").session)
            .await
            .unwrap();
        assert_eq!(sessions_of_ann(&b).await, ["one"]);
        faults.heal();
        clock::sleep(seconds(6)).await;
        assert_eq!(sessions_of_ann(&b).await, ["two"]);
    });
}

#[test]
fn sessions_of_a_silent_host_end_with_its_lease() {
    on_a_host(async |services| {
        let b = services.backends("b");
        let a = services.backends("a");
        a.sessions.bind(session("one")).await.unwrap();
        clock::sleep(seconds(60)).await;
        assert_eq!(sessions_of_ann(&b).await, ["one"]);
        drop(a);
        clock::sleep(seconds(9)).await;
        assert_eq!(sessions_of_ann(&b).await, ["one"]);
        clock::sleep(seconds(7)).await;
        assert_eq!(sessions_of_ann(&b).await, Vec::<String>::new());
    });
}
