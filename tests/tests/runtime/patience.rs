//! What a test is told that waits in vain: where it waits.

use std::panic::{AssertUnwindSafe, Location};

use channels::message::Frame;
use channels::prelude::*;
use channels::testing::{self, Client};
use futures_util::FutureExt;

#[derive(Default)]
struct Echo;

#[consumer]
impl Echo {
    #[on_text]
    fn text(&self, text: ByteString) -> ByteString {
        text
    }

    #[on_binary]
    fn binary(&self, data: Bytes) -> Bytes {
        data
    }
}

/// The words with which it fails, and that they begin with the line that calls this.
#[track_caller]
fn failure<'a, T>(wait: impl Future<Output = T> + 'a) -> impl Future<Output = String> + 'a {
    let line = Location::caller();
    async move {
        let payload = AssertUnwindSafe(wait).catch_unwind().await.err().expect("it did not fail");
        let words = payload.downcast_ref::<String>().expect("no words").clone();
        let here = format!("{}:{}:", line.file(), line.line());
        assert!(words.starts_with(&here), "{words:?} does not begin with {here}");
        words.split_once(": ").expect("only a line").1.to_owned()
    }
}

async fn connect() -> Client {
    testing::connect::<Echo>(&ChannelLayer::memory(), ()).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_in_vain_is_told_where() {
    let mut ada = connect().await;
    assert_eq!(failure(ada.recv::<u8>()).await, "nothing came within 30s");
    assert_eq!(failure(ada.recv_type::<u8>("line")).await, "nothing came within 30s");
    assert_eq!(failure(ada.next_message()).await, "nothing came within 30s");
    assert_eq!(failure(ada.next_frame()).await, "nothing came within 30s");
    assert_eq!(failure(ada.joined("room")).await, "it did not join \"room\" within 30s");
    assert_eq!(failure(ada.closed()).await, "the connection did not end within 300s");
}

#[tokio::test(start_paused = true)]
async fn whoever_gets_something_else_is_told_where() {
    let mut ada = connect().await;
    ada.send_text("hi").await;
    assert_eq!(failure(ada.assert_silent()).await, "silence was expected, and this came: Text(\"hi\")");
    ada.send_text("hi").await;
    assert_eq!(failure(ada.next_message()).await, "what came is no envelope: hi");
    ada.send_binary("hi").await;
    assert_eq!(failure(ada.next_message()).await, "a binary frame of 2 bytes came");
    ada.send("error", &1).await;
    assert_eq!(failure(ada.recv::<u8>()).await, "an error came instead: 1");
    ada.send("line", &"hi").await;
    assert!(failure(ada.recv::<u8>()).await.starts_with("the payload of `line` is another: "));
    ada.send("line", &"hi").await;
    assert!(failure(ada.recv_type::<u8>("line")).await.starts_with("the payload of `line` is another: "));
    ada.send_text("bye").await;
    assert_eq!(ada.next_frame().await, Frame::Text("bye".into()));
    ada.close(1000).await;
    let words = failure(ada.next_frame()).await;
    assert!(words.starts_with("the connection ended: ") && words.contains("1000"), "{words}");
}
