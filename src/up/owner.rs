//! Who started this process and wants it to end with itself.

use std::future::Future;
use std::io;
use std::os::fd::AsFd;

use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;

/// Resolves when standard input, a pipe that nobody writes to, ends: whoever holds its other
/// end is gone. Where the system can do it, this process is killed then even while a signal
/// has stopped it.
pub fn owner_gone() -> io::Result<impl Future<Output = ()>> {
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    let input = io::stdin().as_fd().try_clone_to_owned()?;
    let mut input = pipe::Receiver::from_owned_fd(input)?;
    Ok(async move {
        let mut bytes = [0; 64];
        while input.read(&mut bytes).await.is_ok_and(|read| read > 0) {}
    })
}
