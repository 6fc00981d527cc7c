//! Many small groups: whoever is a member sends in turn, with a join and a leave if that is asked for.

use serde_json::Value;

use super::crowd::Crowd;
use super::options::Options;
use super::publish::Publisher;
use crate::Failure;

/// Events that are handled in one turn.
const AT_ONCE: usize = 1024;

/// # Errors
///
/// As [`Crowd::open`] and [`Publisher::measure`].
pub(super) fn run(options: &Options) -> Result<Value, Failure> {
    let mut crowd = Crowd::new(AT_ONCE)?;
    crowd.open(options.target(), options.clients)?;
    crowd.rest(options.settle)?;
    let mut publisher = Publisher::new(options, options.clients / options.groups, options.clients)?;
    let outcome = publisher.measure(&mut crowd, options)?;
    let mut report = publisher.report("groups", &crowd, options, &outcome);
    report["groups"] = options.groups.into();
    report["churn"] = options.churn.into();
    Ok(report)
}
