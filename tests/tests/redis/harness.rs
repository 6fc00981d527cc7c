//! The servers and faults of the other tests do what their names say.

mod proxy;
mod server;
