//! The connections of clients live on, whatever happens to Redis.

use super::{Circumstances, Violations};
use crate::books::{BY_CLIENT, Pages};

/// How a connection is closed whose place others have taken.
const TOO_MANY: &str = "1013";

pub(super) fn check(pages: &Pages, circumstances: &Circumstances, violations: &mut Violations) {
    for (number, client) in pages.clients.iter().enumerate() {
        let ended = client.closed.as_ref().filter(|(_, how)| how != BY_CLIENT);
        let is_excused = |how: &str| {
            circumstances.gone.contains_key(&client.server) || circumstances.forgets && how.contains(TOO_MANY)
        };
        if let Some((at, how)) = ended.filter(|(_, how)| !is_excused(how)) {
            violations.add("connections live on", || {
                format!("client {number} of server {} ended at {at}: {how}", client.server)
            });
        }
    }
}
