//! The last word of a `#[disconnect]` to a group, which its own connection has not left yet: for who stays.

use channels::prelude::*;
use channels::testing::{self, Client};
use channels_tests::probe::{ServerMessage, Text};

struct Parting {
    tracked: bool,
}

#[consumer(outgoing = ServerMessage)]
impl Parting {
    #[accept]
    fn accept(Path(how): Path<UserId>) -> Self {
        Self { tracked: how.as_str() == "tracked" }
    }

    #[connect]
    async fn connected(&self, conn: Connection) -> Result<(), channels::Error> {
        conn.join("room").await.map(drop)
    }

    #[on_text]
    fn text(&self, _text: ByteString) {}

    #[disconnect]
    async fn left(&self, conn: Connection, layer: ChannelLayer) -> Result<(), channels::Error> {
        assert_eq!(conn.groups(), ["room"], "they are readable");
        let word = ServerMessage::Said(Text { text: "gone".into() });
        if self.tracked {
            let settled = layer.tracked().send_to_group("room", word).await?.settled().await;
            assert!(settled.is_complete());
            assert_eq!((settled.queued, settled.dropped, settled.members()), (1, 0, 1), "of who stays");
        } else {
            layer.send_to_group("room", word).await?;
        }
        Ok(())
    }
}

async fn enter(layer: &ChannelLayer, how: &str) -> Client {
    testing::connect::<Parting>(layer, ()).path(format!("/ws/{how}")).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn who_leaves_and_says_so_has_dropped_nothing() {
    let layer = ChannelLayer::memory();
    let mut bob = enter(&layer, "plain").await;
    for how in ["plain", "tracked"] {
        // By a close frame, by a vanished socket, and by the server.
        let mut ada = enter(&layer, how).await;
        bob.assert_silent().await;
        ada.close(1000).await;
        assert_eq!(bob.recv::<Text>().await.text, "gone");
        drop(enter(&layer, how).await);
        assert_eq!(bob.recv::<Text>().await.text, "gone");
        let ada = enter(&layer, how).await;
        bob.assert_silent().await;
        ada.connection().close("bye");
        assert_eq!(bob.recv::<Text>().await.text, "gone");
        drop(ada);
        bob.assert_silent().await;
    }
    let stats = layer.stats();
    assert_eq!((stats.dropped, stats.errors_total()), (0, 0), "{stats:?}");
}
