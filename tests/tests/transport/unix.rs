//! A Unix socket, as behind a proxy on the same machine.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use channels_tests::contract;
use channels_tests::probe::Stage;
use channels_tests::socket::{Running, Socket, soon};
use channels_tests::transports::{Transport, app};
use tokio::net::{UnixListener, UnixStream};

struct Unix {
    path: SocketFile,
    running: Running,
}

/// A path that no other test uses, and that is free again afterwards.
struct SocketFile(PathBuf);

impl SocketFile {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("channels-{}-{}.sock", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        // Left behind by a test that was killed, and had this number.
        let _ = std::fs::remove_file(&path);
        Self(path)
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Transport for Unix {
    type Stream = UnixStream;

    async fn serve(stage: &Stage) -> Self {
        let path = SocketFile::new();
        let listener = UnixListener::bind(&path.0).unwrap();
        Self { path, running: Running::start(stage, listener, app(stage)) }
    }

    async fn connect(&self, path: &str) -> Socket<UnixStream> {
        let stream = soon("connecting", UnixStream::connect(&self.path.0)).await.unwrap();
        Socket::over(stream, format!("ws://localhost{path}")).await.unwrap()
    }

    async fn stop(self) {
        self.running.stop().await;
    }
}

contract!(Unix);
