//! Every known defect of the ancestor has a test that names it, or a reason why it has none.
//!
//! A test names rows of the table in its documentation (`Pitfall 7`, `Pitfalls 1 to 3, 5 and
//! 8`, on one line) or in its name (`row_7_…`, `rows_1_to_3_and_5_…`, `pitfall_7_…`).

use std::collections::BTreeSet;

use super::{none, rust};

const ROWS: u32 = 118;

/// Rows without a test, with the reason.
const EXCEPTIONS: &[(u32, &str)] = &[
    (
        67,
        "a number for the documentation; the test of row 13 bounds it",
    ),
    (85, "there is no list for each user that could grow"),
    (
        118,
        "about the tests themselves: temporary folders and free ports everywhere",
    ),
];

/// The number at the start of `text`, and what follows it.
fn number(text: &str) -> Option<(u32, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    Some((text[..end].parse().ok()?, &text[end..]))
}

/// Numbers joined by `and` words, and ranges by the `to` word.
fn list(text: &str, and: &[&str], to: &str) -> BTreeSet<u32> {
    let mut rows = BTreeSet::new();
    let Some((mut last, mut rest)) = number(text) else {
        return rows;
    };
    rows.insert(last);
    loop {
        let range = rest.strip_prefix(to).and_then(number);
        let next = and
            .iter()
            .find_map(|and| rest.strip_prefix(and).and_then(number));
        let first = if range.is_some() { last } else { 0 };
        let Some((row, behind)) = range.or(next) else {
            return rows;
        };
        rows.extend(if first > 0 { first..=row } else { row..=row });
        (last, rest) = (row, behind);
    }
}

fn named(text: &str) -> BTreeSet<u32> {
    let mut rows = BTreeSet::new();
    for word in ["Pitfall ", "Pitfalls "] {
        for (at, _) in text.match_indices(word) {
            let list = list(&text[at + word.len()..], &[", and ", ", ", " and "], " to ");
            rows.extend(list);
        }
    }
    for word in ["fn row_", "fn rows_", "fn pitfall_"] {
        for (at, _) in text.match_indices(word) {
            rows.extend(list(&text[at + word.len()..], &["_and_"], "_to_"));
        }
    }
    rows
}

#[test]
fn every_pitfall_has_a_test_that_names_it_or_a_reason() {
    let mut tested = BTreeSet::new();
    for file in rust() {
        let tests = if file.path.starts_with("tests/tidy") {
            ""
        } else if file.is_test() {
            &file.text
        } else {
            let inside = file.text.split_once("#[cfg(test)]\nmod tests {");
            inside.map_or("", |(_, tests)| tests)
        };
        tested.extend(named(tests));
    }
    let excepted: BTreeSet<u32> = EXCEPTIONS.iter().map(|(row, _)| *row).collect();
    let say = |rows: Vec<u32>| rows.iter().map(ToString::to_string).collect();
    let missing = (1..=ROWS).filter(|row| !tested.contains(row) && !excepted.contains(row));
    none("no test names these rows", say(missing.collect()));
    let needless = excepted.intersection(&tested).copied();
    none("excepted, but there is a test", say(needless.collect()));
    let unknown = tested.iter().chain(&excepted).copied();
    let unknown = unknown.filter(|row| !(1..=ROWS).contains(row));
    none("there are no such rows", say(unknown.collect()));
}

#[test]
fn lists_of_rows_are_read() {
    let rows = |text: &str| named(text).into_iter().collect::<Vec<_>>();
    assert_eq!(rows("/// Pitfall 7: 12 of them."), [7]);
    assert_eq!(rows("/// Pitfalls 1 to 3, 5 and 8."), [1, 2, 3, 5, 8]);
    assert_eq!(rows("fn row_6_and_17_frames_and_more()"), [6, 17]);
    assert_eq!(rows("fn rows_1_to_3_bad()"), [1, 2, 3]);
    assert_eq!(rows("fn pitfall_90_words()"), [90]);
    assert_eq!(rows("Pitfalls of all kinds; row_4"), [0; 0]);
}
