//! What is offered, and what may be answered (RFC 7692, 5 and 7.1).

use channels_tests::frame::Frame;
use channels_tests::socket::soon;
use channels_tests::wire::{Heard, Wire};
use futures_util::future::join_all;

use super::codec::{Agreed, Deflater};
use super::{house, open};
use crate::case::{WHOLE, none};
use crate::framing::{noise, prose};

/// The least that an answer has to grant.
#[derive(Clone, Copy, Default)]
struct Asked {
    server_forgets: bool,
    server_bits: Option<u8>,
    /// The most that the client can have; without it, it cannot be told any.
    client_bits: Option<u8>,
}

impl Asked {
    fn granted(self, agreed: &Agreed) -> Result<(), String> {
        let server_bits = self.server_bits.unwrap_or(15);
        let broken = [
            (self.server_forgets && agreed.server_takeover, "the server was to forget each message"),
            (agreed.server_bits > server_bits, "the server's window is larger than wanted"),
            (agreed.client_bits.is_some() && self.client_bits.is_none(), "the client cannot limit its window"),
            (agreed.client_bits > self.client_bits, "the client has no such window"),
        ];
        match broken.iter().find(|(broken, _)| *broken) {
            Some((_, why)) => Err(format!("{why}: {agreed:?}")),
            None => Ok(()),
        }
    }
}

/// Messages go both ways within what was agreed on.
async fn talk(wire: &mut Wire, agreed: Option<&Agreed>) -> Result<(), String> {
    let mut deflater = agreed.map(Deflater::agreed);
    // Repeated, so that windows and contexts matter, at distances of every order.
    let far = [noise(300), noise(5000), noise(300), noise(40_000), noise(300)].concat();
    for payload in [prose(2000).into_bytes(), far.clone(), vec![], prose(2000).into_bytes(), far] {
        let text = std::str::from_utf8(&payload).ok();
        let frame = match (&mut deflater, text) {
            (Some(deflater), Some(text)) => deflater.text(text),
            (Some(deflater), None) => deflater.binary(&payload),
            (None, Some(text)) => Frame::text(text),
            (None, None) => Frame::binary(&*payload),
        };
        wire.write(&frame.bytes(), WHOLE).await;
        let expected = if text.is_some() { Heard::Text(payload) } else { Heard::Binary(payload) };
        let heard = soon("the echo", wire.hear()).await?;
        if heard != expected {
            return Err(format!("{heard:?} instead of {expected:?}"));
        }
    }
    Ok(())
}

/// One row: header lines, whether they may be declined, whether they may be taken, and with what.
type Row = (Vec<String>, bool, Option<Asked>);

fn taken(offer: impl Into<String>, asked: Asked) -> Row {
    (vec![offer.into()], false, Some(asked))
}

fn declined(offer: impl Into<String>) -> Row {
    (vec![offer.into()], true, None)
}

async fn negotiate(rows: Vec<Row>) {
    let house = house().await;
    let outcomes = join_all(rows.into_iter().map(async |(lines, may_decline, asked)| {
        let offers: Vec<&str> = lines.iter().map(String::as_str).collect();
        let outcome = async {
            let (mut wire, agreed) = open(&house, &offers).await?;
            match (&agreed, asked) {
                (None, _) if may_decline => {}
                (None, _) => return Err("declined".to_owned()),
                (Some(agreed), None) => return Err(format!("taken: {agreed:?}")),
                (Some(agreed), Some(asked)) => asked.granted(agreed)?,
            }
            talk(&mut wire, agreed.as_ref()).await
        };
        outcome.await.err().map(|why| format!("{lines:?}: {why}"))
    }));
    none(&outcomes.await.into_iter().flatten().collect::<Vec<_>>());
    house.empty().await;
}

#[tokio::test]
async fn a_plain_offer_is_taken() {
    let any = Asked::default();
    let client_bits = Asked { client_bits: Some(15), ..any };
    let forgets = Asked { server_forgets: true, ..any };
    negotiate(vec![
        taken("permessage-deflate", any),
        taken("permessage-deflate; client_max_window_bits", client_bits),
        taken("permessage-deflate; client_no_context_takeover", any),
        taken("permessage-deflate; server_no_context_takeover", forgets),
        taken("permessage-deflate; server_no_context_takeover; client_no_context_takeover", forgets),
        taken(
            "permessage-deflate; client_max_window_bits; server_no_context_takeover",
            Asked { server_forgets: true, ..client_bits },
        ),
        taken("permessage-deflate;client_max_window_bits", client_bits),
        taken("  permessage-deflate\t ;\t client_max_window_bits  ", client_bits),
    ])
    .await;
}

#[tokio::test]
async fn a_window_is_granted_or_the_offer_declined() {
    let mut rows = Vec::new();
    for bits in 8..=15 {
        // zlib has no window of 8 bits that it could promise.
        let may_decline = bits == 8;
        let server = Asked { server_bits: Some(bits), ..Asked::default() };
        rows.push((vec![format!("permessage-deflate; server_max_window_bits={bits}")], may_decline, Some(server)));
        let client = Asked { client_bits: Some(bits), ..Asked::default() };
        rows.push(taken(format!("permessage-deflate; client_max_window_bits={bits}"), client));
        let both = Asked { client_bits: Some(15), server_forgets: true, ..server };
        let offer = format!(
            "permessage-deflate; server_max_window_bits={bits}; client_max_window_bits; server_no_context_takeover"
        );
        rows.push((vec![offer], may_decline, Some(both)));
    }
    negotiate(rows).await;
}

#[tokio::test]
async fn an_offer_that_is_not_understood_is_declined() {
    let values =
        ["7", "16", "0", "1", "255", "08", "010", "+9", "-9", "9.0", "abc", "1O", "0x9", "99999999999999999999"];
    let windows = ["server_max_window_bits", "client_max_window_bits"];
    let wrong = windows.iter().flat_map(|name| values.map(|value| format!("{name}={value}")));
    let flags = ["server_no_context_takeover", "client_no_context_takeover"];
    let valued = flags.iter().flat_map(|name| ["1", "true", "8"].map(|value| format!("{name}={value}")));
    let unknown = ["x", "x=1", "server_max_window", "mux", "client_max_window_bits; x"].map(str::to_owned);
    let twice = flags.map(|name| format!("{name}; {name}")).into_iter().chain([
        "client_max_window_bits; client_max_window_bits".to_owned(),
        "client_max_window_bits=10; client_max_window_bits=10".to_owned(),
        "client_max_window_bits; client_max_window_bits=10".to_owned(),
        "server_max_window_bits=10; server_max_window_bits=11".to_owned(),
        "server_max_window_bits=10; client_max_window_bits; server_max_window_bits=10".to_owned(),
    ]);
    let all = wrong.chain(valued).chain(unknown).chain(twice).chain(["server_max_window_bits".to_owned()]);
    negotiate(all.map(|parameters| declined(format!("permessage-deflate; {parameters}"))).collect()).await;
}

#[tokio::test]
async fn other_extensions_are_declined() {
    let others = ["x-webkit-deflate-frame", "permessage-bzip2", "permessage-deflat", "deflate", "x; y=1, z"];
    negotiate(others.map(declined).into()).await;
}

#[tokio::test]
async fn a_window_may_be_quoted() {
    // RFC 6455, 9.1 lets any value be quoted; who does not read that declines.
    let asked = Asked { server_bits: Some(10), ..Asked::default() };
    let offer = "permessage-deflate; server_max_window_bits=\"10\"".to_owned();
    negotiate(vec![(vec![offer], true, Some(asked))]).await;
}

#[tokio::test]
async fn of_several_offers_the_first_that_can_be_taken_is() {
    let any = Asked::default();
    let client_bits = Asked { client_bits: Some(15), ..any };
    let nine = Asked { server_bits: Some(9), ..any };
    let forgets = Asked { server_forgets: true, ..any };
    let mut rows = vec![
        taken("permessage-deflate; x, permessage-deflate", any),
        taken("permessage-deflate; server_max_window_bits=99, permessage-deflate; server_max_window_bits=9", nine),
        taken("permessage-deflate; server_max_window_bits=9, permessage-deflate", nine),
        taken("permessage-deflate; server_no_context_takeover, permessage-deflate", forgets),
        taken("permessage-deflate; x=1; y, permessage-deflate; server_no_context_takeover", forgets),
        taken("x-other; a=b, permessage-deflate; client_max_window_bits", client_bits),
        taken("permessage-deflate; client_max_window_bits, x-other", client_bits),
        declined("permessage-deflate; x, permessage-deflate; y, permessage-bzip2"),
    ];
    let lines = |lines: [&str; 2]| lines.map(str::to_owned).to_vec();
    rows.push((lines(["permessage-deflate; x", "permessage-deflate"]), false, Some(any)));
    rows.push((lines(["permessage-deflate; server_no_context_takeover", "permessage-deflate"]), false, Some(forgets)));
    rows.push((lines(["x-other", "permessage-deflate; client_max_window_bits"]), false, Some(client_bits)));
    negotiate(rows).await;
}
