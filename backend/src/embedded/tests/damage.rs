//! Damage: found, never served.
