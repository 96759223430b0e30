//! Expands templates: `[this|that]` is a choice, which may hold others; `{slot}` is a word of
//! the topic, the same all through a thread; `{A}` mentions who speaks part A; `\n` ends a
//! line. A few slots are drawn anew each time: `{n}`, `{hex}`, `{ver}`, `{clock}` for a time to
//! come and `{ago}` for one that is over.

use crate::bank::Slots;
use crate::random::Random;

/// What a template may name.
pub(crate) struct Scope<'s> {
    /// Lists of words, the nearest first.
    pub(crate) slots: &'s [&'s Slots],
    /// Draws the words of the slots: the same in every part of a thread.
    pub(crate) key: u64,
    /// The hour in which it is said.
    pub(crate) hour: u64,
    /// Sets the day apart: some words of a list are said more often on one day.
    pub(crate) day: u64,
    /// The names behind `{A}` to `{D}`.
    pub(crate) names: &'s [&'s str],
}

/// Of a hundred threads that name a word of a list, so many name the word of the day.
const HOT_PERCENT: u64 = 40;

/// Writes the text of a template.
pub(crate) fn expand(random: &mut Random, scope: &Scope<'_>, template: &str, out: &mut String) {
    let mut rest = template;
    while let Some(at) = rest.find(['[', '{', '\\']) {
        out.push_str(&rest[..at]);
        let tail = &rest[at..];
        rest = match tail.as_bytes()[0] {
            b'[' => {
                let (inner, behind) = split_choice(tail);
                let choice = pick_choice(random, inner);
                expand(random, scope, choice, out);
                behind
            }
            b'{' => {
                let (name, behind) = tail[1..]
                    .split_once('}')
                    .expect("the compiled-in banks are tested");
                slot(random, scope, name, out);
                behind
            }
            _ => {
                out.push('\n');
                tail.get(2..).unwrap_or_default()
            }
        };
    }
    out.push_str(rest);
}

/// The inside of the choice that a text begins with, and what is behind it.
fn split_choice(text: &str) -> (&str, &str) {
    let mut depth = 0;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'[' => depth += 1,
            b']' => {
                depth -= 1;
                if depth == 0 {
                    return (&text[1..at], &text[at + 1..]);
                }
            }
            _ => {}
        }
    }
    unreachable!("the compiled-in banks are tested")
}

/// One of the parts between the outermost bars.
fn pick_choice<'t>(random: &mut Random, inner: &'t str) -> &'t str {
    let bars = || outer_bars(inner);
    let wanted = random.below(bars().count() as u64 + 1) as usize;
    let start = match wanted {
        0 => 0,
        _ => bars().nth(wanted - 1).map_or(0, |bar| bar + 1),
    };
    let end = bars().nth(wanted).unwrap_or(inner.len());
    &inner[start..end]
}

fn outer_bars(inner: &str) -> impl Iterator<Item = usize> {
    let mut depth = 0;
    inner.bytes().enumerate().filter_map(move |(at, byte)| {
        match byte {
            b'[' => depth += 1,
            b']' => depth -= 1,
            b'|' if depth == 0 => return Some(at),
            _ => {}
        }
        None
    })
}

fn slot(random: &mut Random, scope: &Scope<'_>, name: &str, out: &mut String) {
    use std::fmt::Write;
    let written = match name {
        "n" => write!(out, "{}", random.between(2, 40)),
        "hex" => write!(out, "{:07x}", random.below(1 << 28)),
        "ver" => write!(
            out,
            "{}.{}.{}",
            random.between(1, 4),
            random.below(20),
            random.below(9)
        ),
        "clock" => {
            let hour = (scope.hour + random.between(1, 4)).clamp(8, 23);
            write!(out, "{hour}:{:02}", random.below(4) * 15)
        }
        "ago" => {
            let hour = scope.hour.saturating_sub(random.between(1, 2));
            write!(out, "{hour}:{:02}", random.below(60))
        }
        "A" | "B" | "C" | "D" => {
            let place = usize::from(name.as_bytes()[0] - b'A');
            write!(out, "@{}", scope.names[place % scope.names.len()])
        }
        _ => out.write_str(word(scope, name)),
    };
    written.expect("a string takes what is written");
}

/// The thread's word of a list. `{x2}` is another one of the list `x`.
fn word<'s>(scope: &Scope<'s>, name: &str) -> &'s str {
    let (base, is_second) = match name.strip_suffix('2') {
        Some(base) => (base, true),
        None => (name, false),
    };
    let list = scope.slots.iter().find_map(|slots| slots.get(base));
    let list = list.expect("the compiled-in banks are tested");
    let length = list.len() as u64;
    let of_name = base.bytes().fold(0, |sum, byte| sum * 31 + u64::from(byte));
    let mut of_thread = Random::new(scope.key, &[of_name]);
    let first = if of_thread.chance(HOT_PERCENT) {
        Random::new(scope.day, &[of_name, length]).below(length)
    } else {
        of_thread.below(length)
    };
    let second = (first + 1 + of_thread.below(length.max(2) - 1)) % length;
    list[if is_second { second } else { first } as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(template: &str, key: u64) -> String {
        let mut slots = Slots::default();
        slots.add("pet", "cat; dog; owl");
        let scope = Scope {
            slots: &[&slots],
            key,
            hour: 12,
            day: 7,
            names: &["ann", "bob"],
        };
        let mut out = String::new();
        expand(&mut Random::new(key, &[]), &scope, template, &mut out);
        out
    }

    #[test]
    fn choices_nest_and_may_be_empty() {
        let mut seen = std::collections::BTreeSet::new();
        for key in 0..200 {
            seen.insert(expanded("a[|b[c|d]|e]f", key));
        }
        let seen: Vec<_> = seen.iter().map(String::as_str).collect();
        assert_eq!(seen, ["abcf", "abdf", "aef", "af"]);
    }

    #[test]
    fn a_slot_keeps_its_word_through_a_thread() {
        for key in 0..50 {
            let text = expanded("{pet} {pet} {pet2}", key);
            let words: Vec<_> = text.split(' ').collect();
            assert_eq!(words[0], words[1]);
            assert_ne!(words[0], words[2]);
        }
    }

    #[test]
    fn names_numbers_and_line_ends() {
        assert_eq!(expanded("{A}, {B}\\nhi", 1), "@ann, @bob\nhi");
        assert!(expanded("{n}", 3).parse::<u64>().unwrap() >= 2);
        assert_eq!(expanded("{hex}", 3).len(), 7);
    }
}
