//! The kinds of values that settings have: how each is read, shown and bounded. Names are in
//! `choice`, texts in `text`.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Rate, units};

/// The longest duration of any setting. `Instant + Duration` panics when it overflows, and no
/// server waits for a year.
pub(super) const MAX_PERIOD: Duration = Duration::from_secs(365 * 24 * 3600);

/// The shortest duration that is not zero: what timers tell apart, and what Redis can expire by.
pub(super) const MIN_PERIOD: Duration = Duration::from_millis(1);

/// The largest size of a message or an outbox, in bytes: both are held in memory, by connection.
const MAX_SIZE: usize = 1 << 30;

/// The largest memory for many of them, in bytes: what the address space allows, and no server has more.
const MAX_MEMORY: usize = if usize::BITS < 64 { 1 << 31 } else { MAX_SIZE << 10 };

/// The largest count.
const MAX_COUNT: usize = u32::MAX as usize;

/// One kind of value.
pub(super) trait Kind: Sync {
    /// What [`Config`](super::Config) holds.
    type Value: 'static;

    /// The value that the text means, if it means any.
    fn read(&self, text: &str) -> Option<Self::Value>;
    /// The value in words that [`read`](Self::read) takes, but without secrets.
    fn show(&self, value: &Self::Value) -> String;
    /// Whether the value makes sense.
    fn allows(&self, value: &Self::Value) -> bool;
    /// The unit of a plain number, or what kind of text it is.
    fn unit(&self) -> &'static str;
    /// The values that make sense, in words.
    fn allowed(&self) -> String;

    /// What a wrong value's error asks for.
    fn expected(&self) -> String {
        self.allowed()
    }
    /// The text of a wrong value, without secrets.
    fn quote(&self, text: &str) -> String {
        text.to_owned()
    }
    /// Puts a value that was read where the old one is.
    fn store(&self, slot: &mut Self::Value, value: Self::Value) {
        *slot = value;
    }
}

/// A time.
pub(super) struct Period {
    min: Duration,
}

impl Period {
    /// Zero makes sense.
    pub(super) const ANY: Self = Self { min: Duration::ZERO };
    /// Zero makes none.
    pub(super) const SOME: Self = Self { min: MIN_PERIOD };
    /// How long Redis keeps something: less than a second would lose what is in use.
    pub(super) const EXPIRY: Self = Self { min: Duration::from_secs(1) };
}

impl Kind for Period {
    type Value = Duration;

    fn read(&self, text: &str) -> Option<Duration> {
        units::parse_duration(text)
    }
    fn show(&self, value: &Duration) -> String {
        units::show_duration(*value)
    }
    fn allows(&self, value: &Duration) -> bool {
        (self.min..=MAX_PERIOD).contains(value)
    }
    fn unit(&self) -> &'static str {
        "seconds"
    }
    fn allowed(&self) -> String {
        format!("{} to {}", self.show(&self.min), self.show(&MAX_PERIOD))
    }
    fn expected(&self) -> String {
        format!("{} (30, 0.5) or a duration with unit (500ms, 30s, 5m), from {}", self.unit(), self.allowed())
    }
}

/// A number of bytes.
pub(super) struct Size {
    max: usize,
}

impl Size {
    /// What one message or one connection holds.
    pub(super) const OF_ONE: Self = Self { max: MAX_SIZE };
    /// What all of them hold together.
    pub(super) const OF_ALL: Self = Self { max: MAX_MEMORY };
}

impl Kind for Size {
    type Value = usize;

    fn read(&self, text: &str) -> Option<usize> {
        units::parse_size(text)
    }
    fn show(&self, value: &usize) -> String {
        units::show_size(*value)
    }
    fn allows(&self, value: &usize) -> bool {
        (1..=self.max).contains(value)
    }
    fn unit(&self) -> &'static str {
        "bytes"
    }
    fn allowed(&self) -> String {
        format!("1 to {}", self.show(&self.max))
    }
    fn expected(&self) -> String {
        let unit = self.unit();
        format!("{unit} (65536) or a size with unit (64KiB, 16MiB, 1GB), from {}", self.allowed())
    }
}

/// A number of things.
pub(super) struct Count {
    min: usize,
    things: &'static str,
}

impl Count {
    pub(super) const fn from(min: usize, things: &'static str) -> Self {
        Self { min, things }
    }
}

impl Kind for Count {
    type Value = usize;

    fn read(&self, text: &str) -> Option<usize> {
        units::parse_count(text)
    }
    fn show(&self, value: &usize) -> String {
        value.to_string()
    }
    fn allows(&self, value: &usize) -> bool {
        (self.min..=MAX_COUNT).contains(value)
    }
    fn unit(&self) -> &'static str {
        self.things
    }
    fn allowed(&self) -> String {
        format!("{} to {MAX_COUNT}", self.min)
    }
    fn expected(&self) -> String {
        format!("a whole number of {}, from {}", self.unit(), self.allowed())
    }
}

/// Rates by name: `posting=100/1s,typing=5/500ms`.
pub(super) struct Rates;

impl Kind for Rates {
    type Value = BTreeMap<String, Rate>;

    fn read(&self, text: &str) -> Option<Self::Value> {
        let mut rates = BTreeMap::new();
        for entry in text.split(',') {
            let (name, rate) = entry.split_once('=')?;
            let before = rates.insert(name.trim().to_owned(), rate.parse().ok()?);
            // One of two rates would be lost, and nobody can tell which one was meant.
            if before.is_some() {
                return None;
            }
        }
        Some(rates)
    }
    fn show(&self, value: &Self::Value) -> String {
        let rates: Vec<_> = value.iter().map(|(name, rate)| format!("{name}={rate}")).collect();
        rates.join(",")
    }
    fn allows(&self, value: &Self::Value) -> bool {
        let is_in_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':');
        value.keys().all(|name| !name.is_empty() && name.chars().all(is_in_name))
    }
    fn unit(&self) -> &'static str {
        "rates by name"
    }
    fn allowed(&self) -> String {
        "name=count/period with commas between".to_owned()
    }
    fn expected(&self) -> String {
        format!("{}, each name once (posting=100/1s,typing=5/500ms)", self.allowed())
    }
    fn store(&self, slot: &mut Self::Value, value: Self::Value) {
        slot.extend(value);
    }
}
