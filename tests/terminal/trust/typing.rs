//! The line being typed: whatever arrives, however narrow it is, whatever is pasted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use antiphon_core::clock;
use tokio::task::JoinSet;

use super::super::options;
use super::{bytes_are_ours, count, on_a_line, said_by};
use crate::harness::terminal::{Look, Terminal};
use crate::harness::{Client, Cluster};

/// How often something arrives.
const STORM: Duration = Duration::from_millis(50);
/// How fast somebody types.
const KEY: Duration = Duration::from_millis(25);
const FAMILY: &str = "👨\u{200d}👩\u{200d}👧\u{200d}👦";

const HOME: &str = "\u{1b}[H";
const END: &str = "\u{1b}[F";
const LEFT: &str = "\u{1b}[D";
const RIGHT: &str = "\u{1b}[C";
const UP: &str = "\u{1b}[A";
const DELETE: &str = "\u{1b}[3~";
const BACKSPACE: &str = "\u{7f}";
const WORD_LEFT: &str = "\u{1b}b";
const WORD_RIGHT: &str = "\u{1b}f";
const KILL_WORD: &str = "\u{17}";
const KILL_LINE: &str = "\u{15}";
const YANK: &str = "\u{19}";

/// Somebody who says something every [`STORM`] until told to stop; gives how often.
fn storm(mut client: Client, stop: Arc<AtomicBool>) -> JoinSet<(Client, usize)> {
    let mut storm = JoinSet::new();
    storm.spawn(async move {
        let mut said = 0;
        let mut ticks = clock::interval(STORM);
        while !stop.load(Ordering::Relaxed) {
            ticks.tick().await;
            let text = format!("disturbance {said:03}.");
            client.say("garden", &text, &format!("storm-{said}")).await;
            said += 1;
        }
        (client, said)
    });
    storm
}

/// The typed line as it stands on the screen, from the prompt on: its letters without spaces,
/// because rows are filled up with some.
fn letters_on_screen(terminal: &Terminal) -> String {
    let lines = terminal.lines();
    let prompt = lines.iter().rposition(|line| line.starts_with("#garden ›"));
    letters(
        &lines[prompt.unwrap_or(0)..]
            .concat()
            .replacen("#garden ›", "", 1),
    )
}

fn letters(text: &str) -> String {
    let joins = |char: &char| !matches!(char, '\u{200d}' | '\u{fe0f}' | ' ' | '\n');
    text.chars().filter(joins).collect()
}

async fn shows_the_line(terminal: &Terminal, expected: &str) {
    let what = format!("the typed line {expected:?}");
    terminal
        .wait(&what, |terminal| {
            letters_on_screen(terminal) == letters(expected)
        })
        .await;
}

/// Keys, and the line that they must leave.
fn long_line() -> (Vec<String>, String) {
    let beginning =
        "今天天气很好，我们一起去公园散步吧，然后去喝咖啡，晚上再看一部电影，你觉得怎么样呢？";
    let middle = format!(" {FAMILY} e\u{301} 👍🏽 🇩🇪 ❤\u{fe0f} mixed with words ");
    let mut keys: Vec<String> = Vec::new();
    let type_in = |text: &str, keys: &mut Vec<String>| {
        keys.extend(text.chars().map(String::from));
    };
    type_in(beginning, &mut keys);
    type_in(&middle, &mut keys);
    type_in("done", &mut keys);
    let press = |key: &str, times: usize, keys: &mut Vec<String>| {
        keys.extend(std::iter::repeat_n(key.to_owned(), times));
    };
    // At the beginning, and back.
    press(HOME, 1, &mut keys);
    type_in("开始：", &mut keys);
    press(END, 1, &mut keys);
    // The last word, letter by letter; an emoji of seven characters in one go.
    press(BACKSPACE, 4, &mut keys);
    type_in(FAMILY, &mut keys);
    press(BACKSPACE, 1, &mut keys);
    type_in("完X成", &mut keys);
    press(LEFT, 2, &mut keys);
    press(DELETE, 1, &mut keys);
    press(RIGHT, 1, &mut keys);
    // By words.
    press(KILL_WORD, 1, &mut keys);
    press(WORD_LEFT, 2, &mut keys);
    press(WORD_RIGHT, 2, &mut keys);
    press(END, 1, &mut keys);
    type_in("结束", &mut keys);
    // All of it away, and back.
    press(KILL_LINE, 1, &mut keys);
    press(YANK, 1, &mut keys);
    (keys, format!("开始：{beginning}{middle}结束"))
}

async fn type_under_a_storm(look: &Look) {
    let cluster = Cluster::start(&options());
    let (_link, mut erin, gardener) = on_a_line(&cluster, "erin", look).await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut storm = storm(gardener, Arc::clone(&stop));
    let (keys, expected) = long_line();
    for key in &keys {
        erin.press(key);
        clock::sleep(KEY).await;
    }
    shows_the_line(&erin, &expected).await;
    stop.store(true, Ordering::Relaxed);
    let (mut gardener, said) = storm.join_next().await.unwrap().unwrap();
    assert!(said > 20, "hardly a storm: {said}");
    erin.sees(&format!("disturbance {:03}.", said - 1)).await;
    shows_the_line(&erin, &expected).await;
    erin.keep("typing-under-a-storm");
    erin.press("\r");
    erin.sees("erin  开始").await;
    assert_eq!(said_by("erin", &mut gardener).await, [expected]);
    for number in 0..said {
        assert_eq!(count(&erin, &format!("disturbance {number:03}.")), 1);
    }
    bytes_are_ours(&erin);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_messages_leaves_a_long_line_with_edits_intact() {
    let rows = 400;
    for (columns, color) in [(80, false), (120, true)] {
        type_under_a_storm(&Look {
            columns,
            rows,
            color,
            ..Look::default()
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paste_of_several_lines_is_one_message_and_steers_nothing() {
    let cluster = Cluster::start(&options());
    let (_link, mut erin, mut gardener) = on_a_line(&cluster, "erin", &Look::default()).await;
    erin.press("\u{1b}[200~line one\rline two\r\nline three\u{1b}[201~");
    erin.line_ends_with("line three").await;
    erin.press("\r");
    erin.sees("erin  line one").await;
    erin.press("\u{1b}[200~a\u{9b}2Jb\u{7}c\u{8}\u{202e}d\u{1b}[201~");
    erin.line_ends_with("› a2Jbcd").await;
    erin.press("\r");
    erin.sees("erin  a2Jbcd").await;
    // A control character typed on purpose.
    erin.is_ready().await;
    erin.press("x\u{16}\u{7}y\u{16}\u{1b}[31mz");
    erin.press("\r");
    erin.sees("erin  xy[31mz").await;
    let said = said_by("erin", &mut gardener).await;
    assert_eq!(
        said,
        ["line one\nline two\nline three", "a2Jbcd", "xy[31mz"]
    );
    bytes_are_ours(&erin);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paste_that_is_too_long_is_refused_and_not_lost() {
    let cluster = Cluster::start(&options());
    let (_link, mut erin, mut gardener) = on_a_line(&cluster, "erin", &Look::default()).await;
    let long = format!("head {}", "x".repeat(8_100));
    erin.press(&format!("\u{1b}[200~{long}\u{1b}[201~"));
    erin.line_ends_with("xxx").await;
    erin.press("\r");
    erin.sees("! 8105 characters are too many, 8000 is the most")
        .await;
    erin.is_ready().await;
    assert!(said_by("erin", &mut gardener).await.is_empty());
    erin.press(UP);
    erin.line_ends_with("xxx").await;
    erin.press(&format!("{KILL_WORD}and tail\r"));
    erin.sees("erin  head and tail").await;
    assert_eq!(said_by("erin", &mut gardener).await, ["head and tail"]);
    bytes_are_ours(&erin);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_narrow_terminal_and_one_that_changes_keep_the_line() {
    let cluster = Cluster::start(&options());
    let narrow = Look {
        columns: 20,
        rows: 120,
        ..Look::default()
    };
    let (_link, mut erin, mut gardener) = on_a_line(&cluster, "erin", &narrow).await;
    let first = format!("窄窄的屏幕也要能打字 {FAMILY}{FAMILY} end");
    for (index, char) in first.chars().enumerate() {
        erin.press(&char.to_string());
        if index % 8 == 0 {
            let text = format!("n{index}");
            gardener.say("garden", &text, &text).await;
            erin.sees(&format!("er  {text}")).await;
        }
    }
    shows_the_line(&erin, &first).await;
    erin.press("\r");
    erin.is_ready().await;

    let second = "a line of some length that is typed while the window is dragged 宽窄宽窄";
    for (char, columns) in second
        .chars()
        .zip((20..=100).chain((30..100).rev()).cycle())
    {
        erin.press(&char.to_string());
        erin.resize(120, columns);
    }
    erin.resize(120, 90);
    erin.press("!");
    erin.line_ends_with("宽窄宽窄!").await;
    erin.press("\r");
    let text = format!("{second}!");
    let wanted = [first, text];
    erin.is_ready().await;
    erin.sees("erin  a line of some length").await;
    assert_eq!(said_by("erin", &mut gardener).await, wanted);
    bytes_are_ours(&erin);
}

/// The editor counts an emoji of several as one piece, terminals break rows within it: where
/// both disagree on the rows, the line above would be eaten.
#[tokio::test(flavor = "multi_thread")]
async fn an_emoji_at_the_edge_eats_no_line() {
    let cluster = Cluster::start(&options());
    let look = Look {
        columns: 40,
        rows: 60,
        ..Look::default()
    };
    let (_link, mut erin, mut gardener) = on_a_line(&cluster, "erin", &look).await;
    gardener.say("garden", "precious", "first").await;
    erin.sees("gardener  precious").await;
    // Behind the prompt the emoji begins four columns before the edge, and is eight wide.
    let text = format!("{}{FAMILY}{}", "x".repeat(26), "y".repeat(33));
    erin.press(&text);
    shows_the_line(&erin, &text).await;
    erin.press(&format!("{LEFT}{RIGHT}{HOME}{END}"));
    for number in 0..5 {
        let words = format!("more {number}");
        gardener.say("garden", &words, &format!("n{number}")).await;
        erin.sees(&format!("gardener  {words}")).await;
        erin.press(&format!("{HOME}z{BACKSPACE}{END}"));
    }
    shows_the_line(&erin, &text).await;
    for words in ["precious", "more 0", "more 1", "more 2", "more 3", "more 4"] {
        assert_eq!(count(&erin, words), 1, "{words}: {:#?}", erin.lines());
    }
    erin.press("\r");
    erin.is_ready().await;
    erin.sees("      xxx").await;
    assert_eq!(count(&erin, "#garden › "), 0, "{:#?}", erin.lines());
    assert_eq!(said_by("erin", &mut gardener).await, [text]);
    bytes_are_ours(&erin);
}
