//! How much is too much, beside what handlers limit themselves: by address, by user, by connection.
//!
//! `client` finds a client's address behind proxies, `address` is what counts as one, `places` counts connections,
//! `metering` frames and bytes, of which `meter` knows what one connection did, `unfinished` what messages hold that are not complete, and `verdicts` knows
//! which limits refuse and which only look on.
//! `untold` is what happens more often than it is told.

mod address;
mod client;
mod meter;
mod metering;
mod places;
mod unfinished;
mod untold;
mod verdicts;

pub(crate) use address::Address;
pub(crate) use client::client;
pub(crate) use meter::Meter;
pub(crate) use metering::{Arrived, Metering, Verdict, What, Whose};
pub(crate) use places::{AddressPlace, Places};
pub(crate) use unfinished::{Held, UnfinishedBytes};
pub(crate) use untold::Untold;
pub(crate) use verdicts::Verdicts;
