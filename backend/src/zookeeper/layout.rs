//! What is where, below the chroot:
//!
//! - `members/NAME`, ephemeral: a registered server; its creation zxid is the incarnation.
//! - `election/NAME.INCARNATION.TAG.SEQUENCE`, ephemeral and sequential: a candidate. The
//!   lowest sequence leads, and the creation zxid of its node, above the base, is the epoch.
//! - `epoch-base`, made by an operator after the ensemble lost its data: a decimal number that
//!   is added to every zxid that becomes an epoch. Absent is zero.

use antiphon_protocol::NodeId;

/// Digits that ZooKeeper puts behind the name of a sequential node.
const SEQUENCE_DIGITS: usize = 10;

/// Paths below one chroot.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    root: String,
}

impl Layout {
    pub(super) fn new(root: &str) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    /// The folder of the registered servers.
    pub(super) fn members(&self) -> String {
        format!("{}/members", self.root)
    }

    /// The folder of the candidates.
    pub(super) fn election(&self) -> String {
        format!("{}/election", self.root)
    }

    /// The node with what epochs are counted from.
    pub(super) fn epoch_base(&self) -> String {
        format!("{}/epoch-base", self.root)
    }

    /// The node of a server.
    pub(super) fn member(&self, name: &str) -> String {
        format!("{}/{}", self.members(), escaped(name))
    }

    /// What the path of a candidate begins with; ZooKeeper adds the sequence.
    pub(super) fn candidate(&self, id: &NodeId, tag: &str) -> String {
        let (name, incarnation) = (escaped(&id.name), id.incarnation);
        format!("{}/{name}.{incarnation:x}.{tag}.", self.election())
    }

    /// The path of a candidate that was listed.
    pub(super) fn listed(&self, candidate: &Candidate) -> String {
        format!("{}/{}", self.election(), candidate.node)
    }

    /// Every folder, from the top.
    pub(super) fn folders(&self) -> Vec<String> {
        let parts = self.root.match_indices('/').skip(1);
        let mut folders: Vec<String> = parts.map(|(at, _)| self.root[..at].to_owned()).collect();
        if !self.root.is_empty() {
            folders.push(self.root.clone());
        }
        folders.extend([self.members(), self.election()]);
        folders
    }
}

/// A candidate as its node's name tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    /// The node's name.
    pub(super) node: String,
    /// Whose it is.
    pub(super) id: NodeId,
    /// What its maker can know it again by.
    pub(super) tag: String,
    sequence: i64,
}

impl Candidate {
    /// Reads a node's name; `None` if it is not one of ours.
    pub(super) fn parse(node: &str) -> Option<Self> {
        let mut parts = node.split('.');
        let (name, incarnation, tag, digits) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || digits.len() < SEQUENCE_DIGITS {
            return None;
        }
        Some(Self {
            node: node.to_owned(),
            id: NodeId {
                name: unescaped(name)?,
                incarnation: u64::from_str_radix(incarnation, 16).ok()?,
            },
            tag: tag.to_owned(),
            sequence: digits.parse().ok()?,
        })
    }

    /// The candidates among the children of the folder, the leader first.
    pub(super) fn in_order(children: &[String]) -> Vec<Self> {
        let mut candidates: Vec<Self> = children.iter().filter_map(|c| Self::parse(c)).collect();
        candidates.sort_by_key(|candidate| candidate.sequence);
        candidates
    }
}

/// A name as ZooKeeper takes it in a path: letters, digits, `-` and `_` as they are, each
/// other byte as `%XX`.
fn escaped(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

/// The name behind an escaped one; `None` if it was not made by [`escaped`].
pub(super) fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if first == '%' {
            bytes.push(u8::from_str_radix(rest.get(1..3)?, 16).ok()?);
            rest = &rest[3..];
        } else {
            bytes.push(u8::try_from(first).ok()?);
            rest = &rest[first.len_utf8()..];
        }
    }
    let name = String::from_utf8(bytes).ok()?;
    (escaped(&name) == text).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_its_own_path_and_comes_back() {
        let layout = Layout::new("/a");
        for name in [
            "s1",
            "a.b",
            "..",
            "50%",
            "a/b",
            "Chör",
            "服务器",
            "a-b_c",
            " ",
        ] {
            let id = NodeId {
                name: name.to_owned(),
                incarnation: 0x1_0000_002a,
            };
            let path = format!("{}0000000007", layout.candidate(&id, "ab12"));
            let node = path.strip_prefix("/a/election/").unwrap();
            assert!(!node.contains('/'), "{node}");
            let read = Candidate::parse(node).unwrap();
            assert_eq!((&read.id, read.tag.as_str()), (&id, "ab12"));
            assert_eq!(layout.listed(&read), path);
            let member = layout.member(name);
            let own = member.strip_prefix("/a/members/").unwrap();
            assert_eq!(unescaped(own).as_deref(), Some(name));
        }
        assert_eq!(unescaped("%4"), None);
        assert_eq!(unescaped("a.b"), None);
        assert_eq!(unescaped("%é1"), None);
    }

    #[test]
    fn candidates_stand_in_order_and_strangers_are_left_out() {
        let names = [
            "b.2.t.0000000010",
            "zz",
            "a.1.t.0000000009",
            "a.1.t.x",
            "a.1.0000000001",
            "c.3.t.2147483647",
            "a.g.t.0000000001",
        ];
        let children = names.map(str::to_owned);
        let order = Candidate::in_order(&children);
        let nodes: Vec<&str> = order
            .iter()
            .map(|candidate| candidate.node.as_str())
            .collect();
        assert_eq!(nodes, [names[2], names[0], names[5]]);
    }

    #[test]
    fn folders_begin_at_the_top() {
        let folders = Layout::new("/chat/antiphon").folders();
        let wanted = [
            "/chat",
            "/chat/antiphon",
            "/chat/antiphon/members",
            "/chat/antiphon/election",
        ];
        assert_eq!(folders, wanted);
        assert_eq!(Layout::new("").folders(), ["/members", "/election"]);
    }
}
