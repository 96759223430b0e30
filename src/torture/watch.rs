//! What is seen of the cluster from outside while it is tortured: who leads, and what its
//! process takes.

use std::fs;
use std::path::Path;
use std::time::Duration;

use antiphon_core::clock;

use super::history::Record;
use super::nemesis::{Frame, Shared};
use crate::up;

const LOOK_EVERY: Duration = Duration::from_millis(200);
/// A process that is stopped does not answer.
const LOOK_DEADLINE: Duration = Duration::from_secs(1);
/// Looks between two samples of what the process takes.
const LOOKS_A_SAMPLE: u32 = 5;

/// Whether this system tells what a process takes.
pub(super) const TELLS_USAGE: bool = cfg!(target_os = "linux");

/// Looks until the load ends.
pub(super) async fn watch(frame: Frame, cluster: Shared) {
    let data_dir = cluster.lock().await.data_dir();
    let mut term = None;
    for look in 0_u32.. {
        if frame.load.is_stopping() {
            return;
        }
        let status = clock::timeout(LOOK_DEADLINE, up::status(&data_dir)).await;
        if let Ok(Ok(status)) = status
            && let (Some(name), Some(epoch)) = (status.leader, status.epoch)
            && term != Some(epoch)
        {
            term = Some(epoch);
            let at = frame.world.now();
            let leader = Record::Leader { name, epoch, at };
            frame.world.recorder.put(leader).await;
        }
        if look.is_multiple_of(LOOKS_A_SAMPLE)
            && let Ok(cluster) = cluster.try_lock()
            && let Some((process, number)) = cluster.process()
            && let Some((resident_bytes, files)) = usage(number)
        {
            let usage = Record::Usage {
                process,
                resident_bytes,
                files,
                at: frame.world.now(),
            };
            frame.world.recorder.put(usage).await;
        }
        clock::sleep(LOOK_EVERY).await;
    }
}

/// Resident bytes and open files of a process.
fn usage(number: i32) -> Option<(u64, u64)> {
    let folder = Path::new("/proc").join(number.to_string());
    let status = fs::read_to_string(folder.join("status")).ok()?;
    let resident = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = resident.split_whitespace().next()?.parse().ok()?;
    let files = fs::read_dir(folder.join("fd")).ok()?.count() as u64;
    Some((kilobytes * 1024, files))
}
