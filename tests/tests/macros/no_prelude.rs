//! Nothing is taken for granted: no prelude, no macro, no name but absolute ones.

#[no_implicit_prelude]
mod inside {
    #[derive(::serde::Deserialize, ::serde::Serialize)]
    pub(super) struct Text {
        pub(super) text: ::std::string::String,
    }

    #[derive(::channels::Incoming, ::channels::Outgoing)]
    pub(super) enum Messages {
        Said(Text),
        Bye,
    }

    #[derive(::channels::Incoming)]
    pub(super) enum Nothing {}

    #[derive(::channels::Outgoing)]
    pub(super) enum Never {}

    #[derive(::std::default::Default)]
    pub(super) struct Quiet;

    #[::channels::consumer(incoming = Messages, outgoing = Messages)]
    impl Quiet {
        #[::channels::connect]
        async fn connected(&mut self) {}

        #[::channels::on("said")]
        #[::channels::rate_limit(1, per = "1s", by = ip)]
        async fn said(&mut self, text: Text, connection: ::channels::Connection) -> Text {
            let _ = connection;
            text
        }

        #[channels::prelude::on("bye")]
        fn bye(&self) -> ::std::option::Option<Messages> {
            ::std::option::Option::Some(Messages::Bye)
        }

        #[::channels::on_binary]
        fn binary(&self, data: ::bytes::Bytes) {
            let _ = data;
        }

        #[::channels::disconnect]
        fn left(&self) {}
    }

    #[derive(::std::default::Default)]
    pub(super) struct Raw;

    #[::channels::consumer]
    impl Raw {
        #[::channels::on_text]
        #[::channels::rate_limit(1, per = "1m")]
        fn text(&self, text: ::bytestring::ByteString) -> ::bytestring::ByteString {
            text
        }

        #[::channels::error]
        fn failed(&self, error: ::channels::Error) -> ::channels::Error {
            error
        }
    }

    #[derive(::std::default::Default)]
    pub(super) struct Feed;

    #[::channels::consumer(incoming = Nothing, outgoing = Never)]
    impl Feed {}
}

use channels::Consumer;

use crate::{Takes, takes};

#[test]
fn a_consumer_needs_no_prelude() {
    assert_eq!(<inside::Quiet as Consumer>::NAMES, ["said", "bye"]);
    assert_eq!(takes::<inside::Quiet>(), [Takes::Binary, Takes::Addresses]);
    assert_eq!(takes::<inside::Raw>(), [Takes::Text, Takes::Errors]);
    assert!(<inside::Feed as Consumer>::NAMES.is_empty());
    let _ = inside::Messages::Said(inside::Text { text: String::new() });
}
