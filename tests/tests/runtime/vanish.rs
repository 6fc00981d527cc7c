//! Ten thousand clients that go at once: each has its `#[disconnect]` once, nothing is left of any, and whoever stays is
//! answered meanwhile.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::Path;
use channels::prelude::*;
use channels::testing::{self, Client};
use channels::{CloseCode, ClosedBy, Config};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

const CLIENTS: usize = 10_000;
/// Each has a user, and a group with nine others.
const GROUPS: usize = CLIENTS / 10;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Text {
    text: String,
}

#[derive(Debug, Incoming)]
enum In {
    Echo(Text),
}

#[derive(Clone, Debug, Outgoing)]
enum Out {
    Echoed(Text),
}

/// Who left how; as each consumer holds one, its count also says how many there are.
type Ends = Arc<Mutex<BTreeMap<ConnectionId, (CloseCode, ClosedBy)>>>;

struct Member {
    number: usize,
    user: UserId,
    /// Something that is missed when it is not given back.
    _memory: Arc<Vec<u8>>,
}

#[derive(Clone)]
struct World {
    ends: Ends,
    memory: Arc<Vec<u8>>,
}

#[consumer(incoming = In, outgoing = Out, state = World)]
impl Member {
    #[accept]
    fn accept(Path(number): Path<usize>, axum::extract::State(world): axum::extract::State<World>) -> Self {
        let user = UserId::new(format!("user-{number}")).unwrap();
        Self { number, user, _memory: world.memory }
    }

    #[user]
    fn user(&self) -> &UserId {
        &self.user
    }

    #[connect]
    async fn connected(&self, conn: Connection) -> Result<(), channels::Error> {
        conn.join("all").await?;
        conn.join(&format!("group-{}", self.number % GROUPS)).await.map(drop)
    }

    #[on("echo")]
    fn echo(&self, text: Text) -> Text {
        text
    }

    #[disconnect]
    async fn left(&self, id: ConnectionId, close: CloseReason, State(world): State<World>) {
        let before = world.ends.lock().unwrap().insert(id, (close.code(), close.closed_by()));
        assert_eq!(before, None, "{id} left twice");
    }
}

struct Scene {
    layer: ChannelLayer,
    world: World,
    clients: Vec<Client>,
    /// Who stays.
    ada: Client,
}

impl Scene {
    async fn new() -> Self {
        let config =
            Config::builder().max_total_connections(CLIENTS + 1).max_connections_per_client(1).build().unwrap();
        let layer = ChannelLayer::memory_with(config);
        let world = World { ends: Ends::default(), memory: Arc::default() };
        let app = Router::new().route("/{number}", layer.serve::<Member>().into_route()).with_state(world.clone());
        let mut clients = Vec::with_capacity(CLIENTS);
        for number in 0..CLIENTS {
            clients.push(testing::connect_to(&app).path(format!("/{number}")).await.unwrap());
        }
        let ada = testing::connect_to(&app).path(format!("/{CLIENTS}")).await.unwrap();
        drop(app);
        let scene = Self { layer, world, clients, ada };
        while scene.layer.registry().group_len("all") <= CLIENTS {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let stats = scene.layer.stats();
        assert_eq!((stats.connections, stats.users, stats.groups), (CLIENTS + 1, CLIENTS + 1, GROUPS + 1));
        scene
    }

    async fn ada_is_answered(&mut self) {
        let began = Instant::now();
        self.ada.send("echo", &Text { text: "here".into() }).await;
        assert_eq!(self.ada.recv::<Text>().await.text, "here");
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    }

    async fn only_ada_is_left(&mut self) {
        while self.layer.stats().connections > 1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        self.ada_is_answered().await;
        let (stats, counts) = (self.layer.stats(), self.layer.counts().await.unwrap());
        assert_eq!((stats.connections, stats.users, stats.groups), (1, 1, 2));
        assert_eq!((counts.connections, counts.users), (1, 1));
        assert_eq!(self.layer.registry().group_len("all"), 1);
        // This handle, those of the layer's router having gone, and Ada's.
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert_eq!(Arc::strong_count(&self.world.memory), 1 + 2, "consumers and states");
    }

    fn ends(&self) -> Vec<(CloseCode, ClosedBy)> {
        self.world.ends.lock().unwrap().values().copied().collect()
    }
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_whose_sockets_are_reset_leave_nothing_behind() {
    let mut scene = Scene::new().await;
    scene.clients.iter_mut().for_each(Client::lose);
    scene.ada_is_answered().await;
    scene.only_ada_is_left().await;
    let ends = scene.ends();
    assert_eq!(ends.len(), CLIENTS, "each once");
    assert!(ends.iter().all(|(_, by)| *by == ClosedBy::Lost));
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_that_go_without_a_word_are_found_by_the_heartbeat() {
    let mut scene = Scene::new().await;
    for client in &scene.clients {
        client.stop_answering();
        client.stop_reading();
    }
    let began = Instant::now();
    tokio::time::sleep(Duration::from_secs(45)).await;
    scene.ada_is_answered().await;
    assert_eq!(scene.layer.stats().connections, CLIENTS + 1, "nobody is dead before the time-out");
    scene.only_ada_is_left().await;
    assert!(began.elapsed() <= Duration::from_secs(60 + 8 + 5 + 11), "{:?}", began.elapsed());
    let ends = scene.ends();
    assert_eq!(ends.len(), CLIENTS, "each once");
    assert!(ends.iter().all(|end| *end == (CloseCode::HEARTBEAT_LOST, ClosedBy::Server)));
}
