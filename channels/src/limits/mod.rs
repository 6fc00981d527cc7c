//! How much is too much, beside what handlers limit themselves: by address, by user, by connection.
//!
//! `client` finds a client's address behind proxies, `address` is what counts as one, `places` counts connections,
//! `metering` frames and bytes, and `verdicts` knows which limits refuse and which only look on.

mod address;
mod client;
mod metering;
mod places;
mod verdicts;

pub(crate) use address::Address;
pub(crate) use client::client;
pub(crate) use metering::{Arrived, Meter, Metering, Verdict, Whose};
pub(crate) use places::{AddressPlace, Places};
pub(crate) use verdicts::Verdicts;
