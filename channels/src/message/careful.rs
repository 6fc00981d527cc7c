//! Reading a payload so that whatever is wrong with it is said by a [`Fault`], which knows where it is and repeats no value.
//!
//! serde_json writes its words into a string of any length, with the whole value in them, escaped: of ten megabytes
//! sixty. So each visitor is wrapped in one whose errors are faults, which pass serde_json aside; and what it would say by
//! itself, where a string stands in the place of something else, is found out before it is asked. Nothing else is
//! different: what serde_json takes, this takes.

use std::cell::{Cell, RefCell};
use std::fmt;

use serde::Deserialize;
use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error as _, MapAccess, SeqAccess, Unexpected,
    VariantAccess, Visitor,
};
use serde_json::value::RawValue;

use super::fault::{Fault, Step};
use crate::error::shown;

/// As [`serde_json::from_str`].
pub(crate) fn read<P: DeserializeOwned>(json: &str) -> Result<P, Fault> {
    let aside = Aside::default();
    let mut from = serde_json::Deserializer::from_str(json);
    let payload = P::deserialize(Careful { inner: &mut from, aside: &aside, key: None })?;
    from.end().map_err(|error| Fault::of_json(&error))?;
    Ok(payload)
}

/// Where a fault is while serde_json carries an error without words.
#[derive(Default)]
struct Aside(Cell<Option<Fault>>);

impl Aside {
    fn out<T, E: serde::de::Error>(&self, outcome: Result<T, Fault>) -> Result<T, E> {
        outcome.map_err(|fault| {
            self.0.set(Some(fault));
            E::custom("")
        })
    }

    fn back<T, E: fmt::Display>(&self, outcome: Result<T, E>) -> Result<T, Fault> {
        outcome.map_err(|error| self.0.take().unwrap_or_else(|| Fault::of_json(&error)))
    }
}

/// What a type asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    Any,
    Text,
    Seq,
    Map,
    /// A map or a sequence.
    Struct,
    /// A text or a map.
    Enum,
}

impl Asked {
    fn is_for(self, found: Self) -> bool {
        self == Self::Any || self == found || matches!((self, found), (Self::Struct, Self::Seq | Self::Map))
    }
}

/// A deserializer of serde_json's.
struct Careful<'s, D> {
    inner: D,
    aside: &'s Aside,
    /// Where the name of a key is noted, if this is one. It is always a text, also where a number is asked for.
    key: Option<&'s RefCell<String>>,
}

impl<'s, D> Careful<'s, D> {
    fn guarded<V>(&self, visitor: V, asked: Asked) -> Guarded<'s, V> {
        Guarded { visitor, asked, aside: self.aside, key: self.key }
    }

    /// What is a number, a truth or nothing is looked at first: serde_json would repeat a text that stands in its place.
    fn unless_a_text<'de, V: Visitor<'de>>(
        self,
        visitor: V,
        read: impl FnOnce(&mut FromText<'de>, Guarded<'s, V>) -> serde_json::Result<V::Value>,
    ) -> Result<V::Value, Fault>
    where
        D: Deserializer<'de>,
    {
        let aside = self.aside;
        let value: &'de RawValue = aside.back(Deserialize::deserialize(self.inner))?;
        if value.get().starts_with('"') {
            return Err(Fault::invalid_type(Unexpected::Str(""), &visitor));
        }
        let mut from = serde_json::Deserializer::from_str(value.get());
        let visitor = Guarded { visitor, asked: Asked::Any, aside, key: None };
        let read = aside.back(read(&mut from, visitor))?;
        aside.back(from.end())?;
        Ok(read)
    }
}

type FromText<'de> = serde_json::Deserializer<serde_json::de::StrRead<'de>>;

/// By what is there, where it is what was asked for.
macro_rules! by_what_is_there {
    ($($method:ident($($name:ident: $type:ty),*) asks $asked:ident;)*) => { $(
        fn $method<V: Visitor<'de>>(self, $($name: $type,)* visitor: V) -> Result<V::Value, Fault> {
            $(let _ = $name;)*
            let visitor = self.guarded(visitor, Asked::$asked);
            self.aside.back(self.inner.deserialize_any(visitor))
        }
    )* };
}

/// Of a key, where a number is asked for, serde_json says nothing but that it is none.
macro_rules! unless_a_text {
    ($($method:ident($($name:ident: $type:ty),*);)*) => { $(
        fn $method<V: Visitor<'de>>(self, $($name: $type,)* visitor: V) -> Result<V::Value, Fault> {
            if self.key.is_some() {
                let visitor = self.guarded(visitor, Asked::Any);
                return self.aside.back(self.inner.$method($($name,)* visitor));
            }
            self.unless_a_text(visitor, |from, visitor| from.$method($($name,)* visitor))
        }
    )* };
}

/// As serde_json does it, which says nothing of a value here.
macro_rules! as_ever {
    ($($method:ident($($name:ident: $type:ty),*);)*) => { $(
        fn $method<V: Visitor<'de>>(self, $($name: $type,)* visitor: V) -> Result<V::Value, Fault> {
            let visitor = self.guarded(visitor, Asked::Any);
            self.aside.back(self.inner.$method($($name,)* visitor))
        }
    )* };
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Careful<'_, D> {
    type Error = Fault;

    by_what_is_there! {
        deserialize_any() asks Any;
        deserialize_char() asks Text;
        deserialize_str() asks Text;
        deserialize_string() asks Text;
        deserialize_identifier() asks Text;
        deserialize_seq() asks Seq;
        deserialize_tuple(len: usize) asks Seq;
        deserialize_tuple_struct(name: &'static str, len: usize) asks Seq;
        deserialize_map() asks Map;
        deserialize_struct(name: &'static str, fields: &'static [&'static str]) asks Struct;
        deserialize_enum(name: &'static str, variants: &'static [&'static str]) asks Enum;
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        if self.key.is_some() {
            return self.deserialize_any(TruthKey(visitor));
        }
        self.unless_a_text(visitor, |from, visitor| from.deserialize_bool(visitor))
    }

    unless_a_text! {
        deserialize_i8();
        deserialize_i16();
        deserialize_i32();
        deserialize_i64();
        deserialize_i128();
        deserialize_u8();
        deserialize_u16();
        deserialize_u32();
        deserialize_u64();
        deserialize_u128();
        deserialize_f32();
        deserialize_f64();
        deserialize_unit();
        deserialize_unit_struct(name: &'static str);
    }

    as_ever! {
        deserialize_bytes();
        deserialize_byte_buf();
        deserialize_option();
        deserialize_newtype_struct(name: &'static str);
        deserialize_ignored_any();
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

/// A visitor that says what is wrong by a fault.
struct Guarded<'s, V> {
    visitor: V,
    asked: Asked,
    aside: &'s Aside,
    key: Option<&'s RefCell<String>>,
}

impl<V> Guarded<'_, V> {
    fn note(&self, key: fmt::Arguments<'_>) {
        if let Some(place) = self.key {
            *place.borrow_mut() = shown(&key, MAX_NOTED_BYTES);
        }
    }
}

/// More of a key than is ever shown.
const MAX_NOTED_BYTES: usize = 256;

macro_rules! values {
    ($($method:ident($type:ty) is $found:ident, $unexpected:expr;)*) => { $(
        fn $method<E: serde::de::Error>(self, value: $type) -> Result<V::Value, E> {
            self.note(format_args!("{value:?}"));
            let outcome = if self.asked.is_for(Asked::$found) {
                self.visitor.$method(value)
            } else {
                Err(Fault::invalid_type($unexpected(value), &self.visitor))
            };
            self.aside.out(outcome)
        }
    )* };
}

macro_rules! texts {
    ($($method:ident($type:ty);)*) => { $(
        fn $method<E: serde::de::Error>(self, text: $type) -> Result<V::Value, E> {
            self.note(format_args!("{text}"));
            let outcome = match self.asked {
                Asked::Any | Asked::Text => self.visitor.$method(text),
                Asked::Enum => self.visitor.visit_enum(StrDeserializer::new(&text)),
                _ => Err(Fault::invalid_type(Unexpected::Str(""), &self.visitor)),
            };
            self.aside.out(outcome)
        }
    )* };
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Guarded<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    values! {
        visit_bool(bool) is Any, Unexpected::Bool;
        visit_i8(i8) is Any, |value: i8| Unexpected::Signed(value.into());
        visit_i16(i16) is Any, |value: i16| Unexpected::Signed(value.into());
        visit_i32(i32) is Any, |value: i32| Unexpected::Signed(value.into());
        visit_i64(i64) is Any, Unexpected::Signed;
        visit_i128(i128) is Any, |_| Unexpected::Other("integer");
        visit_u8(u8) is Any, |value: u8| Unexpected::Unsigned(value.into());
        visit_u16(u16) is Any, |value: u16| Unexpected::Unsigned(value.into());
        visit_u32(u32) is Any, |value: u32| Unexpected::Unsigned(value.into());
        visit_u64(u64) is Any, Unexpected::Unsigned;
        visit_u128(u128) is Any, |_| Unexpected::Other("integer");
        visit_f32(f32) is Any, |value: f32| Unexpected::Float(value.into());
        visit_f64(f64) is Any, Unexpected::Float;
        visit_char(char) is Text, Unexpected::Char;
        visit_bytes(&[u8]) is Any, Unexpected::Bytes;
        visit_borrowed_bytes(&'de [u8]) is Any, Unexpected::Bytes;
    }

    texts! {
        visit_str(&str);
        visit_borrowed_str(&'de str);
        visit_string(String);
    }

    fn visit_byte_buf<E: serde::de::Error>(self, bytes: Vec<u8>) -> Result<V::Value, E> {
        self.aside.out(self.visitor.visit_byte_buf(bytes))
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<V::Value, E> {
        let outcome = if self.asked.is_for(Asked::Any) {
            self.visitor.visit_unit()
        } else {
            Err(Fault::invalid_type(Unexpected::Unit, &self.visitor))
        };
        self.aside.out(outcome)
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<V::Value, E> {
        self.aside.out(self.visitor.visit_none())
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        let inner = Careful { inner, aside: self.aside, key: self.key };
        self.aside.out(self.visitor.visit_some(inner))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        let inner = Careful { inner, aside: self.aside, key: self.key };
        self.aside.out(self.visitor.visit_newtype_struct(inner))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        let outcome = if self.asked.is_for(Asked::Seq) {
            self.visitor.visit_seq(Elements { inner, aside: self.aside, index: 0 })
        } else {
            Err(Fault::invalid_type(Unexpected::Seq, &self.visitor))
        };
        self.aside.out(outcome)
    }

    fn visit_map<A: MapAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        let members = Members { inner, aside: self.aside, key: RefCell::default() };
        let outcome = match self.asked {
            Asked::Enum => self.visitor.visit_enum(Variant(members)),
            asked if asked.is_for(Asked::Map) => self.visitor.visit_map(members),
            _ => Err(Fault::invalid_type(Unexpected::Map, &self.visitor)),
        };
        self.aside.out(outcome)
    }
}

/// A key that is a truth. It is read as a text: serde_json would repeat the whole key where it is none.
struct TruthKey<V>(V);

impl<'de, V: Visitor<'de>> Visitor<'de> for TruthKey<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, key: &'de str) -> Result<V::Value, E> {
        match key {
            "true" => self.0.visit_bool(true),
            "false" => self.0.visit_bool(false),
            _ => self.visit_str(key),
        }
    }

    /// Nor is one that is written with escapes a truth to serde_json.
    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<V::Value, E> {
        Err(E::invalid_type(Unexpected::Str(""), &self.0))
    }
}

/// What an element, a key or a value is read by.
struct Seed<'s, S> {
    seed: S,
    aside: &'s Aside,
    key: Option<&'s RefCell<String>>,
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Seed<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<S::Value, D::Error> {
        self.aside.out(self.seed.deserialize(Careful { inner, aside: self.aside, key: self.key }))
    }
}

struct Elements<'s, A> {
    inner: A,
    aside: &'s Aside,
    index: usize,
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Elements<'_, A> {
    type Error = Fault;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Fault> {
        let next = self.inner.next_element_seed(Seed { seed, aside: self.aside, key: None });
        let index = self.index;
        self.index += 1;
        self.aside.back(next).map_err(|fault| fault.below(Step::Index(index)))
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

struct Members<'s, A> {
    inner: A,
    aside: &'s Aside,
    key: RefCell<String>,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Members<'_, A> {
    type Error = Fault;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Fault> {
        self.key.borrow_mut().clear();
        let next = self.inner.next_key_seed(Seed { seed, aside: self.aside, key: Some(&self.key) });
        self.aside.back(next)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Fault> {
        let value = self.inner.next_value_seed(Seed { seed, aside: self.aside, key: None });
        self.aside.back(value).map_err(|fault| fault.below(Step::key(&self.key.borrow())))
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

/// A map of one member, whose key is the variant. That there is no second one is serde_json's to see.
struct Variant<'s, A>(Members<'s, A>);

impl<'de, A: MapAccess<'de>> EnumAccess<'de> for Variant<'_, A> {
    type Error = Fault;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(mut self, seed: S) -> Result<(S::Value, Self), Fault> {
        match self.0.next_key_seed(seed)? {
            Some(variant) => Ok((variant, self)),
            None => Err(Fault::invalid_type(Unexpected::Map, &"a variant")),
        }
    }
}

impl<'de, A: MapAccess<'de>> VariantAccess<'de> for Variant<'_, A> {
    type Error = Fault;

    fn unit_variant(mut self) -> Result<(), Fault> {
        self.0.next_value()
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(mut self, seed: S) -> Result<S::Value, Fault> {
        self.0.next_value_seed(seed)
    }

    fn tuple_variant<V: Visitor<'de>>(mut self, _len: usize, visitor: V) -> Result<V::Value, Fault> {
        self.0.next_value_seed(Content { visitor, fields: None })
    }

    fn struct_variant<V: Visitor<'de>>(
        mut self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.0.next_value_seed(Content { visitor, fields: Some(fields) })
    }
}

/// What a variant has: fields with names or without.
struct Content<V> {
    visitor: V,
    fields: Option<&'static [&'static str]>,
}

impl<'de, V: Visitor<'de>> DeserializeSeed<'de> for Content<V> {
    type Value = V::Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<V::Value, D::Error> {
        match self.fields {
            Some(fields) => from.deserialize_struct("", fields, self.visitor),
            None => from.deserialize_seq(self.visitor),
        }
    }
}
