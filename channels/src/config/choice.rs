//! Settings that are one of a few names.

use super::value::Kind;
use super::{BackendType, LimitFallback, LogLevel, units};

/// One of a few names.
pub(super) struct Choice<T: 'static> {
    unit: &'static str,
    allowed: &'static str,
    read: fn(&str) -> Option<T>,
    show: fn(&T) -> String,
}

pub(super) const BACKEND_TYPE: Choice<BackendType> = Choice {
    unit: "name, in any case",
    allowed: BackendType::ALLOWED,
    read: BackendType::find,
    show: |backend| backend.to_string(),
};

pub(super) const LIMIT_FALLBACK: Choice<LimitFallback> = Choice {
    unit: "name, in any case",
    allowed: LimitFallback::ALLOWED,
    read: LimitFallback::find,
    show: |fallback| fallback.as_str().to_owned(),
};

pub(super) const LOG_LEVEL: Choice<LogLevel> = Choice {
    unit: "name, in any case",
    allowed: LogLevel::ALLOWED,
    read: LogLevel::find,
    show: |level| level.name().to_owned(),
};

pub(super) const FLAG: Choice<bool> = Choice {
    unit: "yes or no",
    allowed: "true or false (also 1, 0, yes, no, on, off)",
    read: units::parse_flag,
    show: bool::to_string,
};

impl<T> Kind for Choice<T> {
    type Value = T;

    fn read(&self, text: &str) -> Option<T> {
        (self.read)(text.trim())
    }
    fn show(&self, value: &T) -> String {
        (self.show)(value)
    }
    fn allows(&self, _: &T) -> bool {
        true
    }
    fn unit(&self) -> &'static str {
        self.unit
    }
    fn allowed(&self) -> String {
        self.allowed.to_owned()
    }
}
