//! Two chats that share a Redis and a database: `BACKEND_TYPE=redis`, and nothing else.

mod limits;
mod outage;
mod pair;
mod seeing;
mod start;
mod status;
mod talking;
mod topologies;
