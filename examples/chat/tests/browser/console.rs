//! What a window must not have done by the end of a test: complain on its console, or ask another server.

use axum::http::Method;
use fantoccini::wd::WebDriverCompatibleCommand;
use serde_json::json;
use url::{ParseError, Url};

use crate::window::Window;

/// ChromeDriver's own command, which the standard does not have.
#[derive(Debug)]
struct ReadConsole;

impl WebDriverCompatibleCommand for ReadConsole {
    fn endpoint(&self, driver: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        driver.join(&format!("session/{}/se/log", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(json!({ "type": "browser" }).to_string()))
    }
}

impl Window {
    /// Errors and warnings of the console since the last time it was asked, uncaught exceptions included.
    pub async fn complaints(&self) -> Vec<String> {
        let answer = self.client.issue_cmd(ReadConsole).await.unwrap();
        let entries = answer.as_array().unwrap_or_else(|| panic!("{answer}"));
        let bad = entries.iter().filter(|entry| entry["level"] == "SEVERE" || entry["level"] == "WARNING");
        bad.map(|entry| entry["message"].as_str().unwrap_or_default().to_owned()).collect()
    }

    pub async fn is_clean(&self) {
        assert_eq!(self.complaints().await, [""; 0]);
        self.stayed_here().await;
    }

    /// As [`is_clean`](Self::is_clean), but for attempts to reach a server that was away: a browser writes
    /// every failed connection to the console, and no page can keep it from that.
    pub async fn is_clean_after_an_outage(&self) {
        let of_the_outage = |complaint: &String| {
            let attempt = complaint.contains("/ws/") || complaint.contains("/readyz");
            // Where the server goes between the connection and the request, Chromium says that there is no connection.
            let away = ["net::ERR_CONNECTION", "net::ERR_SOCKET_NOT_CONNECTED", "net::ERR_EMPTY_RESPONSE", "503"];
            attempt && away.iter().any(|words| complaint.contains(words))
        };
        let complaints: Vec<_> = self.complaints().await.into_iter().filter(|c| !of_the_outage(c)).collect();
        assert_eq!(complaints, [""; 0]);
        self.stayed_here().await;
    }

    /// No request of the page left its own server.
    async fn stayed_here(&self) {
        let asked = self.ask("performance.getEntries().map(({ name, entryType }) => [entryType, name])", &[]).await;
        let asked: Vec<(String, String)> = serde_json::from_value(asked).unwrap();
        let (mut own, mut others) = (0, Vec::new());
        let origin = self.ask("location.origin", &[]).await;
        let origin = origin.as_str().unwrap();
        for (_, address) in asked.iter().filter(|(kind, _)| kind == "navigation" || kind == "resource") {
            let rest = address.strip_prefix("blob:").unwrap_or(address).strip_prefix(origin);
            if rest.is_some_and(|rest| rest.starts_with('/')) || address.starts_with("data:") {
                own += 1;
            } else {
                others.push(address);
            }
        }
        assert_eq!(others, [""; 0]);
        assert!(own > 5, "the browser records what a page asks for: {asked:?}");
    }
}
