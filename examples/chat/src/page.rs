//! The page, in the binary: it runs from any folder, and nothing is loaded from elsewhere.

use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;

/// Scripts, styles and sockets of this server only; pictures also out of the page's own memory.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; img-src 'self' blob: data:; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'";

fn asset(mime_type: &'static str, body: &'static str) -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, mime_type),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        // A new binary is a new page.
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, body)
}

macro_rules! assets {
    ($($path:literal => $file:literal, $mime_type:expr;)*) => {
        Router::new()$(.route($path, get(|| async { asset($mime_type, include_str!(concat!("../page/", $file))) })))*
    };
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

pub(crate) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    assets! {
        "/" => "index.html", HTML;
        "/chat.css" => "chat.css", CSS;
        "/chat.js" => "chat.js", JAVASCRIPT;
        "/client.js" => "client.js", JAVASCRIPT;
        "/connection.js" => "connection.js", JAVASCRIPT;
        "/dom.js" => "dom.js", JAVASCRIPT;
        "/files.js" => "files.js", JAVASCRIPT;
        "/login.js" => "login.js", JAVASCRIPT;
        "/panel.js" => "panel.js", JAVASCRIPT;
        "/state.js" => "state.js", JAVASCRIPT;
        "/timeline.js" => "timeline.js", JAVASCRIPT;
        "/view.js" => "view.js", JAVASCRIPT;
    }
}
