//! A process that ends with the test, however that ends.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{OnceLock, mpsc};
use std::{env, io, thread};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

use super::wait::until;

/// A child. Dropped, it is killed and reaped.
#[derive(Debug)]
pub struct Process(Child);

/// What is to be started, and who wants to know.
type Order = (Command, mpsc::Sender<io::Result<Child>>);

impl Process {
    /// Starts a program, by its name on the search path or by an absolute path. On Linux the kernel kills it when this
    /// process ends, be it by SIGKILL.
    ///
    /// # Errors
    ///
    /// If there is none, or it cannot be started.
    pub fn start(program: impl AsRef<Path>, configure: impl FnOnce(&mut Command)) -> io::Result<Self> {
        let program = find(program.as_ref())?;
        let mut command = if ends_with_us() {
            let mut command = Command::new("setpriv");
            command.args(["--pdeathsig", "KILL", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        configure(&mut command);
        command.stdin(Stdio::null());
        let (answer, started) = mpsc::channel();
        starter().send((command, answer)).map_err(io::Error::other)?;
        started.recv().map_err(io::Error::other)?.map(Self)
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Whether it has ended; then it is reaped.
    pub fn has_ended(&mut self) -> bool {
        self.ended().is_some()
    }

    /// How it ended, if it has; then it is reaped.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().unwrap()
    }

    /// Sends a signal. The id cannot be another's: only this value reaps it.
    pub fn signal(&mut self, signal: Signal) {
        assert!(!self.has_ended(), "the process has ended already");
        kill_process(self.pid(), signal).unwrap();
    }

    /// Sends SIGSTOP and waits until it stands.
    pub fn stop(&mut self) {
        self.signal(Signal::STOP);
        let pid = self.pid();
        until("a process stops", || waitid(WaitId::Pid(pid), WaitIdOptions::STOPPED | WaitIdOptions::NOHANG).unwrap());
    }

    /// Sends SIGTERM and waits for its end.
    pub fn terminate(mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        until("a process ends", || self.ended())
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.0)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The thread that starts all of them. The kernel takes the end of the *thread* that started a process for its
/// parent's, and threads of tests and of runtimes end early; this one ends with the process.
fn starter() -> mpsc::Sender<Order> {
    static STARTER: OnceLock<mpsc::Sender<Order>> = OnceLock::new();
    let starter = STARTER.get_or_init(|| {
        let (starter, orders) = mpsc::channel::<Order>();
        let run = move || {
            for (mut command, answer) in orders {
                let _ = answer.send(command.spawn());
            }
        };
        thread::Builder::new().name("starter".to_owned()).spawn(run).unwrap();
        starter
    });
    starter.clone()
}

fn find(program: &Path) -> io::Result<PathBuf> {
    // A folder joined with an absolute path is that path.
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file());
    found.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "not on the search path"))
}

/// Whether there is a program (of util-linux) that asks the kernel for it: asking ourselves needs `unsafe`.
fn ends_with_us() -> bool {
    static CAN: OnceLock<bool> = OnceLock::new();
    *CAN.get_or_init(|| {
        let mut trial = Command::new("setpriv");
        trial.args(["--pdeathsig", "KILL", "--", "true"]).stdin(Stdio::null()).stdout(Stdio::null());
        cfg!(target_os = "linux") && trial.stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    })
}
