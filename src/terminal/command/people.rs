//! `/online`, `/stats`, `/popular`, `/whoami`.

use antiphon_core::clock;
use antiphon_core::dispatcher::CommandHandler;
use antiphon_protocol::client as wire;
use antiphon_protocol::limits::PAGE_MAX;
use async_trait::async_trait;

use super::{Failure, Online, Popular, Reply, Session, Stats, Whoami, parse_user};
use crate::terminal::render::{duration, place_name};
use crate::terminal::sanitize::sanitize_inline;
use crate::terminal::view::conversation_of;

pub(super) struct Handlers;

#[async_trait]
impl CommandHandler<Session, Online, Reply, Failure> for Handlers {
    async fn handle(&self, session: &mut Session, Online {}: Online) -> Result<Reply, Failure> {
        let command = wire::Online {
            prefix: None,
            cursor: None,
            limit: PAGE_MAX,
        };
        let reply = session.client.request(command).await?;
        let mut names = Vec::new();
        for user in &reply.users {
            session.view().learn_user(user.username.as_str());
            names.push(session.style.name(user.username.as_str()));
        }
        let more = if reply.cursor.is_some() { ", …" } else { "" };
        Ok(Reply::line(format!(
            "{} online: {}{more}",
            reply.total,
            names.join(", ")
        )))
    }
}

#[async_trait]
impl CommandHandler<Session, Stats, Reply, Failure> for Handlers {
    async fn handle(&self, session: &mut Session, Stats { user }: Stats) -> Result<Reply, Failure> {
        let reply = session
            .client
            .request(wire::UserInfo {
                username: parse_user(&user)?,
            })
            .await?;
        Ok(Reply::line(stats_line(&reply, clock::unix_ms())))
    }
}

pub(super) fn stats_line(info: &wire::UserInfoReply, now_ms: u64) -> String {
    let (now, then) = (i64::try_from(now_ms), i64::try_from(info.login_time));
    let online = now
        .ok()
        .zip(then.ok())
        .map_or(0, |(now, then)| now.saturating_sub(then));
    let (user, node) = (
        sanitize_inline(info.username.as_str()),
        sanitize_inline(&info.node_id),
    );
    format!("{user} is online since {} on {node}", duration(online))
}

#[async_trait]
impl CommandHandler<Session, Popular, Reply, Failure> for Handlers {
    async fn handle(
        &self,
        session: &mut Session,
        Popular { n }: Popular,
    ) -> Result<Reply, Failure> {
        let command = wire::Popular {
            n,
            room_name: None,
            window_seconds: None,
        };
        let reply = session.client.request(command).await?;
        if reply.words.is_empty() {
            return Ok(Reply::line("no words yet"));
        }
        let lines = reply.words.chunks(2).enumerate().map(|(at, pair)| {
            let clean: Vec<_> = pair.iter().map(|part| sanitize_inline(part)).collect();
            format!("{:>3}. {}", at + 1, clean.join("  "))
        });
        Ok(Reply::Lines(lines.collect()))
    }
}

#[async_trait]
impl CommandHandler<Session, Whoami, Reply, Failure> for Handlers {
    async fn handle(&self, session: &mut Session, Whoami {}: Whoami) -> Result<Reply, Failure> {
        let state = if session.client.is_connected() {
            "connected"
        } else {
            "not connected"
        };
        let view = session.view();
        let place = view
            .current
            .as_ref()
            .map(|place| place_name(&conversation_of(place)));
        let place = place.map_or_else(|| "nowhere yet".to_owned(), |place| format!("in {place}"));
        Ok(Reply::line(format!(
            "you are {}, {place}, {state}",
            sanitize_inline(view.me.as_str())
        )))
    }
}
