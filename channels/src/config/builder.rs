//! Collecting settings, layer over layer.

use std::ffi::OsString;

use super::error::Problem;
use super::{Config, ConfigError, LimitName, Network, Origins, Rate, check, dotenv, env};

/// Collects settings for a [`Config`]; the last word about each of them counts.
///
/// ```
/// use channels::Config;
/// use std::time::Duration;
///
/// let config = Config::builder()
///     .drain_timeout(Duration::from_secs(30)) // a default of this application
///     .vars([("WS_DRAIN_TIMEOUT", "5s"), ("LOG_STATS", "yes")])?
///     .log_stats(false) // whatever the environment says
///     .build()?;
/// assert_eq!(config.drain_timeout(), Duration::from_secs(5));
/// assert!(!config.log_stats());
/// # Ok::<(), channels::ConfigError>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct ConfigBuilder {
    pub(super) config: Config,
}

impl ConfigBuilder {
    /// Lays `.env` of the working directory, and then the environment, over what is set so far.
    ///
    /// # Errors
    ///
    /// Values that are wrong or not UTF-8, and a `.env` that can't be read or parsed, by its line;
    /// all of them in one error. A missing `.env` is none. If one value is wrong, the relations
    /// between values, which [`build`](Self::build) checks, are looked at too.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), channels::ConfigError> {
    /// let config = channels::Config::builder().max_message_size(16 << 20).env()?.build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn env(self) -> Result<Self, ConfigError> {
        let (file, problems) = dotenv::read(".env".as_ref());
        self.overlay(env::layered(file, std::env::vars_os()), problems)
    }

    /// Lays the given variables over what is set so far, and reads neither `.env` nor environment.
    ///
    /// It is what a test uses, and an application whose settings come from elsewhere.
    ///
    /// # Errors
    ///
    /// As [`env`](Self::env).
    ///
    /// ```
    /// let error = channels::Config::builder()
    ///     .vars([("WS_HEARTBEAT_INTERVAL", "soon"), ("LOG_STATS", "perhaps")])
    ///     .unwrap_err();
    /// assert!(error.variables().eq(["WS_HEARTBEAT_INTERVAL", "LOG_STATS"]));
    /// ```
    pub fn vars<N, V>(self, vars: impl IntoIterator<Item = (N, V)>) -> Result<Self, ConfigError>
    where
        N: Into<OsString>,
        V: Into<OsString>,
    {
        let vars = vars.into_iter().map(|(name, value)| (name.into(), value.into()));
        self.overlay(env::layered(env::Vars::new(), vars), Vec::new())
    }

    pub(super) fn overlay(mut self, vars: env::Vars, mut problems: Vec<Problem>) -> Result<Self, ConfigError> {
        problems.extend(env::apply(&mut self.config.settings, &vars));
        self.config.of_redis = self.config.of_redis.or(env::of_redis(&vars));
        self.config.names_backend |= env::names_backend(&vars);
        self.config.unknown.extend(env::unknown(&vars));
        self.config.unknown.sort();
        self.config.unknown.dedup();
        if !problems.is_empty() {
            check::relations(&self.config.settings, &mut problems);
        }
        ConfigError::unless_empty(problems).map(|()| self)
    }

    /// Adds named rates, each in place of the one that had its name.
    ///
    /// Variable: `WS_RATE_LIMITS`, which overrides by name too.
    ///
    /// ```
    /// use channels::{Config, Rate};
    /// use std::time::Duration;
    ///
    /// let rate = Rate::new(100, Duration::from_secs(1))?;
    /// let config = Config::builder().rate_limits([("posting", rate)]).build()?;
    /// assert_eq!(config.rate_limits()["posting"], rate);
    /// # Ok::<(), channels::ConfigError>(())
    /// ```
    pub fn rate_limits<N: Into<String>>(mut self, limits: impl IntoIterator<Item = (N, Rate)>) -> Self {
        let limits = limits.into_iter().map(|(name, rate)| (name.into(), rate));
        self.config.settings.rate_limits.extend(limits);
        self
    }

    /// The pages of the web that may connect, besides those of the server's own host and port.
    ///
    /// Variable: `WS_ALLOWED_ORIGINS`, which takes the place of what is set before.
    ///
    /// ```
    /// use channels::Config;
    ///
    /// let config = Config::builder().allowed_origins("https://app.example.com".parse()?).build()?;
    /// assert_eq!(config.allowed_origins().to_string(), "https://app.example.com");
    /// # Ok::<(), channels::ConfigError>(())
    /// ```
    pub fn allowed_origins(mut self, origins: Origins) -> Self {
        self.config.settings.allowed_origins = origins;
        self
    }

    /// Trusts these proxies, and no others: [`Config::trusted_proxies`].
    ///
    /// Variable: `WS_TRUSTED_PROXIES`.
    ///
    /// ```
    /// use channels::Config;
    ///
    /// let config = Config::builder().trusted_proxies(["10.0.0.0/8".parse()?]).build()?;
    /// assert_eq!(config.trusted_proxies()[0].to_string(), "10.0.0.0/8");
    /// # Ok::<(), channels::ConfigError>(())
    /// ```
    pub fn trusted_proxies(mut self, proxies: impl IntoIterator<Item = Network>) -> Self {
        self.config.settings.trusted_proxies = proxies.into_iter().collect();
        self
    }

    /// Lets these limits, and no others, refuse nothing: [`Config::observe_only`].
    ///
    /// Variable: `WS_OBSERVE_ONLY`.
    ///
    /// ```
    /// use channels::{Config, LimitName};
    ///
    /// let config = Config::builder().observe_only([LimitName::FramesPerConnection]).build()?;
    /// assert_eq!(config.observe_only().len(), 1);
    /// # Ok::<(), channels::ConfigError>(())
    /// ```
    pub fn observe_only(mut self, limits: impl IntoIterator<Item = LimitName>) -> Self {
        self.config.settings.observe_only = limits.into_iter().collect();
        self
    }

    /// Checks everything and gives the configuration.
    ///
    /// # Errors
    ///
    /// Everything that is not allowed, in one error: values that setters took, and a heartbeat
    /// time-out that is not longer than the interval while heartbeats are on. What a setter took
    /// is named by its variable.
    ///
    /// ```
    /// let error = channels::Config::builder().max_message_size(0).build().unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "WS_MAX_MESSAGE_SIZE=\"0\" is not valid: expected bytes (65536) or a size with unit \
    ///      (64KiB, 16MiB, 1GB), from 1 to 1GiB",
    /// );
    /// ```
    pub fn build(mut self) -> Result<Config, ConfigError> {
        let mut problems = check::each(&self.config.settings);
        check::relations(&self.config.settings, &mut problems);
        ConfigError::unless_empty(problems)?;
        // Without a listener the warnings would be lost, so they stay due.
        if tracing::enabled!(tracing::Level::WARN) {
            self.config.warn_about_unknown_variables();
            self.config.warned = true;
        }
        Ok(self.config)
    }
}
