mod cluster;
mod resume;
mod slow_readers;
pub(crate) mod support;
