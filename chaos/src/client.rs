//! One connection: it notes what it gets, joins, leaves and publishes.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};

use crate::books::{BY_CLIENT, Books};
use crate::clock::now;
use crate::wire::{Group, Joined, Outcome, Publish, Published, Stamp, Target, Welcome};

/// How long a handshake, and the answer to anything, may take. A paused server answers late.
const ANSWERS_WITHIN: Duration = Duration::from_secs(45);

type Socket = WebSocketStream<TcpStream>;

/// What every frame of a server looks like.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    re: Option<&'a RawValue>,
}

/// What every frame of a client looks like.
#[derive(Serialize)]
struct Request<'a, T> {
    #[serde(rename = "type")]
    kind: &'a str,
    data: T,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
}

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotOpen {
    /// The server said no, with this status.
    Refused(u16),
    /// There is no server, or it does not answer.
    Gone(String),
}

#[derive(Debug)]
enum Answer {
    Joined(Joined),
    Left,
    Published(Published),
    /// To a request with an id, whatever it is.
    To(Value),
    /// An `error` frame, which nothing here should cause.
    #[expect(dead_code, reason = "shown where it is not expected")]
    Error(String),
}

/// An open connection. Dropped, it is closed.
#[derive(Debug)]
pub struct Client {
    /// Its number in the books.
    pub number: usize,
    books: Books,
    sink: SplitSink<Socket, Message>,
    answers: mpsc::UnboundedReceiver<Answer>,
    reading: AbortHandle,
}

impl Client {
    /// Opens one.
    ///
    /// # Errors
    ///
    /// [`NotOpen`] says whether the server refused.
    pub async fn open(books: &Books, server: usize, address: SocketAddr, user: &str) -> Result<Self, NotOpen> {
        let gone = |error: &dyn std::fmt::Display| NotOpen::Gone(error.to_string());
        let open = async {
            let stream = TcpStream::connect(address).await.map_err(|error| gone(&error))?;
            stream.set_nodelay(true).map_err(|error| gone(&error))?;
            let url = format!("ws://{address}/ws/{user}");
            let (mut socket, _) = tokio_tungstenite::client_async(url, stream).await.map_err(|error| match error {
                SocketError::Http(answer) => NotOpen::Refused(answer.status().as_u16()),
                error => gone(&error),
            })?;
            match socket.next().await {
                Some(Ok(Message::Text(frame))) => {
                    let welcome: Welcome = data("welcome", &frame).ok_or_else(|| gone(&frame))?;
                    Ok((socket, welcome))
                }
                other => Err(gone(&format!("{other:?} instead of a welcome"))),
            }
        };
        let (socket, welcome) = timeout(ANSWERS_WITHIN, open).await.map_err(|_| gone(&"no handshake in time"))??;
        let number = books.open(server, user, &welcome.connection);
        let (sink, stream) = socket.split();
        let (answer, answers) = mpsc::unbounded_channel();
        let reading = tokio::spawn(read(books.clone(), number, stream, answer)).abort_handle();
        Ok(Self { number, books: books.clone(), sink, answers, reading })
    }

    async fn ask(&mut self, kind: &str, data: impl Serialize) -> Option<Answer> {
        self.say(kind, data, None).await?;
        self.answer().await
    }

    async fn say(&mut self, kind: &str, data: impl Serialize, id: Option<&str>) -> Option<()> {
        let request = serde_json::to_string(&Request { kind, data, id }).unwrap();
        self.sink.send(Message::text(request)).await.ok()
    }

    async fn answer(&mut self) -> Option<Answer> {
        timeout(ANSWERS_WITHIN, self.answers.recv()).await.ok()?
    }

    /// Sends a request with an id, and does not wait for its answer.
    pub async fn request(&mut self, id: &str, kind: &str, data: impl Serialize) {
        // Who has gone gives no answer, and that is looked at.
        let _ = self.say(kind, data, Some(id)).await;
    }

    /// The frame that answers a request; nothing comes where the connection has ended, or none in time.
    pub async fn answered(&mut self) -> Option<Value> {
        match self.answer().await? {
            Answer::To(frame) => Some(frame),
            other => panic!("a request was answered with {other:?}"),
        }
    }

    /// Becomes a member.
    ///
    /// # Errors
    ///
    /// What the server said; nothing where the connection has ended.
    pub async fn join(&mut self, group: &str) -> Result<(), Option<String>> {
        let began = now();
        match self.ask("join", Group { group: group.to_owned() }).await {
            Some(Answer::Joined(Joined { problem: None, .. })) => {
                self.books.join(self.number, group);
                Ok(())
            }
            Some(Answer::Joined(Joined { problem: Some(problem), .. })) => {
                self.books.refuse_join(self.number, began, &problem);
                Err(Some(problem))
            }
            Some(other) => panic!("a join was answered with {other:?}"),
            None => Err(None),
        }
    }

    /// Is a member no more.
    pub async fn leave(&mut self, group: &str) {
        self.books.leave(self.number, group);
        let _ = self.ask("leave", Group { group: group.to_owned() }).await;
    }

    /// Publishes; nothing comes back where the connection has ended.
    pub async fn publish(&mut self, publisher: u32, to: Target, padding: usize) -> Option<Outcome> {
        let stamp = self.books.send(publisher, &to);
        match self.ask("publish", Publish { stamp, to, padding }).await? {
            Answer::Published(published) => {
                assert_eq!(published.stamp, stamp, "the answer to another message");
                self.books.answer(stamp, published.outcome);
                Some(published.outcome)
            }
            other => panic!("a publish was answered with {other:?}"),
        }
    }

    /// Ends it.
    pub async fn close(mut self) {
        self.books.close(self.number, BY_CLIENT);
        let _ = self.sink.send(Message::Close(None)).await;
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.books.close(self.number, BY_CLIENT);
        self.reading.abort();
    }
}

fn data<'a, T: Deserialize<'a>>(kind: &str, frame: &'a str) -> Option<T> {
    let envelope: Envelope<'a> = serde_json::from_str(frame).ok()?;
    (envelope.kind == kind).then(|| serde_json::from_str(envelope.data?.get()).ok())?
}

async fn read(books: Books, number: usize, mut stream: SplitStream<Socket>, answer: mpsc::UnboundedSender<Answer>) {
    let how = loop {
        let frame = match stream.next().await {
            Some(Ok(Message::Text(frame))) => frame,
            Some(Ok(Message::Close(close))) => break close.map_or("closed".to_owned(), |close| close.to_string()),
            Some(Ok(_)) => continue,
            Some(Err(error)) => break error.to_string(),
            None => break "the end of the stream".to_owned(),
        };
        let Some(told) = take(&books, number, &frame) else { continue };
        // Who has gone needs no answer.
        let _ = answer.send(told);
    };
    books.close(number, &how);
}

/// Notes a stamped message; what is an answer is given back.
fn take(books: &Books, number: usize, frame: &str) -> Option<Answer> {
    #[derive(Deserialize)]
    struct Got {
        stamp: Stamp,
    }
    let envelope: Envelope<'_> = serde_json::from_str(frame).unwrap_or_else(|error| panic!("{error}: {frame}"));
    if envelope.re.is_some() {
        return Some(Answer::To(serde_json::from_str(frame).unwrap()));
    }
    let data = envelope.data.map_or("null", RawValue::get);
    match envelope.kind {
        "stamped" => {
            let got: Got = serde_json::from_str(data).unwrap();
            books.receive(number, got.stamp);
            None
        }
        "joined" => Some(Answer::Joined(serde_json::from_str(data).unwrap())),
        "left" => Some(Answer::Left),
        "published" => Some(Answer::Published(serde_json::from_str(data).unwrap())),
        _ => Some(Answer::Error(frame.to_owned())),
    }
}
