//! A consumer that asks for every join, one that does not on a layer that does, and what they are to answer.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use channels::middleware::{Middleware, Next};
use channels::prelude::*;
use channels::testing::{self, Client};
use channels::{ChannelLayerBuilder, Consumer, Error, ErrorCode};
use tokio::sync::Semaphore;

use crate::probe::{Group, ServerMessage, Text};

/// The state: who may join what, as `user/group`.
#[derive(Debug)]
pub struct Rights {
    allowed: Mutex<BTreeSet<String>>,
    asked: Mutex<Vec<String>>,
    /// Joined in `#[connect]`, whatever comes of it.
    pub on_connect: Vec<&'static str>,
    /// One permit lets one answer go, which was found before.
    pub answers: Semaphore,
}

impl Rights {
    pub fn new(allowed: &[&str]) -> Arc<Self> {
        Self::with(allowed, &[], Semaphore::MAX_PERMITS)
    }

    pub fn with(allowed: &[&str], on_connect: &[&'static str], answers: usize) -> Arc<Self> {
        Arc::new(Self {
            allowed: Mutex::new(allowed.iter().map(|right| (*right).to_owned()).collect()),
            asked: Mutex::default(),
            on_connect: on_connect.to_vec(),
            answers: Semaphore::new(answers),
        })
    }

    pub fn give(&self, right: &str) {
        self.allowed.lock().unwrap_or_else(PoisonError::into_inner).insert(right.to_owned());
    }

    pub fn take(&self, right: &str) {
        assert!(self.allowed.lock().unwrap_or_else(PoisonError::into_inner).remove(right), "{right}");
    }

    /// What was asked since the last time.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn has(&self, right: &str) -> bool {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(right.to_owned());
        self.allowed.lock().unwrap_or_else(PoisonError::into_inner).contains(right)
    }

    /// The hook. The groups `panics`, `hangs` and `fails` do so, whoever asks.
    pub async fn may_join(&self, group: &str, user: &UserId) -> Result<bool, Error> {
        match group {
            "panics" => panic!("the hook of a test"),
            "hangs" => std::future::pending().await,
            "fails" => return Err(Error::backend("The database is away.")),
            _ => {}
        }
        let has = self.has(&format!("{user}/{group}"));
        self.answers.acquire().await.or_internal()?.forget();
        Ok(has)
    }

    /// A layer in the making that asks them.
    pub fn layer(self: &Arc<Self>, config: Config) -> ChannelLayerBuilder {
        let rights = Arc::clone(self);
        ChannelLayer::builder(config).authorize(move |conn, group| {
            let rights = Arc::clone(&rights);
            async move {
                match conn.user() {
                    Some(user) => rights.may_join(&group, user).await,
                    None => Ok(false),
                }
            }
        })
    }
}

#[derive(Debug, Incoming)]
pub enum ClientMessage {
    /// Joins by its handler.
    Join(Group),
    /// Joins by a task that the handler spawned.
    Spawn(Group),
    /// Passes a middleware that joins.
    Pass,
    Quiet,
}

pub struct Guarded {
    user: UserId,
}

fn outcome(joined: Result<bool, Error>) -> Text {
    Text { text: joined.map_or_else(|error| error.code().as_str().to_owned(), |is_new| is_new.to_string()) }
}

#[consumer(incoming = ClientMessage, outgoing = ServerMessage, state = Arc<Rights>)]
impl Guarded {
    #[accept]
    fn accept(Path(user): Path<UserId>) -> Self {
        Self { user }
    }

    #[user]
    fn user(&self) -> &UserId {
        &self.user
    }

    #[authorize]
    async fn may_join(group: &str, user: UserId, State(rights): State<Arc<Rights>>) -> Result<bool, Error> {
        rights.may_join(group, &user).await
    }

    #[connect]
    async fn connected(&self, conn: Connection, State(rights): State<Arc<Rights>>) {
        for group in &rights.on_connect {
            let _ = conn.join(group).await;
        }
    }

    #[on("join")]
    async fn join(&self, group: Group, conn: Connection) -> Text {
        outcome(conn.join(&group.group).await)
    }

    #[on("spawn")]
    async fn spawn(&self, group: Group, conn: Connection) -> Result<Text, Error> {
        let joining = tokio::spawn(async move { conn.join(&group.group).await });
        Ok(outcome(joining.await.or_internal()?))
    }

    #[on("pass")]
    fn pass(&self) {}

    #[on("quiet")]
    fn quiet(&self) {}
}

/// The same without an `#[authorize]`.
pub struct Unguarded {
    user: UserId,
}

#[consumer(incoming = ClientMessage, outgoing = ServerMessage, state = Arc<Rights>)]
impl Unguarded {
    #[accept]
    fn accept(Path(user): Path<UserId>) -> Self {
        Self { user }
    }

    #[user]
    fn user(&self) -> &UserId {
        &self.user
    }

    #[connect]
    async fn connected(&self, conn: Connection, State(rights): State<Arc<Rights>>) {
        for group in &rights.on_connect {
            let _ = conn.join(group).await;
        }
    }

    #[on("join")]
    async fn join(&self, group: Group, conn: Connection) -> Text {
        outcome(conn.join(&group.group).await)
    }

    #[on("spawn")]
    async fn spawn(&self, group: Group, conn: Connection) -> Result<Text, Error> {
        let joining = tokio::spawn(async move { conn.join(&group.group).await });
        Ok(outcome(joining.await.or_internal()?))
    }

    #[on("pass")]
    fn pass(&self) {}

    #[on("quiet")]
    fn quiet(&self) {}
}

/// Joins a group before each message.
pub struct Joins(pub &'static str);

impl Middleware for Joins {
    async fn handle(&self, message: channels::message::Message, next: Next<'_>) -> Result<(), Error> {
        if message.name() == "pass" {
            next.connection().join(self.0).await?;
        }
        next.run(message).await
    }
}

/// A client whose session has begun.
pub async fn enter(layer: &ChannelLayer, rights: &Arc<Rights>, user: &str) -> Client {
    enter_by::<Guarded>(layer, rights, user).await
}

/// As [`enter`], of another consumer.
pub async fn enter_by<C: Consumer<State = Arc<Rights>>>(
    layer: &ChannelLayer,
    rights: &Arc<Rights>,
    user: &str,
) -> Client {
    let connecting = testing::connect::<C>(layer, Arc::clone(rights)).path(format!("/ws/{user}"));
    let mut client = connecting.await.unwrap();
    client.request(0, "quiet", &()).await;
    let ok = tokio::time::timeout(Duration::from_secs(30), client.next_message()).await.unwrap();
    assert_eq!(ok.name, "$ok");
    client
}

pub fn is_refused<T>(joined: &Result<T, Error>) -> bool {
    joined.as_ref().is_err_and(|error| error.code() == ErrorCode::AuthorizationFailed)
}
