//! "Did you mean": the nearest name that exists.

/// Names further away than this many edits are not suggested.
const EDITS_MAX: usize = 3;

/// The message about an unknown `name`.
pub(super) fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> String {
    // A name from outside is shown shortened and escaped.
    let shown: String = name.chars().take(64).collect();
    match nearest(name, known) {
        Some(near) => format!("unknown {what} {shown:?}; did you mean {near}?"),
        None => format!("unknown {what} {shown:?}; `antiphon default-config` lists every key"),
    }
}

fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // Short names are all near each other: a third of the name may be wrong at most.
    let bound = EDITS_MAX.min(name.chars().count() / 3);
    let distances = known.map(|candidate| (edits(name, candidate), candidate));
    distances
        .filter(|(distance, _)| *distance <= bound)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions and replacements that make `a` into `b`.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    // A name longer than any key can't be near one.
    for (i, from) in a.chars().take(128).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
