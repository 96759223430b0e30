//! What every command passes before its handler, in this order: authentication, rate limit,
//! moderation.

mod authentication;
mod moderation;
mod rate_limit;

pub(crate) use authentication::Authentication;
pub(crate) use moderation::Moderation;
pub(crate) use rate_limit::{RateLimit, TokenBucket};
