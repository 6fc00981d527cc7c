//! With sockets on both sides that only send and receive bytes.

use std::io::ErrorKind;
use std::time::Duration;

use channels_tests::redis::{End, FaultProxy, RedisServer, Way, eventually};
use channels_tests::socket::soon;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};

/// How long nothing has to come before it is taken for held back.
const SILENCE: Duration = Duration::from_millis(100);

struct House {
    listener: TcpListener,
    proxy: FaultProxy,
}

impl House {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = FaultProxy::start(listener.local_addr().unwrap()).await;
        Self { listener, proxy }
    }

    async fn client(&self) -> TcpStream {
        TcpStream::connect(self.proxy.address()).await.unwrap()
    }

    async fn accept(&self) -> TcpStream {
        soon("the server is dialled", self.listener.accept()).await.unwrap().0
    }

    async fn pair(&self) -> (TcpStream, TcpStream) {
        let client = self.client().await;
        (client, self.accept().await)
    }
}

async fn send(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).await.unwrap();
}

async fn hears(stream: &mut TcpStream, text: &str) {
    let mut heard = vec![0; text.len()];
    soon(text, stream.read_exact(&mut heard)).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&heard), text);
}

async fn is_silent(stream: &TcpStream) {
    assert!(timeout(SILENCE, stream.peek(&mut [0])).await.is_err(), "something came");
}

async fn ends(stream: &mut TcpStream) {
    assert_eq!(soon("the end", stream.read(&mut [0])).await.unwrap(), 0);
}

async fn is_reset(stream: &mut TcpStream) {
    let error = soon("the reset", stream.read(&mut [0])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn everything_passes_and_is_counted() {
    let house = House::new().await;
    let (mut client, mut server) = house.pair().await;
    send(&mut client, "hello").await;
    hears(&mut server, "hello").await;
    send(&mut server, "hi").await;
    hears(&mut client, "hi").await;
    eventually("the bytes are counted", || (house.proxy.bytes(Way::Both) == 7).then_some(())).await;
    assert_eq!((house.proxy.bytes(Way::ToServer), house.proxy.bytes(Way::ToClient)), (5, 2));
    assert_eq!((house.proxy.accepted(), house.proxy.open()), (1, 1));
    client.shutdown().await.unwrap();
    ends(&mut server).await;
    send(&mut server, "bye").await;
    hears(&mut client, "bye").await;
    drop(server);
    ends(&mut client).await;
    eventually("it is no longer open", || (house.proxy.open() == 0).then_some(())).await;
    let (client, mut server) = house.pair().await;
    client.set_zero_linger().unwrap();
    drop(client);
    is_reset(&mut server).await;
}

#[tokio::test]
async fn a_blackhole_holds_back_and_lets_out_in_order() {
    let house = House::new().await;
    let (mut client, mut server) = house.pair().await;
    house.proxy.blackhole(Way::ToServer);
    send(&mut client, "late").await;
    send(&mut server, "hi").await;
    hears(&mut client, "hi").await;
    is_silent(&server).await;
    house.proxy.blackhole(Way::Both);
    send(&mut server, "late too").await;
    drop(server);
    is_silent(&client).await;
    let mut second = house.client().await;
    send(&mut second, "second").await;
    assert!(timeout(SILENCE, house.listener.accept()).await.is_err(), "a partition lets a connection through");
    house.proxy.pass();
    hears(&mut client, "late too").await;
    let mut server = house.accept().await;
    hears(&mut server, "second").await;
}

#[tokio::test]
async fn a_blackhole_takes_what_is_sent() {
    let house = House::new().await;
    let (mut client, mut server) = house.pair().await;
    house.proxy.blackhole(Way::Both);
    let much = "m".repeat(1 << 20);
    soon("a megabyte is taken", send(&mut client, &much)).await;
    is_silent(&server).await;
    house.proxy.pass();
    hears(&mut server, &much).await;
}

#[tokio::test]
async fn a_reset_reaches_both_sides_and_only_who_was_there() {
    let house = House::new().await;
    let (mut client, mut server) = house.pair().await;
    house.proxy.blackhole(Way::Both);
    house.proxy.reset();
    is_reset(&mut client).await;
    is_reset(&mut server).await;
    house.proxy.pass();
    let (mut client, mut server) = house.pair().await;
    send(&mut client, "hello").await;
    hears(&mut server, "hello").await;
}

#[tokio::test]
async fn a_refusal_meets_new_connections_only() {
    let house = House::new().await;
    let (mut client, mut server) = house.pair().await;
    house.proxy.refuse();
    is_reset(&mut house.client().await).await;
    send(&mut client, "hello").await;
    hears(&mut server, "hello").await;
    assert_eq!((house.proxy.accepted(), house.proxy.open()), (2, 1));
    house.proxy.pass();
    house.pair().await;
}

#[tokio::test]
async fn a_delay_adds_time_and_takes_no_throughput() {
    let house = House::new().await;
    let (mut client, mut server) = house.pair().await;
    let delay = Duration::from_millis(200);
    house.proxy.delay(Way::ToServer, delay);
    let began = Instant::now();
    let much = "m".repeat(1 << 20);
    tokio::join!(send(&mut client, &much), hears(&mut server, &much));
    let took = began.elapsed();
    // Sixty-four chunks, one after the other, would take 13 seconds.
    assert!(took >= delay && took < 10 * delay, "{took:?}");
    let began = Instant::now();
    send(&mut server, "at once").await;
    hears(&mut client, "at once").await;
    assert!(began.elapsed() < delay);
}

#[tokio::test]
async fn a_half_close_leaves_the_other_way() {
    let house = House::new().await;
    let (mut client, mut server) = house.pair().await;
    house.proxy.half_close(Way::ToClient);
    ends(&mut client).await;
    send(&mut client, "still").await;
    hears(&mut server, "still").await;
    send(&mut server, "into nowhere").await;
    is_silent(&server).await;
    house.pair().await;
}

#[tokio::test]
async fn a_cut_comes_behind_so_many_bytes() {
    let house = House::new().await;
    let (mut client, mut server) = house.pair().await;
    house.proxy.cut_after(Way::ToServer, 7, End::Closed);
    send(&mut client, "hello").await;
    hears(&mut server, "hello").await;
    send(&mut client, " world").await;
    hears(&mut server, " w").await;
    ends(&mut server).await;
    let (mut client, mut server) = house.pair().await;
    house.proxy.cut_after(Way::ToClient, 4, End::Reset);
    send(&mut server, "hello").await;
    hears(&mut client, "hell").await;
    is_reset(&mut client).await;
    is_reset(&mut server).await;
    let (mut client, mut server) = house.pair().await;
    send(&mut server, "hello").await;
    hears(&mut client, "hello").await;
}

#[tokio::test]
async fn a_silent_cut_swallows_the_rest_and_the_end() {
    let house = House::new().await;
    let (mut client, mut server) = house.pair().await;
    house.proxy.cut_after(Way::ToServer, 4, End::Silent);
    send(&mut client, "hello").await;
    hears(&mut server, "hell").await;
    send(&mut server, "hi").await;
    hears(&mut client, "hi").await;
    send(&mut client, "more").await;
    drop(client);
    is_silent(&server).await;
    let (mut client, mut server) = house.pair().await;
    send(&mut client, "hello").await;
    hears(&mut server, "hello").await;
}

#[tokio::test]
async fn a_server_that_is_away_is_a_reset() {
    let House { listener, proxy } = House::new().await;
    drop(listener);
    is_reset(&mut TcpStream::connect(proxy.address()).await.unwrap()).await;
    eventually("it is no longer open", || (proxy.open() == 0).then_some(())).await;
}

#[tokio::test]
async fn a_proxy_that_is_dropped_ends_its_connections() {
    let House { listener, proxy } = House::new().await;
    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    let (mut server, _) = soon("the server is dialled", listener.accept()).await.unwrap();
    drop(proxy);
    ends(&mut client).await;
    ends(&mut server).await;
}

#[tokio::test]
async fn a_redis_behind_a_proxy_answers() {
    let server = RedisServer::start();
    let proxy = FaultProxy::start(server.address()).await;
    assert_eq!(server.url_at(proxy.address()), format!("redis://{}", proxy.address()));
    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    send(&mut client, "PING\r\n").await;
    hears(&mut client, "+PONG\r\n").await;
    server.kill_9();
    ends(&mut client).await;
}
