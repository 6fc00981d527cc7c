//! Whether the library compiles for Windows, on whatever system this is.

use crate::Failure;
use crate::command::{cargo, find, output, program, run};
use crate::features::LIBRARY;
use crate::metadata::Metadata;

/// The target that needs nothing of Microsoft's.
const TARGET: &str = "x86_64-pc-windows-gnu";
/// The compiler for it, of which features need some C: Debian's package `gcc-mingw-w64-x86-64`.
const C_COMPILER: &str = "x86_64-w64-mingw32-gcc";
/// These do: rustls' cryptography is written in it.
const NEED_C: [&str; 2] = ["redis-tls", "tls"];

/// `cargo xtask windows`: types are checked, nothing is linked or run.
///
/// # Errors
///
/// If the target is missing and rustup cannot install it, or the library does not compile.
pub(crate) fn check() -> Result<(), Failure> {
    ensure_target()?;
    let metadata = Metadata::load(&["--no-deps"])?;
    let has_compiler = find(C_COMPILER).is_some();
    let (checked, left): (Vec<_>, Vec<_>) =
        metadata.member(LIBRARY)?.features().into_iter().partition(|name| has_compiler || !NEED_C.contains(name));
    run(&mut cargo(&["check", "-p", LIBRARY, "--target", TARGET, "--features", &checked.join(",")]))?;
    if !left.is_empty() {
        println!("not checked, as there is no {C_COMPILER}: {}", left.join(", "));
    }
    Ok(())
}

fn ensure_target() -> Result<(), Failure> {
    if find("rustup").is_none() {
        return Err("missing: rustup. Install it from https://rustup.rs, then run this again.".into());
    }
    let installed = output(&mut program("rustup", &["target", "list", "--installed"]))?;
    if installed.lines().any(|line| line == TARGET) {
        return Ok(());
    }
    run(&mut program("rustup", &["target", "add", TARGET]))
}
