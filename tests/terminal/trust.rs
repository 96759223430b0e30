//! Faults of the network and of other people: what the terminal makes of them.
