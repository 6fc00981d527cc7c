//! Byte sequences that are UTF-8 and ones that are not, by the classes in which decoders go wrong.

/// A sequence and what it shows.
pub(crate) type Row = (String, Vec<u8>);

fn row(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Row {
    (name.into(), bytes.into())
}

/// Encodes without asking whether it may be: any number up to 31 bits, in as many bytes as wanted.
fn encode(number: u32, bytes: u32) -> Vec<u8> {
    let follow = |left: u32| 0x80 | (number >> (6 * left) & 0x3f) as u8;
    // As many ones as there are bytes, then a zero.
    let mark = !(0xff_u8 >> bytes);
    let first = mark | (number >> (6 * (bytes - 1))) as u8;
    [first].into_iter().chain((0..bytes - 1).rev().map(follow)).collect()
}

pub(crate) fn valid() -> Vec<Row> {
    let mut rows = vec![
        row("nothing", ""),
        row("Greek", "Ἐν ἀρχῇ ἦν ὁ λόγος"),
        row("Russian", "Съешь же ещё этих мягких французских булок"),
        row("Hebrew", "דג סקרן שט בים מאוכזב"),
        row("Japanese", "いろはにほへとちりぬるを"),
        row("Hindi", "ऋषियों को सताने वाले"),
        row("a family of joined pictures", "👩\u{200d}👩\u{200d}👧\u{200d}👦"),
        row("combining marks", "e\u{301}\u{323}\u{308}"),
        row("a byte order mark", "\u{feff}text"),
        row("controls", "\0\u{1}\t\r\n\u{7f}\u{85}"),
    ];
    // The first and the last of each length, the neighbours of the surrogates, and the last of all.
    let borders =
        [0, 0x7f, 0x80, 0x7ff, 0x800, 0xd7ff, 0xe000, 0xfffd, 0xffff, 0x10000, 0x3ffff, 0x40000, 0x100000, 0x10ffff];
    let noncharacters = (0..=16).flat_map(|plane| [plane << 16 | 0xfffe, plane << 16 | 0xffff]).chain(0xfdd0..=0xfdef);
    for scalar in borders.into_iter().chain(noncharacters) {
        let scalar = char::from_u32(scalar).unwrap();
        rows.push(row(format!("U+{:04X}", scalar as u32), scalar.to_string()));
    }
    rows
}

pub(crate) fn invalid() -> Vec<Row> {
    [continuations(), lonely_starts(), truncated(), overlong(), surrogates(), beyond()].concat()
}

fn continuations() -> Vec<Row> {
    let each = (0x80..=0xbf).map(|byte: u8| row(format!("the continuation {byte:02x} alone"), [byte]));
    let many = (2..=7).map(|count| row(format!("{count} continuations"), [0x80, 0xbf].repeat(4)[..count].to_vec()));
    let extra = ["\u{7f}", "\u{80}", "\u{800}", "\u{10000}"].map(|complete| {
        row(format!("one more than U+{:X} needs", complete.chars().map(u32::from).sum::<u32>()), {
            [complete.as_bytes(), b"\x80"].concat()
        })
    });
    each.chain(many).chain(extra).collect()
}

fn lonely_starts() -> Vec<Row> {
    let each = (0xc0..=0xff).map(|byte: u8| row(format!("the start {byte:02x} before a space"), [byte, b' ']));
    let twice = [0xc3, 0xe2, 0xf0, 0xfe, 0xff].map(|byte: u8| row(format!("{byte:02x} twice"), [byte, byte]));
    let never =
        [[0xfe, 0x80], [0xff, 0x80], [0xff, 0xfe], [0xfe, 0xff]].map(|bytes| row(format!("{bytes:02x?}"), bytes));
    each.chain(twice).chain(never).collect()
}

/// Sequences that end too early, at each of their bytes, before another character.
fn truncated() -> Vec<Row> {
    let scalars = ["\u{80}", "\u{7ff}", "\u{800}", "\u{ffff}", "\u{10000}", "\u{10ffff}"];
    let before = scalars.into_iter().flat_map(|scalar| {
        (1..scalar.len()).flat_map(move |kept| {
            ["x", "é", "🦀"].map(|next| {
                let name = format!("{kept} of {} bytes, then {next}", scalar.len());
                row(name, [&scalar.as_bytes()[..kept], next.as_bytes()].concat())
            })
        })
    });
    let all = scalars.map(|scalar| &scalar.as_bytes()[..scalar.len() - 1]).concat();
    before.chain([row("truncated ones behind each other", all)]).collect()
}

fn overlong() -> Vec<Row> {
    // The largest number that fits into one byte less, the slash of path traversals, and zero.
    let most = |bytes: u32| [0x7f, 0x7ff, 0xffff, 0x1f_ffff, 0x3ff_ffff][bytes as usize - 2];
    let numbers = |bytes| [0, u32::from(b'/'), most(bytes)];
    (2..=6)
        .flat_map(|bytes| {
            numbers(bytes).map(|number| row(format!("{number:#x} in {bytes} bytes"), encode(number, bytes)))
        })
        .collect()
}

fn surrogates() -> Vec<Row> {
    let borders = [0xd800, 0xdb7f, 0xdb80, 0xdbff, 0xdc00, 0xdf80, 0xdfff];
    let lone = borders.map(|number| row(format!("the surrogate {number:X}"), encode(number, 3)));
    let pairs = borders[..4].iter().flat_map(|high| {
        borders[4..]
            .iter()
            .map(move |low| row(format!("the pair {high:X} {low:X}"), [encode(*high, 3), encode(*low, 3)].concat()))
    });
    lone.into_iter().chain(pairs).collect()
}

fn beyond() -> Vec<Row> {
    [(0x11_0000, 4), (0x13_ffff, 4), (0x14_0000, 4), (0x1f_ffff, 4), (0x20_0000, 5), (0x3ff_ffff, 5), (0x400_0000, 6)]
        .into_iter()
        .chain([(0x7fff_ffff, 6)])
        .map(|(number, bytes)| row(format!("{number:#x}, beyond Unicode"), encode(number, bytes)))
        .collect()
}

/// Each byte above ASCII before each byte at which a decoder decides; which of them are valid says the standard library.
pub(crate) fn pairs() -> impl Iterator<Item = Vec<u8>> {
    const SECOND: [u8; 10] = [0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff];
    (0x80..=0xff).flat_map(|first: u8| {
        SECOND.into_iter().map(move |second| {
            let rest: &[u8] = match first {
                0xe0..=0xef => b"\x80",
                0xf0.. => b"\x80\x80",
                _ => b"",
            };
            [&[first, second][..], rest].concat()
        })
    })
}

/// How many bytes it takes to know that it can never become UTF-8; `None` where it still can.
pub(crate) fn first_wrong(bytes: &[u8]) -> Option<usize> {
    let hopeless = |end: &usize| std::str::from_utf8(&bytes[..*end]).is_err_and(|error| error.error_len().is_some());
    (1..=bytes.len()).find(hopeless)
}

#[test]
fn the_tables_are_what_they_say() {
    assert!(valid().iter().all(|(_, bytes)| std::str::from_utf8(bytes).is_ok()));
    for (name, bytes) in invalid() {
        assert!(std::str::from_utf8(&bytes).is_err(), "{name}");
    }
    assert_eq!(first_wrong("🦀".as_bytes()), None);
    assert_eq!(first_wrong(b"\xf0\x9f"), None, "it can go on");
    assert_eq!(first_wrong(b"a\xed\xa0\x80"), Some(3), "a surrogate shows at its second byte");
    assert_eq!(first_wrong(b"\xc0"), Some(1));
}
