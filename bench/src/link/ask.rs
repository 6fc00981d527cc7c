//! What Redis says, asked outside of anything that is measured.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::Failure;

/// No answer to what is asked here is longer.
const ANSWER_BYTES: usize = 64 * 1024;
/// With these a server renews its counts.
const COUNTING: [&str; 4] = ["evalsha", "hset", "sadd", "pexpire"];
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

/// How many commands it has carried out so far, those of scripts and the questions about it included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Commands {
    /// Those with which a server renews its counts, and the script that does.
    pub(crate) counts: u64,
    pub(crate) others: u64,
}

/// # Errors
///
/// As [`command`], or where it does not tell.
pub(crate) fn commands(address: &str) -> Result<Commands, Failure> {
    counted(&command(address, "INFO commandstats\r\n")?).ok_or_else(|| "Redis does not tell its commands".into())
}

/// From lines such as `cmdstat_ping:calls=7,usec=9,…`.
fn counted(info: &str) -> Option<Commands> {
    let mut commands = Commands { counts: 0, others: 0 };
    for line in info.lines().filter_map(|line| line.strip_prefix("cmdstat_")) {
        let (name, rest) = line.split_once(":calls=")?;
        let calls: u64 = rest.split(',').next()?.parse().ok()?;
        *(if COUNTING.contains(&name) { &mut commands.counts } else { &mut commands.others }) += calls;
    }
    Some(commands)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_redis_says_is_understood() {
        assert_eq!(address("redis://127.0.0.1:6379/0").unwrap(), "127.0.0.1:6379");
        assert!(address("unix:///tmp/redis").is_err());
        let info = "$9\r\n# Commandstats\r\ncmdstat_hset:calls=3,usec=1\r\ncmdstat_config|set:calls=4,usec=2\r\n";
        assert_eq!(counted(info), Some(Commands { counts: 3, others: 4 }));
    }
}
