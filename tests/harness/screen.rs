//! `antiphon client` at a pseudo-terminal: keys go in, the screen is looked at.

use std::io::{Read, Write};
use std::num::NonZero;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use antiphon_core::clock;
use portable_pty::{Child, CommandBuilder, PtySize, native_pty_system};

use super::{DEADLINE, wait_until};

const SIZE: PtySize = PtySize {
    rows: 40,
    cols: 120,
    pixel_width: 0,
    pixel_height: 0,
};
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

#[derive(Default)]
struct Seen {
    bytes: Vec<u8>,
}

impl Seen {
    fn screen(&self) -> String {
        let (rows, cols) = (NonZero::new(SIZE.rows), NonZero::new(SIZE.cols));
        let (rows, cols) = (rows.unwrap(), cols.unwrap());
        let mut parser = vt100::Parser::new(rows, cols, 0);
        parser.process(&self.bytes);
        parser.screen().contents()
    }
}

/// A running client; killed when dropped.
pub(crate) struct Screen {
    child: Box<dyn Child + Send + Sync>,
    keys: Box<dyn Write + Send>,
    seen: Arc<Mutex<Seen>>,
    // Kept open for as long as the terminal is there.
    _master: Box<dyn portable_pty::MasterPty + Send>,
}

impl Screen {
    pub(crate) fn start(args: &[&str]) -> Self {
        let pty = native_pty_system().openpty(SIZE).unwrap();
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_antiphon"));
        command.arg("client");
        command.args(args);
        command.env("TERM", "xterm-256color");
        let child = pty.slave.spawn_command(command).unwrap();
        drop(pty.slave);
        let keys = pty.master.take_writer().unwrap();
        let mut output = pty.master.try_clone_reader().unwrap();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let seen_by_reader = Arc::clone(&seen);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count) = output.read(&mut buffer) {
                if count == 0 {
                    return;
                }
                let mut seen = seen_by_reader.lock().unwrap();
                seen.bytes.extend_from_slice(&buffer[..count]);
            }
        });
        Self {
            child,
            keys,
            seen,
            _master: pty.master,
        }
    }

    pub(crate) fn keys(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    pub(crate) fn contents(&self) -> String {
        self.seen.lock().unwrap().screen()
    }

    /// Everything that was written to the terminal.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.seen.lock().unwrap().bytes.clone()
    }

    /// Waits until the screen has `text`.
    pub(crate) async fn shows(&self, text: &str) {
        let what = format!("{text:?} on the screen");
        wait_until(&what, DEADLINE, || async {
            let contents = self.contents();
            if contents.contains(text) {
                Ok(())
            } else {
                Err(contents)
            }
        })
        .await;
    }

    /// Waits until the last line that is not empty is `text`.
    pub(crate) async fn ends_with(&self, text: &str) {
        let what = format!("{text:?} at the end of the screen");
        wait_until(&what, DEADLINE, || async {
            let contents = self.contents();
            if contents.trim_end().ends_with(text.trim_end()) {
                Ok(())
            } else {
                Err(contents)
            }
        })
        .await;
    }

    /// The exit status, within the deadline.
    pub(crate) async fn exit(&mut self) -> u32 {
        let end = clock::now() + DEADLINE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.exit_code();
            }
            assert!(
                clock::now() < end,
                "still running; the screen:\n{}",
                self.contents()
            );
            clock::sleep(BETWEEN_LOOKS).await;
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _killed = self.child.kill();
    }
}
