//! Settings that are texts.

use super::redis_url;
use super::value::Kind;

/// The longest prefix or instance id, in bytes: they are part of many keys and log lines.
const MAX_TEXT_BYTES: usize = 128;

/// A text that is taken as it is.
pub(super) struct Text {
    unit: &'static str,
    allowed: &'static str,
    allows: fn(&str) -> bool,
    quote: fn(&str) -> String,
}

pub(super) const REDIS_URL: Text = Text {
    unit: "URL",
    allowed: "redis://[user:password@]host[:port][/database], rediss:// for TLS, redis+unix:///path, \
              redis+sentinel://host[:port],…/master[/database] or redis+cluster://host[:port],…",
    allows: redis_url::is_valid,
    quote: redis_url::redact,
};

pub(super) const REDIS_TLS_CA_FILE: Text = Text {
    unit: "path",
    allowed: "the path of a file of certificates in PEM, or nothing",
    allows: |text| !text.contains(char::is_control),
    quote: str::to_owned,
};

pub(super) const REDIS_CHANNEL_PREFIX: Text = Text {
    unit: "text",
    allowed: "1 to 128 bytes without braces, control characters and outer spaces",
    allows: |text| is_plain(text) && !text.contains(['{', '}']),
    quote: str::to_owned,
};

pub(super) const SERVER_INSTANCE_ID: Text = Text {
    unit: "text",
    allowed: "1 to 128 bytes without control characters and outer spaces",
    allows: is_server_name,
    quote: str::to_owned,
};

/// Whether it may be a `SERVER_INSTANCE_ID`.
pub(crate) fn is_server_name(text: &str) -> bool {
    is_plain(text)
}

fn is_plain(text: &str) -> bool {
    (1..=MAX_TEXT_BYTES).contains(&text.len()) && !text.contains(char::is_control) && text.trim() == text
}

/// `server-` and 12 hexadecimal digits, which differ from server to server and from start to start.
pub(super) fn random_instance_id() -> String {
    // The low 48 bits of a version 7 UUID are random or a counter that starts at random.
    format!("server-{:012x}", uuid::Uuid::now_v7().as_u128() & 0xffff_ffff_ffff)
}

impl Kind for Text {
    type Value = String;

    fn read(&self, text: &str) -> Option<String> {
        Some(text.to_owned())
    }
    fn show(&self, value: &String) -> String {
        (self.quote)(value)
    }
    fn allows(&self, value: &String) -> bool {
        (self.allows)(value)
    }
    fn unit(&self) -> &'static str {
        self.unit
    }
    fn allowed(&self) -> String {
        self.allowed.to_owned()
    }
    fn quote(&self, text: &str) -> String {
        (self.quote)(text)
    }
}
