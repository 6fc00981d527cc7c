//! What the command line and the environment say about a server.

use std::ffi::OsString;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use lexopt::prelude::*;

use crate::Failure;

/// Port of a server that is told none.
const PORT: u16 = 9001;

/// Which server it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    Channels,
    AxumWs,
    Direct,
}

impl Choice {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Channels => "channels",
            Self::AxumWs => "axum-ws",
            Self::Direct => "direct",
        }
    }

    fn baseline(name: &str) -> Result<Self, String> {
        let known = [Self::AxumWs, Self::Direct].into_iter().find(|choice| choice.name() == name);
        known.ok_or_else(|| format!("there is no baseline {name:?}; there are `axum-ws` and `direct`"))
    }
}

/// The runtime it runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Runtime {
    Current,
    Multi,
}

/// All of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) choice: Choice,
    pub(super) port: u16,
    pub(super) groups: usize,
    pub(super) runtime: Runtime,
    pub(super) with_stdin: bool,
    pub(super) allocations: bool,
}

impl Settings {
    /// `None` where help is wanted.
    pub(super) fn read(
        arguments: Vec<OsString>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, Failure> {
        let mut settings = Self {
            choice: Choice::Channels,
            port: number(&variable, "PORT")?.unwrap_or(PORT),
            groups: number(&variable, "GROUPS")?.unwrap_or(1),
            runtime: match variable("RT").as_deref() {
                None | Some("" | "current") => Runtime::Current,
                Some("multi") => Runtime::Multi,
                Some(other) => return Err(format!("RT={other:?}: expected `multi` or `current`").into()),
            },
            with_stdin: false,
            allocations: variable("ALLOCATIONS").is_some_and(|value| value == "1"),
        };
        let mut parser = lexopt::Parser::from_args(arguments);
        while let Some(argument) = parser.next()? {
            match argument {
                Long("baseline") => settings.choice = Choice::baseline(&parser.value()?.string()?)?,
                Long("groups") => settings.groups = parser.value()?.parse()?,
                Long("with-stdin") => settings.with_stdin = true,
                Short('h') | Long("help") => return Ok(None),
                other => return Err(other.unexpected().into()),
            }
        }
        if settings.groups == 0 {
            return Err("there must be at least 1 group".into());
        }
        Ok(Some(settings))
    }
}

fn number<T: std::str::FromStr>(variable: impl Fn(&str) -> Option<String>, name: &str) -> Result<Option<T>, Failure> {
    let Some(value) = variable(name).filter(|value| !value.is_empty()) else { return Ok(None) };
    value.parse().map(Some).map_err(|_| format!("{name}={value:?} is no such number").into())
}

/// Who comes is given a number, and by it the group that it is in from the beginning.
#[derive(Clone, Debug)]
pub(crate) struct Seats(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    groups: Box<[Arc<str>]>,
    came: AtomicUsize,
    seated: AtomicUsize,
}

/// What a connection is told when it comes.
#[derive(Debug)]
pub(crate) struct Seat {
    /// Counts all who came, those without a group included.
    pub(crate) number: usize,
    /// Its own group; `None` for who asked for none.
    pub(crate) home: Option<Arc<str>>,
}

impl Seats {
    pub(super) fn new(groups: usize) -> Self {
        let groups = (0..groups).map(|group| format!("group-{group}").into()).collect();
        Self(Arc::new(Inner { groups, came: AtomicUsize::new(0), seated: AtomicUsize::new(0) }))
    }

    /// How many came so far.
    #[cfg(feature = "heap")]
    pub(super) fn came(&self) -> usize {
        self.0.came.load(Ordering::Relaxed)
    }

    /// The next seat. `?quiet=1` takes none of a group's, so that the groups stay of equal size.
    pub(crate) fn take(&self, query: Option<&str>) -> Seat {
        let quiet = query.is_some_and(|query| query.split('&').any(|pair| pair == "quiet=1"));
        let next = |counter: &AtomicUsize| counter.fetch_add(1, Ordering::Relaxed);
        let home = (!quiet).then(|| Arc::clone(&self.0.groups[next(&self.0.seated) % self.0.groups.len()]));
        Seat { number: next(&self.0.came), home }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(arguments: &[&str], variables: &[(&str, &str)]) -> Result<Settings, String> {
        let variable =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        let settings = Settings::read(arguments.iter().map(Into::into).collect(), variable);
        settings.map_err(|error| error.to_string())?.ok_or_else(|| "help".into())
    }

    #[test]
    fn without_anything_it_is_the_library_on_all_cores() {
        let settings = read(&[], &[]).unwrap();
        assert_eq!((settings.choice, settings.port, settings.groups), (Choice::Channels, PORT, 1));
        assert_eq!((settings.runtime, settings.with_stdin), (Runtime::Current, false));
    }

    #[test]
    fn the_environment_and_the_command_line_are_read() {
        let settings =
            read(&["--baseline=direct", "--with-stdin"], &[("PORT", "0"), ("GROUPS", "10"), ("RT", "multi")]).unwrap();
        assert_eq!((settings.choice, settings.port, settings.groups), (Choice::Direct, 0, 10));
        assert_eq!((settings.runtime, settings.with_stdin), (Runtime::Multi, true));
        assert_eq!(read(&["--groups", "7"], &[("GROUPS", "10")]).unwrap().groups, 7);
    }

    #[test]
    fn nonsense_is_named() {
        assert!(read(&["--baseline", "bun"], &[]).unwrap_err().contains("axum-ws"));
        assert!(read(&[], &[("PORT", "many")]).unwrap_err().contains("PORT"));
        assert!(read(&[], &[("RT", "both")]).unwrap_err().contains("current"));
        assert!(read(&[], &[("GROUPS", "0")]).is_err());
        assert!(read(&["--groups", "0"], &[]).is_err());
        assert_eq!(read(&["--help"], &[]).unwrap_err(), "help");
    }

    #[test]
    fn groups_fill_in_turn_and_the_quiet_take_no_seat() {
        let seats = Seats::new(2);
        let homes: Vec<_> = [None, Some("quiet=1"), Some("a=b"), Some("a=b&quiet=1"), None]
            .into_iter()
            .map(|query| seats.take(query).home)
            .collect();
        let names: Vec<_> = homes.iter().map(Option::as_deref).collect();
        assert_eq!(names, [Some("group-0"), None, Some("group-1"), None, Some("group-0")]);
    }
}
