//! The chat: rooms, private messages, files and history, on one consumer.
//!
//! `consumer` is what the example is about. Around it: what goes over the wire (`messages`), what is
//! kept (`store`), what HTTP serves (`http`, `page`), and how it all starts ([`app`]).

pub mod app;
mod asked;
mod background;
mod clock;
mod consumer;
mod entering;
mod files;
mod http;
mod inspector;
mod login;
mod messages;
mod metrics;
mod page;
pub mod process;
mod refusal;
mod rooms;
mod store;

pub use app::{App, DEFAULT_DATABASE_URL, StartError, builder, config};
pub use login::Secret;
