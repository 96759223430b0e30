//! `antiphon torture`: a short run on a cluster of its own, histories that were tampered with,
//! a cluster of others, wrong flags.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::harness::{Cluster, Options, wait_until};

fn torture(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_antiphon"));
    command.arg("torture").args(arguments);
    command
}

fn told(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}\n{}", text(&output.stdout), text(&output.stderr))
}

/// The verdict of a command that prints one.
#[track_caller]
fn verdict(command: &mut Command, code: i32) -> Value {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(code), "{}", told(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn judge(file: &Path, code: i32) -> Value {
    verdict(torture(&["check", "--json"]).arg(file), code)
}

fn status<'v>(verdict: &'v Value, checker: &str) -> &'v str {
    let findings = verdict["findings"].as_array().unwrap();
    let finding = findings.iter().find(|one| one["checker"] == checker);
    finding.unwrap()["status"].as_str().unwrap()
}

/// The line of a delivery in private, with another before it and behind it.
fn inner_delivery(lines: &[&str]) -> usize {
    let records: Vec<Value> = lines
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let is_private = |one: &Value| {
        let conversation = one["conversation"].as_str().unwrap_or_default();
        one["record"] == "delivery" && conversation.starts_with("direct:")
    };
    let beside = |one: &Value, step: i64| {
        records.iter().any(|other| {
            let same = |key: &str| one[key] == other[key];
            same("record")
                && same("session")
                && same("conversation")
                && other["seq"].as_i64() == one["seq"].as_i64().map(|seq| seq + step)
        })
    };
    let inner = |one: &Value| is_private(one) && beside(one, 1) && beside(one, -1);
    records.iter().position(inner).expect("pairs have talked")
}

#[test]
fn a_short_run_passes_and_a_history_that_was_tampered_with_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("history.jsonl");
    let arguments = ["--duration", "10s", "--seed", "5", "--json", "--keep"];
    let run = verdict(torture(&arguments).arg(&file), 0);
    assert_eq!(run["passed"], true);
    let numbers = &run["numbers"];
    for name in [
        "sent",
        "acked",
        "repeated",
        "delivered",
        "hitByFaults",
        "leaderChanges",
    ] {
        assert!(numbers[name].as_u64() > Some(0), "{name}: {numbers}");
    }
    for name in ["lost", "doubled", "reordered", "gapsTold"] {
        assert_eq!(numbers[name], 0, "{name}: {numbers}");
    }
    assert!(!run["recoveries"].as_array().unwrap().is_empty());
    assert_eq!(judge(&file, 0), run, "the same history, the same verdict");

    let history = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = history.lines().collect();
    let chosen = inner_delivery(&lines);
    let spoilt = folder.path().join("spoilt.jsonl");
    let judge_spoilt = |lines: &[&str]| {
        std::fs::write(&spoilt, lines.join("\n")).unwrap();
        judge(&spoilt, 1)
    };
    let mut removed = lines.clone();
    removed.remove(chosen);
    assert_eq!(status(&judge_spoilt(&removed), "C7"), "failed");
    let mut doubled = lines.clone();
    doubled.insert(chosen, lines[chosen]);
    assert_eq!(status(&judge_spoilt(&doubled), "C2"), "failed");
    let cut = &lines[..lines.len() - 1];
    assert_eq!(status(&judge_spoilt(cut), "C0"), "failed");
    let stored = lines.iter().rposition(|line| line.contains("\"logEntry\""));
    let mut lost = lines.clone();
    lost.remove(stored.unwrap());
    assert_eq!(status(&judge_spoilt(&lost), "C3"), "failed");
}

#[test]
fn a_cluster_of_others_keeps_its_servers() {
    let mut cluster = Cluster::start(&Options::default());
    let gateway = format!("http://{}", cluster.gateway());
    let arguments = [
        "--gateway",
        &gateway,
        "--duration",
        "8s",
        "--json",
        "--users",
        "16",
    ];
    let run = verdict(&mut torture(&arguments), 0);
    assert_eq!(run["run"]["ownCluster"], false);
    assert_eq!(status(&run, "C1"), "passed");
    assert_eq!(status(&run, "C10"), "notJudged");
    assert!(cluster.is_running());
}

/// Their earlier talk is not the run's.
#[test]
fn existing_users_may_torture_too() {
    let cluster = Cluster::start(&Options::open());
    let gateway = format!("http://{}", cluster.gateway());
    let names: Vec<String> = (1..=12).map(|number| format!("user{number}")).collect();
    let names = names.join(",");
    let arguments = [
        "--gateway",
        &gateway,
        "--user",
        &names,
        "--duration",
        "8s",
        "--json",
    ];
    let run = verdict(&mut torture(&arguments), 0);
    assert_eq!(run["run"]["users"], 12);
}

/// Its cluster goes with it, also if it can't do anything for that.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_torture_that_is_killed_leaves_no_cluster_behind() {
    const DEADLINE: Duration = Duration::from_secs(90);
    let folder = tempfile::tempdir().unwrap();
    let name = folder.path().to_str().unwrap();
    // The cluster's process names its data directory, which is in there.
    let cluster = async || {
        let mut listed = std::fs::read_dir("/proc").unwrap().flatten();
        let found = listed.find(|process| {
            let command = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&command).contains(name)
        });
        let found = found.ok_or_else(|| "no cluster".to_owned())?;
        Ok(found.file_name().into_string().unwrap())
    };
    for pause in [false, true] {
        let mut command = torture(&["--duration", "60s", "--seed", "3"]);
        command.env("TMPDIR", folder.path()).stderr(Stdio::piped());
        let mut child = command.stdout(Stdio::null()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let mut lines = stderr.lines().map_while(Result::ok);
        assert!(lines.any(|line| line.contains("enter")), "never ready");
        let process = wait_until("the cluster", DEADLINE, &cluster).await;
        if pause {
            let stop = format!("kill -STOP {process}");
            let mut stop = Command::new("sh").args(["-c", &stop]).spawn().unwrap();
            assert!(stop.wait().unwrap().success());
        }
        child.kill().unwrap();
        child.wait().unwrap();
        wait_until("its end", DEADLINE, async || match cluster().await {
            Ok(process) => Err(format!("process {process} is left")),
            Err(_) => Ok(()),
        })
        .await;
    }
}

#[test]
fn wrong_flags_end_with_2() {
    let wrong: &[&[&str]] = &[
        &["--duration", "soon"],
        &["--duration", "1s"],
        &["--users", "1"],
        &["--rooms", "0"],
        &["--seed", "-1"],
        &["--user", "alice,bob"],
        &["--password-stdin"],
        &["--gateway", "ftp://here"],
        &["--gateway", "http://127.0.0.1:1", "--servers", "3"],
        &["--gateway", "http://127.0.0.1:1", "--user", "alice"],
        &["check"],
    ];
    for arguments in wrong {
        let output = torture(arguments).output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(2),
            "{arguments:?}: {}",
            told(&output)
        );
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn what_is_no_history_ends_with_1() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("history.jsonl");
    for text in [
        "",
        "{}\n",
        "no history\n",
        "{\"record\":\"end\",\"at\":1}\n",
    ] {
        std::fs::write(&file, text).unwrap();
        let output = torture(&["check"]).arg(&file).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{text:?}: {}", told(&output));
        assert!(output.stdout.is_empty(), "{text:?}");
    }
}
