//! Frames of a server, found by their headers; frames of a client, made once.

/// What masks every frame of ours. Any key is as dear to unmask as any other.
pub(super) const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

pub(super) const TEXT: u8 = 1;
pub(super) const CLOSE: u8 = 8;
pub(super) const PING: u8 = 9;
pub(super) const PONG: u8 = 10;

/// A frame that is complete.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    pub(super) opcode: u8,
    pub(super) length: u64,
    /// `None` where it came in several reads.
    pub(super) payload: Option<&'a [u8]>,
}

/// Where one connection's stream is between two reads.
#[derive(Debug, Default)]
pub(super) struct Scanner {
    head: [u8; 10],
    have: u8,
    /// Of the payload, while the head is complete.
    missing: u64,
    length: u64,
    begun: bool,
}

/// What no server may send.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed;

impl Scanner {
    /// Goes through what was read and tells each frame that it completes.
    pub(super) fn scan<'a>(&mut self, mut bytes: &'a [u8], mut found: impl FnMut(Frame<'a>)) -> Result<(), Malformed> {
        while !bytes.is_empty() {
            if !self.begun {
                // Nearly always the whole head is there.
                self.head[usize::from(self.have)] = bytes[0];
                self.have += 1;
                bytes = &bytes[1..];
                if !self.head_complete()? {
                    continue;
                }
                self.begun = true;
                self.missing = self.length;
            }
            let whole = self.missing == self.length;
            let here = usize::try_from(self.missing).unwrap_or(usize::MAX).min(bytes.len());
            let (payload, rest) = bytes.split_at(here);
            bytes = rest;
            self.missing -= here as u64;
            if self.missing == 0 {
                let opcode = self.head[0] & 0x0f;
                found(Frame { opcode, length: self.length, payload: whole.then_some(payload) });
                (self.have, self.begun) = (0, false);
            }
        }
        Ok(())
    }

    /// Whether the head is complete; then `length` is the payload's.
    fn head_complete(&mut self) -> Result<bool, Malformed> {
        if self.have < 2 {
            return Ok(false);
        }
        let [_, short, rest @ ..] = &self.head;
        let needed = match short {
            0..=125 => 2,
            126 => 4,
            127 => 10,
            // Only clients mask.
            _ => return Err(Malformed),
        };
        if self.have < needed {
            return Ok(false);
        }
        self.length = match short {
            126 => u64::from(u16::from_be_bytes([rest[0], rest[1]])),
            127 => u64::from_be_bytes(*rest),
            short => u64::from(*short),
        };
        Ok(true)
    }
}

/// A whole frame of a client, masked with [`MASK`], and where its payload begins.
pub(super) fn masked(opcode: u8, payload: &[u8]) -> (Vec<u8>, usize) {
    let mut frame = vec![0x80 | opcode];
    match payload.len() {
        short @ 0..=125 => frame.push(0x80 | short as u8),
        length => match u16::try_from(length) {
            Ok(length) => {
                frame.push(0x80 | 126);
                frame.extend(length.to_be_bytes());
            }
            Err(_) => {
                frame.push(0x80 | 127);
                frame.extend((length as u64).to_be_bytes());
            }
        },
    }
    frame.extend(MASK);
    let start = frame.len();
    frame.extend(payload.iter().zip(MASK.into_iter().cycle()).map(|(byte, key)| byte ^ key));
    (frame, start)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A text of each kind of length, then a ping.
    fn stream() -> Vec<u8> {
        let mut bytes = vec![0x81, 2, b'h', b'i', 0x81, 126, 1, 0];
        bytes.extend([7; 256]);
        bytes.extend([0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
        bytes.extend([8; 65_536]);
        bytes.extend([0x89, 0]);
        bytes
    }

    fn scan(bytes: &[u8], step: usize) -> Vec<(u8, u64)> {
        let (mut scanner, mut found) = (Scanner::default(), Vec::new());
        for read in bytes.chunks(step) {
            scanner.scan(read, |frame| found.push((frame.opcode, frame.length))).unwrap();
        }
        found
    }

    #[test]
    fn frames_are_found_however_they_are_cut() {
        let expected = [(1, 2), (1, 256), (2, 65_536), (9, 0)];
        for step in [1, 2, 3, 5, 7, 1_000, usize::MAX] {
            assert_eq!(scan(&stream(), step), expected, "{step} bytes at a time");
        }
    }

    #[test]
    fn the_payload_is_told_where_it_came_in_one_piece() {
        let mut scanner = Scanner::default();
        let mut payloads = Vec::new();
        scanner.scan(&[0x81, 2, b'h', b'i', 0x81, 2, b'h'], |frame| payloads.push(frame.payload)).unwrap();
        scanner.scan(b"o", |frame| payloads.push(frame.payload)).unwrap();
        assert_eq!(payloads, [Some(&b"hi"[..]), None]);
    }

    #[test]
    fn a_masked_frame_is_no_servers() {
        assert_eq!(Scanner::default().scan(&[0x81, 0x82, 0], |_| {}), Err(Malformed));
    }

    #[test]
    fn a_masked_frame_begins_where_it_says() {
        for length in [0, 125, 126, 65_535, 65_536] {
            let (frame, start) = masked(TEXT, &vec![b'x'; length]);
            assert_eq!(frame.len() - start, length);
            assert_eq!(frame[start - 4..start], MASK);
            assert!(frame[start..].iter().zip(MASK.into_iter().cycle()).all(|(byte, key)| byte ^ key == b'x'));
        }
    }
}
