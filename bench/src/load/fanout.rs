//! One group, and one of its members sends.

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
    // The first client sends, so all is sent through the first server.
    for (number, target) in options.targets.iter().enumerate() {
        let before = crowd.len();
        let all = options.clients * (number + 1) / options.targets.len();
        crowd.open(target, all - before)?;
    }
    crowd.rest(options.settle)?;
    let mut publisher = Publisher::new(options, options.clients, 1)?;
    let outcome = publisher.measure(&mut crowd, options)?;
    Ok(publisher.report("fanout", &crowd, options, &outcome))
}
