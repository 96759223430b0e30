//! A network of its own for some processes: a namespace each, joined by a bridge where the test
//! itself has the first address. Packets are dropped by the namespaces' own filters, one way or
//! both, all or some of them. Everything goes away with it; what a killed test has left behind
//! goes away with a later one.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, SystemTime};

use antiphon_core::{clock, random};

const PREFIX: &str = "antiphon-test-";
/// Where `ip netns` keeps its names.
const NAMES: &str = "/run/netns";
/// No test runs so long.
const LEFT_BEHIND: Duration = Duration::from_secs(3_600);

/// See the head of the file.
#[derive(Debug)]
pub(crate) struct Network {
    tag: String,
    subnet: [u8; 3],
    nodes: u8,
}

/// Runs a tool that changes the network.
#[track_caller]
fn run(arguments: &[&str]) {
    let output = output(arguments);
    assert!(output.status.success(), "{arguments:?}: {output:?}");
}

#[track_caller]
fn output(arguments: &[&str]) -> Output {
    let output = Command::new(arguments[0]).args(&arguments[1..]).output();
    output.unwrap_or_else(|error| panic!("{arguments:?}: {error}; run tests/services/install"))
}

fn bridge(tag: &str) -> String {
    format!("apb{tag}")
}

fn namespace(tag: &str, node: u8) -> String {
    format!("{PREFIX}{tag}-{node}")
}

impl Network {
    /// So many namespaces, numbered from 0. Only root may do this.
    pub(crate) fn of(nodes: u8) -> Self {
        let whoami = output(&["id", "-u"]);
        assert_eq!(
            whoami.stdout.trim_ascii(),
            b"0",
            "a test with network namespaces needs root: run 'sudo -E tests/run'"
        );
        sweep();
        let [second, third] = random::bytes::<2>();
        // Dropped, and so cleaned up, whatever fails below.
        let network = Self {
            tag: random::hex::<4>(),
            subnet: [10, 64 + second % 128, third],
            nodes,
        };
        let tag = &network.tag;
        // The bridge last: one without namespaces is one that was left behind.
        (0..nodes).for_each(|node| run(&["ip", "netns", "add", &namespace(tag, node)]));
        let bridge = bridge(tag);
        run(&["ip", "link", "add", &bridge, "type", "bridge"]);
        let own = format!("{}/24", network.own_addr());
        run(&["ip", "addr", "add", &own, "dev", &bridge]);
        run(&["ip", "link", "set", &bridge, "up"]);
        (0..nodes).for_each(|node| network.plug_in(node));
        network
    }

    fn plug_in(&self, node: u8) {
        let space = namespace(&self.tag, node);
        let port = format!("apv{}{node}", self.tag);
        let veth = [
            "ip", "link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns", &space,
        ];
        run(&veth);
        run(&["ip", "link", "set", &port, "master", &bridge(&self.tag)]);
        run(&["ip", "link", "set", &port, "up"]);
        let addr = format!("{}/24", self.addr(node));
        run(&["ip", "-n", &space, "addr", "add", &addr, "dev", "eth0"]);
        for link in ["lo", "eth0"] {
            run(&["ip", "-n", &space, "link", "set", link, "up"]);
        }
    }

    fn host(&self, last: u8) -> Ipv4Addr {
        let [first, second, third] = self.subnet;
        Ipv4Addr::new(first, second, third, last)
    }

    /// The test's own address, which every node can reach.
    pub(crate) fn own_addr(&self) -> Ipv4Addr {
        self.host(1)
    }

    /// A node's address.
    pub(crate) fn addr(&self, node: u8) -> Ipv4Addr {
        self.host(10 + node)
    }

    /// What stands in front of a command that is to run on a node.
    pub(crate) fn on(&self, node: u8) -> [String; 4] {
        let space = namespace(&self.tag, node);
        ["ip".into(), "netns".into(), "exec".into(), space]
    }

    #[track_caller]
    fn filter(&self, node: u8, rule: &[&str]) {
        let on = self.on(node);
        let mut arguments: Vec<&str> = on.iter().map(String::as_str).collect();
        arguments.extend(["iptables", "-w"]);
        arguments.extend(rule);
        run(&arguments);
    }

    /// `to` hears nothing of `from` any more; the other way is as it was.
    pub(crate) fn cut(&self, from: u8, to: u8) {
        let from = self.addr(from).to_string();
        self.filter(to, &["-A", "INPUT", "-s", &from, "-j", "DROP"]);
    }

    /// Neither hears the other any more.
    pub(crate) fn part(&self, one: u8, other: u8) {
        self.cut(one, other);
        self.cut(other, one);
    }

    /// The node reaches nothing more on this port of the test's own address.
    pub(crate) fn cut_service(&self, node: u8, port: u16) {
        let (own, port) = (self.own_addr().to_string(), port.to_string());
        let rule = ["-A", "OUTPUT", "-d", &own, "-p", "tcp", "--dport", &port];
        self.filter(node, &[rule.as_slice(), &["-j", "DROP"]].concat());
    }

    /// So many of a hundred packets to the node are lost.
    pub(crate) fn lose(&self, node: u8, percent: u8) {
        let probability = format!("0.{percent:02}");
        let random = ["-m", "statistic", "--mode", "random", "--probability"];
        let rule = [&["-A", "INPUT"], &random[..], &[&probability, "-j", "DROP"]].concat();
        self.filter(node, &rule);
    }

    /// Everything passes again.
    pub(crate) fn mend(&self) {
        (0..self.nodes).for_each(|node| self.filter(node, &["-F"]));
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        remove(&self.tag, (0..self.nodes).map(|n| namespace(&self.tag, n)));
    }
}

fn remove(tag: &str, namespaces: impl Iterator<Item = String>) {
    let _ = output(&["ip", "link", "del", &bridge(tag)]);
    for namespace in namespaces {
        let _ = output(&["ip", "netns", "del", &namespace]);
    }
}

/// Removes what was left behind by tests that were killed.
fn sweep() {
    // The bridges first: one that is being made has had its namespaces before.
    let links = output(&["ip", "-o", "link", "show", "type", "bridge"]);
    let mut named = Vec::new();
    for entry in std::fs::read_dir(Path::new(NAMES)).into_iter().flatten() {
        let entry = entry.unwrap();
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some((tag, _)) = name.strip_prefix(PREFIX).and_then(|n| n.split_once('-')) else {
            continue;
        };
        // Another test may be removing it just now.
        let made = entry.metadata().and_then(|meta| meta.modified());
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(clock::unix_ms());
        if made.is_ok_and(|made| made + LEFT_BEHIND < now) {
            remove(tag, [name.clone()].into_iter());
        } else {
            named.push(tag.to_owned());
        }
    }
    for line in String::from_utf8_lossy(&links.stdout).lines() {
        let name = line.split(": ").nth(1).unwrap_or_default();
        if let Some(tag) = name.strip_prefix("apb")
            && !named.iter().any(|known| known == tag)
        {
            remove(tag, std::iter::empty());
        }
    }
}
