mod cluster;
pub(crate) mod support;
