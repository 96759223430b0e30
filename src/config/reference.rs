//! The generated file and the generated page.

use std::fmt::Write as _;

use super::keys::{KEYS, Key, SECTIONS};

const LINE_CHARS_MAX: usize = 90;

const FILE_HEAD: &str = "\
# Antiphon's configuration: every key with its default and the reason for it.
# A line that begins with `#` is the default; take the `#` away to change the value.
# Variables win over this file (ANTIPHON_SECTION__KEY), flags win over both
# (--set section.key=value).
";

const PAGE_HEAD: &str = "\
# Configuration

<!-- Generated from the table in src/config/keys.rs; a test compares. -->

Antiphon needs no configuration to start.
What you set comes from one file, from variables over it, and from flags over both:

| from | written as |
|---|---|
| a file, `antiphon.toml` | `[limits]` and below it `message_burst = 50` |
| a variable | `ANTIPHON_LIMITS__MESSAGE_BURST=50` |
| a flag | `--set limits.message_burst=50` |

`antiphon default-config` prints a file with every key, its default and its reason.
Lists are separated by commas in variables and flags.
A key, table or `ANTIPHON_` variable that does not exist is an error, with the nearest name that does.
Every problem is told at once, each with its place, and the process ends with code 78.
";

fn keys_of(section: &str) -> impl Iterator<Item = &'static Key> {
    KEYS.iter().filter(move |key| key.section == section)
}

/// A commented file with every key, its default and its reason.
pub fn default_toml() -> String {
    let mut text = FILE_HEAD.to_owned();
    for (section, about) in SECTIONS {
        write!(text, "\n#{about}\n[{section}]\n").expect("writing to a string can't fail");
        for key in keys_of(section) {
            let doc = wrapped(&format!("{} Takes {}.", key.doc, key.kind));
            let value = key.default_value();
            write!(text, "\n{doc}#{} = {value}\n", key.name).expect("as above");
        }
    }
    text
}

/// The page docs/configuration.md.
pub fn reference_markdown() -> String {
    let mut text = PAGE_HEAD.to_owned();
    for (section, about) in SECTIONS {
        write!(text, "\n## `[{section}]`\n\n{}\n", about.trim()).expect("as above");
        for key in keys_of(section) {
            let lines = key.doc.replace(". ", ".\n");
            let (path, variable) = (key.path(), key.variable());
            let (value, kind) = (key.default_value(), key.kind);
            write!(
                text,
                "\n### `{path}`\n\n{lines}\nDefault: `{value}`.\nTakes {kind}.\nVariable: `{variable}`.\n"
            )
            .expect("as above");
        }
    }
    text
}

/// The text as comment lines.
fn wrapped(text: &str) -> String {
    let mut out = String::new();
    let mut line = String::from("#");
    for word in text.split(' ') {
        if line.chars().count() + 1 + word.chars().count() > LINE_CHARS_MAX {
            out.push_str(&line);
            out.push('\n');
            line = String::from("#");
        }
        line.push(' ');
        line.push_str(word);
    }
    out + &line + "\n"
}
