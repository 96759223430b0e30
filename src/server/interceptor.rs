//! What every command passes before its handler, in this order: metering, authentication,
//! rate limit, moderation.

mod authentication;
mod metering;
mod moderation;
mod rate_limit;

pub(crate) use authentication::Authentication;
pub(crate) use metering::Metering;
pub(crate) use moderation::Moderation;
pub(crate) use rate_limit::{RateLimit, TokenBucket};
