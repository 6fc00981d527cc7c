//! What is allocated while the connections live, by size and by who asked for it.

use std::fmt::Write;
use std::fs;
use std::future::pending;
use std::path::PathBuf;

use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};

use super::Seats;
use crate::Failure;

/// Frames that a site is remembered by: below them lies the runtime.
const FRAMES: usize = 24;
/// What fewer than this share of the connections have is not the connections'.
const SHARE: f64 = 0.1;
/// Code that allocates for others, by how its name begins.
const NAMES: [&str; 8] = ["alloc::", "<alloc::", "core::", "<core::", "std::", "<std::", "hashbrown::", "<hashbrown::"];
/// The same by its file, of which the last three parts are told: what was inlined is named without its crate.
const FILES: [&str; 14] = [
    "(dhat-",
    "(hashbrown-",
    "(bench/src/main.rs",
    "(src/serve/heap.rs",
    "(???",
    "(alloc/src/",
    "(core/src/",
    "(std/src/",
    "(src/alloc/",
    "(src/boxed/",
    "(src/raw_vec/",
    "(src/raw/",
    "(src/vec/",
    "(collections/",
];
/// Callers of an allocation that are named.
const CALLERS: usize = 2;

/// Watches every allocation until it is dropped.
pub(super) struct Heap {
    profiler: dhat::Profiler,
    file: PathBuf,
}

/// Live blocks of one size from one place.
#[derive(Debug, PartialEq)]
struct Site {
    blocks: u64,
    /// Of one block, on average.
    size: u64,
    place: String,
}

impl Heap {
    /// # Errors
    ///
    /// Never; without the feature there is no such thing.
    pub(super) fn watch() -> Result<Self, Failure> {
        let file = std::env::temp_dir().join(format!("channels-bench-heap-{}.json", std::process::id()));
        let profiler = dhat::Profiler::builder().file_name(&file).trim_backtraces(Some(FRAMES)).build();
        Ok(Self { profiler, file })
    }

    fn sites(self) -> Result<Vec<Site>, Failure> {
        // Writes the file.
        drop(self.profiler);
        let profile: Value = serde_json::from_slice(&fs::read(&self.file)?)?;
        fs::remove_file(&self.file)?;
        Ok(sites(&profile))
    }
}

/// Waits for SIGUSR1, then prints what is allocated.
pub(super) async fn asked(heap: Option<Heap>, seats: &Seats) -> Result<(), Failure> {
    let Some(heap) = heap else { return pending().await };
    signal(SignalKind::user_defined1())?.recv().await;
    let connections = seats.came();
    crate::say(table(&heap.sites()?, connections));
    Ok(())
}

/// The live blocks of a profile of dhat's, the most bytes first.
fn sites(profile: &Value) -> Vec<Site> {
    let frames = profile["ftbl"].as_array().map(Vec::as_slice).unwrap_or_default();
    let points = profile["pps"].as_array().into_iter().flatten();
    let mut sites: Vec<Site> = Vec::new();
    for point in points {
        let (bytes, blocks) = (point["eb"].as_u64().unwrap_or(0), point["ebk"].as_u64().unwrap_or(0));
        if blocks == 0 {
            continue;
        }
        let (size, place) = (bytes / blocks, place(&point["fs"], frames));
        // The same line is reached on several ways.
        match sites.iter_mut().find(|site| site.size == size && site.place == place) {
            Some(site) => site.blocks += blocks,
            None => sites.push(Site { blocks, size, place }),
        }
    }
    sites.sort_by_key(|site| std::cmp::Reverse(site.blocks * site.size));
    sites
}

/// The functions nearest to the allocation that are not of the standard library.
fn place(stack: &Value, frames: &[Value]) -> String {
    let callers = stack.as_array().into_iter().flatten().filter_map(|index| {
        let frame = frames.get(usize::try_from(index.as_u64()?).ok()?)?.as_str()?;
        // `0x55d0c0ffee: crate::function (src/file.rs:12:3)`
        frame.split_once(": ").map(|(_, caller)| caller)
    });
    let between = |caller: &str| {
        NAMES.iter().any(|name| caller.starts_with(name)) || FILES.iter().any(|file| caller.contains(file))
    };
    let callers: Vec<_> = callers.filter(|caller| !between(caller)).take(CALLERS).map(shortened).collect();
    if callers.is_empty() { "?".into() } else { callers.join(" < ") }
}

/// Without the types that a generic function is for, which fill pages.
fn shortened(caller: &str) -> String {
    match (caller.split_once('<'), caller.rsplit_once(" (")) {
        (Some((name, _)), Some((_, file))) if !name.is_empty() => format!("{name}<…> ({file}"),
        _ => caller.to_owned(),
    }
}

fn table(sites: &[Site], connections: usize) -> String {
    let each = |count: u64| count as f64 / connections.max(1) as f64;
    let mut text = format!("{connections} connections\n\n   bytes  a connection  place\n");
    let mut sum = 0;
    for Site { blocks, size, place } in sites.iter().filter(|site| each(site.blocks) >= SHARE) {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{size:8}  {:12.2}  {place}", each(*blocks));
        sum += blocks * size;
    }
    let _ = write!(text, "{:8.0}  bytes a connection in these", each(sum));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn sites_are_named_after_whoever_wanted_the_memory() {
        let profile = json!({
            "pps": [
                {"eb": 0, "ebk": 0, "fs": [1]},
                {"eb": 640, "ebk": 10, "fs": [1, 3, 2]},
                {"eb": 64, "ebk": 1, "fs": [2]},
                {"eb": 9000, "ebk": 1, "fs": [1]},
            ],
            "ftbl": [
                "[root]",
                "0x1: alloc::boxed::Box<T>::new (a.rs:1:1)",
                "0x2: connect<Very<Long>> (b.rs:2:2)",
                "0x3: new<T> (alloc/src/boxed.rs:3:3)",
            ],
        });
        let sites = sites(&profile);
        let connect = Site { blocks: 11, size: 64, place: "connect<…> (b.rs:2:2)".into() };
        assert_eq!(sites, [Site { blocks: 1, size: 9000, place: "?".into() }, connect]);
        let table = table(&sites, 11);
        assert!(table.contains("      64          1.00  connect<…>"), "{table}");
        assert!(!table.contains("9000"), "what is not a connection's is left out: {table}");
    }
}
