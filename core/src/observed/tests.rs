use std::sync::Mutex;

use crate::clock::unix_ms;
use crate::memory::MemoryServerDirectory;

use super::*;

#[derive(Default)]
struct Seen(Mutex<Vec<Call>>);

impl Observer for Seen {
    fn observed(&self, call: Call) {
        self.0.lock().unwrap().push(call);
    }
}

fn directory(epoch: u64) -> Directory {
    Directory {
        epoch,
        generated_at_ms: unix_ms(),
        servers: Vec::new(),
    }
}

#[tokio::test]
async fn every_call_is_told_with_its_end() {
    let seen = Arc::new(Seen::default());
    let observer: Arc<dyn Observer> = seen.clone();
    let inner: Arc<dyn ServerDirectory> = Arc::new(MemoryServerDirectory::new());
    let observed = Observed::new(inner, &observer);
    let ttl = Duration::from_secs(60);
    observed.publish(directory(2), ttl).await.unwrap();
    let refused = observed.publish(directory(1), ttl).await.unwrap_err();
    assert_eq!(refused.kind, BackendErrorKind::Conflict);
    assert_eq!(observed.list().await.unwrap().unwrap().epoch, 2);

    let seen = seen.0.lock().unwrap();
    let ends: Vec<_> = seen
        .iter()
        .map(|call| (call.operation, call.error))
        .collect();
    let conflict = Some(BackendErrorKind::Conflict);
    let expected = [("publish", None), ("publish", conflict), ("list", None)];
    assert_eq!(ends, expected);
    assert!(seen.iter().all(|call| call.contract == "server_directory"));
}
