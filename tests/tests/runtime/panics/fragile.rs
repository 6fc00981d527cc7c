//! What is the application's and no hook: payloads, keys, errors, extractors, states, middleware, a serializer.

use std::fmt;
use std::hash::{Hash, Hasher};

use axum::extract::{FromRef, FromRequestParts};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use bytestring::ByteString;
use channels::extract::{Context, Extract, Hook};
use channels::message::{Frame, Message, Serializer};
use channels::prelude::*;
use channels::{BoxError, Error};
use channels_tests::probe::SECRET;
use garde::Validate;
use serde::{Deserialize, Serialize};

use super::Shared;

#[derive(Debug, Deserialize, Validate)]
pub(super) struct Line {
    #[garde(custom(fragile))]
    text: Word,
}

fn fragile(word: &Word, _: &()) -> garde::Result {
    assert_ne!(word.0, "validated", "{SECRET}");
    Ok(())
}

/// A payload that breaks when it is read or written.
#[derive(Clone, Debug)]
pub(super) struct Word(pub(super) String);

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let word = String::deserialize(from)?;
        assert_ne!(word, "parsed", "{SECRET}");
        Ok(Self(word))
    }
}

impl Serialize for Word {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        assert_ne!(self.0, "written", "{SECRET}");
        self.0.serialize(to)
    }
}

/// Nor is it any better where others are to be told from it.
impl Hash for Word {
    fn hash<H: Hasher>(&self, state: &mut H) {
        assert_ne!(self.0, "hashed", "{SECRET}");
        self.0.hash(state);
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Keyed {
    pub(super) key: Word,
}

/// Is written without what it is known by.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Moved {
    #[serde(skip)]
    pub(super) key: Word,
}

/// A payload that breaks when it is dropped.
#[derive(Debug, Deserialize)]
pub(super) struct Bomb {}

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("{SECRET}");
    }
}

/// An extractor that breaks.
pub(super) struct Fragile;

impl<S: Send + Sync, H: Hook> Extract<S, H> for Fragile {
    async fn extract(_: &Context<'_, S, H>) -> Result<Self, Error> {
        panic!("{SECRET}");
    }
}

/// An extractor that breaks in the hook of this name.
pub(super) struct Touchy;

impl<H: Hook> Extract<Shared, H> for Touchy {
    async fn extract(cx: &Context<'_, Shared, H>) -> Result<Self, Error> {
        let hook = std::any::type_name::<H>().rsplit("::").next().unwrap();
        cx.state().reached(hook);
        cx.state().stuck(&format!("stuck {hook}")).await;
        Ok(Self)
    }
}

/// An extractor that waits, and breaks when it is dropped where it waits: before a handler that does not wait it is begun
/// once more, with time.
pub(super) struct Waiting;

impl<S: Send + Sync, H: Hook> Extract<S, H> for Waiting {
    async fn extract(_: &Context<'_, S, H>) -> Result<Self, Error> {
        let held = Bomb {};
        tokio::task::yield_now().await;
        std::mem::forget(held);
        Ok(Self)
    }
}

/// What is taken from the consumer's state.
pub(super) struct Part;

impl FromRef<Shared> for Part {
    fn from_ref(place: &Shared) -> Self {
        place.reached("part of the state");
        Self
    }
}

/// The router's state, which the consumer's is taken from.
#[derive(Clone)]
pub(super) struct App(pub(super) Shared);

impl FromRef<App> for Shared {
    fn from_ref(app: &App) -> Self {
        app.0.reached("state");
        Self::clone(&app.0)
    }
}

/// An extractor of axum's kind.
pub(super) struct Guarded;

impl FromRequestParts<Shared> for Guarded {
    type Rejection = StatusCode;

    async fn from_request_parts(_: &mut Parts, place: &Shared) -> Result<Self, StatusCode> {
        place.reached("extractor of accept");
        Ok(Self)
    }
}

/// What `#[accept]` refuses with.
pub(super) struct Rejected;

impl IntoResponse for Rejected {
    fn into_response(self) -> Response {
        panic!("{SECRET}");
    }
}

/// An error that cannot be made one of ours.
pub(super) struct Inconvertible;

impl From<Inconvertible> for Error {
    fn from(_: Inconvertible) -> Self {
        panic!("{SECRET}");
    }
}

/// An error that has no words.
#[derive(Debug)]
pub(super) struct Unspeakable;

impl fmt::Display for Unspeakable {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("{SECRET}");
    }
}

impl std::error::Error for Unspeakable {}

/// The frame that shows that all is well is not the one that breaks.
pub(super) struct Breaks(pub(super) Shared);

impl Middleware for Breaks {
    fn inspect(&self, frame: &Frame, _: &Connection) -> Result<(), Error> {
        if !matches!(frame, Frame::Text(text) if text.contains("fine")) {
            self.0.reached("inspect");
        }
        Ok(())
    }

    async fn handle(&self, message: Message, next: Next<'_>) -> Result<(), Error> {
        let is_fine = message.name() == "fine";
        if !is_fine {
            self.0.reached("handle");
            self.0.stuck("stuck handle").await;
        }
        next.run(message).await?;
        if !is_fine {
            self.0.reached("handled");
        }
        Ok(())
    }
}

/// JSON in binary frames, as long as it says nothing of these three.
#[derive(Debug)]
pub(super) struct BinaryJson;

impl Serializer for BinaryJson {
    fn name(&self) -> &'static str {
        "binary-json"
    }

    fn encode(&self, json: &ByteString) -> Result<Frame, BoxError> {
        assert!(!json.contains("encoded"), "{SECRET}");
        if json.contains("inexpressible") {
            return Err("it has no words for that".into());
        }
        Ok(Frame::Binary(json.as_bytes().clone()))
    }

    fn decode(&self, bytes: Bytes) -> Result<ByteString, BoxError> {
        let json = ByteString::try_from(bytes)?;
        assert!(!json.contains("decoded"), "{SECRET}");
        Ok(json)
    }
}
