//! Whatever bytes come: the targets of `fuzz/`, each for a minute.

use std::fs;

use crate::command::{root, run};
use crate::{Failure, nightly};

const USAGE: &str = "\
usage: cargo xtask fuzz [options]

  --seconds N   60: how long each target runs
  --only NAME   one target: decoder, envelope, payload, msgpack or config

It needs a nightly toolchain and cargo-fuzz, and installs what is missing. What it finds on its way is kept below
fuzz/target; an input that breaks something is left in fuzz/artifacts, and belongs into fuzz/corpus once it is mended.";

/// The targets: a file in `fuzz/fuzz_targets`, a folder in `fuzz/corpus`, a function in `channels/src/fuzzing`.
const TARGETS: [&str; 5] = ["decoder", "envelope", "payload", "msgpack", "config"];
const SECONDS: u32 = 60;
/// What one input may take before it counts as a hang, in seconds, and as a leak, in MB.
const LIMITS: [&str; 2] = ["-timeout=10", "-rss_limit_mb=2048"];
/// How long an input may be, in bytes: most become no more interesting with their length, only slower.
const LONGEST: u32 = 4096;
/// The decoder's: from 64 KiB on a frame has a length of eight bytes, and is to be filled.
const LONGEST_FRAMES: u32 = 70_000;

#[derive(Debug, PartialEq, Eq)]
struct Options {
    seconds: u32,
    only: Option<&'static str>,
}

/// `cargo xtask fuzz`.
///
/// # Errors
///
/// If something is missing and cannot be installed, the build fails or a target finds something.
pub(crate) fn run_targets(arguments: &[String]) -> Result<(), Failure> {
    if arguments.iter().any(|argument| argument == "--help") {
        println!("{USAGE}");
        return Ok(());
    }
    let options = read(arguments)?;
    nightly::ensure(&["rustc"])?;
    nightly::ensure_program("cargo-fuzz")?;
    for target in TARGETS.into_iter().filter(|target| options.only.is_none_or(|only| only == *target)) {
        let (found, corpus) = (format!("fuzz/target/found/{target}"), format!("fuzz/corpus/{target}"));
        fs::create_dir_all(root().join(&found))?;
        let time = format!("-max_total_time={}", options.seconds);
        let longest = format!("-max_len={}", if target == "decoder" { LONGEST_FRAMES } else { LONGEST });
        let arguments = ["fuzz", "run", "--fuzz-dir", "fuzz", target, &found, &corpus, "--", &time, &longest];
        run(nightly::cargo(&arguments).args(LIMITS))?;
    }
    Ok(())
}

fn read(arguments: &[String]) -> Result<Options, Failure> {
    let mut options = Options { seconds: SECONDS, only: None };
    let mut arguments = arguments.iter();
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} needs a value\n\n{USAGE}"))?;
        match name.as_str() {
            "--seconds" => options.seconds = value.parse().map_err(|_| format!("--seconds {value}: no number"))?,
            "--only" => {
                let known = TARGETS.into_iter().find(|target| target == value);
                options.only = Some(known.ok_or_else(|| format!("there is no target {value}\n\n{USAGE}"))?);
            }
            _ => return Err(format!("{name} is no option\n\n{USAGE}").into()),
        }
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(words: &[&str]) -> Result<Options, Failure> {
        read(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn options_are_read_or_refused_by_name() {
        assert_eq!(options(&[]).unwrap(), Options { seconds: 60, only: None });
        let some = options(&["--seconds", "5", "--only", "msgpack"]).unwrap();
        assert_eq!(some, Options { seconds: 5, only: Some("msgpack") });
        for (words, said) in [
            (&["--only", "other"][..], "no target other"),
            (&["--seconds"], "needs a value"),
            (&["-x", "1"], "no option"),
        ] {
            assert!(options(words).unwrap_err().to_string().contains(said), "{words:?}");
        }
    }

    #[test]
    fn each_target_has_a_file_a_corpus_and_a_place_in_the_manifest() {
        let manifest = fs::read_to_string(root().join("fuzz/Cargo.toml")).unwrap();
        for target in TARGETS {
            assert!(root().join(format!("fuzz/fuzz_targets/{target}.rs")).is_file(), "{target}");
            assert!(fs::read_dir(root().join(format!("fuzz/corpus/{target}"))).unwrap().count() > 5, "{target}");
            assert!(manifest.contains(&format!("name = \"{target}\"")), "{target}");
        }
        assert_eq!(fs::read_dir(root().join("fuzz/fuzz_targets")).unwrap().count(), TARGETS.len());
    }
}
