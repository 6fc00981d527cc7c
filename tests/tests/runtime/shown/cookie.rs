use axum::Router;
use std::time::{SystemTime, UNIX_EPOCH};

use axum_extra::extract::SignedCookieJar;
use axum_extra::extract::cookie::{Cookie, Key, SameSite};
use channels::prelude::*;

#[derive(Clone)]
struct App { key: Key }

impl FromRef<App> for Key {
    fn from_ref(app: &App) -> Self { app.key.clone() }
}

fn now() -> u64 { SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()) }

/// What a login answers with: `(jar.add(cookie), Redirect::to("/"))`.
fn login(user: &UserId, until: u64) -> Cookie<'static> {
    let cookie = Cookie::build(("session", format!("{until}.{user}")));
    cookie.path("/").http_only(true).secure(true).same_site(SameSite::Lax).build()
}

fn signed_in(jar: &SignedCookieJar) -> Option<UserId> {
    let cookie = jar.get("session")?;
    let (until, user) = cookie.value().split_once('.')?;
    (until.parse::<u64>().ok()? > now()).then(|| UserId::new(user).ok())?
}

struct Chat { user: UserId }

#[consumer(state = App)]
impl Chat {
    #[accept]
    fn accept(jar: SignedCookieJar) -> Result<Self, StatusCode> {
        let user = signed_in(&jar).ok_or(StatusCode::UNAUTHORIZED)?;
        Ok(Self { user })
    }

    #[user]
    fn user(&self) -> &UserId { &self.user }

    #[on_text]
    fn text(&self, _text: ByteString) {}
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let layer = ChannelLayer::connect(Config::from_env()?).await?;
    // Of all servers, and kept: whoever has another one knows nobody. At least 64 random bytes.
    let key = Key::try_from(std::env::var("SESSION_SECRET")?.as_bytes())?;
    let app = Router::new().route("/ws", layer.serve::<Chat>().into_route()).with_state(App { key });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    let server = axum::serve(listener, app).with_graceful_shutdown(layer.shutdown_on(channels::shutdown_signal()));
    layer.run(server).await?;
    Ok(())
}
