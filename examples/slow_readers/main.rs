//! Measures what slow readers cost their neighbors: in a room of many members a tenth stops
//! reading, again and again, and the delivery latency of the others is compared with that of
//! the calm phases of the same run. The server is a process of its own, so that its memory
//! can be told. Ends with failure if a promise is not kept.

mod member;
mod phases;
mod record;
mod sender;
mod serve;
mod socket;
mod watch;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use phases::Run;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What slow readers cost their neighbors.
#[derive(Debug, Clone, Parser)]
pub(crate) struct Args {
    /// Members of the room who read.
    #[arg(long, default_value_t = 1_000)]
    pub(crate) members: usize,
    /// Times that a tenth of them stops reading.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=10))]
    pub(crate) rounds: u32,
    /// Seconds of each phase, at least.
    #[arg(long, default_value_t = 20)]
    pub(crate) seconds: u64,
    /// Messages a second: few enough that the machine is not busy when all is calm.
    #[arg(long, default_value_t = 12)]
    pub(crate) rate: u64,
    /// Characters in a message. Within 25 seconds they must fill the queue of who does not
    /// read, or it is closed for not answering a ping.
    #[arg(long, default_value_t = 7_800)]
    pub(crate) chars: usize,
    /// Servers of the cluster, all in one process.
    #[arg(long, default_value_t = 1)]
    pub(crate) servers: u32,
    /// Bytes of a member's receive buffer; 0 leaves it to the system.
    #[arg(long, default_value_t = 65_536)]
    pub(crate) receive_buffer: u32,
    /// Where the data are; the system's temporary folder if not given.
    #[arg(long)]
    pub(crate) folder: Option<PathBuf>,
    /// Only serve, on the data of this folder, until the standard input ends.
    #[arg(long, hide = true)]
    serve: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    raise_file_limit();
    if let Some(folder) = &args.serve {
        serve::run(&args, folder).await;
        return ExitCode::SUCCESS;
    }
    let base = args.folder.clone().unwrap_or_else(std::env::temp_dir);
    let folder = base.join(format!("antiphon-slow-readers-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("the folder can be made");
    let kept = Run::start(args, &folder).await.finish().await;
    std::fs::remove_dir_all(&folder).expect("the folder can be removed");
    if kept {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Both sides of a thousand sockets, and some more.
fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, raised).expect("the soft limit can be raised to the hard one");
}

pub(crate) fn tell(line: &str) {
    writeln!(std::io::stdout(), "{line}").expect("standard output is open");
}
