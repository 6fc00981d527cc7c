//! The whole way without a mouse.

use fantoccini::key::Key;
use serde_json::json;

use crate::browser::{Browser, Screen};
use crate::chat::Chat;
use crate::client::Client;
use crate::window::Window;

/// More steps than the page has.
const ROUND: usize = 60;

/// Where the focus is. Nowhere is what lies between the last element and the first.
const FOCUS: &str = "((focus) => {
    if (focus === document.body) return 'nowhere';
    if (!seen(focus) || !focus.matches(':focus-visible')) return focus.outerHTML;
    return focus === $(a[0]) ? 'there' : 'shown';
})(document.activeElement)";

/// Steps on, or back, until the focus is there; whoever looks must see where it is at every step.
async fn step_to(window: &Window, selector: &str, back: bool) {
    for _ in 0..ROUND {
        if back {
            window.press_with_shift(Key::Tab).await;
        } else {
            window.press(&Key::Tab).await;
        }
        let focus = window.ask(FOCUS, &[json!(selector)]).await;
        match focus.as_str() {
            Some("there") => return,
            Some("shown" | "nowhere") => {}
            _ => panic!("the focus is where nobody sees it: {focus}"),
        }
    }
    panic!("{selector} can't be reached with the keyboard");
}

#[tokio::test]
async fn everything_can_be_done_with_the_keyboard() {
    let chat = Chat::start().await;
    let browser = Browser::start();
    let ada = browser.open(Screen::Desktop).await;
    let mut bob = Client::connect(&chat.address, "bob").await;
    bob.join("rust").await;
    ada.go_to(&chat.url()).await;
    ada.has_focus("@signin-name").await;
    ada.press(&("ada".to_owned() + &Key::Enter)).await;
    ada.is_online().await;
    // The first thing to do is to join, and then to write.
    ada.has_focus("@empty input").await;
    ada.press(&("tea".to_owned() + &Key::Enter)).await;
    ada.is_in("tea").await;
    ada.has_focus("@message-input").await;
    step_to(&ada, "@join-input", true).await;
    ada.press(&("rust".to_owned() + &Key::Enter)).await;
    ada.is_in("rust").await;
    ada.has_focus("@message-input").await;
    ada.press("hello").await;
    ada.press_with_shift(Key::Enter).await;
    ada.press(&("world".to_owned() + &Key::Enter)).await;
    ada.reads_log(&["ada: hello\nworld"]).await;
    assert_eq!(bob.until("chat_message").await["text"], "hello\nworld");
    // The button does the same, and the focus comes back.
    ada.press("again").await;
    step_to(&ada, "@send", false).await;
    ada.press(&Key::Space).await;
    assert_eq!(bob.until("chat_message").await["text"], "again");
    // Write to somebody of the members.
    step_to(&ada, "@members [data-user=bob] button", false).await;
    ada.press(&Key::Enter).await;
    ada.has_focus("@private-input").await;
    ada.press(&("psst".to_owned() + &Key::Enter)).await;
    assert_eq!(bob.until("private_message").await["text"], "psst");
    // Back to the room, and leave both; the focus is not lost with the button that is gone.
    step_to(&ada, "@room-list [data-room=rust] button", true).await;
    ada.press(&Key::Enter).await;
    ada.has_focus("@message-input").await;
    step_to(&ada, "@leave-room", true).await;
    ada.press(&Key::Enter).await;
    assert_eq!(bob.until("user_left_room").await["user_id"], "ada");
    ada.sees("@room-list [data-room=rust][data-joined=false]").await;
    ada.is_in("tea").await;
    ada.has_focus("@message-input").await;
    step_to(&ada, "@leave-room", true).await;
    ada.press(&Key::Enter).await;
    ada.sees("@empty").await;
    ada.has_focus("@empty input").await;
    ada.is_clean().await;
}
