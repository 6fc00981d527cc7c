//! A client of HTTP/2 that opens WebSockets by extended CONNECT (RFC 8441), by hand.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::http::{HeaderMap, Method, Request, Response, StatusCode};
use bytes::{Buf, Bytes};
use h2::client::{self, SendRequest};
use h2::ext::Protocol;
use h2::{Reason, RecvStream, SendStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::socket::{Socket, soon};

/// What one stream may send before it is read; the connection has room for many of them.
const STREAM_WINDOW: u32 = 1 << 16;
const CONNECTION_WINDOW: u32 = 1 << 22;

/// One connection.
#[derive(Clone)]
pub struct Http2(SendRequest<Bytes>);

impl Http2 {
    pub async fn over(io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Self {
        let mut builder = client::Builder::new();
        builder.initial_window_size(STREAM_WINDOW).initial_connection_window_size(CONNECTION_WINDOW);
        let (sender, connection) = soon("the preface", builder.handshake(io)).await.unwrap();
        tokio::spawn(connection);
        // It may not be used before the server has said so, and its settings take a moment.
        soon("the server offers extended CONNECT", async {
            while !sender.is_extended_connect_protocol_enabled() {
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
        })
        .await;
        Self(sender)
    }

    pub async fn request(&self, request: Request<()>, ends: bool) -> (Response<RecvStream>, SendStream<Bytes>) {
        let mut sender = soon("the connection is ready", self.0.clone().ready()).await.unwrap();
        let (response, body) = sender.send_request(request, ends).unwrap();
        (soon("the response", response).await.unwrap(), body)
    }

    /// A request without a body; the status of what is answered.
    pub async fn status(&self, request: Request<()>) -> StatusCode {
        self.request(request, true).await.0.status()
    }

    /// Opens a stream that carries frames; also what else was answered.
    pub async fn stream(&self, path: &str, protocols: Option<&str>) -> (Http2Stream, HeaderMap) {
        let mut request = extended_connect(path, "websocket");
        if let Some(protocols) = protocols {
            request.headers_mut().insert("sec-websocket-protocol", protocols.parse().unwrap());
        }
        let (response, send) = self.request(request, false).await;
        let (head, receive) = response.into_parts();
        assert_eq!(head.status, 200, "{:?}", head.headers);
        (Http2Stream { send, receive, unread: Bytes::new() }, head.headers)
    }

    pub async fn connect(&self, path: &str) -> Socket<Http2Stream> {
        Socket::upgraded(self.stream(path, None).await.0).await
    }
}

/// The request that opens a stream for a protocol.
pub fn extended_connect(path: &str, protocol: &str) -> Request<()> {
    let request = Request::builder().method(Method::CONNECT).uri(format!("http://localhost{path}"));
    let request = request.header("sec-websocket-version", "13").extension(Protocol::from(protocol));
    request.body(()).unwrap()
}

/// One stream of a connection. Dropped before both sides have ended, it is reset.
pub struct Http2Stream {
    send: SendStream<Bytes>,
    receive: RecvStream,
    unread: Bytes,
}

impl Http2Stream {
    pub fn reset(&mut self, reason: Reason) {
        self.send.send_reset(reason);
    }
}

impl AsyncRead for Http2Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while self.unread.is_empty() {
            match ready!(self.receive.poll_data(cx)) {
                Some(data) => self.unread = data.map_err(io::Error::other)?,
                None => return Poll::Ready(Ok(())),
            }
        }
        let count = self.unread.len().min(buf.remaining());
        buf.put_slice(&self.unread[..count]);
        self.unread.advance(count);
        // Only what is read makes room for more.
        Poll::Ready(self.receive.flow_control().release_capacity(count).map_err(io::Error::other))
    }
}

impl AsyncWrite for Http2Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.send.reserve_capacity(buf.len());
        while self.send.capacity() == 0 {
            match ready!(self.send.poll_capacity(cx)) {
                Some(capacity) => drop(capacity.map_err(io::Error::other)?),
                None => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            }
        }
        let count = buf.len().min(self.send.capacity());
        self.send.send_data(Bytes::copy_from_slice(&buf[..count]), false).map_err(io::Error::other)?;
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.send.send_data(Bytes::new(), true).map_err(io::Error::other))
    }
}
