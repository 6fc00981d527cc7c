//! The bare loop: the least that a task of tokio can do to publish and to hear. It writes what may be in flight and reads
//! as many answers; it reads pushes and finds channel and payload in each. Nothing is kept, handed over or woken, and
//! nobody but the loop waits for an answer.

use std::io::Write;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::cpu::Since;
use super::flood::Flood;
use super::options::Options;
use super::{PAYLOAD_BYTES, Run, TOPICS};
use crate::Failure;

/// How much is read at once, as the library does.
const READ_BYTES: usize = 64 * 1024;

pub(super) async fn publish(options: &Options) -> Result<Run, Failure> {
    let channels: Vec<String> = (0..TOPICS).map(|topic| format!("bare:{topic}")).collect();
    let payload = "x".repeat(PAYLOAD_BYTES);
    let mut stream = TcpStream::connect(options.address()?).await?;
    stream.set_nodelay(true)?;
    let since = Since::now()?;
    let until = Instant::now() + Duration::from_secs_f64(options.seconds);
    let (mut published, mut bytes, mut answers) = (0, Vec::new(), vec![0; READ_BYTES]);
    while Instant::now() < until {
        bytes.clear();
        for number in 0..options.in_flight {
            let channel = &channels[(published as usize + number) % channels.len()];
            write!(bytes, "*3\r\n$7\r\nPUBLISH\r\n${}\r\n{channel}\r\n${}\r\n", channel.len(), payload.len())?;
            write!(bytes, "{payload}\r\n")?;
        }
        stream.write_all(&bytes).await?;
        let mut lines = 0;
        while lines < options.in_flight {
            let read = stream.read(&mut answers).await?;
            if read == 0 {
                return Err("Redis closed the connection".into());
            }
            lines += answers[..read].iter().filter(|byte| **byte == b'\n').count();
        }
        published += options.in_flight as u64;
    }
    Ok(Run { messages: published, cpu: since.cpu()? })
}

pub(super) async fn receive(options: &Options, channels: &[String]) -> Result<Run, Failure> {
    let mut stream = TcpStream::connect(options.address()?).await?;
    stream.set_nodelay(true)?;
    stream.write_all(b"HELLO 3\r\n").await?;
    stream.write_all(format!("SUBSCRIBE {}\r\n", channels.join(" ")).as_bytes()).await?;
    let _flood = Flood::start(options)?;
    let mut buffer = Vec::with_capacity(2 * READ_BYTES);
    let mut chunk = vec![0; READ_BYTES];
    // Until it flows.
    while hear(&mut stream, &mut buffer, &mut chunk).await? == 0 {}
    let since = Since::now()?;
    let until = Instant::now() + Duration::from_secs_f64(options.seconds);
    let mut messages = 0;
    while Instant::now() < until {
        messages += hear(&mut stream, &mut buffer, &mut chunk).await?;
    }
    Ok(Run { messages, cpu: since.cpu()? })
}

/// Reads once, and finds channel and payload of each message.
async fn hear(stream: &mut TcpStream, buffer: &mut Vec<u8>, chunk: &mut [u8]) -> Result<u64, Failure> {
    let read = stream.read(chunk).await?;
    if read == 0 {
        return Err("Redis closed the connection".into());
    }
    buffer.extend_from_slice(&chunk[..read]);
    let (mut at, mut messages) = (0, 0);
    loop {
        if let Some(end) = message(&buffer[at..]) {
            messages += 1;
            at += end;
        } else if is_answer(&buffer[at..]) {
            at += buffer[at..].iter().position(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        } else {
            break;
        }
    }
    buffer.drain(..at);
    Ok(messages)
}

/// A whole line that belongs to no message: the answers to the first commands.
fn is_answer(bytes: &[u8]) -> bool {
    const START: &[u8] = b">3\r\n$7\r\nmessage";
    let start = &bytes[..bytes.len().min(START.len())];
    bytes.contains(&b'\n') && !START.starts_with(start)
}

/// The end of a whole message.
fn message(bytes: &[u8]) -> Option<usize> {
    let mut at = bytes.strip_prefix(b">3\r\n$7\r\nmessage\r\n").map(|_| 17)?;
    for _ in 0..2 {
        let line = bytes.get(at..)?.iter().position(|byte| *byte == b'\n')?;
        let len: usize = std::str::from_utf8(&bytes[at + 1..at + line - 1]).ok()?.parse().ok()?;
        at += line + 1 + len + 2;
    }
    (at <= bytes.len()).then_some(at)
}
