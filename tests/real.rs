//! Real processes on real services: what an operator runs, and what may befall it.

mod chat;
mod ecosystem;
mod failover;
mod load;
mod outage;
mod partition;
mod rolling;
mod seed;
mod torture;
