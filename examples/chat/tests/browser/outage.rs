//! The server goes away under two windows and comes back, on the same port and database.

use crate::browser::Browser;
use crate::chat::Chat;
use crate::window::Window;

const AWAY: &str = "@connection-state:not([data-state=online])";

/// Both are in their rooms again, see each other, and talk.
async fn go_on(ada: &Window, bob: &Window, mut log: Vec<&str>) {
    for (window, other) in [(ada, "bob"), (bob, "ada")] {
        window.is_in("rust").await;
        window.sees(&format!("@members [data-user={other}][data-status=online]")).await;
        window.reads_log(&log).await;
    }
    ada.say("here we are again").await;
    log.push("ada: here we are again");
    bob.reads_log(&log).await;
    bob.say("so we are").await;
    log.push("bob: so we are");
    ada.reads_log(&log).await;
    // What is shown is what is stored, in this order and once.
    bob.reload().await;
    bob.is_in("rust").await;
    bob.reads_log(&log).await;
}

#[tokio::test]
async fn an_orderly_restart_is_survived() {
    let mut chat = Chat::start().await;
    let browser = Browser::start();
    let (ada, bob) = browser.two_in_rust(&chat).await;
    ada.join("tea").await;
    ada.open_room("rust").await;
    ada.say("before").await;
    bob.reads_log(&["ada: before"]).await;
    chat.stop().await;
    for window in [&ada, &bob] {
        window.sees(AWAY).await;
        window.reads("@banner", "server").await;
    }
    // What is written meanwhile waits, and says so.
    ada.say("while it was away").await;
    ada.reads_log(&["ada: before", "ada: while it was away (queued)"]).await;
    ada.reads("@message-log [data-state=queued]", "Not sent yet").await;
    chat.start_again().await;
    for window in [&ada, &bob] {
        window.is_online().await;
        window.sees_no("@banner").await;
    }
    go_on(&ada, &bob, vec!["ada: before", "ada: while it was away"]).await;
    // The room that was not open has been joined again as well.
    bob.join("tea").await;
    bob.say("tea?").await;
    ada.sees("@room-list [data-room=tea][data-unread='1']").await;
    ada.is_clean_after_an_outage().await;
    bob.is_clean_after_an_outage().await;
}

#[tokio::test]
async fn a_killed_server_is_survived_and_no_message_is_lost_in_silence() {
    let mut chat = Chat::start().await;
    let browser = Browser::start();
    let (ada, bob) = browser.two_in_rust(&chat).await;
    ada.say("before").await;
    ada.reads_log(&["ada: before"]).await;
    bob.reads_log(&["ada: before"]).await;
    // Nobody can tell whether a message arrived that a frozen server never answered.
    chat.freeze().await;
    ada.say("into the void").await;
    ada.reads_log(&["ada: before", "ada: into the void (sending)"]).await;
    chat.kill().await;
    ada.sees(AWAY).await;
    bob.sees(AWAY).await;
    ada.say("while it was away").await;
    chat.start_again().await;
    ada.is_online().await;
    bob.is_online().await;
    ada.reads_log(&["ada: before", "ada: while it was away", "ada: into the void (failed)"]).await;
    ada.reads("@message-log [data-state=failed]", "Not sent. The connection broke").await;
    ada.click("@message-log @retry").await;
    go_on(&ada, &bob, vec!["ada: before", "ada: while it was away", "ada: into the void"]).await;
    ada.is_clean_after_an_outage().await;
    bob.is_clean_after_an_outage().await;
}
