//! Lines of standard input or of a file: read by a thread of their own, one at a time, each
//! bounded, handed on through a bounded queue. So what is not sent yet is not read.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use tokio::sync::mpsc;

use crate::exit::Failed;

/// Lines that wait to be taken.
const LINES_MAX: usize = 64;

/// A line and its number, from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// From 1.
    pub number: u64,
    /// Without its end.
    pub text: String,
}

/// The lines as they come; ends behind the first that can't be read.
pub type Lines = mpsc::Receiver<Result<Line, Failed>>;

/// The lines of standard input.
pub fn stdin(bytes_max: usize) -> Result<Lines, Failed> {
    start(BufReader::new(io::stdin()), bytes_max)
}

/// The lines of a file; `-` is standard input.
pub fn file(path: &Path, bytes_max: usize) -> Result<Lines, Failed> {
    if path == Path::new("-") {
        return stdin(bytes_max);
    }
    let file =
        File::open(path).map_err(|error| Failed::usage(format!("{}: {error}", path.display())))?;
    start(BufReader::new(file), bytes_max)
}

fn start(input: impl BufRead + Send + 'static, bytes_max: usize) -> Result<Lines, Failed> {
    let (line_tx, line_rx) = mpsc::channel(LINES_MAX);
    // Not a task: it may wait for its input for ever, and ends with the process then.
    std::thread::Builder::new()
        .name("input".to_owned())
        .spawn(move || read_all(input, bytes_max, &line_tx))
        .map_err(|error| Failed::failure(format!("no thread for the input: {error}")))?;
    Ok(line_rx)
}

fn read_all(
    mut input: impl BufRead,
    bytes_max: usize,
    line_tx: &mpsc::Sender<Result<Line, Failed>>,
) {
    for number in 1.. {
        let read = match read_line(&mut input, bytes_max) {
            Ok(None) => return,
            Ok(Some(text)) => Ok(Line { number, text }),
            Err(why) => Err(Failed::failure(format!("line {number}: {why}"))),
        };
        let last = read.is_err();
        if line_tx.blocking_send(read).is_err() || last {
            return;
        }
    }
}

fn read_line(input: &mut impl BufRead, bytes_max: usize) -> Result<Option<String>, String> {
    let mut bytes = Vec::new();
    // Room for the end of the line.
    let room = u64::try_from(bytes_max)
        .unwrap_or(u64::MAX)
        .saturating_add(2);
    let read = input.by_ref().take(room).read_until(b'\n', &mut bytes);
    if read.map_err(|error| error.to_string())? == 0 {
        return Ok(None);
    }
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    if bytes.len() > bytes_max {
        return Err(format!("it is longer than {bytes_max} bytes"));
    }
    let text = String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(input: &[u8], bytes_max: usize) -> Vec<Result<String, String>> {
        let mut lines = start(io::Cursor::new(input.to_vec()), bytes_max).unwrap();
        let mut all = Vec::new();
        while let Some(line) = lines.blocking_recv() {
            all.push(line.map(|line| line.text).map_err(|error| error.words));
        }
        all
    }

    #[test]
    fn lines_end_in_each_usual_way() {
        let read = all("a\nb\r\n\n行\nlast".as_bytes(), 10);
        let expected = ["a", "b", "", "行", "last"].map(|line| Ok(line.to_owned()));
        assert_eq!(read, expected);
        assert_eq!(all(b"", 10), []);
    }

    #[test]
    fn a_line_is_bounded_and_is_text() {
        let read = all(b"12345\r\n123456\nnever", 5);
        assert_eq!(read[0], Ok("12345".to_owned()));
        assert!(
            read[1]
                .as_ref()
                .unwrap_err()
                .contains("line 2: it is longer")
        );
        assert_eq!(read.len(), 2);
        let read = all(b"ok\n\xff\nnever", 5);
        assert!(
            read[1]
                .as_ref()
                .unwrap_err()
                .contains("line 2: it is not UTF-8")
        );
    }
}
