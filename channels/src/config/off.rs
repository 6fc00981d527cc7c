//! Settings that may be off: a number of things, or so many in so long a time.

use super::value::Kind;
use super::{Rate, units};

/// The word for nothing, which also undoes what the application has set.
const OFF: &str = "off";

/// A value of another kind, or none.
pub(super) struct Off<K>(pub(super) K);

impl<K: Kind> Kind for Off<K> {
    type Value = Option<K::Value>;

    fn read(&self, text: &str) -> Option<Self::Value> {
        if text.trim().eq_ignore_ascii_case(OFF) { Some(None) } else { self.0.read(text).map(Some) }
    }
    fn show(&self, value: &Self::Value) -> String {
        value.as_ref().map_or_else(|| OFF.to_owned(), |value| self.0.show(value))
    }
    fn allows(&self, value: &Self::Value) -> bool {
        value.as_ref().is_none_or(|value| self.0.allows(value))
    }
    fn unit(&self) -> &'static str {
        self.0.unit()
    }
    fn allowed(&self) -> String {
        format!("{OFF}, or {}", self.0.allowed())
    }
    fn expected(&self) -> String {
        format!("{OFF}, or {}", self.0.expected())
    }
}

/// So many things in so long a time: `20/1s`.
pub(super) struct Pace(pub(super) &'static str);

impl Kind for Pace {
    type Value = Rate;

    fn read(&self, text: &str) -> Option<Rate> {
        text.parse().ok()
    }
    fn show(&self, value: &Rate) -> String {
        value.to_string()
    }
    fn allows(&self, _: &Rate) -> bool {
        true
    }
    fn unit(&self) -> &'static str {
        self.0
    }
    fn allowed(&self) -> String {
        "count/period".to_owned()
    }
    fn expected(&self) -> String {
        format!("{} of {} (20/1s, 500/1m), a count from 1, a period from 1ms to 8760h", self.allowed(), self.unit())
    }
}

/// So many bytes in so long a time: `1MiB/1s`.
pub(super) struct Flow;

impl Kind for Flow {
    type Value = Rate;

    fn read(&self, text: &str) -> Option<Rate> {
        let (size, per) = text.split_once('/')?;
        let size = u32::try_from(units::parse_size(size)?).ok()?;
        Rate::new(size, units::parse_duration(per)?).ok()
    }
    fn show(&self, value: &Rate) -> String {
        let size = units::show_size(usize::try_from(value.count().get()).unwrap_or(usize::MAX));
        format!("{size}/{}", units::show_duration(value.per()))
    }
    fn allows(&self, _: &Rate) -> bool {
        true
    }
    fn unit(&self) -> &'static str {
        "bytes"
    }
    fn allowed(&self) -> String {
        "size/period".to_owned()
    }
    fn expected(&self) -> String {
        format!("{} (1MiB/1s, 65536/500ms), a size from 1 to below 4GiB, a period from 1ms to 8760h", self.allowed())
    }
}
