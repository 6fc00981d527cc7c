//! permessage-deflate (RFC 7692), for a server that has it switched on.

mod breaches;
mod codec;
mod distance;
mod limits;
mod messages;
mod offers;

use channels::Config;
use channels_tests::socket::soon;
use channels_tests::wire::{Head, Inflate, Wire};

use crate::case::WHOLE;
use crate::house::House;
use crate::talk::{Offer, request};
use codec::{Agreed, inflater};

async fn house() -> House {
    House::with(Config::builder().compression(true)).await
}

/// The offer of a client that takes whatever the server likes, so that the server decides about its own side only.
const PLAIN: Offer = ("permessage-deflate", taken);

fn taken(head: &Head) -> Result<Inflate, String> {
    let agreed = Agreed::read(head)?.ok_or("compression was not agreed on")?;
    Ok(inflater(&agreed))
}

/// A socket with these offers, one a header line, and what was agreed on.
async fn open(house: &House, offers: &[&str]) -> Result<(Wire, Option<Agreed>), String> {
    let mut wire = Wire::connect(house.address).await.map_err(|error| error.to_string())?;
    let lines: String = offers.iter().map(|offer| format!("Sec-WebSocket-Extensions: {offer}\r\n")).collect();
    wire.write(&request(&lines), WHOLE).await;
    let head = soon("the response", wire.head()).await?;
    if head.status != 101 {
        return Err(format!("refused with {}", head.status));
    }
    let agreed = Agreed::read(&head)?;
    wire.inflate = agreed.as_ref().map(inflater);
    Ok((wire, agreed))
}
