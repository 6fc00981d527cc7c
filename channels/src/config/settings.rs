//! The settings, one row each: name, type, default, variable, and what it may be.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::list::{LimitNames, Networks};
use super::off::{Flow, Off, Pace};
use super::origins::OriginList;
use super::value::{Count, Period, Rates, Size};
use super::variable::{Field, Variable};
use super::{
    BackendType, Config, ConfigBuilder, LimitFallback, LimitName, LogLevel, Network, Origins, Rate, choice, text,
};

settings! {
    /// Where groups, users and the registry live.
    ///
    /// `memory` is for one server. Several servers share `redis`, which needs the feature `redis`.
    copy backend_type: BackendType = BackendType::Memory,
        "BACKEND_TYPE" as choice::BACKEND_TYPE,
        documented ("name, in any case", "memory", "memory or redis"),
        example "redis" => "BackendType::Redis";

    /// Where Redis is, if the backend is `redis`: one server, the Sentinels of one, or a Cluster.
    ///
    /// It may hold a password: neither `Debug` nor an error shows it, a log of this text would.
    /// `rediss://`, `rediss+sentinel://` and `rediss+cluster://` need the feature `redis-tls`. A user and a password
    /// before the `@` are for the servers; those of Sentinels, where they ask for any, are the query's
    /// `sentinel_username` and `sentinel_password`.
    text redis_url: String = "redis://localhost:6379/0".to_owned(),
        "REDIS_URL" as text::REDIS_URL,
        documented ("URL", "redis://localhost:6379/0",
            "redis://[user:password@]host[:port][/database], rediss:// for TLS, redis+unix:///path, \
             redis+sentinel://host[:port],…/master[/database] or redis+cluster://host[:port],…"),
        example "redis://cache:6379/1" => "\"redis://cache:6379/1\"";

    /// Which authorities may sign the certificate of a Redis with TLS, instead of those that the system trusts.
    text redis_tls_ca_file: String = String::new(),
        "REDIS_TLS_CA_FILE" as text::REDIS_TLS_CA_FILE,
        documented ("path", "none", "the path of a file of certificates in PEM, or nothing"),
        example "/etc/ssl/redis-ca.pem" => "\"/etc/ssl/redis-ca.pem\"";

    /// What the names of all keys and channels in Redis start with.
    ///
    /// Applications that share a Redis need different ones, or different databases. It is never empty, so that
    /// none can take another's keys for its own, and has no braces, which mark the hash tag of a Cluster.
    text redis_channel_prefix: String = "ws:".to_owned(),
        "REDIS_CHANNEL_PREFIX" as text::REDIS_CHANNEL_PREFIX,
        documented ("text", "ws:", "1 to 128 bytes without braces, control characters and outer spaces"),
        example "chat:" => "\"chat:\"";

    /// How long the registry of a server that fell silent is kept in Redis.
    copy redis_registry_expiry: Duration = Duration::from_secs(3600),
        "REDIS_REGISTRY_EXPIRY" as Period::EXPIRY,
        documented ("seconds", "1h", "1s to 8760h"),
        example "10m" => "Duration::from_secs(600)";

    /// How long the members of a server that fell silent are kept in the groups in Redis.
    copy redis_group_expiry: Duration = Duration::from_secs(3600),
        "REDIS_GROUP_EXPIRY" as Period::EXPIRY,
        documented ("seconds", "1h", "1s to 8760h"),
        example "10m" => "Duration::from_secs(600)";

    /// What the limits that servers share (connections, rates by user or address) do while Redis is away.
    ///
    /// `local`: each server counts for itself, and all together may let in too many. `refuse`: nobody new is let in,
    /// and what has such a rate is answered with `BACKEND_ERROR`.
    copy redis_limit_fallback: LimitFallback = LimitFallback::Local,
        "REDIS_LIMIT_FALLBACK" as choice::LIMIT_FALLBACK,
        documented ("name, in any case", "local", "local or refuse"),
        example "refuse" => "LimitFallback::Refuse";

    /// The time between two heartbeats of a connection.
    copy heartbeat_interval: Duration = Duration::from_secs(30),
        "WS_HEARTBEAT_INTERVAL" as Period::SOME,
        documented ("seconds", "30s", "1ms to 8760h"),
        example "10s" => "Duration::from_secs(10)";

    /// How long a connection may be silent before it counts as lost.
    ///
    /// It is longer than [`heartbeat_interval`](Config::heartbeat_interval) while heartbeats are
    /// on; otherwise a client would be lost before it was asked.
    copy heartbeat_timeout: Duration = Duration::from_secs(60),
        "WS_HEARTBEAT_TIMEOUT" as Period::SOME,
        documented ("seconds", "1m", "1ms to 8760h"),
        example "90" => "Duration::from_secs(90)";

    /// Whether connections are kept alive and watched by heartbeats.
    copy enable_heartbeat: bool = true,
        "WS_ENABLE_HEARTBEAT" as choice::FLAG,
        documented ("yes or no", "true", "true or false (also 1, 0, yes, no, on, off)"),
        example "off" => "false";

    /// The largest message that a client may send.
    copy max_message_size: usize = 10 << 20,
        "WS_MAX_MESSAGE_SIZE" as Size::OF_ONE,
        documented ("bytes", "10MiB", "1 to 1GiB"),
        example "16MiB" => "16 << 20";

    /// How much memory all messages of this server may hold together that have begun to arrive and are not complete.
    ///
    /// One of them may hold as much as is then still free; beyond, its connection is closed with 1013. There is always room for one
    /// of [`max_message_size`](Config::max_message_size): less than four times that counts as four times.
    option max_unfinished_bytes: Option<usize> = Some(256 << 20),
        "WS_MAX_UNFINISHED_BYTES" as Off(Size::OF_ALL),
        documented ("bytes", "256MiB", "off, or 1 to 1024GiB"),
        example "1GiB" => "Some(1 << 30)";

    /// Whether messages are compressed for clients that offer it (permessage-deflate).
    ///
    /// It costs time of the CPU for bytes on the network. Each message is compressed for itself, so
    /// a connection costs no more memory. But the length of a message that holds a secret beside
    /// what somebody else wrote tells whether the two are alike, even through TLS.
    copy compression: bool = false,
        "WS_COMPRESSION" as choice::FLAG,
        documented ("yes or no", "false", "true or false (also 1, 0, yes, no, on, off)"),
        example "on" => "true";

    /// The smallest message that is compressed, if any is.
    ///
    /// Of 256 bytes of JSON a quarter is saved; of 128 a seventh, which is less than the headers
    /// of the packet that carries it.
    copy compression_min_bytes: usize = 256,
        "WS_COMPRESSION_MIN_BYTES" as Size::OF_ONE,
        documented ("bytes", "256", "1 to 1GiB"),
        example "1KiB" => "1 << 10";

    /// How often clients are told to try to come back; 0 is without end.
    ///
    /// It is a policy for clients. The server's own way back to Redis never gives up.
    copy reconnect_max_attempts: usize = 5,
        "WS_RECONNECT_MAX_ATTEMPTS" as Count::from(0, "attempts"),
        documented ("attempts", "5", "0 to 4294967295"),
        example "0" => "0";

    /// How long clients are told to wait before they come back.
    copy reconnect_delay: Duration = Duration::from_secs(5),
        "WS_RECONNECT_DELAY" as Period::ANY,
        documented ("seconds", "5s", "0s to 8760h"),
        example "0.5" => "Duration::from_millis(500)";

    /// How many messages may wait for one connection to take them.
    copy outbox_messages: usize = 1024,
        "WS_OUTBOX_MESSAGES" as Count::from(1, "messages"),
        documented ("messages", "1024", "1 to 4294967295"),
        example "64" => "64";

    /// How many bytes may wait for one connection to take them.
    copy outbox_bytes: usize = 4 << 20,
        "WS_OUTBOX_BYTES" as Size::OF_ONE,
        documented ("bytes", "4MiB", "1 to 1GiB"),
        example "512KiB" => "512 << 10";

    /// How long a message may take to arrive, from its first byte to its last.
    copy message_timeout: Duration = Duration::from_secs(60),
        "WS_MESSAGE_TIMEOUT" as Period::SOME,
        documented ("seconds", "1m", "1ms to 8760h"),
        example "10s" => "Duration::from_secs(10)";

    /// How long a handler may work on one message.
    copy handler_timeout: Duration = Duration::from_secs(60),
        "WS_HANDLER_TIMEOUT" as Period::SOME,
        documented ("seconds", "1m", "1ms to 8760h"),
        example "5s" => "Duration::from_secs(5)";

    /// How long the `#[disconnect]` hook of one connection may take; as long have the handlers that still run when a client
    /// leaves or is closed.
    copy disconnect_timeout: Duration = Duration::from_secs(10),
        "WS_DISCONNECT_TIMEOUT" as Period::SOME,
        documented ("seconds", "10s", "1ms to 8760h"),
        example "500ms" => "Duration::from_millis(500)";

    /// How long a server that stops waits for its connections to end; 0 is not at all.
    copy drain_timeout: Duration = Duration::from_secs(10),
        "WS_DRAIN_TIMEOUT" as Period::ANY,
        documented ("seconds", "10s", "0s to 8760h"),
        example "30s" => "Duration::from_secs(30)";

    /// How long a server that stops may take to close its connections one after the other; 0 is all at once.
    ///
    /// It takes no longer than [`reconnect_rate`](Config::reconnect_rate) asks for, nor than half of
    /// [`drain_timeout`](Config::drain_timeout).
    copy drain_over: Duration = Duration::from_secs(5),
        "WS_DRAIN_OVER" as Period::ANY,
        documented ("seconds", "5s", "0s to 8760h"),
        example "20s" => "Duration::from_secs(20)";

    /// How many clients of a server that stops may come back, a second.
    ///
    /// Clients with a subprotocol of ours are told to wait for their turn, however long the line is. Others come back
    /// when they are closed, so that for them it holds as far as [`drain_over`](Config::drain_over) allows it.
    copy reconnect_rate: usize = 1000,
        "WS_RECONNECT_RATE" as Count::from(1, "clients a second"),
        documented ("clients a second", "1000", "1 to 4294967295"),
        example "200" => "200";

    // Its accessors, which take and give a map, are written by hand.
    special rate_limits: BTreeMap<String, Rate> = BTreeMap::new(),
        "WS_RATE_LIMITS" as Rates,
        documented ("rates by name", "none", "name=count/period with commas between"),
        example "posting=100/1s" => "";

    // Its accessors lend it, and are written by hand.
    special allowed_origins: Origins = Origins::same(),
        "WS_ALLOWED_ORIGINS" as OriginList,
        documented ("origins", "none", "hosts, origins and *.hosts with commas between, or *"),
        example "app.example.com" => "";

    // Its accessors, which take and give a list, are written by hand.
    special trusted_proxies: Vec<Network> = Vec::new(),
        "WS_TRUSTED_PROXIES" as Networks,
        documented ("networks", "none", "none, or addresses and networks with commas between"),
        example "10.0.0.0/8" => "";

    /// How many connections one address may have to this server: an IPv4 address, or a /64 of IPv6.
    ///
    /// Each server counts for itself: behind a balancer that spreads an address, all together let in as many times more.
    option connections_per_address: Option<usize> = None,
        "WS_CONNECTIONS_PER_ADDRESS" as Off(Count::from(1, "connections")),
        documented ("connections", "off", "off, or 1 to 4294967295"),
        example "50" => "Some(50)";

    /// How often one address may ask for a connection, on all servers together: each request counts, whatever comes of it.
    option handshakes_per_address: Option<Rate> = None,
        "WS_HANDSHAKES_PER_ADDRESS" as Off(Pace("handshakes")),
        documented ("handshakes", "off", "off, or count/period"),
        example "20/1s" => "channels::Rate::new(20, Duration::from_secs(1)).ok()";

    /// How often one user may ask for a connection, on all servers together: what `#[accept]` let through counts.
    option handshakes_per_user: Option<Rate> = None,
        "WS_HANDSHAKES_PER_USER" as Off(Pace("handshakes")),
        documented ("handshakes", "off", "off, or count/period"),
        example "20/1s" => "channels::Rate::new(20, Duration::from_secs(1)).ok()";

    /// How many frames a connection may send: data, pings, pongs, fragments, whatever is in them.
    option frames_per_connection: Option<Rate> = None,
        "WS_FRAMES_PER_CONNECTION" as Off(Pace("frames")),
        documented ("frames", "off", "off, or count/period"),
        example "200/1s" => "channels::Rate::new(200, Duration::from_secs(1)).ok()";

    /// How many frames a user may send over all connections to this server; an anonymous connection counts by itself.
    option frames_per_user: Option<Rate> = None,
        "WS_FRAMES_PER_USER" as Off(Pace("frames")),
        documented ("frames", "off", "off, or count/period"),
        example "500/1s" => "channels::Rate::new(500, Duration::from_secs(1)).ok()";

    /// How many frames one address may send over all connections to this server.
    option frames_per_address: Option<Rate> = None,
        "WS_FRAMES_PER_ADDRESS" as Off(Pace("frames")),
        documented ("frames", "off", "off, or count/period"),
        example "500/1s" => "channels::Rate::new(500, Duration::from_secs(1)).ok()";

    /// How many bytes of messages a connection may send.
    ///
    /// One message may be larger than the size, up to [`max_message_size`](Config::max_message_size): it passes when nothing
    /// of the allowance is spent, and the next ones wait until it is paid for. So it is with the other two.
    option bytes_per_connection: Option<Rate> = None,
        "WS_BYTES_PER_CONNECTION" as Off(Flow),
        documented ("bytes", "off", "off, or size/period"),
        example "1MiB/1s" => "channels::Rate::new(1 << 20, Duration::from_secs(1)).ok()";

    /// How many bytes of messages a user may send over all connections to this server.
    option bytes_per_user: Option<Rate> = None,
        "WS_BYTES_PER_USER" as Off(Flow),
        documented ("bytes", "off", "off, or size/period"),
        example "1MiB/1s" => "channels::Rate::new(1 << 20, Duration::from_secs(1)).ok()";

    /// How many bytes of messages one address may send over all connections to this server.
    option bytes_per_address: Option<Rate> = None,
        "WS_BYTES_PER_ADDRESS" as Off(Flow),
        documented ("bytes", "off", "off, or size/period"),
        example "1MiB/1s" => "channels::Rate::new(1 << 20, Duration::from_secs(1)).ok()";

    /// How many groups a connection may be in at a time.
    copy groups_per_connection: usize = 10_000,
        "WS_GROUPS_PER_CONNECTION" as Count::from(1, "groups"),
        documented ("groups", "10000", "1 to 4294967295"),
        example "100" => "100";

    /// How deep arrays and objects may be nested in a message, below its envelope.
    ///
    /// Payloads are also parsed by serde_json, which goes no deeper than 127.
    copy max_payload_depth: usize = 127,
        "WS_MAX_PAYLOAD_DEPTH" as Count::from(1, "levels"),
        documented ("levels", "127", "1 to 4294967295"),
        example "8" => "8";

    // Its accessors, which take and give a set, are written by hand.
    special observe_only: BTreeSet<LimitName> = BTreeSet::new(),
        "WS_OBSERVE_ONLY" as LimitNames,
        documented ("names, in any case", "none", "none, all, or names of limits with commas between"),
        example "payload_depth" => "";

    /// How many connections one user may have, on all servers together.
    copy max_connections_per_client: usize = 1000,
        "MAX_CONNECTIONS_PER_CLIENT" as Count::from(1, "connections"),
        documented ("connections", "1000", "1 to 4294967295"),
        example "10" => "10";

    /// How many connections there may be, on all servers together.
    copy max_total_connections: usize = 200_000,
        "MAX_TOTAL_CONNECTIONS" as Count::from(1, "connections"),
        documented ("connections", "200000", "1 to 4294967295"),
        example "500" => "500";

    /// How many groups there may be.
    copy max_total_groups: usize = 5_000_000,
        "MAX_TOTAL_GROUPS" as Count::from(1, "groups"),
        documented ("groups", "5000000", "1 to 4294967295"),
        example "100" => "100";

    /// The name of this server in logs and statistics.
    text server_instance_id: String = text::random_instance_id(),
        "SERVER_INSTANCE_ID" as text::SERVER_INSTANCE_ID,
        documented ("text", "server- and 12 random hexadecimal digits",
            "1 to 128 bytes without control characters and outer spaces"),
        example "berlin-1" => "\"berlin-1\"";

    /// From which level on the application should log.
    ///
    /// Nothing here installs a subscriber. One that reads `RUST_LOG` should prefer it to this.
    copy log_level: LogLevel = LogLevel::Info,
        "LOG_LEVEL" as choice::LOG_LEVEL,
        documented ("name, in any case", "INFO", "TRACE, DEBUG, INFO, WARN, ERROR or CRITICAL"),
        example "debug" => "LogLevel::Debug";

    /// Whether statistics are logged at intervals.
    copy log_stats: bool = false,
        "LOG_STATS" as choice::FLAG,
        documented ("yes or no", "false", "true or false (also 1, 0, yes, no, on, off)"),
        example "yes" => "true";
}
