//! Two windows at two servers that share a Redis.

use channels_tests::redis::RedisServer;

use crate::browser::{Browser, Screen};
use crate::chat::Chat;
use crate::http::get;
use crate::server::PATIENCE;
use crate::window::Window;

/// Ada at one server and Bob at the other, both in the room "rust", and each sees the other there.
async fn two_in_rust(browser: &Browser, one: &Chat, other: &Chat) -> (Window, Window) {
    let enter = async |chat: &Chat, name| {
        let window = browser.open(Screen::Desktop).await;
        window.sign_in(chat, name).await;
        window.join("rust").await;
        window
    };
    let (ada, bob) = tokio::join!(enter(one, "ada"), enter(other, "bob"));
    ada.sees("@members [data-user=bob][data-status=online]").await;
    bob.sees("@members [data-user=ada][data-status=online]").await;
    (ada, bob)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_people_at_two_servers_talk_as_at_one() {
    let redis = RedisServer::start();
    let (one, other, _folder) = Chat::two(&redis).await;
    let browser = Browser::start();
    let (ada, bob) = two_in_rust(&browser, &one, &other).await;
    ada.say("hello bob").await;
    bob.reads_log(&["ada: hello bob"]).await;
    bob.say("hello ada").await;
    for window in [&ada, &bob] {
        window.reads_log(&["ada: hello bob", "bob: hello ada"]).await;
        window.reads("@room-list [data-room=rust] @count", "2").await;
    }
    bob.type_into("@message-input", "w").await;
    ada.reads("@typing", "bob is typing").await;
    // The history is one, wherever it is read.
    bob.reload().await;
    bob.is_in("rust").await;
    bob.reads_log(&["ada: hello bob", "bob: hello ada"]).await;
    ada.type_into("@private-open-input", "bob").await;
    ada.click("@private-open-submit").await;
    ada.say_privately("psst").await;
    bob.sees("@private-list [data-peer=ada][data-unread='1']").await;
    ada.is_clean().await;
    bob.is_clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_redis_is_away_the_page_says_so_and_afterwards_goes_on() {
    let redis = RedisServer::start();
    let (one, other, _folder) = Chat::two(&redis).await;
    let browser = Browser::start();
    let (ada, bob) = two_in_rust(&browser, &one, &other).await;
    ada.say("before").await;
    bob.reads_log(&["ada: before"]).await;
    redis.kill_9();
    // The connection lives on; what cannot be sent stays there, with the reason and a way to try again.
    ada.say("not now").await;
    ada.reads_log(&["ada: before", "ada: not now (failed)"]).await;
    ada.reads("@message-log [data-state=failed]", "nothing was sent").await;
    ada.type_into("@join-input", "tea").await;
    ada.click("@join-submit").await;
    ada.reads("@join-error", "now").await;
    ada.is_online().await;
    // Who comes now waits until it can be.
    bob.reload().await;
    redis.restart();
    for chat in [&one, &other] {
        let ready = async { while get(&chat.address, "/readyz").await.status != 200 {} };
        tokio::time::timeout(PATIENCE, ready).await.unwrap();
    }
    bob.is_in("rust").await;
    ada.click("@message-log @retry").await;
    for window in [&ada, &bob] {
        window.reads_log(&["ada: before", "ada: not now"]).await;
    }
    bob.say("here we are again").await;
    ada.reads_log(&["ada: before", "ada: not now", "bob: here we are again"]).await;
    ada.click("@join-submit").await;
    ada.is_in("tea").await;
    ada.is_clean_after_an_outage().await;
    bob.is_clean_after_an_outage().await;
}
