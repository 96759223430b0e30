//! The word banks: what conversations are about and how they are put.

use crate::options::Language;

const ENGLISH: &str = include_str!("../data/topics.en.txt");
const CHINESE: &str = include_str!("../data/topics.zh.txt");

/// What a conversation is about.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Topic {
    /// Its language.
    pub(crate) language: Language,
    /// A room's topic.
    pub(crate) title: &'static str,
    /// What is talked about: `{a}` and `{b}`.
    pub(crate) things: Vec<&'static str>,
    /// How a thread begins.
    pub(crate) openers: Vec<&'static str>,
    /// How it goes on.
    pub(crate) answers: Vec<&'static str>,
    /// How it ends.
    pub(crate) closers: Vec<&'static str>,
}

/// The topics of a language, at least one.
pub(crate) fn topics(language: Language) -> Vec<Topic> {
    let bank = match language {
        Language::English => ENGLISH,
        Language::Chinese => CHINESE,
    };
    parse(language, bank)
}

fn parse(language: Language, bank: &'static str) -> Vec<Topic> {
    let mut topics: Vec<Topic> = Vec::new();
    for line in bank
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        if let Some(title) = line.strip_prefix("[topic] ") {
            let (things, openers) = (Vec::new(), Vec::new());
            let (answers, closers) = (Vec::new(), Vec::new());
            topics.push(Topic {
                language,
                title,
                things,
                openers,
                answers,
                closers,
            });
            continue;
        }
        let topic = topics.last_mut().expect("the compiled-in banks are tested");
        let (kind, text) = line
            .split_once(": ")
            .expect("the compiled-in banks are tested");
        match kind {
            "thing" => topic.things.extend(text.split(", ")),
            "open" => topic.openers.push(text),
            "answer" => topic.answers.push(text),
            "close" => topic.closers.push(text),
            _ => unreachable!("the compiled-in banks are tested"),
        }
    }
    topics
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_topic_has_enough_of_everything() {
        for language in [Language::English, Language::Chinese] {
            let topics = topics(language);
            assert!(topics.len() >= 5);
            for topic in topics {
                assert!(topic.things.len() >= 10, "{}", topic.title);
                assert!(topic.openers.len() >= 5, "{}", topic.title);
                assert!(topic.answers.len() >= 7, "{}", topic.title);
                assert!(topic.closers.len() >= 3, "{}", topic.title);
                let starts = topic
                    .openers
                    .iter()
                    .all(|opener| !opener.contains("{user}"));
                assert!(starts, "an opener has nobody before it");
            }
        }
    }
}
