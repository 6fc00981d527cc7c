//! How the members of a topic get a message, where that is not simply its JSON.

use std::sync::Arc;

use super::encoded::Ready;
use super::link::{Link, Variant};

/// Each variant that a member needs made. In a box, since most topics have none and are as small as they can be.
#[derive(Default)]
#[expect(clippy::box_collection, reason = "there may be a million topics")]
pub(super) struct Variants(Option<Box<Vec<Needed>>>);

/// A variant, by one of the links that have it, and how many members have it.
type Needed = (Arc<Link>, usize);

impl Variants {
    pub(super) fn add(&mut self, link: &Arc<Link>) {
        if link.variant == Variant::default() {
            return;
        }
        let known = self.0.get_or_insert_default();
        match known.iter_mut().find(|(of, _)| of.variant == link.variant) {
            Some((_, members)) => *members += 1,
            None => known.push((Arc::clone(link), 1)),
        }
    }

    pub(super) fn remove(&mut self, link: &Link) {
        let Some(known) = &mut self.0 else { return };
        if let Some((_, members)) = known.iter_mut().find(|(of, _)| of.variant == link.variant) {
            *members -= 1;
        }
        known.retain(|(_, members)| *members > 0);
        if known.is_empty() {
            self.0 = None;
        }
    }

    /// What a message has not been made for yet.
    pub(super) fn missing(&self, message: &Ready) -> Vec<Arc<Link>> {
        let known = self.0.iter().flat_map(|known| known.iter());
        known.filter(|(link, _)| !message.is_made_for(link.variant)).map(|(link, _)| Arc::clone(link)).collect()
    }
}
