use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use channels::tls::rustls::pki_types::pem::PemObject;
use channels::tls::rustls::pki_types::{CertificateDer, ServerName};
use channels::tls::rustls::{ClientConfig, RootCertStore};

use channels_tests::redis::{Connection, Failure, RedisServer, Value, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

/// Set in the process of a test that is to be killed.
const TO_BE_KILLED: &str = "CHANNELS_TEST_TO_BE_KILLED";

fn refused(server: &RedisServer, words: &[&str]) -> String {
    match server.try_command(words) {
        Err(Failure::Refused(text)) => text,
        other => panic!("{words:?}: {other:?}"),
    }
}

fn exists(process: u32) -> bool {
    PathBuf::from(format!("/proc/{process}")).exists()
}

#[test]
fn a_server_answers_at_its_url() {
    let server = RedisServer::start();
    assert_eq!(server.url(), format!("redis://{}", server.address()));
    assert!(server.address().ip().is_loopback());
    assert_eq!(server.command(&["SET", "name", "ada"]).text(), "OK");
    assert_eq!(server.command(&["GET", "name"]).text(), "ada");
    assert_eq!(server.command(&["GET", "nobody"]), Value::Nil);
    assert_eq!(server.command(&["EVAL", "return {1, 'two', {err='ERR three'}}", "0"]).list()[0].integer(), 1);
    assert!(refused(&server, &["NO-SUCH-COMMAND"]).starts_with("ERR unknown command"));
    assert_eq!(server.command(&["CONFIG", "SET", "maxmemory", "3mb"]).text(), "OK");
    assert_eq!(server.command(&["CONFIG", "GET", "maxmemory"]).field("maxmemory").integer(), 3 << 20);
}

#[test]
fn many_servers_start_at_once() {
    let servers: Vec<_> = (0..8).map(|_| thread::spawn(RedisServer::start)).collect();
    // Started by threads that have ended, they live on.
    let servers: Vec<_> = servers.into_iter().map(|thread| thread.join().unwrap()).collect();
    for (number, server) in servers.iter().enumerate() {
        server.command(&["SET", "number", &number.to_string()]);
    }
    for (number, server) in servers.iter().enumerate() {
        assert_eq!(server.command(&["GET", "number"]).integer(), number as i64);
    }
}

#[test]
fn a_killed_server_comes_back_empty_at_the_same_address() {
    let server = RedisServer::start();
    server.command(&["SET", "name", "ada"]);
    let (address, process) = (server.address(), server.pid());
    let mut connection = server.connect().unwrap();
    server.kill_9();
    assert!(!server.is_running() && !exists(process));
    assert!(matches!(connection.ask(&["PING"]), Err(Failure::Broken(_))));
    assert!(matches!(server.try_command(&["PING"]), Err(Failure::Broken(_))));
    server.restart();
    assert_eq!(server.address(), address);
    assert_eq!(server.command(&["GET", "name"]), Value::Nil);
    server.terminate();
    assert!(!server.is_running());
    server.restart();
    assert!(server.is_running());
}

#[test]
fn a_persistent_server_keeps_what_it_answered() {
    let server = RedisServer::options().persistent().start();
    server.command(&["SET", "name", "ada"]);
    server.restart();
    assert_eq!(server.command(&["GET", "name"]).text(), "ada");
    server.restart_empty();
    assert_eq!(server.command(&["GET", "name"]), Value::Nil);
}

#[test]
fn a_stopped_server_answers_when_it_continues() {
    let server = RedisServer::start();
    let mut connection = server.connect().unwrap();
    server.stop_signal();
    connection.send(&["PING"]).unwrap();
    assert!(connection.is_silent_for(Duration::from_millis(200)), "a stopped server answers");
    assert!(server.is_running());
    server.continue_signal();
    assert_eq!(connection.answer().unwrap().text(), "PONG");
    server.stop_signal();
    server.kill_9();
}

#[test]
fn nothing_is_left_of_a_test_that_panics() {
    let (send, receive) = std::sync::mpsc::channel();
    let test = thread::spawn(move || {
        let server = RedisServer::options().unix_socket().start();
        send.send((server.pid(), server.unix_socket())).unwrap();
        server.stop_signal();
        // A panic without its message on standard error.
        std::panic::resume_unwind(Box::new(()));
    });
    let (process, socket) = receive.recv().unwrap();
    assert!(test.join().is_err());
    assert!(!exists(process));
    assert!(!socket.parent().unwrap().exists());
}

#[cfg(target_os = "linux")]
#[test]
fn nothing_runs_on_after_a_test_that_is_killed() {
    let mut test = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "harness::server::waits_to_be_killed", "--nocapture"])
        .env(TO_BE_KILLED, "yes")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(test.stdout.take().unwrap()).lines().map(Result::unwrap);
    let server = lines.find_map(|line| line.split_once("server ").map(|(_, server)| server.to_owned())).unwrap();
    let (process, folder) = server.split_once(' ').unwrap();
    assert!(exists(process.parse().unwrap()));
    test.kill().unwrap();
    test.wait().unwrap();
    until("the server has ended", || (!exists(process.parse().unwrap())).then_some(()));
    std::fs::remove_dir_all(folder).unwrap();
}

/// The other half of the test above; alone it is nothing.
#[test]
fn waits_to_be_killed() {
    if std::env::var_os(TO_BE_KILLED).is_some() {
        let server = RedisServer::options().unix_socket().start();
        let line = format!("server {} {}", server.pid(), server.unix_socket().parent().unwrap().display());
        writeln!(std::io::stdout(), "{line}").unwrap();
        thread::park();
    }
}

#[test]
fn a_user_is_asked_for_the_password() {
    let server = RedisServer::options().user("chat", "p@ss \"w/rd\\").start();
    assert_eq!(server.command(&["ACL", "WHOAMI"]).text(), "chat");
    assert_eq!(server.url(), format!("redis://chat:p%40ss%20%22w%2Frd%5C@{}", server.address()));
    let mut stranger = Connection::open(server.address()).unwrap();
    let refusal = stranger.ask(&["GET", "name"]).unwrap_err().to_string();
    assert!(refusal.starts_with("NOAUTH"), "{refusal}");
    let server = RedisServer::options().user("default", "secret").start();
    assert_eq!(server.command(&["ACL", "WHOAMI"]).text(), "default");
}

#[tokio::test]
async fn a_unix_socket_leads_to_the_same_server() {
    let server = RedisServer::options().unix_socket().start();
    let mut stream = UnixStream::connect(server.unix_socket()).await.unwrap();
    stream.write_all(b"PING\r\n").await.unwrap();
    let mut answer = [0; 7];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"+PONG\r\n");
    assert_eq!(server.unix_url(), format!("unix://{}", server.unix_socket().display()));
}

#[tokio::test]
async fn a_port_speaks_tls_to_who_trusts_its_authority() {
    let server = RedisServer::options().tls().start();
    let other = RedisServer::options().tls().start();
    assert_eq!(server.tls_url(), format!("rediss://{}", server.tls_address()));
    let connect = async |authority: &Path| {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(authority).unwrap()).unwrap();
        let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let stream = TcpStream::connect(server.tls_address()).await.unwrap();
        let name = ServerName::from(server.tls_address().ip());
        TlsConnector::from(Arc::new(client)).connect(name, stream).await
    };
    let mut stream = connect(server.ca_file()).await.unwrap();
    stream.write_all(b"PING\r\n").await.unwrap();
    let mut answer = [0; 7];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"+PONG\r\n");
    assert!(connect(other.ca_file()).await.is_err());
}

#[test]
fn a_full_server_refuses_writes() {
    let server = RedisServer::options().maxmemory("4mb").start();
    let filling = "f".repeat(1 << 16);
    let refusal = (0..100).find_map(|number| server.try_command(&["SET", &number.to_string(), &filling]).err());
    assert!(refusal.unwrap().to_string().starts_with("OOM"));
    assert_eq!(server.command(&["GET", "0"]).text(), filling);
}

#[test]
fn a_subscriber_that_does_not_read_is_cut_off() {
    let server = RedisServer::options().pubsub_buffer_limit("64kb", "32kb", 1).start();
    let mut connection = server.connect().unwrap();
    connection.ask(&["SUBSCRIBE", "news"]).unwrap();
    let news = "n".repeat(1 << 20);
    until("the subscriber is cut off", || (server.command(&["PUBLISH", "news", &news]).integer() == 0).then_some(()));
    assert!(server.log().contains("scheduled to be closed ASAP for overcoming of output buffer limits"));
}
