//! A thread that ends: what is sent by what it leaves behind is sent, though nothing can be held back any more.

use std::cell::RefCell;

use channels_tests::probe::{ServerMessage, Stage, Text, World};
use channels_tests::socket;
use futures_util::FutureExt;

/// Sends when its thread ends.
struct LastWords(Box<dyn Fn(&str)>);

impl Drop for LastWords {
    fn drop(&mut self) {
        (self.0)("last words");
        (self.0)("and one more");
    }
}

thread_local! {
    static LAST_WORDS: RefCell<Option<LastWords>> = const { RefCell::new(None) };
}

#[tokio::test]
async fn what_a_thread_sends_at_its_end_arrives() {
    let stage = Stage::new(World { groups: vec!["all"], ..World::default() });
    let server = socket::serve(&stage).await;
    let mut ada = server.connect("ada").await;
    stage.until(|_| stage.layer.registry().group_len("all") == 1).await;
    let layer = stage.layer.clone();
    let say = move |text: &str| {
        let message = ServerMessage::Said(Text { text: text.into() });
        let sent = layer.send_to_group("all", message).now_or_never().expect("it waits for nothing");
        assert_eq!(sent.unwrap().local, 1);
    };
    let thread = std::thread::spawn(move || {
        // What a thread made first it drops last: the library's own has gone by then.
        LAST_WORDS.with_borrow_mut(|last| *last = Some(LastWords(Box::new(say.clone()))));
        say("a word");
    });
    for text in ["a word", "last words", "and one more"] {
        assert_eq!(ada.next_json().await["data"]["text"], text);
    }
    thread.join().unwrap();
    server.stop().await;
}
