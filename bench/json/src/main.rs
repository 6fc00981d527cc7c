//! serde_json beside sonic-rs on this project's messages: `cargo run --release --manifest-path bench/json/Cargo.toml`.
//!
//! Decoding is what a received message costs: one pass that finds the members, one that parses the
//! payload. Encoding is what a sent one costs, once, whatever the number of members. Both libraries
//! take turns; the printed ratios are medians over the rounds.

use std::hint::black_box;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sonic_rs::LazyValue;

const ROUNDS: usize = 15;
/// How many bytes each measurement goes through.
const BYTES: usize = 20_000_000;

#[derive(Deserialize, Serialize)]
struct Payload {
    room: String,
    text: String,
}

#[derive(Deserialize)]
struct WithSerdeJson<'a> {
    #[serde(rename = "type", borrow)]
    name: &'a RawValue,
    #[serde(borrow)]
    data: &'a RawValue,
}

#[derive(Deserialize)]
struct WithSonic<'a> {
    #[serde(rename = "type", borrow)]
    name: LazyValue<'a>,
    #[serde(borrow)]
    data: LazyValue<'a>,
}

#[derive(Serialize)]
struct Sent<'a> {
    #[serde(rename = "type")]
    name: &'a str,
    data: &'a Payload,
}

fn nanoseconds(times: usize, mut work: impl FnMut()) -> f64 {
    let began = Instant::now();
    (0..times).for_each(|_| work());
    began.elapsed().as_nanos() as f64 / times as f64
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn compare(name: &str, text: &str) {
    let payload = Payload { room: "rust".into(), text: text.into() };
    let json = serde_json::to_string(&Sent { name: "chat_message", data: &payload }).expect("it serializes");
    let times = BYTES / json.len();
    let (mut decode, mut encode, mut both) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let serde_decode = nanoseconds(times, || {
            let found: WithSerdeJson = serde_json::from_str(black_box(&json)).expect("JSON");
            black_box(found.name);
            black_box(serde_json::from_str::<Payload>(found.data.get()).expect("a payload"));
        });
        let sonic_decode = nanoseconds(times, || {
            let found: WithSonic = sonic_rs::from_str(black_box(&json)).expect("JSON");
            black_box(&found.name);
            black_box(sonic_rs::from_str::<Payload>(found.data.as_raw_str()).expect("a payload"));
        });
        let sent = Sent { name: "chat_message", data: &payload };
        let serde_encode = nanoseconds(times, || drop(black_box(serde_json::to_vec(black_box(&sent)))));
        let sonic_encode = nanoseconds(times, || drop(black_box(sonic_rs::to_vec(black_box(&sent)))));
        decode.push(sonic_decode / serde_decode);
        encode.push(sonic_encode / serde_encode);
        both.push((sonic_decode + sonic_encode) / (serde_decode + serde_encode));
    }
    println!("{name}: time of sonic-rs by that of serde_json: decode {:.2}, encode {:.2}, both {:.2}", median(decode), median(encode), median(both));
}

fn main() {
    compare("100 bytes of ASCII", &"a".repeat(100));
    compare("100 bytes with umlauts and emoji", &"Grüße 🦀 aus Köln, schöne Tage! ".repeat(3));
    compare("5,000 bytes with quotes", &"lorem ipsum \"dolor\" sit amet ".repeat(172));
}
