//! What is wrong already is told at once: the client may never send the rest.

use channels_tests::frame::{Frame, PING, fragments, join};

use crate::case::{Case, WHOLE, chops, hold};
use crate::framing::prose;
use crate::house::House;
use crate::utf8_table::{first_wrong, invalid};

/// So much more is announced than is sent.
const NEVER_SENT: u64 = 1000;

/// Every sequence up to the byte that decides, which is before its end in some of them.
fn hopeless() -> impl Iterator<Item = (String, Vec<u8>)> {
    let rows = invalid().into_iter();
    // One each of the many that differ by a byte only; all of them whole are in `utf8`.
    let rows = rows.filter(|(_, bytes)| bytes.len() > 2 || bytes[0] % 8 == 0);
    rows.filter_map(|(name, mut bytes)| {
        bytes.truncate(first_wrong(&bytes)?);
        Some((name, bytes))
    })
}

/// The start of a text frame of which the rest never comes.
fn started(payload: &[u8]) -> Frame {
    Frame::text(payload).claiming(payload.len() as u64 + NEVER_SENT)
}

#[tokio::test]
async fn a_fragment_that_is_not_utf8_is_refused_before_the_last_one() {
    let house = House::open().await;
    let cases = hopeless().flat_map(|(name, bytes)| {
        let first = Frame::text(&*bytes).more();
        let second = join([Frame::text("fine ").more(), Frame::continuation(&*bytes).more()]);
        let mut bytewise = fragments(1, bytes.chunks(1));
        let last = bytewise.pop().unwrap().more();
        [
            Case::new(format!("{name}, in the first")).send(first),
            Case::new(format!("{name}, in the second")).send(second),
            Case::new(format!("{name}, a byte a fragment")).send([join(bytewise), last.bytes()].concat()),
        ]
    });
    hold(&house, cases.map(|case| case.failed(1007))).await;
}

#[tokio::test]
async fn a_frame_that_is_not_utf8_is_refused_before_its_end() {
    let house = House::open().await;
    let cases = hopeless().flat_map(|(name, bytes)| {
        let long = [prose(5000).as_bytes(), &bytes].concat();
        [
            Case::new(name.clone()).send(started(&bytes)),
            Case::new(format!("{name}, a byte a write")).send_chopped(started(&bytes), 1),
            Case::new(format!("{name}, after 5000 bytes")).send_chopped(started(&long), 997),
        ]
    });
    hold(&house, cases.map(|case| case.failed(1007))).await;
}

#[tokio::test]
async fn half_a_character_is_waited_for() {
    let house = House::open().await;
    let cases = ["é", "€", "🦀", "\u{10ffff}"].into_iter().flat_map(|scalar| {
        (1..scalar.len()).map(move |cut| {
            let (start, rest) = scalar.as_bytes().split_at(cut);
            Case::new(format!("{cut} bytes of {}", scalar.escape_unicode()))
                .send(Frame::text(start).more())
                // Its answer shows that the server has looked at what it has.
                .send(Frame::ping("still there?"))
                .pong("still there?")
                .send(Frame::continuation(rest))
                .text(scalar)
        })
    });
    hold(&house, cases).await;
}

#[tokio::test]
async fn a_wrong_header_is_refused_before_its_payload() {
    let house = House::open().await;
    let header = |frame: Frame| frame.claiming(100);
    let frames = [
        ("a reserved bit", header(Frame::text("")).rsv(2)),
        ("a reserved opcode", header(Frame::new(5, ""))),
        ("a reserved control opcode", header(Frame::new(12, ""))),
        ("a ping that is not final", header(Frame::ping("")).more()),
        ("a ping that is too long", Frame::ping("").claiming(126)),
        ("a continuation of nothing", header(Frame::continuation(""))),
        ("no mask", header(Frame::text("")).unmasked()),
        ("a length in 16 bits that needs 7", header(Frame::text("")).in_16_bits()),
        ("a length in 64 bits that needs 16", Frame::text("").claiming(1000).in_64_bits()),
    ];
    let cases = frames.into_iter().flat_map(|(name, frame)| {
        [WHOLE, 1].map(|chop| {
            let name = format!("{name}, {}", chops(chop));
            Case::new(name).send_chopped(frame.clone(), chop).failed(1002)
        })
    });
    // The first two bytes of a header say enough.
    let two = [("an unknown opcode", [0x83, 0x85]), ("no mask", [0x81, 0x05]), ("a long ping", [0x80 | PING, 0xfe])]
        .map(|(name, bytes)| Case::new(format!("{name}, two bytes")).send(bytes).failed(1002));
    hold(&house, cases.chain(two)).await;
}
