//! Consumers in process: no socket and no port, so that tests can pause time.
//!
//! A client made here goes through the real route, with `#[accept]`, limits and negotiation, and its
//! session is the one that serves sockets; only the bytes in between are missing.
//!
//! ```
//! use std::time::Duration;
//! use channels::prelude::*;
//! use channels::testing;
//! # use serde::{Deserialize, Serialize};
//!
//! #[derive(Debug, Clone, Serialize, Deserialize)]
//! struct Text { text: String }
//! #[derive(Debug, Incoming)]
//! enum ClientMessage { Say(Text) }
//! #[derive(Debug, Clone, Outgoing)]
//! enum ServerMessage { Said(Text) }
//!
//! struct Chat;
//!
//! #[consumer(incoming = ClientMessage, outgoing = ServerMessage)]
//! impl Chat {
//!     #[accept]
//!     fn accept(Path(_user): Path<UserId>) -> Self { Self }
//!
//!     #[connect]
//!     async fn connected(&self, conn: Connection) -> Result<(), channels::Error> {
//!         conn.join("room").await?;
//!         Ok(())
//!     }
//!
//!     #[on("say")]
//!     async fn say(&self, said: Text, layer: ChannelLayer) -> Result<(), channels::Error> {
//!         layer.send_to_group("room", ServerMessage::from(said)).await?;
//!         Ok(())
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
//! let layer = ChannelLayer::memory();
//! let mut ada = testing::connect::<Chat>(&layer, ()).path("/ws/ada").await.unwrap();
//! let mut bob = testing::connect::<Chat>(&layer, ()).path("/ws/bob").await.unwrap();
//! bob.joined("room").await;
//! ada.send("say", &Text { text: "hi".into() }).await;
//! assert_eq!(bob.recv::<Text>().await.text, "hi");
//! assert_eq!(ada.recv::<Text>().await.text, "hi");
//! ada.assert_silent().await;
//! # }
//! ```

mod client;
mod connect;
mod reader;

pub use client::{Client, Received};
pub use connect::{Connect, ProvidesState, Refused, connect, connect_to};

#[doc(inline)]
pub use crate::backend::conformance;
