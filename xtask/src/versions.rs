//! Whether the programs at hand are recent enough and fit each other.

use crate::Failure;
use crate::command::{cargo, output, program};
use crate::features::LIBRARY;
use crate::metadata::Metadata;

/// Shows every version that matters and checks them.
///
/// # Errors
///
/// If Rust is older than the workspace states, or the driver is not made for the browser.
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
    println!("Rust {needed} is needed; the driver fits the browser");
    Ok(())
}

fn said(mut command: std::process::Command) -> Result<String, Failure> {
    let line = output(&mut command)?.lines().next().unwrap_or_default().trim().to_owned();
    println!("{line}");
    Ok(line)
}

/// The first three numbers of the first word that begins with a digit; what is left out is 0.
/// `rustc 1.95.0 (f2d3 …)` is `[1, 95, 0]`, and so is `1.95`.
pub(crate) fn version(line: &str) -> [u64; 3] {
    let word = line.split_whitespace().find(|word| word.starts_with(|first: char| first.is_ascii_digit()));
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
        assert_eq!(version("rustc 1.96.0-nightly"), [1, 96, 0]);
        assert!(version("1.100") > version("1.95"));
        assert_eq!(version("rustc 1.95.0"), version("1.95"));
    }
}
