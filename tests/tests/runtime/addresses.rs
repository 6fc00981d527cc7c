//! Limits by address need the address: a server that does not know it says so before the upgrade.

use std::net::SocketAddr;

use axum::Router;
use channels::middleware::RateLimit;
use channels::prelude::*;
use channels::rate_limit::By;
use channels_tests::logs::Logs;
use channels_tests::probe::Text;
use channels_tests::socket::Socket;
use serde_json::json;
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::Error;

#[derive(Debug, Incoming)]
enum Ask {
    Once,
}

#[derive(Clone, Debug, Outgoing)]
enum Tell {
    Said(Text),
}

#[derive(Default)]
struct Strict;

#[consumer(incoming = Ask, outgoing = Tell)]
impl Strict {
    #[on("once")]
    #[rate_limit(1, per = "1h", by = ip)]
    fn once(&self, conn: Connection) -> Text {
        Text { text: conn.ip().map(|ip| ip.to_string()).unwrap_or_default() }
    }
}

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    (listener, url)
}

fn app() -> Router {
    Router::new().route("/", ChannelLayer::memory().serve::<Strict>().into_route_with_connect_info())
}

#[tokio::test]
async fn all_connections_of_an_address_share_its_limit() {
    let (listener, url) = listen().await;
    let service = app().into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    let mut first = Socket::open(&*url).await.unwrap();
    assert_eq!(first.request("once", json!({})).await["data"]["text"], "127.0.0.1");
    let mut second = Socket::open(&*url).await.unwrap();
    assert_eq!(second.request("once", json!({})).await["data"]["error_code"], "RATE_LIMIT_EXCEEDED");
}

#[tokio::test]
async fn without_connect_info_nobody_is_let_in_and_the_log_says_why() {
    let (listener, url) = listen().await;
    tokio::spawn(async move { axum::serve(listener, app()).await });
    let logs = Logs::listen();
    match Socket::open(&*url).await.map(drop).unwrap_err().as_ref() {
        Error::Http(response) => assert_eq!(response.status(), 500),
        other => panic!("{other}"),
    }
    assert_eq!(logs.with("cause", "into_make_service_with_connect_info").len(), 1);
}

#[derive(Default)]
struct Lenient;

#[consumer(incoming = Ask)]
impl Lenient {
    #[on("once")]
    fn once(&self) {}
}

/// What making a route says that cannot be.
fn said<C: channels::Consumer<State = channels::consumer::NoState>>(config: Config) -> String {
    let made = std::panic::catch_unwind(|| {
        let _: axum::routing::MethodRouter = ChannelLayer::memory_with(config).serve::<C>().into_route();
    });
    *made.unwrap_err().downcast::<String>().unwrap()
}

#[test]
fn who_does_not_say_where_addresses_come_from_learns_it_at_the_start() {
    let line = "axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>())";
    let by_ip = said::<Strict>(Config::default());
    assert!(by_ip.starts_with("`#[rate_limit(…, by = ip)]` needs the client's address"), "{by_ip}");
    assert!(by_ip.contains(line) && by_ip.contains(".into_route_with_connect_info()"), "{by_ip}");
    for (name, value) in [
        ("WS_CONNECTIONS_PER_ADDRESS", "5"),
        ("WS_HANDSHAKES_PER_ADDRESS", "5/1s"),
        ("WS_FRAMES_PER_ADDRESS", "5/1s"),
        ("WS_BYTES_PER_ADDRESS", "5/1s"),
    ] {
        let config = || Config::builder().vars([(name, value)]).unwrap().build().unwrap();
        let words = said::<Lenient>(config());
        assert!(words.starts_with(name) && words.contains(line), "{words}");
        let layer = ChannelLayer::memory_with(config());
        let _: axum::routing::MethodRouter = layer.serve::<Lenient>().into_route_with_connect_info();
    }
}

#[tokio::test]
async fn a_middleware_that_counts_by_address_needs_it_too() {
    let limited = |by| {
        let limit = RateLimit::new("1/1h".parse().unwrap()).by(by);
        ChannelLayer::memory().serve::<Lenient>().middleware(limit)
    };
    let made = std::panic::catch_unwind(|| {
        let _: axum::routing::MethodRouter = limited(By::Ip).into_route();
    });
    let words = *made.unwrap_err().downcast::<String>().unwrap();
    assert!(words.starts_with("a middleware of this route needs the client's address"), "{words}");
    let _: axum::routing::MethodRouter = limited(By::User).into_route();
    let (listener, url) = listen().await;
    let app = Router::new().route("/", limited(By::Ip).into_route_with_connect_info());
    tokio::spawn(async move { axum::serve(listener, app).await });
    match Socket::open(&*url).await.map(drop).unwrap_err().as_ref() {
        Error::Http(response) => assert_eq!(response.status(), 500),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn behind_a_proxy_over_a_unix_socket_its_headers_count() {
    use axum::extract::connect_info::MockConnectInfo;

    let (listener, url) = listen().await;
    let config = Config::builder().vars([("WS_TRUSTED_PROXIES", "127.0.0.1")]).unwrap().build().unwrap();
    let route = ChannelLayer::memory_with(config).serve::<Strict>().into_route_with_connect_info();
    // What a Unix socket's peer is said to be.
    let app = Router::new().route("/", route).layer(MockConnectInfo(SocketAddr::from(([127, 0, 0, 1], 0))));
    tokio::spawn(async move { axum::serve(listener, app).await });
    for address in ["198.51.100.1", "198.51.100.2"] {
        let mut request =
            tokio_tungstenite::tungstenite::client::IntoClientRequest::into_client_request(&*url).unwrap();
        request.headers_mut().insert("x-forwarded-for", address.parse().unwrap());
        let mut client = Socket::open(request).await.unwrap();
        assert_eq!(client.request("once", json!({})).await["data"]["text"], address);
    }
}
