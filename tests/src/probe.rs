//! One consumer for most tests: each of its messages does one thing, and its hooks do what the test wants.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use channels::message::{Message, Priority};
use channels::prelude::*;
use channels::testing::{self, Client, Refused};
use channels::{ClosedBy, ConnectionState, Error, ErrorCode, Severity};
use serde::{Deserialize, Serialize};

/// What only the log may say.
pub const SECRET: &str = "the password of the database is hunter2";

/// What a hook does.
#[derive(Clone, Copy, Default)]
pub enum Act {
    #[default]
    Nothing,
    Fail(fn() -> Error),
    Panic,
    Hang,
    Wait(Duration),
}

impl Act {
    async fn run(self) -> Result<(), Error> {
        match self {
            Self::Nothing => Ok(()),
            Self::Fail(error) => Err(error()),
            Self::Panic => panic!("{SECRET}"),
            Self::Hang => std::future::pending().await,
            Self::Wait(time) => {
                tokio::time::sleep(time).await;
                Ok(())
            }
        }
    }
}

/// One `#[disconnect]`.
#[derive(Clone, Debug)]
pub struct End {
    pub code: u16,
    pub by: ClosedBy,
    pub clean: bool,
    pub groups: Vec<String>,
    pub state: ConnectionState,
}

/// The state: what hooks do, and what they saw.
#[derive(Default)]
pub struct World {
    pub on_connect: Act,
    pub on_disconnect: Act,
    /// Joined in `#[connect]`, before it acts.
    pub groups: Vec<&'static str>,
    pub connects: AtomicUsize,
    /// Handlers that were entered, and that came to their end.
    pub entered: AtomicUsize,
    pub finished: AtomicUsize,
    pub texts: Mutex<Vec<String>>,
    pub ends: Mutex<Vec<End>>,
}

impl World {
    pub fn ends(&self) -> Vec<End> {
        self.lock_ends().clone()
    }

    fn lock_ends(&self) -> MutexGuard<'_, Vec<End>> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn finished(&self) -> usize {
        self.finished.load(Ordering::SeqCst)
    }

    pub fn entered(&self) -> usize {
        self.entered.load(Ordering::SeqCst)
    }

    pub fn texts(&self) -> Vec<String> {
        self.texts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Text {
    pub text: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Group {
    pub group: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Say {
    pub group: String,
    pub text: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Count {
    pub count: usize,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Millis {
    pub millis: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Failure {
    pub how: String,
}

#[derive(Clone, Debug, Serialize, Deserialize, garde::Validate)]
pub struct Checked {
    #[garde(length(chars, min = 1, max = 5))]
    pub name: String,
    #[garde(range(max = 9))]
    pub number: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Described {
    pub metadata: Option<String>,
    pub priority: String,
}

/// Of each `who`, only the latest matters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    pub who: String,
    pub to: usize,
    pub padding: String,
}

impl Moved {
    pub fn new(who: &str, to: usize) -> Self {
        Self { who: who.to_owned(), to, padding: String::new() }
    }
}

/// Of no importance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hint {
    pub hint: String,
}

#[derive(Debug, Incoming)]
pub enum ClientMessage {
    Say(Say),
    Join(Group),
    Leave(Group),
    Echo(Text),
    Move(Moved),
    Quiet,
    Many(Count),
    ManyThenFail(Count),
    Wait(Millis),
    Hang,
    Panic,
    Fail(Failure),
    Close,
    Describe,
    Checked(Checked),
    Limited,
    LimitedHere,
    WhoAmI,
    Once(Millis),
}

#[derive(Clone, Debug, Outgoing)]
pub enum ServerMessage {
    Said(Text),
    Described(Described),
    #[channels(outbox = "latest", key = who)]
    Moved(Moved),
    #[channels(outbox = "drop_newest")]
    Hinted(Hint),
}

fn said(text: impl Into<String>) -> Text {
    Text { text: text.into() }
}

/// The consumer. The user `-` is nobody.
pub struct Probe {
    user: UserId,
}

#[consumer(incoming = ClientMessage, outgoing = ServerMessage, state = Arc<World>)]
impl Probe {
    #[accept]
    fn accept(Path(user): Path<UserId>) -> Self {
        Self { user }
    }

    #[user]
    fn user(&self) -> Option<&UserId> {
        Some(&self.user).filter(|user| user.as_str() != "-")
    }

    #[connect]
    async fn connected(&mut self, conn: Connection, State(world): State<Arc<World>>) -> Result<(), Error> {
        world.connects.fetch_add(1, Ordering::SeqCst);
        for group in &world.groups {
            conn.join(group).await?;
        }
        world.on_connect.run().await
    }

    #[on("say")]
    async fn say(&self, say: Say, layer: ChannelLayer) -> Result<(), Error> {
        layer.send_to_group(&say.group, ServerMessage::Said(said(say.text))).await?;
        Ok(())
    }

    #[on("join")]
    async fn join(&self, join: Group, conn: Connection) -> Result<(), Error> {
        conn.join(&join.group).await?;
        Ok(())
    }

    #[on("leave")]
    fn leave(&self, leave: Group, conn: Connection) {
        conn.leave(&leave.group);
    }

    #[on("echo")]
    fn echo(&self, text: Text, State(world): State<Arc<World>>) -> Text {
        world.texts.lock().unwrap_or_else(PoisonError::into_inner).push(text.text.clone());
        text
    }

    #[on("move")]
    fn moved(&self, moved: Moved) -> Moved {
        moved
    }

    #[on("quiet")]
    fn quiet(&self) {}

    #[on("many")]
    fn many(&self, many: Count) -> Vec<Text> {
        (0..many.count).map(|number| said(number.to_string())).collect()
    }

    #[on("many_then_fail")]
    fn many_then_fail(&self, many: Count, conn: Connection) -> Result<(), Error> {
        for number in 0..many.count {
            conn.send(ServerMessage::Said(said(number.to_string())))?;
        }
        Err(Error::authorization("Not so many."))
    }

    #[on("wait")]
    async fn wait(&self, wait: Millis, State(world): State<Arc<World>>) -> Text {
        world.entered.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(wait.millis)).await;
        world.finished.fetch_add(1, Ordering::SeqCst);
        said("waited")
    }

    #[on("hang")]
    async fn hang(&self, State(world): State<Arc<World>>) {
        world.entered.fetch_add(1, Ordering::SeqCst);
        std::future::pending::<()>().await;
        world.finished.fetch_add(1, Ordering::SeqCst);
    }

    #[on("panic")]
    async fn panic(&self) {
        tokio::task::yield_now().await;
        panic!("{SECRET}");
    }

    #[on("fail")]
    async fn fail(&self, fail: Failure) -> Result<(), Error> {
        Err(match &*fail.how {
            "forbidden" => Error::authorization("You may not."),
            "unknown_user" => Error::authentication("Who are you?"),
            "backend" => Error::backend("Not now."),
            "secret" => Error::internal(SECRET),
            "critical" => Error::internal(SECRET).with_severity(Severity::Critical),
            "closing" => Error::authorization("Go.").closing(CloseCode::POLICY_VIOLATION),
            "named" => Error::new(ErrorCode::MessageError, "No.").with_name("ROOM_IS_FULL"),
            other => Error::validation("how", format!("no {other:?}")),
        })
    }

    #[on("close")]
    fn close(&self, conn: Connection) {
        conn.close("enough");
    }

    #[on("describe")]
    fn describe(&self, message: Message, priority: Priority) -> Described {
        let priority = format!("{priority:?}");
        Described { metadata: message.metadata().map(str::to_owned), priority }
    }

    #[on("checked")]
    #[validate]
    fn checked(&self, checked: Checked) -> Text {
        said(checked.name)
    }

    #[on("limited")]
    #[rate_limit(3, per = "60s", by = user)]
    fn limited(&self) -> Text {
        said("passed")
    }

    #[on("limited_here")]
    #[rate_limit(3, per = "60s", by = connection)]
    fn limited_here(&self) -> Text {
        said("passed")
    }

    #[on("who_am_i")]
    fn who_am_i(&self, user: UserId) -> Text {
        said(user.as_str())
    }

    #[on("once")]
    #[idempotent(window = "5m")]
    async fn once(&self, wait: Millis, State(world): State<Arc<World>>) -> Text {
        world.entered.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(wait.millis)).await;
        said("done")
    }

    #[disconnect]
    async fn left(
        &mut self,
        close: CloseReason,
        conn: Connection,
        State(world): State<Arc<World>>,
    ) -> Result<(), Error> {
        world.lock_ends().push(End {
            code: close.code().as_u16(),
            by: close.closed_by(),
            clean: close.is_clean(),
            groups: conn.groups(),
            state: conn.state(),
        });
        world.on_disconnect.run().await
    }
}

/// A layer with the probe behind it.
pub struct Stage {
    pub layer: ChannelLayer,
    pub world: Arc<World>,
}

impl Stage {
    pub fn new(world: World) -> Self {
        Self::with(world, Config::default())
    }

    pub fn with(world: World, config: Config) -> Self {
        Self::over(world, ChannelLayer::memory_with(config))
    }

    pub fn over(world: World, layer: ChannelLayer) -> Self {
        Self { layer, world: Arc::new(world) }
    }

    pub fn connecting(&self, user: &str) -> testing::Connect<'static> {
        testing::connect::<Probe>(&self.layer, Arc::clone(&self.world)).path(format!("/ws/{user}"))
    }

    pub async fn try_connect(&self, user: &str) -> Result<Client, Refused> {
        self.connecting(user).await
    }

    pub async fn connect(&self, user: &str) -> Client {
        self.try_connect(user).await.unwrap()
    }

    /// Waits until nobody is left, in the registry and in the backend.
    pub async fn empty(&self) {
        let empty = async {
            while self.counts().await != (0, 0, 0, 0, 0) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        if tokio::time::timeout(Duration::from_secs(60), empty).await.is_err() {
            panic!("connections, users, groups, and the backend's: {:?}", self.counts().await);
        }
    }

    /// Connections, users and groups here; connections and users of the backend.
    pub async fn counts(&self) -> (usize, usize, usize, usize, usize) {
        let registry = self.layer.registry();
        let shared = self.layer.counts().await.unwrap();
        let (connections, users) = (registry.connection_count(), registry.user_count());
        (connections, users, registry.group_count(), shared.connections, shared.users)
    }

    /// Waits for something that the server does by itself.
    pub async fn until(&self, done: impl Fn(&World) -> bool) {
        let done = async {
            while !done(&self.world) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        assert!(tokio::time::timeout(Duration::from_secs(300), done).await.is_ok(), "it never happened");
    }
}
