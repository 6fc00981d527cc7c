//! The contract of [`Backend`], as checks that any implementation can be put through.
//!
//! Each check is a function of its own and panics with what was broken; [`check`] runs them all. What
//! they need is a maker: it gives the nodes of one new cluster, not yet started, each as one server
//! would have it. A backend of one process gives one node.
//!
//! Nothing here depends on how fast a backend is: a check waits for what must come, and then a little
//! for what must not. So it runs in paused time with a backend in memory, and in real time with others.
//!
//! ```
//! use channels::backend::MemoryBackend;
//! use channels::testing::conformance;
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
//! conformance::check(async || vec![MemoryBackend::new()]).await;
//! # }
//! ```

mod claims;
mod cluster;
mod delivery;
mod limits;
mod rates;
mod recorder;
mod servers;
mod subscription;

pub use claims::{
    claims_are_exclusive, claims_end_with_their_lease, only_the_holder_settles, what_is_abandoned_is_claimed_again,
    what_is_settled_is_told_to_all,
};
pub use delivery::{
    bytes_arrive_as_they_were, commands_are_no_messages, empty_topics, excluded_connection, names_are_distinct,
    one_order,
};
pub use limits::{anonymous_limit, counts_add_up, dropped_admission, places_are_given_back, total_limit, user_limit};
pub use rates::{
    rates_allow_a_burst, rates_are_kept_by_key, rates_are_shared, rates_of_one_key_count_apart, rates_refill,
};
pub use servers::servers_are_told_apart;
pub use subscription::{always_live_topics, live_when_subscribed, subscribing_again, unsubscribing_disturbs_nobody};

use super::Backend;

/// Puts a backend through every check, with a new cluster for each.
///
/// # Panics
///
/// Where the backend breaks its contract.
pub async fn check<B: Backend>(make: impl AsyncFn() -> Vec<B>) {
    one_order(&make).await;
    bytes_arrive_as_they_were(&make).await;
    names_are_distinct(&make).await;
    excluded_connection(&make).await;
    commands_are_no_messages(&make).await;
    empty_topics(&make).await;

    live_when_subscribed(&make).await;
    subscribing_again(&make).await;
    always_live_topics(&make).await;
    unsubscribing_disturbs_nobody(&make).await;

    user_limit(&make).await;
    total_limit(&make).await;
    anonymous_limit(&make).await;
    places_are_given_back(&make).await;
    dropped_admission(&make).await;
    counts_add_up(&make).await;
    servers_are_told_apart(&make).await;

    rates_allow_a_burst(&make).await;
    rates_refill(&make).await;
    rates_are_kept_by_key(&make).await;
    rates_of_one_key_count_apart(&make).await;
    rates_are_shared(&make).await;

    claims_are_exclusive(&make).await;
    what_is_settled_is_told_to_all(&make).await;
    what_is_abandoned_is_claimed_again(&make).await;
    only_the_holder_settles(&make).await;
    claims_end_with_their_lease(&make).await;
}
