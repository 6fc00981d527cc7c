//! UTF-8 that arrives in pieces.

/// Looks at what came since `checked`, and moves it behind the last whole character. What a message ends
/// with may be half a character until the rest is there: `false` is said as soon as no rest can mend it.
pub(super) fn is_still_utf8(text: &[u8], checked: &mut usize) -> bool {
    match std::str::from_utf8(&text[*checked..]) {
        Ok(_) => *checked = text.len(),
        Err(error) => {
            *checked += error.valid_up_to();
            if error.error_len().is_some() {
                return false;
            }
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_may_arrive_in_pieces() {
        let text = "aé€😀z".as_bytes();
        let mut checked = 0;
        for end in 0..=text.len() {
            assert!(is_still_utf8(&text[..end], &mut checked), "{end}");
        }
        assert_eq!(checked, text.len());
    }

    #[test]
    fn what_no_rest_can_mend_is_seen_at_once() {
        // An overlong form, a surrogate, beyond U+10FFFF: each known at its second byte.
        for start in [[0xe0, 0x80], [0xed, 0xa0], [0xf4, 0x90]] {
            assert!(is_still_utf8(&start[..1], &mut 0));
            assert!(!is_still_utf8(&start, &mut 0), "{start:x?}");
        }
    }
}
