//! Chromium and its driver, from start to end.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use fantoccini::ClientBuilder;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};

use crate::chat::Chat;
use crate::server::{Folder, PATIENCE};
use crate::window::Window;

/// How long the driver and its browsers may take to end before they are killed.
const END: Duration = Duration::from_secs(5);

/// How often a driver is started whose port is somebody's already.
const STARTS: u32 = 5;

/// A driver with as many windows as a test opens, each a browser of its own.
pub struct Browser {
    driver: Child,
    address: String,
    // Open, so that what else the driver prints goes somewhere.
    _output: BufReader<ChildStdout>,
    chromium: PathBuf,
    windows: AtomicU32,
    // After the processes, so that they go first.
    folder: Folder,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Screen {
    Desktop,
    /// 390 × 844, with a finger instead of a mouse.
    Phone,
}

impl Browser {
    /// # Panics
    ///
    /// If Chromium or ChromeDriver is missing, with the command that installs it.
    pub fn start() -> Self {
        let (chromium, driver) = (find("chromium"), find("chromedriver"));
        let folder = Folder::new();
        let started = (0..STARTS).find_map(|_| start_driver(&driver, &folder));
        let (driver, output, port) = started.expect("ChromeDriver starts");
        let address = format!("127.0.0.1:{port}");
        Self { driver, address, _output: output, chromium, windows: AtomicU32::new(0), folder }
    }

    /// A new window that knows nothing of the others: its own profile, storage and downloads.
    pub async fn open(&self, screen: Screen) -> Window {
        let own = self.folder.0.join(format!("window-{}", self.windows.fetch_add(1, Ordering::Relaxed)));
        let downloads = own.join("downloads");
        std::fs::create_dir_all(&downloads).unwrap();
        let mut options = json!({
            "binary": self.chromium,
            "args": [
                "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                "--disable-background-networking", "--disable-component-update", "--disable-sync",
                "--lang=en-GB", "--window-size=1280,800",
                format!("--user-data-dir={}", own.join("profile").display()),
            ],
            "prefs": { "download.default_directory": downloads },
        });
        if screen == Screen::Phone {
            let metrics = json!({ "width": 390, "height": 844, "pixelRatio": 2, "touch": true, "mobile": true });
            options["mobileEmulation"] = json!({ "deviceMetrics": metrics });
        }
        let capabilities = json!({
            "goog:chromeOptions": options,
            "goog:loggingPrefs": { "browser": "ALL" },
            "timeouts": { "pageLoad": PATIENCE.as_millis() as u64, "script": PATIENCE.as_millis() as u64 },
        });
        let Value::Object(capabilities) = capabilities else { unreachable!("an object") };
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://{}", self.address))
            .await
            .expect("the browser starts");
        Window { client, downloads }
    }

    /// Ada's window and Bob's, both in the room "rust", and each sees the other there.
    pub async fn two_in_rust(&self, chat: &Chat) -> (Window, Window) {
        let enter = async |name| {
            let window = self.open(Screen::Desktop).await;
            window.sign_in(chat, name).await;
            window.join("rust").await;
            window
        };
        let (ada, bob) = tokio::join!(enter("ada"), enter("bob"));
        ada.sees("@members [data-user=bob][data-status=online]").await;
        bob.sees("@members [data-user=ada][data-status=online]").await;
        (ada, bob)
    }

    /// Asks the driver to end every browser and itself, which only it can do in good order.
    fn shut_down(&self) -> std::io::Result<()> {
        let mut stream = TcpStream::connect(&self.address)?;
        stream.set_read_timeout(Some(END))?;
        write!(stream, "GET /shutdown HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address)?;
        stream.read_to_end(&mut Vec::new()).map(drop)
    }

    fn ended(&mut self) -> bool {
        let deadline = Instant::now() + END;
        while Instant::now() < deadline {
            match self.driver.try_wait() {
                Ok(None) => std::thread::sleep(Duration::from_millis(10)),
                Ok(Some(_)) | Err(_) => return true,
            }
        }
        false
    }
}

impl Drop for Browser {
    /// Also when a test panics: no browser stays behind.
    fn drop(&mut self) {
        let asked = self.shut_down();
        if asked.is_err() || !self.ended() {
            let group = format!("-{}", self.driver.id());
            let _ = Command::new("kill").args(["-s", "KILL", "--", &group]).status();
            let _ = self.driver.wait();
        }
    }
}

/// Starts a driver on a port that it chooses; none, if that one is taken for the other kind of address.
fn start_driver(program: &Path, folder: &Folder) -> Option<(Child, BufReader<ChildStdout>, u16)> {
    // A process group of its own, so that the browsers can be ended with the driver.
    let mut driver = Command::new(program)
        .arg("--port=0")
        .process_group(0)
        .current_dir(&folder.0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(driver.stdout.take().unwrap());
    match port(&mut output) {
        Some(port) => Some((driver, output, port)),
        None => {
            driver.wait().unwrap();
            None
        }
    }
}

/// The port from `ChromeDriver was started successfully on port 37521.`
fn port(output: &mut impl BufRead) -> Option<u16> {
    let mut said = String::new();
    while output.read_line(&mut said).unwrap() > 0 {
        let rest = said.lines().last().and_then(|line| line.split_once("successfully on port "));
        if let Some((_, port)) = rest {
            return Some(port.trim_end_matches('.').parse().unwrap());
        }
    }
    None
}

fn find(program: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places = std::env::split_paths(&path).map(|folder| folder.join(program));
    places.find(|place| place.is_file()).unwrap_or_else(|| {
        panic!(
            "{program} is missing, and this test needs a real browser. Install it with\n\n    \
             sudo apt-get update && sudo apt-get install -y chromium chromium-driver\n"
        )
    })
}
