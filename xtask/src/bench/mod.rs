//! What the library costs, beside servers without it.

mod goals;
mod measure;
mod options;
mod redis;
mod runs;
mod server;
mod several;
mod several_goals;
mod statistics;
mod table;

use std::fs;
use std::time::Instant;

use serde_json::Value;

use crate::Failure;
use crate::command::{self, cargo, output};
use crate::features::LIBRARY;
use crate::metadata::Metadata;
use crate::steps::Steps;
use options::{Options, Part};
use server::Bench;
use table::Row;

/// `cargo xtask bench`.
///
/// # Errors
///
/// If the options make no sense, a build fails, or something breaks under load.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    match options::parse(arguments)? {
        Some(options) => measure(&options),
        None => {
            println!("{}", options::USAGE);
            Ok(())
        }
    }
}

/// A moment of everything, with the build that the tests have left: it shows that it runs, and no more.
pub(crate) fn add_short_step(steps: &mut Steps) {
    steps.add("a short benchmark", || measure(&Options::smoke()));
}

fn measure(options: &Options) -> Result<(), Failure> {
    let profile: &[&str] = if options.debug { &[] } else { &["--release"] };
    command::run(cargo(&["build", "-p", "channels-bench"]).args(profile))?;
    let folder = if options.debug { "debug" } else { "release" };
    let program = Metadata::load(&["--no-deps"])?.target_directory()?.join(folder).join("channels-bench");
    let bench = Bench::new(program.to_string_lossy().into_owned(), options.runtime.clone());
    let began = Instant::now();
    let runs = measure::all(&bench, options)?;
    let mut rows = goals::rows(&runs, options);
    rows.extend(watched(options)?);
    if let Some(file) = &options.json {
        fs::write(file, serde_json::to_string_pretty(&runs.to_json())?)?;
    }
    let table = if options.markdown { table::markdown(&rows) } else { table::plain(&rows) };
    println!("\n{table}\n");
    println!("{}", conditions(options, began));
    Ok(())
}

/// What needs no load.
fn watched(options: &Options) -> Result<Vec<Row>, Failure> {
    let wants = |part| options.parts.contains(&part);
    let mut rows = Vec::new();
    if wants(Part::Allocations) {
        rows.extend(goals::allocations(&allocations(options)?));
    }
    if wants(Part::Dependencies) {
        rows.push(goals::watched(&format!("dependencies of {LIBRARY}, default features"), dependencies()?.to_string()));
    }
    if wants(Part::Build) {
        let seconds = clean_build()?;
        rows.push(goals::watched("a clean debug build of the chat", format!("{seconds:.0} s")));
    }
    Ok(rows)
}

/// What `benches/allocations.rs` says. Allocations are counted the same in any build.
fn allocations(options: &Options) -> Result<Value, Failure> {
    let how = if options.debug { "test" } else { "bench" };
    let mut command = cargo(&[how, "-p", "channels-bench", "--features", "heap", "--bench", "allocations"]);
    let said = output(command.args(["--", "--json"]))?;
    let line = said.lines().find(|line| line.starts_with('{')).ok_or("the allocations were not told")?;
    Ok(serde_json::from_str(line)?)
}

fn dependencies() -> Result<usize, Failure> {
    let tree = output(&mut cargo(&["tree", "-p", LIBRARY, "-e", "normal", "--prefix", "none"]))?;
    Ok(others(&tree))
}

/// Packages of others in the output of `cargo tree`, each once.
fn others(tree: &str) -> usize {
    let mut packages: Vec<_> = tree
        .lines()
        // `name v1.0.0`, and ` (*)` behind what was told before; ours have their folder there instead.
        .map(|line| line.trim_end_matches(" (*)"))
        .filter(|line| !line.is_empty() && !line.contains('/'))
        .collect();
    packages.sort_unstable();
    packages.dedup();
    packages.len()
}

fn clean_build() -> Result<f64, Failure> {
    let folder = Metadata::load(&["--no-deps"])?.target_directory()?.join("clean-build");
    let _ = fs::remove_dir_all(&folder);
    let began = Instant::now();
    let outcome = command::run(cargo(&["build", "-p", "chat", "--target-dir"]).arg(&folder));
    let seconds = began.elapsed().as_secs_f64();
    let _ = fs::remove_dir_all(&folder);
    outcome.map(|()| seconds)
}

/// How it was measured, for whoever reads the table later.
fn conditions(options: &Options, began: Instant) -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map_or("?", |(_, name)| name);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let rust = output(&mut command::program("rustc", &["--version"])).unwrap_or_default();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    format!(
        "{} cycles, {} runtime; {model}, {cores} cores; {}; load average {}; {:.0} s",
        options.scale.cycles,
        options.runtime,
        rust.trim(),
        load.split(' ').next().unwrap_or("?"),
        began.elapsed().as_secs_f64(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_counts_once_and_ours_do_not() {
        let tree = "axum-channels v0.1.0 (/home/me/channels)\naxum v0.8.9\nbytes v1.10.0\naxum v0.8.9 (*)\n\
                    axum-channels-macros v0.1.0 (proc-macro) (/home/me/channels-macros)\nserde_derive v1.0.1 (proc-macro)\n";
        assert_eq!(others(tree), 3);
    }
}
