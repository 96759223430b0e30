//! What a plant can do to itself.

use super::super::history::FaultKind;

/// What a blow hits. Two blows on the same at a time would undo each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Group {
    /// Processes of servers.
    Servers,
    /// Links between servers.
    Links,
    /// The network between clients and servers.
    Clients,
    /// The way to the store.
    Store,
    /// The way to the cache.
    Cache,
    /// The way to the coordination service.
    Coordinator,
    /// Processes of gateways.
    Gateways,
}

/// How the way to a service is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WayFault {
    Slow,
    Reset,
    ReplyLost,
    Hang,
    SlowClose,
    Refuse,
}

macro_rules! blows {
    ($($(#[$doc:meta])* $name:ident: $label:literal, $kind:ident, $group:ident;)*) => {
        /// Something that is broken, and mended after a while.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Blow { $($(#[$doc])* $name,)* }

        impl Blow {
            /// Every one.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// A short name.
            pub fn label(self) -> &'static str {
                match self { $(Self::$name => $label,)* }
            }

            /// What a history calls it.
            pub fn kind(self) -> FaultKind {
                match self { $(Self::$name => FaultKind::$kind,)* }
            }

            /// What it hits.
            pub fn group(self) -> Group {
                match self { $(Self::$name => Group::$group,)* }
            }
        }
    };
}

blows! {
    /// SIGKILL to the server that leads, and a start.
    KillLeader: "kill-leader", KillServer, Servers;
    /// The same for one that follows.
    KillFollower: "kill-follower", KillServer, Servers;
    /// SIGTERM to the server that leads, and a start.
    DrainLeader: "drain-leader", StopLeader, Servers;
    /// The same for one that follows.
    DrainFollower: "drain-follower", StopFollower, Servers;
    /// SIGSTOP for less than the session timeout.
    PauseLeaderShort: "pause-leader-short", PauseServer, Servers;
    /// SIGSTOP for longer.
    PauseLeaderLong: "pause-leader-long", PauseServer, Servers;
    /// The same for one that follows.
    PauseFollower: "pause-follower", PauseServer, Servers;
    /// Links to who leads are reset, and new ones refused.
    CutLinks: "cut-links", CutServer, Links;
    /// On links to who leads, one direction is held.
    OneWayLinks: "one-way-links", CutOneWay, Links;
    /// Links are slow and narrow.
    SlowLinks: "slow-links", SlowLinks, Links;
    /// Links stand still, and everything comes at once.
    LateLinks: "late-links", HoldLinks, Links;
    /// Clients of one server, or of all, are cut off.
    CutClients: "cut-clients", CutClients, Clients;
    /// Clients have a narrow network that carries small pieces.
    SlowClients: "slow-clients", SlowClients, Clients;
    /// The server that leads hears nothing of the coordination service.
    CutCoordinator: "cut-coordinator", CoordinatorCut, Coordinator;
    /// No server does.
    CoordinatorGone: "coordinator-gone", CoordinatorDown, Coordinator;
    /// SIGKILL to the gateway that is asked; the other takes over.
    KillGateway: "kill-gateway", GatewayDown, Gateways;
    /// The store answers late and in small pieces.
    SlowStore: "slow-store", SlowStore, Store;
    /// Connections to the store are reset again and again.
    ResetStore: "reset-store", StoreReset, Store;
    /// What the store is asked is done, and the connection reset instead of an answer.
    StoreReplyLost: "store-reply-lost", StoreReplyLost, Store;
    /// The store's answers vanish.
    StoreHangs: "store-hangs", StoreHang, Store;
    /// Connections to the store end, and that is told late.
    StoreClosesSlowly: "store-closes-slowly", StoreSlowClose, Store;
    /// No connection to the store.
    StoreRefuses: "store-refuses", StoreDown, Store;
    /// As for the store.
    SlowCache: "slow-cache", SlowCache, Cache;
    /// As for the store.
    ResetCache: "reset-cache", CacheReset, Cache;
    /// As for the store.
    CacheReplyLost: "cache-reply-lost", CacheReplyLost, Cache;
    /// As for the store.
    CacheHangs: "cache-hangs", CacheHang, Cache;
    /// As for the store.
    CacheClosesSlowly: "cache-closes-slowly", CacheSlowClose, Cache;
    /// As for the store.
    CacheRefuses: "cache-refuses", CacheDown, Cache;
}

impl Blow {
    /// What it does to the way to a service; `None` if it is of another kind.
    pub(super) fn way_fault(self) -> Option<WayFault> {
        match self {
            Self::SlowStore | Self::SlowCache => Some(WayFault::Slow),
            Self::ResetStore | Self::ResetCache => Some(WayFault::Reset),
            Self::StoreReplyLost | Self::CacheReplyLost => Some(WayFault::ReplyLost),
            Self::StoreHangs | Self::CacheHangs => Some(WayFault::Hang),
            Self::StoreClosesSlowly | Self::CacheClosesSlowly => Some(WayFault::SlowClose),
            Self::StoreRefuses | Self::CacheRefuses => Some(WayFault::Refuse),
            Self::KillLeader
            | Self::KillFollower
            | Self::DrainLeader
            | Self::DrainFollower
            | Self::PauseLeaderShort
            | Self::PauseLeaderLong
            | Self::PauseFollower
            | Self::CutLinks
            | Self::OneWayLinks
            | Self::SlowLinks
            | Self::LateLinks
            | Self::CutClients
            | Self::SlowClients
            | Self::CutCoordinator
            | Self::CoordinatorGone
            | Self::KillGateway => None,
        }
    }
}
