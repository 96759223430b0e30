//! Tests.

use super::*;

fn listing(of: ListOf, count: usize, cursor: Option<&str>) -> Listing {
    let cells = (0..count).map(|number| format!("user{number:03}"));
    Listing {
        of,
        cells: cells.collect(),
        cursor: cursor.map(str::to_owned),
    }
}

#[test]
fn names_stand_side_by_side_a_page_at_a_time() {
    let mut online = listing(ListOf::Online(String::new()), 175, None);
    let plain = Painter::new(false);
    let first = online.next_page(80, plain);
    assert_eq!(first.len(), PAGE_ROWS + 1);
    assert_eq!(first[0].split_whitespace().count(), 8);
    assert!(first.iter().all(|line| render::width(line) <= 80));
    assert_eq!(first[PAGE_ROWS], "… and 15 more: /online next");
    let second = online.next_page(80, plain);
    assert_eq!(second.len(), 2);
    assert!(second[1].ends_with("user174"));
}

#[test]
fn a_list_that_the_server_has_more_of_says_so() {
    let plain = Painter::new(false);
    let mut rooms = listing(ListOf::Rooms, PAGE_ROWS + 1, Some("z"));
    let last = |lines: Vec<String>| lines.last().cloned().unwrap();
    assert_eq!(
        last(rooms.next_page(80, plain)),
        "… and more than 1 more: /rooms next"
    );
    assert_eq!(last(rooms.next_page(80, plain)), "… and more: /rooms next");
}

#[test]
fn next_goes_on_with_a_list_of_the_same_command() {
    let room = |name: &str| ListOf::Members(RoomName::parse(name).unwrap());
    assert!(room("a").goes_on_with(&room("b")));
    assert!(!room("a").goes_on_with(&ListOf::Rooms));
}
