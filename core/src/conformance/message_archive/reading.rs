//! Reading: windows, times, unread counts, search.

use std::sync::Arc;

use antiphon_protocol::ConversationId;

use super::{bodies, chat, epoch_record, name, pair, room, seqs, store_all};
use crate::contract::{Extent, MessageArchive, Record, SeqRange, Tail};

pub(super) async fn all(make: &impl AsyncFn() -> Arc<dyn MessageArchive>) {
    an_empty_log_says_so(&*make().await).await;
    tail_and_extent_tell_the_bounds(&*make().await).await;
    a_window_is_read_from_either_end(&*make().await).await;
    a_time_finds_the_first_sequence_not_older(&*make().await).await;
    a_time_is_found_though_clocks_go_back(&*make().await).await;
    unread_counts_chat_of_others_up_to_a_bound(&*make().await).await;
    direct_conversations_are_found_from_both_sides(&*make().await).await;
    search_finds_every_word_newest_first(&*make().await).await;
    search_stays_in_the_conversations(&*make().await).await;
    search_finds_short_chinese_words(&*make().await).await;
    search_takes_no_text_for_syntax(&*make().await).await;
    search_keeps_the_limit_across_conversations(&*make().await).await;
    since_is_newest_first_across_conversations(&*make().await).await;
}

async fn an_empty_log_says_so(archive: &dyn MessageArchive) {
    let hall = room("hall");
    store_all(archive, vec![chat(&room("other"), 1, "ann", "hi")]).await;
    let window = SeqRange {
        from: 0,
        to: u64::MAX,
    };
    assert_eq!(archive.tail(&hall).await.expect("tail"), None);
    assert_eq!(
        archive.extent(&hall).await.expect("extent"),
        Extent { first: 0, last: 0 }
    );
    assert_eq!(
        archive
            .range(&hall, window, 10, false)
            .await
            .expect("range"),
        []
    );
    assert_eq!(
        archive.range(&hall, window, 10, true).await.expect("range"),
        []
    );
    assert_eq!(archive.seq_at(&hall, 0).await.expect("seq_at"), None);
    assert_eq!(
        archive
            .unread(&hall, &name("bob"), 0, 10)
            .await
            .expect("unread"),
        0
    );
    assert_eq!(archive.search(&[hall], "hi", 10).await.expect("search"), []);
}

async fn tail_and_extent_tell_the_bounds(archive: &dyn MessageArchive) {
    let hall = room("hall");
    for seq in 1..=3 {
        store_all(
            archive,
            vec![Record {
                epoch: seq * 2,
                ..chat(&hall, seq, "ann", "x")
            }],
        )
        .await;
        let tail = archive.tail(&hall).await.expect("tail");
        assert_eq!(
            tail,
            Some(Tail {
                seq,
                epoch: seq * 2
            })
        );
        let extent = archive.extent(&hall).await.expect("extent");
        assert_eq!(
            extent,
            Extent {
                first: 1,
                last: seq
            }
        );
    }
}

async fn fill(archive: &dyn MessageArchive, conversation: &ConversationId, count: u64) {
    let records = (1..=count)
        .map(|seq| chat(conversation, seq, "ann", "text"))
        .collect();
    store_all(archive, records).await;
}

async fn a_window_is_read_from_either_end(archive: &dyn MessageArchive) {
    let hall = room("hall");
    fill(archive, &room("before"), 30).await;
    fill(archive, &hall, 20).await;
    fill(archive, &room("zz"), 30).await;
    let range = async |from: u64, to: u64, limit: usize, newest_first: bool| {
        let window = SeqRange { from, to };
        let found = archive
            .range(&hall, window, limit, newest_first)
            .await
            .expect("range");
        assert!(found.iter().all(|record| record.conversation == hall));
        seqs(&found)
    };
    assert_eq!(range(5, 8, 100, false).await, [5, 6, 7, 8]);
    assert_eq!(
        range(5, 8, 100, true).await,
        [5, 6, 7, 8],
        "ascending either way"
    );
    assert_eq!(range(5, 12, 3, false).await, [5, 6, 7]);
    assert_eq!(range(5, 12, 3, true).await, [10, 11, 12]);
    assert_eq!(range(0, u64::MAX, 2, false).await, [1, 2]);
    assert_eq!(range(0, u64::MAX, 2, true).await, [19, 20]);
    assert_eq!(range(18, 40, 100, false).await, [18, 19, 20]);
    assert_eq!(range(21, 40, 100, true).await, Vec::<u64>::new());
    assert_eq!(
        range(8, 5, 100, false).await,
        Vec::<u64>::new(),
        "an empty window"
    );
    assert_eq!(
        range(5, 8, 0, false).await,
        Vec::<u64>::new(),
        "an empty page"
    );
}

async fn a_time_finds_the_first_sequence_not_older(archive: &dyn MessageArchive) {
    let hall = room("hall");
    // Their times are 1010, 1020, … 1200.
    fill(archive, &hall, 20).await;
    for (ts_ms, expected) in [
        (0, Some(1)),
        (1_010, Some(1)),
        (1_011, Some(2)),
        (1_100, Some(10)),
        (1_200, Some(20)),
        (1_201, None),
        (u64::MAX, None),
    ] {
        assert_eq!(
            archive.seq_at(&hall, ts_ms).await.expect("seq_at"),
            expected,
            "{ts_ms}"
        );
    }
}

async fn a_time_is_found_though_clocks_go_back(archive: &dyn MessageArchive) {
    let hall = room("hall");
    let times = [100, 300, 200, 200, 400, 50, 500];
    let records = times.iter().zip(1..).map(|(ts_ms, seq)| Record {
        ts_ms: *ts_ms,
        ..chat(&hall, seq, "ann", "text")
    });
    store_all(archive, records.collect()).await;
    for (ts_ms, expected) in [(60, 1), (101, 2), (250, 2), (301, 5), (401, 7)] {
        let found = archive.seq_at(&hall, ts_ms).await.expect("seq_at");
        assert_eq!(found, Some(expected), "{ts_ms}");
    }
}

async fn unread_counts_chat_of_others_up_to_a_bound(archive: &dyn MessageArchive) {
    let hall = room("hall");
    let records = vec![
        chat(&hall, 1, "ann", "one"),
        chat(&hall, 2, "bob", "two"),
        epoch_record(&hall, 3, 4),
        chat(&hall, 4, "ann", "four"),
        chat(&hall, 5, "cat", "five"),
    ];
    store_all(archive, records).await;
    fill(archive, &room("zz"), 5).await;
    let unread = async |viewer: &str, after_seq: u64, max: u64| {
        archive
            .unread(&hall, &name(viewer), after_seq, max)
            .await
            .expect("unread")
    };
    assert_eq!(unread("bob", 0, 100).await, 3);
    assert_eq!(unread("ann", 0, 100).await, 2);
    assert_eq!(unread("eve", 0, 100).await, 4);
    assert_eq!(unread("bob", 1, 100).await, 2);
    assert_eq!(unread("bob", 4, 100).await, 1);
    assert_eq!(unread("bob", 5, 100).await, 0);
    assert_eq!(unread("bob", u64::MAX, 100).await, 0);
    assert_eq!(unread("bob", 0, 2).await, 2, "counted up to the bound");
    assert_eq!(unread("bob", 0, 0).await, 0);
}

async fn direct_conversations_are_found_from_both_sides(archive: &dyn MessageArchive) {
    let pairs = [
        pair("ann", "bob"),
        pair("cat", "ann"),
        pair("ann", "ann"),
        pair("bob", "cat"),
    ];
    for conversation in &pairs {
        fill(archive, conversation, 1).await;
    }
    fill(archive, &room("ann"), 1).await;
    let direct = async |user: &str| {
        archive
            .direct_conversations(&name(user))
            .await
            .expect("direct conversations")
    };
    assert_eq!(
        direct("ann").await,
        [pair("ann", "ann"), pair("ann", "bob"), pair("ann", "cat")]
    );
    assert_eq!(
        direct("cat").await,
        [pair("ann", "cat"), pair("bob", "cat")]
    );
    assert_eq!(direct("eve").await, []);
}

async fn say(archive: &dyn MessageArchive, conversation: &ConversationId, texts: &[&str]) {
    let records = texts
        .iter()
        .zip(1..)
        .map(|(text, seq)| chat(conversation, seq, "ann", text));
    store_all(archive, records.collect()).await;
}

async fn search_finds_every_word_newest_first(archive: &dyn MessageArchive) {
    let hall = room("hall");
    let texts = [
        "The red fox",
        "a blue fox",
        "red Fox, red!",
        "foxes are red",
        "nothing",
    ];
    say(archive, &hall, &texts).await;
    let search = async |text: &str, limit: usize| {
        let found = archive
            .search(std::slice::from_ref(&hall), text, limit)
            .await
            .expect("search");
        assert!(
            found
                .iter()
                .all(|record| record.body == texts[record.seq as usize - 1])
        );
        seqs(&found)
    };
    assert_eq!(search("fox", 10).await, [3, 2, 1]);
    assert_eq!(search("FOX red", 10).await, [3, 1]);
    assert_eq!(search("red fox red", 1).await, [3]);
    assert_eq!(search("fox purple", 10).await, Vec::<u64>::new());
    assert_eq!(
        search("fo", 10).await,
        Vec::<u64>::new(),
        "words, not parts of words"
    );
    assert_eq!(
        search("", 10).await,
        Vec::<u64>::new(),
        "no words find nothing"
    );
    assert_eq!(search(" !?", 10).await, Vec::<u64>::new());
    assert_eq!(search("fox", 0).await, Vec::<u64>::new());
}

async fn search_stays_in_the_conversations(archive: &dyn MessageArchive) {
    let (hall, den, direct) = (room("hall"), room("den"), pair("ann", "bob"));
    say(archive, &hall, &["fox in the hall"]).await;
    say(archive, &den, &["fox in the den"]).await;
    say(archive, &direct, &["fox between us"]).await;
    let search = async |conversations: &[ConversationId]| {
        archive
            .search(conversations, "fox", 10)
            .await
            .expect("search")
    };
    assert_eq!(
        bodies(&search(std::slice::from_ref(&den)).await),
        ["fox in the den"]
    );
    assert_eq!(search(&[]).await, []);
    let mut both = bodies(&search(&[hall, direct]).await).join(", ");
    if both.starts_with("fox in the hall") {
        both = "fox between us, fox in the hall".to_owned();
    }
    assert_eq!(both, "fox between us, fox in the hall");
}

async fn search_finds_short_chinese_words(archive: &dyn MessageArchive) {
    let hall = room("hall");
    say(
        archive,
        &hall,
        &["我爱北京", "今天天气很好", "北京 weather 很好"],
    )
    .await;
    let search = async |text: &str| {
        seqs(
            &archive
                .search(std::slice::from_ref(&hall), text, 10)
                .await
                .expect("search"),
        )
    };
    assert_eq!(search("北京").await, [3, 1]);
    assert_eq!(search("天气").await, [2]);
    assert_eq!(search("北京 WEATHER").await, [3]);
    assert_eq!(search("上海").await, Vec::<u64>::new());
}

async fn search_takes_no_text_for_syntax(archive: &dyn MessageArchive) {
    let hall = room("hall");
    say(
        archive,
        &hall,
        &["alpha beta", "alpha or beta", "don't near me", "words"],
    )
    .await;
    let search = async |text: &str| {
        seqs(
            &archive
                .search(std::slice::from_ref(&hall), text, 10)
                .await
                .expect("search"),
        )
    };
    assert_eq!(search("alpha OR beta").await, [2], "OR is a word");
    assert_eq!(search("\"alpha\" AND").await, Vec::<u64>::new());
    assert_eq!(search("alph*").await, Vec::<u64>::new());
    assert_eq!(search("body:alpha").await, Vec::<u64>::new());
    // Each of these would be an error, were it syntax.
    for text in [
        "\"",
        "alpha\"",
        "(alpha",
        "NEAR(alpha beta",
        "^alpha",
        "- alpha",
        "{a b}:",
        "$where",
        "\0",
    ] {
        search(text).await;
    }
    assert_eq!(search("don't").await, [3]);
}

async fn search_keeps_the_limit_across_conversations(archive: &dyn MessageArchive) {
    let (hall, den) = (room("hall"), room("den"));
    let record = |conversation: &ConversationId, seq: u64, ts_ms: u64| Record {
        ts_ms,
        ..chat(conversation, seq, "ann", &format!("fox at {ts_ms}"))
    };
    let records = vec![
        record(&hall, 1, 100),
        record(&den, 1, 200),
        record(&hall, 2, 300),
        record(&den, 2, 400),
        record(&hall, 3, 500),
    ];
    store_all(archive, records).await;
    let found = archive
        .search(&[den, hall], "fox", 3)
        .await
        .expect("search");
    assert_eq!(bodies(&found), ["fox at 500", "fox at 400", "fox at 300"]);
}

async fn since_is_newest_first_across_conversations(archive: &dyn MessageArchive) {
    let (hall, direct) = (room("hall"), pair("ann", "bob"));
    let at = |record: Record, ts_ms: u64| Record { ts_ms, ..record };
    let records = vec![
        at(chat(&hall, 1, "ann", "a"), 100),
        at(chat(&direct, 1, "ann", "b"), 200),
        at(epoch_record(&hall, 2, 5), 250),
        at(chat(&hall, 3, "bob", "c"), 300),
        at(chat(&direct, 2, "bob", "d"), 400),
    ];
    store_all(archive, records).await;
    let since = async |ts_ms: u64, limit: usize| {
        let found = archive.since(ts_ms, limit).await.expect("since");
        bodies(&found).concat()
    };
    assert_eq!(since(0, 10).await, "dcba");
    assert_eq!(since(200, 10).await, "dcb");
    assert_eq!(since(201, 10).await, "dc");
    assert_eq!(since(0, 2).await, "dc");
    assert_eq!(since(401, 10).await, "");
    let newest = archive.since(0, 1).await.expect("since");
    assert_eq!(newest[0].conversation, direct);
}
