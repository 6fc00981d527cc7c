//! Settings that are several of something, with commas between.

use std::collections::BTreeSet;

use super::value::Kind;
use super::{LimitName, Network};

/// The word for an empty list: an empty value would count as unset.
const NONE: &str = "none";

fn show<T: ToString>(items: impl Iterator<Item = T>) -> String {
    let items: Vec<_> = items.map(|item| item.to_string()).collect();
    if items.is_empty() { NONE.to_owned() } else { items.join(",") }
}

fn is_none(text: &str) -> bool {
    text.trim().eq_ignore_ascii_case(NONE)
}

/// Addresses and networks: `10.0.0.0/8,::1`.
pub(super) struct Networks;

impl Kind for Networks {
    type Value = Vec<Network>;

    fn read(&self, text: &str) -> Option<Self::Value> {
        if is_none(text) {
            return Some(Vec::new());
        }
        text.split(',').map(|network| network.parse().ok()).collect()
    }
    fn show(&self, value: &Self::Value) -> String {
        show(value.iter())
    }
    fn allows(&self, _: &Self::Value) -> bool {
        true
    }
    fn unit(&self) -> &'static str {
        "networks"
    }
    fn allowed(&self) -> String {
        format!("none, or {}", Network::ALLOWED)
    }
    fn expected(&self) -> String {
        format!("{} (10.0.0.0/8,192.0.2.7,::1)", self.allowed())
    }
}

/// Names of limits: `frames_per_connection,payload_depth`.
pub(super) struct LimitNames;

impl LimitNames {
    const ALL: &str = "all";
}

impl Kind for LimitNames {
    type Value = BTreeSet<LimitName>;

    fn read(&self, text: &str) -> Option<Self::Value> {
        if is_none(text) {
            return Some(BTreeSet::new());
        }
        if text.trim().eq_ignore_ascii_case(Self::ALL) {
            return Some(LimitName::all_optional());
        }
        text.split(',').map(|name| LimitName::find(name.trim())).collect()
    }
    fn show(&self, value: &Self::Value) -> String {
        if *value == LimitName::all_optional() { Self::ALL.to_owned() } else { show(value.iter()) }
    }
    fn allows(&self, _: &Self::Value) -> bool {
        true
    }
    fn unit(&self) -> &'static str {
        "names, in any case"
    }
    fn allowed(&self) -> String {
        "none, all, or names of limits with commas between".to_owned()
    }
    fn expected(&self) -> String {
        format!("{}: {}", self.allowed(), LimitName::list())
    }
}
