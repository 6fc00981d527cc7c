//! Ending what others began: a user's connections, and one connection.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use channels::backend::Counts;
use channels::prelude::*;
use channels::{ConnectionId, testing};
use channels_tests::cluster;
use channels_tests::probe::{Millis, ServerMessage, Stage, Text, World};
use channels_tests::watched::Watched;
use tokio::time::{Duration, Instant};

fn said(text: &str) -> ServerMessage {
    ServerMessage::Said(Text { text: text.into() })
}

#[tokio::test(start_paused = true)]
async fn all_connections_of_a_user_end_and_nobody_elses() {
    let stage = Stage::new(World { groups: vec!["rust"], ..World::default() });
    let mut ada = [stage.connect("ada").await, stage.connect("ada").await];
    let mut bob = stage.connect("bob").await;
    stage.until(|_| stage.layer.registry().group_len("rust") == 3).await;
    stage.layer.send_to_user("ada", said("last words")).await.unwrap();
    assert_eq!(stage.layer.close_user("ada", "signed out").await.unwrap().local, 2);
    for window in &mut ada {
        assert_eq!(window.recv::<Text>().await.text, "last words");
        let end = window.closed().await;
        assert_eq!((end.code(), end.text()), (CloseCode::CLOSED_BY_APPLICATION, "signed out"));
    }
    stage.until(|world| world.ends().len() == 2).await;
    bob.assert_silent().await;
    assert_eq!(stage.layer.registry().group_len("rust"), 1);
    assert_eq!(stage.layer.counts().await.unwrap(), Counts { servers: 1, connections: 1, users: 1 });
    assert_eq!(stage.layer.close_user("nobody", "x").await.unwrap().local, 0);
    assert_eq!(stage.layer.close_connection(ConnectionId::new(1, 1), "x").await.unwrap().local, 0);
    assert!(stage.layer.close_user("", "x").await.is_err());
}

#[tokio::test(start_paused = true)]
async fn the_code_may_be_another_and_one_connection_may_stay() {
    let stage = Stage::new(World::default());
    let mut ada = [stage.connect("ada").await, stage.connect("ada").await, stage.connect("ada").await];
    stage.until(|_| stage.layer.registry().connection_count() == 3).await;
    let own = ada[1].connection().id();
    let why = CloseReason::server(CloseCode::POLICY_VIOLATION, "elsewhere");
    assert_eq!(stage.layer.close_user_except("ada", own, why).await.unwrap().local, 2);
    for window in [0, 2] {
        assert_eq!(ada[window].closed().await.code(), CloseCode::POLICY_VIOLATION);
    }
    ada[1].assert_silent().await;
    assert_eq!(stage.layer.close_connection(own, "this one too".to_owned()).await.unwrap().local, 1);
    assert_eq!(ada[1].closed().await.text(), "this one too");
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_waits_comes_to_its_end_first() {
    let stage = Stage::new(World::default());
    let mut ada = stage.connect("ada").await;
    ada.send("wait", &Millis { millis: 100 }).await;
    stage.until(|world| world.entered() == 1).await;
    stage.layer.close_user("ada", "signed out").await.unwrap();
    assert_eq!(ada.recv::<Text>().await.text, "waited");
    assert_eq!(ada.closed().await.text(), "signed out");
    stage.empty().await;
}

#[tokio::test(start_paused = true)]
async fn servers_of_one_backend_close_together() {
    let mut stages = Vec::new();
    for node in cluster::nodes(2) {
        let builder = ChannelLayer::builder(Config::default()).backend(node);
        stages.push(Stage::over(World::default(), builder.connect().await.unwrap()));
    }
    let mut windows = [stages[0].connect("ada").await, stages[1].connect("ada").await];
    for window in &mut windows {
        window.request(0, "quiet", &()).await;
        assert_eq!(window.next_message().await.name, "$ok");
    }
    stages[0].layer.close_user("ada", "signed out").await.unwrap();
    for window in &mut windows {
        assert_eq!(window.closed().await.text(), "signed out");
    }
}

/// The subscription has just been cut, or a queue was full, and nobody knows yet. Whoever signs in again meanwhile stays.
#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_hear_its_own_command_closes_a_second_later() {
    let watched = Watched::default();
    let stage = Stage::over(World::default(), watched.layer().await);
    let mut ada = [stage.connect("ada").await, stage.connect("ada").await];
    let mut bob = stage.connect("bob").await;
    stage.until(|_| stage.layer.registry().connection_count() == 3).await;
    watched.goes_deaf();
    let began = Instant::now();
    assert_eq!(stage.layer.close_user("ada", "signed out").await.unwrap().local, 2);
    let mut again = stage.connect("ada").await;
    // Another reason is the first.
    ada[1].connection().close("too slow");
    assert_eq!(ada[1].closed().await.text(), "too slow");
    assert!(began.elapsed() < Duration::from_secs(1));
    assert_eq!(ada[0].closed().await.text(), "signed out");
    assert_eq!(began.elapsed().as_secs(), 1);
    again.assert_silent().await;
    stage.layer.close_connection(bob.connection().id(), "gone").await.unwrap();
    assert_eq!(bob.closed().await.text(), "gone");
    stage.layer.close_user("ada", "signed out, again").await.unwrap();
    assert_eq!(again.closed().await.text(), "signed out, again");
}

/// Sessions that are signed in.
type Logins = Arc<Mutex<HashSet<&'static str>>>;

/// What the guide shows: a look at the login before the upgrade, and another when the connection can be found.
struct SignedIn;

#[consumer(outgoing = ServerMessage, state = Logins)]
impl SignedIn {
    #[accept]
    fn accept(State(logins): State<Logins>) -> Result<Self, StatusCode> {
        if logins.lock().unwrap().contains("ada") { Ok(Self) } else { Err(StatusCode::UNAUTHORIZED) }
    }

    #[user]
    fn user(&self) -> UserId {
        UserId::new("ada").unwrap()
    }

    #[connect]
    fn connected(&self, conn: Connection, State(logins): State<Logins>) {
        if !logins.lock().unwrap().contains("ada") {
            conn.close("signed out meanwhile");
        }
    }

    #[on_text]
    fn text(&self, text: ByteString) -> ByteString {
        text
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_is_let_in_at_the_moment_of_the_sign_out_does_not_stay() {
    let layer = ChannelLayer::memory();
    let logins = Logins::new(Mutex::new(HashSet::from(["ada"])));
    // The session runs by its own task, which has not been polled: accepted, and nowhere to be found.
    let mut ada = testing::connect::<SignedIn>(&layer, Arc::clone(&logins)).await.unwrap();
    assert_eq!(layer.registry().connection_count(), 0);
    logins.lock().unwrap().clear();
    assert_eq!(layer.close_user("ada", "signed out").await.unwrap().local, 0);
    assert_eq!(ada.closed().await.text(), "signed out meanwhile");
    let refused = testing::connect::<SignedIn>(&layer, logins).await.unwrap_err();
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
}
