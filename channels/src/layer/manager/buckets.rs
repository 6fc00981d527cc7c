//! What the limits of a layer are called, so that a name in `WS_RATE_LIMITS` that is none of theirs is told.

use std::collections::BTreeSet;
use std::sync::{Mutex, OnceLock, PoisonError};

use super::ConnectionManager;
use crate::config::nearest_of;

/// The names of the limits that the routes of a layer have.
#[derive(Debug, Default)]
pub(super) struct Buckets {
    declared: Mutex<BTreeSet<&'static str>>,
    compared: OnceLock<()>,
}

impl ConnectionManager {
    /// A route is made that has these.
    pub(crate) fn declare_buckets(&self, buckets: impl IntoIterator<Item = &'static str>) {
        self.buckets.declared.lock().unwrap_or_else(PoisonError::into_inner).extend(buckets);
    }

    /// Logs a warning for each rate of the configuration that is no limit's, once: when a server begins to serve, as its
    /// routes are made by then.
    pub(in crate::layer) fn warn_about_unknown_buckets(&self) {
        self.buckets.compared.get_or_init(|| {
            let declared = self.buckets.declared.lock().unwrap_or_else(PoisonError::into_inner);
            for name in self.config.rate_limits().keys().filter(|name| !declared.contains(name.as_str())) {
                match nearest_of(&name.to_ascii_lowercase(), declared.iter().copied()) {
                    Some(nearest) => tracing::warn!(
                        limit = name,
                        "WS_RATE_LIMITS: no limit of this server is called {name}: did you mean {nearest}?"
                    ),
                    None => tracing::warn!(
                        limit = name,
                        "WS_RATE_LIMITS: no limit of this server is called {name}: it is ignored; there are {declared:?}"
                    ),
                }
            }
        });
    }
}
