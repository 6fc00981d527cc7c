//! Configuration: any `.env` is read or refused line by line, by name, and no secret gets into the words.

use crate::config::{Config, ConfigError, from_dotenv};

/// Stands where a password does.
const SECRET: &str = "hush-hush-7";

/// A `.env` file.
pub fn config(input: &[u8]) {
    match from_dotenv(input).and_then(|builder| builder.build()) {
        Ok(config) => allowed(&config),
        Err(error) => named(&error),
    }
    let Ok(text) = std::str::from_utf8(input) else { return };
    if text.contains(SECRET) {
        return;
    }
    // The host and what follows, however strange.
    let url = format!("redis://user:{SECRET}@{text}");
    if let Err(error) = Config::builder().vars([("REDIS_URL", url)]) {
        assert!(!error.to_string().contains(SECRET), "a password is shown: {error}");
        named(&error);
    }
}

fn allowed(config: &Config) {
    assert!((1..=1 << 30).contains(&config.max_message_size()));
    assert!(!config.handler_timeout().is_zero());
    if config.enable_heartbeat() {
        assert!(config.heartbeat_timeout() > config.heartbeat_interval());
    }
}

/// Each line begins with the variable that it is about, or with the line of the file.
fn named(error: &ConfigError) {
    let words = error.to_string();
    assert!(!words.is_empty());
    let mut variables = error.variables().peekable();
    for line in words.lines() {
        match variables.peek() {
            Some(variable) if line.starts_with(variable) => drop(variables.next()),
            _ => assert!(line.starts_with(".env"), "this names nothing: {line}"),
        }
    }
    assert!(variables.next().is_none(), "a variable without a line: {words}");
}
