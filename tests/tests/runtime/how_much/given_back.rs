//! A place that was taken is free again, whatever becomes of its connection.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::connect_info::MockConnectInfo;
use channels::testing::Client;
use channels::{Error, LimitName};
use channels_tests::probe::{Act, Failure, Probe};
use channels_tests::raw::Raw;
use channels_tests::socket::{self, soon};
use channels_tests::watched::Watched;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::*;

const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 7));
/// One at a time, of an address and of a user.
const ONE: [(&str, &str); 2] = [("WS_CONNECTIONS_PER_ADDRESS", "1"), ("MAX_CONNECTIONS_PER_CLIENT", "1")];

async fn let_in(stage: &Stage) -> Client {
    stage.connecting("ada").address(ADDRESS).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn hooks_that_panic_fail_or_hang_keep_no_place() {
    let acts =
        [Act::Nothing, Act::Panic, Act::Fail(|| Error::internal("no")), Act::Hang, Act::Wait(Duration::from_secs(1))];
    for (on_connect, on_disconnect) in acts.into_iter().flat_map(|first| acts.map(|second| (first, second))) {
        let stage = Stage::with(World { on_connect, on_disconnect, ..World::default() }, config(&ONE));
        for _ in 0..2 {
            let mut ada = let_in(&stage).await;
            for user in ["ada", "bob"] {
                let refused = stage.connecting(user).address(ADDRESS).await.unwrap_err();
                assert_eq!(refused.status(), 429, "{user} while the place is taken");
            }
            ada.send("panic", &json!({})).await;
            ada.send("fail", &Failure { how: "closing".into() }).await;
            ada.lose();
            drop(ada);
            stage.empty().await;
        }
        let_in(&stage).await;
    }
}

#[tokio::test(start_paused = true)]
async fn refused_requests_keep_no_place() {
    let stage = stage(&[ONE[0], ONE[1], ("WS_HANDSHAKES_PER_USER", "1/1h"), ("MAX_TOTAL_CONNECTIONS", "1")]);
    let from = |user: &str| stage.connecting(user).address(ADDRESS);
    let status =
        async |connecting: channels::testing::Connect<'static>| connecting.await.unwrap_err().status().as_u16();
    let elsewhere = stage.connecting("bob").address([203, 0, 113, 8]).await.unwrap();
    for _ in 0..3 {
        assert_eq!(status(from("ada").header("origin", "https://evil.example")).await, 403);
        assert_eq!(status(from("%0A")).await, 400, "by `#[accept]`");
        assert_eq!(status(from("bob")).await, 429, "too many handshakes of a user");
        assert_eq!(status(from("-")).await, 503, "the server is full");
    }
    assert_eq!(counted(&stage, LimitName::ConnectionsPerAddress), (0, 0), "it had one all the time");
    drop(elsewhere);
    stage.empty().await;
    from("-").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_given_up_keeps_no_place() {
    let watched = Watched::default();
    let stage = Stage::over(World::default(), watched.layer_with(config(&ONE)).await);
    let admissions = watched.hold_admissions();
    for number in 0..3 {
        let connecting = tokio::spawn(stage.connecting("ada").address(ADDRESS).into_future());
        stage.until(|_| watched.held_admissions() > number).await;
        let beside = tokio::time::timeout(Duration::from_secs(1), stage.connecting("-").address(ADDRESS)).await;
        assert_eq!(beside.unwrap().unwrap_err().status(), 429, "whoever waits has the address's place");
        connecting.abort();
        assert!(connecting.await.unwrap_err().is_cancelled());
    }
    admissions.add_permits(100);
    let_in(&stage).await;
}

#[tokio::test]
async fn who_goes_before_the_upgrade_is_done_keeps_no_place() {
    let stage = stage(&ONE);
    let route = stage.layer.serve::<Probe>().into_route_with_connect_info();
    let app = Router::new().route("/ws/{user}", route).with_state(Arc::clone(&stage.world));
    let server = socket::serve_app(&stage, app.layer(MockConnectInfo(SocketAddr::from((ADDRESS, 0))))).await;
    let request = format!(
        "GET /ws/ada HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        server.address
    );
    for _ in 0..20 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        // What was not read is answered by a reset.
        stream.set_zero_linger().unwrap();
        drop(stream);
    }
    soon("all have left", stage.empty()).await;
    let raw = Raw::open(server.address, "/ws/ada").await;
    let refused = socket::Socket::open(server.url("bob")).await.map(drop);
    assert!(refused.is_err_and(|error| error.to_string().contains("429")));
    drop(raw);
    soon("the last has left", stage.empty()).await;
    Raw::open(server.address, "/ws/ada").await;
    server.stop().await;
}
