//! The application's word before the upgrade.

use std::panic::AssertUnwindSafe;

use axum::http::request::Parts;
use axum::response::Response;
use futures_util::FutureExt;

use super::refusal::{self, Who};
use super::response::left_to_caller;
use crate::consumer::Consumer;
use crate::error::panicked;
use crate::id::UserId;
use crate::layer::ChannelLayer;

/// Runs `#[accept]` and `#[user]`. A panic of theirs is counted, logged and answered by 500: axum would only drop
/// the connection, and the client would know nothing.
pub(super) async fn accept<C: Consumer>(
    parts: &mut Parts,
    state: &C::State,
    layer: &ChannelLayer,
    who: Who<'_>,
) -> Result<(C, Option<UserId>), Response> {
    let accepted = async {
        let consumer = C::accept(parts, state).await?;
        let user = consumer.user();
        Ok((consumer, user))
    };
    match AssertUnwindSafe(left_to_caller(accepted)).catch_unwind().await {
        Ok(accepted) => accepted.map_err(|refusal| refusal::by_application(refusal, who, layer)),
        Err(panic) => {
            let error = panicked(&*panic);
            layer.manager().failed(&error);
            Err(error.response())
        }
    }
}
