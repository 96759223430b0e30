//! `exec`: a command a line, under one login.

use std::time::Duration;

use antiphon_client::{Client, StopReason};
use antiphon_core::shutdown::Shutdown;
use antiphon_protocol::limits::FRAME_BYTES_MAX;
use clap::Parser;
use tokio::sync::watch;

use super::ask::{Asker, Whoami};
use super::lines::{self, Lines};
use super::out::Out;
use super::send::{Receipt, after_stop, client_id, random_id, watch_stop};
use super::{frame, query, send};
use crate::account::entry::Live;
use crate::cli::script::{ExecArgs, ExecLine, LineCommand, SendArgs};
use crate::exit::Failed;
use crate::output;

/// Opens what the lines come from.
pub fn open(args: &ExecArgs) -> Result<Source, Failed> {
    if args.file.as_os_str() == "-" {
        // A password may have to be read from it first.
        return Ok(Source::Stdin);
    }
    lines::file(&args.file, FRAME_BYTES_MAX).map(Source::File)
}

/// Where lines come from.
#[derive(Debug)]
pub enum Source {
    /// A file that is open.
    File(Lines),
    /// Standard input, which is not read yet.
    Stdin,
}

/// See the head of the file.
#[derive(Debug)]
pub struct Exec {
    client: Client,
    asker: Asker,
    who: Whoami,
    stopped_rx: watch::Receiver<Option<StopReason>>,
}

impl Exec {
    /// As this client.
    pub fn new(live: Live, who: Whoami, timeout: Duration, scope: &Shutdown) -> Self {
        Self {
            client: live.client.clone(),
            asker: Asker::client(live.client, timeout),
            who,
            stopped_rx: watch_stop(live.events, scope),
        }
    }

    /// Does what the lines say, one after the other.
    pub async fn run(
        &mut self,
        source: Source,
        keep_going: bool,
        out: &mut Out,
    ) -> Result<(), Failed> {
        let mut lines = match source {
            Source::File(lines) => lines,
            Source::Stdin => lines::stdin(FRAME_BYTES_MAX)?,
        };
        let mut first_failure = None;
        while let Some(line) = lines.recv().await {
            let line = line?;
            let text = line.text.trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let stopped = self.stopped_rx.borrow().as_ref().map(after_stop);
            if let Some(stopped) = stopped {
                return Err(stopped);
            }
            let Err(failed) = self.play(text, out).await else {
                continue;
            };
            let words = format!("line {}: {}", line.number, failed.words);
            let failed = Failed::new(failed.exit, words);
            // Without a reader there is nothing to go on for.
            if !keep_going || failed.exit == crate::exit::Exit::ReaderGone {
                return Err(first_failure.unwrap_or(failed));
            }
            if first_failure.is_some() {
                output::error_line(&format!("antiphon exec: {failed}"));
            }
            first_failure.get_or_insert(failed);
        }
        first_failure.map_or(Ok(()), Err)
    }

    async fn play(&self, text: &str, out: &mut Out) -> Result<(), Failed> {
        if text.starts_with('{') {
            return frame::play(&self.asker, text, out).await;
        }
        let words = split(text).map_err(Failed::usage)?;
        let line = ExecLine::try_parse_from(words).map_err(|error| {
            let told = error.to_string();
            let first = told.lines().next().unwrap_or_default();
            Failed::usage(first.trim_start_matches("error: "))
        })?;
        match line.command {
            LineCommand::Send(args) => self.send(args, out).await,
            LineCommand::Query(query) => query::answer(&self.asker, &self.who, query, out).await,
        }
    }

    async fn send(&self, args: SendArgs, out: &mut Out) -> Result<(), Failed> {
        let text = args.text.join(" ");
        if text.is_empty() || text == "-" {
            return Err(Failed::usage("in a line of exec, send needs its text"));
        }
        let client_id = match args.client_id.as_deref() {
            Some(raw) => client_id(raw)?,
            None => random_id(),
        };
        let sending = self.client.send_with_id(args.to, text, client_id.clone());
        match sending.await {
            Ok(ack) => {
                let receipt = Receipt {
                    ack: &ack,
                    client_id: &client_id,
                };
                out.json_only(&receipt).await
            }
            Err(error) => Err(send::failed(&error, &client_id, &self.stopped_rx).await),
        }
    }
}

/// Splits a line as a shell does: at white space, with quotes and backslashes.
fn split(line: &str) -> Result<Vec<String>, &'static str> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = line.chars();
    while let Some(char) = chars.next() {
        match char {
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next().ok_or("a quote is not closed")? {
                        '\'' => break,
                        inner => word.push(inner),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next().ok_or("a quote is not closed")? {
                        '"' => break,
                        '\\' => match chars.next().ok_or("a quote is not closed")? {
                            escaped @ ('"' | '\\') => word.push(escaped),
                            other => word.extend(['\\', other]),
                        },
                        inner => word.push(inner),
                    }
                }
            }
            '\\' => {
                let escaped = chars.next().ok_or("nothing stands behind the last \\")?;
                word.get_or_insert_default().push(escaped);
            }
            char if char.is_whitespace() => words.extend(word.take()),
            char => word.get_or_insert_default().push(char),
        }
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_split_as_shells_do() {
        for (line, words) in [
            ("send room:x hello", vec!["send", "room:x", "hello"]),
            ("  a \t b  ", vec!["a", "b"]),
            (
                "a 'b c' \"d \\\" e\" f\\ g",
                vec!["a", "b c", "d \" e", "f g"],
            ),
            ("a '' \"\"", vec!["a", "", ""]),
            ("a\"b\"'c' \"\\n\"", vec!["abc", "\\n"]),
            ("发 '行 行'", vec!["发", "行 行"]),
            ("", vec![]),
        ] {
            assert_eq!(split(line).unwrap(), words, "{line}");
        }
        for line in ["'a", "\"a", "a\\", "\"a\\"] {
            assert!(split(line).is_err(), "{line}");
        }
    }
}
