//! The Redis that several servers share.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::server::{Bench, SERVER_CORE};
use crate::{Failure, tools};

const PROGRAM: &str = "redis-server";
/// How often another port is tried, when somebody else took the first.
const STARTS: u32 = 5;
/// How long it may take until it answers.
const PATIENCE: Duration = Duration::from_secs(10);

/// One of our own, on the core of the servers, which keeps nothing. Dropped, it is killed.
#[derive(Debug)]
pub(super) struct Redis {
    child: Child,
    address: SocketAddr,
}

impl Redis {
    /// Starts it and waits until it answers.
    ///
    /// # Errors
    ///
    /// If it is missing, with the command that installs it, or does not start.
    pub(super) fn start(bench: &Bench) -> Result<Self, Failure> {
        tools::need(PROGRAM)?;
        for _ in 0..STARTS {
            if let Some(redis) = Self::on_a_free_port(bench)? {
                return Ok(redis);
            }
        }
        Err(format!("{PROGRAM} does not start on {STARTS} ports that were free").into())
    }

    fn on_a_free_port(bench: &Bench) -> Result<Option<Self>, Failure> {
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let port = address.port().to_string();
        let mut command = bench.command_of(SERVER_CORE, PROGRAM, &["--bind", "127.0.0.1", "--port", &port]);
        command.args(["--save", "", "--appendonly", "no", "--loglevel", "warning"]).stdout(Stdio::null());
        let child = command.spawn().map_err(|error| format!("{PROGRAM}: {error}"))?;
        let mut redis = Self { child, address };
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if redis.child.try_wait()?.is_some() {
                return Ok(None);
            }
            if redis.answers().is_ok_and(|answers| answers) {
                return Ok(Some(redis));
            }
            sleep(Duration::from_millis(20));
        }
        Err(format!("{PROGRAM} does not answer within {PATIENCE:?}").into())
    }

    fn answers(&self) -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"PING\r\n")?;
        let mut answer = [0; 7];
        stream.read_exact(&mut answer)?;
        Ok(&answer == b"+PONG\r\n")
    }

    pub(super) fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // Fails where it has ended by itself. By its own id, and never another's: it has not been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
