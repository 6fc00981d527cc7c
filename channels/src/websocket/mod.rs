//! The WebSocket protocol, as far as it knows no socket.

// rustc does not count `expect(dead_code)` on a module as fulfilled, though it is.
#[cfg_attr(not(test), allow(dead_code), expect(unused_imports, reason = "the codec will use it"))]
mod deflate;
