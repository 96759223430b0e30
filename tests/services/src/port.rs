//! Free ports, one owner at a time.
//!
//! They lie below the range from which the system takes the source ports of outgoing
//! connections, so that a server can be restarted on its port. A locked file keeps a port for
//! one test among all test processes of the user; the lock goes with the process.

use std::fs::{File, OpenOptions};
use std::net::{Ipv4Addr, TcpListener};

use antiphon_core::random;

use crate::installed;

const FIRST: u16 = 12_000;
/// Linux takes source ports from here on.
const END: u16 = 32_768;
/// Tries before giving up; far more than tests hold ports at a time.
const TRIES_MAX: usize = 2_000;

/// A port that is ours until dropped.
#[derive(Debug)]
pub(crate) struct Port {
    number: u16,
    _lock: File,
}

impl Port {
    pub(crate) fn reserve() -> Self {
        (0..TRIES_MAX)
            .find_map(|_| Self::try_reserve())
            .expect("a free port")
    }

    fn try_reserve() -> Option<Self> {
        let number = FIRST + u16::try_from(random::below(u64::from(END - FIRST))).ok()?;
        let folder = installed::cache().join("ports");
        std::fs::create_dir_all(&folder).expect("a folder for the locks of ports");
        let lock = OpenOptions::new()
            .create(true)
            .append(true)
            .open(folder.join(number.to_string()))
            .expect("a lock file");
        lock.try_lock().ok()?;
        TcpListener::bind((Ipv4Addr::LOCALHOST, number)).ok()?;
        Some(Self {
            number,
            _lock: lock,
        })
    }

    pub(crate) fn number(&self) -> u16 {
        self.number
    }
}
