//! The inspector, as its reader sees it.

use channels_tests::redis::RedisServer;
use serde_json::json;

use crate::browser::{Browser, Screen};
use crate::chat::Chat;
use crate::client::Client;
use crate::http::{get, request};
use crate::window::Window;

const TOKEN: &str = "not-to-be-guessed";
const HOSTILE: &str = "<script>document.title='caught'</script><b>bold";

async fn open(browser: &Browser, chat: &Chat, screen: Screen, path: &str) -> Window {
    let window = browser.open(screen).await;
    window.go_to(&format!("http://anybody:{TOKEN}@{}{path}", chat.address)).await;
    window.sees("#state[data-state=good]").await;
    // From now on the browser knows the token, and the address need not bear it.
    window.go_to(&format!("{}{path}", chat.url())).await;
    window.sees("#state[data-state=good]").await;
    window
}

/// Any name that a path may bear.
fn encoded(name: &str) -> String {
    name.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[tokio::test]
async fn whoever_has_no_token_gets_nothing() {
    let chat = Chat::start().await;
    assert_eq!(get(&chat.address, "/inspector/").await.status, 404, "there is none unless it is asked for");
    let chat = Chat::with(&[("CHAT_INSPECTOR_TOKEN", TOKEN)]).await;
    for path in ["/inspector", "/inspector/", "/inspector/state.json", "/inspector/inspector.js"] {
        let answer = get(&chat.address, path).await;
        assert_eq!(answer.status, 401, "{path}");
        assert!(answer.header("www-authenticate").unwrap().starts_with("Basic"));
        for wrong in
            ["Bearer not-to-be-guessee", "Bearer", "Basic !", "Basic YW55Ym9keTo=", "Bearer not-to-be-guessed-", "x"]
        {
            let answer = request(&chat.address, "GET", path, &format!("Authorization: {wrong}\r\n"), "").await;
            assert_eq!(answer.status, 401, "{path} {wrong}");
        }
        let answer = request(&chat.address, "GET", path, &format!("Authorization: Bearer {TOKEN}\r\n"), "").await;
        assert_eq!(answer.status, 200, "{path}");
    }
    let (code, said) = crate::server::fails(&[("CHAT_INSPECTOR_TOKEN", "short")]).await;
    assert!(code == Some(1) && said.contains("CHAT_INSPECTOR_TOKEN"), "{said}");
}

#[tokio::test]
async fn one_sees_connections_groups_rates_and_errors_as_they_happen() {
    let chat = Chat::with(&[("CHAT_INSPECTOR_TOKEN", TOKEN)]).await;
    let browser = Browser::start();
    let page = open(&browser, &chat, Screen::Desktop, "/inspector/").await;
    page.reads("@count-connections", "0").await;

    let mut ada = Client::connect(&chat.address, "ada").await;
    let _hostile = Client::connect(&chat.address, &encoded(HOSTILE)).await;
    ada.join("rust").await;
    page.until_equal("$('@count-connections').innerText", &json!("2")).await;
    page.reads("@connections", "ada").await;
    page.reads("@connections", "127.0.0.1").await;
    // A name is text, whatever stands in it.
    page.until("[...$$('@connections td')].some((cell) => cell.textContent === a[0])", &[HOSTILE.into()]).await;
    assert_eq!(
        page.ask("[document.title, $$('main script, main b:not(figcaption b)').length]", &[]).await,
        json!(["channels inspector", 0])
    );

    page.reads("@groups", "rust").await;
    page.click("@groups @group").await;
    page.reads("@member", "ada").await;

    for number in 0..10 {
        ada.send("chat_message", json!({"room": "rust", "text": number.to_string()})).await;
        ada.expect("chat_message").await;
    }
    page.until(
        "Number($('@now-messages_in').dataset.most) > 0 && Number($('@now-messages_out').dataset.most) > 0",
        &[],
    )
    .await;
    page.until("Number($('@now-handler_p99').dataset.most) > 0", &[]).await;
    page.until("$('@chart-messages_in path').getAttribute('d').includes('L')", &[]).await;
    // How long handlers take is drawn too, for the moment before and for this one.
    ada.send("chat_message", json!({"room": "rust", "text": "once more"})).await;
    ada.expect("chat_message").await;
    page.until("$$('@chart-handler_p50 path')[1].getAttribute('d').split('L').length > 2", &[]).await;

    ada.send("no such thing", json!({})).await;
    let told = ada.expect("error").await;
    let id = told["error_id"].as_str().unwrap();
    page.sees(&format!("@errors [data-error='{id}']")).await;
    page.reads("@errors", "INVALID_MESSAGE_PARAMS").await;

    page.type_into("@find", "ada").await;
    page.until_equal("$$('@connections tbody tr').length", &json!(1)).await;
    drop(ada);
    page.until_equal("$('@count-connections').innerText", &json!("1")).await;
    page.until_equal("$$('@connections tbody tr').length", &json!(0)).await;
    // Whoever opens it later sees what was before.
    let later = open(&browser, &chat, Screen::Desktop, "/inspector").await;
    later.until("Number($('@now-messages_in').dataset.most) > 0", &[]).await;
    page.is_clean().await;
    // It has asked more than once by then.
    later.until("performance.getEntriesByType('resource').length > 5", &[]).await;
    later.is_clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_sees_all_servers_by_name_and_which_of_them_go() {
    let redis = RedisServer::start();
    let url = redis.url();
    let named = async |name: &str| {
        let variables = [
            ("BACKEND_TYPE", "redis"),
            ("REDIS_URL", url.as_str()),
            ("SERVER_INSTANCE_ID", name),
            ("CHAT_INSPECTOR_TOKEN", TOKEN),
        ];
        Chat::with(&variables).await
    };
    let (one, mut other, _third) = tokio::join!(named("berlin"), named(HOSTILE), named("berlin"));
    let _members = (Client::connect(&one.address, "ada").await, Client::connect(&one.address, "bob").await);
    let browser = Browser::start();
    let page = open(&browser, &one, Screen::Desktop, "/inspector/").await;
    const ROWS: &str = "$$('@servers tbody tr').map((row) => [0, 1, 4].map((at) => row.children[at].textContent))";
    let rows = json!([["berlin", "2", "this one"], [HOSTILE, "0", "live"], ["berlin", "0", "live"]]);
    // Whichever of two with as many comes first by its name.
    let mut rows = rows.as_array().unwrap().clone();
    rows[1..].sort_by(|one, other| one[0].as_str().cmp(&other[0].as_str()));
    page.until_equal(ROWS, &rows.into()).await;
    page.reads("@servers", "now").await;
    page.reads("@servers-note", "3, this one and then the largest first").await;
    assert_eq!(page.ask("[document.title, $$('main script').length]", &[]).await, json!(["channels inspector", 0]));
    other.stop().await;
    page.until_equal(ROWS, &json!([["berlin", "2", "this one"], ["berlin", "0", "live"]])).await;
    page.is_clean().await;
}

#[tokio::test]
async fn it_fits_a_phone_and_says_when_the_server_is_gone() {
    let mut chat = Chat::with(&[("CHAT_INSPECTOR_TOKEN", TOKEN)]).await;
    let browser = Browser::start();
    let page = open(&browser, &chat, Screen::Phone, "/inspector/").await;
    let _long = Client::connect(&chat.address, &"x".repeat(128)).await;
    page.reads("@connections", "xxx").await;
    page.until("document.documentElement.scrollWidth <= innerWidth", &[]).await;
    chat.kill().await;
    page.reads("#state[data-state=bad]", "No answer").await;
    chat.start_again().await;
    page.sees("#state[data-state=good]").await;
    page.until_equal("$('@count-connections').innerText", &json!("0")).await;
}
