use super::*;

#[test]
fn c0_a_history_that_breaks_off_or_holds_too_little_is_no_pass() {
    fails(Checker::Guard, |h| h.is_whole = false);
    fails(Checker::Guard, |h| h.run.duration_ms = 60_000);
    fails(Checker::Guard, |h| h.leaders.truncate(1));
    fails(Checker::Guard, |h| h.leaders.clear());
    fails(Checker::Guard, |h| h.faults.clear());
    fails(Checker::Guard, |h| h.heads.truncate(1));
}

/// Which faults end a term is known; a run without them need not change its leader.
#[test]
fn c0_terms_must_have_ended_as_the_faults_say() {
    let guard = |kind: FaultKind, target: &str, leaders: usize| {
        let mut history = good();
        (history.faults[0].kind, history.faults[0].target) = (kind, target.to_owned());
        history.leaders.truncate(leaders);
        status(&judge(&history), Checker::Guard)
    };
    for (kind, target, wanted) in [
        (FaultKind::Kill, "", Status::Failed),
        (FaultKind::StopLeader, "s1", Status::Failed),
        (FaultKind::KillServer, "s1", Status::Failed),
        (FaultKind::KillServer, "s2", Status::Passed),
        (FaultKind::StoreDown, "", Status::Passed),
    ] {
        assert_eq!(guard(kind, target, 1), wanted, "{kind:?}");
        assert_eq!(guard(kind, target, 2), Status::Passed, "{kind:?}");
    }
    // Three that are mended before the next begins ask for two terms more.
    let mut history = good();
    for begin in [70, 80] {
        let (fault, end) = (history.faults[0].clone(), begin + 5);
        history.faults.push(Fault {
            begin,
            end,
            ..fault
        });
    }
    assert_eq!(status(&judge(&history), Checker::Guard), Status::Failed);
}

#[test]
fn c10_a_fault_that_rooms_do_not_recover_from() {
    fails(Checker::Recovery, |h| h.faults[0].end = 171);
    fails(Checker::Recovery, |h| {
        for send in &mut h.sends[4..] {
            send.begin += RECOVERY_MAX_US + 10;
            send.end += RECOVERY_MAX_US + 10;
        }
    });
    empty(Checker::Recovery, |h| h.faults.clear());
}

/// A second fault begins while the first lasts: both are mended when the second is.
#[test]
fn c10_faults_that_overlap_are_mended_together() {
    let long = RECOVERY_MAX_US + 10;
    let overlapping = |second: (u64, u64)| {
        let mut history = good();
        history.faults.push(Fault {
            kind: FaultKind::PauseLong,
            begin: second.0,
            end: second.1,
            ..history.faults[0].clone()
        });
        for send in &mut history.sends[4..] {
            (send.begin, send.end) = (send.begin + long, send.end + long);
        }
        judge(&history)
    };
    let both = overlapping((65, 75 + long));
    assert_eq!(status(&both, Checker::Recovery), Status::Passed);
    assert!(
        both.recoveries
            .iter()
            .all(|one| one.recovered_us == Some(55))
    );
    let apart = overlapping((69, 75 + long));
    assert_eq!(status(&apart, Checker::Recovery), Status::Passed);
    assert_eq!(apart.recoveries[0].recovered_us, Some(1));
    let short = overlapping((65, 67));
    assert_eq!(status(&short, Checker::Recovery), Status::Failed);
}

/// What is never mended must not stop the others for longer than what is.
#[test]
fn c10_a_fault_that_lasts_is_timed_from_its_beginning() {
    let mut history = good();
    (history.faults[0].end, history.faults[0].lasting) = (180, true);
    assert_eq!(status(&judge(&history), Checker::Recovery), Status::Passed);
    fails(Checker::Recovery, |h| {
        (h.faults[0].begin, h.faults[0].lasting) = (171, true);
    });
}

#[test]
fn c11_a_process_that_grows() {
    fails(Checker::Bounds, |h| h.usage[1].1 = 1 << 30);
    fails(Checker::Bounds, |h| h.usage[1].2 = 1_000);
    empty(Checker::Bounds, |h| h.usage.clear());
}
