//! Who somebody is, as an option: with `CHAT_SECRET` a signed cookie says so.
//!
//! There is no password: whoever asks for a name gets it. What is shown is what comes after that, in any application:
//! the socket believes the cookie and not the path, and it ends when the login does.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::extract::{FromRef, FromRequestParts, State};
use axum::http::header::{self, ACCEPT};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use axum_extra::extract::SignedCookieJar;
use axum_extra::extract::cookie::{Cookie, Key, SameSite};
use channels::{Config, Error, UserId};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::{AppState, StartError};
use crate::asked::Filled;
use crate::http::in_time;

/// What a secret has at least.
pub(crate) const LEAST_BYTES: usize = 32;
const COOKIE: &str = "chat_login";
/// Whoever comes back later signs in again.
const LASTS: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What cookies are signed with. Chats with the same one believe each other's. A signature is of the value alone, not of
/// the cookie's name: who signs another cookie derives another key.
#[derive(Clone)]
pub struct Secret(Key);

impl Secret {
    /// `CHAT_SECRET` of the environment or `.env`; empty is unset.
    ///
    /// # Errors
    ///
    /// [`StartError::Secret`] where it is shorter than 32 bytes, [`StartError::Config`] where it cannot be read.
    pub fn from_env() -> Result<Option<Self>, StartError> {
        Config::variable("CHAT_SECRET")?.map(|secret| Self::of(secret.as_bytes())).transpose()
    }

    fn of(secret: &[u8]) -> Result<Self, StartError> {
        if secret.len() < LEAST_BYTES {
            return Err(StartError::Secret(secret.len()));
        }
        Ok(Self(Key::derive_from(secret)))
    }
}

/// Whether names are signed, and by what.
#[derive(Clone, Default)]
pub(crate) struct Logins(Option<Key>);

impl Logins {
    pub(crate) fn of(secret: Option<Secret>) -> Self {
        Self(secret.map(|Secret(key)| key))
    }
}

/// The key for a form of a page that may connect to the socket: any other must not sign a visitor in or out.
fn key_for<'a>(app: &'a AppState, headers: &HeaderMap, uri: &Uri) -> Result<&'a Key, Refusal> {
    let key = app.logins.0.as_ref().ok_or(Refusal::NoLogins)?;
    if !app.layer.config().allowed_origins().allows(headers, uri) {
        return Err(Error::authorization("This form is not of this chat.").into());
    }
    Ok(key)
}

/// What is answered instead.
enum Refusal {
    NoLogins,
    Because(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Because(error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::NoLogins => StatusCode::NOT_FOUND.into_response(),
            Self::Because(error) => error.into_response(),
        }
    }
}

/// Who the cookie says it is; `None` where there are no logins.
pub(crate) struct Login(pub(crate) Option<UserId>);

impl<S: Send + Sync> FromRequestParts<S> for Login
where
    Logins: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let Some(key) = Logins::from_ref(state).0 else { return Ok(Self(None)) };
        match signed_in(&parts.headers, &key) {
            Some(user) => Ok(Self(Some(user))),
            None => Err(Error::authentication("Please sign in first.")),
        }
    }
}

/// The name in a cookie that was signed here and has not expired: `<Unix seconds of its end>.<name>`. The end is signed
/// as well, since a browser's own is a request only.
fn signed_in(headers: &HeaderMap, key: &Key) -> Option<UserId> {
    let cookie = SignedCookieJar::from_headers(&legible(headers), key.clone()).get(COOKIE)?;
    let (until, name) = cookie.value().split_once('.')?;
    if until.parse::<u64>().ok()? <= unix_seconds() {
        return None;
    }
    UserId::new(name).ok()
}

/// The cookies, each in a header of its own, but for those that are no ASCII: the jar leaves out the whole header of one,
/// and another application's on the same host must not sign anybody out.
fn legible(headers: &HeaderMap) -> HeaderMap {
    let pairs = headers.get_all(header::COOKIE).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b';'));
    let mut legible = HeaderMap::new();
    for pair in pairs.filter_map(|pair| HeaderValue::from_bytes(pair.trim_ascii()).ok()) {
        if pair.to_str().is_ok() {
            legible.append(header::COOKIE, pair);
        }
    }
    legible
}

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn cookie(name: &str, headers: &HeaderMap) -> Cookie<'static> {
    let value = format!("{}.{name}", unix_seconds() + LASTS.as_secs());
    // The chat speaks no TLS itself. A proxy in front of it says whether the browser does; who says so without one
    // gets a cookie that is of no use to anybody.
    let is_secure = headers.get("x-forwarded-proto").is_some_and(|scheme| scheme == "https");
    let cookie = Cookie::build((COOKIE, value)).path("/").http_only(true).same_site(SameSite::Lax);
    cookie.secure(is_secure).max_age(LASTS.try_into().unwrap_or_default()).build()
}

pub(crate) fn routes() -> Router<AppState> {
    Router::new().route("/login", get(who).post(sign_in)).route("/logout", post(sign_out))
}

#[derive(Deserialize)]
struct Name {
    name: String,
}

/// What the page asks first: whether one has to sign in here, and who has.
async fn who(State(logins): State<Logins>, headers: HeaderMap) -> Json<Value> {
    let user = logins.0.as_ref().and_then(|key| signed_in(&headers, key));
    Json(json!({ "required": logins.0.is_some(), "user_id": user }))
}

async fn sign_in(
    State(app): State<AppState>,
    headers: HeaderMap,
    uri: Uri,
    form: Result<Filled<Name>, Error>,
) -> Result<Response, Refusal> {
    let key = key_for(&app, &headers, &uri)?;
    let Filled(Name { name }) = form?;
    let user = UserId::new(name).map_err(|error| Error::validation("name", error.to_string()))?;
    let jar = SignedCookieJar::new(key.clone()).add(cookie(user.as_str(), &headers));
    Ok((jar, done(&headers, json!({ "user_id": user }))).into_response())
}

/// Every connection of the user goes, wherever it is, and then the cookie. Where other servers could not be told, the
/// cookie stays, so that the same request can be made again.
async fn sign_out(State(app): State<AppState>, headers: HeaderMap, uri: Uri) -> Result<Response, Refusal> {
    let key = key_for(&app, &headers, &uri)?;
    if let Some(user) = signed_in(&headers, key) {
        in_time(app.layer.close_user(&user, "signed out")).await?;
    }
    let gone = Cookie::build((COOKIE, "")).path("/").http_only(true).same_site(SameSite::Lax);
    let jar = SignedCookieJar::new(key.clone()).add(gone.max_age(Default::default()).build());
    Ok((jar, done(&headers, json!({ "user_id": null }))).into_response())
}

/// Back to the page for a form, an answer for a script.
fn done(headers: &HeaderMap, answer: Value) -> Response {
    let accepts = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    if accepts.contains("application/json") {
        return Json(answer).into_response();
    }
    Redirect::to("/").into_response()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use axum::http::header::{COOKIE as HEADER, SET_COOKIE};

    use super::*;

    fn key(fill: u8) -> Key {
        Secret::of(&[fill; 32]).map(|Secret(key)| key).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The headers of a browser that was given this cookie.
    fn with(cookie: Cookie<'static>, key: &Key) -> HeaderMap {
        let response = SignedCookieJar::new(key.clone()).add(cookie).into_response();
        let set = response.headers()[SET_COOKIE].to_str().unwrap();
        HeaderMap::from_iter([(HEADER, set.split(';').next().unwrap().parse().unwrap())])
    }

    fn lasting(until: u64) -> Cookie<'static> {
        Cookie::new(COOKIE, format!("{until}.ada"))
    }

    #[test]
    fn a_cookie_is_believed_until_it_expires_and_only_by_who_signed_it() {
        let now = unix_seconds();
        let ada = UserId::new("ada").ok();
        assert_eq!(signed_in(&with(lasting(now + 60), &key(1)), &key(1)), ada);
        assert_eq!(signed_in(&with(lasting(now - 1), &key(1)), &key(1)), None, "expired");
        assert_eq!(signed_in(&with(lasting(now + 60), &key(2)), &key(1)), None, "another secret");
        for name in ["a.b.c", "a; b=c, \"d\"", "Zo\u{eb} \u{1f980}", "%41", "."] {
            let headers = with(cookie(name, &HeaderMap::new()), &key(1));
            assert_eq!(signed_in(&headers, &key(1)).unwrap().as_str(), name);
        }
        assert!(matches!(Secret::of(&[1; 31]), Err(StartError::Secret(31))));
    }

    #[test]
    fn a_cookie_of_another_application_is_no_ascii_and_signs_nobody_out() {
        let ada = with(lasting(unix_seconds() + 60), &key(1));
        let ada = ada[HEADER].as_bytes();
        let umlaut = "name=J\u{fc}rgen".as_bytes();
        for pairs in [[umlaut, ada], [ada, umlaut], [b"a=\xff\xfe", ada], [b"", ada], [b"a=\"b; c\"", ada]] {
            let headers = HeaderMap::from_iter([(HEADER, HeaderValue::from_bytes(&pairs.join(&b"; "[..])).unwrap())]);
            assert_eq!(signed_in(&headers, &key(1)), UserId::new("ada").ok(), "{headers:?}");
        }
        let mut apart = HeaderMap::from_iter([(HEADER, HeaderValue::from_bytes(umlaut).unwrap())]);
        apart.append(HEADER, HeaderValue::from_bytes(ada).unwrap());
        assert_eq!(signed_in(&apart, &key(1)), UserId::new("ada").ok());
    }
}
