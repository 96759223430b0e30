//! `tail`: follows conversations. The client hands on what is live; `track` sees to it that
//! each message is printed once and in order from wherever it began, and asks for what lies
//! between.

mod track;

use std::collections::BTreeMap;
use std::time::Duration;

use antiphon_client::{Client, Event, Events, RequestError};
use antiphon_core::clock;
use antiphon_protocol::client::{ConversationSummary, History, Page, Target};
use antiphon_protocol::limits::PAGE_MAX;
use antiphon_protocol::message::{RoomEvent, RoomEventKind};
use antiphon_protocol::{Message, UserName};
use futures_util::future::BoxFuture;
use serde::Serialize;

use super::ask::failed;
use super::out::Out;
use super::query::{Gap, conversation_of};
use super::send::after_stop;
use crate::account::entry::Live;
use crate::cli::script::TailArgs;
use crate::exit::{Exit, Failed};
use crate::output;
use crate::terminal::sanitize;
use track::{Step, Track};

/// Wait before a page that could not be had is asked for again.
const RETRY: Duration = Duration::from_millis(500);
/// Conversations that are followed at once; as many as the client tracks.
const TRACKS_MAX: usize = antiphon_client::limits::CONVERSATIONS_MAX;

/// The server has another log than before, as programs read it.
#[derive(Debug, Serialize)]
struct LogReplaced {
    event: &'static str,
}

type Fetch = BoxFuture<'static, (String, Result<Page, RequestError>)>;

/// See the head of the file.
#[derive(Debug)]
pub struct Tail {
    client: Client,
    events: Events,
    me: UserName,
    tracks: BTreeMap<String, Track>,
    /// Whatever reaches the user, not only what was named.
    all: bool,
    left: Option<u64>,
    connected: bool,
}

fn say(words: &str) {
    output::error_line(&format!("antiphon tail: {words}"));
}

impl Tail {
    /// Begins where the flags say, in what the login has told.
    pub fn new(live: Live, args: &TailArgs) -> Result<Self, Failed> {
        let mut tail = Self {
            client: live.client,
            events: live.events,
            me: live.username,
            tracks: BTreeMap::new(),
            all: args.conversations.is_empty(),
            left: args.limit,
            connected: true,
        };
        if tail.all {
            for summary in &live.conversations {
                let track = Track::new(summary.last_seq, summary.last_seq);
                tail.tracks.insert(summary.name.clone(), track);
            }
            say("following all of your conversations");
        }
        for target in &args.conversations {
            let name = conversation_of(target);
            let top = top_of(target, &name, &live.conversations)?;
            let since = args.since.unwrap_or(top);
            if since > top {
                let place = sanitize::line(&name);
                return Err(Failed::failure(format!("{place} ends at {top}")));
            }
            say(&format!(
                "following {} behind {since}",
                sanitize::line(&name)
            ));
            tail.tracks.insert(name, Track::new(since, top));
        }
        Ok(tail)
    }

    /// Follows until the limit is reached or something ends it.
    pub async fn run(&mut self, out: &mut Out) -> Result<(), Failed> {
        let mut fetch: Option<Fetch> = None;
        let mut failed_before = false;
        while self.left != Some(0) {
            if fetch.is_none() {
                fetch = self.next_fetch(failed_before);
            }
            tokio::select! {
                (name, page) = async { fetch.as_mut().expect("guarded").await },
                    if fetch.is_some() =>
                {
                    fetch = None;
                    failed_before = page.is_err();
                    self.take_page(&name, page, out).await?;
                }
                event = self.events.recv() => {
                    let ended = || Failed::failure("the client has stopped");
                    self.take_event(event.ok_or_else(ended)?, out).await?;
                }
            }
        }
        Ok(())
    }

    fn next_fetch(&self, after_pause: bool) -> Option<Fetch> {
        let wanted = self.tracks.iter();
        let (name, after) = wanted
            .filter_map(|(name, track)| Some((name.clone(), track.lacks()?)))
            .next()?;
        let asked = History {
            conversation: name.clone(),
            before_seq: None,
            after_seq: Some(after),
            around_ts: None,
            limit: PAGE_MAX,
        };
        let client = self.client.clone();
        Some(Box::pin(async move {
            if after_pause {
                clock::sleep(RETRY).await;
            }
            (name, client.request(asked).await)
        }))
    }

    async fn take_page(
        &mut self,
        name: &str,
        page: Result<Page, RequestError>,
        out: &mut Out,
    ) -> Result<(), Failed> {
        let page = match page {
            Ok(page) => page,
            // A client that has no connection gets one; what may succeed later is asked again.
            Err(error) => match error.refusal() {
                Some(body) if !body.retryable => return Err(failed(&error)),
                Some(_) | None => return Ok(()),
            },
        };
        let steps = match self.tracks.get_mut(name) {
            Some(track) => track.page(page),
            None => Vec::new(),
        };
        self.print(name, steps, out).await
    }

    async fn take_event(&mut self, event: Event, out: &mut Out) -> Result<(), Failed> {
        if let Event::Message(message) = event {
            return self.take_message(message, out).await;
        }
        if let Event::Gap {
            conversation, to, ..
        } = event
        {
            if let Some(track) = self.tracks.get_mut(&conversation) {
                track.reaches(to);
            }
            return Ok(());
        }
        if let Event::RoomEvent(event) = event {
            return self.take_room_event(&event);
        }
        if let Event::LoggedIn {
            conversations,
            log_replaced,
            ..
        } = event
        {
            return self
                .logged_in_again(&conversations, log_replaced, out)
                .await;
        }
        // One line a loss, however often the next attempts fail.
        if let Event::Disconnected { reason, .. } = &event
            && std::mem::replace(&mut self.connected, false)
        {
            let why = sanitize::line(&reason.to_string());
            say(&format!("not connected ({why}); trying again"));
        }
        if let Event::Stopped { reason } = event {
            return Err(after_stop(&reason));
        }
        Ok(())
    }

    async fn take_message(&mut self, message: Message, out: &mut Out) -> Result<(), Failed> {
        let name = message.conversation.clone();
        if self.all && !self.tracks.contains_key(&name) && self.tracks.len() < TRACKS_MAX {
            // A direct conversation begins with its first message, a room where it was joined.
            let before = message.seq.saturating_sub(1);
            let start = if name.starts_with("user:") { 0 } else { before };
            self.tracks.insert(name.clone(), Track::new(start, before));
        }
        let steps = match self.tracks.get_mut(&name) {
            Some(track) => track.message(message),
            None => return Ok(()),
        };
        self.print(&name, steps, out).await
    }

    async fn print(&mut self, name: &str, steps: Vec<Step>, out: &mut Out) -> Result<(), Failed> {
        for step in steps {
            match step {
                Step::Message(message) => {
                    if self.left == Some(0) {
                        return Ok(());
                    }
                    self.left = self.left.map(|left| left - 1);
                    out.message(&message).await?;
                }
                Step::Gap { from, to } => Gap::new(name, from, to).tell("tail", out).await?,
            }
        }
        Ok(())
    }

    fn take_room_event(&mut self, event: &RoomEvent) -> Result<(), Failed> {
        let gone = matches!(event.kind, RoomEventKind::Left | RoomEventKind::Kicked);
        if !gone || event.username.as_ref() != Some(&self.me) {
            return Ok(());
        }
        let name = format!("room:{}", event.room_name);
        if self.tracks.remove(&name).is_none() {
            return Ok(());
        }
        let words = format!("you are no longer a member of {}", sanitize::line(&name));
        if self.tracks.is_empty() && !self.all {
            return Err(Failed::new(Exit::Failure, words));
        }
        say(&words);
        Ok(())
    }

    async fn logged_in_again(
        &mut self,
        conversations: &[ConversationSummary],
        log_replaced: bool,
        out: &mut Out,
    ) -> Result<(), Failed> {
        self.connected = true;
        say("connected again");
        if !log_replaced {
            return Ok(());
        }
        say("the server has another log than before: following what comes from now on");
        for (name, track) in &mut self.tracks {
            let summary = conversations.iter().find(|summary| summary.name == *name);
            let top = summary.map_or(0, |summary| summary.last_seq);
            *track = Track::new(top, top);
        }
        out.json_only(&LogReplaced {
            event: "logReplaced",
        })
        .await
    }
}

/// The highest sequence of a named conversation at the login.
fn top_of(
    target: &Target,
    name: &str,
    conversations: &[ConversationSummary],
) -> Result<u64, Failed> {
    let found = conversations.iter().find(|summary| summary.name == name);
    match (found, target) {
        (Some(summary), _) => Ok(summary.last_seq),
        // Nothing was said yet.
        (None, Target::User(_)) => Ok(0),
        (None, Target::Room(room)) => {
            let room = sanitize::line(room.as_str());
            Err(Failed::failure(format!(
                "you are not a member of room:{room}; antiphon join {room} makes you one"
            )))
        }
    }
}
