//! The four ways in that the guide shows, over real sockets: right, missing, forged and expired.

use std::time::UNIX_EPOCH;

use axum::Router;
use axum::extract::Query;
use axum::http::header::{AUTHORIZATION, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::IntoResponse;
use axum_extra::extract::SignedCookieJar;
use axum_extra::extract::cookie::{Cookie, Key, SameSite};
use base64::prelude::*;
use channels::extract::BearerProtocol;
use channels::prelude::*;
use channels_tests::logs::Logs;
use channels_tests::socket::Socket;
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use sha2::Sha256;
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};

fn now() -> u64 {
    UNIX_EPOCH.elapsed().unwrap().as_secs()
}

/// What the four share.
#[derive(Clone)]
struct App {
    cookies: Key,
    tickets: TicketKey,
}

impl FromRef<App> for Key {
    fn from_ref(app: &App) -> Self {
        app.cookies.clone()
    }
}

impl FromRef<App> for TicketKey {
    fn from_ref(app: &App) -> Self {
        app.tickets.clone()
    }
}

/// A consumer that says who one is; only its `#[accept]` differs.
macro_rules! consumer {
    ($name:ident: $($accept:tt)*) => {
        struct $name {
            user: UserId,
        }

        #[consumer(state = App)]
        impl $name {
            #[accept]
            $($accept)*

            #[user]
            fn user(&self) -> &UserId {
                &self.user
            }

            #[on_text]
            fn text(&self, _text: ByteString, user: UserId) -> String {
                user.to_string()
            }
        }
    };
}

fn login(user: &str, until: u64) -> Cookie<'static> {
    let cookie = Cookie::build(("session", format!("{until}.{user}")));
    cookie.path("/").http_only(true).secure(true).same_site(SameSite::Lax).build()
}

consumer! { ByCookie:
    fn accept(jar: SignedCookieJar) -> Result<Self, StatusCode> {
        let cookie = jar.get("session").ok_or(StatusCode::UNAUTHORIZED)?;
        let (until, user) = cookie.value().split_once('.').ok_or(StatusCode::UNAUTHORIZED)?;
        let is_good = until.parse::<u64>().is_ok_and(|until| until > now());
        let user = UserId::new(user).ok().filter(|_| is_good);
        user.map(|user| Self { user }).ok_or(StatusCode::UNAUTHORIZED)
    }
}

/// Tokens are `<Unix seconds>:<user>`, good until then.
fn user_of(token: &str) -> Option<UserId> {
    let (until, user) = token.split_once(':')?;
    until.parse::<u64>().is_ok_and(|until| until > now()).then(|| UserId::new(user).ok())?
}

consumer! { ByHeader:
    fn accept(headers: HeaderMap) -> Result<Self, channels::Error> {
        let value = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = value.and_then(|value| value.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let user = token.and_then(|(_, token)| user_of(token.trim()));
        user.map(|user| Self { user }).ok_or_else(|| channels::Error::authentication("Please sign in first."))
    }
}

consumer! { ByProtocol:
    fn accept(headers: HeaderMap, token: BearerProtocol) -> Result<Self, StatusCode> {
        // As careless as an application may be.
        tracing::info!(?headers, ?token, "somebody asks");
        user_of(token.token()).map(|user| Self { user }).ok_or(StatusCode::UNAUTHORIZED)
    }
}

const LASTS_SECONDS: u64 = 30;

#[derive(Clone)]
struct TicketKey([u8; 32]);

impl TicketKey {
    fn mac(&self, until: u64, user: &str) -> Hmac<Sha256> {
        let mac = Hmac::<Sha256>::new_from_slice(&self.0).unwrap();
        mac.chain_update(b"ticket\0").chain_update(until.to_be_bytes()).chain_update(user)
    }

    fn sign(&self, user: &str, until: u64) -> String {
        let signature = self.mac(until, user).finalize().into_bytes();
        format!("{until}.{}.{user}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    }

    fn read(&self, ticket: &str) -> Option<UserId> {
        let mut parts = ticket.splitn(3, '.');
        let (until, signature, user) = (parts.next()?.parse().ok()?, parts.next()?, parts.next()?);
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).ok()?;
        self.mac(until, user).verify_slice(&signature).ok()?;
        (now()..=now() + LASTS_SECONDS).contains(&until).then(|| UserId::new(user).ok())?
    }
}

#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    ticket: String,
}

consumer! { ByTicket:
    fn accept(Query(asked): Query<Asked>, State(key): State<TicketKey>) -> Result<Self, StatusCode> {
        let user = key.read(&asked.ticket);
        user.map(|user| Self { user }).ok_or(StatusCode::UNAUTHORIZED)
    }
}

struct House {
    address: std::net::SocketAddr,
    app: App,
}

impl House {
    async fn open() -> Self {
        let app = App { cookies: Key::generate(), tickets: TicketKey([7; 32]) };
        let layer = ChannelLayer::memory();
        let router = Router::new()
            .route("/cookie", layer.serve::<ByCookie>().into_route())
            .route("/header", layer.serve::<ByHeader>().into_route())
            .route("/protocol", layer.serve::<ByProtocol>().into_route())
            .route("/ticket", layer.serve::<ByTicket>().into_route())
            .with_state(app.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, app }
    }

    /// The name that the server has for this client and the headers of its answer, or the status of the refusal.
    async fn enter(&self, path: &str, header: Option<(&'static str, &str)>) -> Result<(String, String), u16> {
        let mut request = format!("ws://{}{path}", self.address).into_client_request().unwrap();
        if let Some((name, value)) = header {
            request.headers_mut().insert(name, HeaderValue::from_str(value).unwrap());
        }
        let opening = tokio_tungstenite::connect_async(request);
        let (socket, response) = match channels_tests::socket::soon("connecting", opening).await {
            Ok(opened) => opened,
            Err(Error::Http(response)) => {
                let headers = format!("{:?} {:?}", response.headers(), response.body());
                assert!(!headers.contains("secret"), "{headers}");
                return Err(response.status().as_u16());
            }
            Err(other) => panic!("{other}"),
        };
        let mut socket = Socket(socket);
        socket.send(Message::text("who am I?")).await;
        match socket.next().await {
            Some(Ok(Message::Text(name))) => Ok((name.to_string(), format!("{:?}", response.headers()))),
            other => panic!("{other:?}"),
        }
    }

    async fn is_refused(&self, path: &str, header: Option<(&'static str, &str)>) {
        assert_eq!(self.enter(path, header).await.unwrap_err(), 401, "{path} with {header:?}");
    }
}

fn cookie(key: &Key, until: u64) -> String {
    let response = SignedCookieJar::new(key.clone()).add(login("ada", until)).into_response();
    response.headers()[SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn by_a_session_cookie() {
    let house = House::open().await;
    let good = cookie(&house.app.cookies, now() + 60);
    assert_eq!(house.enter("/cookie", Some(("cookie", &format!("a=b; {good}")))).await.unwrap().0, "ada");
    house.is_refused("/cookie", None).await;
    let plain = format!("session={}.ada", now() + 60);
    for wrong in [
        cookie(&house.app.cookies, now() - 1),
        cookie(&Key::generate(), now() + 60),
        good.replace(".ada", ".eve"),
        plain,
        "session=".into(),
    ] {
        house.is_refused("/cookie", Some(("cookie", &wrong))).await;
    }
}

#[tokio::test]
async fn by_a_bearer_header() {
    let house = House::open().await;
    let good = format!("Bearer {}:ada", now() + 60);
    assert_eq!(house.enter("/header", Some(("authorization", &good))).await.unwrap().0, "ada");
    house.is_refused("/header", None).await;
    for wrong in [format!("Bearer {}:ada", now() - 1), format!("Basic {}:ada", now() + 60), "Bearer guess".into()] {
        house.is_refused("/header", Some(("authorization", &wrong))).await;
    }
}

#[tokio::test]
async fn by_a_token_as_a_subprotocol_which_is_neither_echoed_nor_logged() {
    let house = House::open().await;
    let logs = Logs::listen();
    let encode = |token: &str| BASE64_URL_SAFE_NO_PAD.encode(token);
    let (good, old) = (format!("{}:secret-ada", now() + 60), format!("{}:secret-ada", now() - 1));
    let offer = format!("channels.v1.json, bearer.{}", encode(&good));
    let (name, headers) = house.enter("/protocol", Some(("sec-websocket-protocol", &offer))).await.unwrap();
    assert_eq!(name, "secret-ada");
    assert!(headers.contains("channels.v1.json") && !headers.contains("bearer"), "{headers}");
    house.is_refused("/protocol", None).await;
    for wrong in [format!("bearer.{}", encode(&old)), format!("bearer.{}", encode("secret guess")), "bearer.!".into()] {
        house.is_refused("/protocol", Some(("sec-websocket-protocol", &wrong))).await;
    }
    // From the first byte to the last, at every level, by whoever logs: nothing that could be a token.
    let lines = logs.lines();
    assert!(lines.iter().any(|line| line.get("message") == "somebody asks"), "{lines:?}");
    for line in lines {
        let all = format!("{line:?}");
        // The user's name is in this test's tokens, and may be in the log.
        for secret in [encode(&good), encode(&old), good.clone(), old.clone(), encode("secret guess"), "bearer.".into()]
        {
            assert!(!all.contains(&secret), "{all}");
        }
    }
}

#[tokio::test]
async fn by_a_signed_ticket_in_the_query() {
    let house = House::open().await;
    let key = &house.app.tickets;
    let good = key.sign("ada", now() + 20);
    assert_eq!(house.enter(&format!("/ticket?ticket={good}"), None).await.unwrap().0, "ada");
    house.is_refused("/ticket", None).await;
    let (until, rest) = good.split_once('.').unwrap();
    let later = format!("{}.{rest}", until.parse::<u64>().unwrap() + 5);
    for wrong in [
        key.sign("ada", now() - 1),
        key.sign("ada", now() + 3600),
        TicketKey([8; 32]).sign("ada", now() + 20),
        good.replace(".ada", ".eve"),
        later,
        format!("{until}..ada"),
        String::new(),
    ] {
        house.is_refused(&format!("/ticket?ticket={wrong}"), None).await;
    }
}
