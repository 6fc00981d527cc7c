//! `WS_MAX_MESSAGE_SIZE`, and what a header may make the server believe (RFC 6455, 10.4).

use channels::Config;
use channels_tests::frame::{BINARY, Frame, TEXT, fragments, join};

use crate::case::{Case, WHOLE, chops, failures, hold, none};
use crate::framing::{noise, prose};
use crate::house::House;

const LIMITS: [usize; 5] = [1, 125, 126, 1000, 100_000];

async fn limited(bytes: usize) -> House {
    House::with(Config::builder().max_message_size(bytes)).await
}

/// The same message in one frame, in two and in many, each in one write and in several.
fn each_way(size: usize, name: &str) -> Vec<(Case, bool)> {
    let mut cases = Vec::new();
    for (opcode, payload) in [(TEXT, prose(size).into_bytes()), (BINARY, noise(size))] {
        let whole = Frame::new(opcode, &*payload).bytes();
        let two = join(fragments(opcode, payload.chunks(size.div_ceil(2))));
        let many = join(fragments(opcode, payload.chunks(size.div_ceil(10))));
        let rest = join(fragments(opcode, [&*payload, b""]));
        for (way, bytes) in [("one frame", whole), ("two", two), ("many", many), ("an empty rest", rest)] {
            for chop in [WHOLE, 997] {
                let case = Case::new(format!("{name}: opcode {opcode}, {way}, {}", chops(chop)));
                cases.push((case.send_chopped(&*bytes, chop), opcode == TEXT));
            }
        }
    }
    cases
}

#[tokio::test]
async fn a_message_of_exactly_the_limit_passes() {
    let mut wrong = Vec::new();
    for limit in LIMITS {
        let house = limited(limit).await;
        let cases = each_way(limit, &format!("limit {limit}"))
            .into_iter()
            .map(|(case, text)| if text { case.text(prose(limit)) } else { case.binary(noise(limit)) });
        wrong.extend(failures(&house, cases).await);
    }
    none(&wrong);
}

#[tokio::test]
async fn one_byte_more_is_too_big() {
    let mut wrong = Vec::new();
    for limit in LIMITS {
        let house = limited(limit).await;
        let cases = each_way(limit + 1, &format!("limit {limit}"));
        wrong.extend(failures(&house, cases.into_iter().map(|(case, _)| case.failed(1009))).await);
    }
    none(&wrong);
}

#[tokio::test]
async fn each_message_is_counted_by_itself_and_control_frames_not_at_all() {
    let house = limited(200).await;
    let several = join((0..20).flat_map(|_| fragments(BINARY, [noise(100), noise(100)])));
    let several = Case::new("twenty messages").send(several);
    let twice = [noise(100), noise(100)].concat();
    let several = (0..20).fold(several, |case, _| case.binary(&*twice));
    let pinged = fragments(BINARY, [noise(100), noise(100)])
        .into_iter()
        .flat_map(|frame| [Frame::ping(noise(125)), Frame::pong(noise(125)), frame]);
    let pinged = Case::new("control frames between").send(join(pinged)).binary(twice);
    hold(&house, [several, pinged.pong(noise(125)).pong(noise(125))]).await;
}

#[tokio::test]
async fn a_header_alone_is_enough_to_be_too_big() {
    let house = limited(1 << 20).await;
    let sizes = [1 << 31, (1 << 32) - 1, 1 << 32, (1 << 32) + 5, 1 << 40, 1 << 62, (1 << 63) - 1];
    let cases = sizes.into_iter().flat_map(|size: u64| {
        let start = || Frame::text("hi").more().bytes();
        let all: [(&str, Vec<u8>); 4] = [
            ("text", Frame::text("").claiming(size).bytes()),
            ("binary", Frame::binary("").claiming(size).bytes()),
            ("a few bytes of it", Frame::binary("few").claiming(size).bytes()),
            ("continuation", [start(), Frame::continuation("").claiming(size).bytes()].concat()),
        ];
        all.map(|(name, bytes)| Case::new(format!("{size:#x}, {name}")).send(bytes).failed_with(&[1009, 1002]))
    });
    hold(&house, cases).await;
}

/// A client in one thread writes everything before it reads: a socket that is closed with unread data would
/// reset, and the code would be lost.
#[tokio::test]
async fn who_writes_many_times_the_limit_before_reading_still_learns_why() {
    // Eight times as much is more than the buffers of the two sockets hold.
    const LIMIT: usize = 3 << 20;
    const FLOOD: usize = 8 * LIMIT;
    let house = limited(LIMIT).await;
    let flood = vec![b'x'; FLOOD];
    // Without a mask that changes anything, so that as much is quickly made.
    let frame = |payload: &[u8]| Frame::binary(payload).key([0; 4]);
    let floods: [(&str, Vec<u8>); 5] = [
        ("a binary", frame(&flood).bytes()),
        ("a text", Frame::text(&*flood).key([0; 4]).bytes()),
        ("half of what it announces", frame(&flood).claiming(2 * FLOOD as u64).bytes()),
        ("fragments", join(fragments(BINARY, flood.chunks(LIMIT / 2)).into_iter().map(|frame| frame.key([0; 4])))),
        ("messages", join((0..8).map(|_| frame(&flood[..=LIMIT])))),
    ];
    let cases = floods.map(|(name, bytes)| Case::new(name).send(bytes).failed(1009).in_good_order());
    hold(&house, cases).await;
}

/// The memory of the process that is reserved, in bytes.
#[cfg(target_os = "linux")]
fn reserved_memory() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    4096 * pages.split(' ').next().unwrap().parse::<u64>().unwrap()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn memory_is_taken_for_what_has_come_and_not_for_what_is_announced() {
    const ANNOUNCED: u64 = 512 << 20;
    const CLIENTS: usize = 16;
    let house = limited(1 << 30).await;
    let before = reserved_memory();
    let mut wires = Vec::new();
    for _ in 0..CLIENTS {
        let mut wire = channels_tests::wire::Wire::connect(house.address).await.unwrap();
        wire.write(&crate::talk::request(""), WHOLE).await;
        wire.head().await.unwrap();
        let frames = [Frame::ping("?"), Frame::binary("few").claiming(ANNOUNCED)];
        wire.write(&join(frames), WHOLE).await;
        wire.hear().await.unwrap();
        wires.push(wire);
    }
    // A server that believes them holds gigabytes; other tests of this program hold megabytes.
    let grown = reserved_memory().saturating_sub(before);
    assert!(grown < ANNOUNCED, "{} MiB are reserved for a few bytes", grown >> 20);
    drop(wires);
    house.empty().await;
}
