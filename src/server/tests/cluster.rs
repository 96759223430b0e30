mod away;
mod faults;
mod handover;
mod retention;
mod zookeeper;

use super::support::client::{Client, Closed};
use super::support::cluster::{Plan, TestCluster};

const HALL: &str = "hall";
const NAMES: [&str; 6] = ["alice", "bob", "carol", "dave", "erin", "frank"];
