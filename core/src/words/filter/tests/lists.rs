//! List files: what is read, and what is refused with file and line.

use super::*;
use crate::words::FilterError;

fn raws(bytes: &[u8]) -> Vec<String> {
    parse(Path::new("list"), bytes)
        .unwrap()
        .into_iter()
        .map(|term| term.raw)
        .collect()
}

/// Pitfall 93.
#[test]
fn pitfall_93_a_missing_file_fails_with_its_name() {
    let sources = FilterSources {
        masked: vec!["/nowhere/words.txt".into()],
        ..Default::default()
    };
    let error = WordFilter::load(&sources).unwrap_err();
    assert!(matches!(&error, FilterError::Read { file, .. } if file.ends_with("words.txt")));
    assert!(error.to_string().contains("/nowhere/words.txt"));
}

/// Pitfall 94.
#[test]
fn pitfall_94_any_line_ending_and_a_byte_order_mark() {
    let expected = ["foo", "bar baz", "傻逼"];
    assert_eq!(raws("foo\nbar baz\n傻逼\n".as_bytes()), expected);
    assert_eq!(raws("foo\r\nbar baz\r\n傻逼".as_bytes()), expected);
    assert_eq!(
        raws("\u{FEFF}foo\r\n\r\n# no\r\n  bar baz \r\n傻逼\r\n\r\n".as_bytes()),
        expected
    );
    assert_eq!(raws(b""), [""; 0]);
    assert_eq!(raws(b"\n\n \n"), [""; 0]);
}

#[test]
fn a_bad_line_is_named() {
    let error = |bytes: &[u8]| parse(Path::new("bad.txt"), bytes).unwrap_err().to_string();
    assert_eq!(
        error(b"good\n1488\n"),
        "bad.txt:2: the term \"1488\" has no letter"
    );
    assert_eq!(
        error("\u{200B}".as_bytes()),
        "bad.txt:1: the term \"\\u{200b}\" has no letter"
    );
    assert_eq!(error(b"good\n\n\xFFx"), "bad.txt:3: not UTF-8");
    assert!(error(b"f*ck").starts_with("bad.txt:1: the term \"f*ck\" has the character *"));
    assert!(error("x".repeat(101).as_bytes()).starts_with("bad.txt:1: a term has at most 100"));
}

#[test]
fn without_lists_nothing_is_masked() {
    let filter = WordFilter::load(&FilterSources::default()).unwrap();
    assert_eq!(filter.mask("fuck 傻逼"), "fuck 傻逼");
}
