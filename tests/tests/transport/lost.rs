//! A socket that breaks while it is written to: what the client had said before still counts.

use std::time::Duration;

use channels::ClosedBy;
use channels_tests::frame::Frame;
use channels_tests::probe::{ServerMessage, Stage, Text, World};
use channels_tests::raw::Raw;
use channels_tests::socket;

/// The write fails before the server has read the close frame, which came first: the client has left in good order.
#[tokio::test]
async fn a_write_that_fails_beside_the_clients_close_frame_is_no_loss() {
    let stage = Stage::new(World { groups: vec!["all"], ..World::default() });
    let server = socket::serve(&stage).await;
    let client = Raw::open(server.address, "/ws/ada").await;
    stage.until(|_| stage.layer.registry().group_len("all") == 1).await;
    // From here on without a pause for this runtime's only thread, so that nobody reads meanwhile.
    let goodbye = Frame::close(1000, "bye").bytes();
    assert_eq!(client.0.try_write(&goodbye).unwrap(), goodbye.len());
    drop(client);
    let say = async |text: &str| {
        let message = ServerMessage::Said(Text { text: text.into() });
        stage.layer.send_to_group("all", message).await.unwrap();
    };
    let mut tries = 0;
    while stage.layer.stats().dropped == 0 {
        say("is anybody there?").await;
        std::thread::sleep(Duration::from_millis(10));
        tries += 1;
        assert!(tries < 1000, "a socket that is closed takes everything");
    }
    stage.until(|world| world.ends().len() == 1).await;
    let end = &stage.world.ends()[0];
    assert_eq!((end.code, end.by, end.clean), (1000, ClosedBy::Client, true));
    assert_eq!(stage.layer.stats().lost, 0);
    stage.empty().await;
    server.stop().await;
}
