use antiphon_client::{Credentials, GatewayUrl};

use super::*;

#[derive(Debug)]
struct Nobody;

impl Questions for Nobody {
    fn choose(&mut self, _: &str, _: Vec<String>) -> Option<String> {
        None
    }
    fn confirm(&mut self, _: &str) -> bool {
        false
    }
}

/// A session whose gateway nobody listens on.
fn offline() -> Session {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let gateway = GatewayUrl::parse(&listener.local_addr().unwrap().to_string()).unwrap();
    drop(listener);
    let (me, scope) = (UserName::parse("alice").unwrap(), Shutdown::new());
    let (client, _events) = Client::builder(gateway, Credentials::Open(me.clone())).start(&scope);
    Session {
        client,
        view: Arc::new(Mutex::new(View::new(me))),
        output: Output::default(),
        questions: Box::new(Nobody),
        style: Style::plain(),
        scope,
    }
}

async fn typed(session: &mut Session, line: &str) -> Result<Reply, String> {
    let command = parse(line)
        .map_err(|failure| failure.to_string())?
        .expect("a command");
    dispatcher()
        .dispatch(session, command)
        .await
        .map_err(|failure| failure.to_string())
}

fn parsed(line: &str) -> TerminalCommand {
    parse(line).unwrap().unwrap()
}

#[test]
fn lines_become_commands() {
    let text = |text: &str| text.to_owned();
    let some = |text: &str| Some(text.to_owned());
    let cases = [
        (
            "  hello there ",
            TerminalCommand::Say(Say {
                text: text("hello there"),
            }),
        ),
        (
            "//shrug",
            TerminalCommand::Say(Say {
                text: text("/shrug"),
            }),
        ),
        (
            "/chat bob  hi you",
            TerminalCommand::Chat(Chat {
                to: text("bob"),
                text: text("hi you"),
            }),
        ),
        (
            "/chat room:a hi",
            TerminalCommand::Chat(Chat {
                to: text("room:a"),
                text: text("hi"),
            }),
        ),
        (
            "/msg bob",
            TerminalCommand::Msg(Msg {
                user: some("bob"),
                text: text(""),
            }),
        ),
        (
            "/msg",
            TerminalCommand::Msg(Msg {
                user: None,
                text: text(""),
            }),
        ),
        (
            "/joinRoom a",
            TerminalCommand::Join(Join { room: some("a") }),
        ),
        ("/JOIN", TerminalCommand::Join(Join { room: None })),
        (
            "/create a private",
            TerminalCommand::Create(Create {
                room: text("a"),
                private: true,
            }),
        ),
        ("/popular", TerminalCommand::Popular(Popular { n: 10 })),
        ("/popular 3", TerminalCommand::Popular(Popular { n: 3 })),
    ];
    for (line, expected) in cases {
        assert_eq!(parsed(line), expected, "{line}");
    }
}

#[test]
fn other_lines_become_other_commands() {
    let text = |text: &str| text.to_owned();
    let some = |text: &str| Some(text.to_owned());
    let cases = [
        ("/history 500", TerminalCommand::History(History { n: 500 })),
        (
            "/search two words",
            TerminalCommand::Search(Search {
                words: text("two words"),
            }),
        ),
        ("/?", TerminalCommand::Help(Help { topic: None })),
        (
            "/help /join",
            TerminalCommand::Help(Help {
                topic: some("/join"),
            }),
        ),
        ("/exit", TerminalCommand::Quit(Quit {})),
        ("/whoami", TerminalCommand::Whoami(Whoami {})),
        (
            "/stats bob",
            TerminalCommand::Stats(Stats { user: text("bob") }),
        ),
        (
            "one\ntwo",
            TerminalCommand::Say(Say {
                text: text("one\ntwo"),
            }),
        ),
    ];
    for (line, expected) in cases {
        assert_eq!(parsed(line), expected, "{line}");
    }
    assert!(parse("   ").unwrap().is_none());
}

#[test]
fn what_is_not_written_right_says_how_it_is() {
    for line in [
        "/chat bob",
        "/chat",
        "/popular many",
        "/popular 0",
        "/popular 101",
        "/history 501",
        "/history -1",
        "/search",
        "/stats",
        "/stats a b",
        "/invite",
        "/join a b",
        "/create",
        "/create a b",
        "/quit now",
        "/rooms all",
    ] {
        let failure = parse(line).unwrap_err();
        assert!(matches!(failure, Failure::Usage(_)), "{line}: {failure:?}");
    }
    let unknown = parse("/\u{1b}[2Jfly").unwrap_err().line(Style::plain());
    assert_eq!(unknown, "— unknown command /fly; /help lists the commands");
}

#[test]
fn every_command_of_the_table_has_a_handler_and_the_chain_is_in_order() {
    let dispatcher = dispatcher();
    assert_eq!(
        dispatcher.interceptors(),
        ["trim", "message_length", "needs_connection"]
    );
    let mut expected: Vec<_> = SPECS.iter().map(|spec| spec.name).chain(["say"]).collect();
    expected.sort_unstable();
    assert_eq!(dispatcher.actions(), expected);
}

#[tokio::test]
async fn help_lists_every_command_and_explains_one() {
    let mut session = offline();
    let Ok(Reply::Lines(lines)) = typed(&mut session, "/help").await else {
        panic!("no lines")
    };
    for spec in SPECS {
        assert!(
            lines.iter().any(|line| line.contains(spec.usage)),
            "{}",
            spec.name
        );
    }
    let Ok(Reply::Lines(lines)) = typed(&mut session, "/help joinroom").await else {
        panic!("no lines")
    };
    assert!(lines[0].starts_with("/join [room]"));
    assert_eq!(lines[2], "Also: /joinRoom");
    assert!(
        typed(&mut session, "/help fly")
            .await
            .unwrap_err()
            .contains("/help lists")
    );
}

#[tokio::test]
async fn without_a_connection_only_what_can_wait_is_taken() {
    let mut session = offline();
    let refused = typed(&mut session, "/rooms").await.unwrap_err();
    assert!(refused.starts_with("not connected"), "{refused}");
    let nowhere = typed(&mut session, "hello").await.unwrap_err();
    assert!(nowhere.starts_with("you are nowhere yet"), "{nowhere}");
    assert_eq!(typed(&mut session, "/msg bob").await, Ok(Reply::none()));
    assert_eq!(typed(&mut session, "hello").await, Ok(Reply::none()));
    assert_eq!(
        typed(&mut session, "/whoami").await,
        Ok(Reply::line("you are alice, in @bob, not connected"))
    );
    assert_eq!(typed(&mut session, "/exit").await, Ok(Reply::Leave));
}

#[tokio::test]
async fn a_text_over_the_limit_and_a_bad_name_are_refused_here() {
    let mut session = offline();
    typed(&mut session, "/msg bob").await.unwrap();
    let long = "ж".repeat(MESSAGE_CHARS_MAX + 1);
    let refused = typed(&mut session, &long).await.unwrap_err();
    assert!(refused.ends_with("this one has 8001"), "{refused}");
    assert!(typed(&mut session, "/msg b/b").await.is_err());
    assert!(typed(&mut session, "/chat room:a/b hi").await.is_err());
}

#[tokio::test]
async fn what_becomes_of_a_message_is_told() {
    let mut session = offline();
    session.client.stop();
    let mut stopped = session
        .client
        .request(antiphon_protocol::client::Ping {})
        .await;
    while stopped.is_ok() {
        stopped = session
            .client
            .request(antiphon_protocol::client::Ping {})
            .await;
    }
    typed(&mut session, "/chat bob hi \u{1b}[2Jyou")
        .await
        .unwrap();
    let told = loop {
        let lines = session.output.take();
        if !lines.is_empty() {
            break lines;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(told, "— @bob: not sent: the client has stopped: hi you\n");
}

#[test]
fn stats_are_told_with_a_length_of_time() {
    let info = |login_time| antiphon_protocol::client::UserInfoReply {
        username: UserName::parse("bob").unwrap(),
        login_time,
        node_id: "s1".to_owned(),
        is_online: true,
    };
    assert_eq!(
        people::stats_line(&info(0), 259_201_000),
        "bob is online since 3d 1s on s1"
    );
    assert_eq!(
        people::stats_line(&info(5_000), 1_000),
        "bob is online since 0s on s1"
    );
}
