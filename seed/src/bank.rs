//! The word banks: what conversations are about and how they are put.
//!
//! A bank is a text of sections. A section begins with `[kind] key = value; …` and holds
//! lists of words (`$name = one; two`) and scripts: the lines of a short talk, `A:` to `D:`
//! for who says each, parted by empty lines. A line `~` in a script is a night, and `@ 5-11`
//! before it says in which hours it may begin.

use std::sync::OnceLock;

use crate::options::Language;

const ENGLISH: &str = include_str!("../data/en.txt");
const CHINESE: &str = include_str!("../data/zh.txt");
/// Most people in a script.
pub(crate) const ROLES_MAX: usize = 4;

/// Named lists of words.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Slots(Vec<(&'static str, Vec<&'static str>)>);

impl Slots {
    /// The list of that name.
    pub(crate) fn get(&self, name: &str) -> Option<&[&'static str]> {
        let list = self.0.iter().find(|(held, _)| *held == name);
        list.map(|(_, list)| list.as_slice())
    }

    /// Adds a list whose words are parted by semicolons.
    pub(crate) fn add(&mut self, name: &'static str, words: &'static str) {
        self.0.push((name, words.split("; ").collect()));
    }
}

/// One line of a script.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Turn {
    /// Who says it: 0 for A.
    pub(crate) role: usize,
    /// What.
    pub(crate) template: &'static str,
}

/// A short talk, in parts with a night between.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Script {
    pub(crate) parts: Vec<Vec<Turn>>,
    /// The hours in which it may begin, if that matters.
    pub(crate) hours: Option<(u64, u64)>,
}

impl Script {
    /// Whether it may begin in an hour of the day.
    pub(crate) fn fits(&self, hour: u64) -> bool {
        self.hours
            .is_none_or(|(from, to)| (from..to).contains(&hour))
    }

    /// How many people it needs.
    pub(crate) fn roles(&self) -> usize {
        let roles = self.parts.iter().flatten().map(|turn| turn.role + 1);
        roles.max().unwrap_or(1)
    }
}

/// A section of a bank.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Topic {
    pub(crate) language: Language,
    pub(crate) kind: Kind,
    /// A room's topic.
    pub(crate) title: &'static str,
    /// How busy a day of the weekend is, in percent of another day.
    pub(crate) weekend_percent: u64,
    pub(crate) slots: Slots,
    pub(crate) scripts: Vec<Script>,
}

/// What a section is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// What a room is about.
    Topic,
    /// What is said in any room.
    Chatter,
    /// What two people talk about.
    Direct,
    /// What everybody talks about for a day or two.
    Event,
    /// Lists alone, for every script.
    Words,
}

/// What is said in one language.
#[derive(Debug)]
pub(crate) struct Bank {
    pub(crate) language: Language,
    pub(crate) topics: Vec<Topic>,
    pub(crate) chatter: Vec<Topic>,
    pub(crate) direct: Vec<Topic>,
    pub(crate) events: Vec<Topic>,
    /// Lists for every script, among them `react`, `more` and `emoji`.
    pub(crate) words: Slots,
}

impl Bank {
    /// A list that every bank has.
    pub(crate) fn list(&self, name: &str) -> &[&'static str] {
        self.words
            .get(name)
            .expect("the compiled-in banks are tested")
    }
}

/// The bank of a language.
pub(crate) fn bank(language: Language) -> &'static Bank {
    static BANKS: OnceLock<[Bank; 2]> = OnceLock::new();
    let [english, chinese] = BANKS.get_or_init(|| {
        [
            parse(Language::English, ENGLISH),
            parse(Language::Chinese, CHINESE),
        ]
    });
    match language {
        Language::English => english,
        Language::Chinese => chinese,
    }
}

fn parse(language: Language, text: &'static str) -> Bank {
    let mut bank = Bank {
        language,
        topics: Vec::new(),
        chatter: Vec::new(),
        direct: Vec::new(),
        events: Vec::new(),
        words: Slots::default(),
    };
    for section in text.split("\n[").skip(1) {
        let section = parse_section(language, section);
        match section.kind {
            Kind::Topic => bank.topics.push(section),
            Kind::Chatter => bank.chatter.push(section),
            Kind::Direct => bank.direct.push(section),
            Kind::Event => bank.events.push(section),
            Kind::Words => bank.words = section.slots,
        }
    }
    bank
}

fn parse_section(language: Language, text: &'static str) -> Topic {
    const TESTED: &str = "the compiled-in banks are tested";
    let (head, body) = text.split_once('\n').expect(TESTED);
    let (kind, rest) = head.split_once(']').expect(TESTED);
    let (title, weekend) = rest.split_once(" ; weekend ").unwrap_or((rest, "100"));
    let kind = match kind {
        "topic" => Kind::Topic,
        "chatter" => Kind::Chatter,
        "direct" => Kind::Direct,
        "event" => Kind::Event,
        "words" => Kind::Words,
        _ => unreachable!("{TESTED}"),
    };
    let mut topic = Topic {
        language,
        kind,
        title: title.trim(),
        weekend_percent: weekend.parse().expect(TESTED),
        slots: Slots::default(),
        scripts: Vec::new(),
    };
    let mut open = false;
    for line in body.lines().filter(|line| !line.starts_with('#')) {
        if let Some(list) = line.strip_prefix('$') {
            let (name, words) = list.split_once(" = ").expect(TESTED);
            topic.slots.add(name, words);
        } else if line.is_empty() {
            open = false;
        } else {
            if !open {
                let (parts, hours) = (vec![Vec::new()], None);
                topic.scripts.push(Script { parts, hours });
                open = true;
            }
            let script = topic.scripts.last_mut().expect("just pushed");
            add_line(script, line);
        }
    }
    topic
}

fn add_line(script: &mut Script, line: &'static str) {
    if line == "~" {
        script.parts.push(Vec::new());
        return;
    }
    if let Some(hours) = line.strip_prefix("@ ") {
        let (from, to) = hours
            .split_once('-')
            .expect("the compiled-in banks are tested");
        let hour = |text: &str| text.parse().expect("the compiled-in banks are tested");
        script.hours = Some((hour(from), hour(to)));
        return;
    }
    let (role, template) = line
        .split_once(": ")
        .expect("the compiled-in banks are tested");
    let role = usize::from(role.as_bytes()[0] - b'A');
    let part = script.parts.last_mut().expect("a script has a part");
    part.push(Turn { role, template });
}

#[cfg(test)]
mod tests;
