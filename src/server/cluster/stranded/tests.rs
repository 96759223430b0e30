use super::*;

#[tokio::test(start_paused = true)]
async fn a_list_that_is_made_anew_has_a_leader_behind_it() {
    let mut published = Published::default();
    published.look(Some((3, 1_000)));
    assert!(!published.goes_on(), "it may be what a dead leader left");
    published.look(None);
    published.look(Some((3, 1_500)));
    assert!(!published.goes_on(), "nobody knows what was between");
    published.look(Some((3, 2_000)));
    assert!(published.goes_on());
    clock::sleep(PUBLISHED_WITHIN).await;
    published.look(Some((3, 2_000)));
    assert!(!published.goes_on());
    published.look(Some((4, 1_000)));
    assert!(published.goes_on(), "another leader, another clock");
}
