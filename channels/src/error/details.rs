//! Problems by field: as many as an answer has room for, and how many more there are.

use std::collections::BTreeMap;
use std::fmt;

use super::shown::{costs, shown};

/// How much all of them have, in bytes of JSON.
pub const MAX_ERROR_DETAILS_BYTES: usize = 2048;
/// How much of a field's name is told; a client's words may be in it, where it is a key.
const MAX_FIELD_BYTES: usize = 192;
/// How much of one problem.
const MAX_PROBLEM_BYTES: usize = 512;
/// What JSON writes around a problem and its field.
const AROUND: usize = 8;
/// The field under which it is told how many more there are.
const MORE: &str = "…";

#[derive(Debug, Default)]
pub(super) struct Details {
    by_field: BTreeMap<String, Vec<String>>,
    bytes: usize,
    untold: usize,
}

impl Details {
    pub(super) fn by_field(&self) -> &BTreeMap<String, Vec<String>> {
        &self.by_field
    }

    pub(super) fn add(&mut self, field: &dyn fmt::Display, problem: &dyn fmt::Display) {
        // Once one was left out, so are all others: a hundred thousand cost nothing but the count.
        if self.untold == 0 {
            let (field, problem) = (shown(field, MAX_FIELD_BYTES), shown(problem, MAX_PROBLEM_BYTES));
            let bytes = self.bytes + costs(&field) + costs(&problem) + AROUND;
            if bytes <= MAX_ERROR_DETAILS_BYTES {
                self.bytes = bytes;
                self.by_field.entry(field).or_default().push(problem);
                return;
            }
        }
        self.untold += 1;
        self.by_field.insert(MORE.to_owned(), vec![format!("and {} more", self.untold)]);
    }
}
