//! What the person at the keyboard reads who asks, or errs.

pub(crate) const SHORT: &str = "\
usage: channels send (--group NAME | --user ID | --all) --type TYPE [--data JSON]
       channels status [--json]
       channels listen [--group NAME]… [--user ID]… [--all]
       channels --help | --version";

pub(crate) const LONG: &str = "\
usage: channels <command>

  send      sends {\"type\": TYPE, \"data\": JSON} to the members on all servers, and tells how many servers have it
              --group NAME    to the members of a group
              --user ID       to every connection of a user
              --all           to every connection
              --type TYPE     the name of the message
              --data JSON     its payload; none without it; `-` reads standard input
  status    counts servers, connections and users, and names the servers with their connections
              --json          as one JSON object
  listen    prints what is sent, a JSON object a line, until Ctrl-C; interruptions are told on standard error
              --group NAME, --user ID, --all    each as often as you like

Where Redis is and what its names start with is read from .env and the environment, as by the servers:
REDIS_URL (redis://localhost:6379/0), REDIS_CHANNEL_PREFIX (ws:), REDIS_TLS_CA_FILE.

It exits with 0, with 1 where it failed, and with 2 where the command line makes no sense.";
