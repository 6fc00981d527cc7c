//! Pages of other origins, over real sockets: refused before anything of the application is asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::http::HeaderValue;
use bytestring::ByteString;
use channels::prelude::*;
use channels::{Origins, testing};
use channels_tests::http2::{Http2, extended_connect};
use channels_tests::logs::Logs;
use channels_tests::probe::{Stage, World};
use channels_tests::socket::{Running, Socket, soon};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tracing::Level;

/// Counts who gets as far as `#[accept]`.
struct Door;

#[consumer(outgoing = channels_tests::probe::ServerMessage, state = Arc<AtomicUsize>)]
impl Door {
    #[accept]
    fn accept(State(asked): State<Arc<AtomicUsize>>) -> Self {
        asked.fetch_add(1, Ordering::SeqCst);
        Self
    }

    #[on_text]
    fn text(&self, text: ByteString) -> ByteString {
        text
    }
}

struct House {
    stage: Stage,
    address: std::net::SocketAddr,
    asked: Arc<AtomicUsize>,
    running: Running,
    opened: std::time::Instant,
}

impl House {
    /// `/ws` with the configuration's origins, `/open` for anybody, `/strict` for the same origin.
    async fn open(allowed: &str) -> Self {
        let config = Config::builder().vars([("WS_ALLOWED_ORIGINS", allowed)]).unwrap().build().unwrap();
        let stage = Stage::with(World::default(), config);
        let asked = Arc::<AtomicUsize>::default();
        let serve = || stage.layer.serve::<Door>();
        let app = Router::new()
            .route("/ws", serve().into_route())
            .route("/open", serve().allowed_origins(Origins::any()).into_route())
            .route("/strict", serve().allowed_origins(Origins::same()).into_route())
            .with_state(Arc::clone(&asked));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let running = Running::start(&stage, listener, app);
        Self { stage, address, asked, running, opened: std::time::Instant::now() }
    }

    /// 101, or the status and body of the refusal.
    async fn knock(&self, path: &str, origins: &[&str]) -> (u16, Value) {
        let mut request = format!("ws://{}{path}", self.address).into_client_request().unwrap();
        for origin in origins {
            request.headers_mut().append("origin", HeaderValue::from_str(origin).unwrap());
        }
        match Socket::open(request).await.map_err(|error| *error) {
            Ok(_) => (101, Value::Null),
            Err(Error::Http(response)) => {
                let body = response.body().as_deref().unwrap_or_default();
                (response.status().as_u16(), serde_json::from_slice(body).unwrap_or_default())
            }
            Err(other) => panic!("{other}"),
        }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn a_foreign_page_gets_403_before_accept_and_is_counted_and_logged() {
    let house = House::open("").await;
    let own = format!("http://{}", house.address);
    assert_eq!(house.knock("/ws", &[]).await.0, 101);
    assert_eq!(house.knock("/ws", &[&own]).await.0, 101);
    assert_eq!(house.asked(), 2);
    let logs = Logs::listen();
    let (status, body) = house.knock("/ws", &["https://evil.example"]).await;
    assert_eq!((status, &body["error_code"]), (403, &Value::from("AUTHORIZATION_FAILED")), "{body}");
    assert_eq!(body["retryable"], false);
    for origins in [vec!["null"], vec!["http://127.0.0.1"], vec![&*own, &*own], vec!["https://evil.example", &*own]] {
        assert_eq!(house.knock("/ws", &origins).await.0, 403, "{origins:?}");
    }
    assert_eq!(house.asked(), 2, "nobody of these got as far as `#[accept]`");
    let stats = house.stage.layer.stats();
    assert_eq!((stats.refused_for_origin, stats.refused), (5, 5));
    let lines = logs.with("origins", "[");
    assert_eq!(lines.len(), 5, "{lines:?}");
    assert_eq!((lines[0].level, &*lines[0].fields["since_the_last_line"]), (Level::WARN, "1"), "{lines:?}");
    assert!(lines[0].fields["origins"].contains("https://evil.example"), "{lines:?}");
    // At most one a second, and the tests may take longer than one.
    assert!(house.opened.elapsed().as_secs() > 0 || lines[1..].iter().all(|line| line.level == Level::DEBUG));
    house.running.stop().await;
}

#[tokio::test]
async fn the_list_lets_others_in_and_a_route_may_have_its_own() {
    let house = House::open("app.example.com, *.example.org").await;
    let (app, below, other) = ("https://app.example.com", "https://a.example.org", "https://example.org");
    for (path, origin, status) in [
        ("/ws", app, 101),
        ("/ws", below, 101),
        ("/ws", other, 403),
        ("/open", other, 101),
        ("/open", "null", 101),
        ("/strict", app, 403),
    ] {
        assert_eq!(house.knock(path, &[origin]).await.0, status, "{path} from {origin}");
    }
    assert_eq!(house.stage.layer.stats().refused_for_origin, 2);
    house.running.stop().await;
}

#[tokio::test]
async fn over_http2_the_authority_counts() {
    let house = House::open("").await;
    let stream = soon("connecting", TcpStream::connect(house.address)).await.unwrap();
    let connection = Http2::over(stream).await;
    // `extended_connect` asks for `localhost`.
    for (origin, status) in [
        (None, 200),
        (Some("http://localhost"), 200),
        (Some("https://LOCALHOST"), 200),
        (Some("http://localhost:8000"), 403),
        (Some("https://evil.example"), 403),
        (Some("null"), 403),
    ] {
        let mut request = extended_connect("/ws", "websocket");
        if let Some(origin) = origin {
            request.headers_mut().insert("origin", HeaderValue::from_static(origin));
        }
        let (response, _stream) = connection.request(request, false).await;
        assert_eq!(response.status(), status, "{origin:?}");
    }
    assert_eq!((house.asked(), house.stage.layer.stats().refused_for_origin), (3, 3));
    drop(connection);
    house.running.stop().await;
}

#[tokio::test]
async fn a_client_in_process_is_asked_only_where_it_says_an_origin() {
    let layer = ChannelLayer::memory();
    let asked = Arc::<AtomicUsize>::default();
    let connect = || testing::connect::<Door>(&layer, Arc::clone(&asked)).path("/ws");
    connect().await.unwrap();
    let refused = connect().header("origin", "https://evil.example").await.unwrap_err();
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    connect().header("origin", "https://example.com").header("host", "example.com").await.unwrap();
}
