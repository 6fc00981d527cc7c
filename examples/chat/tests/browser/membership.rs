//! Coming and going.

use crate::browser::Browser;
use crate::chat::Chat;

#[tokio::test]
async fn who_leaves_hears_nothing_and_reads_it_on_coming_back() {
    let chat = Chat::start().await;
    let browser = Browser::start();
    let (ada, bob) = browser.two_in_rust(&chat).await;
    ada.say("stay").await;
    bob.reads_log(&["ada: stay"]).await;
    bob.click("@leave-room").await;
    bob.sees("@room-list [data-room=rust][data-joined=false]").await;
    bob.sees("@empty").await;
    ada.reads("@message-log", "bob\u{2069} left").await;
    // Who has left is no member any more, not even one who is offline.
    ada.sees_no("@members [data-user=bob]").await;
    ada.say("he is gone").await;
    ada.reads_log(&["ada: stay", "ada: he is gone"]).await;
    bob.sees_no("[data-unread]").await;
    bob.click("@room-list [data-room=rust] button").await;
    bob.is_in("rust").await;
    bob.reads_log(&["ada: stay", "ada: he is gone"]).await;
    ada.sees("@members [data-user=bob][data-status=online]").await;
    bob.say("back").await;
    ada.reads_log(&["ada: stay", "ada: he is gone", "bob: back"]).await;
    ada.is_clean().await;
    bob.is_clean().await;
}

#[tokio::test]
async fn who_signs_out_is_offline() {
    let chat = Chat::start().await;
    let browser = Browser::start();
    let (ada, bob) = browser.two_in_rust(&chat).await;
    bob.click("@signout").await;
    bob.sees("@signin-name").await;
    ada.sees("@members [data-user=bob][data-status=offline]").await;
    ada.reads("@message-log", "bob\u{2069} disconnected").await;
    bob.sign_in(&chat, "bob").await;
    bob.join("rust").await;
    ada.sees("@members [data-user=bob][data-status=online]").await;
    ada.is_clean().await;
    bob.is_clean().await;
}

#[tokio::test]
async fn a_private_room_is_listed_to_its_members_only() {
    let chat = Chat::start().await;
    let browser = Browser::start();
    let (ada, bob) = browser.two_in_rust(&chat).await;
    ada.type_into("@create-name", "secret").await;
    ada.click("@create-private").await;
    ada.click("@create-submit").await;
    ada.is_in("secret").await;
    ada.type_into("@create-name", "public").await;
    ada.click("@create-submit").await;
    ada.is_in("public").await;
    // The server pushes no lists; they are asked for on coming, and now and then.
    bob.reload().await;
    bob.sees("@room-list [data-room=public][data-joined=false]").await;
    bob.sees_no("@room-list [data-room=secret]").await;
    bob.type_into("@create-name", "secret").await;
    bob.click("@create-submit").await;
    bob.reads("@create-error", "is private").await;
    ada.is_clean().await;
    bob.is_clean().await;
}
