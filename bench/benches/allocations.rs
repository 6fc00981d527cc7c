//! What a message costs in allocations, over a real socket.
//!
//! A server on a runtime of one thread, and clients that allocate nothing: they write finished frames and read into
//! a buffer that they have. So whatever is allocated between the first and the last message is the server's. The payloads
//! are integers, which need no memory of their own.
//!
//!     cargo bench -p channels-bench --features heap --bench allocations -- --help

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use channels::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

const USAGE: &str = "\
Counts what the server allocates for a message.

  --check     ends with 1 if that is more than it should be
  --json      one line of JSON instead of a table
  --profile   writes dhat-heap.json, which says who allocates: https://nnethercote.github.io/dh_view/dh_view.html";

/// Enough for what is made once and kept.
const WARM_UP: u64 = 200;
const MESSAGES: u64 = 1_000;
/// In the group.
const MEMBERS: usize = 10;
/// Some of a run's few allocations belong to the sweep of the heartbeats, not to a message.
const STRAY: f64 = 0.01;
const PATIENCE: Duration = Duration::from_secs(30);
/// With a key of zeros a masked payload is as it was.
const MASK: [u8; 4] = [0; 4];

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Numbers {
    a: u64,
    b: u64,
}

/// All of the same length on the wire.
const NUMBERS: Numbers = Numbers { a: 1, b: 1_234_567 };

#[derive(Debug, Incoming)]
enum ClientMessage {
    Sync(Numbers),
    Async(Numbers),
    Reply(Numbers),
    Alone(Numbers),
    Group(Numbers),
}

#[derive(Debug, Outgoing)]
enum ServerMessage {
    Numbers(Numbers),
}

/// What the clients have to know of the server, since most messages get no answer.
#[derive(Clone, Default)]
struct Books(Arc<Counters>);

#[derive(Default)]
struct Counters {
    came: AtomicU64,
    handled: AtomicU64,
}

struct Member {
    first: bool,
}

#[consumer(incoming = ClientMessage, outgoing = ServerMessage, state = Books)]
impl Member {
    #[accept]
    fn accept(State(books): State<Books>) -> Self {
        Self { first: books.0.came.fetch_add(1, Ordering::Relaxed) == 0 }
    }

    #[connect]
    async fn connected(&self, conn: Connection) -> Result<ServerMessage, channels::Error> {
        conn.join("everybody").await?;
        if self.first {
            conn.join("alone").await?;
        }
        // The client waits for it, and is a member then.
        Ok(ServerMessage::Numbers(NUMBERS))
    }

    #[on("sync")]
    fn sync(&self, numbers: Numbers, State(books): State<Books>) {
        books.0.handled.fetch_add(numbers.a, Ordering::Release);
    }

    #[on("async")]
    async fn asynchronous(&self, numbers: Numbers, State(books): State<Books>) {
        books.0.handled.fetch_add(numbers.a, Ordering::Release);
    }

    #[on("reply")]
    fn reply(&self, numbers: Numbers) -> ServerMessage {
        ServerMessage::Numbers(numbers)
    }

    #[on("alone")]
    async fn alone(&self, numbers: Numbers, layer: ChannelLayer) -> Result<(), channels::Error> {
        layer.send_to_group("alone", ServerMessage::Numbers(numbers)).await?;
        Ok(())
    }

    #[on("group")]
    async fn group(&self, numbers: Numbers, layer: ChannelLayer) -> Result<(), channels::Error> {
        layer.send_to_group("everybody", ServerMessage::Numbers(numbers)).await?;
        Ok(())
    }
}

/// What is sent, what should come of it, and what it may cost.
struct Case {
    work: &'static str,
    kind: &'static str,
    answer: Answer,
    /// Allocations a message; `None` where nothing was promised.
    at_most: Option<f64>,
}

#[derive(Clone, Copy, PartialEq)]
enum Answer {
    /// None: the server counts what it handled.
    Counted,
    /// To so many clients, the sender first.
    Frames(usize),
}

const CASES: [Case; 5] = [
    Case { work: "a sync handler", kind: "sync", answer: Answer::Counted, at_most: Some(0.0) },
    // Its future, in a box, so that idle connections do not hold the largest handler's state.
    Case { work: "an async handler", kind: "async", answer: Answer::Counted, at_most: Some(1.0) },
    Case { work: "a sync handler with a reply", kind: "reply", answer: Answer::Frames(1), at_most: None },
    Case { work: "a send to a group of 1", kind: "alone", answer: Answer::Frames(1), at_most: None },
    Case { work: "a send to a group of 10", kind: "group", answer: Answer::Frames(MEMBERS), at_most: None },
];

/// What came of a case, a message.
struct Row {
    case: &'static Case,
    allocations: f64,
    bytes: f64,
}

impl Row {
    fn too_much(&self) -> bool {
        self.case.at_most.is_some_and(|most| self.allocations > most + STRAY)
    }
}

fn main() -> Result<(), Failure> {
    let (mut check, mut json, mut profile) = (false, false, false);
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--check" => check = true,
            "--json" => json = true,
            "--profile" => profile = true,
            // From cargo, for harnesses that can do both.
            "--bench" => {}
            "--help" => return say(USAGE),
            other => return Err(format!("there is no option {other}\n\n{USAGE}").into()),
        }
    }
    let profiler = if profile { dhat::Profiler::new_heap() } else { dhat::Profiler::builder().testing().build() };
    let rows = measure()?;
    drop(profiler);
    say(if json { line(&rows).to_string() } else { table(&rows) })?;
    if check && rows.iter().any(Row::too_much) {
        std::process::exit(1);
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the table is what this program is for")]
fn say(text: impl std::fmt::Display) -> Result<(), Failure> {
    println!("{text}");
    Ok(())
}

/// Serves on this thread while the clients run on another.
fn measure() -> Result<Vec<Row>, Failure> {
    let books = Books::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let app =
            Router::new().route("/ws", ChannelLayer::memory().serve::<Member>().into_route()).with_state(books.clone());
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (done, rows) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            // Nobody waits for it any more only where the server has failed.
            let _ = done.send(Clients::connect(address, books).and_then(Clients::run));
        });
        tokio::select! {
            served = axum::serve(listener, app) => Err(format!("the server ended: {served:?}").into()),
            rows = rows => rows?,
        }
    })
}

/// The clients; after they are connected they allocate nothing.
struct Clients {
    sockets: Vec<TcpStream>,
    books: Books,
    /// Bytes of an answer's frame.
    answer: usize,
    buffer: Box<[u8]>,
}

impl Clients {
    fn connect(address: SocketAddr, books: Books) -> Result<Self, Failure> {
        let mut clients = Self { sockets: Vec::new(), books, answer: 0, buffer: vec![0; 4096].into() };
        for _ in 0..MEMBERS {
            let mut socket = TcpStream::connect(address)?;
            socket.set_nodelay(true)?;
            socket.set_read_timeout(Some(PATIENCE))?;
            write!(
                socket,
                "GET /ws HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                 Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: Y2hhbm5lbHMtYmVuY2gtMQ==\r\n\r\n"
            )?;
            clients.answer = welcome(&mut socket)?;
            clients.sockets.push(socket);
        }
        Ok(clients)
    }

    fn run(mut self) -> Result<Vec<Row>, Failure> {
        let mut rows = Vec::with_capacity(CASES.len());
        for case in &CASES {
            let frame = frame(case.kind)?;
            self.send(&frame, case.answer, WARM_UP)?;
            let before = dhat::HeapStats::get();
            self.send(&frame, case.answer, MESSAGES)?;
            let after = dhat::HeapStats::get();
            let each = |before: u64, after: u64| (after - before) as f64 / MESSAGES as f64;
            rows.push(Row {
                case,
                allocations: each(before.total_blocks, after.total_blocks),
                bytes: each(before.total_bytes, after.total_bytes),
            });
        }
        Ok(rows)
    }

    /// Sends from the first client, one message at a time: nothing can be shared between two of them.
    fn send(&mut self, frame: &[u8], answer: Answer, messages: u64) -> Result<(), Failure> {
        for _ in 0..messages {
            let handled = self.books.0.handled.load(Ordering::Acquire);
            self.sockets[0].write_all(frame)?;
            match answer {
                Answer::Counted => self.counted(handled + 1)?,
                Answer::Frames(clients) => {
                    for socket in &mut self.sockets[..clients] {
                        socket.read_exact(&mut self.buffer[..self.answer])?;
                    }
                }
            }
        }
        Ok(())
    }

    fn counted(&self, handled: u64) -> Result<(), Failure> {
        let began = Instant::now();
        while self.books.0.handled.load(Ordering::Acquire) < handled {
            std::thread::yield_now();
            if began.elapsed() > PATIENCE {
                return Err("a message was not handled".into());
            }
        }
        Ok(())
    }
}

/// Reads the answer to the handshake and the first frame; gives the bytes of that, since all are as long.
fn welcome(socket: &mut TcpStream) -> Result<usize, Failure> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    if !head.starts_with(b"HTTP/1.1 101 ") {
        return Err(String::from_utf8_lossy(&head).into());
    }
    let mut start = [0; 2];
    socket.read_exact(&mut start)?;
    let length = usize::from(start[1]);
    if length >= 126 {
        return Err("the answers are longer than this program understands".into());
    }
    let mut payload = vec![0; length];
    socket.read_exact(&mut payload)?;
    Ok(start.len() + length)
}

fn frame(kind: &str) -> Result<Vec<u8>, Failure> {
    let text = serde_json::to_vec(&json!({ "type": kind, "data": NUMBERS }))?;
    let length = u8::try_from(text.len()).ok().filter(|length| *length < 126).ok_or("too long a message")?;
    Ok([&[0x81, 0x80 | length][..], &MASK, &text].concat())
}

fn line(rows: &[Row]) -> Value {
    let row = |row: &Row| {
        let Row { case, allocations, bytes } = row;
        json!({ "work": case.work, "allocations": allocations, "bytes": bytes, "at_most": case.at_most })
    };
    json!({ "rows": rows.iter().map(row).collect::<Value>() })
}

fn table(rows: &[Row]) -> String {
    let mut text = format!("{:28} {:>11} {:>9} {:>8}\n", "a message", "allocations", "bytes", "at most");
    for row in rows {
        let most = row.case.at_most.map_or("–".to_owned(), |most| most.to_string());
        let word = if row.too_much() { "  TOO MANY" } else { "" };
        text += &format!("{:28} {:11.3} {:9.1} {most:>8}{word}\n", row.case.work, row.allocations, row.bytes);
    }
    text
}
