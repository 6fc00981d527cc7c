//! The command line.

use std::ffi::OsString;
use std::io::Read as _;

use channels::backend::{Destination, Topic};
use channels::message::Raw;
use channels::{Error, MAX_GROUP_NAME_BYTES, UserId};
use lexopt::Arg::{Long, Short, Value};
use lexopt::{Parser, ValueExt as _};

/// What is to be done.
#[derive(Debug)]
pub(crate) enum Command {
    Help,
    Version,
    Send { to: Destination, message: Raw },
    Status { json: bool },
    Listen { to: Vec<Destination> },
}

/// A command line that makes no sense, in words.
#[derive(Debug)]
pub(crate) struct Usage(pub(crate) String);

impl From<lexopt::Error> for Usage {
    fn from(error: lexopt::Error) -> Self {
        Self(error.to_string())
    }
}

/// What one command may be told.
#[derive(Debug, Default)]
struct Told {
    to: Vec<Destination>,
    name: Option<String>,
    data: Option<String>,
    json: bool,
    help: bool,
}

/// Reads the arguments behind the name of the program.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString, IntoIter: 'static>) -> Result<Command, Usage> {
    let mut parser = Parser::from_args(arguments);
    let Some(first) = parser.next()? else { return Err(Usage("a command is missing".to_owned())) };
    let command = match first {
        Short('h') | Long("help") => return Ok(Command::Help),
        Short('V') | Long("version") => return Ok(Command::Version),
        Value(command) => command.string()?,
        other => return Err(other.unexpected().into()),
    };
    match command.as_str() {
        "help" => Ok(Command::Help),
        "send" => send(told(parser, &["group", "user", "all", "type", "data"])?),
        "status" => {
            let told = told(parser, &["json"])?;
            Ok(if told.help { Command::Help } else { Command::Status { json: told.json } })
        }
        "listen" => listen(told(parser, &["group", "user", "all"])?),
        _ => Err(Usage(format!("there is no command {command:?}"))),
    }
}

fn told(mut parser: Parser, allowed: &[&str]) -> Result<Told, Usage> {
    let mut told = Told::default();
    while let Some(argument) = parser.next()? {
        match argument {
            Short('h') | Long("help") => told.help = true,
            Long(name) if !allowed.contains(&name) => return Err(argument.unexpected().into()),
            Long("group") => told.to.push(group(parser.value()?.string()?)?),
            Long("user") => told.to.push(user(&parser.value()?.string()?)?),
            Long("all") => told.to.push(Destination::Broadcast),
            Long("type") => once("--type", &mut told.name, parser.value()?.string()?)?,
            Long("data") => once("--data", &mut told.data, parser.value()?.string()?)?,
            Long("json") => told.json = true,
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(told)
}

fn once(option: &str, value: &mut Option<String>, given: String) -> Result<(), Usage> {
    match value.replace(given) {
        Some(_) => Err(Usage(format!("{option} stands there twice"))),
        None => Ok(()),
    }
}

fn group(name: String) -> Result<Destination, Usage> {
    if name.is_empty() || name.len() > MAX_GROUP_NAME_BYTES {
        return Err(Usage(format!("--group: the name of a group has 1 to {MAX_GROUP_NAME_BYTES} bytes")));
    }
    Ok(Destination::Group(name.into()))
}

fn user(id: &str) -> Result<Destination, Usage> {
    UserId::new(id).map(Destination::User).map_err(|error| Usage(format!("--user: {error}")))
}

fn send(told: Told) -> Result<Command, Usage> {
    if told.help {
        return Ok(Command::Help);
    }
    let Ok([to]) = <[Destination; 1]>::try_from(told.to) else {
        return Err(Usage("send goes to one of --group NAME, --user ID and --all".to_owned()));
    };
    let name = told.name.ok_or_else(|| Usage("--type is missing: the name of the message".to_owned()))?;
    // Before standard input is read, for which somebody may have to type.
    Raw::new(&*name, "").map_err(|error| Usage(words(&error)))?;
    let data = match told.data {
        Some(data) if data == "-" => standard_input()?,
        Some(data) if data.trim().is_empty() => return Err(Usage("--data is empty, which is no JSON".to_owned())),
        data => data.unwrap_or_default(),
    };
    let message = Raw::new(name, data).map_err(|error| Usage(words(&error)))?;
    Ok(Command::Send { to, message })
}

/// All of it, which must be more than nothing.
fn standard_input() -> Result<String, Usage> {
    let mut data = String::new();
    let read = std::io::stdin().read_to_string(&mut data);
    read.map_err(|error| Usage(format!("--data -: standard input cannot be read: {error}")))?;
    if data.trim().is_empty() {
        return Err(Usage("--data -: standard input is empty, which is no JSON".to_owned()));
    }
    Ok(data)
}

/// `type: is reserved` as `--type: is reserved`.
fn words(error: &Error) -> String {
    format!("--{}", error.message())
}

fn listen(told: Told) -> Result<Command, Usage> {
    if told.help {
        return Ok(Command::Help);
    }
    if told.to.is_empty() {
        return Err(Usage("listen to what? Name a --group, a --user or --all".to_owned()));
    }
    Ok(Command::Listen { to: told.to })
}

/// In words.
pub(crate) fn show(topic: Topic<'_>) -> String {
    match topic {
        Topic::Group(name) => format!("the group {name:?}"),
        Topic::User(user) => format!("the user {:?}", user.as_str()),
        Topic::Connection(id) => format!("the connection {id}"),
        Topic::Broadcast => "everybody".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &[&str]) -> Result<Command, String> {
        parse(line.iter().map(OsString::from).collect::<Vec<_>>()).map_err(|Usage(problem)| problem)
    }

    #[test]
    fn what_makes_sense_is_read() {
        assert!(matches!(parsed(&["--help"]), Ok(Command::Help)));
        assert!(matches!(parsed(&["send", "--help"]), Ok(Command::Help)));
        assert!(matches!(parsed(&["-V"]), Ok(Command::Version)));
        assert!(matches!(parsed(&["status"]), Ok(Command::Status { json: false })));
        assert!(matches!(parsed(&["status", "--json"]), Ok(Command::Status { json: true })));
        let Ok(Command::Listen { to }) = parsed(&["listen", "--group=a", "--group", "--all", "--user", "u", "--all"])
        else {
            panic!("no listen");
        };
        let user = UserId::new("u").unwrap();
        let named = |name: &str| Destination::Group(name.into());
        assert_eq!(to, [named("a"), named("--all"), Destination::User(user), Destination::Broadcast]);
        assert!(matches!(parsed(&["send", "--all", "--type", "x"]), Ok(Command::Send { .. })));
    }

    #[test]
    fn what_makes_none_is_told() {
        let long = "x".repeat(MAX_GROUP_NAME_BYTES + 1);
        for (line, words) in [
            (&[][..], "a command is missing"),
            (&["sned"], "sned"),
            (&["send", "--type", "x"], "one of"),
            (&["send", "--all", "--group", "g", "--type", "x"], "one of"),
            (&["send", "--all"], "--type"),
            (&["send", "--all", "--type", "$ok"], "framework"),
            (&["send", "--all", "--type", "error"], "framework"),
            (&["send", "--all", "--type", "pong"], "framework"),
            (&["send", "--all", "--type", "x", "--type", "y"], "twice"),
            (&["send", "--all", "--type", "x", "--data", "{"], "--data: is no JSON"),
            (&["send", "--all", "--type", "x", "--data", ""], "--data"),
            (&["send", "--user", "a\nb", "--type", "x"], "--user"),
            (&["send", "--group", "", "--type", "x"], "--group"),
            (&["send", "--group", &long, "--type", "x"], "512"),
            (&["send", "--group"], "--group"),
            (&["send", "--json"], "--json"),
            (&["status", "--group", "x"], "--group"),
            (&["status", "x"], "x"),
            (&["listen"], "--group"),
            (&["listen", "--data", "1"], "--data"),
            (&["--verbose"], "--verbose"),
        ] {
            let problem = parsed(line).unwrap_err();
            assert!(problem.contains(words), "{line:?}: {problem}");
        }
    }
}
