//! What the kernel says of a process: memory and CPU time.

use std::fs;

use crate::Failure;

/// The memory and CPU time of one process at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Usage {
    /// Resident memory, in bytes.
    pub(crate) rss: u64,
    /// CPU time of all threads, user and system, in seconds.
    pub(crate) cpu: f64,
}

impl Usage {
    /// # Errors
    ///
    /// If there is no such process.
    pub(crate) fn of(pid: u32) -> Result<Self, Failure> {
        Ok(Self { rss: rss(pid)?, cpu: cpu(pid)? })
    }
}

/// The scheduler's own account is exact to the nanosecond; not every kernel keeps it, and then ticks have to do.
pub(crate) fn cpu(pid: u32) -> Result<f64, Failure> {
    if let Some(nanos) = scheduled(pid) {
        return Ok(nanos as f64 / 1e9);
    }
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).map_err(|error| gone(pid, &error))?;
    let ticks = cpu_ticks(&stat).ok_or_else(|| format!("/proc/{pid}/stat is not understood"))?;
    Ok(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// Nanoseconds on a CPU, all threads that live together. The servers end none while they are measured.
fn scheduled(pid: u32) -> Option<u64> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    threads.map(|thread| first_number(&fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?)).sum()
}

/// `smaps_rollup` counts pages; `status` adds up what each CPU has not told yet only now and then.
pub(crate) fn rss(pid: u32) -> Result<u64, Failure> {
    let file = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}"));
    let exact = file("smaps_rollup").ok().and_then(|text| kibibytes(&text, "Rss:"));
    let kibibytes = match exact {
        Some(exact) => Some(exact),
        None => kibibytes(&file("status").map_err(|error| gone(pid, &error))?, "VmRSS:"),
    };
    kibibytes.map(|kibibytes| kibibytes * 1024).ok_or_else(|| format!("the memory of process {pid} is not told").into())
}

fn gone(pid: u32, error: &std::io::Error) -> Failure {
    format!("process {pid}: {error}").into()
}

fn first_number(text: &str) -> Option<u64> {
    text.split_whitespace().next()?.parse().ok()
}

fn kibibytes(text: &str, name: &str) -> Option<u64> {
    first_number(text.lines().find_map(|line| line.strip_prefix(name))?)
}

/// User and system time: fields 14 and 15, counted behind the name, which may hold blanks and brackets.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(") ")?;
    fields.split(' ').skip(11).take(2).map(|field| field.parse::<u64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_known() {
        let usage = Usage::of(std::process::id()).unwrap();
        assert!(usage.rss > 500 << 10 && usage.cpu > 0.0, "{usage:?}");
        assert!(Usage::of(u32::MAX).is_err());
    }

    #[test]
    fn numbers_are_found_where_they_stand() {
        assert_eq!(cpu_ticks("42 (a) b (c) S 1 42 42 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 1 0"), Some(300));
        assert_eq!(kibibytes("Name: x\nRss:    1234 kB\nPss: 1 kB", "Rss:"), Some(1234));
        assert_eq!(first_number("149983 785926 2\n"), Some(149_983));
    }
}
