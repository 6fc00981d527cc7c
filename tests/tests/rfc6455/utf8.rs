//! Texts are UTF-8 (RFC 6455, 8.1), however they are cut.

use channels_tests::frame::{Frame, TEXT, fragments, join};

use crate::case::{Case, hold};
use crate::house::House;
use crate::utf8_table::{invalid, pairs, valid};

/// The same bytes as one frame, a byte a write, a byte a fragment, and a byte a fragment and write.
fn each_way(name: &str, bytes: &[u8]) -> [Case; 4] {
    let bytewise = || join(fragments(TEXT, bytes.chunks(1).chain([&b""[..]])));
    [
        Case::new(name).send(Frame::text(bytes)),
        Case::new(format!("{name}, a byte a write")).send_chopped(Frame::text(bytes), 1),
        Case::new(format!("{name}, a byte a fragment")).send(bytewise()),
        Case::new(format!("{name}, a byte a fragment, a byte a write")).send_chopped(bytewise(), 1),
    ]
}

/// Between other characters, so that the sequence does not stand at the border of the message.
fn amid(bytes: &[u8]) -> Vec<u8> {
    ["Grüße, ".as_bytes(), bytes, "\n – 再见 🦀".as_bytes()].concat()
}

#[tokio::test]
async fn utf8_comes_back() {
    let house = House::open().await;
    let cases = valid().into_iter().flat_map(|(name, bytes)| {
        let amid = amid(&bytes);
        let alone = each_way(&name, &bytes).map(|case| case.text(&*bytes));
        alone.into_iter().chain([Case::new(format!("{name}, amid others")).send(Frame::text(&*amid)).text(amid)])
    });
    hold(&house, cases).await;
}

#[tokio::test]
async fn what_is_not_utf8_ends_the_connection() {
    let house = House::open().await;
    let cases = invalid().into_iter().flat_map(|(name, bytes)| {
        let amid = Case::new(format!("{name}, amid others")).send(Frame::text(amid(&bytes)));
        each_way(&name, &bytes).into_iter().chain([amid]).map(|case| case.failed(1007))
    });
    hold(&house, cases).await;
}

#[tokio::test]
async fn a_text_ends_with_a_whole_character() {
    let house = House::open().await;
    let cases = ["é", "€", "\u{d7ff}", "🦀", "\u{10ffff}"].into_iter().flat_map(|scalar| {
        (1..scalar.len()).flat_map(move |kept| {
            let text = [b"cut: ", &scalar.as_bytes()[..kept]].concat();
            each_way(&format!("{kept} bytes of {}", scalar.escape_unicode()), &text).map(|case| case.failed(1007))
        })
    });
    hold(&house, cases).await;
}

#[tokio::test]
async fn each_second_byte_is_judged_by_its_first() {
    let house = House::open().await;
    let cases = pairs().map(|bytes| {
        let case = Case::new(bytes.escape_ascii().to_string()).send(Frame::text(&*bytes));
        if std::str::from_utf8(&bytes).is_ok() { case.text(bytes) } else { case.failed(1007) }
    });
    hold(&house, cases).await;
}

#[tokio::test]
async fn a_character_may_be_cut_by_fragments_and_pings() {
    let house = House::open().await;
    let text = "aé€🦀\u{10ffff}z";
    let cuts = (0..=text.len()).map(|cut| {
        let (start, rest) = text.as_bytes().split_at(cut);
        let [first, second] = [Frame::text(start).more(), Frame::continuation(rest)];
        Case::new(format!("at {cut}")).send(join([first, Frame::ping("\u{e9}"), second])).pong("\u{e9}").text(text)
    });
    // A new message begins anew, with nothing left of the one before.
    let two = Case::new("two messages").send(join([
        Frame::text("é"),
        Frame::text(*b"\xc3").more(),
        Frame::continuation(*b"\xa9"),
        Frame::text("é"),
    ]));
    hold(&house, cuts.chain([two.text("é").text("é").text("é")])).await;
}

#[tokio::test]
async fn a_late_mistake_in_a_long_text_is_found() {
    let house = House::open().await;
    let cases = [100, 4095, 4096, 65_535, 200_000].into_iter().flat_map(|before| {
        [&b"\xff"[..], b"\xc3", b"\xed\xa0\x80", b"\xf0\x9f\xa6"].map(|wrong| {
            let text = [&crate::framing::prose(before).into_bytes()[..], wrong].concat();
            let name = format!("{} after {before} bytes", wrong.escape_ascii());
            Case::new(name).send_chopped(Frame::text(text), 9973).failed(1007)
        })
    });
    hold(&house, cases).await;
}

#[tokio::test]
async fn a_binary_may_be_anything() {
    let house = House::open().await;
    let cases = invalid().into_iter().flat_map(|(name, bytes)| {
        let fragments = join(fragments(channels_tests::frame::BINARY, bytes.chunks(1)));
        [
            Case::new(name.clone()).send(Frame::binary(&*bytes)).binary(&*bytes),
            Case::new(format!("{name}, a byte a fragment")).send(fragments).binary(bytes),
        ]
    });
    hold(&house, cases).await;
}
