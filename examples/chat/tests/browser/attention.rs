//! What asks for attention: what is unread, private messages, announcements.

use crate::browser::Browser;
use crate::chat::Chat;
use crate::http::post;

#[tokio::test]
async fn a_room_that_is_not_open_is_marked_unread() {
    let chat = Chat::start().await;
    let browser = Browser::start();
    let (ada, bob) = browser.two_in_rust(&chat).await;
    bob.join("tea").await;
    ada.say("one").await;
    ada.say("two").await;
    bob.sees("@room-list [data-room=rust][data-unread='2']").await;
    bob.until("document.title.startsWith('(2) tea')", &[]).await;
    // What one has said oneself, or has open, is not unread.
    ada.reads_log(&["ada: one", "ada: two"]).await;
    ada.sees_no("@room-list [data-unread]").await;
    bob.open_room("rust").await;
    bob.reads_log(&["ada: one", "ada: two"]).await;
    bob.reads("@message-log .rule", "New").await;
    bob.sees_no("@room-list [data-unread]").await;
    bob.until("document.title.startsWith('rust')", &[]).await;
    ada.is_clean().await;
    bob.is_clean().await;
}

#[tokio::test]
async fn a_private_message_reaches_one_person() {
    let chat = Chat::start().await;
    let browser = Browser::start();
    let (ada, bob) = browser.two_in_rust(&chat).await;
    ada.click("@members [data-user=bob] button").await;
    ada.reads("@title", "bob").await;
    ada.say_privately("only for you").await;
    ada.reads_log(&["ada: only for you"]).await;
    bob.sees("@private-list [data-peer=ada][data-unread='1']").await;
    bob.click("@private-list [data-peer=ada] button").await;
    bob.sees_no("@private-list [data-unread]").await;
    bob.say_privately("thank you").await;
    let both = ["ada: only for you", "bob: thank you"];
    bob.reads_log(&both).await;
    ada.reads_log(&both).await;
    // The room has heard nothing of it, and a reload does not forget it.
    bob.open_room("rust").await;
    bob.reads_log(&[]).await;
    ada.reload().await;
    ada.is_online().await;
    ada.reads_log(&both).await;
    ada.is_clean().await;
    bob.is_clean().await;
}

#[tokio::test]
async fn an_announcement_is_shown_to_everybody() {
    let chat = Chat::start().await;
    let browser = Browser::start();
    let (ada, bob) = browser.two_in_rust(&chat).await;
    let answer = post(&chat.address, "/api/announce?message=Tea%20is%20ready%20%3Cb%3E").await;
    assert_eq!(answer.status, 200);
    for window in [&ada, &bob] {
        window.reads("@toast", "Tea is ready <b>").await;
        window.sees("@notices[data-unread='1']").await;
    }
    let answer = post(&chat.address, "/api/user/bob/notification?message=Your%20cup").await;
    assert_eq!(answer.status, 200);
    bob.reads("@toast", "Your cup").await;
    bob.click("@notices button").await;
    bob.reads("@notices-log", "Tea is ready <b>").await;
    bob.reads("@notices-log", "Your cup").await;
    bob.sees_no("@notices[data-unread]").await;
    ada.sees("@notices[data-unread='1']").await;
    // A message by REST is one like any other.
    let answer = post(&chat.address, "/api/room/rust/message?user_id=bot&text=beep").await;
    assert_eq!(answer.status, 200);
    ada.reads_log(&["bot: beep"]).await;
    bob.sees("@room-list [data-room=rust][data-unread='1']").await;
    ada.is_clean().await;
    bob.is_clean().await;
}
