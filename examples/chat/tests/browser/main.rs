//! The chat's page in a real browser: headless Chromium, driven by ChromeDriver, against the real binary.
//!
//! Every test has a server, a driver and windows of its own. Nothing sleeps: a test polls the page until
//! what it waits for is there, and fails with a picture of the page when that takes too long.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(missing_docs, unreachable_pub, reason = "nobody but these tests sees it")]

// What the tests over plain sockets have already; the browser needs a part of it.
#[allow(dead_code, reason = "shared")]
#[path = "../it/client.rs"]
mod client;
#[allow(dead_code, reason = "shared")]
#[path = "../it/http.rs"]
mod http;
#[allow(dead_code, reason = "shared")]
#[path = "../it/server.rs"]
mod server;

mod browser;
mod chat;
mod console;
mod page;
mod window;

mod attention;
mod files;
mod history;
mod inspector;
mod keyboard;
mod login;
mod membership;
mod outage;
mod phone;
mod refusals;
mod servers;
mod talking;
