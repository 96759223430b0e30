//! What may be broken.

use serde::{Deserialize, Serialize};

/// Whether a fault ends the term of who leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TermEnd {
    /// In every case.
    Surely,
    /// If it hits the server that leads.
    OfTarget,
    /// It need not.
    NotSurely,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident: $words:literal, $of_servers:literal, $ends:ident;)*) => {
        /// What is broken.
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
        )]
        #[serde(rename_all = "camelCase")]
        pub enum FaultKind { $($(#[$doc])* $name,)* }

        impl FaultKind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// In words.
            pub fn words(self) -> &'static str {
                match self { $(Self::$name => $words,)* }
            }

            /// Whether it is of servers, their network or their services, so that rooms may
            /// stand still and recovery is timed; single clients have no part in that.
            pub fn is_of_servers(self) -> bool {
                match self { $(Self::$name => $of_servers,)* }
            }

            /// Whether a leader's term must end by it.
            pub fn ends_term(self) -> TermEnd {
                match self { $(Self::$name => TermEnd::$ends,)* }
            }
        }
    };
}

kinds! {
    /// The server that leads is told to stop.
    StopLeader: "stop the leader", true, Surely;
    /// A server that follows is told to stop.
    StopFollower: "stop a follower", true, NotSurely;
    /// All servers are told to stop, and started again.
    Restart: "restart everything", true, Surely;
    /// All servers are killed with SIGKILL, and started again.
    Kill: "kill -9 everything", true, Surely;
    /// All servers are stopped by SIGSTOP for less than any timeout.
    PauseShort: "pause, short", true, NotSurely;
    /// The same for longer than clients wait for an answer.
    PauseLong: "pause, long", true, NotSurely;
    /// One server is killed, and started again.
    KillServer: "kill -9 a server", true, OfTarget;
    /// One server is stopped by SIGSTOP for a time.
    PauseServer: "pause a server", true, NotSurely;
    /// One server's links to all other servers are cut.
    CutServer: "a server cut off", true, NotSurely;
    /// What one server sends to another does not come, though what it gets does.
    CutOneWay: "one way cut", true, NotSurely;
    /// What servers send to each other is held back, and comes late, all at once.
    HoldLinks: "late packets", true, NotSurely;
    /// What servers send to each other takes long.
    SlowLinks: "slow links", true, NotSurely;
    /// The network between clients and servers is cut.
    CutClients: "clients' network cut", true, NotSurely;
    /// The network between clients and servers is slow.
    SlowClients: "clients' network slow", true, NotSurely;
    /// The store answers late.
    SlowStore: "slow store", true, NotSurely;
    /// The store can't be reached.
    StoreDown: "store down", true, NotSurely;
    /// The store takes what it is asked, and never answers.
    StoreHang: "store hangs", true, NotSurely;
    /// Connections to the store are reset again and again.
    StoreReset: "store's connections reset", true, NotSurely;
    /// Connections to the store end, and that is told late.
    StoreSlowClose: "store's connections end", true, NotSurely;
    /// The store does what it is asked, and the answer is lost.
    StoreReplyLost: "store's replies lost", true, NotSurely;
    /// The store loses what it had not made durable, and comes back.
    StoreCrash: "store crashed", true, NotSurely;
    /// The store has no room for more.
    StoreFull: "store full", true, NotSurely;
    /// The store can't make anything durable.
    SyncFails: "failing sync", true, NotSurely;
    /// The cache can't be reached.
    CacheDown: "cache down", true, NotSurely;
    /// The cache takes what it is asked, and never answers.
    CacheHang: "cache hangs", true, NotSurely;
    /// The cache answers late.
    SlowCache: "slow cache", true, NotSurely;
    /// Connections to the cache are reset again and again.
    CacheReset: "cache's connections reset", true, NotSurely;
    /// Connections to the cache end, and that is told late.
    CacheSlowClose: "cache's connections end", true, NotSurely;
    /// The cache does what it is asked, and the answer is lost.
    CacheReplyLost: "cache's replies lost", true, NotSurely;
    /// The cache forgets everything.
    CacheFlushed: "cache emptied", true, NotSurely;
    /// The coordination service can't be reached.
    CoordinatorDown: "coordinator down", true, NotSurely;
    /// One member of the coordination service is gone.
    CoordinatorPart: "part of the coordinator down", true, NotSurely;
    /// One server can't reach the coordination service.
    CoordinatorCut: "cut off the coordinator", true, NotSurely;
    /// The wall clock of one server is wrong by a lot.
    ClockJump: "clock jumps", true, NotSurely;
    /// The gateway can't be reached.
    GatewayDown: "gateway down", true, NotSurely;
    /// All clients leave their connections at once.
    MassDisconnect: "all clients cut off", false, NotSurely;
    /// Some clients end, and begin anew.
    NewSessions: "clients begin anew", false, NotSurely;
    /// Some clients read nothing for a while.
    SlowReaders: "slow readers", false, NotSurely;
}

/// Something was broken, and mended. Several may be broken at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fault {
    /// What.
    pub kind: FaultKind,
    /// Where, if it is not everywhere; the name of a server as the terms of leadership have it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub target: String,
    /// When it began.
    pub begin: u64,
    /// When it was mended.
    pub end: u64,
    /// It was not mended: what is left must do without. `end` is the end of the load, and
    /// recovery is timed from the beginning.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lasting: bool,
}
