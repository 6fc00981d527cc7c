//! The crate under another name.

/// A crate that exports the library as a part of itself.
mod my {
    pub(crate) use channels as sockets;
}

// `::channels` means nothing to the macros here: they are told where to find it.
mod inside {
    use super::my::sockets::prelude::*;

    #[derive(Incoming, Outgoing)]
    #[channels(crate = super::my::sockets, rename_all = "kebab-case")]
    pub(super) enum Messages {
        ChatMessage(u8),
    }

    #[derive(Default)]
    pub(super) struct Chat;

    #[consumer(crate = super::my::sockets, incoming = Messages, outgoing = Messages)]
    impl Chat {
        #[super::my::sockets::on("chat-message")]
        #[super::my::sockets::prelude::rate_limit(3, per = "5m")]
        fn chat(&self, n: u8) -> Option<Messages> {
            n.checked_add(1).map(Messages::from)
        }
    }
}

#[test]
fn a_renamed_crate_is_found() {
    assert_eq!(<inside::Chat as my::sockets::Consumer>::NAMES, ["chat-message"]);
}
