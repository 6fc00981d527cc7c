//! What deliveries cost: the CPU time of each server, and of the Redis behind them.

use serde_json::{Value, json};

use super::latency::round;
use super::options::Options;
use crate::{Failure, process};

/// Seconds of CPU time: up to a moment, or between two.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Costs {
    each: Vec<f64>,
    redis: Option<f64>,
}

impl Costs {
    /// Up to now.
    ///
    /// # Errors
    ///
    /// If a process has gone.
    pub(super) fn now(options: &Options) -> Result<Self, Failure> {
        let each = options.servers.iter().map(|server| process::cpu(*server)).collect::<Result<_, _>>()?;
        Ok(Self { each, redis: options.redis.map(process::cpu).transpose()? })
    }

    /// Between then and now, where this is now.
    pub(super) fn since(&self, then: &Self) -> Self {
        let each = self.each.iter().zip(&then.each).map(|(now, then)| now - then).collect();
        Self { each, redis: self.redis.zip(then.redis).map(|(now, then)| now - then) }
    }

    /// All servers together, if any was named.
    pub(super) fn servers(&self) -> Option<f64> {
        (!self.each.is_empty()).then(|| self.each.iter().sum())
    }

    /// Adds to a report what a million deliveries cost.
    pub(super) fn tell(&self, report: &mut Value, deliveries: u64) {
        let per_million = |cpu: f64| (deliveries > 0).then(|| round(cpu / (deliveries as f64 / 1e6)));
        report["cpu_s_per_million"] = json!(self.servers().and_then(per_million));
        if self.each.len() > 1 {
            report["cpu_s_per_million_each"] = self.each.iter().map(|cpu| json!(per_million(*cpu))).collect();
        }
        if let (Some(servers), Some(redis)) = (self.servers(), self.redis) {
            report["cpu_s_per_million_redis"] = json!(per_million(redis));
            report["cpu_s_per_million_with_redis"] = json!(per_million(servers + redis));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_added_up_and_redis_is_told_by_itself() {
        let then = Costs { each: vec![1.0, 2.0], redis: Some(5.0) };
        let costs = Costs { each: vec![1.5, 2.25], redis: Some(5.25) }.since(&then);
        let mut report = json!({});
        costs.tell(&mut report, 500_000);
        let expected = json!({
            "cpu_s_per_million": 1.5,
            "cpu_s_per_million_each": [1.0, 0.5],
            "cpu_s_per_million_redis": 0.5,
            "cpu_s_per_million_with_redis": 2.0,
        });
        assert_eq!(report, expected);
    }

    #[test]
    fn nothing_is_told_of_what_was_not_named() {
        let mut report = json!({});
        Costs { each: Vec::new(), redis: None }.tell(&mut report, 1);
        assert_eq!(report, json!({ "cpu_s_per_million": null }));
    }
}
