//! `antiphon client` on a pseudo-terminal, with a screen that can be looked at.

use std::fmt;
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

use super::{DEADLINE, wait_until};

/// So tall that nothing scrolls away.
const ROWS: u16 = 200;
const COLUMNS: u16 = 100;
const READ_BYTES: usize = 4096;
/// How a prompt ends.
const PROMPT: char = '›';

/// One terminal; its process is killed when it is dropped.
pub(crate) struct Terminal {
    name: String,
    screen: Arc<Mutex<vt100::Parser>>,
    keyboard: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    _pty: Box<dyn MasterPty + Send>,
    // Of a terminal that shares its home with no other.
    _home: Option<tempfile::TempDir>,
}

impl fmt::Debug for Terminal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Terminal({})", self.name)
    }
}

/// The variables that keep a process of a test out of everybody's home.
pub(crate) fn set_home(home: &Path, mut set: impl FnMut(&str, &Path)) {
    set("HOME", home);
    set("XDG_CONFIG_HOME", &home.join("config"));
    set("XDG_STATE_HOME", &home.join("state"));
    set("XDG_DATA_HOME", &home.join("data"));
}

fn size(count: u16) -> NonZeroU16 {
    NonZeroU16::new(count).unwrap()
}

impl Terminal {
    /// Starts `antiphon client` with these arguments in a fresh home, without colors.
    pub(crate) fn start(name: &str, arguments: &[&str]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut terminal = Self::start_in(home.path(), name, arguments);
        terminal._home = Some(home);
        terminal
    }

    /// Starts it in a home, where it finds what was remembered there.
    pub(crate) fn start_in(home: &Path, name: &str, arguments: &[&str]) -> Self {
        let pty_size = PtySize {
            rows: ROWS,
            cols: COLUMNS,
            pixel_width: 0,
            pixel_height: 0,
        };
        let pty = native_pty_system().openpty(pty_size).unwrap();
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_antiphon"));
        command.arg("client");
        command.args(arguments);
        command.env("TERM", "xterm-256color");
        command.env("NO_COLOR", "1");
        set_home(home, |name, value| command.env(name, value));
        let child = pty.slave.spawn_command(command).unwrap();
        drop(pty.slave);
        let screen = Arc::new(Mutex::new(vt100::Parser::new(size(ROWS), size(COLUMNS), 0)));
        let mut output = pty.master.try_clone_reader().unwrap();
        let seen = Arc::clone(&screen);
        std::thread::spawn(move || {
            let mut bytes = [0; READ_BYTES];
            // The end of the process is an error or an end of file, by the system.
            while let Ok(length) = output.read(&mut bytes) {
                if length == 0 {
                    return;
                }
                seen.lock().unwrap().process(&bytes[..length]);
            }
        });
        Self {
            name: name.to_owned(),
            screen,
            keyboard: pty.master.take_writer().unwrap(),
            child,
            _pty: pty.master,
            _home: None,
        }
    }

    /// Every line on the screen, without empty ones at the end.
    pub(crate) fn lines(&self) -> Vec<String> {
        let screen = self.screen.lock().unwrap();
        let rows = screen.screen().rows(0, COLUMNS);
        let mut lines: Vec<String> = rows.map(|row| row.trim_end().to_owned()).collect();
        while lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        lines
    }

    /// The line with the cursor.
    pub(crate) fn line(&self) -> String {
        let screen = self.screen.lock().unwrap();
        let row = usize::from(screen.screen().cursor_position().0);
        let line = screen.screen().rows(0, COLUMNS).nth(row);
        line.unwrap_or_default().trim_end().to_owned()
    }

    async fn wait(&self, what: &str, wanted: impl Fn(&Self) -> bool) {
        let what = format!("{what} on the terminal of {}", self.name);
        wait_until(&what, DEADLINE, || async {
            if wanted(self) {
                Ok(())
            } else {
                Err(format!("\n{}", self.lines().join("\n")))
            }
        })
        .await;
    }

    /// Waits until a line holds these words.
    pub(crate) async fn sees(&self, words: &str) {
        let what = format!("{words:?}");
        let holds = |terminal: &Self| terminal.lines().iter().any(|line| line.contains(words));
        self.wait(&what, holds).await;
    }

    /// Waits until the line with the cursor ends with these words.
    pub(crate) async fn line_ends_with(&self, words: &str) {
        let what = format!("a line that ends with {words:?}");
        self.wait(&what, |terminal| terminal.line().ends_with(words))
            .await;
    }

    /// Waits for an empty chat line.
    pub(crate) async fn is_ready(&self) {
        self.wait("an empty chat line", |terminal| {
            terminal.line().ends_with(PROMPT)
        })
        .await;
    }

    /// Presses keys.
    pub(crate) fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
        self.keyboard.flush().unwrap();
    }

    /// Types a line when the chat line is empty, and enters it.
    pub(crate) async fn enter(&mut self, line: &str) {
        self.is_ready().await;
        self.press(line);
        self.line_ends_with(line).await;
        self.press("\r");
        self.wait("the typed line taken", |terminal| {
            !terminal.line().ends_with(line)
        })
        .await;
    }

    /// The exit code of a process that ends in time.
    pub(crate) async fn exit_code(&mut self) -> u32 {
        let what = format!("the end of the client of {}", self.name);
        let child = Mutex::new(&mut self.child);
        wait_until(&what, DEADLINE, || async {
            let status = child.lock().unwrap().try_wait().unwrap();
            status
                .map(|status| status.exit_code())
                .ok_or_else(|| "it runs".to_owned())
        })
        .await
    }

    /// Keeps the screen as a file for people.
    pub(crate) fn keep(&self, title: &str) {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        let path = folder.join(format!("{title}-{}.txt", self.name));
        std::fs::write(path, self.lines().join("\n") + "\n").unwrap();
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
