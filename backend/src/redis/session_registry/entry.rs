//! Entries as the scripts keep them: the form's number, node, user and login time, a line each.

use antiphon_core::contract::SessionEntry;
use antiphon_protocol::{NodeId, SessionId, UserName};

use crate::redis::key;

/// The form of this build; the scripts read it too.
const FORM: &str = "1";

/// Of one length, so that scripts compare it as text: their numbers end at 2^53.
pub(super) fn incarnation_key(incarnation: u64) -> String {
    format!("{incarnation:020}")
}

pub(super) fn node_key(node: &NodeId) -> String {
    let incarnation = incarnation_key(node.incarnation);
    format!("{incarnation}:{}", key::encode(&node.name))
}

fn node(key: &str) -> Option<NodeId> {
    let (incarnation, name) = key.split_once(':')?;
    Some(NodeId {
        name: key::decode(name)?,
        incarnation: incarnation.parse().ok()?,
    })
}

pub(super) fn encode(entry: &SessionEntry) -> String {
    let node = node_key(&entry.node);
    let (user, login) = (entry.user.as_str(), entry.login_at_ms);
    format!("{FORM}\n{node}\n{user}\n{login}")
}

/// `None` for another form.
pub(super) fn decode(session: SessionId, value: &str) -> Option<SessionEntry> {
    let mut lines = value.split('\n');
    if lines.next()? != FORM {
        return None;
    }
    Some(SessionEntry {
        session,
        node: node(lines.next()?)?,
        user: UserName::parse(lines.next()?).ok()?,
        login_at_ms: lines.next()?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> SessionEntry {
        SessionEntry {
            session: SessionId("s".to_owned()),
            user: UserName::parse("анна").unwrap(),
            node: NodeId {
                name: "odd: name\n".to_owned(),
                incarnation: u64::MAX,
            },
            login_at_ms: u64::MAX,
        }
    }

    #[test]
    fn an_entry_is_read_as_it_was_written() {
        let value = encode(&entry());
        assert_eq!(decode(entry().session, &value), Some(entry()));
        assert_eq!(value.matches('\n').count(), 3);
    }

    #[test]
    fn another_form_is_nothing() {
        let newer = encode(&entry()).replacen('1', "2", 1);
        for value in [newer.as_str(), "", "1", "1\nx\ny\nz", "1\n1:n\n\n1"] {
            assert_eq!(decode(entry().session, value), None, "{value:?}");
        }
    }

    #[test]
    fn keys_of_nodes_sort_by_incarnation() {
        let key = |incarnation| {
            node_key(&NodeId {
                name: "n".to_owned(),
                incarnation,
            })
        };
        assert!(key(9) < key(10) && key((1 << 53) + 1) < key((1 << 53) + 2));
    }
}
