//! Standard output for scripts: lines go through a bounded queue to a thread of their own, so
//! that a reader who is slow holds up who writes, and a signal is heard meanwhile. What is
//! queued is written as a whole, and flushed when nothing more is.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::fd::AsFd;

use tokio::sync::{mpsc, oneshot};

use crate::exit::{Exit, Failed};

/// Lines that wait to be written.
const LINES_MAX: usize = 256;
/// Bytes that are written at once.
const BUFFER_BYTES: usize = 64 * 1024;

/// See the head of the file.
#[derive(Debug)]
pub struct Sink {
    line_tx: mpsc::Sender<String>,
    done_rx: Option<oneshot::Receiver<io::Result<()>>>,
}

fn failed(error: &io::Error) -> Failed {
    if error.kind() == io::ErrorKind::BrokenPipe {
        Failed::quietly(Exit::ReaderGone)
    } else {
        Failed::failure(format!("standard output: {error}"))
    }
}

impl Sink {
    /// To standard output.
    pub fn stdout() -> io::Result<Self> {
        let stdout = io::stdout().as_fd().try_clone_to_owned()?;
        Self::to(File::from(stdout))
    }

    /// To anything that bytes can be written to.
    fn to(out: impl Write + Send + 'static) -> io::Result<Self> {
        let (line_tx, line_rx) = mpsc::channel(LINES_MAX);
        let (done_tx, done_rx) = oneshot::channel();
        // Not a task: it may wait for its reader for ever, and ends with the process then.
        std::thread::Builder::new()
            .name("output".to_owned())
            .spawn(move || {
                let written = write(line_rx, BufWriter::with_capacity(BUFFER_BYTES, out));
                // Nobody may wait for it any more.
                let _told = done_tx.send(written);
            })?;
        Ok(Self {
            line_tx,
            done_rx: Some(done_rx),
        })
    }

    /// Queues a line; waits while the queue is full.
    pub async fn line(&mut self, line: String) -> Result<(), Failed> {
        if self.line_tx.send(line).await.is_ok() {
            return Ok(());
        }
        Err(self.end().await.err().unwrap_or_else(|| {
            // The thread ends without an error only after this side has.
            Failed::failure("standard output: its thread has ended")
        }))
    }

    /// Waits until everything is written.
    pub async fn finish(mut self) -> Result<(), Failed> {
        let (closed_tx, _) = mpsc::channel(1);
        self.line_tx = closed_tx;
        self.end().await
    }

    async fn end(&mut self) -> Result<(), Failed> {
        let Some(done_rx) = self.done_rx.take() else {
            return Err(Failed::quietly(Exit::ReaderGone));
        };
        match done_rx.await {
            Ok(written) => written.map_err(|error| failed(&error)),
            Err(_) => Err(Failed::failure("standard output: its thread has ended")),
        }
    }
}

fn write(mut line_rx: mpsc::Receiver<String>, mut out: impl Write) -> io::Result<()> {
    while let Some(line) = line_rx.blocking_recv() {
        out.write_all(line.as_bytes())?;
        out.write_all(b"\n")?;
        if line_rx.is_empty() {
            out.flush()?;
        }
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Gone;

    impl Write for Gone {
        fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn lines_are_written_in_order_and_all_of_them() {
        let written = Written::default();
        let mut sink = Sink::to(written.clone()).unwrap();
        for number in 0..1_000 {
            sink.line(number.to_string()).await.unwrap();
        }
        sink.finish().await.unwrap();
        let bytes = written.0.lock().unwrap().clone();
        let expected: String = (0..1_000).map(|number| format!("{number}\n")).collect();
        assert_eq!(String::from_utf8(bytes).unwrap(), expected);
    }

    #[tokio::test]
    async fn a_reader_that_has_gone_ends_it_quietly() {
        let mut sink = Sink::to(Gone).unwrap();
        let end = loop {
            if let Err(end) = sink.line("x".to_owned()).await {
                break end;
            }
        };
        assert_eq!(end, Failed::quietly(Exit::ReaderGone));
        assert_eq!(sink.finish().await.unwrap_err().exit, Exit::ReaderGone);
    }
}
