//! A client that inflates by itself, bit for bit as RFC 1951 says, and holds us to the window that
//! was agreed on: zlib reads what goes beyond a window that it was told.

use super::TAIL;

/// Base and extra bits of the lengths 257 to 285.
const LENGTHS: [(usize, u32); 29] = {
    let mut lengths = [(3, 0); 29];
    let mut code = 1;
    while code < 28 {
        let (base, bits) = lengths[code - 1];
        lengths[code] = (base + (1 << bits), if code < 8 { 0 } else { (code as u32 - 4) / 4 });
        code += 1;
    }
    lengths[28] = (258, 0);
    lengths
};

/// The order in which the lengths of the lengths' codes are written.
const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// The message of this frame.
///
/// # Panics
///
/// If anything is wrong with it, or refers to more than the window.
pub(super) fn reads(compressed: &[u8], window_bits: u8) -> Vec<u8> {
    let input = [compressed, &TAIL].concat();
    let mut client = Client { input: &input, bit: 0, window: 1 << window_bits, message: Vec::new() };
    while client.bit < input.len() * 8 {
        client.block();
    }
    client.message
}

struct Client<'a> {
    input: &'a [u8],
    bit: usize,
    window: usize,
    message: Vec<u8>,
}

impl Client<'_> {
    fn bits(&mut self, count: u32) -> usize {
        (0..count).fold(0, |bits, shift| {
            let bit = self.input[self.bit / 8] >> (self.bit % 8) & 1;
            self.bit += 1;
            bits | usize::from(bit) << shift
        })
    }

    fn block(&mut self) {
        assert_eq!(self.bits(1), 0, "a message goes on");
        match self.bits(2) {
            0 => self.stored(),
            1 => {
                let literals: Vec<_> = (0..288).map(|symbol| [8, 9, 7, 8][fixed(symbol)]).collect();
                self.coded(&Code::new(&literals), &Code::new(&[5; 30]));
            }
            2 => self.dynamic(),
            _ => panic!("no such block"),
        }
    }

    fn stored(&mut self) {
        self.bit = self.bit.next_multiple_of(8);
        let length = self.bits(16);
        assert_eq!(self.bits(16), !length & 0xffff);
        let start = self.bit / 8;
        self.message.extend_from_slice(&self.input[start..start + length]);
        self.bit += length * 8;
    }

    fn dynamic(&mut self) {
        let (literals, distances, written) = (self.bits(5) + 257, self.bits(5) + 1, self.bits(4) + 4);
        let mut of_lengths = [0; 19];
        for place in &ORDER[..written] {
            of_lengths[*place] = self.bits(3);
        }
        let code = Code::new(&of_lengths);
        let mut lengths: Vec<usize> = Vec::new();
        while lengths.len() < literals + distances {
            let (length, times) = match code.symbol(self) {
                16 => (*lengths.last().unwrap(), 3 + self.bits(2)),
                17 => (0, 3 + self.bits(3)),
                18 => (0, 11 + self.bits(7)),
                length => (length, 1),
            };
            lengths.resize(lengths.len() + times, length);
        }
        assert_eq!(lengths.len(), literals + distances);
        self.coded(&Code::new(&lengths[..literals]), &Code::new(&lengths[literals..]));
    }

    fn coded(&mut self, literals: &Code, distances: &Code) {
        loop {
            let symbol = literals.symbol(self);
            match symbol {
                0..256 => self.message.push(u8::try_from(symbol).unwrap()),
                256 => return,
                _ => {
                    let (base, extra) = LENGTHS[symbol - 257];
                    let length = base + self.bits(extra);
                    let distance = match distances.symbol(self) {
                        near @ 0..4 => near + 1,
                        far => {
                            let extra = u32::try_from(far / 2 - 1).unwrap();
                            ((2 + far % 2) << extra) + 1 + self.bits(extra)
                        }
                    };
                    assert!(distance <= self.window, "{distance} back with a window of {}", self.window);
                    for _ in 0..length {
                        self.message.push(self.message[self.message.len() - distance]);
                    }
                }
            }
        }
    }
}

fn fixed(symbol: usize) -> usize {
    [144, 256, 280].iter().filter(|start| symbol >= **start).count()
}

/// A Huffman code: how many symbols have each length, and the symbols in order.
struct Code {
    counts: [usize; 16],
    symbols: Vec<usize>,
}

impl Code {
    fn new(lengths: &[usize]) -> Self {
        let mut counts = [0; 16];
        lengths.iter().filter(|length| **length > 0).for_each(|length| counts[*length] += 1);
        let mut symbols: Vec<_> = (0..lengths.len()).filter(|symbol| lengths[*symbol] > 0).collect();
        symbols.sort_by_key(|symbol| lengths[*symbol]);
        Self { counts, symbols }
    }

    fn symbol(&self, client: &mut Client<'_>) -> usize {
        let (mut code, mut first, mut index) = (0, 0, 0);
        for count in &self.counts[1..] {
            code |= client.bits(1);
            if code < first + count {
                return self.symbols[index + code - first];
            }
            index += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        panic!("no such code");
    }
}
