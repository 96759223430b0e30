//! What is kept between runs, and many processes that share it.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::json;

use super::Shell;
use crate::harness::{Cluster, DEADLINE, FAST, Options};

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_is_kept_for_its_owner_alone_and_ended_everywhere() {
    let cluster = Cluster::start(&Options::set(FAST));
    let shell = Shell::of(&cluster, "alice").await;
    let file = shell.login_file("default");
    assert_eq!(mode(&file), 0o600);
    assert_eq!(mode(file.parent().unwrap()), 0o700);
    let first = std::fs::read_to_string(&file).unwrap();
    shell.ok(&["whoami", "--no-input"]);
    let second = std::fs::read_to_string(&file).unwrap();
    assert_ne!(first, second, "a token is used once");
    assert_eq!(mode(&file), 0o600);

    shell.log_in("alice", "other");
    let list = shell.ok(&["profile", "list", "--json"]).json();
    let names: Vec<_> = list.iter().map(|profile| &profile["name"]).collect();
    assert_eq!(names, ["default", "other"]);
    let shown = shell.ok(&["profile", "show", "other", "--json"]);
    let expected = json!({
        "name": "other", "gateway": shell.gateway, "user": "alice", "login": true,
    });
    assert_eq!(shown.json(), [expected]);
    assert!(!shown.out.contains("token"), "{}", shown.out);
    shell.ok(&["profile", "forget", "other"]);
    assert!(!shell.login_file("other").exists());
    assert_eq!(shell.run(&["profile", "show", "other"]).code, Some(1));

    let copy = std::fs::read_to_string(&file).unwrap();
    shell.ok(&["logout"]);
    assert!(!file.exists());
    assert_eq!(shell.run(&["logout"]).code, Some(3), "there is none to end");
    // A copy of the token is of no use either.
    std::fs::write(&file, copy).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let ran = shell.run(&["whoami", "--no-input"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.err.contains("the remembered login"), "{}", ran.err);
    assert!(!file.exists(), "what is of no use is not kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_others_can_read_or_that_is_broken_is_not_used() {
    let cluster = Cluster::start(&Options::set(FAST));
    let shell = Shell::of(&cluster, "alice").await;
    let file = shell.login_file("default");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let ran = shell.run(&["whoami"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.err.contains("0600"), "{}", ran.err);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    shell.ok(&["whoami"]);
    std::fs::write(&file, "token = ").unwrap();
    let ran = shell.run(&["whoami"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.err.contains("antiphon profile forget"), "{}", ran.err);
}

/// Many processes under one profile at once: none takes another's login away.
#[tokio::test(flavor = "multi_thread")]
async fn processes_that_share_a_profile_do_not_disturb_each_other() {
    let cluster = Cluster::start(&Options::set(FAST));
    let shell = Shell::of(&cluster, "alice").await;
    shell.ok(&["create", "garden"]);
    let tail = shell.start(&["tail", "room:garden", "--since", "0", "--json"]);
    tail.says("following", DEADLINE).await;
    std::thread::scope(|scope| {
        for worker in 0..6 {
            let shell = &shell;
            scope.spawn(move || {
                for round in 0..3 {
                    let text = format!("{worker} {round}");
                    shell.ok(&["send", "room:garden", &text, "--no-input"]);
                    shell.ok(&["whoami", "--no-input"]);
                }
            });
        }
    });
    tail.prints(18, DEADLINE).await;
    // The one that began first still has a login that works after its server is gone.
    for server in cluster.servers().iter().take(2) {
        cluster.stop_server(&server.name);
    }
    shell.ok(&["send", "room:garden", "after", "--no-input"]);
    tail.prints(19, DEADLINE).await;
    assert!(!tail.err().contains("not logged in"), "{}", tail.err());
}
