//! The lines of one thread: a script, spoken by people of the conversation, with others
//! joining in.

use antiphon_protocol::UserName;

use crate::bank::{Bank, ROLES_MAX};
use crate::grammar::Scope;
use crate::options::Language;
use crate::outline::Thread;
use crate::random::Random;
use crate::recent::Recent;
use crate::schedule::hour_of;
use crate::voice::Voice;
use crate::world::Talk;

/// How often a speaker of another language is drawn again.
const TRIES_MAX: u32 = 6;
/// Of a hundred such speakers, so many speak all the same.
const STRANGER_PERCENT: u64 = 15;
/// How often a wording is drawn again that was used lately.
const WORDINGS_MAX: u32 = 8;
/// Of a hundred answers, so many begin with a mention.
const MENTION_PERCENT: u64 = 7;

/// Who says it, by place among the participants, and what.
pub(crate) type Line = (usize, String);

/// Writes threads of one conversation.
#[derive(Debug)]
pub(crate) struct Writer<'w> {
    pub(crate) seed: u64,
    pub(crate) talk: &'w Talk,
    pub(crate) bank: &'static Bank,
    pub(crate) languages: &'w [Language],
}

impl Writer<'_> {
    /// The lines of a thread.
    pub(crate) fn lines(&self, place: usize, thread: &Thread, recent: &mut Recent) -> Vec<Line> {
        let mut random = Random::new(self.seed, &[6, self.talk.number, place as u64]);
        let mut of_root = Random::new(self.seed, &[12, self.talk.number, thread.root]);
        let roles = self.roles(&mut of_root, thread.card.script.roles());
        let names: Vec<&str> = roles.iter().map(|&at| self.name(at).as_str()).collect();
        let scope = Scope {
            slots: &[&thread.card.topic.slots, &self.bank.words],
            key: of_root.next(),
            hour: hour_of(thread.start_ms),
            day: Random::new(self.seed, &[10, thread.day]).next(),
            names: &names,
        };
        let turns = &thread.card.script.parts[thread.part];
        let mut after = self.extra_places(&mut random, thread.extras, turns.len());
        let mut lines: Vec<Line> = Vec::with_capacity(turns.len() + thread.extras);
        for (number, turn) in turns.iter().enumerate() {
            let speaker = roles[turn.role % roles.len()];
            let mut text = self.say(&mut random, &scope, recent, (speaker, turn.template));
            if let Some(&(last, _)) = lines.last()
                && last != speaker
                && !self.talk.is_direct()
                && !text.contains('@')
                && random.chance(MENTION_PERCENT)
            {
                text = format!("@{} {text}", self.name(last));
            }
            lines.push((speaker, text));
            while after.last() == Some(&number) {
                after.pop();
                let line = self.reaction(&mut random, &scope, recent, speaker);
                lines.push(line);
            }
        }
        lines
    }

    /// After which turns somebody joins in, the last first.
    fn extra_places(&self, random: &mut Random, extras: usize, turns: usize) -> Vec<usize> {
        let place = |_| usize::try_from(random.below(turns as u64)).expect("below a length");
        let mut places: Vec<usize> = (0..extras).map(place).collect();
        places.sort_unstable_by(|a, b| b.cmp(a));
        places
    }

    fn reaction(
        &self,
        random: &mut Random,
        scope: &Scope<'_>,
        recent: &mut Recent,
        last: usize,
    ) -> Line {
        let count = self.talk.participants.len();
        let mut speaker = self.speaker(random);
        if speaker == last {
            speaker = (last + 1) % count;
        }
        let template = *random.pick(self.bank.list("react"));
        let text = self.say(random, scope, recent, (speaker, template));
        (speaker, text)
    }

    /// What somebody says, put in words that were not used lately, if there are any.
    fn say(
        &self,
        random: &mut Random,
        scope: &Scope<'_>,
        recent: &mut Recent,
        (speaker, template): (usize, &str),
    ) -> String {
        let voice = Voice::new(self.seed, self.name(speaker));
        let mut text = voice.say(random, self.bank, scope, template);
        for _ in 0..WORDINGS_MAX {
            if !recent.has(&text) {
                break;
            }
            text = voice.say(random, self.bank, scope, template);
        }
        if recent.has(&text) && !text.contains('`') {
            voice.vary(random, self.bank, &mut text);
        }
        recent.add(&text);
        text
    }

    fn name(&self, at: usize) -> &UserName {
        &self.talk.participants[at]
    }

    /// The people of a script, each another one if there are enough.
    fn roles(&self, random: &mut Random, wanted: usize) -> Vec<usize> {
        let count = self.talk.participants.len();
        let wanted = wanted.min(ROLES_MAX);
        let mut roles: Vec<usize> = Vec::with_capacity(wanted);
        for _ in 0..wanted.min(count) {
            let mut speaker = self.speaker(random);
            while roles.contains(&speaker) {
                speaker = (speaker + 1) % count;
            }
            roles.push(speaker);
        }
        roles
    }

    /// Somebody: a few talk much, many little, and mostly in their own language.
    fn speaker(&self, random: &mut Random) -> usize {
        let count = self.talk.participants.len() as u64;
        let mut at = 0;
        for _ in 0..TRIES_MAX {
            // The smaller of two draws, in an order that each conversation has for itself.
            let rank = random.below(count).min(random.below(count));
            let rank = rank.min(random.below(count));
            at = usize::try_from((rank + self.talk.number * 7) % count).expect("below a length");
            if self.speaks_it(at) || random.chance(STRANGER_PERCENT) {
                break;
            }
        }
        at
    }

    fn speaks_it(&self, at: usize) -> bool {
        let language = home_language(self.seed, self.name(at), self.languages);
        language == self.bank.language
    }
}

/// The language that a user writes mostly.
pub(crate) fn home_language(seed: u64, user: &UserName, languages: &[Language]) -> Language {
    let of_name = user
        .as_str()
        .bytes()
        .fold(0_u64, |sum, byte| sum.wrapping_mul(131) + u64::from(byte));
    *Random::new(seed, &[13, of_name]).pick(languages)
}
