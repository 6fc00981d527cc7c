//! Every metric: its name, kind, unit and what it says. `docs/metrics.md` is the same for readers; a test compares.

use ::metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

macro_rules! describe {
    (counter, $name:ident, $unit:ident, $says:literal) => {
        describe_counter!($name, Unit::$unit, $says)
    };
    (gauge, $name:ident, $unit:ident, $says:literal) => {
        describe_gauge!($name, Unit::$unit, $says)
    };
    (histogram, $name:ident, $unit:ident, $says:literal) => {
        describe_histogram!($name, Unit::$unit, $says)
    };
}

macro_rules! metrics {
    ($($id:ident = $kind:ident $name:literal $unit:ident $says:literal;)*) => {
        $(pub(super) const $id: &str = $name;)*

        pub(super) fn describe() {
            $(describe!($kind, $id, $unit, $says);)*
        }
    };
}

metrics! {
    INFO = gauge "channels_info" Count "Always 1: which server this is.";
    UPTIME = gauge "channels_uptime_seconds" Seconds "How long the layer exists.";
    DRAINING = gauge "channels_draining" Count "1 from the moment in which the drain begins.";
    CONNECTIONS = gauge "channels_connections" Count "Connections now.";
    USERS = gauge "channels_users" Count "Users with a connection now.";
    GROUPS = gauge "channels_groups" Count "Groups with a member now.";
    QUEUED_MESSAGES = gauge "channels_queued_messages" Count "Messages in all outboxes when the heartbeat last looked.";
    QUEUED_BYTES = gauge "channels_queued_bytes" Bytes "Their size.";
    UNFINISHED_BYTES = gauge "channels_unfinished_bytes" Bytes "The memory of messages that are not complete.";
    CONNECTED = counter "channels_connections_total" Count "Connections that were ever made.";
    CLOSED = counter "channels_closed_total" Count "Connections that ended, by who closed them and the code.";
    REFUSED = counter "channels_refused_total" Count "Connections refused before the upgrade.";
    LOST = counter "channels_lost_total" Count "Connections that ended without a close frame of the client.";
    TIMED_OUT = counter "channels_timed_out_total" Count "Connections closed with 4408.";
    TOO_SLOW = counter "channels_too_slow_total" Count "Connections closed with 4413.";
    PROTOCOL_ERRORS = counter "channels_protocol_errors_total" Count "Connections closed with 1002, 1007 or 1009.";
    FLOODED = counter "channels_flooded_total" Count "Connections closed with 1013 as they went on after much was refused.";
    LIMIT_REFUSED = counter "channels_limit_refused_total" Count "What limits refused: connections, frames, joins, messages.";
    LIMIT_OBSERVED = counter "channels_limit_observed_total" Count "What limits would have refused that only observe.";
    MESSAGES_IN = counter "channels_messages_in_total" Count "Data messages received.";
    MESSAGES_OUT = counter "channels_messages_out_total" Count "Data messages written.";
    BYTES_IN = counter "channels_bytes_in_total" Bytes "Payload bytes received.";
    BYTES_OUT = counter "channels_bytes_out_total" Bytes "Payload bytes written.";
    DROPPED = counter "channels_dropped_total" Count "Messages that a connection did not get.";
    CONFLATED = counter "channels_conflated_total" Count "Messages whose place a later one about the same took.";
    EXPIRED = counter "channels_expired_total" Count "Received messages whose time to live had passed.";
    REFUSED_JOINS = counter "channels_refused_joins_total" Count "Joins that #[authorize] or the hook of the layer did not allow.";
    REVOKED = counter "channels_revoked_total" Count "Memberships that #[authorize] or the hook of the layer did not allow any more.";
    ERRORS = counter "channels_errors_total" Count "Errors of handlers and hooks.";
    HANDLER = histogram "channels_handler_seconds" Seconds "How long a message's handler took.";
    WAITED = histogram "channels_waited_seconds" Seconds "From a message's arrival to its handler.";
    SEND = histogram "channels_send_seconds" Seconds "How long a send took until the backend had it.";
    BACKEND_CONNECTED = gauge "channels_backend_connected" Count "1 while what is sent arrives, and what others send is heard.";
    BACKEND_SUBSCRIPTIONS = gauge "channels_backend_subscriptions" Count "Topics that are live.";
    BACKEND_PENDING = gauge "channels_backend_pending" Count "Topics that somebody waits for.";
    BACKEND_INTERRUPTIONS = counter "channels_backend_interruptions_total" Count "Times in which messages may have been lost.";
    BACKEND_FOREIGN = counter "channels_backend_foreign_total" Count "Messages on the backend's channels that were none of ours.";
}
