//! What is accepted, and how it is answered.

use axum::http::header::SEC_WEBSOCKET_EXTENSIONS;
use axum::http::{HeaderMap, HeaderValue};

use super::*;

const PLAIN: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

fn offered(headers: &[&str]) -> Option<(Deflate, HeaderValue)> {
    let values = headers.iter().map(|value| (SEC_WEBSOCKET_EXTENSIONS, HeaderValue::from_bytes(value.as_bytes())));
    negotiate(&values.map(|(name, value)| (name, value.unwrap())).collect::<HeaderMap>())
}

fn accepted(headers: &[&str]) -> (u8, String) {
    let (agreed, answer) = offered(headers).unwrap_or_else(|| panic!("{headers:?} was declined"));
    (agreed.server_bits, answer.to_str().unwrap().to_owned())
}

#[test]
fn offers_are_accepted() {
    for offer in [
        "permessage-deflate",
        "permessage-deflate; client_max_window_bits",
        "permessage-deflate;client_max_window_bits=10",
        "permessage-deflate ;\tclient_max_window_bits = 8",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
        r#"permessage-deflate; client_max_window_bits="12""#,
        r#"permessage-deflate; client_max_window_bits="1\2""#,
        "x-webkit-deflate-frame, permessage-deflate; client_max_window_bits=11",
        r#"other; text="permessage-deflate, \"; ", , permessage-deflate"#,
    ] {
        assert_eq!(accepted(&[offer]), (15, PLAIN.to_owned()), "{offer}");
    }
}

#[test]
fn a_window_of_the_server_is_answered() {
    for bits in 9..=15 {
        for offer in [
            format!("permessage-deflate; server_max_window_bits={bits}"),
            format!("permessage-deflate; client_max_window_bits; server_max_window_bits=\"{bits}\""),
        ] {
            let answer = format!("{PLAIN}; server_max_window_bits={bits}");
            assert_eq!(accepted(&[&offer]), (bits, answer), "{offer}");
        }
    }
}

#[test]
fn offers_are_declined() {
    for parameters in [
        "; x",
        "; x=1",
        ";",
        "; ; client_max_window_bits",
        "; server_no_context_takeover=1",
        "; client_no_context_takeover=",
        "; server_no_context_takeover; server_no_context_takeover",
        "; client_no_context_takeover; client_no_context_takeover",
        "; client_max_window_bits; client_max_window_bits=10",
        "; server_max_window_bits=10; server_max_window_bits=10",
        "; server_max_window_bits",
        "; server_max_window_bits=8",
        "; server_max_window_bits=7",
        "; server_max_window_bits=16",
        "; server_max_window_bits=010",
        "; server_max_window_bits=+9",
        "; server_max_window_bits=-9",
        "; server_max_window_bits=9.0",
        "; server_max_window_bits=",
        "; server_max_window_bits=\"\"",
        "; server_max_window_bits=\"10",
        "; server_max_window_bits=10\"",
        "; server_max_window_bits=1\"0\"",
        "; server_max_window_bits=\"1\"0\"",
        "; server_max_window_bits=\"10\\",
        "; server_max_window_bits=\"10\\\"",
        "; server_max_window_bits=\" 10\"",
        "; server_max_window_bits=10=10",
        "; server_max_window_bits=4294967305",
        "; client_max_window_bits=7",
        "; client_max_window_bits=16",
        "; client_max_window_bits=08",
        "; client_max_window_bits=ten",
        "; Client_max_window_bits",
        " client_max_window_bits",
        "=1",
    ] {
        assert_eq!(offered(&[&format!("permessage-deflate{parameters}")]), None, "{parameters}");
    }
    for offer in ["", ",", "permessage", "permessage-bzip2", "client_max_window_bits", "\"permessage-deflate\""] {
        assert_eq!(offered(&[offer]), None, "{offer}");
    }
    assert_eq!(offered(&[]), None);
}

#[test]
fn the_first_acceptable_offer_wins_over_all_headers() {
    let declined = "permessage-deflate; server_max_window_bits=8";
    let second = "permessage-deflate; server_max_window_bits=10, permessage-deflate";
    let answer = format!("{PLAIN}; server_max_window_bits=10");
    assert_eq!(accepted(&[&format!("{declined}, {second}")]), (10, answer.clone()));
    assert_eq!(accepted(&[declined, "other", second]), (10, answer.clone()));
    assert_eq!(accepted(&["x; y=\"permessage-deflate", "\u{fc}", second]), (10, answer));
}

#[test]
fn a_hostile_header_is_not_read_to_its_end() {
    let many = vec!["permessage-deflate; server_max_window_bits=8"; 16].join(", ");
    assert_eq!(offered(&[&many, "permessage-deflate"]), None, "more offers than are looked at");
    let commas = ",".repeat(16);
    assert_eq!(offered(&[&commas, "permessage-deflate"]), None, "an empty offer is one too");
    let long = format!("permessage-deflate; server_max_window_bits=10{}", " ".repeat(5000));
    assert_eq!(accepted(&[&long, "permessage-deflate"]).1, PLAIN, "a long header is passed over");
    for unit in ["\"", "\\", "\"\\", ";", "=", ",", "a", "; x=\"", "permessage-deflate;"] {
        for length in [4096, 100_000] {
            let header = unit.repeat(length / unit.len());
            assert_eq!(offered(&[&*header; 20]), None, "{unit}");
        }
    }
}

#[test]
fn any_header_at_all_is_answered_or_declined() {
    let words = ["permessage-deflate", "server_max_window_bits", "=", "\"", "\\", ";", ",", " ", "9", "1", "é"];
    let mut numbers = Numbers(10);
    for _ in 0..20_000 {
        let header: String = (0..numbers.below(30)).map(|_| words[numbers.below(words.len())]).collect();
        if let Some((agreed, answer)) = offered(&[&header]) {
            assert!((9..=15).contains(&agreed.server_bits), "{header}");
            assert!(answer.to_str().unwrap().starts_with(PLAIN), "{header}");
        }
    }
}
