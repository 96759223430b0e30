use antiphon_protocol::UserName;

use super::*;

#[test]
fn words_are_completed_by_their_place() {
    let mut view = View::new(UserName::parse("alice").unwrap());
    for user in ["bob", "bill", "carol"] {
        view.learn_user(user);
    }
    for room in ["lobby", "lounge"] {
        view.learn_room(room);
    }
    let cases = [
        ("/jo", 0, vec!["/join "]),
        ("hi @b", 3, vec!["@bill ", "@bob "]),
        ("see #lou", 4, vec!["#lounge "]),
        ("/join lo", 6, vec!["lobby ", "lounge "]),
        ("/msg B", 5, vec!["bill ", "bob "]),
        ("/chat room:lob", 6, vec!["room:lobby "]),
        ("/chat bob bi", 10, vec![]),
        ("/help st", 6, vec!["stats "]),
        ("hello b", 6, vec![]),
        ("", 0, vec![]),
        ("héé @c", 6, vec!["@carol "]),
    ];
    for (line, start, expected) in cases {
        let expected: Vec<_> = expected.into_iter().map(str::to_owned).collect();
        assert_eq!(complete(&view, line), (start, expected), "{line}");
    }
}
