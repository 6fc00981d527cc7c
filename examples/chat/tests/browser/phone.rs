//! A phone: everything fits, and is done with a finger.

use serde_json::json;

use crate::browser::{Browser, Screen};
use crate::chat::Chat;
use crate::client::Client;
use crate::window::Window;

/// Nothing needs to be scrolled sideways: neither the page nor what scrolls within it.
async fn fits(window: &Window) {
    let wide = "$$('body *')
        .filter((element) => seen(element) && element.scrollWidth > element.clientWidth)
        .filter((element) => ['auto', 'scroll'].includes(getComputedStyle(element).overflowX))
        .map((element) => element.outerHTML.slice(0, 100))";
    assert_eq!(window.ask(wide, &[]).await, json!([]));
    assert_eq!(window.ask("[innerWidth, document.documentElement.scrollWidth]", &[]).await, json!([390, 390]));
}

/// It lies in the window as a whole, and a finger that points at it finds it.
async fn in_reach(window: &Window, selector: &str) {
    let reached = "(() => {
        const { left, right, top, bottom } = $(a[0]).getBoundingClientRect();
        const there = document.elementFromPoint((left + right) / 2, (top + bottom) / 2);
        return left >= 0 && right <= innerWidth && top >= 0 && bottom <= innerHeight && $(a[0]).contains(there);
    })()";
    window.until(reached, &[json!(selector)]).await;
}

#[tokio::test]
async fn a_phone_shows_log_and_field_without_scrolling_sideways() {
    let chat = Chat::start().await;
    let browser = Browser::start();
    let ada = browser.open(Screen::Phone).await;
    let mut bob = Client::connect(&chat.address, "bob").await;
    bob.join("rust").await;
    let longest = "W".repeat(50);
    bob.join(&longest).await;
    ada.go_to(&chat.url()).await;
    fits(&ada).await;
    ada.sign_in(&chat, "ada").await;
    ada.reads("@empty", &longest).await;
    fits(&ada).await;
    // The rooms are behind a button here.
    ada.sees_no("@join-input").await;
    ada.click("@sidebar-open").await;
    in_reach(&ada, "@join-input").await;
    fits(&ada).await;
    ada.click("@room-list [data-room=rust] button").await;
    ada.is_in("rust").await;
    ada.sees_no("@join-input").await;
    let long = "Donaudampfschifffahrt".repeat(30);
    bob.send("chat_message", json!({ "room": "rust", "text": long })).await;
    let file = json!({ "room": "rust", "filename": format!("{long:.200}.txt"), "mime_type": "text/plain",
                       "file_size": 1, "file_data": "QQ==" });
    bob.send("file_message", file).await;
    // Two who send at once are in no order; the one answers the other.
    ada.reads_log(&[&format!("bob: {long}"), &format!("bob: [{long:.200}.txt]")]).await;
    ada.say("what a word").await;
    ada.reads_log(&[&format!("bob: {long}"), &format!("bob: [{long:.200}.txt]"), "ada: what a word"]).await;
    for part in ["@message-log", "@message-input", "@send", "@attach", "@leave-room", "@connection-state"] {
        in_reach(&ada, part).await;
    }
    fits(&ada).await;
    // What was said last is what one sees.
    in_reach(&ada, "@message-log [data-message]:last-child").await;
    // The members are behind a button too, and lead to a private conversation.
    ada.click("@members-open").await;
    in_reach(&ada, "@members [data-user=bob] button").await;
    fits(&ada).await;
    ada.click("@members [data-user=bob] button").await;
    in_reach(&ada, "@private-input").await;
    ada.say_privately("psst").await;
    assert_eq!(bob.until("private_message").await["text"], "psst");
    fits(&ada).await;
    ada.is_clean().await;
}
