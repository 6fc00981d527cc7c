//! `#[idempotent]` behind middleware, which is of the handler's time: what it took is not left.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use channels::Error;
use channels::message::Message;
use channels::prelude::*;
use channels::testing;
use serde_json::json;

#[derive(Debug, Incoming)]
enum Ask {
    Alone,
    Beside,
}

type Runs = Arc<AtomicUsize>;

/// Its handlers are cut short after ten seconds.
#[derive(Default)]
struct Slow;

#[consumer(incoming = Ask, state = Runs)]
impl Slow {
    #[user]
    fn user(&self) -> UserId {
        UserId::new("ada").unwrap()
    }

    #[on("alone", timeout = "10s")]
    #[idempotent(window = "5m")]
    async fn alone(&self, State(runs): State<Runs>) {
        runs.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_secs(60)).await;
    }

    #[on("beside", timeout = "10s", concurrency = 2)]
    #[idempotent(window = "5m")]
    async fn beside(&self, runs: State<Runs>) {
        self.alone(runs).await;
    }
}

/// Takes four seconds.
struct Thinks;

impl Middleware for Thinks {
    async fn handle(&self, message: Message, next: Next<'_>) -> Result<(), Error> {
        tokio::time::sleep(Duration::from_secs(4)).await;
        next.run(message).await
    }
}

#[tokio::test(start_paused = true)]
async fn who_waited_behind_middleware_handles_it_only_where_half_of_its_time_is_left() {
    for name in ["alone", "beside"] {
        for (asks_at, expected) in [(5500, 2), (3500, 1)] {
            let (layer, runs) = (ChannelLayer::memory(), Runs::default());
            let app = Router::new()
                .route("/quick", layer.serve::<Slow>().into_route())
                .route("/slow", layer.serve::<Slow>().middleware(Thinks).into_route())
                .with_state(Arc::clone(&runs));
            let mut quick = testing::connect_to(&app).path("/quick").await.unwrap();
            let mut slow = testing::connect_to(&app).path("/slow").await.unwrap();
            quick.request(1, name, &()).await;
            tokio::time::sleep(Duration::from_millis(asks_at)).await;
            slow.request(1, name, &()).await;
            for client in [&mut quick, &mut slow] {
                let late = client.next_message().await;
                assert_eq!((&late.data["error_code"], late.re), (&json!("TIMEOUT_ERROR"), Some(json!(1))));
            }
            assert_eq!(runs.load(Ordering::SeqCst), expected, "{name}, asked after {asks_at} ms");
        }
    }
}
