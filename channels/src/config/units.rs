//! Durations, sizes, counts and flags as an operator writes them.

use std::time::Duration;

const NANOS_PER_SEC: u128 = 1_000_000_000;

/// Units of durations with their nanoseconds, the largest first.
const DURATIONS: [(&str, u128); 4] =
    [("h", 3600 * NANOS_PER_SEC), ("m", 60 * NANOS_PER_SEC), ("s", NANOS_PER_SEC), ("ms", NANOS_PER_SEC / 1000)];

/// Units of sizes with their bytes; those that values are shown in come first, the largest of all.
const SIZES: [(&str, usize); 6] =
    [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("GB", 1_000_000_000), ("MB", 1_000_000), ("KB", 1_000)];

/// Reads `30`, `0.5` (seconds), `500ms`, `30s`, `5m` or `1h`; exact to the nanosecond.
pub(super) fn parse_duration(text: &str) -> Option<Duration> {
    let (number, unit) = split_unit(text);
    let unit_nanos = match unit {
        "" => NANOS_PER_SEC,
        unit => DURATIONS.iter().find(|(name, _)| *name == unit)?.1,
    };
    let (whole, fraction) = match number.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (number, "0"),
    };
    // Nine digits are nanoseconds of a second. With more, the product below could overflow.
    if fraction.len() > 9 {
        return None;
    }
    let whole = u128::from(whole.parse::<u64>().ok()?);
    let fraction_nanos = u128::from(fraction.parse::<u64>().ok()?) * unit_nanos / 10_u128.pow(fraction.len() as u32);
    let nanos = whole * unit_nanos + fraction_nanos;
    let seconds = u64::try_from(nanos / NANOS_PER_SEC).ok()?;
    Some(Duration::new(seconds, (nanos % NANOS_PER_SEC) as u32))
}

/// Writes a duration in the largest unit that holds it whole, else as a fraction of seconds.
pub(super) fn show_duration(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    if nanos == 0 {
        return "0s".to_owned();
    }
    match DURATIONS.iter().find(|(_, unit_nanos)| nanos.is_multiple_of(*unit_nanos)) {
        Some((unit, unit_nanos)) => format!("{}{unit}", nanos / unit_nanos),
        None => {
            let fraction = format!("{:09}", duration.subsec_nanos());
            format!("{}.{}s", duration.as_secs(), fraction.trim_end_matches('0'))
        }
    }
}

/// Reads `65536` (bytes), `64KiB`, `16MiB`, `1GB`; units in any case.
pub(super) fn parse_size(text: &str) -> Option<usize> {
    let (number, unit) = split_unit(text);
    let bytes = match unit {
        "" => 1,
        unit => SIZES.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?.1,
    };
    parse_count(number)?.checked_mul(bytes)
}

/// Writes a size in the largest binary unit that holds it whole.
pub(super) fn show_size(size: usize) -> String {
    let mut binary = SIZES.iter().filter(|(unit, _)| unit.ends_with("iB"));
    match binary.find(|(_, bytes)| size != 0 && size.is_multiple_of(*bytes)) {
        Some((unit, bytes)) => format!("{}{unit}", size / bytes),
        None => size.to_string(),
    }
}

/// Reads digits only: no sign, which `usize::from_str` would take.
pub(super) fn parse_count(text: &str) -> Option<usize> {
    let text = text.trim();
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// Reads a yes or a no, in any case.
pub(super) fn parse_flag(text: &str) -> Option<bool> {
    const WORDS: [(&str, bool); 8] = [
        ("true", true),
        ("1", true),
        ("yes", true),
        ("on", true),
        ("false", false),
        ("0", false),
        ("no", false),
        ("off", false),
    ];
    WORDS.iter().find(|(word, _)| word.eq_ignore_ascii_case(text)).map(|(_, flag)| *flag)
}

/// Splits `500 ms` into number and unit. The number has digits and points only, so that signs,
/// exponents, `inf` and `NaN` fall into the unit and are refused there.
fn split_unit(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    (number, unit.trim_start())
}
