//! What is behind an upgrade: a socket of the system, taken back from hyper, or any stream.

use bytes::Bytes;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto::upgrade::downcast;
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

/// The stream of an upgraded connection, and what hyper has read of it already.
pub(super) enum Socket {
    Tcp(TcpStream, Bytes),
    #[cfg(unix)]
    Unix(UnixStream, Bytes),
    /// TLS, HTTP/2, or a listener of somebody's own.
    Other(TokioIo<Upgraded>),
}

impl Socket {
    /// Both kinds of servers are known: hyper's own, and hyper-util's, which `axum::serve` is.
    pub(super) fn of(upgraded: Upgraded) -> Self {
        let upgraded = match taken::<TcpStream>(upgraded) {
            Ok((socket, read)) => {
                // What is written is written whole: waiting for more would only delay it.
                let _ = socket.set_nodelay(true);
                return Self::Tcp(socket, read);
            }
            Err(upgraded) => upgraded,
        };
        #[cfg(unix)]
        let upgraded = match taken::<UnixStream>(upgraded) {
            Ok((socket, read)) => return Self::Unix(socket, read),
            Err(upgraded) => upgraded,
        };
        Self::Other(TokioIo::new(upgraded))
    }
}

fn taken<S>(upgraded: Upgraded) -> Result<(S, Bytes), Upgraded>
where
    TokioIo<S>: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let upgraded = match downcast::<TokioIo<S>>(upgraded) {
        Ok(parts) => return Ok((parts.io.into_inner(), parts.read_buf)),
        Err(upgraded) => upgraded,
    };
    upgraded.downcast::<TokioIo<S>>().map(|parts| (parts.io.into_inner(), parts.read_buf))
}
