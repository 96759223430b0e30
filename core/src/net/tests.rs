use tokio::io::{DuplexStream, duplex};

use super::*;

const MAX: usize = 1024;

type Ends = (
    FrameReader<ReadHalf<DuplexStream>>,
    FrameWriter<WriteHalf<DuplexStream>>,
    FrameReader<ReadHalf<DuplexStream>>,
    FrameWriter<WriteHalf<DuplexStream>>,
);

async fn connected() -> Ends {
    let key = ClusterKey::random();
    let (a, b) = duplex(64);
    let (dialer, acceptor) = tokio::join!(
        handshake(a, Side::Dialer, &key, MAX),
        handshake(b, Side::Acceptor, &key, MAX)
    );
    let (dr, dw) = dialer.expect("dialer");
    let (ar, aw) = acceptor.expect("acceptor");
    (dr, dw, ar, aw)
}

#[tokio::test]
async fn frames_cross_in_order_whole_and_both_ways() {
    let (mut dr, mut dw, mut ar, mut aw) = connected().await;
    let write = async {
        for n in 0..50_usize {
            dw.feed(&vec![n as u8; n * 7]).await.expect("feed");
        }
        dw.close().await.expect("close");
    };
    let read = async {
        for n in 0..50_usize {
            assert_eq!(ar.read().await.expect("read"), Some(vec![n as u8; n * 7]));
        }
        assert_eq!(ar.read().await.expect("end"), None);
    };
    tokio::join!(write, read);
    aw.feed(b"back").await.expect("feed");
    aw.flush().await.expect("flush");
    assert_eq!(dr.read().await.expect("read"), Some(b"back".to_vec()));
}

#[tokio::test]
async fn another_key_and_another_protocol_are_refused() {
    let (a, b) = duplex(4096);
    let (left, right) = (ClusterKey::random(), ClusterKey::random());
    let (dialer, acceptor) = tokio::join!(
        handshake(a, Side::Dialer, &left, MAX),
        handshake(b, Side::Acceptor, &right, MAX)
    );
    assert!(matches!(dialer, Err(NetError::WrongKey)));
    assert!(acceptor.is_err());

    let (mut a, b) = duplex(4096);
    a.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .expect("write");
    let refused = handshake(b, Side::Acceptor, &left, MAX).await;
    assert!(matches!(refused, Err(NetError::NotAPeer)));
}

/// A peer that sends our own proof back does not get in: the proofs name the roles.
#[tokio::test]
async fn a_reflected_proof_is_refused() {
    let (a, mut b) = duplex(4096);
    let key = ClusterKey::random();
    let reflect = async {
        let mut hello = [0; MAGIC.len() + NONCE_BYTES];
        b.read_exact(&mut hello).await.expect("hello");
        b.write_all(&hello[MAGIC.len()..])
            .await
            .expect("same nonce");
        b.write_all(&[0; PROOF_BYTES]).await.expect("no proof");
    };
    let (dialer, ()) = tokio::join!(handshake(a, Side::Dialer, &key, MAX), reflect);
    assert!(matches!(dialer, Err(NetError::WrongKey)));
}

#[tokio::test]
async fn a_changed_repeated_or_oversized_frame_ends_the_connection() {
    let (mut dr, mut dw, mut ar, mut aw) = connected().await;
    dw.feed(b"hello").await.expect("feed");
    dw.buffer[LENGTH_BYTES] ^= 1;
    dw.flush().await.expect("flush");
    assert!(matches!(ar.read().await, Err(NetError::BadMac)));

    aw.feed(b"once").await.expect("feed");
    let once = aw.buffer.clone();
    aw.buffer.extend_from_slice(&once);
    aw.flush().await.expect("flush");
    assert_eq!(dr.read().await.expect("first"), Some(b"once".to_vec()));
    assert!(matches!(dr.read().await, Err(NetError::BadMac)));

    let (mut dr, _dw, _ar, mut aw) = connected().await;
    assert!(matches!(
        aw.feed(&vec![0; MAX + 1]).await,
        Err(NetError::TooLarge { .. })
    ));
    aw.writer
        .write_all(&u32::MAX.to_be_bytes())
        .await
        .expect("write");
    assert!(matches!(dr.read().await, Err(NetError::TooLarge { .. })));
}

#[tokio::test]
async fn a_connection_cut_inside_a_frame_is_an_error() {
    let (_dr, mut dw, mut ar, _aw) = connected().await;
    dw.feed(b"half").await.expect("feed");
    dw.buffer.truncate(6);
    dw.close().await.expect("close");
    assert!(matches!(ar.read().await, Err(NetError::Io(_))));
}
