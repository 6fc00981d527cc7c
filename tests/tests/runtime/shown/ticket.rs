use axum::Router;
use axum::extract::Query;
use base64::prelude::*;
use channels::prelude::*;
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use sha2::Sha256;

fn now() -> u64 { std::time::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs()) }

/// Long enough to connect, too short to be found in a log.
const LASTS_SECONDS: u64 = 30;

/// At least 32 random bytes, the same on all servers.
#[derive(Clone)]
struct TicketKey([u8; 32]);

impl TicketKey {
    fn mac(&self, until: u64, user: &str) -> Hmac<Sha256> {
        let mac = Hmac::<Sha256>::new_from_slice(&self.0).unwrap_or_else(|_| unreachable!("a key of any length"));
        mac.chain_update(b"ticket\0").chain_update(until.to_be_bytes()).chain_update(user)
    }

    /// `<Unix seconds>.<signature>.<user>`, to be percent-encoded.
    fn sign(&self, user: &UserId, until: u64) -> String {
        let signature = self.mac(until, user.as_str()).finalize().into_bytes();
        format!("{until}.{}.{user}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    }

    fn read(&self, ticket: &str) -> Option<UserId> {
        let mut parts = ticket.splitn(3, '.');
        let (until, signature, user) = (parts.next()?.parse().ok()?, parts.next()?, parts.next()?);
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).ok()?;
        // Takes as long whether the first byte is wrong or the last.
        self.mac(until, user).verify_slice(&signature).ok()?;
        (now()..=now() + LASTS_SECONDS).contains(&until).then(|| UserId::new(user).ok())?
    }
}

#[derive(Deserialize)]
struct Asked {
    /// Without one, it is one that is wrong.
    #[serde(default)]
    ticket: String,
}

struct Chat { user: UserId }

#[consumer(state = TicketKey)]
impl Chat {
    #[accept]
    fn accept(Query(asked): Query<Asked>, State(key): State<TicketKey>) -> Result<Self, StatusCode> {
        let user = key.read(&asked.ticket);
        user.map(|user| Self { user }).ok_or(StatusCode::UNAUTHORIZED)
    }

    #[user]
    fn user(&self) -> &UserId { &self.user }

    #[on_text]
    fn text(&self, _text: ByteString) {}
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let layer = ChannelLayer::connect(Config::from_env()?).await?;
    let key = TicketKey(std::env::var("TICKET_KEY")?.into_bytes().try_into().map_err(|_| "TICKET_KEY has 32 bytes")?);
    let app = Router::new().route("/ws", layer.serve::<Chat>().into_route()).with_state(key);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    let server = axum::serve(listener, app).with_graceful_shutdown(layer.shutdown_on(channels::shutdown_signal()));
    layer.run(server).await?;
    Ok(())
}
