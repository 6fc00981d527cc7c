//! What is not possible is said in words, beside what caused it.

use fantoccini::key::Key;
use serde_json::json;

use crate::browser::{Browser, Screen};
use crate::chat::Chat;

#[tokio::test]
async fn names_that_cannot_be_are_refused_in_words() {
    let chat = Chat::start().await;
    let browser = Browser::start();
    let ada = browser.open(Screen::Desktop).await;
    ada.go_to(&chat.url()).await;
    ada.click("@signin-submit").await;
    ada.reads("@signin-error", "Type a name first").await;
    ada.type_into("@signin-name", &"a".repeat(129)).await;
    ada.click("@signin-submit").await;
    ada.reads("@signin-error", "At most 128 characters").await;
    // One less is just right.
    ada.type_into("@signin-name", &(Key::Backspace + &Key::Enter)).await;
    ada.is_online().await;
    ada.type_into("@join-input", &("r".repeat(51) + &Key::Enter)).await;
    ada.reads("@join-error", "At most 50 characters").await;
    ada.type_into("@join-input", &(Key::Backspace + &Key::Enter)).await;
    ada.is_in(&"r".repeat(50)).await;
    ada.is_clean().await;
}

#[tokio::test]
async fn a_stranger_cannot_be_written_to() {
    let chat = Chat::start().await;
    let browser = Browser::start();
    let ada = browser.open(Screen::Desktop).await;
    ada.sign_in(&chat, "ada").await;
    ada.type_into("@private-open-input", "nobody").await;
    ada.click("@private-open-submit").await;
    ada.say_privately("are you there?").await;
    ada.reads_log(&["ada: are you there? (failed)"]).await;
    ada.reads("@private-log [data-state=failed]", "nobody called “nobody” has ever been here").await;
    // What would be lost is not lost without a question.
    ada.click("@signout").await;
    ada.reads("@confirm", "One message has not been sent").await;
    ada.click("@confirm-no").await;
    ada.sees_no("@confirm").await;
    ada.click("@private-log @discard").await;
    ada.reads_log(&[]).await;
    ada.is_clean().await;
}

#[tokio::test]
async fn too_many_messages_at_once_fail_in_words_and_go_on_request() {
    let chat = Chat::start().await;
    let browser = Browser::start();
    let (ada, bob) = browser.two_in_rust(&chat).await;
    let burst: String = (1..=40).map(|n| n.to_string() + &Key::Enter).collect();
    ada.type_into("@message-input", &burst).await;
    ada.reads("@message-log [data-state=failed]", "Not sent. Too many messages").await;
    ada.until("$$('@message-log [data-message]').length === 40", &[]).await;
    ada.until("$$('@message-log [data-pending]').length === 0", &[]).await;
    // What was sent has arrived, in order; what was not, has not.
    let (failed, sent): (Vec<_>, Vec<_>) = ada.log().await.into_iter().partition(|line| line.ends_with("(failed)"));
    assert!(sent.len() >= 20 && !failed.is_empty(), "{sent:?} {failed:?}");
    bob.reads_log(&sent.iter().map(String::as_str).collect::<Vec<_>>()).await;
    ada.click("@message-log @retry").await;
    let retried = failed[0].trim_end_matches(" (failed)");
    let all: Vec<_> = sent.iter().map(String::as_str).chain([retried]).collect();
    bob.reads_log(&all).await;
    for _ in &failed[1..] {
        ada.click("@message-log @discard").await;
    }
    ada.reads_log(&all).await;
    assert_eq!(ada.ask("$$('@retry, @discard').length", &[]).await, json!(0));
    ada.is_clean().await;
    bob.is_clean().await;
}

#[tokio::test]
async fn a_page_that_floods_stays_away_as_long_as_it_is_told() {
    const WAITS: &str = r"/too much to do right now\. Trying again in 3[56]\d\d s/.test($('@banner').innerText)";
    let chat = Chat::with(&[("WS_FRAMES_PER_CONNECTION", "50/1h")]).await;
    let browser = Browser::start();
    let ada = browser.open(Screen::Desktop).await;
    ada.sign_in(&chat, "ada").await;
    // What it sends next it sends a thousand times.
    let flood = "void (WebSocket.prototype.send = ((send) => function (data) {
        for (let n = 0; n < 1_000; n++) send.call(this, data);
    })(WebSocket.prototype.send))";
    ada.ask(flood, &[]).await;
    ada.type_into("@join-input", "rust").await;
    ada.click("@join-submit").await;
    ada.until(WAITS, &[]).await;
    // Nor does it come sooner because the network is back.
    ada.ask("void dispatchEvent(new Event('online'))", &[]).await;
    assert_eq!(ada.ask(WAITS, &[]).await, json!(true));
}
