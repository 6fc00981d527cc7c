//! Rates that all servers share, on the clock of Redis.

use std::time::Duration;

use super::fault::Fault;
use super::net::Net;
use super::script;
use crate::config::Rate;
use crate::rate_limit::KeyedLimiters;

/// Rates by key; what this server alone knows is for the time without Redis.
#[derive(Debug, Default)]
pub(super) struct Rates {
    local: KeyedLimiters,
}

impl Rates {
    /// Takes one.
    ///
    /// # Errors
    ///
    /// [`Fault`] where Redis cannot tell.
    pub(super) async fn check(&self, net: &Net, key: &str, rate: Rate) -> Result<Result<(), Duration>, Fault> {
        let (partition, name) = net.names.rate(key, rate);
        let each = rate.per().as_secs_f64() * 1e6 / f64::from(rate.count().get());
        let mut cmd = script::RATE.call(&[name]);
        cmd.arg(format!("{each:.3}")).arg(rate.count().get());
        let wait = net.call(partition, &cmd).await?;
        let wait: u64 = redis::from_redis_value(wait).map_err(|error| Fault::not_sent(error.to_string()))?;
        Ok(if wait == 0 { Ok(()) } else { Err(Duration::from_micros(wait)) })
    }

    /// Takes one of what this server alone would allow.
    pub(super) fn check_locally(&self, key: &str, rate: Rate) -> Result<(), Duration> {
        self.local.check(key, rate)
    }

    pub(super) fn sweep(&self) {
        self.local.sweep();
    }
}
