//! A row of a table: what a client sends, what it has to hear, and how it ends.

use std::net::SocketAddr;
use std::time::Duration;

use channels_tests::wire::Heard;
use futures_util::{StreamExt, stream};

use crate::house::House;
use crate::talk::{Ending, Offer, Talk};

/// How long a case may take, on a machine that is busy with others.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many run at once.
const AT_ONCE: usize = 100;

pub(crate) const WHOLE: usize = usize::MAX;

/// How something is written, for the name of a case.
pub(crate) fn chops(chop: usize) -> String {
    match chop {
        WHOLE => "in one write".to_owned(),
        1 => "byte by byte".to_owned(),
        chop => format!("{chop} bytes a write"),
    }
}

enum Step {
    Send(Vec<u8>, usize),
    Hear(Heard),
}

pub(crate) struct Case {
    name: String,
    offer: Option<Offer>,
    steps: Vec<Step>,
    ending: Ending,
    may_reset: bool,
}

impl Case {
    pub(crate) fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), offer: None, steps: Vec::new(), ending: Ending::Alive, may_reset: false }
    }

    pub(crate) fn offer(mut self, offer: Offer) -> Self {
        self.offer = Some(offer);
        self
    }

    pub(crate) fn send(self, bytes: impl Into<Vec<u8>>) -> Self {
        self.send_chopped(bytes, WHOLE)
    }

    /// Sends it in writes of so many bytes.
    pub(crate) fn send_chopped(mut self, bytes: impl Into<Vec<u8>>, chop: usize) -> Self {
        self.steps.push(Step::Send(bytes.into(), chop));
        self
    }

    /// Waits for this. Between messages and pongs no order is asked for: they go different ways.
    pub(crate) fn hear(mut self, heard: Heard) -> Self {
        self.steps.push(Step::Hear(heard));
        self
    }

    pub(crate) fn text(self, payload: impl Into<Vec<u8>>) -> Self {
        self.hear(Heard::Text(payload.into()))
    }

    pub(crate) fn binary(self, payload: impl Into<Vec<u8>>) -> Self {
        self.hear(Heard::Binary(payload.into()))
    }

    pub(crate) fn pong(self, payload: impl Into<Vec<u8>>) -> Self {
        self.hear(Heard::Pong(payload.into()))
    }

    pub(crate) fn failed(self, code: u16) -> Self {
        self.failed_with(&[code])
    }

    pub(crate) fn failed_with(mut self, codes: &[u16]) -> Self {
        self.ending = Ending::Failed(codes.to_vec());
        self.or_reset()
    }

    pub(crate) fn answered(mut self, codes: &[Option<u16>]) -> Self {
        self.ending = Ending::Answered(codes.to_vec());
        self
    }

    /// The server reads what it does not want any more, too, so that nothing is reset.
    pub(crate) fn in_good_order(mut self) -> Self {
        self.may_reset = false;
        self
    }

    /// The client goes on sending, so that a reset behind the close frame is its own fault.
    pub(crate) fn or_reset(mut self) -> Self {
        self.may_reset = true;
        self
    }

    async fn run(&self, address: SocketAddr) -> Result<(), String> {
        let mut talk = Talk::open(address, self.offer).await?;
        for step in &self.steps {
            match step {
                Step::Send(bytes, chop) => talk.wire.write(bytes, *chop).await,
                Step::Hear(expected) => talk.hear(expected).await?,
            }
        }
        talk.end(&self.ending).await?;
        talk.over(self.may_reset).await
    }

    /// The line of the report, where it fails.
    async fn failure(self, address: SocketAddr) -> Option<String> {
        match tokio::time::timeout(PATIENCE, self.run(address)).await {
            Ok(Ok(())) => None,
            Ok(Err(why)) => Some(format!("{}: {why}", self.name)),
            Err(_) => Some(format!("{}: nothing came within {PATIENCE:?}", self.name)),
        }
    }
}

/// Runs the cases side by side and tells of every one that fails; in the end the server is empty.
pub(crate) async fn hold(house: &House, cases: impl IntoIterator<Item = Case>) {
    none(&failures(house, cases).await);
    house.empty().await;
}

/// A line for every case that fails.
pub(crate) async fn failures(house: &House, cases: impl IntoIterator<Item = Case>) -> Vec<String> {
    let running = stream::iter(cases).map(|case| case.failure(house.address)).buffered(AT_ONCE);
    running.filter_map(std::future::ready).collect().await
}

pub(crate) fn none(failures: &[String]) {
    assert!(failures.is_empty(), "{} cases fail:\n{}\n", failures.len(), failures.join("\n"));
}
