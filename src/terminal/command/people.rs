//! Who is there.

use antiphon_core::clock;
use antiphon_protocol::UserName;
use antiphon_protocol::client;
use async_trait::async_trait;

use super::super::session::Session;
use super::super::state::rooms_in_words;
use super::super::{render, sanitize};
use super::listing::{self, ListOf};
use super::{Answer, CommandError, Execute};

/// `/stats USER`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stats {
    /// Whom.
    pub user: UserName,
}

#[async_trait]
impl Execute for Stats {
    async fn execute(self, session: &mut Session) -> Result<Answer, CommandError> {
        let asked = session.client.request(client::UserInfo {
            username: self.user.clone(),
        });
        let info = match asked.await {
            Ok(info) => info,
            Err(error) if error.refusal().is_some_and(|body| body.code == 404) => {
                return Ok(Answer::line(
                    session
                        .painter
                        .dim(&format!("— {}", sanitize::line(&error.to_string()))),
                ));
            }
            Err(error) => return Err(error.into()),
        };
        let name = session.painter.name(info.username.as_str());
        if !info.is_online {
            return Ok(Answer::line(format!("{name} is not on line")));
        }
        let since = i64::try_from(clock::unix_ms())
            .unwrap_or(i64::MAX)
            .saturating_sub(i64::try_from(info.login_time).unwrap_or(i64::MAX));
        let server = sanitize::line(&info.node_id);
        Ok(Answer::line(format!(
            "{name} is on line for {}, on {server}",
            render::duration(since)
        )))
    }
}

/// `/whoami`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WhoAmI;

#[async_trait]
impl Execute for WhoAmI {
    async fn execute(self, session: &mut Session) -> Result<Answer, CommandError> {
        let state = session.state.lock();
        let name = session.painter.own_name(&state.me);
        let place = if state.connected {
            format!("on {}", state.server)
        } else {
            "not connected at the moment".to_owned()
        };
        let rooms = rooms_in_words(&state.rooms);
        Ok(Answer::line(format!("{name}, {place}, in {rooms}")))
    }
}

/// `/online [PREFIX] [next]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Online {
    /// Only names that begin so.
    pub prefix: String,
    /// The page after the last one.
    pub next: bool,
}

#[async_trait]
impl Execute for Online {
    async fn execute(self, session: &mut Session) -> Result<Answer, CommandError> {
        let of = ListOf::Online(self.prefix);
        if self.next {
            listing::go_on(session, of).await
        } else {
            listing::begin(session, of).await
        }
    }
}
