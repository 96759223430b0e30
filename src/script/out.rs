//! What a command leaves on standard output: JSON lines in the wire's shapes, or text for
//! people.

use std::io::IsTerminal;

use antiphon_protocol::Message;
use serde::Serialize;

use super::human::Painter;
use crate::exit::Failed;
use crate::output::sink::Sink;

/// See the head of the file.
#[derive(Debug)]
pub struct Out {
    sink: Sink,
    /// JSON is wanted.
    pub json: bool,
    /// How text for people looks.
    pub painter: Painter,
}

impl Out {
    /// To standard output.
    pub fn stdout(json: bool, color: bool) -> Result<Self, Failed> {
        let sink = Sink::stdout();
        let sink = sink.map_err(|error| Failed::failure(format!("standard output: {error}")))?;
        let color = color && std::io::stdout().is_terminal();
        Ok(Self {
            sink,
            json,
            painter: Painter::new(color),
        })
    }

    /// One thing: as JSON, or as the text that `human` makes of it. No text is no line.
    pub async fn item<T: Serialize>(
        &mut self,
        item: &T,
        human: impl FnOnce(Painter, &T) -> String,
    ) -> Result<(), Failed> {
        let line = if self.json {
            json_line(item)
        } else {
            human(self.painter, item)
        };
        if line.is_empty() {
            return Ok(());
        }
        self.sink.line(line).await
    }

    /// A message.
    pub async fn message(&mut self, message: &Message) -> Result<(), Failed> {
        self.item(message, Painter::message).await
    }

    /// A line that has its final form.
    pub async fn raw(&mut self, line: String) -> Result<(), Failed> {
        self.sink.line(harmless(line)).await
    }

    /// Something that only programs read.
    pub async fn json_only<T: Serialize>(&mut self, item: &T) -> Result<(), Failed> {
        if self.json {
            self.sink.line(json_line(item)).await
        } else {
            Ok(())
        }
    }

    /// Waits until everything is written.
    pub async fn finish(self) -> Result<(), Failed> {
        self.sink.finish().await
    }
}

fn json_line<T: Serialize>(item: &T) -> String {
    let json = serde_json::to_string(item);
    harmless(json.expect("what the wire has has string keys and no failing Serialize"))
}

/// Characters that JSON may hold as they are, and that a terminal would obey: the second row of
/// control characters, DEL, and what turns the direction of writing.
fn is_obeyed(char: char) -> bool {
    matches!(char,
        '\u{7f}'..='\u{9f}' | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}')
}

/// The same JSON, with these characters escaped.
fn harmless(json: String) -> String {
    if !json.contains(is_obeyed) {
        return json;
    }
    let mut out = String::with_capacity(json.len() + 16);
    for char in json.chars() {
        if is_obeyed(char) {
            out.push_str(&format!("\\u{:04x}", u32::from(char)));
        } else {
            out.push(char);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_harmless_on_a_terminal_and_means_the_same() {
        let text = "a\u{1b}[2J\u{9b}2J\u{7f}\u{202e}é❤\u{fe0f}行\n";
        let line = json_line(&text);
        assert!(
            !line.chars().any(|c| c.is_control() || is_obeyed(c)),
            "{line}"
        );
        assert!(line.contains("é❤\u{fe0f}行"), "{line}");
        let read: String = serde_json::from_str(&line).unwrap();
        assert_eq!(read, text);
    }
}
