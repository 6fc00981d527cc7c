//! Guides, which hold no code.

/// More than one server: the Redis backend.
#[cfg(feature = "redis")]
pub mod redis {
    #![doc = include_str!("redis.md")]
}
