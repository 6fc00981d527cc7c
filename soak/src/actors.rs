//! Who comes, and what they do. Each does its part again and again until the round is over; a part that was begun is
//! brought to its end.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use channels_chaos::peer::{Ask, BINARY, Heard, Opened, Peer, TEXT, frame, head};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout};

use crate::tally::Tally;

/// What the server is told, so that everything happens within seconds.
pub const SETTINGS: [(&str, &str); 10] = [
    ("WS_HEARTBEAT_INTERVAL", "1s"),
    ("WS_HEARTBEAT_TIMEOUT", "3s"),
    ("WS_MESSAGE_TIMEOUT", "2s"),
    ("WS_MAX_MESSAGE_SIZE", "64KiB"),
    ("WS_OUTBOX_MESSAGES", "512"),
    ("WS_OUTBOX_BYTES", "512KiB"),
    ("MAX_CONNECTIONS_PER_CLIENT", "8"),
    ("WS_HANDLER_TIMEOUT", "10s"),
    // More than anybody sends but who is to be closed for it.
    ("WS_FRAMES_PER_CONNECTION", "4000/1s"),
    ("WS_BYTES_PER_CONNECTION", "64MiB/1s"),
];

/// How long nothing is said by who has vanished: longer than the heartbeat waits.
const SILENT: Duration = Duration::from_secs(5);
/// Groups that visitors choose from; those who stay are in the first.
const GROUPS: u64 = 200;
const BUSY: &str = "g0";
/// How much of its socket who reads slowly leaves to the server.
const NARROW: u32 = 4096;
/// How long who reads slowly gives signs of life: on a busy machine it takes longer to fill an outbox than a heartbeat waits. Not
/// for as long as a server reads on that has closed it: it would lose what it was told last.
const SPEAKS_FOR: Duration = Duration::from_secs(4);
/// The beginning of a text that goes on, a piece of it, and a ping.
const TEXT_BEGINS: u8 = 0x01;
const GOES_ON: u8 = 0x00;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;
/// What whoever floods is closed with.
const TRY_AGAIN_LATER: u16 = 1013;
/// How long frames go on without end: much longer than it takes to be closed for it.
const FLOODS_FOR: Duration = Duration::from_secs(20);
/// So many of them at once.
const AT_ONCE: usize = 1000;
/// How long is listened for an answer to them.
const BETWEEN: Duration = Duration::from_millis(1);

/// What all of them share.
#[derive(Clone, Debug)]
pub struct Stage {
    /// Where the server listens.
    pub server: SocketAddr,
    /// What came of it.
    pub tally: Tally,
    /// The round is over.
    pub over: watch::Receiver<bool>,
}

type Part = Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;

/// One kind of client.
#[derive(Clone, Copy)]
pub struct Actor {
    /// What it does.
    pub name: &'static str,
    /// How many there are at once.
    pub many: usize,
    /// How long a part takes at least, so that one minute is like the next, however busy the machine is.
    every: Duration,
    part: fn(Stage, usize) -> Part,
}

/// A row of the list.
macro_rules! actor {
    ($part:ident, $many:literal, $millis:literal) => {
        Actor {
            name: stringify!($part),
            many: $many,
            every: Duration::from_millis($millis),
            part: |stage, number| Box::pin(async move { $part(&stage, number).await }),
        }
    };
}

/// All of them.
pub const ALL: [Actor; 15] = [
    actor!(visits, 16, 1000),
    actor!(stays, 24, 0),
    actor!(leaves_without_a_word, 4, 200),
    actor!(is_cut_off_in_a_frame, 4, 200),
    actor!(vanishes, 12, 0),
    actor!(trickles, 4, 0),
    actor!(floods, 2, 2000),
    actor!(sends_too_much, 2, 300),
    actor!(talks_nonsense, 2, 1000),
    actor!(breaks_the_protocol, 2, 300),
    actor!(reads_too_slowly, 3, 4000),
    actor!(crowds, 3, 1000),
    actor!(begins_a_request, 2, 500),
    actor!(never_ends, 2, 1000),
    actor!(floods_pings, 2, 1000),
];

/// Has all of them act until the round is over and everybody has gone.
pub async fn act(stage: &Stage) {
    let mut tasks = JoinSet::new();
    for actor in ALL {
        for number in 0..actor.many {
            tasks.spawn(again_and_again(actor, stage.clone(), number));
        }
    }
    tasks.join_all().await;
}

async fn again_and_again(actor: Actor, stage: Stage, number: usize) {
    while !*stage.over.borrow() {
        let next = Instant::now() + actor.every;
        match (actor.part)(stage.clone(), number).await {
            Ok(()) => *stage.tally.counts().parts.entry(actor.name).or_default() += 1,
            Err(error) => {
                stage.tally.surprise(format!("{}: {error}", actor.name));
                sleep(Duration::from_secs(1)).await;
            }
        }
        sleep_until(next).await;
    }
}

impl Stage {
    /// A connection that has been welcomed, unless it was refused.
    async fn try_open(&self, user: &str, room: Option<u32>) -> io::Result<Option<Peer>> {
        match Peer::open(self.server, user, Ask { room, ..Ask::default() }).await? {
            Opened::Open(mut peer) => {
                self.tally.counts().opened += 1;
                match peer.next().await {
                    Heard::Text(text) if text.starts_with(r#"{"type":"welcome""#) => Ok(Some(peer)),
                    other => Err(io::Error::other(format!("{other:?} instead of a welcome"))),
                }
            }
            Opened::Refused(status) => {
                *self.tally.counts().refused.entry(status).or_default() += 1;
                Ok(None)
            }
        }
    }

    async fn open(&self, user: &str) -> io::Result<Peer> {
        self.try_open(user, None).await?.ok_or_else(|| io::Error::other("refused"))
    }

    /// Waits for the end; whatever its code is, the tally knows.
    async fn until_the_end(&self, peer: Peer) {
        let code = peer.end(|text| self.tally.heard(text)).await;
        self.tally.ended(code);
    }

    /// Notes what was heard, and says whether the connection goes on.
    fn goes_on(&self, heard: &Heard) -> bool {
        match heard {
            Heard::Text(text) => self.tally.heard(text),
            Heard::Closed(code) => self.tally.ended(Some(*code)),
            Heard::Nothing => self.tally.ended(None),
        }
        matches!(heard, Heard::Text(_))
    }

    /// Sends empty frames of a kind until it is closed for it.
    async fn without_end(&self, mut peer: Peer, first: u8) {
        let frames = frame(first, b"").repeat(AT_ONCE);
        let until = Instant::now() + FLOODS_FOR;
        // Where nothing can be written any more, why is there to be read.
        while Instant::now() < until && peer.write(&frames).await.is_ok() {
            while let Ok(heard) = timeout(BETWEEN, peer.next()).await {
                if !self.goes_on(&heard) {
                    return self.flooded(matches!(heard, Heard::Closed(TRY_AGAIN_LATER)));
                }
            }
        }
        let code = peer.end(|text| self.tally.heard(text)).await;
        self.tally.ended(code);
        self.flooded(code == Some(TRY_AGAIN_LATER));
    }

    fn flooded(&self, was_told: bool) {
        self.tally.counts().flooded += u64::from(was_told);
    }

    async fn goodbye(&self, peer: Peer) {
        self.tally.ended(peer.close().await);
    }

    /// Reads until an answer of this kind has come. Where the connection ends before, the tally knows, and nothing is
    /// given back.
    async fn answered(&self, mut peer: Peer, kind: &str) -> Option<Peer> {
        let begins = format!(r#"{{"type":"{kind}""#);
        loop {
            let heard = peer.next().await;
            if matches!(&heard, Heard::Text(text) if text.starts_with(&begins)) {
                return Some(peer);
            }
            if !self.goes_on(&heard) {
                return None;
            }
        }
    }

    async fn join(&self, mut peer: Peer, group: &str) -> io::Result<Option<Peer>> {
        peer.say("join", &json!({ "group": group })).await?;
        Ok(self.answered(peer, "joined").await)
    }
}

fn any_group() -> String {
    format!("g{}", fastrand::u64(1..GROUPS))
}

fn publish(number: usize, to: &Value, padding: usize) -> Value {
    json!({ "stamp": { "publisher": 0, "number": number }, "to": to, "padding": padding })
}

/// Comes, joins, says something, leaves a group and goes.
async fn visits(stage: &Stage, number: usize) -> io::Result<()> {
    let mut peer = stage.open(&format!("visitor-{number}")).await?;
    let groups = [any_group(), any_group()];
    for group in &groups {
        let Some(joined) = stage.join(peer, group).await? else { return Ok(()) };
        peer = joined;
    }
    for said in 0..5 {
        peer.say("publish", &publish(said, &json!({ "group": groups[said % 2] }), fastrand::usize(0..2000))).await?;
        let Some(answered) = stage.answered(peer, "published").await else { return Ok(()) };
        peer = answered;
    }
    peer.say("leave", &json!({ "group": groups[0] })).await?;
    if let Some(peer) = stage.answered(peer, "left").await {
        stage.goodbye(peer).await;
    }
    Ok(())
}

/// Is there for the whole round, in the group where everybody speaks.
async fn stays(stage: &Stage, number: usize) -> io::Result<()> {
    let peer = stage.open(&format!("resident-{number}")).await?;
    let Some(mut peer) = stage.join(peer, BUSY).await? else { return Ok(()) };
    let mut over = stage.over.clone();
    let mut ticks = interval(Duration::from_millis(250));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            heard = peer.next() => if !stage.goes_on(&heard) {
                return Ok(());
            },
            _ = ticks.tick() => {
                // Who has been closed meanwhile hears why.
                let _ = peer.say("publish", &publish(0, &json!({ "group": BUSY }), 500)).await;
            }
            () = async { drop(over.wait_for(|over| *over).await) } => break,
        }
    }
    stage.goodbye(peer).await;
    Ok(())
}

/// Goes without a close frame, as a program does that is killed.
async fn leaves_without_a_word(stage: &Stage, number: usize) -> io::Result<()> {
    let peer = stage.open(&format!("killed-{number}")).await?;
    if let Some(peer) = stage.join(peer, &any_group()).await? {
        sleep(Duration::from_millis(fastrand::u64(0..50))).await;
        drop(peer);
        stage.tally.counts().cut += 1;
    }
    Ok(())
}

/// A reset in the middle of a frame.
async fn is_cut_off_in_a_frame(stage: &Stage, number: usize) -> io::Result<()> {
    let peer = stage.open(&format!("cut-{number}")).await?;
    if let Some(mut peer) = stage.join(peer, &any_group()).await? {
        let whole = frame(TEXT, json!({ "type": "publish", "data": "x".repeat(5000) }).to_string().as_bytes());
        peer.write(&whole[..fastrand::usize(1..whole.len())]).await?;
        sleep(Duration::from_millis(fastrand::u64(0..50))).await;
        peer.reset();
        stage.tally.counts().cut += 1;
    }
    Ok(())
}

/// Half-open: the socket is there, nobody reads it or answers a ping, and no packet says so.
async fn vanishes(stage: &Stage, number: usize) -> io::Result<()> {
    let peer = stage.open(&format!("vanished-{number}")).await?;
    if let Some(peer) = stage.join(peer, &any_group()).await? {
        sleep(SILENT).await;
        stage.until_the_end(peer).await;
    }
    Ok(())
}

/// A message of which a byte comes now and then. Of text, the first byte that is none would end it.
async fn trickles(stage: &Stage, number: usize) -> io::Result<()> {
    let peer = stage.open(&format!("trickler-{number}")).await?;
    let Some(mut peer) = stage.join(peer, &any_group()).await? else { return Ok(()) };
    peer.write(&head(BINARY, 60_000)).await?;
    for _ in 0..20 {
        if peer.write(b"x").await.is_err() {
            break;
        }
        // Whoever is closed hears it here.
        if let Ok(heard) = timeout(Duration::from_millis(200), peer.next()).await
            && !stage.goes_on(&heard)
        {
            return Ok(());
        }
    }
    stage.until_the_end(peer).await;
    Ok(())
}

/// Much more at once than is answered at once; all of it is answered.
async fn floods(stage: &Stage, number: usize) -> io::Result<()> {
    const MANY: usize = 2000;
    let mut peer = stage.open(&format!("flooder-{number}")).await?;
    let to = json!({ "user": format!("nobody-{number}") });
    let flood: Vec<u8> = (0..MANY)
        .flat_map(|said| {
            let message = json!({ "type": "publish", "data": publish(said, &to, 0) });
            frame(TEXT, message.to_string().as_bytes())
        })
        .collect();
    peer.write(&flood).await?;
    for _ in 0..MANY {
        let Some(answered) = stage.answered(peer, "published").await else { return Ok(()) };
        peer = answered;
    }
    stage.goodbye(peer).await;
    Ok(())
}

/// A message over the limit.
async fn sends_too_much(stage: &Stage, number: usize) -> io::Result<()> {
    let mut peer = stage.open(&format!("giant-{number}")).await?;
    peer.write(&head(TEXT, 1 << 20)).await?;
    // Refused by its head, or while it comes.
    let _ = peer.write(&vec![b'x'; fastrand::usize(0..100_000)]).await;
    stage.until_the_end(peer).await;
    Ok(())
}

/// Frames that are no messages. Each is answered, and the connection lives on.
async fn talks_nonsense(stage: &Stage, number: usize) -> io::Result<()> {
    const NONSENSE: [&[u8]; 10] = [
        b"",
        b"{",
        b"[]",
        b"null",
        br#"{"type": 7}"#,
        br#"{"data": {}}"#,
        br#"{"type": "unknown", "data": {}}"#,
        br#"{"type": "$reconnect"}"#,
        br#"{"type": "join", "data": {"group": 5}}"#,
        br#"{"type": "join", "type": "leave", "data": {"group": "twice"}}"#,
    ];
    let mut peer = stage.open(&format!("fool-{number}")).await?;
    for _ in 0..20 {
        for nonsense in NONSENSE {
            peer.send(TEXT, nonsense).await?;
        }
        for _ in NONSENSE {
            let Some(answered) = stage.answered(peer, "error").await else { return Ok(()) };
            peer = answered;
            stage.tally.counts().errors += 1;
        }
    }
    stage.goodbye(peer).await;
    Ok(())
}

/// What is no WebSocket.
async fn breaks_the_protocol(stage: &Stage, number: usize) -> io::Result<()> {
    let mut peer = stage.open(&format!("vandal-{number}")).await?;
    match fastrand::u8(0..5) {
        // Not masked; a reserved opcode; reserved bits; not UTF-8; a control frame in pieces.
        0 => peer.write(&[TEXT, 2, b'h', b'i']).await?,
        1 => peer.send(0x83, b"x").await?,
        2 => peer.send(0xf1, b"x").await?,
        3 => peer.send(TEXT, b"\xff\xfe").await?,
        _ => peer.send(0x09, b"x").await?,
    }
    stage.until_the_end(peer).await;
    Ok(())
}

/// Is sent more than it reads, by somebody who does read.
async fn reads_too_slowly(stage: &Stage, number: usize) -> io::Result<()> {
    let user = format!("slow-{number}");
    let Some(mut slow) = stage.try_open(&user, Some(NARROW)).await? else { return Ok(()) };
    let opened = Instant::now();
    let mut talker = Some(stage.open(&format!("talker-{number}")).await?);
    for said in 0..400 {
        let Some(mut peer) = talker else { break };
        // More than the buffers of a socket and the outbox hold together.
        peer.say("publish", &publish(said, &json!({ "user": user }), 16_000)).await?;
        talker = stage.answered(peer, "published").await;
        if opened.elapsed() < SPEAKS_FOR {
            // It lives and only does not read. It may have been closed already.
            let _ = slow.send(PONG, b"").await;
        }
    }
    if let Some(talker) = talker {
        stage.goodbye(talker).await;
    }
    stage.until_the_end(slow).await;
    Ok(())
}

/// More windows than a user may have.
async fn crowds(stage: &Stage, _number: usize) -> io::Result<()> {
    let mut open = Vec::new();
    for _ in 0..5 {
        open.extend(stage.try_open("crowd", None).await?);
    }
    sleep(Duration::from_millis(200)).await;
    for peer in open {
        stage.goodbye(peer).await;
    }
    Ok(())
}

/// One message in pieces that are empty: a limit of messages or bytes would never see it.
async fn never_ends(stage: &Stage, number: usize) -> io::Result<()> {
    let mut peer = stage.open(&format!("endless-{number}")).await?;
    peer.send(TEXT_BEGINS, b"").await?;
    stage.without_end(peer, GOES_ON).await;
    Ok(())
}

/// Pings, each of which asks for an answer.
async fn floods_pings(stage: &Stage, number: usize) -> io::Result<()> {
    let peer = stage.open(&format!("pinger-{number}")).await?;
    stage.without_end(peer, PING).await;
    Ok(())
}

/// Half of an HTTP request, and no more.
async fn begins_a_request(stage: &Stage, _number: usize) -> io::Result<()> {
    let mut stream = TcpStream::connect(stage.server).await?;
    let request = b"GET /ws/half HTTP/1.1\r\nHost: soak\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-Web";
    stream.write_all(&request[..fastrand::usize(1..request.len())]).await?;
    sleep(Duration::from_millis(fastrand::u64(0..1000))).await;
    Ok(())
}
