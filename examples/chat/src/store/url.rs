//! The database URL: `sqlite://PATH?mode=rwc`.

use std::path::{Path, PathBuf};

use super::StoreError;

/// Where the database is, and what may be done to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DatabaseUrl {
    pub(super) place: Place,
    pub(super) mode: Mode,
}

/// Where the rows live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// In this process, for as long as the store is open.
    Memory,
    /// In a file.
    File(PathBuf),
}

/// What may be done to the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// `ro`: every write fails.
    ReadOnly,
    /// `rw`: the file must exist.
    ReadWrite,
    /// `rwc`, the default: a missing file is created, a missing folder is not.
    Create,
}

impl DatabaseUrl {
    /// Reads a URL.
    ///
    /// # Errors
    ///
    /// [`StoreError::Url`] names the URL, the problem and what is allowed.
    pub(super) fn parse(url: &str) -> Result<Self, StoreError> {
        Self::read(url).map_err(|problem| StoreError::Url { url: url.to_owned(), problem })
    }

    fn read(url: &str) -> Result<Self, String> {
        let rest = url.strip_prefix("sqlite:").ok_or("it does not begin with `sqlite:`")?;
        // Split before decoding, so that `%3F` is a question mark of the path.
        let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mode = read_mode(query)?;
        let place = match address {
            ":memory:" | "//:memory:" if mode == Mode::ReadOnly => {
                return Err("a database in memory cannot be read-only".to_owned());
            }
            ":memory:" | "//:memory:" => Place::Memory,
            _ => Place::File(read_path(address)?),
        };
        Ok(Self { place, mode })
    }
}

fn read_mode(query: &str) -> Result<Mode, String> {
    let mut mode = Mode::Create;
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        mode = match parameter.split_once('=') {
            Some(("mode", "ro")) => Mode::ReadOnly,
            Some(("mode", "rw")) => Mode::ReadWrite,
            Some(("mode", "rwc")) => Mode::Create,
            Some(("mode", other)) => return Err(format!("the mode `{other}` does not exist")),
            _ => return Err(format!("the parameter `{parameter}` does not exist")),
        };
    }
    Ok(mode)
}

fn read_path(address: &str) -> Result<PathBuf, String> {
    let encoded = address.strip_prefix("//").ok_or("two slashes must follow `sqlite:`")?;
    let path = percent_decode(encoded)?;
    if path.is_empty() {
        return Err("it names no file".to_owned());
    }
    if path.contains('\0') {
        return Err("its path holds a zero byte".to_owned());
    }
    // SQLite gives `:memory:` and `file:…` meanings of their own, which a path
    // that begins with a dot or a slash never has.
    Ok(Path::new(".").join(path))
}

fn percent_decode(encoded: &str) -> Result<String, String> {
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut bytes = encoded.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let mut digit = || char::from(bytes.next()?).to_digit(16);
        let (Some(high), Some(low)) = (digit(), digit()) else {
            return Err("two hexadecimal digits must follow each `%`".to_owned());
        };
        // Two hexadecimal digits are at most 255, so nothing is cut off.
        decoded.push((high * 16 + low) as u8);
    }
    String::from_utf8(decoded).map_err(|_| "its path is not UTF-8".to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn file(path: &str, mode: Mode) -> DatabaseUrl {
        let place = Place::File(PathBuf::from(path));
        DatabaseUrl { place, mode }
    }

    fn rwc(path: &str) -> DatabaseUrl {
        file(path, Mode::Create)
    }

    #[test]
    fn usable_urls_name_a_place_and_a_mode() {
        let memory = DatabaseUrl { place: Place::Memory, mode: Mode::Create };
        let (rw, ro) = (Mode::ReadWrite, Mode::ReadOnly);
        for (url, expected) in [
            ("sqlite://chat.db?mode=rwc", rwc("./chat.db")),
            ("sqlite://chat.db?mode=rw", file("./chat.db", rw)),
            ("sqlite://chat.db?mode=ro", file("./chat.db", ro)),
            ("sqlite://chat.db", rwc("./chat.db")),
            ("sqlite://chat.db?", rwc("./chat.db")),
            ("sqlite://../a/chat.db?mode=rwc", rwc("./../a/chat.db")),
            ("sqlite:///tmp/x.db?mode=rwc", rwc("/tmp/x.db")),
            ("sqlite:///tmp/a%20b%3F%25.db", rwc("/tmp/a b?%.db")),
            ("sqlite://gespr%C3%A4che 💬.db", rwc("./gespräche 💬.db")),
            ("sqlite://file:chat.db", rwc("./file:chat.db")),
            ("sqlite://%3Amemory%3A", rwc("./:memory:")),
            ("sqlite::memory:", memory.clone()),
            ("sqlite://:memory:", memory.clone()),
            ("sqlite://:memory:?mode=rwc", memory),
        ] {
            assert_eq!(DatabaseUrl::parse(url).unwrap(), expected, "{url}");
        }
    }

    #[test]
    fn unusable_urls_are_refused_in_words() {
        for (url, problem) in [
            ("", "does not begin with `sqlite:`"),
            ("chat.db", "does not begin with `sqlite:`"),
            ("postgres://localhost/chat", "does not begin with `sqlite:`"),
            ("sqlite:chat.db", "two slashes must follow"),
            ("sqlite:/tmp/chat.db", "two slashes must follow"),
            ("sqlite://", "names no file"),
            ("sqlite://?mode=rwc", "names no file"),
            ("sqlite://chat.db?mode=x", "the mode `x` does not"),
            ("sqlite://chat.db?mode=", "the mode `` does not"),
            ("sqlite://chat.db?mode", "the parameter `mode` does not"),
            ("sqlite://chat.db?cache=a", "the parameter `cache=a` does not"),
            ("sqlite://chat%2.db", "two hexadecimal digits"),
            ("sqlite://chat%", "two hexadecimal digits"),
            ("sqlite://chat%+1.db", "two hexadecimal digits"),
            ("sqlite://chat%ff.db", "not UTF-8"),
            ("sqlite://chat%00.db", "zero byte"),
            ("sqlite::memory:?mode=ro", "cannot be read-only"),
        ] {
            let error = DatabaseUrl::parse(url).unwrap_err().to_string();
            assert!(error.contains(problem), "{url}: {error}");
            assert!(error.contains(&format!("`{url}`")), "{url}: {error}");
            assert!(error.contains("sqlite://PATH?mode=rwc"), "{url}: {error}");
        }
    }
}
