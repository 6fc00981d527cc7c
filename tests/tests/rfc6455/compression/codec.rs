//! The client's side of permessage-deflate, and the server's answer to its offer.

use channels_tests::frame::Frame;
use channels_tests::wire::{Head, Inflate};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::distance::furthest;

/// What each message would end with, and therefore leaves out (RFC 7692, 7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];
/// zlib has no smaller window.
const LEAST_BITS: u8 = 9;
const MOST_BITS: u8 = 15;

/// What both sides may do, by the server's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Agreed {
    pub(super) server_takeover: bool,
    pub(super) client_takeover: bool,
    pub(super) server_bits: u8,
    /// Said only to a client that has asked for it.
    pub(super) client_bits: Option<u8>,
}

impl Agreed {
    /// `None` where the offer was declined; an error where the answer is none that a server may give.
    pub(super) fn read(head: &Head) -> Result<Option<Self>, String> {
        let answers: Vec<&str> = head.all("sec-websocket-extensions").collect();
        let answer = match answers[..] {
            [] => return Ok(None),
            [answer] => answer,
            _ => return Err(format!("several answers: {answers:?}")),
        };
        let mut parts = answer.split(';').map(str::trim);
        if parts.next() != Some("permessage-deflate") {
            return Err(format!("not what was offered: {answer:?}"));
        }
        let mut agreed =
            Self { server_takeover: true, client_takeover: true, server_bits: MOST_BITS, client_bits: None };
        let mut seen = Vec::new();
        for part in parts {
            let (name, value) = part.split_once('=').map_or((part, None), |(name, value)| (name, Some(value)));
            let bits = value.filter(|value| !value.starts_with('0')).and_then(|value| value.parse().ok());
            let bits = bits.filter(|bits| (8..=MOST_BITS).contains(bits));
            match (name, value, bits) {
                _ if seen.contains(&name) => return Err(format!("{name} twice: {answer:?}")),
                ("server_no_context_takeover", None, _) => agreed.server_takeover = false,
                ("client_no_context_takeover", None, _) => agreed.client_takeover = false,
                ("server_max_window_bits", _, Some(bits)) => agreed.server_bits = bits,
                ("client_max_window_bits", _, Some(bits)) => agreed.client_bits = Some(bits),
                _ => return Err(format!("{part:?} in {answer:?}")),
            }
            seen.push(name);
        }
        Ok(Some(agreed))
    }
}

/// Reads what the server compresses, and fails where it looks back further than it may.
pub(super) fn inflater(agreed: &Agreed) -> Inflate {
    let takeover = agreed.server_takeover;
    let window = 1 << agreed.server_bits;
    let mut inflate = Decompress::new(false);
    Box::new(move |mut payload| {
        payload.extend(TAIL);
        match furthest(&payload) {
            Some(distance) if distance <= window => {}
            Some(distance) => return Err(format!("the server looks back {distance} bytes, over a window of {window}")),
            None => return Err("the server compresses something that is not DEFLATE".to_owned()),
        }
        if !takeover {
            inflate.reset(false);
        }
        let mut message = Vec::new();
        let mut rest = &payload[..];
        loop {
            let mut piece = [0; 4096];
            let (read, written) = (inflate.total_in(), inflate.total_out());
            let status = inflate.decompress(rest, &mut piece, FlushDecompress::Sync);
            let status = status.map_err(|error| format!("what the server compressed: {error}"))?;
            rest = &rest[(inflate.total_in() - read) as usize..];
            let written = (inflate.total_out() - written) as usize;
            message.extend(&piece[..written]);
            if status == Status::StreamEnd || rest.is_empty() && written < piece.len() {
                return Ok(message);
            }
        }
    })
}

/// Compresses messages one after the other.
pub(super) struct Deflater {
    compress: Compress,
    takeover: bool,
}

impl Deflater {
    /// It forgets each message, which is always allowed.
    pub(super) fn forgetful() -> Self {
        Self::new(Compression::default(), MOST_BITS, false)
    }

    /// It does all that it may.
    pub(super) fn agreed(agreed: &Agreed) -> Self {
        Self::new(Compression::default(), agreed.client_bits.unwrap_or(MOST_BITS), agreed.client_takeover)
    }

    pub(super) fn new(level: Compression, bits: u8, takeover: bool) -> Self {
        // A window of 8 bits only zlib's users cannot have: what stores and never looks back keeps to any.
        let level = if bits < LEAST_BITS { Compression::none() } else { level };
        Self { compress: Compress::new_with_window_bits(level, false, bits.max(LEAST_BITS)), takeover }
    }

    /// The payload of a compressed message.
    pub(super) fn message(&mut self, payload: &[u8]) -> Vec<u8> {
        if !self.takeover {
            self.compress.reset();
        }
        let mut out = self.flushed(payload);
        // Nothing new to flush gives nothing at all; an empty block stands for an empty message (7.2.3.6).
        if out.is_empty() {
            return vec![0];
        }
        assert!(out.ends_with(&TAIL), "zlib has not flushed");
        out.truncate(out.len() - TAIL.len());
        out
    }

    /// What has to be appended to, or left out of, by the caller.
    pub(super) fn flushed(&mut self, mut payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        loop {
            out.reserve(1024);
            let read = self.compress.total_in();
            self.compress.compress_vec(payload, &mut out, FlushCompress::Sync).unwrap();
            payload = &payload[(self.compress.total_in() - read) as usize..];
            if payload.is_empty() && out.len() < out.capacity() {
                return out;
            }
        }
    }

    pub(super) fn text(&mut self, text: &str) -> Frame {
        Frame::text(self.message(text.as_bytes())).rsv(4)
    }

    pub(super) fn binary(&mut self, data: &[u8]) -> Frame {
        Frame::binary(self.message(data)).rsv(4)
    }
}

fn round(deflater: &mut Deflater, inflate: &mut Inflate, payload: &[u8]) -> Result<(), String> {
    let message = deflater.message(payload);
    let back = inflate(message)?;
    if back == payload { Ok(()) } else { Err(format!("{} bytes came back as {}", payload.len(), back.len())) }
}

#[test]
fn the_two_sides_of_this_client_understand_each_other() {
    let payloads = [vec![], b"Hello".to_vec(), vec![7; 100_000], crate::framing::noise(40_000), vec![]];
    for takeover in [true, false] {
        for bits in [8, 9, 12, 15] {
            let agreed = Agreed {
                server_takeover: takeover,
                client_takeover: takeover,
                server_bits: bits,
                client_bits: Some(bits),
            };
            let (mut deflater, mut inflate) = (Deflater::agreed(&agreed), inflater(&agreed));
            for payload in payloads.iter().chain(&payloads) {
                round(&mut deflater, &mut inflate, payload).unwrap();
            }
        }
    }
}

#[test]
fn a_window_that_is_larger_than_agreed_on_is_noticed() {
    let agreed = Agreed { server_takeover: true, client_takeover: true, server_bits: 9, client_bits: None };
    let twice = crate::framing::noise(2000).repeat(2);
    let mut deflater = Deflater::agreed(&agreed);
    assert!(round(&mut deflater, &mut inflater(&agreed), &twice).is_err());
}

#[test]
fn a_context_that_should_be_forgotten_is_noticed() {
    let agreed = Agreed { server_takeover: false, client_takeover: true, server_bits: 15, client_bits: None };
    let (mut deflater, mut inflate) = (Deflater::agreed(&agreed), inflater(&agreed));
    let payload = crate::framing::noise(2000);
    round(&mut deflater, &mut inflate, &payload).unwrap();
    assert!(round(&mut deflater, &mut inflate, &payload).is_err());
}
