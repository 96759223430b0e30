//! What a client logs in with: a token while it has one, else a name.

use antiphon_protocol::UserName;
use antiphon_protocol::client::{Login, Secret};

use super::Credentials;

#[derive(Debug, Clone)]
pub(super) struct Identity {
    pub(super) token: Option<Secret>,
    pub(super) fallback: Option<(UserName, Option<Secret>)>,
}

impl Identity {
    pub(super) fn new(credentials: Credentials) -> Self {
        let (token, fallback) = match credentials {
            Credentials::Password(user, password) => (None, Some((user, Some(password)))),
            Credentials::Open(user) => (None, Some((user, None))),
            Credentials::Token(token) => (Some(token), None),
            Credentials::TokenThen(token, user, password) => (Some(token), Some((user, password))),
        };
        Self { token, fallback }
    }

    /// A token to begin with, before what else there is.
    pub(super) fn with_token(mut self, token: Option<Secret>) -> Self {
        self.token = token.or(self.token);
        self
    }

    pub(super) fn login(&self) -> Login {
        match (&self.token, &self.fallback) {
            (Some(token), _) => Login {
                resume_token: Some(token.clone()),
                ..Login::default()
            },
            (None, Some((user, password))) => Login {
                username: Some(user.clone()),
                password: password.clone(),
                resume_token: None,
            },
            (None, None) => Login::default(),
        }
    }
}
