//! A history as the lines of a file, the same for the same history.

use std::io::{self, Write};

use antiphon::torture::history::{History, Record};

/// Writes it; `antiphon torture check` reads it.
pub fn write(history: &History, out: &mut impl Write) -> io::Result<()> {
    let mut put = |record: Record| -> io::Result<()> {
        serde_json::to_writer(&mut *out, &record)?;
        out.write_all(b"\n")
    };
    let history = history.clone();
    put(Record::Run(history.run))?;
    history
        .sessions
        .into_iter()
        .map(Record::Session)
        .try_for_each(&mut put)?;
    let ended = history.ended.into_iter();
    let ended = ended.map(|session| Record::SessionEnded { session, at: 0 });
    ended.into_iter().try_for_each(&mut put)?;
    history
        .sends
        .into_iter()
        .map(Record::Send)
        .try_for_each(&mut put)?;
    history
        .memberships
        .into_iter()
        .map(Record::Membership)
        .try_for_each(&mut put)?;
    history
        .deliveries
        .into_iter()
        .map(Record::Delivery)
        .try_for_each(&mut put)?;
    history
        .gaps
        .into_iter()
        .map(Record::Gap)
        .try_for_each(&mut put)?;
    history
        .faults
        .into_iter()
        .map(Record::Fault)
        .try_for_each(&mut put)?;
    let leaders = history.leaders.into_iter();
    let leaders = leaders.map(|(name, epoch, at)| Record::Leader { name, epoch, at });
    leaders.into_iter().try_for_each(&mut put)?;
    let queues = history.queues.into_iter();
    let queues = queues.map(|(server, bytes)| Record::Queue {
        server,
        bytes,
        at: 0,
    });
    queues.into_iter().try_for_each(&mut put)?;
    history
        .healed
        .into_iter()
        .map(|at| Record::Healed { at })
        .try_for_each(&mut put)?;
    history
        .heads
        .into_iter()
        .map(Record::LogHead)
        .try_for_each(&mut put)?;
    history
        .log
        .into_iter()
        .map(Record::LogEntry)
        .try_for_each(&mut put)?;
    if history.is_whole {
        put(Record::End { at: 0 })?;
    }
    Ok(())
}
