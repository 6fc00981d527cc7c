//! A page that shows what goes on, to be mounted by an application behind a guard of its own: feature `inspector`.

mod look;
mod sample;
mod servers;
mod watch;

use std::sync::Arc;

use axum::extract::{OriginalUri, Query, State};
use axum::http::header;
use axum::response::{Html, IntoResponse};
use axum::routing::get;
use axum::{Json, Router};

use self::look::Asked;
use self::watch::Watch;
use crate::layer::ChannelLayer;

/// Nothing from elsewhere, nothing inline, in nobody's frame.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// What stands in the page for where its files are.
const HERE: &str = "{here}";

/// The inspector of a layer: live counts, rates and durations drawn over the last five minutes, connections, groups and
/// their members, the servers, the backend, the last errors. Mounted under a path, with
/// [`nest_service`](Router::nest_service), so that it answers with a slash behind the path and without.
///
/// It shows names of users and groups, addresses, and what errors told their clients. **It guards nothing**: put a layer
/// of your own around it, and mount it nowhere else.
///
/// ```
/// use axum::Router;
/// use axum::extract::Request;
/// use axum::http::StatusCode;
/// use axum::middleware::{self, Next};
/// use axum::response::Response;
/// use channels::ChannelLayer;
///
/// async fn admins_only(request: Request, next: Next) -> Result<Response, StatusCode> {
///     // Whatever tells who this is: a session, a header that the proxy sets, a token.
///     let is_admin = request.headers().get("x-admin").is_some();
///     // Not even whether it is there.
///     if is_admin { Ok(next.run(request).await) } else { Err(StatusCode::NOT_FOUND) }
/// }
///
/// let layer = ChannelLayer::memory();
/// let inspector = channels::inspector(&layer).layer(middleware::from_fn(admins_only));
/// // It has no state of the application's, and a router that has one takes it all the same.
/// # #[derive(Clone)] struct AppState;
/// let app: Router<AppState> = Router::new().nest_service("/inspector", inspector);
/// let app: Router = app.with_state(AppState);
/// ```
///
/// It reads only, loads nothing from elsewhere, and runs no script but its own. A task samples the layer once a second,
/// from this call on where it is made in a runtime, otherwise from the first request on; it ends with the router.
/// Durations are measured from then on, two looks at the clock a message. What is kept and what is shown is bounded:
/// 300 samples, 100 errors; at most 100 connections and 50 groups at a time, out of the first 20,000 of each; 100 servers.
///
/// What it shows is of one server, which is the one that answers, but for two things that the backend is asked for every
/// five seconds: the [servers](ChannelLayer::servers) with their connections, and what all have
/// [together](ChannelLayer::counts).
pub fn inspector(layer: &ChannelLayer) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/inspector.css", get(|| async { file("text/css; charset=utf-8", include_str!("page/inspector.css")) }))
        .route(
            "/inspector.js",
            get(|| async { file("text/javascript; charset=utf-8", include_str!("page/inspector.js")) }),
        )
        .route("/state.json", get(state))
        .with_state(Watch::begin(layer))
}

/// Every answer has these: what it shows is nobody's to keep.
const HEADERS: [(header::HeaderName, &str); 4] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
];

fn file(mime_type: &'static str, body: &'static str) -> impl IntoResponse {
    (HEADERS, [(header::CONTENT_TYPE, mime_type)], body)
}

/// Its files lie below it, whether its own path ends with a slash or not, and whatever a proxy has put before that.
async fn page(OriginalUri(uri): OriginalUri) -> impl IntoResponse {
    let last = uri.path().rsplit('/').next().unwrap_or_default();
    // No character that means something in HTML. Another path is asked for with a slash at its end.
    let is_plain = last.chars().all(|c| c.is_ascii_alphanumeric() || "-._~%".contains(c));
    let here = if last.is_empty() || !is_plain { String::new() } else { format!("{last}/") };
    (HEADERS, Html(include_str!("page/index.html").replace(HERE, &here)))
}

async fn state(State(watch): State<Arc<Watch>>, Query(asked): Query<Asked>) -> impl IntoResponse {
    watch.ensure_sampling();
    (HEADERS, Json(watch.look(&asked)))
}
