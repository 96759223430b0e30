//! TCP sockets: those of tokio, or those of the simulator where one runs.

#[cfg(not(feature = "simulation"))]
pub use tokio::net::{TcpListener, TcpStream};

#[cfg(feature = "simulation")]
pub use either::{TcpListener, TcpStream};

/// Ends a connection so that the other side is told that it broke (RST), not that it ended.
/// What was not sent yet is gone. The simulator's connections just end.
pub fn reset(stream: TcpStream) {
    reset_on_drop(&stream);
}

/// From here on the end of this connection is a [`reset`]: the system keeps nothing to send.
pub fn reset_on_drop(stream: &TcpStream) {
    if let Some(stream) = of_the_system(stream) {
        // A connection that is broken already needs no breaking.
        let _ = stream.set_zero_linger();
    }
}

/// Bounds what the system holds for a peer that does not read. Linux doubles the number, for
/// its own bookkeeping. By default it holds megabytes.
pub fn bound_send_buffer(stream: &TcpStream, bytes: usize) {
    if let Some(stream) = of_the_system(stream) {
        // A connection that is broken already holds nothing.
        let _ = rustix::net::sockopt::set_socket_send_buffer_size(stream, bytes);
    }
}

#[cfg(not(feature = "simulation"))]
fn of_the_system(stream: &TcpStream) -> Option<&tokio::net::TcpStream> {
    Some(stream)
}

#[cfg(feature = "simulation")]
fn of_the_system(stream: &TcpStream) -> Option<&tokio::net::TcpStream> {
    match stream {
        TcpStream::Real(stream) => Some(stream),
        TcpStream::Simulated(_) => None,
    }
}

/// With the feature, where a socket is made decides what it is.
#[cfg(feature = "simulation")]
mod either {
    use std::io::{self, IoSlice};
    use std::net::SocketAddr;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

    /// A listening socket.
    pub enum TcpListener {
        /// Of the system.
        Real(tokio::net::TcpListener),
        /// Of the simulator.
        Simulated(turmoil::net::TcpListener),
    }

    impl std::fmt::Debug for TcpListener {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.debug_tuple("TcpListener")
                .field(&self.local_addr())
                .finish()
        }
    }

    impl TcpListener {
        /// Listens on an address.
        pub async fn bind<A>(addr: A) -> io::Result<Self>
        where
            A: tokio::net::ToSocketAddrs + turmoil::ToSocketAddrs,
        {
            if turmoil::in_simulation() {
                turmoil::net::TcpListener::bind(addr)
                    .await
                    .map(Self::Simulated)
            } else {
                tokio::net::TcpListener::bind(addr).await.map(Self::Real)
            }
        }

        /// The next connection and where it comes from.
        pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
            match self {
                Self::Real(listener) => {
                    let (stream, from) = listener.accept().await?;
                    Ok((TcpStream::Real(stream), from))
                }
                Self::Simulated(listener) => {
                    let (stream, from) = listener.accept().await?;
                    Ok((TcpStream::Simulated(stream), from))
                }
            }
        }

        /// Where it listens.
        pub fn local_addr(&self) -> io::Result<SocketAddr> {
            match self {
                Self::Real(listener) => listener.local_addr(),
                Self::Simulated(listener) => listener.local_addr(),
            }
        }
    }

    /// A connection.
    #[derive(Debug)]
    pub enum TcpStream {
        /// Of the system.
        Real(tokio::net::TcpStream),
        /// Of the simulator.
        Simulated(turmoil::net::TcpStream),
    }

    impl TcpStream {
        /// Connects to an address.
        pub async fn connect<A>(addr: A) -> io::Result<Self>
        where
            A: tokio::net::ToSocketAddrs + turmoil::ToSocketAddrs,
        {
            if turmoil::in_simulation() {
                turmoil::net::TcpStream::connect(addr)
                    .await
                    .map(Self::Simulated)
            } else {
                tokio::net::TcpStream::connect(addr).await.map(Self::Real)
            }
        }

        /// Whether small writes leave at once.
        pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
            match self {
                Self::Real(stream) => stream.set_nodelay(nodelay),
                Self::Simulated(stream) => stream.set_nodelay(nodelay),
            }
        }

        /// This side's address.
        pub fn local_addr(&self) -> io::Result<SocketAddr> {
            match self {
                Self::Real(stream) => stream.local_addr(),
                Self::Simulated(stream) => stream.local_addr(),
            }
        }

        /// The other side's address.
        pub fn peer_addr(&self) -> io::Result<SocketAddr> {
            match self {
                Self::Real(stream) => stream.peer_addr(),
                Self::Simulated(stream) => stream.peer_addr(),
            }
        }
    }

    impl AsyncRead for TcpStream {
        fn poll_read(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            match self.get_mut() {
                Self::Real(stream) => Pin::new(stream).poll_read(cx, buffer),
                Self::Simulated(stream) => Pin::new(stream).poll_read(cx, buffer),
            }
        }
    }

    impl AsyncWrite for TcpStream {
        fn poll_write(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            match self.get_mut() {
                Self::Real(stream) => Pin::new(stream).poll_write(cx, bytes),
                Self::Simulated(stream) => Pin::new(stream).poll_write(cx, bytes),
            }
        }

        fn poll_write_vectored(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            slices: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            match self.get_mut() {
                Self::Real(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
                Self::Simulated(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            }
        }

        fn is_write_vectored(&self) -> bool {
            match self {
                Self::Real(stream) => stream.is_write_vectored(),
                Self::Simulated(stream) => stream.is_write_vectored(),
            }
        }

        fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            match self.get_mut() {
                Self::Real(stream) => Pin::new(stream).poll_flush(cx),
                Self::Simulated(stream) => Pin::new(stream).poll_flush(cx),
            }
        }

        fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            match self.get_mut() {
                Self::Real(stream) => Pin::new(stream).poll_shutdown(cx),
                Self::Simulated(stream) => Pin::new(stream).poll_shutdown(cx),
            }
        }
    }
}
