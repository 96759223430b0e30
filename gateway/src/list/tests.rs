use std::sync::atomic::{AtomicUsize, Ordering};

use antiphon_core::contract::{BackendError, BackendErrorKind};
use async_trait::async_trait;

use super::*;

#[derive(Clone)]
enum Say {
    List(u64),
    Nothing,
    Fail,
    Hang,
}

struct Scripted {
    say: Mutex<Say>,
    asked: AtomicUsize,
}

#[async_trait]
impl ServerDirectory for Scripted {
    async fn publish(&self, _: Directory, _: Duration) -> BackendResult<()> {
        unreachable!("the gateway publishes nothing")
    }
    async fn list(&self) -> BackendResult<Option<Directory>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let say = self.say.lock().unwrap().clone();
        match say {
            Say::List(generated_at_ms) => Ok(Some(Directory {
                epoch: 1,
                generated_at_ms,
                servers: Vec::new(),
            })),
            Say::Nothing => Ok(None),
            Say::Fail => Err(BackendError::new(BackendErrorKind::Unavailable, "list")),
            Say::Hang => std::future::pending().await,
        }
    }
}

fn cache(say: Say) -> (Arc<Scripted>, ListCache) {
    let source = Arc::new(Scripted {
        say: Mutex::new(say),
        asked: AtomicUsize::new(0),
    });
    (Arc::clone(&source), ListCache::new(source))
}

fn now_says(source: &Scripted, say: Say) {
    *source.say.lock().unwrap() = say;
}

#[tokio::test(start_paused = true)]
async fn a_flood_asks_four_times_a_second_at_most() {
    let (source, cache) = cache(Say::List(1));
    for _ in 0..10_000 {
        assert!(cache.current().await.is_some());
        clock::sleep(Duration::from_millis(1)).await;
    }
    let asked = source.asked.load(Ordering::SeqCst);
    assert!((30..=41).contains(&asked), "{asked} in 10 s");
}

#[tokio::test(start_paused = true)]
async fn a_failing_directory_is_not_asked_more_often() {
    let (source, cache) = cache(Say::Fail);
    for _ in 0..1_000 {
        assert!(cache.current().await.is_none());
    }
    assert_eq!(source.asked.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn while_the_directory_fails_the_last_list_serves_ten_minutes() {
    let (source, cache) = cache(Say::List(7));
    assert_eq!(cache.current().await.unwrap().age, Duration::ZERO);
    now_says(&source, Say::Fail);
    clock::sleep(FAILING_MAX - Duration::from_secs(1)).await;
    let listed = cache.current().await.unwrap();
    assert_eq!(listed.directory.generated_at_ms, 7);
    assert_eq!(listed.age, FAILING_MAX - Duration::from_secs(1));
    assert_eq!(listed.usable_for, Duration::from_secs(1));
    clock::sleep(Duration::from_secs(1)).await;
    assert!(cache.current().await.is_none());
    now_says(&source, Say::List(8));
    clock::sleep(FRESH).await;
    assert_eq!(cache.current().await.unwrap().age, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_missing_list_is_bridged_for_a_short_time() {
    let (source, cache) = cache(Say::List(7));
    assert!(cache.current().await.is_some());
    now_says(&source, Say::Nothing);
    clock::sleep(MISSING_MAX - Duration::from_secs(1)).await;
    assert!(cache.current().await.is_some());
    clock::sleep(Duration::from_secs(1)).await;
    assert!(cache.current().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn the_age_counts_from_the_first_sight_of_a_list() {
    let (source, cache) = cache(Say::List(7));
    cache.current().await.unwrap();
    clock::sleep(Duration::from_secs(4)).await;
    let listed = cache.current().await.unwrap();
    assert_eq!(
        (listed.age, listed.usable_for),
        (Duration::from_secs(4), FAILING_MAX)
    );
    now_says(&source, Say::List(8));
    clock::sleep(Duration::from_secs(1)).await;
    assert_eq!(cache.current().await.unwrap().age, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_hanging_directory_keeps_only_one_request_waiting() {
    let (source, cache) = cache(Say::List(7));
    cache.current().await.unwrap();
    now_says(&source, Say::Hang);
    clock::sleep(Duration::from_secs(1)).await;
    let began = clock::now();
    let second = async {
        let listed = cache.current().await.unwrap();
        (listed, began.elapsed())
    };
    let (first, (_, second_took)) = tokio::join!(cache.current(), second);
    assert_eq!(began.elapsed(), LIST_DEADLINE);
    assert_eq!(second_took, Duration::ZERO);
    assert_eq!(first.unwrap().directory.generated_at_ms, 7);
}
