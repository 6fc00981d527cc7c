//! Two people in one room.

use fantoccini::key::Key;
use serde_json::json;

use crate::browser::Browser;
use crate::chat::Chat;
use crate::client::Client;

#[tokio::test]
async fn messages_go_both_ways() {
    let chat = Chat::start().await;
    let browser = Browser::start();
    let (ada, bob) = browser.two_in_rust(&chat).await;
    ada.say("hello bob").await;
    bob.reads_log(&["ada: hello bob"]).await;
    bob.say("hello ada").await;
    let both = ["ada: hello bob", "bob: hello ada"];
    ada.reads_log(&both).await;
    bob.reads_log(&both).await;
    // Each knows which of them are its own.
    ada.sees("@message-log [data-own=true][data-from=ada]").await;
    assert_eq!(ada.ask("$$('@message-log [data-own=true]').length", &[]).await, json!(1));
    ada.reads("@room-list [data-room=rust] @count", "2").await;
    ada.is_clean().await;
    bob.is_clean().await;
}

#[tokio::test]
async fn text_is_never_html_and_a_link_is_not_followed() {
    let chat = Chat::start().await;
    let browser = Browser::start();
    let (ada, bob) = browser.two_in_rust(&chat).await;
    let texts = [
        "<img src=x onerror=\"window.caught=1\"><b>bold</b>",
        "<script>window.caught=1</script> &amp; &lt;",
        "look: https://example.org/picture.png",
        "javascript:window.caught=1",
    ];
    for text in texts {
        ada.say(text).await;
    }
    let expected: Vec<_> = texts.iter().map(|text| format!("ada: {text}")).collect();
    let expected: Vec<_> = expected.iter().map(String::as_str).collect();
    for window in [&ada, &bob] {
        window.reads_log(&expected).await;
        let inside = "$$('@message-log .message-text *').map(({ localName, href }) => [localName, href])";
        assert_eq!(window.ask(inside, &[]).await, json!([["a", "https://example.org/picture.png"]]));
        assert_eq!(window.ask("window.caught ?? null", &[]).await, json!(null));
    }
    // A name and a room are text as well.
    ada.join("<b>room</b>").await;
    bob.reload().await;
    bob.reads("@room-list [data-joined=false]", "<b>room</b>").await;
    assert_eq!(ada.ask("$$('@title *, @room-list b').length", &[]).await, json!(0));
    ada.is_clean().await;
    bob.is_clean().await;
}

#[tokio::test]
async fn who_reads_older_messages_is_not_pulled_away_by_new_ones() {
    let chat = Chat::start().await;
    let browser = Browser::start();
    let lines = chat.fill("rust", 40).await;
    let (ada, bob) = browser.two_in_rust(&chat).await;
    let mut expected: Vec<_> = lines.iter().map(String::as_str).collect();
    bob.reads_log(&expected).await;
    bob.is_at_the_end().await;
    bob.click("@message-log").await;
    bob.press(&Key::Home).await;
    bob.sees("@jump").await;
    bob.until("$('@message-log').scrollTop === 0", &[]).await;
    ada.say("news").await;
    expected.push("ada: news");
    bob.reads_log(&expected).await;
    bob.reads("@jump", "1 new message").await;
    assert_eq!(bob.ask("$('@message-log').scrollTop", &[]).await, json!(0));
    bob.click("@jump").await;
    bob.is_at_the_end().await;
    // Whoever is at the end stays there.
    ada.is_at_the_end().await;
    bob.say("I see").await;
    ada.reads("@message-log", "I see").await;
    ada.is_at_the_end().await;
    ada.is_clean().await;
    bob.is_clean().await;
}

#[tokio::test]
async fn who_types_is_shown_to_the_other_until_it_ends() {
    let chat = Chat::start().await;
    let browser = Browser::start();
    let (ada, bob) = browser.two_in_rust(&chat).await;
    // A page forgets by itself who has not typed for long, so that somebody else must hear of the end.
    let mut eve = Client::connect(&chat.address, "eve").await;
    eve.join("rust").await;
    ada.type_into("@message-input", "h").await;
    bob.reads("@typing", "ada is typing").await;
    bob.type_into("@message-input", "w").await;
    ada.reads("@typing", "bob is typing").await;
    // Nobody is told of one's own typing.
    assert_eq!(ada.ask("$('@typing').innerText.includes('ada')", &[]).await, json!(false));
    // It ends with an emptied field, with a message, and by itself.
    ada.type_into("@message-input", &Key::Backspace).await;
    bob.until("$('@typing').innerText === ''", &[]).await;
    assert_eq!(eve.until("user_typing_stop").await["user_id"], "ada");
    bob.say("ait").await;
    ada.until("$('@typing').innerText === ''", &[]).await;
    assert_eq!(eve.until("user_typing_stop").await["user_id"], "bob");
    ada.reads_log(&["bob: wait"]).await;
    ada.type_into("@message-input", "well").await;
    bob.reads("@typing", "ada is typing").await;
    bob.until("$('@typing').innerText === ''", &[]).await;
    assert_eq!(eve.until("user_typing_stop").await["user_id"], "ada");
    ada.is_clean().await;
    bob.is_clean().await;
}
