//! Clients whose handshake is slow, wrong or missing: nobody else notices.

use std::time::Duration;

use axum::serve::Listener;
use channels::tls::{DEFAULT_HANDSHAKE_TIMEOUT, DEFAULT_MAX_HANDSHAKES, TlsListener, TlsStats};
use channels_tests::certificate::Certificate;
use channels_tests::logs::Logs;
use channels_tests::pipe::{self, Dialer, Pipes};
use channels_tests::probe::{Stage, World};
use channels_tests::socket::{Running, Socket, soon};
use channels_tests::transports::app;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::client::TlsStream;

/// A server whose connections are pipes, so that its timeouts cost no time.
struct House {
    stage: Stage,
    certificate: Certificate,
    dialer: Dialer,
    stats: TlsStats,
    running: Running,
}

impl House {
    fn new(configure: impl FnOnce(TlsListener<Pipes>) -> TlsListener<Pipes>) -> Self {
        let stage = Stage::new(World::default());
        let certificate = Certificate::new(&[]);
        let (pipes, dialer) = pipe::listen();
        let listener = configure(TlsListener::new(pipes, certificate.server.clone()));
        let stats = listener.stats();
        let running = Running::start(&stage, listener, app(&stage));
        Self { stage, certificate, dialer, stats, running }
    }

    /// A whole visit, as any client makes it.
    async fn visit(&self) -> Socket<TlsStream<DuplexStream>> {
        let tls = self.certificate.connect(self.dialer.dial()).await.unwrap();
        let mut socket = Socket::over(tls, "wss://localhost/ws/ada").await.unwrap();
        assert_eq!(socket.request("quiet", json!({})).await["type"], "$ok");
        socket
    }

    /// Handshakes that succeeded, failed, took too long, and run.
    fn counts(&self) -> (u64, u64, u64, usize) {
        (self.stats.done(), self.stats.failed(), self.stats.timed_out(), self.stats.running())
    }
}

#[tokio::test(start_paused = true)]
async fn silent_clients_delay_nobody_and_are_closed_in_time() {
    let house = House::new(|listener| listener);
    let mut silent: Vec<_> = (0..100).map(|_| house.dialer.dial()).collect();
    house.stage.until(|_| house.stats.running() == 100).await;
    let began = Instant::now();
    let _ada = house.visit().await;
    assert!(began.elapsed() < Duration::from_millis(100), "{:?}", began.elapsed());
    assert_eq!(house.counts(), (1, 0, 0, 100));
    for client in &mut silent {
        assert_eq!(client.read(&mut [0; 16]).await.unwrap(), 0, "its connection ends");
    }
    let took = began.elapsed();
    assert!(took <= DEFAULT_HANDSHAKE_TIMEOUT && took > DEFAULT_HANDSHAKE_TIMEOUT / 2, "{took:?}");
    assert_eq!(house.counts(), (1, 0, 100, 0));
    let _bob = house.visit().await;
}

#[tokio::test]
async fn silent_sockets_delay_nobody_and_are_closed_in_time() {
    let stage = Stage::new(World::default());
    let certificate = Certificate::new(&[]);
    let listener = TlsListener::bind("127.0.0.1:0", certificate.server.clone()).await.unwrap();
    let listener = listener.handshake_timeout(Duration::from_secs(1));
    let (address, stats) = (listener.local_addr().unwrap(), listener.stats());
    let _running = Running::start(&stage, listener, app(&stage));
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(soon("connecting", TcpStream::connect(address)).await.unwrap());
    }
    let mut ada = super::connect(&certificate, address, "/ws/ada").await;
    assert_eq!(ada.request("quiet", json!({})).await["type"], "$ok");
    for client in &mut silent {
        let ended = soon("its connection ends", client.read(&mut [0; 16])).await;
        assert!(ended.map_or(true, |read| read == 0));
    }
    assert_eq!((stats.done(), stats.failed(), stats.timed_out(), stats.running()), (1, 0, 100, 0));
}

#[tokio::test(start_paused = true)]
async fn the_time_is_that_of_the_whole_handshake() {
    let house = House::new(|listener| listener.handshake_timeout(Duration::from_secs(3)));
    let mut slow = house.dialer.dial();
    let began = Instant::now();
    // The head of a record that announces more than ever comes.
    let mut hello = [22, 3, 1, 1, 0].into_iter().chain(std::iter::repeat(1));
    while slow.write_all(&[hello.next().unwrap()]).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    assert_eq!(house.counts(), (0, 0, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn who_speaks_no_tls_is_told_counted_and_logged() {
    let logs = Logs::listen();
    let house = House::new(|listener| listener);
    let mut wrong = house.dialer.dial();
    wrong.write_all(b"GET /ws/ada HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    wrong.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer.first(), Some(&21), "an alert: {answer:?}");
    let gone = house.dialer.dial();
    drop(gone);
    house.stage.until(|_| house.stats.failed() == 2).await;
    // A certificate that the client does not trust.
    let stranger = Certificate::new(&[]);
    assert!(stranger.connect(house.dialer.dial()).await.is_err());
    house.stage.until(|_| house.stats.failed() == 3).await;
    let lines = logs.with("message", "TLS handshake failed");
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines.iter().all(|line| line.level == tracing::Level::DEBUG && line.get("client").contains("Caller(")));
    let _ada = house.visit().await;
    assert_eq!(house.counts(), (1, 3, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn no_more_than_the_bound_run_and_the_others_wait() {
    let house = House::new(|listener| listener.max_handshakes(3));
    let silent: Vec<_> = (0..7).map(|_| house.dialer.dial()).collect();
    let began = Instant::now();
    let visit = house.visit();
    tokio::pin!(visit);
    for batch in 1..=2 {
        let waited = timeout(DEFAULT_HANDSHAKE_TIMEOUT - Duration::from_millis(10), &mut visit).await;
        assert!(waited.is_err(), "it waits in the backlog");
        assert_eq!((house.stats.running(), house.dialer.accepted()), (3, 3 * batch));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // The seventh and the visitor are next.
    let _ada = visit.await;
    assert!(began.elapsed() < DEFAULT_HANDSHAKE_TIMEOUT * 2 + Duration::from_millis(100), "{:?}", began.elapsed());
    assert_eq!(house.counts(), (1, 0, 6, 1));
    drop(silent);
}

#[tokio::test(start_paused = true)]
async fn the_default_bound_is_what_it_says_and_none_is_one() {
    assert_eq!((DEFAULT_MAX_HANDSHAKES, DEFAULT_HANDSHAKE_TIMEOUT), (256, Duration::from_secs(10)));
    for (bound, house) in [
        (DEFAULT_MAX_HANDSHAKES, House::new(|listener| listener)),
        (1, House::new(|listener| listener.max_handshakes(0))),
    ] {
        let _silent: Vec<_> = (0..bound + 5).map(|_| house.dialer.dial()).collect();
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!((house.stats.running(), house.dialer.accepted()), (bound, bound));
    }
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_waits_for_no_handshake() {
    let house = House::new(|listener| listener.max_handshakes(2));
    let mut ada = house.visit().await;
    let mut silent: Vec<_> = (0..5).map(|_| house.dialer.dial()).collect();
    house.stage.until(|_| house.stats.running() == 2).await;
    let began = Instant::now();
    let reading = tokio::spawn(async move {
        assert_eq!(ada.closed().await.0, 1012);
        while ada.next().await.is_some_and(|next| next.is_ok()) {}
    });
    house.running.stop().await;
    reading.await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    for client in &mut silent {
        assert_eq!(client.read(&mut [0; 16]).await.unwrap(), 0, "begun or not, its connection ends");
    }
    assert_eq!((house.stats.running(), house.stats.failed(), house.stats.timed_out()), (0, 0, 0));
    assert_eq!(house.dialer.open(), 0);
}

/// The same stream with a long way between: a handshake over it is seen half done.
fn far_away(stream: DuplexStream) -> DuplexStream {
    async fn carry(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) {
        let mut bytes = [0; 16 * 1024];
        while let Ok(count @ 1..) = from.read(&mut bytes).await {
            tokio::time::sleep(Duration::from_millis(50)).await;
            if to.write_all(&bytes[..count]).await.is_err() {
                return;
            }
        }
    }
    let (near, far) = tokio::io::duplex(pipe::PIPE_BYTES);
    let ((read_stream, write_stream), (read_far, write_far)) = (tokio::io::split(stream), tokio::io::split(far));
    tokio::spawn(carry(read_far, write_stream));
    tokio::spawn(carry(read_stream, write_far));
    near
}

#[tokio::test(start_paused = true)]
async fn an_accept_that_is_dropped_loses_nobody() {
    let certificate = Certificate::new(&[]);
    let (pipes, dialer) = pipe::listen();
    let mut listener = TlsListener::new(pipes, certificate.server.clone());
    let server = tokio::spawn(async move {
        let mut accepted = Vec::new();
        while accepted.len() < 20 {
            // Polled once, and given up if it is not ready.
            match timeout(Duration::ZERO, listener.accept()).await {
                Ok((_stream, caller)) => accepted.push(caller.0),
                Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
            }
        }
        accepted.sort_unstable();
        accepted
    });
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(certificate.connect(far_away(dialer.dial())).await.unwrap());
    }
    assert_eq!(server.await.unwrap(), (0..20).collect::<Vec<_>>());
}
