mod cluster;
mod slow_readers;
pub(crate) mod support;
