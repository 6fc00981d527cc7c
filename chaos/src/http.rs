//! One GET over loopback. HTTP/1.0, so that the answer ends where the connection does.

use std::net::SocketAddr;
use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A server answers within 5 s, also when its backend is away.
const PATIENCE: Duration = Duration::from_secs(6);

/// The status and the body.
///
/// # Errors
///
/// In words, if there is no answer in time or it is no HTTP.
pub async fn get(server: SocketAddr, path: &str, within: Duration) -> Result<(u16, String), String> {
    let exchange = async {
        let mut stream = TcpStream::connect(server).await?;
        stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: {server}\r\n\r\n").as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer = match timeout(within, exchange).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => return Err(format!("GET {path}: {error}")),
        Err(_) => return Err(format!("GET {path}: no answer within {within:?}")),
    };
    parse(&answer).ok_or_else(|| format!("GET {path}: no HTTP in {answer:?}"))
}

/// What a server tells in JSON.
///
/// # Errors
///
/// In words, if it does not.
pub async fn told<T: DeserializeOwned>(server: SocketAddr, path: &str) -> Result<T, String> {
    let (status, body) = get(server, path, PATIENCE).await?;
    if status != 200 {
        return Err(format!("GET {path}: {status} {body}"));
    }
    serde_json::from_str(&body).map_err(|error| format!("GET {path}: {error} in {body}"))
}

fn parse(answer: &str) -> Option<(u16, String)> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    Some((status, body.to_owned()))
}
