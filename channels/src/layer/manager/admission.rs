//! Who is let in: every bound is asked here, and what was taken is given back by a guard.

use std::sync::Arc;

use tokio_util::task::task_tracker::TaskTrackerToken;

use super::ConnectionManager;
use crate::backend::{Backend, Limits, Refusal};
use crate::config::{LimitName, Rate};
use crate::connection::Connection;
use crate::error::{Error, ErrorCode, Severity};
use crate::id::UserId;
use crate::layer::log;
use crate::limits::{Address, AddressPlace};

/// A limit that never refuses, for a user whose connections are only observed.
const MAX_OBSERVED: usize = u32::MAX as usize;

/// Why a connection is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Admission {
    /// The address has `WS_CONNECTIONS_PER_ADDRESS`: 429.
    TooManyOfAddress,
    /// The user has `MAX_CONNECTIONS_PER_CLIENT`: 429.
    TooManyOfUser,
    /// There are `MAX_TOTAL_CONNECTIONS`: 503 with `Retry-After`.
    Full,
    /// The server goes: 503 with `Retry-After`.
    Draining,
    /// The backend cannot tell: 503 with `Retry-After`.
    Unknown,
}

/// The same, and what the backend said, where it was asked in vain.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) why: Admission,
    pub(crate) cause: Option<Error>,
}

/// Whose request for a connection is counted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum HandshakeBy<'a> {
    Address(Address),
    User(&'a UserId),
}

impl ConnectionManager {
    /// Refuses everybody while the server goes, before the application or a limit has a say: what they say of a
    /// client would keep it from asking the next server.
    pub(crate) fn check_drain(&self) -> Result<(), Refused> {
        if self.is_draining() { Err(self.refused(Admission::Draining)) } else { Ok(()) }
    }

    /// Takes a place for a connection. Given back when the [`Place`] is dropped.
    pub(crate) async fn admit(self: &Arc<Self>, connection: &Connection) -> Result<Place, Refused> {
        // Held before the look at the drain: whoever gets past it is told and waited for.
        let session = self.sessions.token();
        self.check_drain()?;
        let at_address = self.admit_address(connection).map_err(|why| self.refused(why))?;
        let user = connection.user();
        // What is only observed is counted afterwards.
        let is_observed = self.verdicts.observes(LimitName::ConnectionsPerUser);
        let per_user = if is_observed { MAX_OBSERVED } else { self.config.max_connections_per_client() };
        let limits = Limits { per_user, total: self.config.max_total_connections() };
        let Some(answer) = self.deadline.run_until_cancelled(self.backend.admit(user, limits)).await else {
            return Err(self.refused(Admission::Draining));
        };
        match answer {
            Ok(Ok(())) => {
                let (manager, connection) = (Arc::clone(self), connection.clone());
                let place = Place { manager, connection, _session: session, _at_address: at_address };
                if is_observed {
                    self.observe_user(&place.connection).await;
                }
                // The backend may have thought about it for as long as the drain took.
                self.check_drain().map(|()| place)
            }
            Ok(Err(Refusal::User)) => {
                self.verdicts.refuses(LimitName::ConnectionsPerUser, shown(user));
                Err(self.refused(Admission::TooManyOfUser))
            }
            Ok(Err(Refusal::Total)) => Err(self.refused(Admission::Full)),
            Err(error) => Err(Refused { cause: Some(error), ..self.refused(Admission::Unknown) }),
        }
    }

    fn admit_address(&self, connection: &Connection) -> Result<Option<Box<AddressPlace>>, Admission> {
        let (Some(limit), Some(address)) = (self.config.connections_per_address(), connection.address()) else {
            return Ok(None);
        };
        let (place, count) = self.places.take(address);
        if count > limit && self.verdicts.refuses(LimitName::ConnectionsPerAddress, address) {
            return Err(Admission::TooManyOfAddress);
        }
        Ok(Some(Box::new(place)))
    }

    /// Looks whether a connection that was let in would not have been.
    async fn observe_user(&self, connection: &Connection) {
        let Some(user) = connection.user() else { return };
        let limit = self.config.max_connections_per_client();
        if self.backend.connections_of(user).await.is_ok_and(|count| count > limit) {
            self.verdicts.refuses(LimitName::ConnectionsPerUser, user);
        }
    }

    /// Counts a request for a connection, by address before and by user after `#[accept]`.
    ///
    /// # Errors
    ///
    /// `RATE_LIMIT_EXCEEDED`, or `BACKEND_ERROR` where nobody can tell.
    pub(crate) async fn check_handshake(&self, by: HandshakeBy<'_>) -> Result<(), Error> {
        let (limit, rate, key) = match by {
            HandshakeBy::Address(address) => {
                let Some(rate) = self.config.handshakes_per_address() else { return Ok(()) };
                (LimitName::HandshakesPerAddress, rate, format!("h\0a\0{address}"))
            }
            HandshakeBy::User(user) => {
                let Some(rate) = self.config.handshakes_per_user() else { return Ok(()) };
                (LimitName::HandshakesPerUser, rate, format!("h\0u\0{user}"))
            }
        };
        self.take_handshake(limit, rate, &key).await
    }

    async fn take_handshake(&self, limit: LimitName, rate: Rate, key: &str) -> Result<(), Error> {
        let who = key.rsplit('\0').next().unwrap_or_default();
        match self.backend.check_rate(key, rate).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) if !self.verdicts.refuses(limit, who) => Ok(()),
            Ok(Err(wait)) => {
                self.counters.refused();
                let words = "Too many connections were asked for. Please wait.";
                Err(Error::new(ErrorCode::RateLimitExceeded, words).with_retry_after(wait))
            }
            // Who only looks on lets in whom it cannot see.
            Err(error) if self.verdicts.observes(limit) => {
                tracing::debug!(%error, %limit, "cannot tell");
                Ok(())
            }
            Err(error) => {
                self.counters.refused_for_backend();
                Err(error)
            }
        }
    }

    fn refused(&self, why: Admission) -> Refused {
        match why {
            Admission::TooManyOfAddress => self.counters.refused(),
            Admission::TooManyOfUser => self.counters.refused_for_user_limit(),
            Admission::Full => self.counters.refused_for_total_limit(),
            Admission::Draining => self.counters.refused_for_drain(),
            Admission::Unknown => self.counters.refused_for_backend(),
        }
        Refused { why, cause: None }
    }

    /// Writes it to the log that a request for a connection is refused, under the `error_id` that its client is told. Whoever
    /// looks on sees it, too, where something is broken, as often as the log says so at error level: a crowd that comes in vain
    /// takes one place a second among the last errors, not all at once.
    pub(crate) fn refused_request(&self, error: &Error) {
        let is_broken = error.severity() >= Severity::High;
        let broken = is_broken.then(|| self.verdicts.broken()).flatten();
        if broken.is_some() {
            self.show(error);
        }
        log::refusal(error, broken);
    }
}

fn shown(user: Option<&UserId>) -> &str {
    user.map_or("", UserId::as_str)
}

/// An admitted connection's place; dropped, it is free again. So no way out of a session can leak one.
pub(crate) struct Place {
    manager: Arc<ConnectionManager>,
    connection: Connection,
    /// The drain waits for it.
    _session: TaskTrackerToken,
    /// Boxed, as it is there only where connections are limited by address.
    _at_address: Option<Box<AddressPlace>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.manager.backend.release(self.connection.user());
    }
}
