//! The connections of clients live on, whatever happens to Redis.

use super::{Circumstances, Violations};
use crate::books::{BY_CLIENT, Pages};

pub(super) fn check(pages: &Pages, circumstances: &Circumstances, violations: &mut Violations) {
    for (number, client) in pages.clients.iter().enumerate() {
        let ended = client.closed.as_ref().filter(|(_, how)| how != BY_CLIENT);
        if let Some((at, how)) = ended.filter(|_| !circumstances.gone.contains_key(&client.server)) {
            violations.add("connections live on", || {
                format!("client {number} of server {} ended at {at}: {how}", client.server)
            });
        }
    }
}
