//! Reading variables: which layer wins, what each means, and which are unknown.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use super::ConfigError;
use super::error::Problem;
use super::settings::{Settings, VARIABLES};

/// Variables that are set, by name; never with an empty value.
pub(super) type Vars = BTreeMap<OsString, OsString>;

/// What the names of the framework's own variables start with. Other variables without these
/// prefixes, like `LOG_LEVEL`, are read too, but a stranger's `LOG_FORMAT` is none of our business.
const PREFIXES: [&str; 2] = ["WS_", "REDIS_"];

/// Lays `above` over `below`. An empty value counts as unset and covers nothing.
pub(super) fn layered(below: Vars, above: impl IntoIterator<Item = (OsString, OsString)>) -> Vars {
    below.into_iter().chain(above).filter(|(_, value)| !value.is_empty()).collect()
}

/// Puts every known variable into the settings, and gives back what is wrong.
pub(super) fn apply(settings: &mut Settings, vars: &Vars) -> Vec<Problem> {
    let mut problems = Vec::new();
    for variable in VARIABLES {
        let Some(value) = vars.get(OsStr::new(variable.name)) else { continue };
        let read = match value.to_str() {
            Some(text) => variable.read(settings, text),
            None => Err(Problem::NotUnicode { variable: variable.name, expected: variable.setting.expected() }),
        };
        problems.extend(read.err());
    }
    problems
}

/// A variable of the application's own.
pub(super) fn own(name: &'static str, vars: &Vars) -> Result<Option<String>, ConfigError> {
    let Some(value) = vars.get(OsStr::new(name)) else { return Ok(None) };
    if let Some(text) = value.to_str() {
        return Ok(Some(text.to_owned()));
    }
    let problem = Problem::NotUnicode { variable: name, expected: "text".to_owned() };
    ConfigError::unless_empty(vec![problem]).map(|()| None)
}

/// The names that look like ours and are not.
pub(super) fn unknown(vars: &Vars) -> impl Iterator<Item = String> {
    vars.iter().filter_map(|(name, value)| {
        let name = name.to_str()?;
        let upper = name.to_ascii_uppercase();
        let is_ours = PREFIXES.iter().any(|prefix| upper.starts_with(prefix));
        let is_known = VARIABLES.iter().any(|variable| variable.name == name);
        (is_ours && !is_known && !is_service_link(name, value)).then(|| name.to_owned())
    })
}

/// The first variable that is set and only for Redis.
pub(super) fn of_redis(vars: &Vars) -> Option<&'static str> {
    let mut of_redis = VARIABLES.iter().map(|variable| variable.name).filter(|name| name.starts_with("REDIS_"));
    of_redis.find(|name| vars.contains_key(OsStr::new(name)))
}

/// Whether a variable says which backend it is.
pub(super) fn names_backend(vars: &Vars) -> bool {
    vars.contains_key(OsStr::new("BACKEND_TYPE"))
}

/// Tells whether Kubernetes set the variable: it sets `REDIS_SERVICE_HOST`,
/// `REDIS_PORT=tcp://10.0.0.1:6379` and a handful more in every pod beside a service `redis`.
fn is_service_link(name: &str, value: &OsStr) -> bool {
    let is_address = || value.to_str().is_some_and(|value| value.contains("://"));
    name.contains("_SERVICE_") || name.contains("_PORT_") || (name.ends_with("_PORT") && is_address())
}

/// The known variable that was probably meant.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    nearest_of(&name.to_ascii_uppercase(), VARIABLES.iter().map(|variable| variable.name))
}

/// The known name that was probably meant.
pub(crate) fn nearest_of<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // A third of the letters wrong is where rustc draws the line for its own suggestions.
    let limit = name.len() / 3;
    known
        .map(|known| (strsim::osa_distance(name, known), known))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, name)| name)
}

/// Logs one warning a name.
pub(super) fn warn_about(names: &[String]) {
    for name in names {
        match nearest(name) {
            Some(nearest) => {
                tracing::warn!(variable = name, "unknown variable {name}: did you mean {nearest}?");
            }
            None => tracing::warn!(variable = name, "unknown variable {name}: it is ignored"),
        }
    }
}
