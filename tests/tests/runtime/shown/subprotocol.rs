use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use channels::extract::BearerProtocol;
use channels::prelude::*;
use sha2::{Digest, Sha256};

/// As above.
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

struct Chat { user: UserId }

#[consumer(state = Tokens)]
impl Chat {
    #[accept]
    async fn accept(token: BearerProtocol, State(tokens): State<Tokens>) -> Result<Self, StatusCode> {
        let user = tokens.user_of(token.token()).await.ok_or(StatusCode::UNAUTHORIZED)?;
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
