//! A stream that knows since when an unfinished message has been arriving, so that one that
//! comes a byte at a time can be ended, and how it is given up.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use antiphon_core::clock::{self, Instant};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A socket with the time of the first byte that no whole message has followed.
#[derive(Debug)]
pub(crate) struct Paced<S> {
    stream: S,
    unfinished_since: Option<Instant>,
    abandon: fn(&S),
}

impl<S> Paced<S> {
    /// Wraps a socket.
    pub(crate) fn new(stream: S) -> Self {
        Self {
            stream,
            unfinished_since: None,
            abandon: |_| {},
        }
    }

    /// With what is done to the socket when it is given up.
    pub(crate) fn abandoned_by(self, abandon: fn(&S)) -> Self {
        Self { abandon, ..self }
    }

    /// Gives the socket up: nobody will read what is still to be sent.
    pub(crate) fn abandon(&self) {
        (self.abandon)(&self.stream);
    }

    /// A whole message was read.
    pub(crate) fn message_done(&mut self) {
        self.unfinished_since = None;
    }

    /// Since when bytes have come without a whole message.
    pub(crate) fn unfinished_since(&self) -> Option<Instant> {
        self.unfinished_since
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.unfinished_since.get_or_insert_with(clock::now);
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
