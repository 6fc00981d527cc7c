//! What the command line of `cargo xtask bench` says, and how large a run is.

use std::path::PathBuf;

use lexopt::prelude::*;

use crate::Failure;

/// Printed by `--help`.
pub(crate) const USAGE: &str = "\
The library beside two servers without it, on one core, the load on another. All servers stay up; short runs in
rotating order, and each is compared with the others of its own cycle only. Nothing here fails because of a number,
only if something breaks: a message is lost, a connection ends.

usage: cargo xtask bench [options]

  --quick          a second of everything, to see that it runs; its numbers mean nothing
  --cycles N       8
  --only LIST      of fanout,echo,connect,groups,idle,unrelated,servers,allocations,dependencies; default: all of
                   them. `servers`: two that share a Redis, which is started for it, beside one in memory
  --build          also the time of a clean debug build of the chat
  --runtime NAME   `current` (default) or `multi`, for all servers
  --json FILE      writes every run
  --markdown       prints the table as it stands in docs/performance.md";

/// What can be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Fanout,
    Echo,
    Connect,
    Groups,
    Idle,
    Unrelated,
    Servers,
    Allocations,
    Dependencies,
    Build,
}

impl Part {
    const CHOICES: [(&'static str, Self); 9] = [
        ("fanout", Self::Fanout),
        ("echo", Self::Echo),
        ("connect", Self::Connect),
        ("groups", Self::Groups),
        ("idle", Self::Idle),
        ("unrelated", Self::Unrelated),
        ("servers", Self::Servers),
        ("allocations", Self::Allocations),
        ("dependencies", Self::Dependencies),
    ];

    fn named(name: &str) -> Result<Self, String> {
        let found = Self::CHOICES.iter().find(|(known, _)| *known == name);
        found.map(|(_, part)| *part).ok_or_else(|| format!("--only: there is no {name:?}; see `--help`"))
    }
}

/// All of it.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) parts: Vec<Part>,
    pub(crate) scale: Scale,
    pub(crate) runtime: String,
    pub(crate) json: Option<PathBuf>,
    pub(crate) markdown: bool,
    /// Of a debug build: for CI, which has one already.
    pub(crate) debug: bool,
}

/// How large the runs are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scale {
    pub(crate) quick: bool,
    pub(crate) cycles: usize,
    /// Seconds that each run is measured, and those before.
    pub(crate) duration: f64,
    pub(crate) warmup: f64,
    pub(crate) members: u32,
    pub(crate) echoing: u32,
    pub(crate) connecting: u32,
    pub(crate) groups: u32,
    pub(crate) idle: (u32, u32),
    /// axum's `ws` needs 140 KB for each.
    pub(crate) idle_axum_ws: (u32, u32),
    pub(crate) settle: f64,
    pub(crate) rounds: u32,
    pub(crate) crowd: u32,
    pub(crate) unrelated: f64,
    /// Seconds of a run on the way to Redis, and for which idle connections are watched there.
    pub(crate) link: f64,
    pub(crate) resting: f64,
    pub(crate) topics: u32,
}

impl Scale {
    const FULL: Self = Self {
        quick: false,
        cycles: 8,
        duration: 1.0,
        warmup: 0.3,
        members: 1_000,
        echoing: 100,
        connecting: 2_000,
        groups: 1_000,
        idle: (5_000, 15_000),
        idle_axum_ws: (1_000, 3_000),
        settle: 2.0,
        rounds: 10,
        crowd: 15_000,
        unrelated: 10.0,
        link: 1.0,
        resting: 10.0,
        topics: 100_000,
    };
    const QUICK: Self = Self {
        quick: true,
        cycles: 1,
        duration: 0.2,
        warmup: 0.1,
        members: 50,
        echoing: 10,
        connecting: 50,
        groups: 10,
        idle: (50, 150),
        idle_axum_ws: (50, 150),
        settle: 0.1,
        rounds: 2,
        crowd: 150,
        unrelated: 0.3,
        link: 0.2,
        resting: 0.3,
        topics: 500,
    };
}

impl Options {
    /// What CI runs.
    pub(crate) fn smoke() -> Self {
        Self { scale: Scale::QUICK, debug: true, ..Self::default() }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            parts: Part::CHOICES.iter().map(|(_, part)| *part).collect(),
            scale: Scale::FULL,
            runtime: "current".into(),
            json: None,
            markdown: false,
            debug: false,
        }
    }
}

/// Reads the arguments behind `bench`; `None` where help is wanted.
///
/// # Errors
///
/// If they make no sense.
pub(crate) fn parse(arguments: &[String]) -> Result<Option<Options>, Failure> {
    let mut options = Options::default();
    let (mut cycles, mut build) = (None, false);
    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next()? {
        match argument {
            Long("quick") => options.scale = Scale::QUICK,
            Long("cycles") => cycles = Some(parser.value()?.parse::<usize>()?),
            Long("only") => {
                let list = parser.value()?.string()?;
                options.parts = list.split(',').map(Part::named).collect::<Result<_, _>>()?;
            }
            Long("build") => build = true,
            Long("runtime") => options.runtime = parser.value()?.string()?,
            Long("json") => options.json = Some(parser.value()?.into()),
            Long("markdown") => options.markdown = true,
            Short('h') | Long("help") => return Ok(None),
            other => return Err(other.unexpected().into()),
        }
    }
    if build {
        options.parts.push(Part::Build);
    }
    options.scale.cycles = cycles.unwrap_or(options.scale.cycles);
    if options.scale.cycles == 0 {
        return Err("--cycles must be at least 1".into());
    }
    if !["multi", "current"].contains(&options.runtime.as_str()) {
        return Err(format!("--runtime {:?}: expected `multi` or `current`", options.runtime).into());
    }
    Ok(Some(options))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Options, String> {
        let words: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
        parse(&words).map_err(|error| error.to_string())?.ok_or_else(|| "help".into())
    }

    #[test]
    fn without_options_everything_but_the_build_is_looked_at() {
        let options = read("").unwrap();
        assert_eq!((options.parts.len(), options.scale), (Part::CHOICES.len(), Scale::FULL));
        assert!(!options.parts.contains(&Part::Build));
    }

    #[test]
    fn options_are_read_in_any_order() {
        let options = read("--cycles 3 --only echo,idle --quick --build --json x.json --markdown").unwrap();
        assert_eq!(options.parts, [Part::Echo, Part::Idle, Part::Build]);
        assert_eq!((options.scale.cycles, options.scale.quick, options.markdown), (3, true, true));
        assert_eq!(options.json, Some("x.json".into()));
    }

    #[test]
    fn nonsense_is_refused() {
        for line in ["--only flying", "--cycles 0", "--cycles x", "--runtime both", "word", "--fast"] {
            read(line).expect_err(line);
        }
        assert_eq!(read("-h").unwrap_err(), "help");
    }
}
