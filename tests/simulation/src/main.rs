//! `simulate`: plays seeds and judges them.

fn main() {}
