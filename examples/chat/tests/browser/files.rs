//! Files: chosen in one window, downloaded in the other.

use std::path::Path;

use base64::Engine;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::browser::Browser;
use crate::chat::Chat;
use crate::server::{Folder, PATIENCE};
use crate::window::Window;

/// The largest that the chat takes.
const MAX_FILE_BYTES: usize = 10 * 1024 * 1024;
/// A red dot.
const PNG: &str = concat!(
    "iVBORw0KGgoAAAANSUhEUgAAAAUAAAAFCAYAAACNbyblAAAAHElEQVQI12P4//8/",
    "w38GIAXDIBKE0DHxgljNBAAO9TXL0Y4OHwAAAABJRU5ErkJggg=="
);
/// What the page shows as pictures, in words.
const PICTURES: &str = "$$('@file-picture').map(({ alt }) => alt)";

fn put(folder: &Folder, name: &str, bytes: &[u8]) -> String {
    let path = folder.0.join(name);
    std::fs::write(&path, bytes).unwrap();
    path.display().to_string()
}

/// Every byte there is, and an odd number of them.
fn noise(length: usize) -> Vec<u8> {
    (0..length).map(|i| u8::try_from((i ^ (i >> 8)) & 0xff).unwrap()).collect()
}

/// Clicks the link of the only file and waits for what the browser puts on the disk.
async fn download(window: &Window, name: &str) -> Vec<u8> {
    let path = window.downloads.join(name);
    window.click("@message-log @file-link").await;
    // A browser writes to another name, and gives the file its own when all is there.
    let bytes = read(&path).await;
    std::fs::remove_file(&path).unwrap();
    bytes
}

async fn read(path: &Path) -> Vec<u8> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match std::fs::read(path) {
            Ok(bytes) => return bytes,
            Err(error) => assert!(Instant::now() < deadline, "{}: {error}", path.display()),
        }
        sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_file_arrives_byte_for_byte() {
    let chat = Chat::start().await;
    let browser = Browser::start();
    let folder = Folder::new();
    let (ada, bob) = browser.two_in_rust(&chat).await;
    let bytes = noise(70_001);
    ada.type_into("@file-input", &put(&folder, "Übung 1.bin", &bytes)).await;
    ada.reads_log(&["ada: [Übung 1.bin]"]).await;
    bob.reads_log(&["ada: [Übung 1.bin]"]).await;
    bob.reads("@message-log [data-message]", "68 KB").await;
    assert!(download(&bob, "Übung 1.bin").await == bytes, "live, out of the page's memory");
    bob.reload().await;
    bob.reads_log(&["ada: [Übung 1.bin]"]).await;
    bob.until("$('@file-link').getAttribute('href').startsWith('/api/files/')", &[]).await;
    assert!(download(&bob, "Übung 1.bin").await == bytes, "from the history, by HTTP");
    assert!(download(&ada, "Übung 1.bin").await == bytes, "one's own");
    ada.is_clean().await;
    bob.is_clean().await;
}

#[tokio::test]
async fn only_a_picture_is_shown_as_one() {
    let chat = Chat::start().await;
    let browser = Browser::start();
    let folder = Folder::new();
    let (ada, bob) = browser.two_in_rust(&chat).await;
    let svg = b"<svg xmlns='http://www.w3.org/2000/svg'><script>window.caught=1</script></svg>";
    ada.type_into("@file-input", &put(&folder, "script.svg", svg)).await;
    ada.type_into("@file-input", &put(&folder, "page.html", b"<script>window.caught=1</script>")).await;
    let png = base64::engine::general_purpose::STANDARD.decode(PNG).unwrap();
    ada.type_into("@file-input", &put(&folder, "dot.png", &png)).await;
    let files = ["ada: [script.svg]", "ada: [page.html]", "ada: [dot.png]"];
    for window in [&ada, &bob] {
        window.reads_log(&files).await;
        window.until("$('@file-picture')?.naturalWidth === 5", &[]).await;
        assert_eq!(window.ask(PICTURES, &[]).await, json!(["Picture dot.png"]));
    }
    bob.reload().await;
    bob.reads_log(&files).await;
    bob.until("$('@file-picture')?.naturalWidth === 5", &[]).await;
    assert_eq!(bob.ask(PICTURES, &[]).await, json!(["Picture dot.png"]));
    ada.is_clean().await;
    bob.is_clean().await;
}

#[tokio::test]
async fn ten_megabytes_pass_and_one_byte_more_is_refused_in_words() {
    let chat = Chat::start().await;
    let browser = Browser::start();
    let folder = Folder::new();
    let (ada, bob) = browser.two_in_rust(&chat).await;
    ada.type_into("@file-input", &put(&folder, "large.bin", &noise(MAX_FILE_BYTES + 1))).await;
    ada.reads("@message-error", "at most 10 MB").await;
    let bytes = noise(MAX_FILE_BYTES);
    ada.type_into("@file-input", &put(&folder, "just fits.bin", &bytes)).await;
    bob.reads_log(&["ada: [just fits.bin]"]).await;
    assert!(download(&bob, "just fits.bin").await == bytes);
    ada.reads_log(&["ada: [just fits.bin]"]).await;
    ada.is_clean().await;
    bob.is_clean().await;
}
