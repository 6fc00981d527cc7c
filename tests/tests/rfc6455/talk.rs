//! One connection of a case: what comes too early is kept until it is waited for.

use std::net::SocketAddr;

use channels_tests::frame::Frame;
use channels_tests::wire::{Head, Heard, Inflate, Wire};

use crate::case::WHOLE;

/// The request of a client that does everything right, with further lines of its head.
pub(crate) fn request(lines: &str) -> Vec<u8> {
    let request = format!(
        "GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{lines}\r\n"
    );
    request.into_bytes()
}

/// An extension that is offered, and what has to be made of the answer.
pub(crate) type Offer = (&'static str, fn(&Head) -> Result<Inflate, String>);

pub(crate) enum Ending {
    /// Everything goes on: a ping is answered, and a close frame too.
    Alive,
    /// The server closes first, with one of these codes. What it does not read any more may reset the socket.
    Failed(Vec<u16>),
    /// The client has closed first, and gets one of these back.
    Answered(Vec<Option<u16>>),
}

/// What keeps its order: messages among each other, and pongs.
#[derive(PartialEq, Eq)]
enum Way {
    Message,
    Pong,
    Other,
}

impl Way {
    fn of(heard: &Heard) -> Self {
        match heard {
            Heard::Text(_) | Heard::Binary(_) => Self::Message,
            Heard::Pong(_) => Self::Pong,
            _ => Self::Other,
        }
    }
}

pub(crate) struct Talk {
    pub(crate) wire: Wire,
    /// What came before it was waited for.
    early: Vec<Heard>,
}

impl Talk {
    pub(crate) async fn open(address: SocketAddr, offer: Option<Offer>) -> Result<Self, String> {
        let mut wire = Wire::connect(address).await.map_err(|error| error.to_string())?;
        let line = offer.map(|(offer, _)| format!("Sec-WebSocket-Extensions: {offer}\r\n"));
        wire.write(&request(&line.unwrap_or_default()), WHOLE).await;
        let head = wire.head().await?;
        if head.status != 101 {
            return Err(format!("refused with {}", head.status));
        }
        if let Some((_, agreed)) = offer {
            wire.inflate = Some(agreed(&head)?);
        }
        Ok(Self { wire, early: Vec::new() })
    }

    pub(crate) async fn hear(&mut self, expected: &Heard) -> Result<(), String> {
        let way = Way::of(expected);
        let heard = match self.early.iter().position(|early| Way::of(early) == way) {
            Some(place) => self.early.remove(place),
            None => loop {
                let heard = self.wire.hear().await?;
                if Way::of(&heard) == way || Way::of(&heard) == Way::Other {
                    break heard;
                }
                self.early.push(heard);
            },
        };
        if heard == *expected { Ok(()) } else { Err(format!("{heard:?} instead of {expected:?}")) }
    }

    pub(crate) async fn end(&mut self, ending: &Ending) -> Result<(), String> {
        match ending {
            Ending::Alive => {
                self.wire.write(&Frame::ping(*b"alive?").bytes(), WHOLE).await;
                self.hear(&Heard::Pong(b"alive?".to_vec())).await?;
                self.wire.write(&Frame::close(1000, "").bytes(), WHOLE).await;
                self.closed(&[Some(1000)]).await?;
            }
            Ending::Failed(codes) => {
                let codes: Vec<_> = codes.iter().copied().map(Some).collect();
                self.closed(&codes).await?;
                self.wire.write(&Frame::close(1000, "").bytes(), WHOLE).await;
            }
            Ending::Answered(codes) => self.closed(codes).await?,
        }
        Ok(())
    }

    pub(crate) async fn over(&mut self, may_reset: bool) -> Result<(), String> {
        match self.wire.hear().await? {
            Heard::End => Ok(()),
            Heard::Reset if may_reset => Ok(()),
            heard => Err(format!("{heard:?} after the close frame")),
        }
    }

    /// A close frame, and nothing more than what was waited for before it.
    async fn closed(&mut self, codes: &[Option<u16>]) -> Result<(), String> {
        let heard = match self.early.pop() {
            Some(early) => early,
            None => self.wire.hear().await?,
        };
        match heard {
            Heard::Close(code) if codes.contains(&code) => Ok(()),
            heard => Err(format!("{heard:?} instead of a close frame with {codes:?}")),
        }
    }
}
