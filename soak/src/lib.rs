//! A server under everything that clients do, minute after minute, and what is left when they have gone.
//!
//! A round lasts for a minute: [`actors`] connect, join, publish, leave, are cut off in the middle of a frame, vanish without a
//! word, send too fast, too much or nonsense, and read too slowly; at its end all of them go. Then nothing may be left:
//! no connection, no user, no group, no descriptor, and after the last round no more memory than after the first. The
//! [`tally`] of what clients did and were told has to be what the server counted.

#![allow(clippy::unwrap_used, reason = "what a run needs and is not there, ends it")]

pub mod actors;
pub mod footprint;
pub mod report;
pub mod run;
pub mod tally;
