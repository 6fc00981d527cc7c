//! Whether the programs at hand are recent enough and fit each other.

use crate::Failure;
use crate::command::{cargo, output, program};
use crate::features::LIBRARY;
use crate::metadata::Metadata;

/// The oldest Redis that the tests can start: earlier ones have no sharded channels and no `cluster-port`.
const REDIS: &str = "7.0";

/// Shows every version that matters and checks them.
///
/// # Errors
///
/// If Rust is older than the workspace states, Redis than the tests need, or the driver is not made for the browser.
pub(crate) fn check() -> Result<(), Failure> {
    let rust = said(program("rustc", &["--version"]))?;
    said(cargo(&["--version"]))?;
    let metadata = Metadata::load(&["--no-deps"])?;
    let needed = metadata.member(LIBRARY)?.rust_version().ok_or("the library states no rust-version")?;
    if version(&rust) < version(needed) {
        return Err(format!("Rust {needed} or newer is needed, this is {rust}").into());
    }
    let browser = said(program("chromium", &["--version"]))?;
    let driver = said(program("chromedriver", &["--version"]))?;
    if version(&browser)[0] != version(&driver)[0] {
        return Err(format!("{driver} cannot drive {browser}: their first numbers differ").into());
    }
    let redis = said(program("redis-server", &["--version"]))?;
    if version(&redis) < version(REDIS) {
        return Err(format!("Redis {REDIS} or newer is needed, this is {redis}").into());
    }
    println!("Rust {needed} and Redis {REDIS} are needed; the driver fits the browser");
    Ok(())
}

fn said(mut command: std::process::Command) -> Result<String, Failure> {
    let line = output(&mut command)?.lines().next().unwrap_or_default().trim().to_owned();
    println!("{line}");
    Ok(line)
}

/// The first three numbers of the first word that begins with a digit, or with `v=` and one; what is left out is 0.
/// `rustc 1.95.0 (f2d3 …)` is `[1, 95, 0]`, and so is `1.95`.
pub(crate) fn version(line: &str) -> [u64; 3] {
    let mut words = line.split_whitespace().map(|word| word.strip_prefix("v=").unwrap_or(word));
    let word = words.find(|word| word.starts_with(|first: char| first.is_ascii_digit()));
    let mut numbers = word.unwrap_or_default().split(['.', '-', '+']).map_while(|number| number.parse().ok());
    [(); 3].map(|()| numbers.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_and_compared_as_numbers() {
        assert_eq!(version("rustc 1.95.0 (59807616e 2026-04-14)"), [1, 95, 0]);
        assert_eq!(version("ChromeDriver 156.0.8078.73 (abc)"), [156, 0, 8078]);
        assert_eq!(version("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64"), [7, 0, 15]);
        assert_eq!(version("rustc 1.96.0-nightly"), [1, 96, 0]);
        assert!(version("1.100") > version("1.95"));
        assert_eq!(version("rustc 1.95.0"), version("1.95"));
    }
}
