//! Guides, which hold no code.

/// Replacing a server: the drain, and who comes back when.
pub mod deploys {
    #![doc = include_str!("deploys.md")]
}

/// More than one server: the Redis backend.
#[cfg(feature = "redis")]
pub mod redis {
    #![doc = include_str!("redis.md")]
}
