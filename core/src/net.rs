//! Sockets, and framed connections between servers, generic over the stream.
//!
//! Both sides hold the same cluster key (at least 32 bytes). The handshake is a mutual
//! HMAC-SHA-256 challenge and response over both sides' nonces, with the role in each proof,
//! so that a proof can't be replayed or reflected. Each direction then has a key of its own,
//! and every frame carries a MAC over its number in the stream: a frame that was changed,
//! dropped, repeated or moved ends the connection. There is no encryption; that is TLS's job.

mod socket;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};

use crate::random;

pub use socket::{TcpListener, TcpStream, bound_send_buffer, reset, reset_on_drop};

/// Shortest cluster key, in bytes.
pub const KEY_BYTES_MIN: usize = 32;
const MAGIC: &[u8; 12] = b"antiphon/p1\n";
const NONCE_BYTES: usize = 32;
const PROOF_BYTES: usize = 32;
/// A MAC of half the hash's length, as RFC 2104 section 5 allows.
const MAC_BYTES: usize = 16;
const LENGTH_BYTES: usize = 4;
/// What is queued before the writer must flush.
const WRITE_BUFFER_BYTES: usize = 256 * 1024;

/// The shared key of a cluster. Never printed.
#[derive(Clone)]
pub struct ClusterKey(Vec<u8>);

impl std::fmt::Debug for ClusterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[cluster key]")
    }
}

impl ClusterKey {
    /// A key from a file or the configuration; `None` if it is too short.
    pub fn new(bytes: Vec<u8>) -> Option<Self> {
        (bytes.len() >= KEY_BYTES_MIN).then_some(Self(bytes))
    }

    /// A new random key.
    pub fn random() -> Self {
        Self(random::bytes::<KEY_BYTES_MIN>().to_vec())
    }

    fn derive(&self, label: &str, dialer: &[u8], acceptor: &[u8]) -> [u8; 32] {
        let mut mac = keyed(&self.0);
        for part in [label.as_bytes(), dialer, acceptor] {
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length")
}

/// Why a connection between servers ended.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// The stream broke or closed.
    #[error("the connection broke")]
    Io(#[from] std::io::Error),
    /// The other side doesn't speak this protocol.
    #[error("the other side is not an antiphon server")]
    NotAPeer,
    /// The other side doesn't hold the cluster key.
    #[error("the other side holds another cluster key")]
    WrongKey,
    /// A frame over the limit.
    #[error("a frame is over the limit of {max} bytes")]
    TooLarge {
        /// The limit.
        max: usize,
    },
    /// A frame was changed, dropped, repeated or moved.
    #[error("a frame failed its authentication")]
    BadMac,
}

/// Which side of a connection this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// It dialled.
    Dialer,
    /// It accepted.
    Acceptor,
}

/// Proves to each other that both hold the key, then gives the two directions. The caller
/// bounds the time.
pub async fn handshake<S: AsyncRead + AsyncWrite>(
    stream: S,
    side: Side,
    key: &ClusterKey,
    frame_bytes_max: usize,
) -> Result<(FrameReader<ReadHalf<S>>, FrameWriter<WriteHalf<S>>), NetError> {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let own: [u8; NONCE_BYTES] = random::bytes();
    let mut theirs = [0; NONCE_BYTES];
    let (dialer, acceptor) = match side {
        Side::Dialer => {
            writer.write_all(&[MAGIC.as_slice(), &own].concat()).await?;
            reader.read_exact(&mut theirs).await?;
            let proof = key.derive("acceptor", &own, &theirs);
            expect_proof(&mut reader, &proof).await?;
            writer
                .write_all(&key.derive("dialer", &own, &theirs))
                .await?;
            (own, theirs)
        }
        Side::Acceptor => {
            let mut magic = [0; MAGIC.len()];
            reader.read_exact(&mut magic).await?;
            if &magic != MAGIC {
                return Err(NetError::NotAPeer);
            }
            reader.read_exact(&mut theirs).await?;
            let proof = key.derive("acceptor", &theirs, &own);
            writer.write_all(&[own.as_slice(), &proof].concat()).await?;
            writer.flush().await?;
            expect_proof(&mut reader, &key.derive("dialer", &theirs, &own)).await?;
            (theirs, own)
        }
    };
    writer.flush().await?;
    let to_acceptor = key.derive("dialer to acceptor", &dialer, &acceptor);
    let to_dialer = key.derive("acceptor to dialer", &dialer, &acceptor);
    let (read_key, write_key) = match side {
        Side::Dialer => (to_dialer, to_acceptor),
        Side::Acceptor => (to_acceptor, to_dialer),
    };
    Ok((
        FrameReader {
            reader,
            key: read_key,
            count: 0,
            buffer: Vec::new(),
            start: 0,
            frame_bytes_max,
        },
        FrameWriter {
            writer,
            key: write_key,
            count: 0,
            buffer: Vec::new(),
            frame_bytes_max,
        },
    ))
}

async fn expect_proof<R: AsyncRead + Unpin>(
    reader: &mut R,
    expected: &[u8; PROOF_BYTES],
) -> Result<(), NetError> {
    let mut proof = [0; PROOF_BYTES];
    reader.read_exact(&mut proof).await?;
    if bool::from(proof.ct_eq(expected)) {
        Ok(())
    } else {
        Err(NetError::WrongKey)
    }
}

fn frame_mac(key: &[u8; 32], count: u64, payload: &[u8]) -> [u8; MAC_BYTES] {
    let mut mac = keyed(key);
    mac.update(&count.to_be_bytes());
    mac.update(payload);
    let full = mac.finalize().into_bytes();
    full[..MAC_BYTES].try_into().expect("a SHA-256 is longer")
}

/// The reading direction.
#[derive(Debug)]
pub struct FrameReader<R> {
    reader: R,
    key: [u8; 32],
    count: u64,
    buffer: Vec<u8>,
    start: usize,
    frame_bytes_max: usize,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    /// The next frame; `None` when the other side closed between frames. Cancel-safe.
    pub async fn read(&mut self) -> Result<Option<Vec<u8>>, NetError> {
        loop {
            if let Some(frame) = self.take_frame()? {
                return Ok(Some(frame));
            }
            if self.start > 0 {
                self.buffer.drain(..self.start);
                self.start = 0;
            }
            if self.reader.read_buf(&mut self.buffer).await? == 0 {
                let clean = self.buffer.is_empty();
                return if clean {
                    Ok(None)
                } else {
                    Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into())
                };
            }
        }
    }

    fn take_frame(&mut self) -> Result<Option<Vec<u8>>, NetError> {
        let pending = &self.buffer[self.start..];
        let Some((length, rest)) = pending.split_first_chunk::<LENGTH_BYTES>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(*length) as usize;
        if length > self.frame_bytes_max {
            return Err(NetError::TooLarge {
                max: self.frame_bytes_max,
            });
        }
        if rest.len() < length + MAC_BYTES {
            return Ok(None);
        }
        let (payload, rest) = rest.split_at(length);
        let expected = frame_mac(&self.key, self.count, payload);
        if !bool::from(rest[..MAC_BYTES].ct_eq(&expected)) {
            return Err(NetError::BadMac);
        }
        let frame = payload.to_vec();
        self.count += 1;
        self.start += LENGTH_BYTES + length + MAC_BYTES;
        Ok(Some(frame))
    }
}

/// The writing direction: frames are queued and leave together.
#[derive(Debug)]
pub struct FrameWriter<W> {
    writer: W,
    key: [u8; 32],
    count: u64,
    buffer: Vec<u8>,
    frame_bytes_max: usize,
}

impl<W: AsyncWrite + Unpin> FrameWriter<W> {
    /// Queues a frame; writes only if much is queued. Not cancel-safe.
    pub async fn feed(&mut self, payload: &[u8]) -> Result<(), NetError> {
        if payload.len() > self.frame_bytes_max {
            return Err(NetError::TooLarge {
                max: self.frame_bytes_max,
            });
        }
        let length = u32::try_from(payload.len()).expect("the limit is below 4 GiB");
        self.buffer.extend_from_slice(&length.to_be_bytes());
        self.buffer.extend_from_slice(payload);
        self.buffer
            .extend_from_slice(&frame_mac(&self.key, self.count, payload));
        self.count += 1;
        if self.buffer.len() >= WRITE_BUFFER_BYTES {
            self.flush().await
        } else {
            Ok(())
        }
    }

    /// Writes what is queued. Not cancel-safe.
    pub async fn flush(&mut self) -> Result<(), NetError> {
        self.writer.write_all(&self.buffer).await?;
        self.buffer.clear();
        self.writer.flush().await?;
        Ok(())
    }

    /// Says that no more comes.
    pub async fn close(&mut self) -> Result<(), NetError> {
        self.flush().await?;
        self.writer.shutdown().await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
