//! Consumers in process: no socket, no port, paused time.
