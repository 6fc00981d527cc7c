//! From many short runs to a number one may trust.

use std::fmt;

/// The middle of some values, and how far apart they are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) least: f64,
    pub(super) most: f64,
}

impl Spread {
    /// `None` of no values, and where one is no number.
    pub(super) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        if values.is_empty() || values.iter().any(|value| !value.is_finite()) {
            return None;
        }
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let median = if values.len().is_multiple_of(2) {
            f64::midpoint(values[middle - 1], values[middle])
        } else {
            values[middle]
        };
        Some(Self { median, least: values[0], most: values[values.len() - 1] })
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { median, least, most } = self;
        write!(f, "{median:.2} ({least:.2}–{most:.2})")
    }
}

/// `1234567` as `1,235k`: more digits than that are noise.
pub(super) fn short(value: f64) -> String {
    if value < 10_000.0 { format!("{value:.0}") } else { format!("{}k", thousands((value / 1000.0).round() as u64)) }
}

/// With commas.
pub(super) fn thousands(value: u64) -> String {
    let digits = value.to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(|group| String::from_utf8_lossy(group)).collect();
    groups.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(Spread::of([3.0, 1.0, 2.0]), Some(Spread { median: 2.0, least: 1.0, most: 3.0 }));
        assert_eq!(Spread::of([4.0, 1.0, 2.0, 3.0]).unwrap().median, 2.5);
        assert_eq!(Spread::of([0.5]).unwrap().to_string(), "0.50 (0.50–0.50)");
        assert_eq!(Spread::of([]), None);
        assert_eq!(Spread::of([1.0, f64::INFINITY]), None);
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(short(999.6), "1000");
        assert_eq!(short(1_234_567.0), "1,235k");
        assert_eq!([thousands(0), thousands(999), thousands(15_991)], ["0", "999", "15,991"]);
    }
}
