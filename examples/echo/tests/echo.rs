//! The program itself, over real sockets.
#![allow(clippy::unwrap_used, reason = "what a test expects and is not there, fails it")]

use std::process::Stdio;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

const PATIENCE: Duration = Duration::from_secs(30);

async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match timeout(PATIENCE, future).await {
        Ok(done) => done,
        Err(_) => panic!("{what}: not within {PATIENCE:?}"),
    }
}

struct Echo {
    process: Child,
    url: String,
}

fn program(vars: &[(&str, &str)]) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_echo"));
    // A directory without a `.env`, and an environment of the test's own.
    program.env_clear().envs(vars.iter().copied()).current_dir(env!("CARGO_TARGET_TMPDIR"));
    program.stderr(Stdio::piped()).kill_on_drop(true);
    program
}

impl Echo {
    async fn start(vars: &[(&str, &str)]) -> Self {
        let mut process = program(vars).env("PORT", "0").spawn().unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let line = soon("its address", lines.next_line()).await.unwrap().unwrap();
        let url = line.strip_prefix("echo listens on ").unwrap_or_else(|| panic!("{line}")).to_owned();
        Self { process, url }
    }

    async fn connect(&self) -> Socket {
        let unlimited = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
        let opening = tokio_tungstenite::connect_async_with_config(&self.url, Some(unlimited), true);
        soon("connecting", opening).await.unwrap().0
    }
}

async fn next(socket: &mut Socket) -> Message {
    soon("a message", socket.next()).await.unwrap().unwrap()
}

async fn comes_back(socket: &mut Socket, message: Message) {
    soon("sending", socket.send(message.clone())).await.unwrap();
    assert!(next(socket).await == message, "{} bytes came back changed", message.len());
}

#[tokio::test]
async fn each_frame_comes_back_as_it_came() {
    let echo = Echo::start(&[]).await;
    assert!(echo.url.starts_with("ws://127.0.0.1:") && echo.url.ends_with("/ws"), "{}", echo.url);
    let mut socket = echo.connect().await;
    for text in ["", "hi", "é🦀\0\r\n", r#"{"type":"ping"}"#, "{"] {
        comes_back(&mut socket, Message::text(text)).await;
    }
    for bytes in [vec![], vec![0xff; 3], (0..=255).collect()] {
        comes_back(&mut socket, Message::binary(bytes)).await;
    }
}

#[tokio::test]
async fn a_message_of_exactly_the_largest_size_comes_back_and_one_byte_more_does_not() {
    for (vars, max) in [(&[][..], 16 << 20), (&[("WS_MAX_MESSAGE_SIZE", "64KiB")][..], 64 << 10)] {
        let echo = Echo::start(vars).await;
        let mut socket = echo.connect().await;
        comes_back(&mut socket, Message::binary(vec![7; max])).await;
        comes_back(&mut socket, Message::text("x".repeat(max))).await;
        soon("sending", socket.send(Message::binary(vec![7; max + 1]))).await.unwrap();
        match next(&mut socket).await {
            Message::Close(Some(frame)) => assert_eq!(u16::from(frame.code), 1009),
            other => panic!("{} bytes came back", other.len()),
        }
    }
}

/// More are on the way than its outbox holds: who reads and sends is not taken for slow.
#[tokio::test]
async fn many_messages_on_the_way_come_back_in_order() {
    const MANY: u32 = 20_000;
    let echo = Echo::start(&[("WS_OUTBOX_MESSAGES", "64")]).await;
    let (mut to, mut from) = echo.connect().await.split();
    let sending = async {
        for number in 0..MANY {
            to.feed(Message::binary(number.to_be_bytes().to_vec())).await.unwrap();
        }
        to.flush().await.unwrap();
    };
    let receiving = async {
        for number in 0..MANY {
            let message = from.next().await.unwrap().unwrap();
            assert_eq!(message, Message::binary(number.to_be_bytes().to_vec()));
        }
    };
    soon("all of them", futures_util::future::join(sending, receiving)).await;
}

#[cfg(unix)]
#[tokio::test]
async fn ctrl_c_and_sigterm_end_it_in_good_order() {
    for signal in ["-INT", "-TERM"] {
        ends_in_good_order(signal).await;
    }
}

#[cfg(unix)]
async fn ends_in_good_order(signal: &str) {
    let mut echo = Echo::start(&[]).await;
    let mut socket = echo.connect().await;
    comes_back(&mut socket, Message::text("here")).await;
    let pid = echo.process.id().unwrap().to_string();
    assert!(Command::new("kill").args([signal, &pid]).status().await.unwrap().success());
    match next(&mut socket).await {
        Message::Close(Some(frame)) => assert_eq!(u16::from(frame.code), 1012),
        other => panic!("{other:?}"),
    }
    // The answer to the close frame goes out with the next read.
    while let Ok(Some(Ok(_))) = timeout(PATIENCE, socket.next()).await {}
    assert!(soon("its end", echo.process.wait()).await.unwrap().success());
}

#[cfg(unix)]
async fn ends_by_sigterm(mut echo: Echo) {
    let pid = echo.process.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().await.unwrap().success());
    let ended = soon("its end", echo.process.wait()).await.unwrap();
    assert_eq!(ended.code(), Some(0), "{ended}");
}

/// Nothing ends a connection whose request has begun but the program's own end.
#[cfg(unix)]
#[tokio::test]
async fn a_request_that_is_never_sent_to_its_end_does_not_keep_it() {
    let echo = Echo::start(&[("WS_DRAIN_TIMEOUT", "500ms")]).await;
    let address = echo.url.strip_prefix("ws://").unwrap().strip_suffix("/ws").unwrap();
    let mut half = TcpStream::connect(address).await.unwrap();
    half.write_all(b"GET /ws HTTP/1.1\r\nHo").await.unwrap();
    // Comes back after the half request was read, as both go to one listener in order.
    comes_back(&mut echo.connect().await, Message::text("here")).await;
    ends_by_sigterm(echo).await;
    drop(half);
}

/// Whoever has read its address may end it.
#[cfg(unix)]
#[tokio::test]
async fn a_signal_right_after_its_first_words_is_not_missed() {
    for _ in 0..10 {
        ends_by_sigterm(Echo::start(&[]).await).await;
    }
}

#[tokio::test]
async fn a_wrong_variable_is_named() {
    let mut process = program(&[("WS_MAX_MESSAGE_SIZE", "huge")]).spawn().unwrap();
    let mut words = String::new();
    soon("its words", process.stderr.take().unwrap().read_to_string(&mut words)).await.unwrap();
    assert!(!soon("its end", process.wait()).await.unwrap().success());
    assert!(words.contains("WS_MAX_MESSAGE_SIZE") && words.contains("huge"), "{words}");
}
