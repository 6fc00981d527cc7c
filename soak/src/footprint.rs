//! What the kernel says of the server: memory and descriptors.

use std::fs;
use std::time::Duration;

use tokio::time::sleep;

/// How many looks make one level: the median, so that one unlucky look decides nothing.
const LOOKS: usize = 9;
/// Time between two of them.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Memory of a process, in KiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Memory {
    /// What is resident.
    pub resident: u64,
    /// Of it, what is in no file: heap and stacks. The rest is the program itself, as far as it has been run.
    pub anonymous: u64,
}

/// The median of some looks. Nothing where there is no such process.
pub async fn memory(process: u32) -> Option<Memory> {
    let mut looks = Vec::with_capacity(LOOKS);
    for _ in 0..LOOKS {
        let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        looks.push(Memory { resident: kibibytes(&status, "VmRSS:")?, anonymous: kibibytes(&status, "RssAnon:")? });
        sleep(LOOK_EVERY).await;
    }
    looks.sort_unstable();
    looks.get(LOOKS / 2).copied()
}

fn kibibytes(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Open descriptors. Nothing where there is no such process.
pub fn descriptors(process: u32) -> Option<usize> {
    Some(fs::read_dir(format!("/proc/{process}/fd")).ok()?.count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn this_process_is_there() {
        let me = std::process::id();
        let now = memory(me).await.unwrap();
        assert!(now.resident > now.anonymous && now.anonymous > 100, "{now:?}");
        let before = descriptors(me).unwrap();
        assert!(before >= 3);
        assert_eq!((memory(u32::MAX).await, descriptors(u32::MAX)), (None, None));
    }
}
