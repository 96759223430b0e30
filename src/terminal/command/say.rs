//! Sending: plain text, `/chat`, `/msg`. The chat line never waits for an acknowledgment;
//! what becomes of a message is told in one dim line if it isn't stored soon.

use std::time::Duration;

use antiphon_client::{Client, SendError};
use antiphon_core::dispatcher::CommandHandler;
use antiphon_core::task::{self, TaskKind};
use antiphon_core::{clock, random};
use antiphon_protocol::ClientId;
use antiphon_protocol::client::{Online, Target};
use antiphon_protocol::limits::PAGE_MAX;
use async_trait::async_trait;

use super::{Chat, Failure, Msg, Reply, Say, Session, parse_room, parse_user};
use crate::terminal::output::Output;
use crate::terminal::render::{Style, place_name};
use crate::terminal::sanitize::sanitize_inline;
use crate::terminal::view::conversation_of;

/// An acknowledgment that takes longer is told.
const PENDING_AFTER: Duration = Duration::from_secs(2);
/// How much of a message is repeated when it failed.
const EXCERPT_CHARS: usize = 40;

pub(super) struct Handlers;

fn send(session: &Session, target: Target, text: String) {
    let id = ClientId::parse(&random::hex::<16>()).expect("hexadecimal is visible ASCII");
    session.view().remember_own(id.clone(), text.clone());
    let (client, output, style) = (
        session.client.clone(),
        session.output.clone(),
        session.style,
    );
    let _task = task::spawn(&session.scope, TaskKind::Client, async move {
        follow(&client, &output, style, target, text, id).await;
    });
}

async fn follow(
    client: &Client,
    output: &Output,
    style: Style,
    target: Target,
    text: String,
    id: ClientId,
) {
    let place = place_name(&conversation_of(&target));
    let excerpt = excerpt(&text);
    let tell = |what: &str| output.line(style.dim(&format!("— {place}: {what}: {excerpt}")));
    let sending = client.send_with_id(target, text, id);
    tokio::pin!(sending);
    let outcome = match clock::timeout(PENDING_AFTER, &mut sending).await {
        Ok(outcome) => outcome.map(|_| None),
        Err(_) => {
            tell("not stored yet, still trying");
            sending.await.map(|_| Some("stored"))
        }
    };
    match outcome {
        Ok(Some(stored)) => tell(stored),
        Ok(None) => {}
        Err(error) => tell(&failure(&error)),
    }
}

fn failure(error: &SendError) -> String {
    match error {
        SendError::Refused(body) => format!("not sent, {}", sanitize_inline(&body.message)),
        SendError::NotSent
        | SendError::QueueFull
        | SendError::Stopped
        | SendError::Unknown { .. } => error.to_string(),
    }
}

fn excerpt(text: &str) -> String {
    let clean = sanitize_inline(text);
    let short: String = clean.chars().take(EXCERPT_CHARS).collect();
    if short.len() < clean.len() {
        format!("{short}…")
    } else {
        short
    }
}

#[async_trait]
impl CommandHandler<Session, Say, Reply, Failure> for Handlers {
    async fn handle(&self, session: &mut Session, Say { text }: Say) -> Result<Reply, Failure> {
        let target = session.current()?;
        if !text.is_empty() {
            send(session, target, text);
        }
        Ok(Reply::none())
    }
}

#[async_trait]
impl CommandHandler<Session, Chat, Reply, Failure> for Handlers {
    async fn handle(
        &self,
        session: &mut Session,
        Chat { to, text }: Chat,
    ) -> Result<Reply, Failure> {
        let is_room = to.starts_with("room:") || to.starts_with('#');
        let target = if is_room {
            Target::Room(parse_room(&to)?)
        } else {
            Target::User(parse_user(&to)?)
        };
        send(session, target, text);
        Ok(Reply::none())
    }
}

#[async_trait]
impl CommandHandler<Session, Msg, Reply, Failure> for Handlers {
    async fn handle(
        &self,
        session: &mut Session,
        Msg { user, text }: Msg,
    ) -> Result<Reply, Failure> {
        let user = match user {
            Some(user) => user,
            None => choose_user(session).await?,
        };
        let target = Target::User(parse_user(&user)?);
        if text.is_empty() {
            session.view().go(Some(target));
        } else {
            send(session, target, text);
        }
        Ok(Reply::none())
    }
}

async fn choose_user(session: &mut Session) -> Result<String, Failure> {
    if !session.client.is_connected() {
        return Err(Failure::NotConnected);
    }
    let online = session
        .client
        .request(Online {
            prefix: None,
            cursor: None,
            limit: PAGE_MAX,
        })
        .await?;
    let me = session.view().me.clone();
    let others = online.users.into_iter().filter(|user| user.username != me);
    let names = others.map(|user| user.username.to_string()).collect();
    session
        .questions
        .choose("Talk with whom?", names)
        .ok_or(Failure::Cancelled)
}
