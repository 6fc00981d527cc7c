//! A message that is sent over and over, with the time written into it.

use std::time::Instant;

use super::frames::{MASK, TEXT, masked};

/// Digits of a stamp: nanoseconds since the run began.
const DIGITS: usize = 20;
/// Stands before them, and nowhere else in a message.
const MARK: u8 = b'@';

/// A masked frame and where in it the stamp stands.
#[derive(Debug, Clone)]
pub(super) struct Template {
    frame: Vec<u8>,
    /// Of the first digit in the frame, and in the payload.
    stamp: usize,
    in_payload: usize,
}

impl Template {
    /// `{"type": …, "data": {where: …, "t": …, "text": …}}` of `size` bytes, or as long as it has to be.
    pub(super) fn new(kind: &str, place: (&str, &str), size: usize) -> Self {
        let (name, value) = place;
        let head = format!(r#"{{"type":"{kind}","data":{{"{name}":"{value}","t":"@"#);
        let (middle, end) = (r#"","text":""#, r#""}}"#);
        let filling = size.saturating_sub(head.len() + DIGITS + middle.len() + end.len());
        let text = format!("{head}{}{middle}{}{end}", "0".repeat(DIGITS), "x".repeat(filling));
        let (frame, start) = masked(TEXT, text.as_bytes());
        Self { frame, stamp: start + head.len(), in_payload: head.len() }
    }

    /// The frame with this time in it.
    pub(super) fn stamped(&mut self, mut nanos: u64) -> &[u8] {
        for digit in (0..DIGITS).rev() {
            self.frame[self.stamp + digit] = (b'0' + (nanos % 10) as u8) ^ MASK[(self.in_payload + digit) % 4];
            nanos /= 10;
        }
        &self.frame
    }

    /// Bytes of the payload.
    pub(super) fn len(&self) -> usize {
        self.frame.len() - (self.stamp - self.in_payload)
    }
}

/// The time in a message that came back.
pub(super) fn stamp(payload: &[u8]) -> Option<u64> {
    let at = payload.iter().position(|byte| *byte == MARK)? + 1;
    let digits = payload.get(at..at + DIGITS)?;
    digits.iter().try_fold(0_u64, |value, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    })
}

/// Nanoseconds since then.
pub(super) fn nanos(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unmasked(template: &mut Template, nanos: u64) -> Vec<u8> {
        let start = template.stamp - template.in_payload;
        let frame = template.stamped(nanos);
        frame[start..].iter().zip(MASK.into_iter().cycle()).map(|(byte, key)| byte ^ key).collect()
    }

    #[test]
    fn a_message_has_its_size_and_its_stamp() {
        for size in [128, 129, 1_000, 70_000] {
            let mut template = Template::new("echo", ("room", "bench"), size);
            for nanos in [0, 7, 1_234_567_890, u64::MAX] {
                let text = unmasked(&mut template, nanos);
                assert_eq!((text.len(), template.len(), stamp(&text)), (size, size, Some(nanos)));
                assert_eq!(serde_json::from_slice::<serde_json::Value>(&text).unwrap()["type"], "echo");
            }
        }
    }

    #[test]
    fn what_bears_no_stamp_gives_none() {
        assert_eq!(stamp(b"nothing"), None);
        assert_eq!(stamp(b"@12"), None);
        assert_eq!(stamp(b"@123456789012345678x0"), None);
    }
}
