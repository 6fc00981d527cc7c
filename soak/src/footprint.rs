//! What the kernel says of the server: memory and descriptors.

use std::fs;
use std::time::Duration;

use tokio::time::sleep;

/// How many looks make one level: the median, so that one unlucky look decides nothing.
const LOOKS: usize = 9;
/// Time between two of them.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Resident memory in KiB, the median of some looks. Nothing where there is no such process.
pub async fn resident(process: u32) -> Option<u64> {
    let mut looks = Vec::with_capacity(LOOKS);
    for _ in 0..LOOKS {
        let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        looks.push(line.split_whitespace().next()?.parse().ok()?);
        sleep(LOOK_EVERY).await;
    }
    looks.sort_unstable();
    looks.get(LOOKS / 2).copied()
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
        assert!(resident(me).await.unwrap() > 500);
        let before = descriptors(me).unwrap();
        assert!(before >= 3);
        assert_eq!((resident(u32::MAX).await, descriptors(u32::MAX)), (None, None));
    }
}
