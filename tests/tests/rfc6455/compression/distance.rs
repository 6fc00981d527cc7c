//! How far a DEFLATE stream looks back (RFC 1951): zlib-rs reads 32 KiB whatever window was agreed on.

const END_OF_BLOCK: usize = 256;
const LAST_LENGTH: usize = 285;
/// In which order the lengths of the codes for lengths are written (3.2.7).
const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
const LONGEST_CODE: usize = 15;

struct Bits<'a> {
    bytes: &'a [u8],
    place: usize,
}

impl Bits<'_> {
    fn bit(&mut self) -> Option<usize> {
        let byte = self.bytes.get(self.place / 8)?;
        let bit = byte >> (self.place % 8) & 1;
        self.place += 1;
        Some(usize::from(bit))
    }

    fn number(&mut self, bits: usize) -> Option<usize> {
        (0..bits).try_fold(0, |number, place| Some(number | self.bit()? << place))
    }

    fn skip(&mut self, bytes: usize) -> Option<()> {
        self.place += 8 * bytes;
        (self.place <= 8 * self.bytes.len()).then_some(())
    }

    fn next_byte(&mut self) {
        self.place = self.place.next_multiple_of(8);
    }
}

/// A canonical code: symbols by the length of their code, and in each length by number.
struct Code([Vec<usize>; LONGEST_CODE + 1]);

impl Code {
    fn new(lengths: &[usize]) -> Self {
        let mut symbols: [Vec<usize>; LONGEST_CODE + 1] = Default::default();
        for (symbol, length) in lengths.iter().enumerate().filter(|(_, length)| **length > 0) {
            symbols[*length].push(symbol);
        }
        Self(symbols)
    }

    fn symbol(&self, bits: &mut Bits<'_>) -> Option<usize> {
        let (mut code, mut first) = (0, 0);
        for symbols in &self.0[1..] {
            code = code << 1 | bits.bit()?;
            first <<= 1;
            if let Some(symbol) = code.checked_sub(first).and_then(|place| symbols.get(place)) {
                return Some(*symbol);
            }
            first += symbols.len();
        }
        None
    }
}

fn fixed() -> (Code, Code) {
    let lengths = [[8; 144].as_slice(), &[9; 112], &[7; 24], &[8; 8]].concat();
    (Code::new(&lengths), Code::new(&[5; 30]))
}

fn dynamic(bits: &mut Bits<'_>) -> Option<(Code, Code)> {
    let literals = 257 + bits.number(5)?;
    let distances = 1 + bits.number(5)?;
    let count = 4 + bits.number(4)?;
    let mut lengths = [0; ORDER.len()];
    for place in &ORDER[..count] {
        lengths[*place] = bits.number(3)?;
    }
    let code = Code::new(&lengths);
    let mut lengths = Vec::new();
    while lengths.len() < literals + distances {
        let (length, times) = match code.symbol(bits)? {
            16 => (*lengths.last()?, 3 + bits.number(2)?),
            17 => (0, 3 + bits.number(3)?),
            18 => (0, 11 + bits.number(7)?),
            length => (length, 1),
        };
        lengths.extend(std::iter::repeat_n(length, times));
    }
    Some((Code::new(&lengths[..literals]), Code::new(&lengths[literals..])))
}

fn furthest_of_block(bits: &mut Bits<'_>, (literals, distances): &(Code, Code)) -> Option<usize> {
    let mut furthest = 0;
    loop {
        let symbol = literals.symbol(bits)?;
        if symbol == END_OF_BLOCK {
            return Some(furthest);
        }
        if symbol > END_OF_BLOCK {
            let extra = if symbol == LAST_LENGTH { 0 } else { symbol.saturating_sub(261) / 4 };
            bits.number(extra)?;
            let distance = distances.symbol(bits)?;
            let extra = (distance / 2).saturating_sub(1);
            let base = if distance < 4 { distance } else { (2 | distance & 1) << extra };
            furthest = furthest.max(1 + base + bits.number(extra)?);
        }
    }
}

/// The largest distance in whole blocks that begin with a byte; `None` where there is no such thing.
pub(super) fn furthest(bytes: &[u8]) -> Option<usize> {
    let mut bits = Bits { bytes, place: 0 };
    let mut furthest = 0;
    while bits.place < 8 * bytes.len() {
        let last = bits.bit()?;
        match bits.number(2)? {
            0 => {
                bits.next_byte();
                let length = bits.number(16)?;
                bits.skip(2 + length)?;
            }
            1 => furthest = furthest.max(furthest_of_block(&mut bits, &fixed())?),
            2 => {
                let codes = dynamic(&mut bits)?;
                furthest = furthest.max(furthest_of_block(&mut bits, &codes)?);
            }
            _ => return None,
        }
        if last == 1 {
            bits.next_byte();
        }
    }
    Some(furthest)
}

#[test]
fn the_furthest_look_back_is_found() {
    let hello = b"\xf2\x48\xcd\xc9\xc9\x07\x00\x00\x00\xff\xff";
    assert_eq!(furthest(hello), Some(0));
    // "Hello" once more, by a look back over the five bytes before.
    assert_eq!(furthest(b"\xf2\x00\x11\x00\x00\x00\x00\xff\xff"), Some(5));
    assert_eq!(furthest(b"\x07"), None);
    let noise = crate::framing::noise(5000);
    for distance in [300, 1000, 4000] {
        let payload = noise[..distance].repeat(2);
        let mut deflater = super::codec::Deflater::new(flate2::Compression::best(), 15, false);
        assert_eq!(furthest(&deflater.flushed(&payload)), Some(distance));
    }
}
