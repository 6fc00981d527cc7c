//! Shapes of consumers: generic, conditional, sync and async, in a function.

use std::marker::PhantomData;

use channels::Consumer;
use channels::message::Frame;
use channels::prelude::*;
use garde::Validate;
use serde::{Deserialize, Serialize};

use crate::takes;

#[derive(Debug, Deserialize, Serialize, Validate)]
struct Text {
    #[garde(length(chars, max = 10))]
    text: String,
}

#[derive(Debug, Incoming)]
enum In {
    Say(Text),
    Ping,
}

#[derive(Debug, Outgoing)]
enum Out<T: Serialize + Send + Sync> {
    Said(Text),
    Stored(T),
}

trait Store: Clone + Serialize + Send + Sync + 'static {
    fn open() -> Self;
}

#[derive(Clone, Serialize)]
struct Memory;

impl Store for Memory {
    fn open() -> Self {
        Self
    }
}

struct Generic<S, const N: usize>
where
    S: Store,
{
    store: S,
}

#[consumer(incoming = In, outgoing = Out<S>)]
impl<S, const N: usize> Generic<S, N>
where
    S: Store,
{
    #[accept]
    fn accept() -> Self {
        Self { store: S::open() }
    }

    #[on("say")]
    #[validate]
    async fn say(&mut self, text: Text, connection: Connection) -> Text {
        let _ = (connection, [0; N]);
        text
    }

    #[on("ping")]
    async fn ping(&self) -> Out<S> {
        Out::Stored(self.store.clone())
    }
}

#[derive(Debug, Incoming)]
enum Conditional {
    Always,
    #[cfg(false)]
    Never(NoSuchType),
    #[cfg(true)]
    Really(Text),
}

#[derive(Default)]
struct Conditions;

#[consumer(incoming = Conditional, outgoing = Out<u8>)]
impl Conditions {
    #[cfg(false)]
    #[accept]
    async fn accept(_: NoSuchType) -> NoSuchType {}

    #[on("always")]
    #[cfg_attr(true, allow(clippy::needless_return))]
    #[deprecated]
    fn always(&self) {
        return;
    }

    #[cfg(false)]
    #[on("never")]
    #[validate]
    #[rate_limit(1, per = "1s", by = ip)]
    fn never(&self, never: NoSuchType) -> NoSuchType {}

    #[on("really")]
    #[cfg(false)]
    fn otherwise(&self, text: NoSuchType) {}

    #[on("really")]
    #[cfg(true)]
    fn really(&self, text: Text) {
        let _ = text.text;
    }

    #[cfg(false)]
    #[on_binary]
    fn binary(&self, data: NoSuchType) {}

    #[cfg(false)]
    #[error]
    fn failed(&self, error: NoSuchType) {}
}

#[test]
fn what_is_not_compiled_is_not_handled() {
    assert_eq!(Conditional::NAMES, ["always", "really"]);
    assert_eq!(<Conditions as Consumer>::NAMES, ["always", "really"]);
    assert_eq!(takes::<Conditions>(), []);
}

#[test]
fn a_generic_consumer_is_one_for_each_type() {
    fn is_consumer<C: Consumer>() -> &'static [&'static str] {
        C::NAMES
    }
    assert_eq!(is_consumer::<Generic<Memory, 3>>(), ["say", "ping"]);
}

#[test]
fn a_consumer_may_stand_in_a_function() {
    #[derive(Default)]
    struct Local<T>(PhantomData<T>);

    #[derive(Incoming)]
    enum LocalIn<T: serde::de::DeserializeOwned + Send> {
        Some(T),
    }

    #[consumer(incoming = LocalIn<Vec<u8>>)]
    impl<T: Default + Send + Sync + 'static> Local<T> {
        #[on("some")]
        async fn some(&self, bytes: Vec<u8>) -> Vec<Frame> {
            vec![Frame::Binary(bytes.into())]
        }
    }

    assert_eq!(<Local<u8> as Consumer>::NAMES, ["some"]);
}

macro_rules! made_by_a_macro {
    ($name:ident, $method:ident, $message:literal, $argument:ty) => {
        #[derive(Default)]
        struct $name;

        #[consumer(incoming = OnlySay, outgoing = Out<u8>)]
        impl $name {
            #[on($message)]
            async fn $method(&mut self, text: $argument, connection: Connection) -> $argument {
                let _ = connection;
                text
            }
        }
    };
}

#[derive(Incoming)]
enum OnlySay {
    Say(Text),
}

made_by_a_macro!(Made, say, "say", Text);

#[test]
fn a_consumer_may_come_out_of_a_macro() {
    assert_eq!(<Made as Consumer>::NAMES, ["say"]);
}

struct Asked<S>(PhantomData<S>);

#[consumer(incoming = In, outgoing = Out<S>)]
impl<S: Store> Asked<S> {
    #[accept]
    fn accept() -> Self {
        Self(PhantomData)
    }

    #[cfg(not(any()))]
    #[authorize]
    fn may_join(group: String, _user: Option<UserId>) -> Result<(), channels::Error> {
        if group == "rust" { Ok(()) } else { Err(channels::Error::authorization("Only Rust.")) }
    }

    #[cfg(any())]
    #[authorize]
    fn may_not_join(_group: &str) -> bool {
        false
    }

    #[on("say")]
    fn say(&self, text: Text) -> Text {
        text
    }

    #[on("ping")]
    fn ping(&self) {}
}

#[tokio::test(start_paused = true)]
async fn who_is_asked_may_be_generic_conditional_and_not_async() {
    let client = channels::testing::connect::<Asked<Memory>>(&ChannelLayer::memory(), ()).await.unwrap();
    assert!(client.connection().join("rust").await.unwrap());
    let error = client.connection().join("java").await.unwrap_err();
    assert_eq!((error.message(), client.connection().groups()), ("Only Rust.", vec!["rust".to_owned()]));
    assert_eq!(takes::<Asked<Memory>>(), []);
}
