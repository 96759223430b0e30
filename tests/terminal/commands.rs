//! Every command of the chat line, played on a pseudo-terminal, at 80 and 120 columns, with and
//! without colors. Each scene begins with an empty screen and ends with one that is compared
//! with its file in `screens/`.

use antiphon::terminal::command::TOPICS;
use serde_json::json;
use tempfile::TempDir;

use crate::harness::pty_bytes::assert_ours;
use crate::harness::terminal::{Look, Terminal};
use crate::harness::{Client, Cluster, DEADLINE, FAST, Options, PASSWORD, screens, wait_until};

/// Spellings that end the client: each needs one of its own.
const WAYS_OUT: [&str; 4] = ["/exit", ":q", ":q!", ":qa"];
const MINUTES_A_DAY: u64 = 24 * 60;
const UP: &str = "\u{1b}[A";
const DOWN: &str = "\u{1b}[B";

/// Alice at her terminal, and what others do meanwhile.
struct Stage {
    alice: Terminal,
    bob: Client,
    carol: Client,
    /// They stay to the end, so that nobody's going is told in another scene.
    guests: Vec<Client>,
    cluster: Cluster,
    folder: TempDir,
    look: Look,
    played: Vec<String>,
}

impl Stage {
    async fn set(columns: u16, color: bool) -> Self {
        let mut options = Options::set(FAST);
        options.servers = Some(1);
        let cluster = Cluster::start(&options);
        let mut bob = Client::join(cluster.server(0), "bob").await;
        let carol = Client::join(cluster.server(0), "carol").await;
        drop(Client::join(cluster.server(0), "alice").await);
        for (room, topic) in [("garden", "Flowers, 蔬菜 and bees"), ("library", "")] {
            let data = json!({"roomName": room, "topic": topic});
            bob.ok("createRoom", data).await;
        }
        let folder = tempfile::tempdir().unwrap();
        let text = folder.path().join("text");
        let env = vec![
            ("EDITOR", format!("cp {}", text.display())),
            ("VISUAL", String::new()),
        ];
        let look = Look {
            columns,
            color,
            env,
            ..Look::default()
        };
        let alice = logged_in(&cluster, &look).await;
        let played = Vec::new();
        Self {
            alice,
            bob,
            carol,
            guests: Vec::new(),
            cluster,
            folder,
            look,
            played,
        }
    }

    /// Types a line, and waits for what comes of it.
    async fn play(&mut self, line: &str, words: &str) {
        self.played.push(line.to_owned());
        self.alice.enter(line).await;
        self.alice.sees(words).await;
        self.alice.is_ready().await;
    }

    /// Types a line that asks something.
    async fn asks(&mut self, line: &str, question: &str, keys: &[&str], words: &str) {
        self.played.push(line.to_owned());
        self.alice.enter(line).await;
        self.alice.sees(question).await;
        for key in keys {
            self.alice.press(key);
        }
        self.alice.sees(words).await;
        self.alice.is_ready().await;
    }

    /// What the editor will save.
    fn editor_saves(&self, text: &str) {
        std::fs::write(self.folder.path().join("text"), text).unwrap();
    }

    async fn bob_says(&mut self, room: &str, text: &str) {
        let id = format!("{room} {text}").replace(' ', "-");
        let id: String = id.chars().filter(char::is_ascii_graphic).take(60).collect();
        self.bob.say(room, text, &id).await;
    }

    async fn begin(&mut self) {
        self.played.push("/clear".to_owned());
        self.alice.enter("/clear").await;
        self.alice.is_alone_on_screen().await;
    }

    async fn end(&mut self, scene: &str) {
        self.alice.is_ready().await;
        let (columns, color) = (self.look.columns, self.look.color);
        if color {
            let lines = self.alice.painted_lines();
            screens::compare(&format!("{scene}-{columns}-color"), &lines);
        } else {
            screens::compare(&format!("{scene}-{columns}"), &self.alice.lines());
        }
    }
}

/// The minute of the day in UTC.
fn minute_now() -> u64 {
    antiphon_core::clock::unix_ms() / 60_000 % MINUTES_A_DAY
}

async fn logged_in(cluster: &Cluster, look: &Look) -> Terminal {
    let url = format!("http://{}", cluster.gateway());
    let arguments = ["--gateway", &url, "--user", "alice"];
    let mut terminal = Terminal::start_with("alice", &arguments, look);
    terminal.sees("Password:").await;
    terminal.press(&format!("{PASSWORD}\r"));
    terminal.sees("you are alice on ").await;
    terminal.is_ready().await;
    terminal
}

async fn rooms(stage: &mut Stage) {
    stage.begin().await;
    stage.play("/rooms", "#library").await;
    stage.play("/rooms next", "no more to list").await;
    let lib = ["lib", "\r"];
    stage
        .asks("/join", "Which room?", &lib, "you are in #library")
        .await;
    let create = "/create --private cellar for barrels and bottles";
    stage.play(create, "you are in #cellar").await;
    stage.play("/members", "#cellar has 1 member").await;
    stage.play("/members next", "/members begins anew").await;
    stage.play("/invite bob", "bob is invited").await;
    let second = [DOWN, " ", "\r"];
    stage
        .asks("/invite", "Whom?", &second, "carol is invited")
        .await;
    let cellar = json!({"roomName": "cellar"});
    for guest in [&mut stage.bob, &mut stage.carol] {
        guest.ok("joinRoom", cellar.clone()).await;
    }
    stage.alice.sees("bob and carol joined").await;
    stage.play("/kick bob too loud", "bob is removed").await;
    stage.carol.ok("leaveRoom", cellar).await;
    stage.alice.sees("carol left").await;
    stage.play("/joinRoom garden", "you are in #garden").await;
    stage
        .asks(
            "/leave",
            "Leave #garden?",
            &["y\r"],
            "you have left #garden",
        )
        .await;
    stage
        .asks("/leave cellar", "Leave #cellar?", &["n\r"], "nothing done")
        .await;
    stage.play("/rooms", "[private]").await;
    stage.play("/members", "no room yet").await;
    stage.end("rooms").await;
}

async fn talk(stage: &mut Stage) {
    stage.begin().await;
    stage.play("hello?", "no conversation yet").await;
    stage.play("/reply you", "nobody has written").await;
    stage.play("/join garden", "you are in #garden").await;
    stage
        .play("good morning :sun:", "alice  good morning")
        .await;
    stage.bob_says("garden", "hello @alice!").await;
    stage.alice.sees("bob » hello @alice!").await;
    stage
        .play("/reply yes, I am here", "@bob yes, I am here")
        .await;
    stage.bob_says("garden", "one\ntwo\n  three").await;
    stage.alice.sees("  three").await;
    let long = "This line is so long that it has to go on in the next one, and in yet another one \
                on a narrow screen, and 这里还有一些中文字，它们没有空格，也要换行。 That was all.";
    stage.bob_says("garden", long).await;
    stage.alice.sees("That was all.").await;
    stage.alice.press("\u{1b}[200~pasted\nin lines\u{1b}[201~");
    stage.alice.line_ends_with("in lines").await;
    stage.alice.press("\r");
    stage.alice.sees("alice  pasted").await;
    stage.play("//slash", "alice  /slash").await;
    stage.play("/me waves", "* alice waves").await;
    stage.play("/msg bob psst", "@bob alice  psst").await;
    let answer = json!({"to": "alice", "message": "what is it?", "clientId": "answer"});
    stage.bob.ok("chat", answer).await;
    stage.alice.sees("what is it?").await;
    stage.play("/reply nothing", "@bob alice  nothing").await;
    stage
        .play("/chat bob well, this", "@bob alice  well, this")
        .await;
    stage
        .play("/chat room:library shh", "#library alice  shh")
        .await;
    stage
        .play("/msg bob", "you are talking to @bob, in private")
        .await;
    stage.play("/join garden", "you are in #garden").await;
    stage.editor_saves("written\nin the editor\n");
    stage.play("/edit", "      in the editor").await;
    stage.editor_saves(" \n");
    stage.play("/edit x", "the text is empty").await;
    stage.editor_saves(&"long ".repeat(2_000));
    stage.play("/edit", "9999 characters are too many").await;
    stage
        .play("/delay 1 a bit later", "alice  a bit later")
        .await;
    stage
        .play("/delay 5000 much later", "/delay cancel 2")
        .await;
    stage.play(":delay never 4000", "/delay cancel 3").await;
    stage.play("/delay", "   3  in").await;
    stage.play("/delay cancel 3", "taken back").await;
    comes_back(stage).await;
    stage.end("talk").await;
}

async fn comes_back(stage: &mut Stage) {
    let nowhere = "/chat room:nowhere let me in";
    stage.play(nowhere, "! not stored: #nowhere").await;
    stage.play("/pending", "  #nowhere \"let me in\": ").await;
    stage.play("/retry", "1 message on the way again").await;
    let twice = |terminal: &Terminal| {
        let lines = terminal.lines();
        let refused = |line: &&String| line.starts_with("! not stored: #nowhere");
        lines.iter().filter(refused).count() == 2
    };
    stage.alice.wait("it refused once more", twice).await;
    stage.play("/drop", "1 message given up").await;
    stage
        .play("/pending", "everything you said is stored")
        .await;
}

async fn reading(stage: &mut Stage) {
    stage.begin().await;
    stage.play("/next", "nothing is unread").await;
    for text in ["the fish swims", "fish and chips", "another Fish, alice"] {
        stage.bob_says("library", text).await;
    }
    stage.alice.sees("another Fish").await;
    stage.play("/unread", "/next goes to").await;
    stage.play("/next", "you are in #library").await;
    stage.play("/unread", "nothing is unread").await;
    stage.play("/search fish", "3 found").await;
    stage
        .play("/search morning", "nothing found in #library")
        .await;
    stage.play("/search --all morning", "1 found, newest").await;
    stage.play(":q swims", "1 found in #library").await;
    stage.play("/history 2", "3 to 4 of 4").await;
    stage.play("/history 1", "2 of 4").await;
    stage.play("/older 5", "1 of 4, the beginning").await;
    stage.play("/older", "this is the beginning").await;
    let counted = |words: &serde_json::Value| words["words"][1] == "3";
    wait_until("the popular words", DEADLINE, || async {
        let mut reader = Client::join(stage.cluster.server(0), "bob").await;
        let words = reader.ok("popular", json!({"n": 3})).await;
        counted(&words)
            .then_some(())
            .ok_or_else(|| words.to_string())
    })
    .await;
    stage.play("/popular 3", "█").await;
    stage.play("/popular garden 2", "good    █").await;
    stage.end("reading").await;
}

async fn people(stage: &mut Stage) {
    stage.begin().await;
    stage.play("/online", "3 on line").await;
    stage.play("/online next", "/online begins anew").await;
    stage.play(":olu", "3 on line").await;
    stage.play(":pu ca", "beginning with \"ca\"").await;
    stage.play("/online zz", "nobody is on line").await;
    stage.play("/stats bob", "bob is on line for").await;
    stage.play("/stats nobody", "nobody is not on line").await;
    stage.play("/whoami", "alice, on s1, in #").await;
    stage.play(":info", "alice, on s1, in #").await;
    let attic = json!({"roomName": "attic", "visibility": "private"});
    stage.carol.ok("createRoom", attic).await;
    let invite = json!({"roomName": "attic", "username": "alice"});
    stage.carol.ok("invite", invite).await;
    stage.alice.sees("you are invited by carol").await;
    stage.play("/join attic", "you are in #attic").await;
    let kick = json!({"roomName": "attic", "username": "alice", "reason": "it is too small"});
    stage.carol.ok("kick", kick).await;
    stage.alice.sees("you were removed by carol").await;
    stage.play("/join library", "you are in #library").await;
    for name in ["dave", "erin", "frank", "grace"] {
        let guest = Client::join(stage.cluster.server(0), name).await;
        stage.guests.push(guest);
    }
    let library = json!({"roomName": "library"});
    for guest in &mut stage.guests {
        guest.ok("joinRoom", library.clone()).await;
    }
    stage.alice.sees("joined").await;
    stage.end("people").await;
}

async fn lists(stage: &mut Stage) {
    for number in 1..=25 {
        let data = json!({"roomName": format!("shelf-{number}"), "topic": "books"});
        stage.carol.ok("createRoom", data).await;
    }
    stage.begin().await;
    stage.play("/rooms", "… and 8 more: /rooms next").await;
    stage.play("/rooms next", "#shelf-9").await;
    stage.play("/rooms next", "/rooms begins anew").await;
    stage.end("lists").await;
}

async fn this_terminal(stage: &mut Stage) {
    stage.begin().await;
    stage.play("/help", "Tab completes").await;
    stage.play("/?", "Tab completes").await;
    stage.play(":all", "Tab completes").await;
    stage.play("/help join", "also: /joinRoom").await;
    stage.play("/help :q!", "also: /exit").await;
    stage.play("/help history", "Again: those before").await;
    stage.play("/nonsense", "/help lists them").await;
    stage.play("/jion", "did you mean /join?").await;
    stage.play("/msg", "usage: /msg USER [TEXT]").await;
    stage.play("/emoji", ":smile:").await;
    stage.play(":emoji 9", "pages of emoji").await;
    stage.alice.press("hi @ca\t");
    stage.alice.line_ends_with("hi @carol").await;
    stage.alice.press("and #gar\t");
    stage.alice.line_ends_with("hi @carol and #garden").await;
    stage.alice.press(":tad\t");
    stage.alice.line_ends_with(":tada:").await;
    stage.alice.press("\u{15}");
    stage.alice.is_ready().await;
    stage.alice.press(UP);
    stage.alice.line_ends_with(":emoji 9").await;
    stage.alice.press("\u{15}");
    stage.play("/reconnect", "back on s1 (as you asked)").await;
    stage.play("/bell", "the bell rings").await;
    stage.play("/bell off", "the bell is off").await;
    stage.end("this-terminal").await;
    stage.play_quit().await;
}

impl Stage {
    async fn play_quit(&mut self) {
        self.played.push("/quit".to_owned());
        self.alice.enter("/quit").await;
        self.alice
            .sees("a delayed message was not sent: much later")
            .await;
        assert_eq!(self.alice.exit_code().await, 0);
    }
}

async fn play_all(columns: u16, color: bool) {
    let mut stage = Stage::set(columns, color).await;
    rooms(&mut stage).await;
    talk(&mut stage).await;
    reading(&mut stage).await;
    people(&mut stage).await;
    lists(&mut stage).await;
    this_terminal(&mut stage).await;
    let played = |spelling: &str| {
        let (word, needs_more) = spelling
            .split_once(' ')
            .map_or((spelling, false), |(word, _)| (word, true));
        WAYS_OUT.contains(&spelling)
            || stage
                .played
                .iter()
                .any(|line| line == word && !needs_more || line.starts_with(&format!("{word} ")))
    };
    let spellings = TOPICS.iter().flat_map(|topic| {
        let aliases = topic.aliases.iter().map(|alias| (*alias).to_owned());
        std::iter::once(format!("/{}", topic.name)).chain(aliases)
    });
    let left: Vec<String> = spellings.filter(|spelling| !played(spelling)).collect();
    assert!(
        left.is_empty(),
        "/help tells of what nobody played: {left:?}"
    );
    assert_ours("alice", &stage.alice.bytes());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_at_80_columns() {
    play_all(80, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_at_80_columns_in_color() {
    play_all(80, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_at_120_columns() {
    play_all(120, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_at_120_columns_in_color() {
    play_all(120, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_spelling_of_the_end_ends_it() {
    let cluster = Cluster::start(&Options::set(FAST));
    drop(Client::join(cluster.server(0), "alice").await);
    for way in WAYS_OUT {
        let mut alice = logged_in(&cluster, &Look::default()).await;
        alice.enter(way).await;
        assert_eq!(alice.exit_code().await, 0, "{way}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn times_are_those_of_the_terminals_zone() {
    let cluster = Cluster::start(&Options::set(FAST));
    drop(Client::join(cluster.server(0), "alice").await);
    let look = Look {
        env: vec![("TZ", "JST-9".to_owned())],
        ..Look::default()
    };
    let mut alice = logged_in(&cluster, &look).await;
    alice.enter("/create garden").await;
    alice.sees("you are in #garden").await;
    let before = minute_now();
    alice.enter("what time is it?").await;
    alice.sees("alice  what time is it?").await;
    let after = minute_now();
    let lines = alice.lines();
    let line = lines
        .iter()
        .find(|line| line.contains("what time"))
        .unwrap();
    let in_japan = [before, after].map(|minute| {
        let minute = (minute + 9 * 60) % MINUTES_A_DAY;
        format!("{:02}:{:02} ", minute / 60, minute % 60)
    });
    assert!(
        in_japan.iter().any(|time| line.starts_with(time)),
        "{line}, not {in_japan:?}"
    );
}
