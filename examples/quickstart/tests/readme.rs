//! The README's quick start is this program, and it does what the README says.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

const README: &str = include_str!("../../../README.md");
const PROGRAM: &str = include_str!("../src/main.rs");

fn quick_start() -> &'static str {
    let (_, after) = README.split_once("```rust\n").expect("the README has Rust");
    after.split_once("```").expect("that ends").0
}

#[test]
fn the_readme_shows_this_program() {
    // The program begins with a line of documentation and an empty one.
    let program = PROGRAM.splitn(3, '\n').nth(2).expect("a program");
    assert_eq!(quick_start().trim(), program.trim());
}

/// A server that ends with its test.
struct Server(Child);

impl Server {
    /// Its exit code, if it ends within this time.
    #[cfg(unix)]
    fn wait_until(&mut self, within: Duration) -> Option<i32> {
        let deadline = std::time::Instant::now() + within;
        while std::time::Instant::now() < deadline {
            if let Some(ended) = self.0.try_wait().expect("its end") {
                return ended.code();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        None
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn two_clients_read_each_other() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quickstart"));
    let child = command.env("PORT", "0").stderr(Stdio::piped()).spawn().expect("it starts");
    let mut server = Server(child);
    let mut lines = BufReader::new(server.0.stderr.take().expect("its output")).lines();
    let url = lines.next().expect("a line").expect("its address");

    let (mut ada, _) = connect_async(&url).await.expect("Ada connects");
    let (mut bob, _) = connect_async(&url).await.expect("Bob connects");
    // Whoever hears their own words has been let into the lobby.
    say(&mut ada, "one").await;
    hears(&mut ada, "one").await;
    say(&mut bob, "two").await;
    hears(&mut bob, "two").await;
    hears(&mut ada, "two").await;
}

/// What a newcomer gets wrong first is not met with silence.
#[tokio::test]
async fn a_misspelt_variable_and_a_page_of_another_origin_are_told_in_the_log() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quickstart"));
    command.env("PORT", "0").env("WS_OUTBOX_MESSAGE", "1").env("WS_RATE_LIMITS", "sya=1/1s");
    let mut server = Server(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts"));
    let mut lines = BufReader::new(server.0.stderr.take().expect("its output")).lines();
    let url = lines.next().expect("a line").expect("its address");
    let mut request = url.as_str().into_client_request().expect("a request");
    request.headers_mut().insert("origin", HeaderValue::from_static("http://localhost:5173"));
    let refused = connect_async(request).await.expect_err("not for a foreign page");
    let Error::Http(response) = refused else { panic!("{refused}") };
    assert_eq!(response.status(), 403);
    let log = BufReader::new(server.0.stdout.take().expect("its log"));
    let mut wanted = vec!["WS_OUTBOX_MESSAGES", "sya", "http://localhost:5173"];
    let read = tokio::task::spawn_blocking(move || {
        let mut lines = log.lines();
        while !wanted.is_empty() {
            let line = lines.next().expect("it goes on").expect("a line");
            wanted.retain(|words| !(line.contains("WARN") && line.contains(words)));
        }
    });
    timeout(Duration::from_secs(20), read).await.expect("in time").expect("all of it");
}

#[cfg(unix)]
#[tokio::test]
async fn ctrl_c_and_sigterm_end_it_in_good_order() {
    for signal in ["-INT", "-TERM"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_quickstart"));
        let child = command.env("PORT", "0").stderr(Stdio::piped()).spawn().expect("it starts");
        let mut server = Server(child);
        let mut lines = BufReader::new(server.0.stderr.take().expect("its output")).lines();
        let url = lines.next().expect("a line").expect("its address");
        let (mut ada, _) = connect_async(&url).await.expect("Ada connects");
        let sent = Command::new("kill").args([signal, &server.0.id().to_string()]).status().expect("kill");
        assert!(sent.success());
        let ending = async {
            let end = ada.next().await.expect("a frame").expect("whole");
            let Message::Close(Some(frame)) = end else { panic!("{end:?}") };
            assert_eq!(u16::from(frame.code), 1012, "{signal}");
            // The answer to the close frame goes out with the next read.
            while let Some(Ok(_)) = ada.next().await {}
        };
        timeout(Duration::from_secs(10), ending).await.expect("in time");
        let ended = tokio::task::spawn_blocking(move || server.0.wait());
        let ended = timeout(Duration::from_secs(10), ended).await.expect("in time").expect("waited");
        assert_eq!(ended.expect("its end").code(), Some(0), "{signal}");
    }
}

/// Nothing ends a connection whose request has begun but the program's own end.
#[cfg(unix)]
#[tokio::test]
async fn a_request_that_is_never_sent_to_its_end_does_not_keep_it() {
    use tokio::io::AsyncWriteExt as _;
    let mut command = Command::new(env!("CARGO_BIN_EXE_quickstart"));
    command.env("PORT", "0").env("WS_DRAIN_TIMEOUT", "500ms");
    let mut server = Server(command.stderr(Stdio::piped()).spawn().expect("it starts"));
    let mut lines = BufReader::new(server.0.stderr.take().expect("its output")).lines();
    let url = lines.next().expect("a line").expect("its address");
    let address = url.strip_prefix("ws://").and_then(|url| url.strip_suffix("/ws")).expect("an address");
    let mut half = TcpStream::connect(address).await.expect("connected");
    half.write_all(b"GET /ws HTTP/1.1\r\nHo").await.expect("written");
    // Answered after the half request was read, as both go to one listener in order.
    let (mut ada, _) = connect_async(&url).await.expect("Ada connects");
    say(&mut ada, "one").await;
    hears(&mut ada, "one").await;
    drop(ada);
    let sent = Command::new("kill").args(["-TERM", &server.0.id().to_string()]).status().expect("kill");
    assert!(sent.success());
    let ended = tokio::task::spawn_blocking(move || server.wait_until(Duration::from_secs(20)));
    assert_eq!(ended.await.expect("waited"), Some(0));
    drop(half);
}

type Client = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn say(client: &mut Client, text: &str) {
    let said = format!(r#"{{"type": "say", "data": {{"text": "{text}"}}}}"#);
    client.send(Message::text(said)).await.expect("sent");
}

/// Reads until somebody has said this.
async fn hears(client: &mut Client, text: &str) {
    let expected = Message::text(format!(r#"{{"type":"said","data":{{"text":"{text}"}}}}"#));
    let heard = async { while client.next().await.expect("a frame").expect("whole") != expected {} };
    timeout(Duration::from_secs(10), heard).await.expect("in time");
}
