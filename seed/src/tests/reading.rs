//! How the conversations read: measured, where reading can be measured.

use super::*;
use antiphon_core::words::{StopWords, popular_words};

const DAY_MS: u64 = 86_400_000;

async fn logs(options: &SeedOptions) -> BTreeMap<ConversationId, Vec<Record>> {
    let memory = Memory::default();
    memory.run(options).await.unwrap();
    memory.archive.logs.lock().unwrap().clone()
}

fn room(number: u32) -> ConversationId {
    ConversationId::Room(RoomName::parse(&format!("room{number}")).unwrap())
}

/// Two rooms, English and Chinese, and a few thousand messages.
fn two_rooms() -> SeedOptions {
    SeedOptions {
        users: 40,
        rooms: 2,
        messages: 4_000,
        days: 21,
        ..options()
    }
}

/// Of the messages in a window, how many of a hundred were said before in it, word for word.
fn doubled_percent(window: &[Record]) -> f64 {
    let different: BTreeSet<&str> = window.iter().map(|record| record.body.as_str()).collect();
    100.0 * (window.len() - different.len()) as f64 / window.len() as f64
}

#[tokio::test]
async fn nothing_repeats_where_one_scrolls() {
    for seed in [42, 7] {
        let logs = logs(&SeedOptions {
            seed,
            ..two_rooms()
        })
        .await;
        for number in [1, 2] {
            let log = &logs[&room(number)];
            assert!(log.len() > 1_000, "room{number} has {}", log.len());
            let thousand = doubled_percent(&log[..1_000]);
            assert!(thousand < 3.0, "room{number}: {thousand} % of 1,000");
            for window in log.windows(100).step_by(25) {
                let hundred = doubled_percent(window);
                assert!(hundred <= 3.0, "room{number}: {hundred} % of 100");
            }
        }
    }
}

#[tokio::test]
async fn people_sleep_and_have_weekends() {
    let logs = logs(&SeedOptions {
        days: 28,
        ..two_rooms()
    })
    .await;
    let log = &logs[&room(1)];
    let hour = |record: &&Record| record.ts_ms / 3_600_000 % 24;
    let night = log.iter().filter(|r| (1..5).contains(&hour(r))).count();
    let evening = log.iter().filter(|r| (18..22).contains(&hour(r))).count();
    assert!(
        evening > 8 * night,
        "{evening} in the evening, {night} at night"
    );
    // Room 1 is about work.
    let is_weekend = |record: &&Record| matches!((record.ts_ms / DAY_MS + 4) % 7, 0 | 6);
    let weekend = log.iter().filter(is_weekend).count();
    assert!(
        weekend * 5 < log.len(),
        "{weekend} of {} at weekends",
        log.len()
    );
}

/// A talk that pauses at night goes on the next day, among the same people.
#[tokio::test]
async fn talks_go_on_the_next_day() {
    let logs = logs(&two_rooms()).await;
    let log = &logs[&room(1)];
    let began = |record: &&Record| record.body.to_lowercase().starts_with("starting the");
    let ended = |record: &&Record| {
        let body = record.body.to_lowercase();
        body.contains("update: the") || body.contains("postmortem") || body.contains("as promised")
    };
    assert!(log.iter().any(|r| began(&r)) || log.iter().any(|r| ended(&r)));
    let follow_up = log
        .iter()
        .find(ended)
        .expect("somebody reports the next day");
    let before = log.iter().filter(|r| r.ts_ms < follow_up.ts_ms);
    let before = before.filter(|r| r.sender == follow_up.sender);
    assert!(before.count() > 0, "who reports has written before");
}

/// Some words rise on some days: in a window of a day the top differs from day to day.
#[tokio::test]
async fn hot_words_of_both_languages_rise_and_fall() {
    let logs = logs(&SeedOptions {
        messages: 8_000,
        ..two_rooms()
    })
    .await;
    let stop = StopWords::builtin();
    for number in [1, 2] {
        let mut days: BTreeMap<u64, BTreeMap<String, u64>> = BTreeMap::new();
        for record in &logs[&room(number)] {
            let day = days.entry(record.ts_ms / DAY_MS).or_default();
            for word in popular_words(&record.body, &stop) {
                *day.entry(word).or_default() += 1;
            }
        }
        let mut tops = BTreeSet::new();
        for counts in days.values() {
            let mut ranked: Vec<(u64, &String)> = counts.iter().map(|(w, &n)| (n, w)).collect();
            ranked.sort_unstable_by(|a, b| b.cmp(a));
            tops.extend(ranked.into_iter().take(5).map(|(_, word)| word.clone()));
        }
        assert!(tops.len() > 20, "room{number}: {tops:?}");
        let is_chinese = tops.iter().any(|word| !word.is_ascii());
        assert_eq!(is_chinese, number == 2, "room{number}: {tops:?}");
        // A word of one day's top that is nearly silent on another day.
        let by_day = |word: &String| {
            days.values()
                .map(|day| day.get(word).copied().unwrap_or(0))
                .collect::<Vec<_>>()
        };
        let rises = tops.iter().filter(|word| {
            let counts = by_day(word);
            counts.iter().max() >= Some(&8) && counts.iter().filter(|&&n| n <= 1).count() > 3
        });
        assert!(rises.count() >= 3, "room{number}");
    }
}

#[tokio::test]
async fn there_is_something_of_everything() {
    let logs = logs(&two_rooms()).await;
    let bodies: Vec<&str> = logs.values().flatten().map(|r| r.body.as_str()).collect();
    let share = |is: &dyn Fn(&str) -> bool| {
        bodies.iter().filter(|body| is(body)).count() as f64 / bodies.len() as f64
    };
    let is_emoji = |c: char| c >= '\u{1F300}';
    assert!(share(&|b| b.contains("@user")) > 0.02, "mentions");
    assert!(share(&|b| b.contains("https://")) > 0.003, "links");
    assert!(share(&|b| b.contains('`')) > 0.003, "code");
    assert!(
        (0.05..0.4).contains(&share(&|b| b.contains(is_emoji))),
        "emoji"
    );
    assert!(share(&|b| b.contains(['?', '？'])) > 0.1, "questions");
    assert!(share(&|b| b.chars().count() < 15) > 0.05, "short ones");
    assert!(share(&|b| b.chars().count() > 100) > 0.01, "long ones");
    let lower = |b: &str| b.is_ascii() && b.len() > 20 && b.to_lowercase() == b;
    assert!((0.05..0.5).contains(&share(&lower)), "lower case");
    // Two people alone talk of other things than a room.
    let direct = logs
        .iter()
        .find(|(key, _)| matches!(key, ConversationId::Direct(..)));
    assert!(direct.is_some_and(|(_, log)| log.len() > 10));
}
