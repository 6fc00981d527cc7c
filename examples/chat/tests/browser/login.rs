//! Signing in, where the server keeps names in a signed cookie.

use channels_tests::redis::RedisServer;
use serde_json::json;

use crate::browser::{Browser, Screen};
use crate::chat::Chat;
use crate::http::{get, request};
use crate::server::PATIENCE;

const SECRET: (&str, &str) = ("CHAT_SECRET", "a secret of exactly 32 characters");

#[tokio::test]
async fn the_page_shows_a_way_in_and_out() {
    let chat = Chat::with(&[SECRET]).await;
    let browser = Browser::start();
    let (ada, bob) = browser.two_in_rust(&chat).await;
    ada.say("hi").await;
    bob.reads_log(&["ada: hi"]).await;
    // The cookie is the server's: no script reads it.
    assert_eq!(ada.ask("document.cookie", &[]).await, json!(""));
    // Whoever comes back is known, whatever the address says.
    ada.reload().await;
    ada.is_online().await;
    ada.reads("@me", "ada").await;
    ada.go_to(&format!("{}/?user=bob", chat.url())).await;
    ada.is_online().await;
    ada.reads("@me", "ada").await;
    ada.click("@signout").await;
    ada.sees("@signin-name").await;
    bob.sees("@members [data-user=ada][data-status=offline]").await;
    ada.reload().await;
    ada.sees("@signin-name").await;
    ada.sign_in(&chat, "eve").await;
    ada.is_clean().await;
    bob.is_clean().await;
}

#[tokio::test]
async fn who_is_signed_out_elsewhere_is_asked_to_sign_in() {
    let chat = Chat::with(&[SECRET]).await;
    let browser = Browser::start();
    let ada = browser.open(Screen::Desktop).await;
    ada.sign_in(&chat, "ada").await;
    ada.join("rust").await;
    // Another device of hers signs out: all her connections end. This browser's cookie is still good.
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let signed_in = request(&chat.address, "POST", "/login", form, "name=ada").await;
    let cookie = signed_in.header("set-cookie").unwrap().split(';').next().unwrap();
    let sign_out = format!("Cookie: {cookie}\r\n");
    assert_eq!(request(&chat.address, "POST", "/logout", &sign_out, "").await.status, 303);
    ada.sees("@connection-state[data-state=closed]").await;
    ada.reads("@banner", "signed out").await;
    ada.click("@reconnect").await;
    ada.is_in("rust").await;
    // In another window of this browser she signs out: the cookie is gone too.
    ada.ask("fetch('/logout', { method: 'POST' }).then(({ ok }) => ok)", &[]).await;
    ada.sees("@signin-name").await;
    ada.reads("@signin-error", "You have been signed out").await;
    ada.type_into("@signin-name", &fantoccini::key::Key::Enter.to_string()).await;
    ada.is_in("rust").await;
    ada.is_clean().await;
}

/// The page was told that no login is needed, and is refused by a server that needs one.
#[tokio::test]
async fn a_page_learns_that_one_has_to_sign_in_by_now() {
    let mut chat = Chat::start().await;
    let browser = Browser::start();
    let ada = browser.open(Screen::Desktop).await;
    ada.sign_in(&chat, "ada").await;
    ada.join("rust").await;
    chat.stop().await;
    chat.start_again_with(SECRET).await;
    ada.sees("@signin-name").await;
    ada.reads("@signin-error", "You have been signed out").await;
    ada.type_into("@signin-name", &fantoccini::key::Key::Enter.to_string()).await;
    ada.is_in("rust").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_cannot_sign_out_everywhere_is_told_and_tries_again() {
    let redis = RedisServer::start();
    let url = redis.url();
    let variables = [SECRET, ("BACKEND_TYPE", "redis"), ("REDIS_URL", &url), ("RUST_LOG", "error,channels=off")];
    let chat = Chat::with(&variables).await;
    let browser = Browser::start();
    let ada = browser.open(Screen::Desktop).await;
    ada.sign_in(&chat, "ada").await;
    ada.join("rust").await;
    redis.kill_9();
    ada.click("@signout").await;
    ada.reads("@toast", "You are still signed in").await;
    ada.reads("@me", "ada").await;
    redis.restart();
    let ready = async { while get(&chat.address, "/readyz").await.status != 200 {} };
    tokio::time::timeout(PATIENCE, ready).await.unwrap();
    ada.click("@signout").await;
    ada.sees("@signin-name").await;
    ada.reload().await;
    ada.sees("@signin-name").await;
}
