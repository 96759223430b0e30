//! The outline of a conversation: which threads it has, when each begins, and which script
//! each follows. It depends on the set, its seed and its anchor, so that any thread can be
//! written without those before it.

use crate::bank::{Bank, Script, Topic, bank};
use crate::random::Random;
use crate::schedule::{Calendar, hour_of, thread_starts};
use crate::world::Talk;

/// A guess at how many messages a thread has.
const THREAD_MESSAGES: usize = 6;
/// How often the guess is corrected.
const CORRECTIONS_MAX: usize = 8;
/// Talks that wait for the next day, at most; an older one is given up.
const WAITING_MAX: usize = 4;
/// Of a hundred threads of a room, so many are about something else.
const ELSEWHERE_PERCENT: u64 = 9;
/// Of a hundred days, so many begin something that everybody talks about.
const EVENT_DAYS_PERCENT: u64 = 45;
/// Of a hundred threads on that day and on the next, so many are about it.
const EVENT_PERCENT: [u64; 2] = [11, 4];
/// Threads between two about the same event, so that their scripts take turns.
const EVENT_TURN: usize = 8;
/// A deck of scripts is shuffled within so many stretches, so that what was on top does not
/// come back soon.
const STRETCHES: usize = 3;
/// How many messages besides the script's a thread gets: of a hundred.
const EXTRA_WEIGHTS: [u64; 4] = [55, 30, 12, 3];
const EXTRA_WEIGHTS_DIRECT: [u64; 4] = [90, 10, 0, 0];

/// The outline of one conversation.
#[derive(Debug)]
pub(crate) struct Outline {
    seed: u64,
    talk: u64,
    bank: &'static Bank,
    own: &'static Topic,
    is_direct: bool,
    deck: Vec<Card>,
    threads: Vec<Slot>,
    calendar: Calendar,
}

/// A script and the section that it is of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Card {
    pub(crate) topic: &'static Topic,
    pub(crate) script: &'static Script,
}

/// A thread's place.
#[derive(Debug, Clone, Copy)]
struct Slot {
    start_ms: u64,
    /// The thread that began this talk, maybe a day before.
    root: u32,
    part: u8,
}

/// A thread, ready to be written.
#[derive(Debug)]
pub(crate) struct Thread {
    pub(crate) card: Card,
    pub(crate) part: usize,
    /// Draws who speaks and about what: the same in every part of the talk.
    pub(crate) root: u64,
    pub(crate) day: u64,
    pub(crate) start_ms: u64,
    /// When the next one begins.
    pub(crate) end_ms: u64,
    /// Messages besides the script's.
    pub(crate) extras: usize,
}

impl Outline {
    /// The outline of a conversation with at least as many messages as the talk wants.
    pub(crate) fn new(seed: u64, talk: &Talk, own: &'static Topic, calendar: &Calendar) -> Self {
        let bank = bank(own.language);
        let is_direct = talk.is_direct();
        let mut outline = Self {
            seed,
            talk: talk.number,
            bank,
            own,
            is_direct,
            deck: deck(seed, talk.number, bank, own, is_direct),
            threads: Vec::new(),
            calendar: calendar.clone(),
        };
        outline.plan(usize::try_from(talk.messages).expect("below MESSAGES_MAX"));
        outline
    }

    /// How many threads.
    pub(crate) fn len(&self) -> usize {
        self.threads.len()
    }

    /// A thread.
    pub(crate) fn thread(&self, place: usize) -> Thread {
        let slot = self.threads[place];
        let next = self.threads.get(place + 1);
        Thread {
            card: self.card(slot.root as usize),
            part: usize::from(slot.part),
            root: u64::from(slot.root),
            day: self.calendar.day_of(slot.start_ms),
            start_ms: slot.start_ms,
            end_ms: next.map_or(self.calendar.end_ms(), |next| next.start_ms),
            extras: self.extras(place),
        }
    }

    /// Finds a number of threads that together have the messages, and little more.
    fn plan(&mut self, wanted: usize) {
        if wanted == 0 {
            return;
        }
        let mut count = wanted / THREAD_MESSAGES + 1;
        for _ in 0..CORRECTIONS_MAX {
            let total = self.fill(count);
            if (wanted..wanted + 3 * THREAD_MESSAGES).contains(&total) {
                return;
            }
            let needed = count as u64 * wanted as u64 / total.max(1) as u64;
            count = usize::try_from(needed).expect("about as many") + 1;
        }
        while self.fill(count) < wanted {
            count += count / 50 + 1;
        }
    }

    /// Lays out so many threads; returns how many messages they have.
    fn fill(&mut self, count: usize) -> usize {
        let mut random = Random::new(self.seed, &[3, self.talk]);
        let weekend = self.own.weekend_percent;
        let starts = thread_starts(&mut random, &self.calendar, weekend, count);
        self.threads.clear();
        let mut waiting: Vec<(u64, Slot)> = Vec::new();
        let mut total = 0;
        for (place, start_ms) in starts.into_iter().enumerate() {
            let day = self.calendar.day_of(start_ms);
            waiting.retain(|(since, _)| day <= since + 2);
            let slot = Slot {
                start_ms,
                root: u32::try_from(place).expect("fewer than messages"),
                part: 0,
            };
            let ready = waiting.iter().position(|(since, _)| day > *since);
            let slot = match ready.map(|at| waiting.remove(at).1) {
                Some(begun) => Slot {
                    root: begun.root,
                    part: begun.part + 1,
                    ..slot
                },
                None => slot,
            };
            self.threads.push(slot);
            let parts = &self.card(slot.root as usize).script.parts;
            let part = usize::from(slot.part);
            total += parts[part].len() + self.extras(place);
            if part + 1 < parts.len() {
                if waiting.len() == WAITING_MAX {
                    waiting.remove(0);
                }
                waiting.push((day, slot));
            }
        }
        total
    }

    fn extras(&self, place: usize) -> usize {
        let weights = if self.is_direct {
            EXTRA_WEIGHTS_DIRECT
        } else {
            EXTRA_WEIGHTS
        };
        Random::new(self.seed, &[5, self.talk, place as u64]).weighted(&weights)
    }

    /// The script of a thread that continues none.
    fn card(&self, place: usize) -> Card {
        let mut random = Random::new(self.seed, &[4, self.talk, place as u64]);
        let start_ms = self.threads[place].start_ms;
        let (day, hour) = (self.calendar.day_of(start_ms), hour_of(start_ms));
        if !self.is_direct
            && let Some(topic) = self.event(&mut random, day)
        {
            let turn = place / EVENT_TURN % topic.scripts.len();
            let script = &topic.scripts[turn];
            if script.fits(hour) {
                return Card { topic, script };
            }
        }
        if !self.is_direct && random.chance(ELSEWHERE_PERCENT) {
            let topic = random.pick(&self.bank.topics);
            let script = random.pick(&topic.scripts);
            if script.fits(hour) {
                return Card { topic, script };
            }
        }
        // What does not fit the hour gives way to the next that does.
        let fitting = (place..place + self.deck.len()).map(|at| self.dealt(at));
        let mut fitting = fitting.filter(|card| card.script.fits(hour));
        fitting.next().unwrap_or_else(|| self.dealt(place))
    }

    /// The card at a place of the decks, one behind the other.
    fn dealt(&self, place: usize) -> Card {
        let (round, at) = (place / self.deck.len(), place % self.deck.len());
        let stretch = self.deck.len().div_ceil(STRETCHES);
        let first = at / stretch * stretch;
        let cards = &self.deck[first..(first + stretch).min(self.deck.len())];
        let path = [8, self.talk, round as u64, first as u64];
        cards[shuffled(&mut Random::new(self.seed, &path), cards.len())[at - first]]
    }

    /// What everybody talks about on a day, if this thread does too.
    fn event(&self, random: &mut Random, day: u64) -> Option<&'static Topic> {
        for (age, percent) in (0..).zip(EVENT_PERCENT) {
            let Some(began) = day.checked_sub(age) else {
                break;
            };
            let mut of_day = Random::new(self.seed, &[9, began]);
            if of_day.chance(EVENT_DAYS_PERCENT) && random.chance(percent) {
                return Some(of_day.pick(&self.bank.events));
            }
        }
        None
    }
}

/// The scripts of a conversation, each once.
fn deck(
    seed: u64,
    talk: u64,
    bank: &'static Bank,
    own: &'static Topic,
    is_direct: bool,
) -> Vec<Card> {
    let mut sections: Vec<&'static Topic> = Vec::new();
    if is_direct {
        sections.extend(&bank.direct);
    } else {
        sections.push(own);
        sections.extend(&bank.chatter);
    }
    let cards: Vec<Card> = sections
        .into_iter()
        .flat_map(|topic| {
            let card = move |script| Card { topic, script };
            topic.scripts.iter().map(card)
        })
        .collect();
    let order = shuffled(&mut Random::new(seed, &[7, talk]), cards.len());
    order.into_iter().map(|at| cards[at]).collect()
}

/// The numbers below `count` in a drawn order (Fisher and Yates).
fn shuffled(random: &mut Random, count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    for at in (1..count).rev() {
        let other = usize::try_from(random.below(at as u64 + 1)).expect("below a length");
        order.swap(at, other);
    }
    order
}
