//! What happens to a message that a client takes too slowly.

use bytestring::ByteString;
use serde::Serialize;

use crate::error::{BoxError, Error};

/// The longest [`Key`], in bytes.
pub const MAX_KEY_BYTES: usize = 1024;

/// What a consumer does where a client takes its messages too slowly: `#[consumer(outbox = "…")]` or
/// [`Serve::outbox_policy`](crate::Serve::outbox_policy). What a message says of itself, `#[channels(outbox = "…")]`
/// on its variant, goes before. [The guide](crate::docs::slow_clients) says which is for what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OutboxPolicy {
    /// The connection is closed with 4413: the client reconnects and asks for what it missed. Over TCP and Unix sockets
    /// that happens only where the socket takes no more; over TLS and HTTP/2, whose writer is a task, also where
    /// more is sent at once than the outbox holds.
    #[default]
    Close,
    /// The new message is dropped, counted, and the client told by `$dropped` where it negotiated
    /// the extras. Answers to requests and errors are never dropped: they may take as much room again as the outbox has,
    /// and what does not fit even so closes the connection.
    DropNewest,
    /// A message to a group, a user or everybody takes the place of one of the same type to the same that still
    /// waits, though there may be room for both. What does not fit even so closes the connection, and so does what is
    /// sent to the connection alone, such as replies and by `send_to_connection`: they are never conflated.
    Latest,
}

/// What a message says of itself, see [`Outgoing::outbox`](super::Outgoing::outbox).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum MessagePolicy {
    /// Nothing: the [`OutboxPolicy`] of the consumer holds.
    #[default]
    OfConsumer,
    /// As [`OutboxPolicy::Close`].
    Close,
    /// As [`OutboxPolicy::DropNewest`].
    DropNewest,
    /// It takes the place of one with the same key, to the same group, user or connection, that still waits; what does
    /// not fit even so closes the connection.
    Latest(Key),
}

/// What a message is about: of those with the same only the latest matters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key(ByteString);

impl Key {
    /// The key of a message by its name and the values of some of its fields, which are told apart as JSON.
    ///
    /// # Errors
    ///
    /// `SYSTEM_ERROR` where a field's `Serialize` fails, or the key has more than [`MAX_KEY_BYTES`].
    ///
    /// ```
    /// use channels::message::Key;
    ///
    /// assert_eq!(Key::new("price", &("ACME",)).unwrap(), Key::new("price", &("ACME",)).unwrap());
    /// assert_ne!(Key::new("price", &("ACME",)).unwrap(), Key::new("cursor", &("ACME",)).unwrap());
    /// assert!(Key::new("price", &("A".repeat(2000),)).is_err());
    /// ```
    pub fn new(name: &str, fields: &impl Serialize) -> Result<Self, Error> {
        let json = serde_json::to_string(&(name, fields)).map_err(wrong)?;
        Self::checked(json.into()).ok_or_else(|| wrong(format!("it has more than {MAX_KEY_BYTES} bytes")))
    }

    /// One that was made elsewhere.
    pub(crate) fn checked(key: ByteString) -> Option<Self> {
        (key.len() <= MAX_KEY_BYTES).then_some(Self(key))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

fn wrong(error: impl Into<BoxError>) -> Error {
    Error::internal(error).with_component("the key of a message")
}

/// Makes a key field by field, so that what cannot be one is underlined by itself.
#[doc(hidden)]
#[derive(Debug)]
pub struct KeyFields<'a> {
    name: &'a str,
    fields: Result<Vec<u8>, serde_json::Error>,
}

impl<'a> KeyFields<'a> {
    /// Of the message with this name.
    pub const fn of(name: &'a str) -> Self {
        Self { name, fields: Ok(Vec::new()) }
    }

    /// One more.
    #[must_use]
    pub fn field<F: KeyField + ?Sized>(mut self, field: &F) -> Self {
        if let Ok(fields) = &mut self.fields {
            fields.push(if fields.is_empty() { b'[' } else { b',' });
            if let Err(error) = serde_json::to_writer(fields, field) {
                self.fields = Err(error);
            }
        }
        self
    }

    /// The key.
    ///
    /// # Errors
    ///
    /// As [`Key::new`].
    pub fn key(self) -> Result<Key, Error> {
        let mut fields = self.fields.map_err(wrong)?;
        if fields.is_empty() {
            return Key::new(self.name, &());
        }
        fields.push(b']');
        let fields = String::from_utf8(fields).map_err(wrong)?;
        Key::new(self.name, &serde_json::value::RawValue::from_string(fields).map_err(wrong)?)
    }
}

/// A field that a key can be made of.
#[doc(hidden)]
#[diagnostic::on_unimplemented(message = "`{Self}` cannot be part of a key", label = "needs `#[derive(Serialize)]`")]
pub trait KeyField: Serialize {}

#[diagnostic::do_not_recommend]
impl<F: Serialize + ?Sized> KeyField for F {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_sets_of_fields_have_one_key() {
        let keys = [
            Key::new("a", &()),
            Key::new("a", &("",)),
            Key::new("a", &("b", "c")),
            Key::new("a", &("bc", "")),
            Key::new("a", &("b,c",)),
            Key::new("a", &("1",)),
            Key::new("a", &(1,)),
            Key::new("ab", &()),
        ];
        let keys: std::collections::HashSet<_> = keys.into_iter().map(Result::unwrap).collect();
        assert_eq!(keys.len(), 8);
    }
}
