//! The runtime as an application sees it, in process with paused time and over real sockets.

mod disconnect;
mod probe;
