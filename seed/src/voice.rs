//! How each user writes: some in lower case, some with emoji, some at length.

use antiphon_protocol::UserName;

use crate::bank::Bank;
use crate::grammar::{Scope, expand};
use crate::options::Language;
use crate::random::Random;

/// A user's manner, the same in every conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Voice {
    /// Writes no capital letters; in Chinese, no commas.
    is_loose: bool,
    /// Ends sentences with a full stop also at the end of a message.
    ends_with_stop: bool,
    /// Writes "tmrw" and "pls"; in Chinese, laughs a lot.
    is_short: bool,
    /// Adds a sentence now and then, of a hundred messages.
    more_percent: u64,
    /// Adds an emoji, of a hundred messages.
    emoji_percent: u64,
    /// Draws the few emoji that the user likes.
    key: u64,
}

/// What people leave out or write shorter.
const SHORT_ENGLISH: &[(&str, &str)] = &[
    ("tomorrow", "tmrw"),
    ("please", "pls"),
    ("thanks", "thx"),
    ("Thanks", "thx"),
    ("people", "ppl"),
    ("because", "cause"),
    ("going to", "gonna"),
    ("want to", "wanna"),
    ("I don't know", "idk"),
    ("to be honest", "tbh"),
    ("right now", "rn"),
    ("really", "rly"),
    ("about", "abt"),
];
/// Most sentences that are added.
const MORE_MAX: u32 = 2;
/// Different emoji of one user.
const FAVORITES: u64 = 4;

impl Voice {
    /// The voice of a user.
    pub(crate) fn new(seed: u64, user: &UserName) -> Self {
        let of_name = user
            .as_str()
            .bytes()
            .fold(0_u64, |sum, byte| sum.wrapping_mul(131) + u64::from(byte));
        let mut random = Random::new(seed, &[11, of_name]);
        Self {
            is_loose: random.chance(34),
            ends_with_stop: random.chance(38),
            is_short: random.chance(18),
            more_percent: *random.pick(&[0, 0, 3, 6, 12]),
            emoji_percent: *random.pick(&[0, 0, 0, 6, 14, 35]),
            key: random.next(),
        }
    }

    /// The text as this user writes it.
    pub(crate) fn say(
        &self,
        random: &mut Random,
        bank: &Bank,
        scope: &Scope<'_>,
        template: &str,
    ) -> String {
        let mut text = String::with_capacity(96);
        expand(random, scope, template, &mut text);
        // Code and addresses are written as they are.
        let is_exact = text.contains('`') || text.contains("://") || text.contains('\n');
        for _ in 0..MORE_MAX {
            if !is_exact && random.chance(self.more_percent) {
                self.add_more(random, bank, scope, &mut text);
            }
        }
        if text.contains(" ,") {
            text = text.replace(" ,", ",");
        }
        if !is_exact {
            text = match bank.language {
                Language::English => self.english(text),
                Language::Chinese => self.chinese(random, text),
            };
        }
        let has_emoji = text
            .chars()
            .last()
            .is_some_and(|c| c > '\u{2190}' && !is_han(c));
        if !has_emoji && !text.contains("```") && random.chance(self.emoji_percent) {
            text.push(' ');
            text.push_str(self.emoji(random, bank));
        }
        text
    }

    /// Says it a little differently.
    pub(crate) fn vary(&self, random: &mut Random, bank: &Bank, text: &mut String) {
        let emoji = *random.pick(bank.list("emoji"));
        let is_plain = text.ends_with(|c: char| c.is_alphanumeric());
        match (bank.language, random.below(3)) {
            (Language::English, 0) if is_plain => text.push_str("..."),
            (Language::Chinese, 0) if is_plain => text.push_str("……"),
            (Language::Chinese, 1) if is_plain => text.push('～'),
            (Language::English | Language::Chinese, _) => {
                text.push(' ');
                text.push_str(emoji);
            }
        }
    }

    fn add_more(&self, random: &mut Random, bank: &Bank, scope: &Scope<'_>, text: &mut String) {
        let ends = ['.', '!', '?', '。', '！', '？', '…', ')', '~', '～'];
        match bank.language {
            Language::English if text.ends_with(ends) => text.push(' '),
            Language::English => text.push_str(". "),
            Language::Chinese if text.ends_with(ends) => {}
            Language::Chinese => text.push('，'),
        }
        let template: &str = random.pick::<&str>(bank.list("more"));
        expand(random, scope, template, text);
    }

    fn english(&self, mut text: String) -> String {
        if self.is_short {
            for (long, short) in SHORT_ENGLISH {
                if text.contains(long) {
                    text = text.replace(long, short);
                }
            }
        }
        if self.is_loose {
            text = text.to_lowercase();
        } else {
            capitalize(&mut text);
        }
        if !self.ends_with_stop && text.ends_with('.') && !text.ends_with("..") {
            text.pop();
        }
        text
    }

    fn chinese(&self, random: &mut Random, mut text: String) -> String {
        if !self.ends_with_stop && text.ends_with('。') {
            text.pop();
        }
        if self.is_loose {
            text = text.replace('，', " ");
        }
        if self.is_short && random.chance(15) && !text.ends_with(['？', '…']) {
            let end = text.trim_end_matches('。').len();
            text.truncate(end);
            let laugh: &str = random.pick::<&str>(&["哈哈", "～", "哈哈哈", "嘿嘿", "…", "呀"]);
            text.push_str(laugh);
        }
        text
    }

    fn emoji<'b>(&self, random: &mut Random, bank: &'b Bank) -> &'b str {
        let favorite = random.below(FAVORITES);
        Random::new(self.key, &[favorite]).pick::<&str>(bank.list("emoji"))
    }
}

fn capitalize(text: &mut String) {
    if text.starts_with(|c: char| c.is_ascii_lowercase()) {
        let first = text.remove(0).to_ascii_uppercase();
        text.insert(0, first);
    }
}

fn is_han(c: char) -> bool {
    ('\u{2E80}'..='\u{9FFF}').contains(&c) || ('\u{FF00}'..='\u{FFEF}').contains(&c)
}
