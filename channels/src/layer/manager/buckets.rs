//! What the limits of a layer are called, so that a name in `WS_RATE_LIMITS` that is none of theirs is told.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use super::ConnectionManager;
use crate::config::nearest_of;

/// The names of the limits that the routes of a layer have.
#[derive(Debug, Default)]
pub(super) struct Buckets(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    declared: BTreeSet<&'static str>,
    /// The configuration has been compared with what there was.
    is_compared: bool,
}

impl ConnectionManager {
    /// A route is made that has these. One that was told to be missing, since the server had begun to serve before, is told
    /// to be there.
    pub(crate) fn declare_buckets(&self, buckets: impl IntoIterator<Item = &'static str>) {
        let mut known = self.buckets.0.lock().unwrap_or_else(PoisonError::into_inner);
        for name in buckets {
            let is_new = known.declared.insert(name);
            if is_new && known.is_compared && self.config.rate_limits().contains_key(name) {
                tracing::info!(limit = name, "WS_RATE_LIMITS: a route made since has a limit called {name}");
            }
        }
    }

    /// Logs a warning for each rate of the configuration that is no limit's, once: when a server begins to serve, as most
    /// make their routes before.
    pub(in crate::layer) fn warn_about_unknown_buckets(&self) {
        let mut known = self.buckets.0.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::replace(&mut known.is_compared, true) {
            return;
        }
        let declared = &known.declared;
        for name in self.config.rate_limits().keys().filter(|name| !declared.contains(name.as_str())) {
            match nearest_of(&name.to_ascii_lowercase(), declared.iter().copied()) {
                Some(nearest) => tracing::warn!(
                    limit = name,
                    "WS_RATE_LIMITS: no route made so far has a limit called {name}: did you mean {nearest}?"
                ),
                None => tracing::warn!(
                    limit = name,
                    "WS_RATE_LIMITS: no route made so far has a limit called {name}: it is ignored; there are {declared:?}"
                ),
            }
        }
    }
}
