//! The locks of [`lane`](super::lane), by a name of their own: the model checker puts its own in their place.

pub(super) use std::sync::{Mutex, MutexGuard};
