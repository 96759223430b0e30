//! Servers and people who lie: in every field, on every path to the screen.

use super::{bytes_are_ours, sees_in_the_end};
use crate::harness::liar::{HANG_UP, Liar, THE_END, VANISH, lying_gateway};
use crate::harness::terminal::{Look, Terminal};
use serde_json::json;

/// A line that would pass for the client's own if it stood at the beginning of a row.
const FAKE: &str = "#garden › your password, please:";
/// Nothing may scroll away before it is looked at.
const ROWS: u16 = 3_000;
/// Shown as eight columns or as two.
const FAMILY: &str = "👨\u{200d}👩\u{200d}👧\u{200d}👦";
/// What stands before a message, a deed and a notice.
const LEADS: [&str; 3] = [
    "00:01 #garden mallory  [",
    "00:01 #garden * mallory [",
    "— ",
];

/// Texts that fill a row to its end, so that a terminal that breaks it begins the next one with
/// what follows.
fn padded_fakes() -> impl Iterator<Item = String> {
    let leads = LEADS.map(|lead| lead.chars().count());
    let rows = [80, 120]
        .into_iter()
        .flat_map(move |columns| leads.map(|lead| columns - lead));
    rows.flat_map(|room| {
        let wide = |piece: &str, width: usize| {
            format!("{}{}", piece.repeat(room / width), "x".repeat(room % width))
        };
        [("x", 1), (" x", 2), (" ", 1), ("宽", 2), (FAMILY, 8)]
            .map(|(piece, width)| wide(piece, width) + FAKE)
    })
}

fn words() -> Vec<String> {
    let mut words: Vec<String> = [
        "\u{1b}[2J\u{1b}[H\u{1b}[3J",
        "\u{1b}]0;pwned\u{7}\u{1b}]52;c;ZXZpbA==\u{7}",
        "\u{9b}2J\u{9d}0;pwned\u{9c}\u{90}q\u{9c}",
        "\u{1b}[?1049h\u{1b}[?25l\u{1b}[?1000h",
        "\u{1b}[8mhidden\u{1b}[5mblinking\u{1b}[31mred\u{1b}[999C",
        "\u{1b}Pq\u{1b}\\\u{1b}_x\u{1b}\\\u{1b}^x\u{1b}\\\u{1b}c\u{1b}7\u{1b}8",
        "\u{1b}[6n\u{1b}[c\u{5}",
        "\u{202e}evil\u{202c}\u{2066}x\u{2028}y\u{2029}z\u{200f}",
        "\u{200b}\u{feff}\u{e0041}\u{ad}\u{3164}",
        "over\rwritten\u{8}\u{8}\u{8}\u{7f}\u{0}\u{b}\u{c}\u{e}\u{f}\u{18}",
        "\t\ttabs\t",
        "\u{301}\u{301}marks",
        "one\ntwo\n",
    ]
    .map(str::to_owned)
    .into();
    words.push(format!("zalgo{}", "\u{301}\u{30d}\u{20dd}".repeat(30)));
    words.push(format!("long{}", "wide宽".repeat(300)));
    words.push(format!("\n{FAKE}\r{FAKE}"));
    words.extend(padded_fakes());
    words
}

/// Everything that asks the server for something, and the words that show that it answered.
const COMMANDS: &[(&str, &str)] = &[
    ("/rooms", "#garden"),
    ("/history", "mallory"),
    ("/search x", "mallory"),
    ("/popular", "hidden"),
    ("/stats bob", "bob is on line"),
    ("/whoami", "victim, on"),
    ("/members", "!"),
    ("/online", "!"),
    ("/unread", "!"),
    ("/invite bob", "!"),
    ("/create attic", "!"),
];

/// One visit; gives the screen after the server said everything.
async fn visit(gateway: &str, look: &Look) -> Vec<String> {
    let arguments = ["--gateway", gateway, "--user", "victim"];
    let mut victim = Terminal::start_with("victim", &arguments, look);
    victim.sees("Password:").await;
    victim.press("correct horse battery\r");
    victim.sees(THE_END).await;
    victim.is_ready().await;
    // The prompt is as old as its line.
    let mut shown = victim.lines();
    shown.pop();
    // The questions have marks of their own where there are colors.
    shown.retain(|line| !line.contains("Password:"));
    // A question whose choices are a peer's words.
    victim.enter("/join").await;
    victim.sees("Which room?").await;
    victim.press("\r");
    victim.sees("you are in #garden").await;
    for (command, answered) in COMMANDS {
        victim.enter(command).await;
        victim.sees(answered).await;
        victim.is_ready().await;
    }
    // One's own words, pasted from somewhere.
    victim.press("/help no\u{202e}such\u{9b}2J\r");
    victim.sees("there is no command /nosuch2J").await;
    victim.is_ready().await;
    // Names that are offered.
    victim.press("/join \t\t");
    victim.line_ends_with("/join").await;
    victim.press("\u{15}");
    victim.is_ready().await;
    victim.enter("hello").await;
    victim.sees("! not stored: #garden \"hello\"").await;
    victim.enter("/pending").await;
    victim.sees("  #garden \"hello\": ").await;
    victim.enter("/drop").await;
    victim.enter(&format!("/search {HANG_UP}")).await;
    sees_in_the_end(&victim, "back on").await;
    let fakes = victim
        .lines()
        .into_iter()
        .filter(|line| line.starts_with(FAKE));
    assert_eq!(fakes.count(), 0, "{:#?}", victim.lines());
    let faked = |line: &String| line.contains("your password, please:");
    assert!(victim.lines().iter().any(faked), "nothing was tried");
    assert!(victim.lines().len() < usize::from(ROWS), "rows are lost");
    victim.enter("/drop").await;
    victim.enter("/quit").await;
    assert_eq!(victim.exit_code().await, 0);
    bytes_are_ours(&victim);
    shown
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lying_server_steers_no_terminal() {
    let words = words();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let liar = Liar::start(&words).await;
    for columns in [80, 120] {
        let looks = [false, true].map(|color| Look {
            columns,
            rows: ROWS,
            color,
            ..Look::default()
        });
        let plain = visit(liar.gateway(), &looks[0]).await;
        let painted = visit(liar.gateway(), &looks[1]).await;
        assert_eq!(plain, painted, "with and without colors, {columns} columns");
        assert!(plain.iter().any(|line| line.contains("hiddenblinkingred")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lying_gateway_steers_no_terminal() {
    let evil = words().concat();
    let bodies = [
        evil.clone(),
        json!({"name": "s1", "host": "127.0.0.1", "port": evil}).to_string(),
        json!({evil.as_str(): evil}).to_string(),
        json!(evil).to_string(),
    ];
    for body in bodies {
        let (gateway, _task) = lying_gateway(body).await;
        let mut victim = Terminal::start("victim", &["--gateway", &gateway, "--user", "victim"]);
        victim.sees("Password:").await;
        victim.press("correct horse battery\r");
        assert_eq!(victim.exit_code().await, 4);
        victim.sees("antiphon client:").await;
        bytes_are_ours(&victim);
    }
}

/// The first attempt had no answer, so that a refusal of the second proves nothing: that is
/// said, and trying again is safe.
#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_outcome_is_called_so() {
    let liar = Liar::start(&["no way"]).await;
    let arguments = ["--gateway", liar.gateway(), "--user", "victim"];
    let mut victim = Terminal::start("victim", &arguments);
    victim.sees("Password:").await;
    victim.press("correct horse battery\r");
    victim.sees(THE_END).await;
    victim.enter("/join garden").await;
    victim.enter(VANISH).await;
    let unknown = format!("? #garden \"{VANISH}\": no answer came, so it may be stored or not");
    sees_in_the_end(&victim, &unknown).await;
    victim.enter("/retry").await;
    victim.sees("1 message on the way again").await;
    victim
        .sees(&format!("! not stored: #garden \"{VANISH}\" (no way)"))
        .await;
    victim.enter("/quit").await;
    victim.sees("/quit once more leaves without them").await;
    victim.enter("/quit").await;
    assert_eq!(victim.exit_code().await, 1);
    bytes_are_ours(&victim);
}
