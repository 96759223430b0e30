use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use antiphon_core::clock;

use super::*;

/// Nothing here takes so long, unless it never comes.
const DEADLINE: Duration = Duration::from_secs(20);
/// What does not come by then was held back.
const SILENCE: Duration = Duration::from_millis(200);

/// A proxy, and both ends of one connection through it.
struct Line {
    proxy: Proxy,
    near: TcpStream,
    far: TcpStream,
    far_end: TcpListener,
}

async fn line() -> Line {
    let far_end = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = far_end.local_addr().unwrap().to_string();
    let proxy = Proxy::to(&target, 1).await.unwrap();
    let (near, far) = both_ends(&proxy, &far_end).await;
    Line {
        proxy,
        near,
        far,
        far_end,
    }
}

/// A connection that carries, which the far end's system alone can't tell.
async fn both_ends(proxy: &Proxy, far_end: &TcpListener) -> (TcpStream, TcpStream) {
    let mut near = TcpStream::connect(proxy.addr()).await.unwrap();
    let (mut far, _) = far_end.accept().await.unwrap();
    near.write_all(b"hello").await.unwrap();
    reads(&mut far, b"hello").await;
    (near, far)
}

async fn reads(stream: &mut TcpStream, words: &[u8]) {
    let mut read = vec![0; words.len()];
    let reading = clock::timeout(DEADLINE, stream.read_exact(&mut read));
    reading.await.expect("bytes").unwrap();
    assert_eq!(read, words);
}

async fn is_silent(stream: &mut TcpStream) {
    let read = clock::timeout(SILENCE, stream.read_u8()).await;
    assert!(read.is_err(), "{read:?}");
}

/// The connection was reset, or ended in the middle.
async fn breaks(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    let read = clock::timeout(DEADLINE, stream.read_to_end(&mut rest)).await;
    let error = read.expect("an end").expect_err("a reset, not an end");
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn bytes_and_ends_pass_both_ways() {
    let mut line = line().await;
    line.near.write_all(b"question").await.unwrap();
    reads(&mut line.far, b"question").await;
    line.near.shutdown().await.unwrap();
    assert_eq!(line.far.read(&mut [0]).await.unwrap(), 0, "half closed");
    let answer: Vec<u8> = (0..1_000_000_u32).map(|byte| byte as u8).collect();
    let (written, ()) = tokio::join!(line.far.write_all(&answer), reads(&mut line.near, &answer));
    written.unwrap();
    line.far.shutdown().await.unwrap();
    assert_eq!(line.near.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test]
async fn what_is_held_comes_late_and_one_way_only() {
    let mut line = line().await;
    let held = Lane {
        flow: Flow::Held,
        ..Lane::default()
    };
    line.proxy.set(Way {
        back: held,
        ..Way::default()
    });
    line.near.write_all(b"heard").await.unwrap();
    reads(&mut line.far, b"heard").await;
    line.far.write_all(b"late").await.unwrap();
    is_silent(&mut line.near).await;
    line.proxy.mend();
    reads(&mut line.near, b"late").await;

    line.proxy.set(Way::both(held));
    let mut newer = TcpStream::connect(line.proxy.addr()).await.unwrap();
    newer.write_all(b"new").await.unwrap();
    let accepted = clock::timeout(SILENCE, line.far_end.accept()).await;
    assert!(accepted.is_err(), "nobody gets through");
    line.proxy.mend();
    let (mut far, _) = line.far_end.accept().await.unwrap();
    reads(&mut far, b"new").await;
}

#[tokio::test]
async fn a_connection_that_lost_bytes_breaks_when_the_way_is_mended() {
    let mut line = line().await;
    let lost = Lane {
        flow: Flow::Lost,
        ..Lane::default()
    };
    line.proxy.set(Way {
        there: lost,
        ..Way::default()
    });
    line.near.write_all(b"nobody hears this").await.unwrap();
    is_silent(&mut line.far).await;
    line.far.write_all(b"but this").await.unwrap();
    reads(&mut line.near, b"but this").await;
    line.proxy.mend();
    breaks(&mut line.near).await;
    breaks(&mut line.far).await;
}

#[tokio::test]
async fn a_connection_that_lost_nothing_outlives_a_hole() {
    let mut line = line().await;
    let lost = Lane {
        flow: Flow::Lost,
        ..Lane::default()
    };
    line.proxy.set(Way::both(lost));
    line.proxy.mend();
    line.near.write_all(b"still here").await.unwrap();
    reads(&mut line.far, b"still here").await;
}

#[tokio::test]
async fn resets_reach_both_ends_and_a_cut_refuses_new_ones() {
    let mut line = line().await;
    line.proxy.reset();
    breaks(&mut line.near).await;
    breaks(&mut line.far).await;
    let (mut near, mut far) = both_ends(&line.proxy, &line.far_end).await;
    line.proxy.cut();
    breaks(&mut near).await;
    breaks(&mut far).await;
    let mut refused = TcpStream::connect(line.proxy.addr()).await.unwrap();
    breaks(&mut refused).await;
    line.proxy.mend();
    both_ends(&line.proxy, &line.far_end).await;
}

#[tokio::test]
async fn a_reply_is_cut_after_so_many_bytes() {
    let mut line = line().await;
    line.near.write_all(b"first").await.unwrap();
    reads(&mut line.far, b"first").await;
    line.far.write_all(b"first answer").await.unwrap();
    reads(&mut line.near, b"first answer").await;
    let cut_after = |bytes| Way {
        cut_after: Some(bytes),
        ..Way::default()
    };
    line.proxy.set(cut_after(4));
    line.near.write_all(b"second").await.unwrap();
    reads(&mut line.far, b"second").await;
    line.far.write_all(b"second answer").await.unwrap();
    let mut read = Vec::new();
    let ended = clock::timeout(DEADLINE, line.near.read_to_end(&mut read)).await;
    assert!(ended.expect("an end").is_err());
    assert!(b"seco".starts_with(&read), "{read:?}");

    // What was asked is done, and nobody hears of it.
    line.proxy.set(cut_after(0));
    let mut near = TcpStream::connect(line.proxy.addr()).await.unwrap();
    near.write_all(b"write").await.unwrap();
    let (mut far, _) = line.far_end.accept().await.unwrap();
    reads(&mut far, b"write").await;
    far.write_all(b"done").await.unwrap();
    breaks(&mut near).await;
}

#[tokio::test]
async fn delay_is_not_a_limit_and_bandwidth_is() {
    let mut line = line().await;
    let delay = Duration::from_millis(100);
    line.proxy.set(Way::both(Lane {
        delay,
        jitter: Duration::from_millis(20),
        ..Lane::default()
    }));
    let begun = clock::now();
    for number in 0..20_u8 {
        line.near.write_all(&[number]).await.unwrap();
    }
    let all: Vec<u8> = (0..20).collect();
    reads(&mut line.far, &all).await;
    assert!(begun.elapsed() >= delay, "{:?}", begun.elapsed());
    assert!(begun.elapsed() < delay * 20, "all at once, not in turn");

    line.proxy.set(Way::both(Lane {
        bytes_per_second: NonZeroU64::new(20_000),
        ..Lane::default()
    }));
    let begun = clock::now();
    let bytes = vec![7; 6_000];
    line.near.write_all(&bytes).await.unwrap();
    reads(&mut line.far, &bytes).await;
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(200), "{took:?}");
}

#[tokio::test]
async fn pieces_arrive_whole_and_a_close_may_be_slow() {
    let mut line = line().await;
    let slow_close = Duration::from_millis(300);
    line.proxy.set(Way::both(Lane {
        piece_bytes: NonZeroUsize::new(3),
        slow_close,
        ..Lane::default()
    }));
    line.near.write_all(b"in small pieces").await.unwrap();
    let mut first = [0; 15];
    let length = line.far.read(&mut first).await.unwrap();
    assert!(length < 15, "{length}");
    line.far.read_exact(&mut first[length..]).await.unwrap();
    assert_eq!(&first, b"in small pieces");
    let begun = clock::now();
    line.near.shutdown().await.unwrap();
    assert_eq!(line.far.read(&mut [0]).await.unwrap(), 0);
    assert!(begun.elapsed() >= slow_close);
}

#[tokio::test]
async fn every_connection_may_be_ended_slowly() {
    let mut line = line().await;
    let slow_close = Duration::from_millis(300);
    line.proxy.set(Way::both(Lane {
        slow_close,
        ..Lane::default()
    }));
    let begun = clock::now();
    line.proxy.end();
    // What is said meanwhile is not heard.
    line.near.write_all(b"anybody?").await.unwrap();
    assert_eq!(line.far.read(&mut [0]).await.unwrap(), 0);
    assert_eq!(line.near.read(&mut [0]).await.unwrap(), 0);
    assert!(begun.elapsed() >= slow_close);
    both_ends(&line.proxy, &line.far_end).await;
}

#[tokio::test]
async fn it_leads_elsewhere_and_nowhere() {
    let mut line = line().await;
    let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
    line.proxy.lead_to(&other.local_addr().unwrap().to_string());
    breaks(&mut line.near).await;
    let mut near = TcpStream::connect(line.proxy.addr()).await.unwrap();
    let (mut far, _) = other.accept().await.unwrap();
    far.write_all(b"other").await.unwrap();
    reads(&mut near, b"other").await;
    let nowhere = Proxy::bind("127.0.0.1:0", 1).await.unwrap();
    let mut near = TcpStream::connect(nowhere.addr()).await.unwrap();
    breaks(&mut near).await;
}
