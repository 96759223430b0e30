//! Tests.

use antiphon_protocol::RoomName;

use super::*;

fn id(name: &str) -> ClientId {
    ClientId::parse(name).unwrap()
}

fn room() -> Target {
    Target::Room(RoomName::parse("a").unwrap())
}

fn with(names: &[&str]) -> SharedUnsent {
    let unsent = SharedUnsent::default();
    for name in names {
        assert!(
            unsent
                .lock()
                .add(id(name), room(), format!("text of {name}"), "text")
        );
    }
    unsent
}

fn texts(entries: &[Entry]) -> Vec<&str> {
    entries.iter().map(|entry| entry.text.as_str()).collect()
}

#[test]
fn the_prompt_counts_what_waits_for_long_and_what_came_back() {
    let unsent = with(&["one", "two", "three"]);
    assert_eq!(unsent.lock().status(), "");
    unsent.lock().waits_long(&id("one"));
    unsent.lock().waits_long(&id("two"));
    assert_eq!(unsent.lock().status(), "(2 waiting) ");
    unsent.came_back(&id("three"), Fate::Unknown);
    assert_eq!(unsent.lock().status(), "(2 waiting, 1 not stored) ");
    unsent.stored(&id("one"));
    unsent.stored(&id("two"));
    assert_eq!(unsent.lock().status(), "(1 not stored) ");
    unsent.stored(&id("three"));
    assert_eq!(unsent.lock().status(), "");
}

#[test]
fn what_came_back_is_told_once_and_keeps_text_order_and_id() {
    let unsent = with(&["one", "two", "three"]);
    unsent.came_back(&id("three"), Fate::Unknown);
    unsent.came_back(&id("one"), Fate::Refused("no".to_owned()));
    let untold = unsent.lock().take_untold();
    assert_eq!(texts(&untold), ["text of one", "text of three"]);
    assert!(unsent.lock().take_untold().is_empty());

    let back = unsent.lock().take_back();
    assert_eq!(texts(&back), ["text of one", "text of three"]);
    assert_eq!(back[1].client_id, id("three"));
    assert!(unsent.lock().some_wait(), "the second is on its way");
    assert!(unsent.lock().take_back().is_empty());
}

#[test]
fn there_is_an_end_to_what_is_kept() {
    let unsent = SharedUnsent::default();
    for number in 0..UNSENT_MAX {
        let added = unsent
            .lock()
            .add(id(&number.to_string()), room(), String::new(), "text");
        assert!(added);
    }
    assert!(!unsent.lock().add(id("more"), room(), String::new(), "text"));
    assert_eq!(unsent.lock().entries().len(), UNSENT_MAX);
}

#[tokio::test(start_paused = true)]
async fn leaving_waits_for_what_is_on_its_way_and_not_for_ever() {
    let unsent = with(&["one"]);
    unsent.settle(Duration::from_secs(1)).await;
    assert!(unsent.lock().some_wait(), "nobody answered");
    let patience = Duration::from_secs(3_600);
    let before = clock::now();
    let ((), ()) = tokio::join!(unsent.settle(patience), async {
        clock::sleep(Duration::from_secs(2)).await;
        unsent.stored(&id("one"));
    });
    assert_eq!(clock::now() - before, Duration::from_secs(2));
}
