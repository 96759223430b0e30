//! Reading the file: every key that stands in it, with its line and column.

use std::ops::Range;
use std::path::Path;

use toml_edit::{Document, Item, TableLike};

use super::keys::{KEYS, SECTIONS};
use super::problem::Place;
use super::value::{Kind, Value};
use super::{Loading, suggest};

/// Largest file that is read: a configuration is some kilobytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

struct Source<'a> {
    path: &'a str,
    text: &'a str,
}

impl Source<'_> {
    fn place(&self, span: Option<Range<usize>>) -> Place {
        let start = span.map_or(0, |span| span.start).min(self.text.len());
        let before = self.text.get(..start).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Place::File {
            path: self.path.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

/// Takes every key of the file at `path`.
pub(super) fn read(loading: &mut Loading, path: &Path) {
    let shown = path.display().to_string();
    let text = match read_bounded(path) {
        Ok(text) => text,
        Err(reason) => return loading.problem(Place::WholeFile(shown), reason),
    };
    let source = Source {
        path: &shown,
        text: &text,
    };
    let document = match Document::parse(text.as_str()) {
        Ok(document) => document,
        Err(error) => {
            return loading.problem(source.place(error.span()), error.message().to_owned());
        }
    };
    let root = document.as_table();
    for (name, item) in root.iter() {
        let place = source.place(root.key(name).and_then(|key| key.span()));
        if !SECTIONS.iter().any(|(section, _)| *section == name) {
            let known = SECTIONS.iter().map(|(section, _)| *section);
            loading.problem(place, suggest::unknown("table", name, known));
        } else if let Some(table) = item.as_table_like() {
            section(loading, &source, name, table);
        } else {
            loading.problem(place, format!("[{name}] is a table with keys in it"));
        }
    }
}

fn read_bounded(path: &Path) -> Result<String, String> {
    let length = std::fs::metadata(path)
        .map_err(|error| format!("cannot be read: {error}"))?
        .len();
    if length > FILE_BYTES_MAX {
        return Err(format!("is larger than {FILE_BYTES_MAX} bytes"));
    }
    std::fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))
}

fn section(loading: &mut Loading, source: &Source<'_>, section: &str, table: &dyn TableLike) {
    for (name, item) in table.iter() {
        let key_span = table.key(name).and_then(|key| key.span());
        let place = source.place(item.span().or_else(|| key_span.clone()));
        let Some(key) = KEYS
            .iter()
            .find(|key| key.section == section && key.name == name)
        else {
            let known = KEYS
                .iter()
                .filter(|key| key.section == section)
                .map(|key| key.name);
            let message = suggest::unknown(&format!("key in [{section}]"), name, known);
            loading.problem(source.place(key_span), message);
            continue;
        };
        match value(key.kind, item) {
            Some(value) => loading.value(key, value, place),
            None => loading.expected(key, place),
        }
    }
}

fn value(kind: Kind, item: &Item) -> Option<Value> {
    match kind {
        Kind::Host
        | Kind::Address
        | Kind::Choice(_)
        | Kind::Path
        | Kind::NamePrefix
        | Kind::Url(_) => item.as_str().map(|text| Value::Text(text.to_owned())),
        Kind::Optional(kind) => value(*kind, item),
        Kind::Number { .. } => item
            .as_integer()
            .and_then(|number| u64::try_from(number).ok())
            .map(Value::Number),
        Kind::Switch => item.as_bool().map(Value::Switch),
        Kind::Files | Kind::Origins => {
            let items = item.as_array()?.iter();
            let texts: Option<Vec<String>> = items
                .map(|entry| entry.as_str().map(str::to_owned))
                .collect();
            texts.map(Value::List)
        }
    }
}
