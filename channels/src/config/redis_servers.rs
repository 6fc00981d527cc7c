//! What `REDIS_URL` says: which servers, how they are found, and who we are to them.

use std::fmt;
use std::path::PathBuf;

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo};

use super::redis_url::HIDDEN;

/// The port of a Sentinel, unless the URL names another.
const SENTINEL_PORT: u16 = 26379;

/// Where one process listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Address {
    Tcp(String, u16),
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp(host, port) => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

/// How the servers are found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Servers {
    /// There is one.
    Single(Address),
    /// The Sentinels know which one is the master of this name.
    Sentinel { sentinels: Vec<Address>, master: String, login: Login },
    /// Any of these knows the others.
    Cluster(Vec<Address>),
}

/// A user and a password.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Login {
    pub(crate) username: Option<String>,
    pub(crate) password: Option<String>,
}

impl fmt::Debug for Login {
    /// Never shows the password, nor the user.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login(***)")
    }
}

/// How much of a password has to be repeated to be taken for it: a server may cut short what it repeats.
const TELLING_CHARS: usize = 8;

impl Login {
    /// What a server said, fit for everybody: without the user, and nothing of it where it repeats the password. The last
    /// line of defence, as no server is expected to.
    pub(crate) fn blank(&self, said: &str) -> String {
        let password: String = self.password.iter().flat_map(|password| password.chars().take(TELLING_CHARS)).collect();
        if !password.is_empty() && said.contains(&password) {
            return HIDDEN.to_owned();
        }
        match self.username.as_deref() {
            Some(user) if !user.is_empty() => without_word(said, user),
            _ => said.to_owned(),
        }
    }
}

/// Hides a word where it stands alone: a user `a` leaves other words as they are.
fn without_word(text: &str, word: &str) -> String {
    let is_inside = |neighbour: Option<char>| neighbour.is_some_and(char::is_alphanumeric);
    let mut shown = String::with_capacity(text.len());
    let mut from = 0;
    for (at, _) in text.match_indices(word) {
        let end = at + word.len();
        let is_alone = !is_inside(text[..at].chars().next_back()) && !is_inside(text[end..].chars().next());
        shown.push_str(&text[from..at]);
        shown.push_str(if is_alone { HIDDEN } else { word });
        from = end;
    }
    shown.push_str(&text[from..]);
    shown
}

/// A `REDIS_URL` that makes sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RedisServers {
    pub(crate) servers: Servers,
    pub(crate) tls: bool,
    pub(crate) login: Login,
    pub(crate) database: i64,
    /// The URL without its secrets, for people.
    pub(crate) shown: String,
}

impl RedisServers {
    /// `None` where it makes no sense.
    pub(crate) fn parse(url: &str) -> Option<Self> {
        let shown = super::redis_url::redact(url);
        let (scheme, rest) = url.split_once("://")?;
        let Some((plain, kind)) = scheme.split_once('+').filter(|(plain, _)| plain.starts_with("redis")) else {
            return Self::single(url, shown);
        };
        let tls = plain == "rediss";
        match kind {
            "unix" => Self::single(url, shown),
            "sentinel" => Self::sentinel(Several::split(rest)?, tls, shown),
            "cluster" => Self::cluster(Several::split(rest)?, tls, shown),
            _ => None,
        }
    }

    fn single(url: &str, shown: String) -> Option<Self> {
        // The client is built without TLS, which is the link's own.
        let secure = ["rediss://", "valkeys://"].iter().find_map(|scheme| url.strip_prefix(scheme));
        let plain = secure.map_or_else(|| url.to_owned(), |rest| format!("redis://{rest}"));
        let tls = secure.is_some();
        let info = plain.into_connection_info().ok()?;
        let address = match info.addr() {
            ConnectionAddr::Tcp(host, port) => Address::Tcp(host.clone(), *port),
            ConnectionAddr::Unix(path) => Address::Unix(path.clone()),
            _ => return None,
        };
        let database = info.redis_settings().db();
        Some(Self { servers: Servers::Single(address), tls, login: login(&info), database, shown })
    }

    fn sentinel(several: Several<'_>, tls: bool, shown: String) -> Option<Self> {
        let (master, database) = several.path.split_once('/').unwrap_or((several.path, "0"));
        if master.is_empty() {
            return None;
        }
        let servers = Servers::Sentinel {
            sentinels: several.addresses(SENTINEL_PORT)?,
            master: master.to_owned(),
            login: Login {
                username: several.parameter("sentinel_username"),
                password: several.parameter("sentinel_password"),
            },
        };
        Some(Self { servers, tls, login: several.login()?, database: database.parse().ok()?, shown })
    }

    fn cluster(several: Several<'_>, tls: bool, shown: String) -> Option<Self> {
        // A Cluster has the one database 0.
        if !matches!(several.path, "" | "0") {
            return None;
        }
        let servers = Servers::Cluster(several.addresses(DEFAULT_PORT)?);
        Some(Self { servers, tls, login: several.login()?, database: 0, shown })
    }
}

/// The port of Redis, unless the URL names another.
const DEFAULT_PORT: u16 = 6379;

fn login(info: &ConnectionInfo) -> Login {
    let settings = info.redis_settings();
    Login { username: settings.username().map(str::to_owned), password: settings.password().map(str::to_owned) }
}

/// The parts of a URL that names several servers.
struct Several<'a> {
    user: Option<&'a str>,
    hosts: &'a str,
    path: &'a str,
    query: &'a str,
}

impl<'a> Several<'a> {
    fn split(rest: &'a str) -> Option<Self> {
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (user, rest) = match rest.rsplit_once('@') {
            Some((user, rest)) => (Some(user), rest),
            None => (None, rest),
        };
        let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
        Some(Self { user, hosts, path: path.trim_end_matches('/'), query }).filter(|several| !several.hosts.is_empty())
    }

    /// Each host is read as a URL of its own, by the rules of one server's.
    fn addresses(&self, port: u16) -> Option<Vec<Address>> {
        let address = |host: &str| {
            let has_port = host.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'));
            let url = if has_port { format!("redis://{host}") } else { format!("redis://{host}:{port}") };
            match url.into_connection_info().ok()?.addr() {
                ConnectionAddr::Tcp(host, port) => Some(Address::Tcp(host.clone(), *port)),
                _ => None,
            }
        };
        self.hosts.split(',').map(address).collect()
    }

    fn login(&self) -> Option<Login> {
        let Some(user) = self.user else { return Some(Login::default()) };
        format!("redis://{user}@localhost").into_connection_info().ok().map(|info| login(&info))
    }

    fn parameter(&self, name: &str) -> Option<String> {
        let mut parameters = self.query.split('&').filter_map(|pair| pair.split_once('='));
        let (_, value) = parameters.find(|(key, _)| *key == name)?;
        percent_encoding::percent_decode_str(value).decode_utf8().ok().map(String::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(host: &str, port: u16) -> Address {
        Address::Tcp(host.to_owned(), port)
    }

    #[test]
    fn one_server_is_found_by_its_address() {
        let one = RedisServers::parse("rediss://ada:p%40ss@cache.example/3").unwrap();
        assert_eq!(one.servers, Servers::Single(tcp("cache.example", 6379)));
        assert!(one.tls);
        assert_eq!(one.login.password.as_deref(), Some("p@ss"));
        assert_eq!(one.database, 3);
        assert_eq!(one.shown, "rediss://***@cache.example/3");
        let unix = RedisServers::parse("redis+unix:///run/redis.sock?db=2&pass=x").unwrap();
        assert_eq!(unix.servers, Servers::Single(Address::Unix("/run/redis.sock".into())));
        assert_eq!((unix.database, unix.login.password.as_deref()), (2, Some("x")));
    }

    #[test]
    fn a_master_is_found_by_sentinels() {
        let url = "redis+sentinel://:s3cret@one,two:7000,[::1]:7001/main/4?sentinel_password=w%20rd";
        let found = RedisServers::parse(url).unwrap();
        let Servers::Sentinel { sentinels, master, login } = found.servers else { panic!("no sentinels") };
        assert_eq!(sentinels, [tcp("one", 26379), tcp("two", 7000), tcp("::1", 7001)]);
        assert_eq!((master.as_str(), found.database), ("main", 4));
        assert_eq!(login.password.as_deref(), Some("w rd"));
        assert_eq!(found.login.password.as_deref(), Some("s3cret"));
        assert_eq!(found.shown, "redis+sentinel://***@one,two:7000,[::1]:7001/main/4?***");
    }

    #[test]
    fn a_cluster_is_found_by_any_of_its_nodes() {
        let found = RedisServers::parse("rediss+cluster://one:7000,two").unwrap();
        assert_eq!(found.servers, Servers::Cluster(vec![tcp("one", 7000), tcp("two", 6379)]));
        assert!(found.tls);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for url in [
            "redis+sentinel://one,two",
            "redis+sentinel:///main",
            "redis+sentinel://one/main/first",
            "redis+cluster://one/3",
            "redis+cluster://one:port",
            "redis+cluster://one,,two",
            "redis+nothing://one",
        ] {
            assert_eq!(RedisServers::parse(url), None, "{url}");
        }
    }
}
