use antiphon_core::words::WordFilter;

use super::*;
use crate::grammar::{Scope, expand};
use crate::random::Random;

const LANGUAGES: [Language; 2] = [Language::English, Language::Chinese];

fn sections(bank: &Bank) -> impl Iterator<Item = &Topic> {
    let all = [&bank.topics, &bank.chatter, &bank.direct, &bank.events];
    all.into_iter().flatten()
}

#[test]
fn every_section_has_enough() {
    for language in LANGUAGES {
        let bank = bank(language);
        assert!(bank.topics.len() >= 5, "{language:?}");
        assert!(bank.events.len() >= 4, "{language:?}");
        let count = |sections: &[Topic]| -> usize {
            sections.iter().map(|section| section.scripts.len()).sum()
        };
        assert!(count(&bank.chatter) >= 12 && count(&bank.direct) >= 12);
        for topic in &bank.topics {
            assert!(topic.scripts.len() >= 6, "{}", topic.title);
            assert!(!topic.title.is_empty());
        }
        for name in ["react", "more", "emoji"] {
            assert!(bank.list(name).len() >= 12, "{name}");
        }
        let has_night = |topic: &Topic| topic.scripts.iter().any(|s| s.parts.len() > 1);
        assert!(sections(bank).filter(|topic| has_night(topic)).count() >= 5);
    }
}

/// Every template of both banks can be expanded, whatever is drawn, and the server's word
/// filter has nothing against what comes out.
#[test]
fn every_template_expands() {
    let filter = WordFilter::builtin();
    for language in LANGUAGES {
        let bank = bank(language);
        let slots = Slots::default();
        let check = |own: &Slots, template: &str| {
            for key in 0..40 {
                let scope = Scope {
                    slots: &[own, &bank.words],
                    key,
                    hour: key % 24,
                    day: key,
                    names: &["user1", "user2", "user3", "user4"],
                };
                let mut out = String::new();
                expand(&mut Random::new(key, &[]), &scope, template, &mut out);
                assert!(!out.contains(['{', '}', '[', ']', '\\']), "{template}");
                assert!(!out.trim().is_empty(), "{template}");
                assert!(!out.contains("  "), "two spaces: {out}");
                assert_eq!(filter.mask(&out), out);
            }
        };
        for section in sections(bank) {
            for script in &section.scripts {
                assert!(script.roles() <= ROLES_MAX);
                for part in &script.parts {
                    assert!(!part.is_empty(), "{}", section.title);
                    for turn in part {
                        check(&section.slots, turn.template);
                    }
                }
                assert!(script.parts[0][0].role == 0, "A begins: {}", section.title);
            }
        }
        for name in ["react", "more"] {
            for template in bank.list(name) {
                check(&slots, template);
            }
        }
    }
}
