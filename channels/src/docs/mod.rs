//! Guides, which hold no code.

/// More than one server: the Redis backend.
#[cfg(feature = "redis")]
pub mod redis {
    #![doc = include_str!("redis.md")]
}

/// Clients that read too slowly: what waits for them, what is dropped, and how one learns of it.
pub mod slow_clients {
    #![doc = include_str!("slow_clients.md")]
}
