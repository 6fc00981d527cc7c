//! Running other programs: each is shown before it runs, and none can wait for input.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, io};

use crate::Failure;

/// The top of the repository.
pub(crate) fn root() -> PathBuf {
    // Cargo's word at run time goes first: two clones that share a target folder also share this executable,
    // and what was compiled in may be the other one.
    let here = env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    here.parent().map_or_else(|| here.clone(), Path::to_path_buf)
}

/// The cargo that runs this program, with these arguments.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    program(&env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")), arguments)
}

/// Any program, at the top of the repository.
pub(crate) fn program(name: &(impl AsRef<std::ffi::OsStr> + ?Sized), arguments: &[&str]) -> Command {
    let mut command = Command::new(name);
    command.args(arguments).current_dir(root()).stdin(Stdio::null());
    command
}

/// Runs it.
///
/// # Errors
///
/// If it cannot be started or does not end with 0.
pub(crate) fn run(command: &mut Command) -> Result<(), Failure> {
    show(command);
    let status = command.status().map_err(|error| format!("{}: {error}", words(command)))?;
    if status.success() { Ok(()) } else { Err(format!("{}: {status}", words(command)).into()) }
}

/// Runs it and gives `line` every line of its standard output, which is shown all the same.
///
/// # Errors
///
/// If it cannot be started or does not end with 0.
pub(crate) fn read_along(command: &mut Command, line: impl FnMut(&str)) -> Result<(), Failure> {
    show(command);
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(|error| format!("{}: {error}", words(command)))?;
    if let Some(pipe) = child.stdout.take() {
        pass_on(pipe, io::stdout(), line)?;
    }
    let status = child.wait()?;
    if status.success() { Ok(()) } else { Err(format!("{}: {status}", words(command)).into()) }
}

fn pass_on(from: impl Read, mut to: impl Write, mut line: impl FnMut(&str)) -> io::Result<()> {
    for bytes in BufReader::new(from).split(b'\n') {
        // A test may print what is no UTF-8.
        let text = String::from_utf8_lossy(&bytes?).into_owned();
        writeln!(to, "{text}")?;
        line(&text);
    }
    Ok(())
}

/// What it prints on standard output, without showing anything.
///
/// # Errors
///
/// If it cannot be started or does not end with 0; then with what it said.
pub(crate) fn output(command: &mut Command) -> Result<String, Failure> {
    Ok(String::from_utf8(captured(command)?.stdout)?)
}

/// What it prints on standard error, where cargo tells and warns.
///
/// # Errors
///
/// If it cannot be started or does not end with 0; then with what it said.
pub(crate) fn warnings(command: &mut Command) -> Result<String, Failure> {
    Ok(String::from_utf8_lossy(&captured(command)?.stderr).into_owned())
}

fn captured(command: &mut Command) -> Result<std::process::Output, Failure> {
    let output = command.output().map_err(|error| format!("{}: {error}", words(command)))?;
    if output.status.success() {
        return Ok(output);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{}: {}\n{said}", words(command), output.status).into())
}

/// Where a program lies on the search path.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// Shows a command as one would type it.
fn show(command: &Command) {
    println!("$ {}", words(command));
}

fn words(command: &Command) -> String {
    let variables = command
        .get_envs()
        .filter_map(|(name, value)| Some(format!("{}={:?}", name.to_string_lossy(), value?.to_string_lossy())));
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    let arguments = command.get_args().map(|argument| argument.to_string_lossy().into_owned());
    let words = variables.chain([program.to_string_lossy().into_owned()]).chain(arguments);
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_one_would_type_it() {
        let mut doc = program("/usr/bin/cargo", &["doc", "--no-deps"]);
        doc.env("RUSTDOCFLAGS", "-D warnings");
        assert_eq!(words(&doc), "RUSTDOCFLAGS=\"-D warnings\" cargo doc --no-deps");
    }

    #[test]
    fn what_fails_is_an_error() {
        assert!(run(&mut program("false", &[])).is_err());
        assert!(run(&mut program("no-such-program", &[])).is_err());
        assert!(output(&mut program("false", &[])).is_err());
        assert!(read_along(&mut program("false", &[]), |_| {}).is_err());
    }

    #[test]
    fn lines_are_read_along() {
        let mut lines = Vec::new();
        let mut echo = program("printf", &["one\\ntwo\\n"]);
        read_along(&mut echo, |line| lines.push(line.to_owned())).unwrap();
        assert_eq!(lines, ["one", "two"]);
    }
}
