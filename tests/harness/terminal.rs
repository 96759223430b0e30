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

/// How a terminal is made.
#[derive(Debug, Clone)]
pub(crate) struct Look {
    pub(crate) columns: u16,
    pub(crate) rows: u16,
    pub(crate) color: bool,
    /// More of the environment.
    pub(crate) env: Vec<(&'static str, String)>,
}

impl Default for Look {
    fn default() -> Self {
        Self {
            columns: COLUMNS,
            rows: ROWS,
            color: false,
            env: Vec::new(),
        }
    }
}

/// One terminal; its process is killed when it is dropped.
pub(crate) struct Terminal {
    name: String,
    /// Everything that the process wrote, as it was written.
    bytes: Arc<Mutex<Vec<u8>>>,
    screen: Arc<Mutex<vt100::Parser>>,
    keyboard: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    pty: Box<dyn MasterPty + Send>,
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
        Self::start_with(name, arguments, &Look::default())
    }

    /// Starts it in a fresh home, on a terminal that looks so.
    pub(crate) fn start_with(name: &str, arguments: &[&str], look: &Look) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut terminal = Self::launch(home.path(), name, arguments, look);
        terminal._home = Some(home);
        terminal
    }

    /// Starts it in a home, where it finds what was remembered there.
    pub(crate) fn start_in(home: &Path, name: &str, arguments: &[&str]) -> Self {
        Self::launch(home, name, arguments, &Look::default())
    }

    fn launch(home: &Path, name: &str, arguments: &[&str], look: &Look) -> Self {
        let pty_size = PtySize {
            rows: look.rows,
            cols: look.columns,
            pixel_width: 0,
            pixel_height: 0,
        };
        let pty = native_pty_system().openpty(pty_size).unwrap();
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_antiphon"));
        command.arg("client");
        command.args(arguments);
        command.env("TERM", "xterm-256color");
        command.env("TZ", "UTC");
        // What the terminal of whoever runs the tests can do is not what this one can.
        command.env_remove("TERM_PROGRAM");
        if look.color {
            command.env_remove("NO_COLOR");
        } else {
            command.env("NO_COLOR", "1");
        }
        for (key, value) in &look.env {
            command.env(key, value);
        }
        set_home(home, |name, value| command.env(name, value));
        let child = pty.slave.spawn_command(command).unwrap();
        drop(pty.slave);
        let screen = Arc::new(Mutex::new(vt100::Parser::new(
            size(look.rows),
            size(look.columns),
            0,
        )));
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&bytes);
        let mut output = pty.master.try_clone_reader().unwrap();
        let seen = Arc::clone(&screen);
        std::thread::spawn(move || {
            let mut buffer = [0; READ_BYTES];
            // The end of the process is an error or an end of file, by the system.
            while let Ok(length) = output.read(&mut buffer) {
                if length == 0 {
                    return;
                }
                kept.lock().unwrap().extend_from_slice(&buffer[..length]);
                seen.lock().unwrap().process(&buffer[..length]);
            }
        });
        Self {
            name: name.to_owned(),
            bytes,
            screen,
            keyboard: pty.master.take_writer().unwrap(),
            child,
            pty: pty.master,
            _home: None,
        }
    }

    /// Everything that the process wrote so far.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.bytes.lock().unwrap().clone()
    }

    /// Makes the terminal larger or smaller; the process gets its signal.
    pub(crate) fn resize(&mut self, rows: u16, columns: u16) {
        let mut screen = self.screen.lock().unwrap();
        screen.screen_mut().set_size(size(rows), size(columns));
        let pty_size = PtySize {
            rows,
            cols: columns,
            pixel_width: 0,
            pixel_height: 0,
        };
        self.pty.resize(pty_size).unwrap();
    }

    fn columns(&self) -> u16 {
        self.screen.lock().unwrap().screen().size().1.get()
    }

    /// Every line on the screen, without empty ones at the end.
    pub(crate) fn lines(&self) -> Vec<String> {
        let columns = self.columns();
        let screen = self.screen.lock().unwrap();
        let rows = screen.screen().rows(0, columns);
        let mut lines: Vec<String> = rows.map(|row| row.trim_end().to_owned()).collect();
        while lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        lines
    }

    /// Every line, with marks where the looks of the text change.
    pub(crate) fn painted_lines(&self) -> Vec<String> {
        let screen = self.screen.lock().unwrap();
        let (rows, columns) = screen.screen().size();
        let rows = (0..rows.get()).map(|row| painted_row(screen.screen(), row, columns.get()));
        let mut lines: Vec<String> = rows.collect();
        while lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        lines
    }

    /// The line with the cursor.
    pub(crate) fn line(&self) -> String {
        let columns = self.columns();
        let screen = self.screen.lock().unwrap();
        let row = usize::from(screen.screen().cursor_position().0);
        let line = screen.screen().rows(0, columns).nth(row);
        line.unwrap_or_default().trim_end().to_owned()
    }

    pub(crate) async fn wait(&self, what: &str, wanted: impl Fn(&Self) -> bool) {
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

    /// Waits until nothing but an empty chat line is on the screen.
    pub(crate) async fn is_alone_on_screen(&self) {
        let what = "nothing but an empty chat line";
        self.wait(what, |terminal| {
            terminal.lines().len() == 1 && terminal.line().ends_with(PROMPT)
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
        let (child, screen) = (Mutex::new(&mut self.child), &self.screen);
        wait_until(&what, DEADLINE, || async {
            let status = child.lock().unwrap().try_wait().unwrap();
            status
                .map(|status| status.exit_code())
                .ok_or_else(|| format!("it runs:\n{}", screen.lock().unwrap().screen().contents()))
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

/// One row, `{bold}like this{}`.
fn painted_row(screen: &vt100::Screen, row: u16, columns: u16) -> String {
    let mut painted = String::new();
    let mut look = String::new();
    for column in 0..columns {
        let Some(cell) = screen.cell(row, column) else {
            continue;
        };
        if cell.is_wide_continuation() {
            continue;
        }
        let text = if cell.has_contents() {
            cell.contents()
        } else {
            " "
        };
        // Blanks look the same in every color.
        let now = if text == " " && !cell.underline() && !cell.inverse() {
            look.clone()
        } else {
            look_of(cell)
        };
        if now != look {
            painted += &mark(&look, &now);
            look = now;
        }
        painted += text;
    }
    let blank = painted.trim_end().len();
    painted.truncate(blank);
    if !look.is_empty() && !painted.is_empty() {
        painted += "{}";
    }
    painted
}

fn mark(before: &str, now: &str) -> String {
    let end = if before.is_empty() { "" } else { "{}" };
    if now.is_empty() {
        end.to_owned()
    } else {
        format!("{end}{{{now}}}")
    }
}

fn look_of(cell: &vt100::Cell) -> String {
    const COLORS: [&str; 8] = [
        "black", "red", "green", "yellow", "blue", "magenta", "cyan", "white",
    ];
    let mut looks = Vec::new();
    for (is_so, name) in [
        (cell.bold(), "bold"),
        (cell.dim(), "dim"),
        (cell.underline(), "underline"),
        (cell.inverse(), "inverse"),
    ] {
        looks.extend(is_so.then(|| name.to_owned()));
    }
    match cell.fgcolor() {
        vt100::Color::Default => {}
        vt100::Color::Idx(index) if index < 8 => looks.push(COLORS[usize::from(index)].to_owned()),
        vt100::Color::Idx(index) if index < 16 => {
            looks.push(format!("bright-{}", COLORS[usize::from(index) - 8]));
        }
        color @ (vt100::Color::Idx(_) | vt100::Color::Rgb(..)) => looks.push(format!("{color:?}")),
    }
    looks.join(" ")
}
