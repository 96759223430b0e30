//! What `antiphon seed` shows: the target, a plan, how far it is, a summary.

use std::fmt::Write;
use std::io::IsTerminal;

use antiphon_backend::embedded::OpenError;
use antiphon_protocol::ConversationId;
use antiphon_seed::{Plan, Progress, Stores};
use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use serde::Serialize;

use super::{Place, Seeded, SeedingError};
use crate::cli::SeedArgs;
use crate::output;

/// A line is told each time so many percent more are there, where there is no terminal.
const PERCENT_STEP: u64 = 10;
/// Conversations that a plan names.
const CONVERSATIONS_TOLD: usize = 12;

/// Where the data go, and what is there.
#[derive(Debug)]
pub(super) struct Target {
    name: String,
    kind: &'static str,
    holds: Holds,
}

#[derive(Debug)]
enum Holds {
    /// There is no store yet.
    Nothing,
    Rows {
        users: u64,
        rooms: u64,
        messages: u64,
    },
    /// It can't be read: it may be wiped, but not filled.
    Unreadable(String),
}

impl Target {
    /// Looks without writing. Fails if another process has the directory.
    pub(super) async fn look(place: &Place) -> Result<Self, SeedingError> {
        let holds = match place.open_to_read().await {
            Ok(None) => Holds::Nothing,
            Ok(Some(store)) => {
                let counts = count(&store.stores()).await;
                store.close().await;
                counts?
            }
            Err(SeedingError::Store(
                error @ (OpenError::Directory { .. }
                | OpenError::Version { .. }
                | OpenError::Schema { .. }
                | OpenError::Damaged { .. }
                | OpenError::Database { .. }),
            )) => Holds::Unreadable(error.to_string()),
            Err(error) => return Err(error),
        };
        let (name, kind) = (place.name(), place.kind());
        Ok(Self { name, kind, holds })
    }

    pub(super) fn is_store(&self) -> bool {
        !matches!(self.holds, Holds::Nothing)
    }

    fn contents(&self) -> String {
        match &self.holds {
            Holds::Nothing => "is not there yet".to_owned(),
            Holds::Rows {
                users,
                rooms,
                messages,
            } => format!(
                "holds {} users, {} rooms, {} messages",
                grouped(*users),
                grouped(*rooms),
                grouped(*messages)
            ),
            Holds::Unreadable(why) => format!("can't be read: {why}"),
        }
    }

    pub(super) fn told(&self) -> String {
        let Self { name, kind, .. } = self;
        format!("target    {name}, {kind}: {}", self.contents())
    }

    pub(super) fn wipe_question(&self) -> String {
        format!("{} {}. Remove all of it?", self.name, self.contents())
    }
}

async fn count(stores: &Stores) -> Result<Holds, SeedingError> {
    let counts = async {
        Ok(Holds::Rows {
            users: stores.users.count().await?,
            rooms: stores.rooms.count().await?,
            messages: stores.archive.count().await?,
        })
    };
    counts.await.map_err(SeedingError::Seed)
}

/// How far it is: a bar on a terminal, a line now and then elsewhere.
#[derive(Debug)]
pub(super) struct Bar {
    bar: Option<ProgressBar>,
    percent: u64,
    base: Option<u64>,
}

impl Bar {
    pub(super) fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let template = "messages  {wide_bar} {percent:>3} %  {human_pos} of {human_len}  \
                            {rate}/s  {eta} left";
            let style = ProgressStyle::with_template(template);
            let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
            let style = style.with_key("rate", |state: &ProgressState, out: &mut dyn Write| {
                // A bar that can't be drawn is not worth an error.
                let _ = write!(out, "{:>7}", grouped(state.per_sec() as u64));
            });
            ProgressBar::new(0).with_style(style)
        });
        Self {
            bar,
            percent: 0,
            base: None,
        }
    }

    pub(super) fn step(&mut self, progress: Progress) {
        let (done, total) = match progress {
            Progress::Users { done, total } => return self.small("users", done, total),
            Progress::Rooms { done, total } => return self.small("rooms", done, total),
            Progress::Messages { done, total } => (done, total),
        };
        let base = *self.base.get_or_insert(done);
        if let Some(bar) = &self.bar {
            if bar.length() != Some(total) {
                bar.set_length(total);
                bar.set_position(base);
                bar.reset_eta();
            }
            bar.set_position(done);
            return;
        }
        let percent = done * 100 / total.max(1);
        if done > base && percent >= self.percent + PERCENT_STEP {
            self.percent = percent - percent % PERCENT_STEP;
            output::error_line(&format!("  {percent} % of {} messages", grouped(total)));
        }
    }

    fn small(&self, what: &str, done: u64, total: u64) {
        if done == total && self.bar.is_none() {
            output::error_line(&format!("  {} {what}", grouped(total)));
        }
    }

    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.abandon();
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Counts {
    made: u64,
    there: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SeedLine<'l> {
    event: &'static str,
    target: String,
    wipe: bool,
    users: Counts,
    rooms: Counts,
    messages: Counts,
    conversations: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    anchor_ms: Option<u64>,
    logins: Vec<LoginLine<'l>>,
}

#[derive(Serialize)]
struct LoginLine<'l> {
    username: &'l str,
    password: &'l str,
}

/// What would be made.
pub(super) fn plan(args: &SeedArgs, target: &Target, plan: &Plan) {
    let wipe = args.wipe && target.is_store();
    if args.json {
        json(&SeedLine {
            event: "plan",
            target: target.name.clone(),
            wipe,
            users: Counts {
                made: plan.users,
                there: plan.users_there,
            },
            rooms: Counts {
                made: plan.rooms.len() as u64,
                there: plan.rooms_there,
            },
            messages: Counts {
                made: plan.messages,
                there: plan.messages_there,
            },
            conversations: plan.conversations.len() as u64,
            anchor_ms: Some(plan.anchor_ms),
            logins: Vec::new(),
        });
        return;
    }
    if wipe {
        output::line(&format!("would remove all of {}", target.name));
    }
    let row = |what: &str, made: u64, there: u64| {
        let (made, there) = (grouped(made), grouped(there));
        output::line(&format!(
            "{what:<9} {made} would be made, {there} are there"
        ));
    };
    row("users", plan.users, plan.users_there);
    row("rooms", plan.rooms.len() as u64, plan.rooms_there);
    row("messages", plan.messages, plan.messages_there);
    output::line(&format!("over      {} days until now", plan.days));
    for talk in plan.conversations.iter().take(CONVERSATIONS_TOLD) {
        let name = match &talk.conversation {
            ConversationId::Room(room) => format!("#{room}"),
            ConversationId::Direct(a, b) => format!("@{a} and @{b}"),
        };
        let about = match &talk.conversation {
            ConversationId::Room(_) => format!("{} members; {}", talk.people, talk.topic),
            ConversationId::Direct(..) => "in private".to_owned(),
        };
        let messages = grouped(talk.messages);
        output::line(&format!("  {name:<20} {messages:>9} messages; {about}"));
    }
    let more = plan.conversations.len().saturating_sub(CONVERSATIONS_TOLD);
    if more > 0 {
        output::line(&format!("  and {more} more conversations"));
    }
}

/// What was made, and how to log in.
pub(super) fn summary(args: &SeedArgs, place: &Place, seeded: &Seeded) {
    let (s, password) = (&seeded.summary, seeded.password.as_str());
    if args.json {
        let login = |login: &antiphon_seed::Login| login.username.as_str().to_owned();
        let names: Vec<String> = s.logins.iter().map(login).collect();
        json(&SeedLine {
            event: "seeded",
            target: place.name(),
            wipe: args.wipe,
            users: Counts {
                made: s.users_made,
                there: s.users_there,
            },
            rooms: Counts {
                made: s.rooms_made,
                there: s.rooms_there,
            },
            messages: Counts {
                made: s.messages_made,
                there: s.messages_there,
            },
            conversations: s.conversations,
            anchor_ms: None,
            logins: names
                .iter()
                .map(|username| LoginLine { username, password })
                .collect(),
        });
        return;
    }
    let row = |what: &str, made: u64, there: u64| {
        let (made, there) = (grouped(made), grouped(there));
        output::line(&format!("{what:<9} {made} made, {there} were there"));
    };
    row("users", s.users_made, s.users_there);
    row("rooms", s.rooms_made, s.rooms_there);
    row("messages", s.messages_made, s.messages_there);
    if !s.logins.is_empty() {
        let names: Vec<&str> = s
            .logins
            .iter()
            .map(|login| login.username.as_str())
            .collect();
        let names = names.join(", ");
        output::line(&format!(
            "log in    {names}, … with the password {password}"
        ));
    }
}

fn json(line: &SeedLine<'_>) {
    output::line(&serde_json::to_string(line).expect("strings and numbers serialize"));
}

/// A number with commas.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_000), "1,000");
        assert_eq!(grouped(1_234_567), "1,234,567");
    }
}
