//! Durations in quotes: `"500ms"`, `"10s"`, `"5m"`, `"1h"`.

use std::time::Duration;

use syn::LitStr;

/// The longest one.
pub(crate) const MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// What a duration is, in the words that refuse one.
#[derive(Clone, Copy)]
pub(crate) struct Noun {
    pub(crate) name: &'static str,
    /// What one of 0 would be.
    pub(crate) of_zero: &'static str,
}

/// Reads a duration of 1 ms to [`MAX`].
pub(crate) fn duration(literal: &LitStr, noun: Noun) -> syn::Result<Duration> {
    let Noun { name, of_zero } = noun;
    let refused = |words: String| Err(syn::Error::new(literal.span(), words));
    let text = literal.value();
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    if number.is_empty() {
        return refused(format!("`{text}` is no {name}: expected a whole number with a unit, such as `10s`"));
    }
    let milliseconds: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "" => return refused(format!("`{text}` has no unit: expected `{text}ms`, `{text}s`, `{text}m` or `{text}h`")),
        _ if unit.starts_with('.') => return refused(format!("`{text}` is no whole number: use a smaller unit")),
        _ => return refused(format!("unknown unit `{unit}`: expected `ms`, `s`, `m` or `h`")),
    };
    // A number that does not fit is too long in any unit.
    let milliseconds = number.parse::<u64>().unwrap_or(u64::MAX).saturating_mul(milliseconds);
    match Duration::from_millis(milliseconds) {
        Duration::ZERO => refused(format!("a {name} of 0 {of_zero}: expected `1ms` or more")),
        read if read > MAX => refused(format!("a {name} is at most 365 days: `8760h`")),
        read => Ok(read),
    }
}

/// Its milliseconds; [`MAX`] has fewer than a u64 holds.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proc_macro2::Span;

    use super::*;

    fn read(text: &str) -> Result<Duration, String> {
        let noun = Noun { name: "period", of_zero: "is none" };
        duration(&LitStr::new(text, Span::call_site()), noun).map_err(|error| error.to_string())
    }

    #[test]
    fn a_duration_is_a_whole_number_with_a_unit() {
        assert_eq!(read("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(read("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(read("5m"), Ok(Duration::from_secs(300)));
        assert_eq!(read("8760h"), Ok(MAX));
        for wrong in ["", "s", "10", "10 s", "10d", "1.5s", "-1s", "0s", "8761h", "99999999999999999999h", "１s"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
