//! Expected screens, kept as files that people can read: `tests/terminal/screens/`.
//!
//! After a deliberate change of the looks, run the tests with `SCREENS_WRITE=1` in the
//! environment, and read the difference before it is committed.

use std::path::PathBuf;

/// What changes from run to run is replaced by what does not.
pub(crate) fn masked(line: &str) -> String {
    let mut masked = String::with_capacity(line.len());
    let mut word = String::new();
    for char in line.chars() {
        if char.is_alphanumeric() || char == ':' {
            word.push(char);
        } else {
            masked += &masked_word(&word);
            word.clear();
            masked.push(char);
        }
    }
    masked + &masked_word(&word)
}

fn masked_word(word: &str) -> String {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let bytes = word.as_bytes();
    if bytes.len() == 5 && is_number(&word[..2]) && bytes[2] == b':' && is_number(&word[3..]) {
        return "HH:MM".to_owned();
    }
    match word.strip_suffix('s') {
        Some(seconds) if is_number(seconds) => "Ns".to_owned(),
        Some(_) | None => word.to_owned(),
    }
}

/// Compares a screen with its file.
pub(crate) fn compare(name: &str, lines: &[String]) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/terminal/screens");
    let path = folder.join(format!("{name}.txt"));
    let seen: String = lines.iter().map(|line| masked(line) + "\n").collect();
    if std::env::var_os("SCREENS_WRITE").is_some() {
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(&path, seen).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{name}.txt: {error}; see the head of harness/screens.rs"));
    if seen == expected {
        return;
    }
    let differs = |(left, right): &(&str, &str)| left != right;
    let first = seen.lines().zip(expected.lines()).find(differs);
    panic!("the screen {name} is another one; first difference: {first:#?}\nseen:\n{seen}");
}
