//! What Redis says, asked outside of anything that is measured.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::Failure;

/// No answer to what is asked here is longer.
const ANSWER_BYTES: usize = 64 * 1024;
/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// `host:port` of `redis://host:port/…`.
///
/// # Errors
///
/// Where it is a URL of another kind.
pub(crate) fn address(url: &str) -> Result<&str, Failure> {
    let rest = url.strip_prefix("redis://").ok_or_else(|| format!("{url:?} does not begin with redis://"))?;
    Ok(rest.split('/').next().unwrap_or(rest))
}

/// One command and its answer, if that is short.
///
/// # Errors
///
/// If Redis cannot be reached.
pub(crate) fn command(address: &str, line: &str) -> Result<String, Failure> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(line.as_bytes())?;
    let mut answer = vec![0; ANSWER_BYTES];
    let read = stream.read(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer[..read]).into_owned())
}

/// How many commands it has carried out so far, this question not included.
///
/// # Errors
///
/// As [`command`], or where it does not tell.
pub(crate) fn commands(address: &str) -> Result<u64, Failure> {
    counted(&command(address, "INFO stats\r\n")?).ok_or_else(|| "Redis does not tell its commands".into())
}

fn counted(info: &str) -> Option<u64> {
    info.lines().find_map(|line| line.strip_prefix("total_commands_processed:"))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_redis_says_is_understood() {
        assert_eq!(address("redis://127.0.0.1:6379/0").unwrap(), "127.0.0.1:6379");
        assert!(address("unix:///tmp/redis").is_err());
        assert_eq!(counted("$9\r\n# Stats\r\ntotal_commands_processed:42\r\n"), Some(42));
    }
}
