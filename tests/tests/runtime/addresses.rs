//! Limits by address need the address: a server that does not know it says so before the upgrade.

use std::net::SocketAddr;

use axum::Router;
use channels::prelude::*;
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
    Router::new().route("/", ChannelLayer::memory().serve::<Strict>().into_route())
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
    assert_eq!(logs.with("message", "into_make_service_with_connect_info").len(), 1);
}
