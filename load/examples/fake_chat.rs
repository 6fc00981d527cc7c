//! The smallest server that speaks the part of the chat's contract that the load uses, so that the load can
//! be tested without the chat, and above all so that it can be shown to notice what goes wrong:
//! `FAKE_FAULT` names one thing to do wrong, once, in the middle of a run.

use std::collections::HashMap;
use std::env;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_tungstenite::tungstenite::protocol::Message;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The message with which the fault happens, if its room has more than one member.
const WRONG_FROM: u64 = 50;

#[derive(Clone)]
struct Member {
    user: String,
    outbox: UnboundedSender<Message>,
}

/// A frame that one member gets later than it should.
struct Held {
    member: Member,
    room: String,
    publisher: String,
    frame: Message,
}

#[derive(Default)]
struct Chat {
    fault: String,
    users: usize,
    messages: u64,
    done: bool,
    rooms: HashMap<String, Vec<Member>>,
    held: Option<Held>,
}

type Shared = Arc<Mutex<Chat>>;

fn lock(chat: &Shared) -> MutexGuard<'_, Chat> {
    chat.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Chat {
    fn post(&mut self, publisher: &str, room: &str, text: &str) {
        let frame = |text: &str| {
            let data =
                json!({"room": room, "user_id": publisher, "username": publisher, "text": text, "timestamp": 0.5});
            Message::text(json!({"type": "chat_message", "data": data}).to_string())
        };
        let members = self.rooms.get(room).cloned().unwrap_or_default();
        self.messages += 1;
        let wrong = !self.done && self.messages >= WRONG_FROM && members.len() > 1;
        self.done |= wrong;
        let fault = if wrong { self.fault.as_str() } else { "" };
        for (place, member) in members.iter().enumerate() {
            let send = |frame| drop(member.outbox.send(frame));
            match fault {
                "lose" if place == 0 => {}
                "duplicate" if place == 0 => [frame(text), frame(text)].map(send).into_iter().collect(),
                "alter" if place == 0 => send(frame(&text.to_uppercase())),
                "error" if place == 0 => send(Message::text(r#"{"type":"error","data":{"message":"busy"}}"#)),
                "close" if place == 0 => send(Message::Close(None)),
                "die" => std::process::exit(7),
                "disagree" | "misorder" if place == 0 => {
                    let (member, room) = (member.clone(), room.to_owned());
                    self.held = Some(Held { member, room, publisher: publisher.to_owned(), frame: frame(text) });
                }
                _ => send(frame(text)),
            }
        }
        // What was held back is let go behind the next message of somebody else, or of the same publisher.
        let same = self.fault == "misorder";
        let due = |held: &mut Held| !wrong && held.room == room && (held.publisher == publisher) == same;
        if let Some(held) = self.held.take_if(due) {
            let _ = held.member.outbox.send(held.frame);
        }
    }

    fn leave(&mut self, user: &str) {
        self.users -= 1;
        self.rooms.retain(|_, members| {
            members.retain(|member| member.user != user);
            !members.is_empty()
        });
    }

    fn status(&self) -> Value {
        let ghosts = usize::from(self.fault == "ghost");
        json!({"status": "active", "connections": self.users, "users": self.users, "groups": self.rooms.len() + ghosts})
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let address: SocketAddr = format!("{}:{}", env::var("HOST")?, env::var("PORT")?).parse()?;
    let fault = env::var("FAKE_FAULT").unwrap_or_default();
    let code = if fault == "exit" { 3 } else { 0 };
    let chat: Shared = Arc::new(Mutex::new(Chat { fault, ..Chat::default() }));
    let listener = TcpListener::bind(address).await?;
    let mut terminate = signal(SignalKind::terminate())?;
    loop {
        tokio::select! {
            _ = terminate.recv() => std::process::exit(code),
            accepted = listener.accept() => {
                let (stream, _) = accepted?;
                stream.set_nodelay(true)?;
                tokio::spawn(serve(stream, Arc::clone(&chat)));
            }
        }
    }
}

async fn serve(mut stream: TcpStream, chat: Shared) -> Result<(), Failure> {
    let mut head = [0; 2048];
    let length = stream.peek(&mut head).await?;
    let head = String::from_utf8_lossy(&head[..length]).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default();
    if let Some(user) = path.strip_prefix("/ws/") {
        return socket(stream, user.to_owned(), chat).await;
    }
    let _ = stream.read(&mut [0; 2048]).await?;
    let body = if path == "/api/status" { lock(&chat).status().to_string() } else { "{}".into() };
    stream.write_all(format!("HTTP/1.0 200 OK\r\n\r\n{body}").as_bytes()).await?;
    Ok(())
}

async fn socket(stream: TcpStream, user: String, chat: Shared) -> Result<(), Failure> {
    let (mut sink, mut frames) = tokio_tungstenite::accept_async(stream).await?.split();
    let (outbox, mut out) = unbounded_channel();
    tokio::spawn(async move {
        while let Some(frame) = out.recv().await {
            if sink.send(frame).await.is_err() {
                break;
            }
        }
    });
    lock(&chat).users += 1;
    outbox.send(Message::text(json!({"type": "welcome", "data": {"user_id": user}}).to_string()))?;
    while let Some(Ok(frame)) = frames.next().await {
        if let Message::Text(frame) = frame {
            handle(&user, &outbox, serde_json::from_str(&frame)?, &chat)?;
        }
    }
    lock(&chat).leave(&user);
    Ok(())
}

fn handle(user: &str, outbox: &UnboundedSender<Message>, frame: Value, chat: &Shared) -> Result<(), Failure> {
    let room = frame["data"]["room"].as_str().unwrap_or_default();
    let mut chat = lock(chat);
    if frame["type"] == "chat_message" {
        chat.post(user, room, frame["data"]["text"].as_str().unwrap_or_default());
        return Ok(());
    }
    for kind in ["room_joined", "room_info"] {
        outbox.send(Message::text(json!({"type": kind, "data": {"room": room}}).to_string()))?;
    }
    let members = chat.rooms.entry(room.to_owned()).or_default();
    members.push(Member { user: user.to_owned(), outbox: outbox.clone() });
    for member in members {
        let notice = json!({"type": "user_joined_room", "data": {"room": room, "user_id": user}});
        let _ = member.outbox.send(Message::text(notice.to_string()));
    }
    Ok(())
}
