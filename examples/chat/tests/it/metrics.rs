//! `/metrics`, and the dashboard beside it: whatever a panel asks for is there.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::http::get;
use super::server::{PATIENCE, Server};

const DASHBOARD: &str = include_str!("../../grafana/channels.json");
/// What Prometheus itself adds to each series.
const ADDED: [&str; 2] = ["instance", "job"];

/// The labels that the series of each name bear.
type Exported = BTreeMap<String, BTreeSet<String>>;

/// Reads the text format as far as names and labels go, and the values of series without labels.
fn parse(text: &str) -> (Exported, BTreeMap<String, f64>) {
    let (mut labels, mut values) = (Exported::new(), BTreeMap::new());
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (series, value) = line.rsplit_once(' ').unwrap();
        let value: f64 = value.parse().unwrap();
        let (name, inside) = series.split_once('{').unwrap_or((series, ""));
        let own = labels.entry(name.to_owned()).or_default();
        own.extend(inside.split("\",").filter_map(|pair| Some(pair.split_once('=')?.0.to_owned())));
        values.insert(series.to_owned(), value);
    }
    (labels, values)
}

#[derive(Debug, PartialEq)]
enum Token<'a> {
    Word(&'a str),
    Mark(char),
}

/// PromQL without its strings, numbers and durations.
fn tokens(query: &str) -> Vec<Token<'_>> {
    let (mut found, mut rest) = (Vec::new(), query);
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | ':' | '$');
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' => rest[1..].find('"').expect("a string ends") + 2,
            // A range: `[5m]`.
            '[' => rest.find(']').expect("a range ends") + 1,
            c if c.is_ascii_digit() => rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len()),
            c if is_name(c) => {
                let end = rest.find(|c: char| !is_name(c)).unwrap_or(rest.len());
                found.push(Token::Word(&rest[..end]));
                end
            }
            c => {
                if !c.is_whitespace() {
                    found.push(Token::Mark(c));
                }
                c.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    found
}

/// What is wrong with a query, given what is exported.
fn problems(query: &str, exported: &Exported) -> Vec<String> {
    const OPERATORS: [&str; 7] = ["or", "and", "unless", "bool", "offset", "group_left", "group_right"];
    const GROUPING: [&str; 4] = ["by", "without", "on", "ignoring"];
    // `sum(…)`, or `sum by (…) (…)`.
    let is_function = |next: Option<&Token<'_>>| match next {
        Some(Token::Mark(mark)) => *mark == '(',
        Some(Token::Word(word)) => GROUPING[..2].contains(word),
        None => false,
    };
    let tokens = tokens(query);
    let (mut wrong, mut names, mut grouped) = (Vec::new(), Vec::new(), BTreeSet::new());
    let mut at = 0;
    let list = |from: usize| {
        let words = tokens[from..].iter().take_while(|token| !matches!(token, Token::Mark(')' | '}')));
        words.filter_map(|token| if let Token::Word(word) = token { Some(*word) } else { None })
    };
    while at < tokens.len() {
        match &tokens[at] {
            Token::Word(word) if GROUPING.contains(word) => {
                grouped.extend(list(at + 2));
                at += tokens[at..].iter().position(|token| *token == Token::Mark(')')).expect("a list ends");
            }
            Token::Word(word) if !OPERATORS.contains(word) && !is_function(tokens.get(at + 1)) => {
                let own = exported.get(*word);
                names.push(*word);
                if own.is_none() {
                    wrong.push(format!("{word} is not exported"));
                }
                if tokens.get(at + 1) == Some(&Token::Mark('{')) {
                    for label in list(at + 2) {
                        let known = ADDED.contains(&label) || own.is_some_and(|own| own.contains(label));
                        if !known {
                            wrong.push(format!("{word} has no label {label}"));
                        }
                    }
                    at += tokens[at..].iter().position(|token| *token == Token::Mark('}')).expect("braces end");
                }
            }
            Token::Word(_) | Token::Mark(_) => {}
        }
        at += 1;
    }
    if names.is_empty() {
        wrong.push("it asks for nothing".to_owned());
    }
    let known = |label: &&str| {
        ADDED.contains(label) || names.iter().any(|name| exported.get(*name).is_some_and(|own| own.contains(*label)))
    };
    wrong.extend(
        grouped.into_iter().filter(|label| !known(label)).map(|label| format!("nothing has the label {label}")),
    );
    wrong
}

/// Every query of the dashboard, with where it stands.
fn queries(dashboard: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    for panel in dashboard["panels"].as_array().unwrap() {
        let targets = panel["targets"].as_array();
        assert!(targets.is_some() || panel["type"] == "row", "{panel}");
        found.extend(targets.into_iter().flatten().map(|target| (text(&panel["title"]), text(&target["expr"]))));
    }
    let annotations = dashboard["annotations"]["list"].as_array().unwrap();
    found.extend(annotations.iter().map(|annotation| (text(&annotation["name"]), text(&annotation["expr"]))));
    for variable in dashboard["templating"]["list"].as_array().unwrap().iter().filter(|it| it["type"] == "query") {
        let query = text(&variable["query"]["query"]);
        let inside = query.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')')).unwrap();
        let (of, label) = inside.rsplit_once(", ").unwrap();
        assert!(ADDED.contains(&label), "{query}");
        found.push((text(&variable["name"]), of.to_owned()));
    }
    found
}

/// One of everything: messages, errors, sends of each kind, refusals, ends.
async fn traffic(server: &Server) {
    let address = &server.address;
    let mut ada = server.connect("ada").await;
    ada.join("rust").await;
    ada.send("chat_message", json!({"room": "rust", "text": "hi"})).await;
    ada.expect("chat_message").await;
    ada.send("nothing of the kind", json!({})).await;
    ada.expect("error").await;
    super::http::post(address, "/api/announce?message=Lunch").await;
    ada.expect("announcement").await;
    super::http::post(address, "/api/user/ada/notification?message=hello").await;
    ada.expect("notification").await;
    drop(ada);
    let ended = async {
        while !get(address, "/metrics").await.text().contains("channels_closed_total") {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, ended).await.expect("the connection ends");
}

#[tokio::test]
async fn every_query_of_the_dashboard_asks_for_what_the_chat_exports() {
    let (server, _folder) = Server::start().await;
    traffic(&server).await;
    let answer = get(&server.address, "/metrics").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/plain; version=0.0.4; charset=utf-8")));
    let (exported, values) = parse(&answer.text());
    let queries = queries(&serde_json::from_str(DASHBOARD).unwrap());
    assert!(queries.len() > 40, "{queries:?}");
    let wrong: Vec<_> = queries
        .iter()
        .flat_map(|(place, query)| {
            problems(query, &exported).into_iter().map(move |problem| format!("{place}: {problem}\n    {query}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // And the other way round: what is exported can be seen.
    let asked: String = queries.iter().map(|(_, query)| query.as_str()).collect::<Vec<_>>().join("\n");
    for name in exported.keys() {
        let name = ["_bucket", "_sum", "_count"].iter().fold(name.as_str(), |name, end| name.trim_end_matches(end));
        assert!(asked.contains(name), "no panel shows {name}");
    }
    assert_eq!(values["channels_connections"], 0.0);
    assert_eq!(values["channels_connections_total"], 1.0);
    assert_eq!(values[r#"channels_handler_seconds_count{type="chat_message"}"#], 1.0);
    assert_eq!(values[r#"channels_handler_seconds_bucket{type="chat_message",le="+Inf"}"#], 1.0);
    assert_eq!(values[r#"channels_errors_total{category="message",code="INVALID_MESSAGE_PARAMS"}"#], 1.0);
    assert!(values["process_resident_memory_bytes"] > 1e6);
    assert!(!answer.text().contains("nothing of the kind"), "a client's words are no label");
}

#[test]
fn a_query_that_names_something_else_is_found_out() {
    let exported = parse("a_total{kind=\"x\",le=\"1\"} 1\nb 2\n").0;
    let wrong = |query| problems(query, &exported);
    assert_eq!(wrong("sum by (kind, instance) (rate(a_total{kind=~\"$kind\"}[5m])) / b > 0"), Vec::<String>::new());
    assert_eq!(
        wrong("histogram_quantile(0.99, sum by (le) (rate(a_total[$__rate_interval]))) or vector(0)"),
        Vec::<String>::new()
    );
    assert_eq!(wrong("sum(rate(a_totals[5m]))"), ["a_totals is not exported"]);
    assert_eq!(wrong("a_total{kin=\"x\"}"), ["a_total has no label kin"]);
    assert_eq!(wrong("sum by (sort) (a_total)"), ["nothing has the label sort"]);
    assert_eq!(wrong("b{kind=\"x\"}"), ["b has no label kind"]);
    assert_eq!(wrong("vector(1)"), ["it asks for nothing"]);
}

#[test]
fn the_dashboard_can_be_imported() {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    assert!(dashboard["schemaVersion"].as_u64().unwrap() >= 36 && dashboard["id"].is_null());
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    assert_eq!(variables[0]["type"], "datasource");
    let mut ids = BTreeSet::new();
    let mut taken = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        // No panel lies on another.
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|side| panel["gridPos"][side].as_u64().unwrap());
        assert!(x + w <= 24, "{panel}");
        assert!((x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))).all(|place| taken.insert(place)), "{panel}");
        if panel["type"] != "row" {
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{panel}");
        }
    }
}
