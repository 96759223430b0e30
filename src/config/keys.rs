//! The table of keys. Everything else about the configuration is derived from it.
//!
//! Its length is one line of meaning a key: cutting it would spread one list over two files.

use super::value::{Kind, Setting, Value};

/// One key of the file.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// The table that it stands in.
    pub section: &'static str,
    /// Its name in the table.
    pub name: &'static str,
    /// What it accepts.
    pub kind: Kind,
    /// What it is for, and why the default is what it is.
    pub doc: &'static str,
}

impl Key {
    /// `section.key`.
    pub fn path(&self) -> String {
        format!("{}.{}", self.section, self.name)
    }

    /// The variable that sets it.
    pub fn variable(&self) -> String {
        let (section, name) = (self.section.to_uppercase(), self.name.to_uppercase());
        format!("{}{section}__{name}", super::VARIABLE_PREFIX)
    }

    /// The default.
    pub fn default_value(&self) -> Value {
        let value = Config::default().get(self.section, self.name);
        value.expect("the same macro makes the table and the struct")
    }
}

macro_rules! choice {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl $name {
            /// The words that stand for it in the file.
            pub const WORDS: &'static [&'static str] = &[$($word),*];

            /// The word in the file.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        impl Setting for $name {
            fn from_value(value: Value) -> Option<Self> {
                let Value::Text(text) = value else { return None };
                match text.as_str() { $($word => Some(Self::$variant),)* _ => None }
            }
            fn to_value(&self) -> Value {
                Value::Text(self.as_str().to_owned())
            }
        }
    };
}

choice! {
    /// How the gateway orders live servers.
    Strategy {
        /// Fewest open connections first.
        LeastConnections = "least-connections",
        /// Each in turn.
        RoundRobin = "round-robin",
        /// Any, evenly.
        Random = "random",
        /// The same server for the same user.
        ConsistentHash = "consistent-hash",
    }
}
choice! {
    /// How users prove who they are.
    LoginMode {
        /// Name and password, or a resume token.
        Password = "password",
        /// A known name is enough.
        Open = "open",
    }
}
choice! {
    /// Who may make an account.
    Registration {
        /// Anyone who can connect.
        Open = "open",
        /// Only the operator.
        Closed = "closed",
    }
}
choice! {
    /// What a second login of the same user does.
    SessionPolicy {
        /// Both stay.
        Allow = "allow",
        /// The older connection is closed.
        KickOldest = "kick_oldest",
        /// The newer login is refused.
        Refuse = "refuse",
    }
}
choice! {
    /// How much is logged.
    LogLevel {
        /// A human must act.
        Error = "error",
        /// Unexpected, but it goes on.
        Warn = "warn",
        /// Changes of state.
        Info = "info",
        /// Per connection.
        Debug = "debug",
        /// Per frame.
        Trace = "trace",
    }
}
choice! {
    /// How the log is written.
    LogFormat {
        /// Pretty on a terminal, JSON elsewhere.
        Auto = "auto",
        /// For people.
        Pretty = "pretty",
        /// One JSON object a line.
        Json = "json",
    }
}

macro_rules! config {
    ($($(#[doc = $section_doc:literal])* $section:ident: $Section:ident {
        $($field:ident: $type:ty = $default:expr, $kind:expr, $doc:literal;)*
    })*) => {
        $(
            $(#[doc = $section_doc])*
            #[derive(Debug, Clone, PartialEq, Eq)]
            pub struct $Section { $(#[doc = $doc] pub $field: $type,)* }

            impl Default for $Section {
                fn default() -> Self {
                    Self { $($field: $default,)* }
                }
            }
        )*

        /// Every setting.
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        pub struct Config { $($(#[doc = $section_doc])* pub $section: $Section,)* }

        /// The tables of the file, each with what it is about.
        pub const SECTIONS: &[(&str, &str)] =
            &[$((stringify!($section), concat!($($section_doc),*)),)*];

        /// Every key, in the order of the file.
        pub const KEYS: &[Key] = &[$($(Key {
            section: stringify!($section),
            name: stringify!($field),
            kind: $kind,
            doc: $doc,
        },)*)*];

        impl Config {
            /// The value of a key; `None` if there is no such key.
            pub fn get(&self, section: &str, name: &str) -> Option<Value> {
                match (section, name) {
                    $($((stringify!($section), stringify!($field)) => {
                        Some(self.$section.$field.to_value())
                    })*)*
                    _ => None,
                }
            }

            /// Sets a key; false if there is no such key or the type doesn't fit.
            pub(super) fn put(&mut self, section: &str, name: &str, value: Value) -> bool {
                match (section, name) {
                    $($((stringify!($section), stringify!($field)) => {
                        let read = Setting::from_value(value);
                        read.map(|read| self.$section.$field = read).is_some()
                    })*)*
                    _ => false,
                }
            }
        }
    };
}

const fn number(min: u64, max: u64) -> Kind {
    Kind::Number { min, max }
}

/// What the Redis client can reach.
const CACHE_SCHEMES: &[&str] = &["redis", "redis-sentinel", "redis-cluster"];
const DAY_SECONDS: u64 = 24 * 3_600;
const MINUTE_MS: u64 = 60_000;

config! {
    /// The chat servers that this process runs.
    server: Server {
        host: String = "127.0.0.1".to_owned(), Kind::Host,
            "The address that the client ports of `antiphon up` are opened on. Loopback, so that nothing is reachable from outside before somebody decides so.";
        servers: u64 = 3, number(1, 64),
            "How many chat servers `antiphon up` runs. Three, so that one can be stopped and the others go on.";
        name_prefix: String = "s".to_owned(), Kind::NamePrefix,
            "Server names of `antiphon up` are this and a number. Clients see them, so they say nothing about machines.";
        name: String = String::new(), Kind::Optional(&Kind::NamePrefix),
            "The name of `antiphon server`, unique in the cluster and the same after a restart. It has no default, because two servers of one name displace each other.";
        client_addr: String = "127.0.0.1:0".to_owned(), Kind::Address,
            "Where `antiphon server` listens for clients; port 0 takes a free one. Loopback, as above.";
        client_advertise: String = String::new(), Kind::Optional(&Kind::Address),
            "Where clients are told to connect, if that is not where the server listens: behind a proxy, or when it listens on every address.";
    }
    /// The HTTP gateway that tells clients where to connect.
    gateway: Gateway {
        addr: String = "127.0.0.1:8888".to_owned(), Kind::Address,
            "Where the gateway listens; port 0 takes a free one. 8888 is where the ancestor's client looks.";
        strategy: Strategy = Strategy::LeastConnections, Kind::Choice(Strategy::WORDS),
            "How live servers are ordered. The least loaded first evens out after a restart by itself.";
        allowed_origins: Vec<String> = Vec::new(), Kind::Origins,
            "Web origins whose pages may read the gateway's answers. None, until there is a page.";
    }
    /// Where data are kept.
    store: Store {
        url: String = String::new(), Kind::Optional(&Kind::Url(&["mongodb", "mongodb+srv"])),
            "The database of `antiphon server`: mongodb://HOST:PORT/DATABASE. It holds users, rooms and every message. `antiphon up` keeps them in data_dir instead.";
        data_dir: String = String::new(), Kind::Path,
            "The folder of the embedded stores. Empty is $XDG_DATA_HOME/antiphon, or ~/.local/share/antiphon.";
        retention_days: u64 = 0, number(0, 36_500),
            "Messages older than so many days are removed, the newest of each conversation excepted. 0 keeps them for ever, because what is removed is gone.";
    }
    /// What is shared between servers and may be lost.
    cache: Cache {
        url: String = String::new(), Kind::Optional(&Kind::Url(CACHE_SCHEMES)),
            "The Redis of `antiphon server` and `antiphon gateway`: redis://HOST:PORT/NUMBER. It holds the server list, who is on line, recent messages and popular words.";
        prefix: String = "antiphon".to_owned(), Kind::NamePrefix,
            "What every key in Redis begins with, so that it can be shared.";
    }
    /// How servers find and trust each other.
    cluster: Cluster {
        key_file: String = String::new(), Kind::Path,
            "The file with the key that servers share. Empty is a key made at first start of `antiphon up` and kept in the data folder.";
        coordinator_url: String = String::new(), Kind::Optional(&Kind::Url(&["zk"])),
            "The ZooKeeper of `antiphon server`: zk://HOST:PORT,HOST:PORT,HOST:PORT/PATH. It elects the leader and knows who is there.";
        addr: String = "127.0.0.1:0".to_owned(), Kind::Address,
            "Where `antiphon server` listens for the other servers; port 0 takes a free one.";
        advertise: String = String::new(), Kind::Optional(&Kind::Address),
            "Where the other servers are told to connect, if that is not where this one listens.";
        session_timeout_ms: u64 = 6_000, number(2_000, 2 * MINUTE_MS),
            "After so long without a sign of life ZooKeeper counts a server as gone. Shorter gives false failovers rather than fast ones.";
        position_interval_ms: u64 = 30_000, number(500, 60 * MINUTE_MS),
            "How often the top of each active conversation is announced, which bounds how long a lost delivery stays unnoticed.";
    }
    /// Accounts, logins and sessions.
    auth: Auth {
        mode: LoginMode = LoginMode::Password, Kind::Choice(LoginMode::WORDS),
            "How users log in. \"open\" takes any known name without a password, for trials on one's own machine only.";
        registration: Registration = Registration::Open, Kind::Choice(Registration::WORDS),
            "Who may make an account. Open, because a fresh server has nobody who could invite.";
        token_idle_days: u64 = 7, number(1, 365),
            "A resume token that is not used for so long expires.";
        token_max_days: u64 = 30, number(1, 365),
            "A chain of resume tokens ends so long after the password was given.";
        login_timeout_ms: u64 = 10_000, number(500, 5 * MINUTE_MS),
            "A connection that has not logged in by then is closed (4408), so that idle strangers cost little.";
        session_policy: SessionPolicy = SessionPolicy::Allow, Kind::Choice(SessionPolicy::WORDS),
            "What a second login of the same user does. Allowed, because people have a laptop and a telephone.";
        allowed_origins: Vec<String> = Vec::new(), Kind::Origins,
            "Web origins whose pages may open a chat connection. None; programs that send no Origin are not affected.";
    }
    /// Bounds. What is over one is refused, never queued without end.
    limits: Limits {
        messages_per_second: u64 = 10, number(1, 1_000_000),
            "Messages that a connection may send each second for long. Faster than people type.";
        message_burst: u64 = 30, number(1, 1_000_000),
            "Messages that a connection may send at once. Room for a paste of some lines.";
        connections_max: u64 = 10_000, number(1, 1_000_000),
            "Open client connections of a server. Times limits.outbound_bytes_max it is the worst case of memory.";
        handshakes_per_second: u64 = 200, number(1, 1_000_000),
            "New connections that a server takes each second; more are told to come again. It keeps a mass reconnect from starving those who are on.";
        connections_per_address: u64 = 1_000, number(1, 1_000_000),
            "Open connections from one address, loopback as any other. Room for an office behind one router.";
        in_flight_max: u64 = 256, number(1, 65_536),
            "Requests of one connection that may wait for their answers; more stay unread in its socket.";
        outbound_bytes_max: u64 = 1_048_576, number(65_536, 1_073_741_824),
            "Bytes queued for one client; over it the client is closed (4300) and resumes without loss.";
        outbound_frames_max: u64 = 1_024, number(64, 1_048_576),
            "Frames queued for one client; the same rule as for bytes.";
        ping_interval_ms: u64 = 25_000, number(100, 60 * MINUTE_MS),
            "How often the server pings. Below the 30 to 60 seconds after which routers forget an idle connection.";
        pong_timeout_ms: u64 = 8_000, number(100, 10 * MINUTE_MS),
            "A client that has not answered a ping by then is gone (4304).";
        shutdown_grace_ms: u64 = 10_000, number(100, 10 * MINUTE_MS),
            "Stopping takes at most so long. Below the 30 seconds after which process managers kill.";
    }
    /// The word filter and the popular words.
    words: Words {
        masked_lists: Vec<String> = Vec::new(), Kind::Files,
            "Files with words to mask, one a line, besides the built-in ones.";
        allowed_lists: Vec<String> = Vec::new(), Kind::Files,
            "Files with words that are never masked.";
        stop_lists: Vec<String> = Vec::new(), Kind::Files,
            "Files with words that are not counted as popular, besides the built-in ones.";
        builtin_lists: bool = true, Kind::Switch,
            "Whether the built-in lists are used.";
        popular_window_seconds: u64 = 3_600, number(60, 7 * DAY_SECONDS),
            "Popular words are those of the last so many seconds, unless a request names another window.";
        popular_reset_seconds: u64 = 0, number(0, 7 * DAY_SECONDS),
            "Forget all counts every so many seconds, as the ancestor did. 0 is off: the window does it better.";
        count_direct_messages: bool = false, Kind::Switch,
            "Whether words of direct messages count. Not, because the list is public.";
    }
    /// What operators and their monitoring see.
    admin: Admin {
        addr: String = "127.0.0.1:0".to_owned(), Kind::Optional(&Kind::Address),
            "Where a process answers /metrics, /livez and /readyz; port 0 takes a free one, and the empty string is off. Loopback: it tells more than strangers should know.";
    }
    /// The log.
    log: Log {
        level: LogLevel = LogLevel::Info, Kind::Choice(LogLevel::WORDS),
            "How much is logged. Message texts and secrets never are, at any level.";
        format: LogFormat = LogFormat::Auto, Kind::Choice(LogFormat::WORDS),
            "How it is written. \"auto\" is pretty on a terminal and JSON elsewhere.";
    }
}
