//! A panic in each piece of code that is the application's: caught, answered or closed as documented, counted and logged
//! once, and nothing of the connection is left behind.

mod apology;
mod fragile;
mod given_up;
mod raw;
mod typed;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::FromRef;
use channels::prelude::*;
use channels::testing::Client;
use channels::{Config, Consumer};
use channels_tests::probe::SECRET;
use serde_json::{Value, json};

use self::fragile::{App, Bomb, Breaks};

/// Where it happens, and how often `#[disconnect]` ran.
#[derive(Debug)]
struct Place {
    name: &'static str,
    ends: AtomicUsize,
    /// How often somebody asked who may be in the group that is guarded.
    asked: AtomicUsize,
}

impl Place {
    fn reached(&self, name: &str) {
        assert_ne!(self.name, name, "{SECRET}");
    }

    /// What never ends there, and breaks when it is given up.
    async fn stuck(&self, name: &str) {
        if self.name == name {
            stuck().await;
        }
    }
}

/// Holds what breaks when it is dropped, for ever.
async fn stuck() {
    let _held = Bomb {};
    std::future::pending().await
}

type Shared = Arc<Place>;

/// How long a hook may take.
const TIME: Duration = Duration::from_secs(5);

struct Scene {
    layer: ChannelLayer,
    place: Shared,
    app: Router,
}

impl Scene {
    fn new<C: Consumer<State = Shared>>(name: &'static str) -> Self
    where
        Shared: FromRef<App>,
    {
        // A place that is not given back would refuse the next connection.
        let places = Config::builder().max_connections_per_client(1).max_total_connections(1);
        let config = places.handler_timeout(TIME).disconnect_timeout(TIME).build().unwrap();
        let layer = ChannelLayer::memory_with(config);
        let place = Arc::new(Place { name, ends: AtomicUsize::new(0), asked: AtomicUsize::new(0) });
        let serve = layer.serve::<C>().middleware(Breaks(Arc::clone(&place)));
        let app = Router::new().route("/ws/{user}", serve.into_route()).with_state(App(Arc::clone(&place)));
        Self { layer, place, app }
    }

    /// Waits for something that the server does by itself.
    async fn until(&self, done: impl Fn(&ChannelLayer) -> bool) {
        for _ in 0..20_000 {
            if done(&self.layer) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!("{:?} is what there is of {}", self.layer.stats(), self.place.name);
    }

    /// Nobody is there any more, in the registry and in the backend; how often `#[disconnect]` had run.
    async fn empty(&self) -> usize {
        for _ in 0..20_000 {
            let (stats, counts) = (self.layer.stats(), self.layer.counts().await.unwrap());
            if (stats.connections, stats.users, stats.groups, counts.connections, counts.users) == (0, 0, 0, 0, 0) {
                return self.place.ends.load(Ordering::SeqCst);
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!("{:?} is left of {}", self.layer.stats(), self.place.name);
    }
}

/// The client is told of a fault, and not of which; by which id it is found.
async fn told_of_a_fault(client: &mut Client, what: &str) -> Value {
    let told = client.next_message().await;
    assert_eq!((&*told.name, &told.data["error_code"]), ("error", &json!("SYSTEM_ERROR")), "{what}");
    assert!(!told.data.to_string().contains("hunter2"), "{what}: {told:?}");
    told.data["error_id"].clone()
}
