//! Guides, which hold no code.
//!
//! Each is read in two places: here, and as a file of the repository. So no line of their code is hidden, and each ends with
//! where its links lead in the repository. Here `links.md` stands before that, with empty lines before what it defines, and
//! of two definitions of a link the first counts. What only a feature adds is a link to the features where it is off, and no
//! test of the documentation then.

/// Who may come in, who may be where, and when it ends.
#[cfg(all(feature = "macros", feature = "redis"))]
pub mod authentication {
    #![doc = include_str!("links.md")]
    #![doc = include_str!("authentication.md")]
}

/// Replacing a server: the drain, and who comes back when.
pub mod deploys {
    #![doc = include_str!("links.md")]
    #![doc = include_str!("deploys.md")]
}

/// Limits by address, user and connection, and who the client is behind proxies.
pub mod limits {
    #![doc = include_str!("links.md")]
    #![doc = include_str!("limits.md")]
}

/// Every metric, and how to get at them.
pub mod metrics {
    #![doc = include_str!("links.md")]
    #![cfg_attr(feature = "metrics", doc = "[`record_metrics`]: crate::ChannelLayer::record_metrics\n")]
    #![cfg_attr(feature = "metrics", doc = "[`channels::metrics::BUCKETS`]: crate::metrics::BUCKETS\n")]
    #![cfg_attr(not(feature = "metrics"), doc = "[`record_metrics`]: crate#features\n")]
    #![cfg_attr(not(feature = "metrics"), doc = "[`channels::metrics::BUCKETS`]: crate#features\n")]
    #![cfg_attr(any(feature = "metrics", not(doctest)), doc = include_str!("metrics.md"))]
}

/// What goes over the socket, for whoever writes a client.
pub mod protocol {
    #![doc = include_str!("links.md")]
    #![doc = include_str!("protocol.md")]
}

/// More than one server: the Redis backend.
#[cfg(feature = "redis")]
pub mod redis {
    #![doc = include_str!("links.md")]
    #![doc = include_str!("redis.md")]
}

/// The log, its spans, and a page that shows what goes on.
pub mod seeing {
    #![doc = include_str!("links.md")]
    #![cfg_attr(feature = "inspector", doc = "[`channels::inspector`]: fn@crate::inspector\n")]
    #![cfg_attr(not(feature = "inspector"), doc = "[`channels::inspector`]: crate#features\n")]
    #![cfg_attr(any(feature = "inspector", not(doctest)), doc = include_str!("seeing.md"))]
}

/// Clients that read too slowly: what waits for them, what is dropped, and how one learns of it.
pub mod slow_clients {
    #![doc = include_str!("links.md")]
    #![doc = include_str!("slow_clients.md")]
}
