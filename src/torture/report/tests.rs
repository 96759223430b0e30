use super::*;

#[test]
fn the_same_again_is_on_the_same_cluster() {
    let told = |run: &Run| {
        let mut text = String::new();
        again(&mut text, run);
        text
    };
    let others = Run::of_this_build();
    let own = Run {
        own_cluster: true,
        servers: 3,
        ..others.clone()
    };
    let on_services = Run {
        on_services: true,
        ..own.clone()
    };
    assert!(told(&others).contains("--rate 0 --gateway URL\n"));
    assert!(told(&own).contains("--rate 0 --servers 3\n"));
    let urls = "--rate 0 --coordinator-url URL --cache-url URL --store-url URL --servers 3\n";
    assert!(told(&on_services).contains(urls));
}
