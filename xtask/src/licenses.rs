//! Whether a licence expression can be met with the licences that are allowed.

use std::collections::HashMap;

use spdx::{Expression, Licensee, ParseMode};

use crate::Failure;
use crate::policy::Policy;

/// The licences that may be used.
#[derive(Debug)]
pub(crate) struct Allowed {
    everywhere: Vec<Licensee>,
    /// What one crate alone may have besides.
    exceptions: HashMap<String, Vec<Licensee>>,
}

impl Allowed {
    /// Reads SPDX names such as `MIT` or `Apache-2.0 WITH LLVM-exception`.
    ///
    /// # Errors
    ///
    /// If one is unknown.
    pub(crate) fn new(policy: &Policy) -> Result<Self, Failure> {
        let everywhere = licensees(&policy.licenses)?;
        let exceptions = policy.exceptions.iter().map(|(name, licences)| Ok((name.clone(), licensees(licences)?)));
        Ok(Self { everywhere, exceptions: exceptions.collect::<Result<_, Failure>>()? })
    }

    /// Why a package with this expression may not be used.
    pub(crate) fn objection(&self, package: &str, expression: Option<&str>) -> Option<String> {
        let Some(text) = expression else { return Some("states no licence".into()) };
        let exceptions = self.exceptions.get(package).map(Vec::as_slice).unwrap_or_default();
        let licences = self.everywhere.iter().chain(exceptions);
        // Old packages write `MIT/Apache-2.0`, which the strict form does not know.
        match Expression::parse_mode(text, ParseMode::LAX) {
            Ok(expression) => {
                let allowed = expression.evaluate(|wanted| licences.clone().any(|licence| licence.satisfies(wanted)));
                (!allowed).then(|| format!("licence {text} is not allowed"))
            }
            Err(error) => Some(format!("licence {text} is not understood: {}", error.reason)),
        }
    }
}

fn licensees(names: &[String]) -> Result<Vec<Licensee>, Failure> {
    names.iter().map(|name| Licensee::parse(name).map_err(|error| format!("deny.toml: {error}").into())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(names: &[&str]) -> Result<Allowed, Failure> {
        let words = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let exceptions = vec![("webdriver".to_owned(), words(&["MPL-2.0"]))];
        Allowed::new(&Policy { licenses: words(names), exceptions, banned: Vec::new() })
    }

    fn objection(expression: &str) -> Option<String> {
        allowed(&["MIT", "Apache-2.0", "Unicode-3.0"]).unwrap().objection("any", Some(expression))
    }

    #[test]
    fn one_side_of_an_or_is_enough() {
        for expression in ["MIT", "GPL-3.0-only OR MIT", "MIT/Apache-2.0", "(MIT OR Zlib) AND Unicode-3.0"] {
            assert_eq!(objection(expression), None, "{expression}");
        }
    }

    #[test]
    fn both_sides_of_an_and_are_needed() {
        for expression in ["GPL-3.0-only", "MIT AND OpenSSL", "Apache-2.0 WITH LLVM-exception", "Mine", ""] {
            assert!(objection(expression).is_some(), "{expression}");
        }
        assert!(allowed(&["MIT"]).unwrap().objection("any", None).is_some());
        assert!(allowed(&["Beerware-9"]).is_err());
    }

    #[test]
    fn an_exception_is_for_one_crate() {
        let allowed = allowed(&["MIT"]).unwrap();
        assert_eq!(allowed.objection("webdriver", Some("MPL-2.0")), None);
        assert!(allowed.objection("any", Some("MPL-2.0")).is_some());
    }
}
