use std::io;

use tracing::{error, info};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::prelude::*;

use super::*;

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Written {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl Written {
    fn count(&self, words: &str) -> usize {
        let bytes = self.0.lock().unwrap();
        let text = String::from_utf8(bytes.clone()).unwrap();
        text.lines().filter(|line| line.contains(words)).count()
    }
}

#[test]
fn a_place_warns_so_often_and_then_only_how_often() {
    let (limit, written) = (LogLimit::default(), Written::default());
    let layer = fmt::layer().with_ansi(false).with_writer(written.clone());
    let log = tracing_subscriber::registry().with(layer.with_filter(limit.clone()));
    tracing::subscriber::with_default(log, || {
        for _ in 0..2 {
            for number in 0..25 {
                warn!(number, "first place");
                info!("not limited");
            }
            error!("second place");
            limit.next_window();
        }
        limit.next_window();
    });
    assert_eq!(written.count("first place"), 20);
    assert_eq!(written.count("not limited"), 50);
    assert_eq!(written.count("second place"), 2);
    assert_eq!(
        written.count("were left out left_out=15 file=\"src/log_limit/tests.rs\""),
        2
    );
    assert_eq!(written.count("were left out"), 2);
}
