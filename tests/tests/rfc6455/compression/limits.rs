//! `WS_MAX_MESSAGE_SIZE` counts what a message is, not what it takes on the wire.

use channels::Config;
use channels_tests::frame::{BINARY, Frame, fragments, join};
use flate2::Compression;

use super::PLAIN;
use super::codec::Deflater;
use crate::case::{Case, hold};
use crate::framing::{noise, prose};
use crate::house::House;

const LIMIT: usize = 1 << 20;

async fn limited() -> House {
    House::with(Config::builder().compression(true).max_message_size(LIMIT)).await
}

fn case(name: impl Into<String>) -> Case {
    Case::new(name).offer(PLAIN)
}

/// A compressed message in so many fragments.
fn cut(payload: &[u8], count: usize) -> Vec<u8> {
    let mut frames = fragments(BINARY, payload.chunks(payload.len().div_ceil(count)));
    frames[0] = frames[0].clone().rsv(4);
    join(frames)
}

#[tokio::test]
async fn a_message_of_exactly_the_limit_passes_however_it_compresses() {
    let house = limited().await;
    let (text, data, zeros) = (prose(LIMIT), noise(LIMIT), vec![0; LIMIT]);
    let mut deflater = Deflater::forgetful();
    // It is larger on the wire than it is.
    let mut stores = Deflater::new(Compression::none(), 15, false);
    let cases = [
        case("text").send(deflater.text(&text)).text(text),
        case("noise").send(deflater.binary(&data)).binary(&*data),
        case("noise, stored").send(stores.binary(&data)).binary(&*data),
        case("noise, stored, in fragments").send(cut(&stores.message(&data), 9)).binary(&*data),
        case("zeros").send(deflater.binary(&zeros)).binary(&*zeros),
        case("zeros in fragments").send(cut(&deflater.message(&zeros), 9)).binary(zeros),
    ];
    hold(&house, cases).await;
}

#[tokio::test]
async fn one_byte_more_is_too_big_however_it_compresses() {
    let house = limited().await;
    let (text, data, zeros) = (prose(LIMIT + 1), noise(LIMIT + 1), vec![0; LIMIT + 1]);
    let mut deflater = Deflater::forgetful();
    let mut stores = Deflater::new(Compression::none(), 15, false);
    let cases = [
        case("text").send(deflater.text(&text)),
        case("noise").send(deflater.binary(&data)),
        case("noise, stored").send(stores.binary(&data)),
        case("noise, stored, in fragments").send(cut(&stores.message(&data), 9)),
        case("zeros").send(deflater.binary(&zeros)),
        case("zeros in fragments").send(cut(&deflater.message(&zeros), 9)),
    ];
    hold(&house, cases.map(|case| case.failed(1009))).await;
}

/// A few bytes that would become a gigabyte.
#[tokio::test]
async fn a_bomb_is_too_big_and_never_unpacked() {
    let house = limited().await;
    let mut remembers = Deflater::new(Compression::best(), 15, true);
    let first = remembers.flushed(&vec![0; LIMIT]);
    // What follows looks back at zeros only, so that it can be had as often as one likes.
    let again = remembers.flushed(&vec![0; LIMIT]);
    let bomb = |times: usize| {
        let mut bomb = [first.clone(), again.repeat(times)].concat();
        bomb.truncate(bomb.len() - 4);
        bomb
    };
    let mut cases = Vec::new();
    for times in [1, 64, 800] {
        let payload = bomb(times);
        assert!(payload.len() < LIMIT, "{times} MiB in {} bytes", payload.len());
        let name = format!("{times} MiB in {} bytes", payload.len());
        cases.push(case(name.clone()).send(Frame::binary(&*payload).rsv(4)));
        cases.push(case(format!("{name}, as text")).send(Frame::text(&*payload).rsv(4)));
        cases.push(case(format!("{name}, in fragments")).send(cut(&payload, 20)));
    }
    hold(&house, cases.into_iter().map(|case| case.failed(1009))).await;
}

#[tokio::test]
async fn a_compressed_frame_that_announces_too_much_is_refused_at_once() {
    let house = limited().await;
    let cases = [1 << 32, 1 << 62, (1 << 63) - 1].map(|bytes| {
        case(format!("{bytes:#x}")).send(Frame::binary("few").rsv(4).claiming(bytes)).failed_with(&[1009, 1002])
    });
    hold(&house, cases).await;
}
