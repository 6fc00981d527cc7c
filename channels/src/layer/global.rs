//! The one layer of a process, for code that has no other way to it.

use std::future::Future;
use std::sync::OnceLock;

use super::ChannelLayer;

static INSTALLED: OnceLock<ChannelLayer> = OnceLock::new();

tokio::task_local! {
    static SCOPED: ChannelLayer;
}

/// A layer was installed already; the first stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a channel layer is already installed in this process; the first one stays")]
pub struct AlreadyInstalled;

impl ChannelLayer {
    /// Makes this the layer of [`get_channel_layer`], for the whole process and for good.
    ///
    /// # Errors
    ///
    /// [`AlreadyInstalled`], where there is one: its configuration is never taken over in silence.
    pub fn install(&self) -> Result<(), AlreadyInstalled> {
        INSTALLED.set(self.clone()).map_err(|_| AlreadyInstalled)
    }

    /// Runs a future in which [`get_channel_layer`] is this layer, whatever is installed: for tests,
    /// several of which share a process. Tasks spawned inside do not inherit it.
    pub fn scope<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        SCOPED.scope(self.clone(), future)
    }
}

/// The installed layer: for background jobs, database hooks, REST handlers.
///
/// # Panics
///
/// Where none is installed. [`try_get_channel_layer`] does not.
///
/// ```
/// # use channels::{ChannelLayer, get_channel_layer};
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// ChannelLayer::memory().install().unwrap();
/// assert_eq!(get_channel_layer().stats().connections, 0);
/// assert!(ChannelLayer::memory().install().is_err());
/// # }
/// ```
pub fn get_channel_layer() -> ChannelLayer {
    match try_get_channel_layer() {
        Some(layer) => layer,
        None => panic!("no channel layer is installed: call `layer.install()` when the program starts"),
    }
}

/// The installed layer, where there is one.
pub fn try_get_channel_layer() -> Option<ChannelLayer> {
    SCOPED.try_with(ChannelLayer::clone).ok().or_else(|| INSTALLED.get().cloned())
}
