//! Reading a `.env` file, without touching the environment of the process.

use std::cell::Cell;
use std::io::{self, Read};
use std::path::Path;
use std::rc::Rc;

use super::env::Vars;
use super::error::Problem;

/// What an error about a line asks for. The line itself is not shown, because it may hold a secret.
const EXPECTED_LINE: &str = "NAME=value, in quotes if it holds spaces or quotes";
const EXPECTED_TEXT: &str = "UTF-8";

const BYTE_ORDER_MARK: &str = "\u{feff}";

/// The variables of the file, and what is wrong with it. A missing file has none of either.
pub(super) fn read(path: &Path) -> (Vars, Vec<Problem>) {
    match std::fs::read(path) {
        Ok(bytes) => parse(path, &bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => (Vars::new(), Vec::new()),
        Err(error) => {
            let problem = Problem::DotenvFile { path: path.to_owned(), reason: error.to_string() };
            (Vars::new(), vec![problem])
        }
    }
}

fn parse(path: &Path, bytes: &[u8]) -> (Vars, Vec<Problem>) {
    let (mut vars, mut problems) = (Vars::new(), Vec::new());
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let line = newlines(&bytes[..error.valid_up_to()]) + 1;
            return (vars, vec![Problem::dotenv_line(path, line, EXPECTED_TEXT)]);
        }
    };

    // dotenvy 0.15.7 skips a byte order mark only when it loads into the environment, and takes
    // white space at the end of the last line for an error if no line break follows.
    let text = format!("{}\n", text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text));
    let lines = LineByLine { rest: text.as_bytes(), taken: Rc::default() };
    let taken = Rc::clone(&lines.taken);
    for entry in dotenvy::from_read_iter(lines) {
        match entry {
            Ok((name, value)) => {
                vars.insert(name.into(), value.into());
            }
            Err(dotenvy::Error::LineParse(text, _)) => {
                // A value in quotes may span lines; its first one is where to look.
                let line = taken.get() + 1 - text.lines().count().clamp(1, taken.get());
                problems.push(Problem::dotenv_line(path, line, EXPECTED_LINE));
            }
            Err(error) => {
                let reason = error.to_string();
                problems.push(Problem::DotenvFile { path: path.to_owned(), reason });
                break;
            }
        }
    }
    (vars, problems)
}

/// The settings of a file with this text, for the properties that hold for any.
#[cfg(any(test, fuzzing))]
pub(crate) fn from_dotenv(bytes: &[u8]) -> Result<super::ConfigBuilder, super::ConfigError> {
    let (vars, problems) = parse(".env".as_ref(), bytes);
    super::Config::builder().overlay(super::env::layered(vars, []), problems)
}

fn newlines(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte == b'\n').count()
}

/// Gives a reader at most one line at a time and counts them.
///
/// dotenvy's errors do not say their line. It buffers what it reads, but reads again only when the
/// buffer is empty, so the count of lines given is the number of the line it is at.
struct LineByLine<'a> {
    rest: &'a [u8],
    taken: Rc<Cell<usize>>,
}

impl Read for LineByLine<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let line = self.rest.iter().position(|byte| *byte == b'\n').map_or(self.rest.len(), |at| at + 1);
        let mut part = &self.rest[..line.min(buffer.len())];
        self.taken.set(self.taken.get() + newlines(part));
        let given = part.read(buffer)?;
        self.rest = &self.rest[given..];
        Ok(given)
    }
}
