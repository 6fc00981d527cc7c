//! What a reload finds again.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::browser::{Browser, Screen};
use crate::chat::Chat;
use crate::client::Client;

#[tokio::test]
async fn a_reload_comes_back_as_the_same_user_to_the_same_rooms_and_messages() {
    let chat = Chat::start().await;
    let browser = Browser::start();
    let (ada, bob) = browser.two_in_rust(&chat).await;
    bob.join("tea").await;
    bob.open_room("rust").await;
    let mut expected = Vec::new();
    for (window, line) in [(&ada, "ada: ok"), (&ada, "ada: ok"), (&bob, "bob: ok"), (&ada, "ada: fine")] {
        window.say(&line[5..]).await;
        expected.push(line);
        ada.reads_log(&expected).await;
    }
    bob.reads_log(&expected).await;
    bob.type_into("@message-input", "half a sen").await;
    bob.reload().await;
    bob.is_online().await;
    bob.is_in("rust").await;
    bob.reads_log(&expected).await;
    bob.sees("@room-list [data-room=tea][data-joined=true]").await;
    bob.reads("@me", "bob").await;
    // What was typed and not sent is still there, and the conversation goes on.
    bob.until("$('@message-input').value === 'half a sen'", &[]).await;
    bob.say("tence").await;
    expected.push("bob: half a sentence");
    ada.reads_log(&expected).await;
    bob.reads_log(&expected).await;
    bob.sees_no("[data-unread]").await;
    ada.is_clean().await;
    bob.is_clean().await;
}

#[tokio::test]
async fn a_long_history_is_read_in_steps() {
    let chat = Chat::start().await;
    let browser = Browser::start();
    let lines = chat.fill("rust", 130).await;
    let lines: Vec<_> = lines.iter().map(String::as_str).collect();
    let ada = browser.open(Screen::Desktop).await;
    ada.sign_in(&chat, "ada").await;
    ada.join("rust").await;
    ada.reads_log(&lines[30..]).await;
    ada.is_at_the_end().await;
    ada.click("@message-log .gap button").await;
    ada.reads_log(&lines).await;
    ada.sees_no("@message-log .gap").await;
    ada.is_clean().await;
}

#[tokio::test]
async fn one_user_in_two_windows_reads_the_same() {
    let chat = Chat::start().await;
    let browser = Browser::start();
    let (ada, bob) = browser.two_in_rust(&chat).await;
    let other = browser.open(Screen::Desktop).await;
    other.sign_in(&chat, "ada").await;
    other.join("rust").await;
    other.say("one").await;
    bob.say("two").await;
    for window in [&ada, &other, &bob] {
        window.reads_log(&["ada: one", "bob: two"]).await;
    }
    bob.click("@members [data-user=ada] button").await;
    bob.say_privately("psst").await;
    for window in [&ada, &other] {
        window.sees("@private-list [data-peer=bob][data-unread='1']").await;
        window.is_clean().await;
    }
    bob.is_clean().await;
}

#[tokio::test]
async fn a_link_signs_in_and_joins() {
    let chat = Chat::start().await;
    let browser = Browser::start();
    let window = browser.open(Screen::Desktop).await;
    let name = "🦀 Ünïcode/%2e?";
    let encoded = utf8_percent_encode(name, NON_ALPHANUMERIC).to_string();
    let mut bob = Client::connect(&chat.address, "bob").await;
    bob.join("c++ & more").await;
    window.go_to(&format!("{}/?user={encoded}&room=c%2B%2B%20%26%20more", chat.url())).await;
    window.is_in("c++ & more").await;
    let joined = bob.until("user_joined_room").await;
    assert_eq!(joined["user_id"], name);
    window.until("location.pathname + location.search === '/'", &[]).await;
    window.is_clean().await;
}
