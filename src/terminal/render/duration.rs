//! Durations for people: the two largest units, rounded down.

const UNITS: &[(i64, &str)] = &[
    (24 * 60 * 60 * 1_000, "d"),
    (60 * 60 * 1_000, "h"),
    (60 * 1_000, "m"),
    (1_000, "s"),
];

/// `3d 4h`, `1m`, `0s`. What is negative, by clocks that differ, is `0s`.
pub fn duration(ms: i64) -> String {
    let Some(first) = UNITS.iter().position(|(unit, _)| ms >= *unit) else {
        return "0s".to_owned();
    };
    let (unit, name) = UNITS[first];
    let large = format!("{}{name}", ms / unit);
    match UNITS.get(first + 1) {
        Some((smaller, name)) if ms % unit >= *smaller => {
            format!("{large} {}{name}", ms % unit / smaller)
        }
        Some(_) | None => large,
    }
}
