//! What a client gets, whatever carries its frames: one list of behaviours for every transport.
//!
//! [`contract!`](crate::contract) makes a test of each.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use channels::{ClosedBy, Config};
use futures_util::StreamExt;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use crate::echo::Echo;
use crate::probe::{End, Hint, Moved, Probe, ServerMessage, Stage, Text, World};
use crate::socket::{Socket, soon};

/// A server, and how its clients reach it.
pub trait Transport: Sized + Send + Sync {
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Serves [`app`] until its layer is drained.
    fn serve(stage: &Stage) -> impl Future<Output = Self> + Send;

    /// Opens a WebSocket.
    fn connect(&self, path: &str) -> impl Future<Output = Socket<Self::Stream>> + Send;

    /// Ends the server as a program would.
    fn stop(self) -> impl Future<Output = ()> + Send;
}

/// The probe as `/ws/{user}`, and `/echo`.
pub fn app(stage: &Stage) -> Router {
    let probe = Router::new().route("/ws/{user}", stage.layer.serve::<Probe>().into_route());
    let echo = Router::new().route("/echo", stage.layer.serve::<Echo>().into_route());
    echo.merge(probe.with_state(Arc::clone(&stage.world)))
}

/// A test for each behaviour.
#[macro_export]
macro_rules! contract {
    ($transport:ty) => {
        $crate::contract! { $transport:
            texts_and_binaries_of_any_size_are_echoed
            fragments_are_joined_and_a_ping_between_them_is_answered
            all_members_of_a_group_see_one_order
            the_servers_close_arrives_with_its_code
            the_clients_close_is_answered
            a_client_that_is_gone_is_lost
            what_is_sent_where_a_socket_broke_is_counted_while_its_handler_runs
            a_message_over_the_limit_is_refused
            who_does_not_read_is_closed_and_others_go_on
            who_does_not_read_gets_the_latest_and_is_not_closed
            what_a_type_does_without_closes_nobody
            a_drain_closes_with_1012
            who_is_dropped_at_the_drains_deadline_is_told
        }
    };
    ($transport:ty: $($behaviour:ident)*) => {
        $(
            #[tokio::test]
            async fn $behaviour() {
                $crate::transports::$behaviour::<$transport>().await;
            }
        )*
    };
}

/// A client whose session has begun.
async fn enter<T: Transport>(server: &T, user: &str) -> Socket<T::Stream> {
    let mut client = server.connect(&format!("/ws/{user}")).await;
    assert_eq!(client.request("quiet", json!({})).await["type"], "$ok");
    client
}

/// After the close frame: the answer leaves, and the stream ends.
async fn ended<T: Transport>(mut client: Socket<T::Stream>) {
    let end = client.next().await;
    assert!(end.is_none(), "it did not end: {end:?}");
}

/// How the only session ended, and that it left nothing behind.
async fn end(stage: &Stage) -> End {
    stage.until(|world| world.ends().len() == 1).await;
    stage.empty().await;
    stage.world.ends().remove(0)
}

pub async fn texts_and_binaries_of_any_size_are_echoed<T: Transport>() {
    let stage = Stage::new(World::default());
    let server = T::serve(&stage).await;
    let mut client = server.connect("/echo").await;
    for size in [0, 1, 125, 126, 65_535, 65_536, 1 << 20] {
        let text = "é".repeat(size / 2) + &"x".repeat(size % 2);
        let binary: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
        for message in [Message::text(text), Message::binary(binary)] {
            client.send(message.clone()).await;
            let echoed = client.next().await.unwrap().unwrap();
            assert!(echoed == message, "{size} bytes came back as {} others", echoed.len());
        }
    }
}

pub async fn fragments_are_joined_and_a_ping_between_them_is_answered<T: Transport>() {
    let stage = Stage::new(World::default());
    let server = T::serve(&stage).await;
    let mut client = server.connect("/echo").await;
    // A character in two fragments.
    let (first, rest) = "né🦀".as_bytes().split_at(2);
    client.send(Message::Frame(Frame::message(first.to_vec(), OpCode::Data(Data::Text), false))).await;
    client.send(Message::Ping("between".into())).await;
    assert_eq!(soon("the pong", client.0.next()).await.unwrap().unwrap(), Message::Pong("between".into()));
    client.send(Message::Frame(Frame::message(rest.to_vec(), OpCode::Data(Data::Continue), true))).await;
    assert_eq!(client.next().await.unwrap().unwrap(), Message::text("né🦀"));
}

pub async fn all_members_of_a_group_see_one_order<T: Transport>() {
    const EACH: usize = 40;
    let stage = Stage::new(World { groups: vec!["room"], ..World::default() });
    let server = T::serve(&stage).await;
    let mut clients = Vec::new();
    for user in ["ada", "bob", "eve"] {
        clients.push(enter(&server, user).await);
    }
    for number in 0..EACH {
        for (who, client) in clients.iter_mut().enumerate() {
            client
                .send_json(&json!({"type": "say", "data": {"group": "room", "text": format!("{who} {number}")}}))
                .await;
        }
    }
    let mut seen = Vec::new();
    for client in &mut clients {
        let mut texts = Vec::new();
        for _ in 0..EACH * 3 {
            texts.push(client.next_json().await["data"]["text"].as_str().unwrap().to_owned());
        }
        seen.push(texts);
    }
    assert!(seen.iter().all(|texts| *texts == seen[0]), "{seen:?}");
    for who in 0..3 {
        let sent: Vec<_> = (0..EACH).map(|number| format!("{who} {number}")).collect();
        let of_one: Vec<_> = seen[0].iter().filter(|text| text.starts_with(&who.to_string())).cloned().collect();
        assert_eq!(of_one, sent, "nothing lost, doubled or overtaken");
    }
}

pub async fn the_servers_close_arrives_with_its_code<T: Transport>() {
    let stage = Stage::new(World::default());
    let server = T::serve(&stage).await;
    let mut client = enter(&server, "ada").await;
    client.send_json(&json!({"type": "close"})).await;
    assert_eq!(client.closed().await, (4501, "enough".to_owned()));
    ended::<T>(client).await;
    assert_eq!(end(&stage).await.code, 4501);
}

pub async fn the_clients_close_is_answered<T: Transport>() {
    let stage = Stage::new(World::default());
    let server = T::serve(&stage).await;
    let mut client = enter(&server, "ada").await;
    let bye = CloseFrame { code: 1000.into(), reason: "bye".into() };
    soon("the close", client.0.close(Some(bye))).await.unwrap();
    assert_eq!(client.closed().await.0, 1000);
    ended::<T>(client).await;
    let end = end(&stage).await;
    assert_eq!((end.code, end.by, end.clean), (1000, ClosedBy::Client, true));
}

pub async fn a_client_that_is_gone_is_lost<T: Transport>() {
    let stage = Stage::new(World { groups: vec!["room"], ..World::default() });
    let server = T::serve(&stage).await;
    drop(enter(&server, "ada").await);
    let end = end(&stage).await;
    assert_eq!((end.code, end.by, end.groups), (1006, ClosedBy::Lost, vec!["room".to_owned()]));
}

/// It is a member as long as its handler runs, and each of its group's messages is in one number.
pub async fn what_is_sent_where_a_socket_broke_is_counted_while_its_handler_runs<T: Transport>() {
    const AFTERWARDS: u64 = 50;
    let config = Config::builder().disconnect_timeout(Duration::from_secs(600)).build().unwrap();
    let stage = Stage::with(World { groups: vec!["room"], ..World::default() }, config);
    let server = T::serve(&stage).await;
    let mut slow = enter(&server, "slow").await;
    slow.send_json(&json!({"type": "hang", "data": {}})).await;
    stage.until(|world| world.entered() == 1).await;
    let written = stage.layer.stats().messages_out;
    let send = async |size: usize| {
        let message = ServerMessage::Said(Text { text: "x".repeat(size) });
        let settled = stage.layer.tracked().send_to_group("room", message).await.unwrap().settled().await;
        (settled.queued, settled.dropped)
    };
    // More than the socket holds, so that some of it waits, and a writer has some in hand.
    let mut queued = 0;
    for _ in 0..200 {
        assert_eq!(send(20_000).await, (1, 0));
        queued += 1;
    }
    drop(slow);
    let learned = async {
        loop {
            match send(1).await {
                (1, 0) => queued += 1,
                outcome => return outcome,
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert_eq!(soon("that nothing can be written any more", learned).await, (0, 1));
    for _ in 0..AFTERWARDS {
        assert_eq!(send(1).await, (0, 1));
    }
    assert_eq!(stage.layer.registry().group_len("room"), 1, "it has not left");
    let each = async {
        loop {
            let stats = stage.layer.stats();
            let settled = stats.messages_out - written + stats.dropped;
            if settled >= queued + 1 + AFTERWARDS {
                return settled;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert_eq!(soon("a number for each", each).await, queued + 1 + AFTERWARDS, "each is in one number");
    assert_eq!(stage.world.finished(), 0);
}

pub async fn a_message_over_the_limit_is_refused<T: Transport>() {
    let stage = Stage::with(World::default(), Config::builder().max_message_size(1000).build().unwrap());
    let server = T::serve(&stage).await;
    let mut client = enter(&server, "ada").await;
    client.send(Message::binary(vec![0; 1001])).await;
    assert_eq!(client.closed().await.0, 1009);
    ended::<T>(client).await;
    assert_eq!(end(&stage).await.code, 1009);
}

pub async fn who_does_not_read_is_closed_and_others_go_on<T: Transport>() {
    let config = Config::builder().outbox_messages(64).outbox_bytes(1 << 20).build().unwrap();
    let stage = Stage::with(World { groups: vec!["room"], ..World::default() }, config);
    let server = T::serve(&stage).await;
    let mut ada = enter(&server, "ada").await;
    let mut slow = enter(&server, "slow").await;
    let text = "x".repeat(50_000);
    while stage.layer.stats().dropped == 0 {
        let message = ServerMessage::Said(Text { text: text.clone() });
        stage.layer.send_to_group("room", message).await.unwrap();
        let sent = Instant::now();
        assert_eq!(ada.next_json().await["data"]["text"], text);
        assert!(sent.elapsed() < Duration::from_secs(5), "delayed by another: {:?}", sent.elapsed());
    }
    assert_eq!(slow.closed().await.0, 4413, "who reads again in time learns why");
    stage.until(|world| world.ends().len() == 1).await;
    assert_eq!(stage.world.ends()[0].code, 4413);
    assert_eq!(ada.request("echo", json!({"text": "on"})).await["data"]["text"], "on");
}

/// More than sockets, and an outbox of the two tests below, ever hold.
const TOO_MUCH: usize = 400;

async fn slow_house<T: Transport>() -> (Stage, T) {
    let config = Config::builder().outbox_messages(16).outbox_bytes(1 << 20).build().unwrap();
    let stage = Stage::with(World { groups: vec!["room"], ..World::default() }, config);
    let server = T::serve(&stage).await;
    (stage, server)
}

pub async fn who_does_not_read_gets_the_latest_and_is_not_closed<T: Transport>() {
    const KEYS: usize = 3;
    let (stage, server) = slow_house::<T>().await;
    let (mut ada, mut slow) = (enter(&server, "ada").await, enter(&server, "slow").await);
    for number in 0..TOO_MUCH {
        let moved = Moved { padding: "x".repeat(50_000), ..Moved::new(&(number % KEYS).to_string(), number) };
        stage.layer.send_to_group("room", ServerMessage::Moved(moved)).await.unwrap();
        assert_eq!(ada.next_json().await["data"]["to"], number, "who reads gets each");
    }
    let (mut received, mut last) = (0, None);
    while last != Some(TOO_MUCH as u64 - 1) {
        let message = slow.next_json().await;
        let number = message["data"]["to"].as_u64();
        assert!(last < number, "{last:?}, then {number:?}");
        // The latest of the other keys are the last two before it.
        let behind = TOO_MUCH as u64 - 1 - number.unwrap();
        assert!(behind >= KEYS as u64 || last.is_some_and(|last| last + 1 >= number.unwrap() || behind == 2));
        (received, last) = (received + 1, number);
    }
    let stats = stage.layer.stats();
    assert_eq!((received + stats.conflated, stats.dropped), (TOO_MUCH as u64, 0), "{received} received");
    assert!(stats.conflated > 0);
    assert_eq!(slow.request("echo", json!({"text": "on"})).await["data"]["text"], "on");
}

pub async fn what_a_type_does_without_closes_nobody<T: Transport>() {
    let (stage, server) = slow_house::<T>().await;
    let (mut ada, mut slow) = (enter(&server, "ada").await, enter(&server, "slow").await);
    for number in 0..TOO_MUCH {
        let hint = Hint { hint: format!("{number} {}", "x".repeat(50_000)) };
        stage.layer.send_to_group("room", ServerMessage::Hinted(hint)).await.unwrap();
        assert_eq!(ada.next_json().await["type"], "hinted");
    }
    let dropped = stage.layer.stats().dropped;
    assert!(dropped > 0);
    let mut last = None;
    for _ in 0..TOO_MUCH as u64 - dropped {
        let message = slow.next_json().await;
        let number: usize = message["data"]["hint"].as_str().unwrap().split(' ').next().unwrap().parse().unwrap();
        assert!(last < Some(number), "{last:?}, then {number}");
        last = Some(number);
    }
    // Nothing else comes before the answer: what was not dropped has come, all of it.
    assert_eq!(slow.request("echo", json!({"text": "on"})).await["data"]["text"], "on");
    assert_eq!(stage.layer.stats().dropped, dropped);
}

pub async fn a_drain_closes_with_1012<T: Transport>() {
    let stage = Stage::new(World::default());
    let server = T::serve(&stage).await;
    let mut clients = Vec::new();
    for number in 0..5 {
        clients.push(enter(&server, &format!("user-{number}")).await);
    }
    let reading = tokio::spawn(async move {
        for mut client in clients {
            assert_eq!(client.closed().await.0, 1012);
            ended::<T>(client).await;
        }
    });
    server.stop().await;
    reading.await.unwrap();
    assert!(stage.world.ends().iter().all(|end| end.code == 1012));
    assert_eq!(stage.world.ends().len(), 5);
    stage.empty().await;
}

/// At the drain's deadline a handler is dropped where it is; its client learns why all the same.
pub async fn who_is_dropped_at_the_drains_deadline_is_told<T: Transport>() {
    let config = Config::builder().drain_timeout(Duration::from_millis(200)).build().unwrap();
    let stage = Stage::with(World::default(), config);
    let server = T::serve(&stage).await;
    let mut ada = enter(&server, "ada").await;
    ada.send_json(&json!({"type": "hang", "data": {}})).await;
    stage.until(|world| world.entered() == 1).await;
    stage.layer.drain();
    assert_eq!(ada.closed().await.0, 1012);
    stage.layer.drained().await;
}
