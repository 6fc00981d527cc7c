//! The one layer of a process: installed once, replaced in a scope, usable from anywhere.

use channels::{ChannelLayer, Config, get_channel_layer, try_get_channel_layer};
use channels_tests::probe::{ServerMessage, Stage, Text, World};

fn named(name: &str) -> ChannelLayer {
    ChannelLayer::memory_with(Config::builder().server_instance_id(name).build().unwrap())
}

fn name() -> Option<String> {
    try_get_channel_layer().map(|layer| layer.config().server_instance_id().to_owned())
}

/// The only test of this process that installs one.
#[tokio::test(start_paused = true)]
async fn the_first_layer_stays() {
    assert!(name().is_none());
    let panic = std::panic::catch_unwind(get_channel_layer).unwrap_err();
    assert!(panic.downcast_ref::<&str>().unwrap().contains("install"));

    let first = Stage::over(World { groups: vec!["all"], ..World::default() }, named("first"));
    first.layer.install().unwrap();
    let error = named("second").install().unwrap_err();
    assert!(error.to_string().contains("already installed"));
    first.layer.install().unwrap_err();
    assert_eq!(name().unwrap(), "first");

    // A scope goes before it, in this task only.
    let inside = named("scoped").scope(async {
        let spawned = tokio::spawn(async { name() }).await.unwrap();
        (name(), spawned)
    });
    assert_eq!(inside.await, (Some("scoped".to_owned()), Some("first".to_owned())));
    assert_eq!(name().unwrap(), "first");

    // A thread that knows no runtime sends all the same.
    let mut ada = first.connect("ada").await;
    ada.joined("all").await;
    first.until(|_| ada.connection().state() == channels::ConnectionState::Connected).await;
    let handle = tokio::runtime::Handle::current();
    let sent = std::thread::spawn(move || {
        let said = || ServerMessage::Said(Text { text: "from a thread".into() });
        let with_handle = handle.block_on(get_channel_layer().send_to_group("all", said()));
        let without = futures_util::FutureExt::now_or_never(get_channel_layer().send_to_user("ada", said()));
        (with_handle.unwrap().local, without.unwrap().unwrap().local)
    });
    assert_eq!(sent.join().unwrap(), (1, 1));
    for _ in 0..2 {
        assert_eq!(ada.recv::<Text>().await.text, "from a thread");
    }
}
