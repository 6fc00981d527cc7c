//! The README's tables of refusals: every code of the library stands in one, with whether to come back, and when.

use channels::{CloseCode, ErrorCode};

const README: &str = include_str!("../../../README.md");

/// The rows of the table with this head, cell by cell.
fn table(head: &str) -> Vec<Vec<&'static str>> {
    let (_, below) = README.split_once(head).unwrap_or_else(|| panic!("there is no table {head:?}"));
    let rows = below.lines().skip(2).take_while(|line| line.starts_with('|'));
    let rows: Vec<Vec<_>> = rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect()).collect();
    assert!(rows.len() > 5 && rows.iter().all(|row| row.len() == 3), "{rows:?}");
    rows
}

/// Whether a cell sends the client away for good, and names no way back.
fn is_never(cell: &str) -> bool {
    cell == "no" || cell.starts_with("no:") || cell.starts_with("no;")
}

/// Whether it says a moment.
fn says_when(cell: &str) -> bool {
    ["after", "at once", "as ", "the same"].iter().any(|words| cell.contains(words))
}

fn errors() -> Vec<Vec<&'static str>> {
    table("| cause | `error_code` | retry, and when |")
}

fn closes() -> Vec<Vec<&'static str>> {
    table("| close code | meaning | come back, and when |")
}

fn statuses() -> Vec<Vec<&'static str>> {
    table("| status | when | retry, and when |")
}

#[test]
fn every_row_says_whether_to_come_back_and_when() {
    for row in errors().into_iter().chain(closes()).chain(statuses()) {
        assert!(is_never(row[2]) || says_when(row[2]), "{row:?}");
        assert!(!is_never(row[2]) || row[2] == "no" || row[2].len() > 4, "{row:?}");
    }
}

#[test]
fn every_error_code_has_a_row_that_agrees_with_it() {
    let rows = errors();
    for code in ErrorCode::ALL {
        let name = format!("`{}`", code.as_str());
        let cells: Vec<_> = rows.iter().filter(|row| row[1].contains(&name)).map(|row| row[2]).collect();
        assert!(!cells.is_empty(), "{name} has no row");
        assert!(!code.is_retryable() || cells.iter().any(|cell| !is_never(cell)), "{name}: {cells:?}");
        assert!(!code.is_retryable() || !cells.iter().any(|cell| is_never(cell)), "{name} is retryable: {cells:?}");
        // Whoever closes says so.
        let closes = code.close_code().to_string();
        let says = rows.iter().any(|row| row[1].contains(&name) && row.concat().contains(&closes));
        assert!(says || !code.closes(code.severity()), "{name} closes with {closes}");
    }
    // Nor is there a row for what does not exist.
    for row in &rows {
        let named: Vec<_> = row[1].split('`').skip(1).step_by(2).collect();
        let codes = named.iter().filter(|word| word.contains('_') && word.to_uppercase() == **word);
        for name in codes {
            assert!(ErrorCode::ALL.iter().any(|code| code.as_str() == *name), "{name} is no code");
        }
    }
}

#[test]
fn every_close_code_has_a_row_that_agrees_with_it() {
    let rows = closes();
    for code in CloseCode::NAMED {
        let number = code.to_string();
        let row = rows.iter().find(|row| row[0].split(", ").any(|cell| cell == number));
        let row = row.unwrap_or_else(|| panic!("{number} has no row"));
        let asks = row[2].contains("yes");
        // What is never sent shares a row, and 1000 is nobody's to forbid.
        if !matches!(code.as_u16(), 1000 | 1005) {
            assert_eq!(asks, code.asks_to_reconnect(), "{row:?}");
            assert_ne!(asks, is_never(row[2]), "{row:?}");
        }
    }
    for (range, code) in [("4000–4499", 4000), ("4000–4499", 4499), ("4500–4999", 4500), ("4500–4999", 4999)] {
        let row = rows.iter().find(|row| row[0] == range).unwrap();
        assert_eq!(CloseCode::new(code).unwrap().asks_to_reconnect(), row[2].contains("yes"), "{row:?}");
    }
}

/// `runtime/refused.rs` shows that the library answers with these.
#[test]
fn every_status_before_the_upgrade_has_a_row() {
    let rows = statuses();
    for (status, code) in [
        ("400", None),
        ("405", None),
        ("426", None),
        ("403", Some(ErrorCode::AuthorizationFailed)),
        ("429", Some(ErrorCode::ConnectionLimitExceeded)),
        ("429", Some(ErrorCode::RateLimitExceeded)),
        ("500", Some(ErrorCode::SystemError)),
        ("503", Some(ErrorCode::ConnectionLimitExceeded)),
        ("503", Some(ErrorCode::BackendError)),
    ] {
        let name = code.map_or("", |code| code.as_str());
        let row = rows.iter().find(|row| row[0].contains(status) && row[0].contains(name));
        let row = row.unwrap_or_else(|| panic!("{status} {name} has no row"));
        let is_retryable = code.is_some_and(ErrorCode::is_retryable);
        assert_eq!(is_never(row[2]), !is_retryable, "{row:?}");
    }
}
