//! `channels listen`.

use channels::Config;
use channels::backend::{Delivery, Destination, Event, Tap, Topic};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::options::show;
use crate::{Failure, say, signal};

/// A message as the default layout has it.
#[derive(Deserialize)]
struct Message<'a> {
    #[serde(rename = "type")]
    name: String,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

/// A line of output. Of `group`, `user` and `all` it has the one that the message was for.
#[derive(Default, Serialize)]
struct Line<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    all: Option<bool>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a RawValue>,
    /// The whole of a message in another layout.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a RawValue>,
    /// The whole of what is no JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
}

pub(crate) async fn run(config: &Config, to: &[Destination]) -> Result<(), Failure> {
    // From before the connection on: a signal that comes early counts too.
    let ended = signal::ended();
    tokio::pin!(ended);
    let topics: Vec<_> = to.iter().map(Destination::as_topic).collect();
    let mut tap = tokio::select! {
        () = &mut ended => return Ok(()),
        tap = Tap::connect(config, &topics) => tap?,
    };
    let mut events = tap.events();
    let names: Vec<_> = topics.iter().map(|topic| show(*topic)).collect();
    eprintln!("channels: listening to {}", names.join(", "));
    let mut missed = 0;
    loop {
        tokio::select! {
            () = &mut ended => return Ok(()),
            Some(event) = events.next() => tell(&event),
            delivery = tap.recv() => match delivery {
                Some(delivery) => say(&line(&delivery)?)?,
                None => return Err("the connection to Redis has ended".into()),
            },
        }
        if tap.missed() > missed {
            eprintln!("channels: {} messages came faster than they were read, and are missing", tap.missed() - missed);
            missed = tap.missed();
        }
    }
}

fn line(delivery: &Delivery) -> serde_json::Result<String> {
    let mut line = Line::default();
    match delivery.to.as_topic() {
        Topic::Group(name) => line.group = Some(name),
        Topic::User(user) => line.user = Some(user.as_str()),
        // What is for one connection is not listened to.
        Topic::Connection(_) | Topic::Broadcast => line.all = Some(true),
    }
    let payload = &delivery.envelope.payload;
    let message = serde_json::from_str::<Message<'_>>(payload);
    match &message {
        Ok(message) => (line.name, line.data) = (Some(message.name.as_str()), message.data),
        Err(_) => match serde_json::from_str(payload) {
            Ok(json) => line.message = Some(json),
            Err(_) => line.text = Some(payload),
        },
    }
    // In JSON a line end can stand between two things only, where a space means the same.
    Ok(serde_json::to_string(&line)?.replace(['\n', '\r'], " "))
}

fn tell(event: &Event) {
    match event {
        Event::Interrupted(interruption) => {
            eprintln!(
                "channels: interrupted, messages may be missing: {}: {}",
                interruption.server, interruption.cause
            );
        }
        Event::Restored(interruption) => {
            eprintln!("channels: listening again, after {:.1} s", interruption.lasted().as_secs_f64());
        }
        Event::Missed(events) => eprintln!("channels: {events} interruptions were not told"),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use channels::backend::Envelope;

    use super::*;

    fn shown(to: Destination, payload: &str) -> String {
        line(&Delivery { to, envelope: Envelope::new(payload) }).unwrap()
    }

    #[test]
    fn a_message_is_one_line_of_json() {
        let group = || Destination::Group("a \"b\"\n".into());
        let told = shown(group(), "{\"type\":\"x\",\"data\":{\"b\": 1.00,\r\n\"a\":\"\\n\"}}");
        assert_eq!(told, r#"{"group":"a \"b\"\n","type":"x","data":{"b": 1.00,  "a":"\n"}}"#);
        assert_eq!(shown(Destination::Broadcast, r#"{"type":"x"}"#), r#"{"all":true,"type":"x"}"#);
        let ada = Destination::User(channels::UserId::new("ada").unwrap());
        assert_eq!(shown(ada, r#"{"event":"x","n":1}"#), r#"{"user":"ada","message":{"event":"x","n":1}}"#);
        assert_eq!(shown(Destination::Broadcast, "{\n"), r#"{"all":true,"text":"{\n"}"#);
    }
}
