//! How deep a message is nested, without a tree.

/// Whether arrays and objects are nested deeper than so many levels. Of JSON that was found to be well-formed.
pub(super) fn is_deeper(json: &str, levels: usize) -> bool {
    // Each level is opened and closed: most messages are too short to be deep, and of the others most have too few
    // brackets, which are counted many at a time.
    if json.len() / 2 <= levels {
        return false;
    }
    let bytes = json.as_bytes();
    // `[` and `{` differ in one bit.
    let opened = bytes.iter().filter(|byte| **byte | 0x20 == b'{').count();
    opened > levels && deepest(bytes, levels) > levels
}

/// The depth, looked at no further than where it exceeds the levels.
fn deepest(json: &[u8], levels: usize) -> usize {
    let (mut depth, mut is_text, mut is_escaped) = (0_usize, false, false);
    for byte in json {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_text => is_escaped = true,
            b'"' => is_text = !is_text,
            _ if is_text => {}
            b'[' | b'{' => {
                depth += 1;
                if depth > levels {
                    return depth;
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_count_where_they_are_nested_and_stand_in_no_text() {
        for (json, depth) in [
            ("1", 0),
            ("[]", 1),
            (r#"{"a":[{}]}"#, 3),
            ("[[],[],[],[],[],[],[]]", 2),
            (r#"["[[[[[[[[[[[["]"#, 1),
            (r#"["\"[[[[[[[[[[[["]"#, 1),
            (r#"["\\",[[]]]"#, 3),
            (r#"{"[[[[":{"]]]]":[[0]]}}"#, 4),
        ] {
            for levels in 0..8 {
                assert_eq!(is_deeper(json, levels), depth > levels, "{json} at {levels}");
            }
        }
    }

    #[test]
    fn a_million_brackets_are_looked_at_no_further_than_needed() {
        let deep = "[".repeat(1_000_000) + &"]".repeat(1_000_000);
        assert!(is_deeper(&deep, 127));
        assert!(!is_deeper(&deep, 1_000_000));
    }
}
