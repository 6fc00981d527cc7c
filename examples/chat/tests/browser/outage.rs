//! The server goes away under two windows and comes back, on the same port and database.

use crate::browser::Browser;
use crate::chat::Chat;
use crate::server::Folder;
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
async fn a_picture_chosen_while_the_server_is_away_goes_later_and_stays_in_sight() {
    let mut chat = Chat::start().await;
    let browser = Browser::start();
    let folder = Folder::new();
    let (ada, bob) = browser.two_in_rust(&chat).await;
    let picture = folder.0.join("page.png");
    std::fs::write(&picture, ada.picture().await).unwrap();
    let lines = chat.fill("rust", 40).await;
    let mut expected: Vec<_> = lines.iter().map(String::as_str).collect();
    ada.reads_log(&expected).await;
    chat.kill().await;
    ada.sees("@banner").await;
    ada.type_into("@file-input", &picture.display().to_string()).await;
    expected.push("ada: [page.png] (queued)");
    ada.reads_log(&expected).await;
    chat.start_again().await;
    *expected.last_mut().unwrap() = "ada: [page.png]";
    for window in [&ada, &bob] {
        window.reads_log(&expected).await;
        // Neither the picture, which takes its height late, nor the banner's going moves the end out of sight.
        window.until("$('@file-picture')?.naturalHeight > 0 && !seen($('@banner'))", &[]).await;
        window.is_at_the_end().await;
        window.is_clean_after_an_outage().await;
    }
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
    let failed = ["ada: before", "ada: while it was away", "ada: into the void (failed)"];
    ada.reads_log(&failed).await;
    // What is left to do survives a reload.
    ada.reload().await;
    ada.is_in("rust").await;
    ada.reads_log(&failed).await;
    ada.reads("@message-log [data-state=failed]", "Not sent. The connection broke").await;
    ada.click("@message-log @retry").await;
    go_on(&ada, &bob, vec!["ada: before", "ada: while it was away", "ada: into the void"]).await;
    ada.is_clean_after_an_outage().await;
    bob.is_clean_after_an_outage().await;
}
