//! Opening a port, and saying what is wrong with it.

use std::io;
use std::net::SocketAddr;

use antiphon_core::net::TcpListener;

/// A port can't be opened.
#[derive(Debug, thiserror::Error)]
#[error("can't listen on {addr}; is something else using it?")]
pub struct ListenError {
    /// Where.
    pub addr: String,
    /// Why.
    #[source]
    pub source: io::Error,
}

/// Listens on `HOST:PORT`; port 0 takes a free one.
pub(crate) async fn listen(addr: &str) -> Result<TcpListener, ListenError> {
    TcpListener::bind(addr).await.map_err(failed(addr))
}

/// Listens as [`listen`] does, and tells where.
pub(crate) async fn listen_where(addr: &str) -> Result<(TcpListener, SocketAddr), ListenError> {
    let listener = listen(addr).await?;
    let bound = listener.local_addr().map_err(failed(addr))?;
    Ok((listener, bound))
}

fn failed(addr: &str) -> impl Fn(io::Error) -> ListenError {
    move |source| ListenError {
        addr: addr.to_owned(),
        source,
    }
}
