use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use channels::prelude::*;
use sha2::{Digest, Sha256};

/// Who a token belongs to: in an application a table, with its ends, or a library that checks JWTs. Looked up by their
/// hashes, a stolen table has no tokens, and no comparison takes longer for a better guess.
#[derive(Clone)]
struct Tokens(Arc<HashMap<[u8; 32], UserId>>);

impl Tokens {
    fn of(tokens: impl IntoIterator<Item = (String, UserId)>) -> Self {
        Self(Arc::new(tokens.into_iter().map(|(token, user)| (Sha256::digest(token).into(), user)).collect()))
    }

    async fn user_of(&self, token: &str) -> Option<UserId> {
        let hash: [u8; 32] = Sha256::digest(token).into();
        self.0.get(&hash).cloned()
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

struct Chat { user: UserId }

#[consumer(state = Tokens)]
impl Chat {
    #[accept]
    async fn accept(headers: HeaderMap, State(tokens): State<Tokens>) -> Result<Self, channels::Error> {
        let refused = || channels::Error::authentication("Please sign in first.");
        let token = bearer(&headers).ok_or_else(refused)?;
        let user = tokens.user_of(token).await.ok_or_else(refused)?;
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
    // A long one, made by chance: `ADAS_TOKEN=$(openssl rand -hex 32) cargo run`
    let tokens = Tokens::of([(std::env::var("ADAS_TOKEN")?, UserId::new("ada")?)]);
    let app = Router::new().route("/ws", layer.serve::<Chat>().into_route()).with_state(tokens);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    let server = axum::serve(listener, app).with_graceful_shutdown(layer.shutdown_on(channels::shutdown_signal()));
    layer.run(server).await?;
    Ok(())
}
