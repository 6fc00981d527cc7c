//! One frame of a client, right or wrong in each of its bits.

pub const CONTINUATION: u8 = 0;
pub const TEXT: u8 = 1;
pub const BINARY: u8 = 2;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;

/// How a header says how long the payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Shortest,
    In16Bits,
    In64Bits,
}

/// A frame as a client has to send it, until told otherwise.
#[derive(Clone, Debug)]
pub struct Frame {
    first: u8,
    key: Option<[u8; 4]>,
    form: Form,
    /// What the header says, where it lies.
    claimed: Option<u64>,
    payload: Vec<u8>,
}

impl Frame {
    pub fn new(opcode: u8, payload: impl Into<Vec<u8>>) -> Self {
        // Four different bytes, so that a mask that is applied out of step shows.
        let key = Some([0x1d, 0xb2, 0x47, 0xe8]);
        Self { first: 0x80 | opcode, key, form: Form::Shortest, claimed: None, payload: payload.into() }
    }

    pub fn text(payload: impl Into<Vec<u8>>) -> Self {
        Self::new(TEXT, payload)
    }

    pub fn binary(payload: impl Into<Vec<u8>>) -> Self {
        Self::new(BINARY, payload)
    }

    pub fn continuation(payload: impl Into<Vec<u8>>) -> Self {
        Self::new(CONTINUATION, payload)
    }

    pub fn ping(payload: impl Into<Vec<u8>>) -> Self {
        Self::new(PING, payload)
    }

    pub fn pong(payload: impl Into<Vec<u8>>) -> Self {
        Self::new(PONG, payload)
    }

    pub fn close(code: u16, reason: impl AsRef<[u8]>) -> Self {
        Self::new(CLOSE, [&code.to_be_bytes()[..], reason.as_ref()].concat())
    }

    /// Not the last frame of its message.
    #[must_use]
    pub fn more(mut self) -> Self {
        self.first &= 0x7f;
        self
    }

    /// The three reserved bits: RSV1 is 4, RSV2 is 2, RSV3 is 1.
    #[must_use]
    pub fn rsv(mut self, bits: u8) -> Self {
        self.first |= bits << 4;
        self
    }

    #[must_use]
    pub fn key(mut self, key: [u8; 4]) -> Self {
        self.key = Some(key);
        self
    }

    #[must_use]
    pub fn unmasked(mut self) -> Self {
        self.key = None;
        self
    }

    #[must_use]
    pub fn in_16_bits(mut self) -> Self {
        self.form = Form::In16Bits;
        self
    }

    #[must_use]
    pub fn in_64_bits(mut self) -> Self {
        self.form = Form::In64Bits;
        self
    }

    /// The header says another length than the payload has.
    #[must_use]
    pub fn claiming(mut self, bytes: u64) -> Self {
        self.claimed = Some(bytes);
        self
    }

    /// The frame on the wire.
    pub fn bytes(&self) -> Vec<u8> {
        let mask_bit = if self.key.is_some() { 0x80 } else { 0 };
        let length = self.claimed.unwrap_or(self.payload.len() as u64);
        let mut bytes = vec![self.first];
        match (self.form, length) {
            (Form::Shortest, 0..=125) => bytes.push(mask_bit | length as u8),
            (Form::Shortest, 126..=0xffff) | (Form::In16Bits, _) => {
                bytes.push(mask_bit | 126);
                bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
            }
            (Form::Shortest | Form::In64Bits, _) => {
                bytes.push(mask_bit | 127);
                bytes.extend(length.to_be_bytes());
            }
        }
        match self.key {
            Some([0, 0, 0, 0]) => {
                bytes.extend([0; 4]);
                bytes.extend(&self.payload);
            }
            Some(key) => {
                bytes.extend(key);
                bytes.extend(self.payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
            }
            None => bytes.extend(&self.payload),
        }
        bytes
    }
}

impl From<Frame> for Vec<u8> {
    fn from(frame: Frame) -> Self {
        frame.bytes()
    }
}

/// Several frames behind each other.
pub fn join(frames: impl IntoIterator<Item = Frame>) -> Vec<u8> {
    frames.into_iter().flat_map(|frame| frame.bytes()).collect()
}

/// One message in as many frames as there are parts.
pub fn fragments<P: AsRef<[u8]>>(opcode: u8, parts: impl IntoIterator<Item = P>) -> Vec<Frame> {
    let mut frames: Vec<Frame> = Vec::new();
    for part in parts {
        let opcode = if frames.is_empty() { opcode } else { CONTINUATION };
        frames.push(Frame::new(opcode, part.as_ref()).more());
    }
    if let Some(last) = frames.last_mut() {
        last.first |= 0x80;
    }
    frames
}
