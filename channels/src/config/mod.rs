//! What a server is told: typed settings out of code, a `.env` file and the environment.
//!
//! [`Config`] says which layer wins and lists every variable. Here is one row a setting
//! (`settings`), out of which a macro (`define`) makes fields, getters, setters and the table that
//! the environment is read by; a test compares the docs with it.

#[macro_use]
mod define;

mod backend_type;
mod builder;
mod check;
mod choice;
mod dotenv;
mod env;
mod error;
mod limit_fallback;
mod limit_name;
mod list;
mod log_level;
mod network;
mod off;
mod origins;
mod rate;
#[cfg(feature = "redis")]
mod redis_servers;
mod redis_url;
mod settings;
#[cfg(test)]
mod tests;
mod text;
mod units;
mod value;
mod variable;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

pub use backend_type::BackendType;
pub use builder::ConfigBuilder;
#[cfg(any(test, fuzzing))]
pub(crate) use dotenv::from_dotenv;
pub(crate) use env::nearest_of;
pub use error::ConfigError;
pub use limit_fallback::LimitFallback;
pub use limit_name::LimitName;
pub use log_level::LogLevel;
pub use network::Network;
pub(crate) use origins::Origin;
pub use origins::Origins;
pub use rate::Rate;
#[cfg(feature = "redis")]
pub(crate) use redis_servers::{Address, Login, RedisServers, Servers};
#[cfg(feature = "redis")]
pub(crate) use text::is_server_name;

use self::settings::{Settings, VARIABLES};

/// The settings of one server; made by [`Config::from_env`] or [`Config::builder`].
///
/// Each setting has a getter here and a setter of the same name at [`ConfigBuilder`]: the name of
/// its variable in small letters, without `WS_`. `Debug` never shows the password of the Redis URL.
///
/// ```
/// use channels::Config;
/// use std::time::Duration;
///
/// // The application's own default, which the environment may override.
/// let config = Config::builder()
///     .max_message_size(16 << 20)
///     .vars([("WS_HEARTBEAT_INTERVAL", "10s")])?
///     .build()?;
/// assert_eq!(config.max_message_size(), 16 << 20);
/// assert_eq!(config.heartbeat_interval(), Duration::from_secs(10));
/// # Ok::<(), channels::ConfigError>(())
/// ```
///
#[doc = include_str!("variables.md")]
#[derive(Clone, Default)]
pub struct Config {
    settings: Settings,
    /// Sorted, without doubles.
    unknown: Vec<String>,
    /// The first variable that is only for Redis, where one was set.
    of_redis: Option<&'static str>,
    /// Whether a variable said which backend it is.
    names_backend: bool,
    /// Whether somebody listened when the unknown variables were reported.
    warned: bool,
}

impl Config {
    /// The defaults, overridden by `.env`, overridden by the environment.
    ///
    /// # Errors
    ///
    /// One [`ConfigError`] with everything that is wrong: see [`ConfigBuilder::env`] and
    /// [`ConfigBuilder::build`].
    ///
    /// ```no_run
    /// # fn main() -> Result<(), channels::ConfigError> {
    /// let config = channels::Config::from_env()?;
    /// println!("{} holds its groups in {}", config.server_instance_id(), config.backend_type());
    /// # Ok(())
    /// # }
    /// ```
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::builder().env()?.build()
    }

    /// A variable of the application's own, read as the library reads its own: from the environment, or from `.env` of the
    /// working directory where it is not set there. `.env` never gets into the environment of the process, so that
    /// [`std::env::var`] does not see what stands in it. An empty value counts as unset.
    ///
    /// # Errors
    ///
    /// A `.env` that can't be read or parsed, and a value that is not UTF-8.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), channels::ConfigError> {
    /// let database = channels::Config::variable("DATABASE_URL")?.unwrap_or_else(|| "sqlite://app.db".to_owned());
    /// # Ok(())
    /// # }
    /// ```
    pub fn variable(name: &'static str) -> Result<Option<String>, ConfigError> {
        let (file, problems) = dotenv::read(".env".as_ref());
        ConfigError::unless_empty(problems)?;
        let set = std::env::var_os(name).map(|value| (name.into(), value));
        env::own(name, &env::layered(file, set))
    }

    /// A builder that starts from the defaults.
    ///
    /// ```
    /// use channels::{BackendType, Config};
    ///
    /// let config = Config::builder().backend_type(BackendType::Redis).build()?;
    /// assert_eq!(config.redis_channel_prefix(), "ws:");
    /// # Ok::<(), channels::ConfigError>(())
    /// ```
    pub fn builder() -> ConfigBuilder {
        ConfigBuilder::default()
    }

    /// The named rates that override those in the code.
    ///
    /// A rate of the code gives way to the one of the same name here, so that an operator changes
    /// a limit without a new build.
    ///
    /// Variable: `WS_RATE_LIMITS`. Unit: rates by name. Default: none. Allowed:
    /// `name=count/period` with commas between; a name has letters, digits, `_`, `-`, `.` and `:`.
    ///
    /// ```
    /// use channels::Config;
    ///
    /// let config = Config::builder()
    ///     .vars([("WS_RATE_LIMITS", "posting=100/1s,typing=5/500ms")])?
    ///     .build()?;
    /// assert_eq!(config.rate_limits()["posting"].count().get(), 100);
    /// # Ok::<(), channels::ConfigError>(())
    /// ```
    pub fn rate_limits(&self) -> &BTreeMap<String, Rate> {
        &self.settings.rate_limits
    }

    /// The pages of the web that may connect, besides those of the server's own host and port.
    ///
    /// A browser tells where the page is from, in `Origin`; a page of another origin gets 403 before `#[accept]`. Who
    /// sends none is no browser, and passes. Behind a proxy that changes `Host`, the public origin is named here.
    /// [`Serve::allowed_origins`](crate::Serve::allowed_origins) says otherwise for one route.
    ///
    /// Variable: `WS_ALLOWED_ORIGINS`. Unit: origins. Default: none, which is the same origin only. Allowed: what
    /// [`Origins`] takes.
    ///
    /// ```
    /// use channels::Config;
    ///
    /// let config = Config::builder().vars([("WS_ALLOWED_ORIGINS", "app.example.com, *.example.org")])?.build()?;
    /// assert_eq!(config.allowed_origins().to_string(), "app.example.com,*.example.org");
    /// # Ok::<(), channels::ConfigError>(())
    /// ```
    pub fn allowed_origins(&self) -> &Origins {
        &self.settings.allowed_origins
    }

    /// The proxies whose word about a client's address counts.
    ///
    /// Where a connection comes from one of them, `X-Forwarded-For` and `Forwarded` are read from the right: those
    /// that are trusted too are passed over, and the first that is not is the client. From anybody else these headers
    /// mean nothing.
    ///
    /// Variable: `WS_TRUSTED_PROXIES`. Unit: networks. Default: none. Allowed: `none`, or addresses and networks with
    /// commas between.
    ///
    /// ```
    /// use channels::Config;
    ///
    /// let config = Config::builder().vars([("WS_TRUSTED_PROXIES", "10.0.0.0/8, ::1")])?.build()?;
    /// assert!(config.trusted_proxies()[0].contains("10.1.2.3".parse().unwrap()));
    /// # Ok::<(), channels::ConfigError>(())
    /// ```
    pub fn trusted_proxies(&self) -> &[Network] {
        &self.settings.trusted_proxies
    }

    /// The variable of a limit that is on and counts by address.
    pub(crate) fn limit_by_address(&self) -> Option<&'static str> {
        let on = [
            ("WS_CONNECTIONS_PER_ADDRESS", self.connections_per_address().is_some()),
            ("WS_HANDSHAKES_PER_ADDRESS", self.handshakes_per_address().is_some()),
            ("WS_FRAMES_PER_ADDRESS", self.frames_per_address().is_some()),
            ("WS_BYTES_PER_ADDRESS", self.bytes_per_address().is_some()),
        ];
        on.into_iter().find(|(_, is_on)| *is_on).map(|(name, _)| name)
    }

    /// The limits that refuse nothing: they count what they would have refused, and log it.
    ///
    /// Variable: `WS_OBSERVE_ONLY`. Unit: names, in any case. Default: none. Allowed: `none`, `all`, or the names of
    /// [`LimitName`] with commas between. `all` are those that are off unless a variable turns them on: the others, which
    /// protect a server that says nothing, are observed only where they are named.
    ///
    /// ```
    /// use channels::{Config, LimitName};
    ///
    /// let config = Config::builder().vars([("WS_OBSERVE_ONLY", "payload_depth")])?.build()?;
    /// assert!(config.observe_only().contains(&LimitName::PayloadDepth));
    /// # Ok::<(), channels::ConfigError>(())
    /// ```
    pub fn observe_only(&self) -> &BTreeSet<LimitName> {
        &self.settings.observe_only
    }

    /// The variables that start with `WS_` or `REDIS_`, but mean nothing here; sorted.
    ///
    /// Names in small letters are among them, since names are case-sensitive. Those that
    /// Kubernetes sets for a service called `redis` or `ws` are not.
    ///
    /// ```
    /// use channels::Config;
    ///
    /// let config = Config::builder().vars([("WS_HEARTBEET_INTERVAL", "10s")])?.build()?;
    /// assert_eq!(config.unknown_variables(), ["WS_HEARTBEET_INTERVAL"]);
    /// # Ok::<(), channels::ConfigError>(())
    /// ```
    pub fn unknown_variables(&self) -> &[String] {
        &self.unknown
    }

    /// Logs a warning for each unknown variable, with the known name that is nearest.
    ///
    /// [`ConfigBuilder::build`] does so itself where a subscriber listens. Often none does yet,
    /// because [`log_level`](Self::log_level) decides how it is made: call this afterwards. What
    /// was logged at the build is not logged again.
    ///
    /// ```
    /// # let config = channels::Config::default();
    /// // … the subscriber is installed …
    /// config.warn_about_unknown_variables();
    /// ```
    pub fn warn_about_unknown_variables(&self) {
        if !self.warned {
            env::warn_about(&self.unknown);
        }
    }
}

impl Config {
    /// Logs a warning where Redis was configured, no variable chose it, and the layer is of this process alone.
    pub(crate) fn warn_about_redis_that_is_not_used(&self) {
        if let Some(variable) = self.of_redis.filter(|_| !self.names_backend) {
            tracing::warn!(
                variable,
                "{variable} is set, but BACKEND_TYPE is not: groups and users are in the memory of this process, and no \
                 other server knows of them. BACKEND_TYPE=redis shares them; BACKEND_TYPE=memory says that this is meant"
            );
        }
    }
}

impl fmt::Debug for Config {
    /// Shows each setting as its variable would be written, and so without secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Config");
        for variable in VARIABLES {
            debug.field(variable.field, &format_args!("{}", variable.setting.show(&self.settings)));
        }
        debug.field("unknown_variables", &self.unknown).finish()
    }
}
