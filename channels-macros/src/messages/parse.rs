//! From tokens to the checked enum.

use proc_macro2::TokenStream;
use syn::spanned::Spanned;
use syn::{Data, DataEnum, DeriveInput, Fields, GenericParam, Type};

use super::attributes::{self, Container, Stated};
use super::model::{Messages, Variant};
use crate::errors::Errors;
use crate::names::{Direction, refusal};

/// Reads an enum; what is wrong in it is reported, and what is right is kept.
pub(crate) fn messages(input: TokenStream, direction: Direction, errors: &mut Errors) -> Option<Messages> {
    let input: DeriveInput = errors.take(syn::parse2(input))?;
    let container = Container::parse(&input.attrs, errors);
    for parameter in &input.generics.params {
        if let (GenericParam::Lifetime(lifetime), Direction::Incoming) = (parameter, direction) {
            errors.at(lifetime, "an incoming message owns what it carries: it has no lifetimes");
        }
    }
    let variants = match &input.data {
        Data::Enum(data) => variants(data, &container, direction, errors),
        Data::Struct(data) => {
            errors.at(data.struct_token, "messages are the variants of an enum; a struct is the payload of one");
            Vec::new()
        }
        Data::Union(data) => {
            errors.at(data.union_token, "messages are the variants of an enum");
            Vec::new()
        }
    };
    let (krate, layout) = (container.krate, container.layout);
    Some(Messages { krate, ident: input.ident, generics: input.generics, layout, variants })
}

fn variants(data: &DataEnum, container: &Container, direction: Direction, errors: &mut Errors) -> Vec<Variant> {
    let mut variants: Vec<Variant> = Vec::new();
    for variant in &data.variants {
        let payload = payload(&variant.fields, errors);
        let carries = !matches!(payload, Some(None));
        let Stated { name, outbox } = Stated::parse(&variant.attrs, carries, direction, errors);
        let span = name.as_ref().map_or_else(|| variant.ident.span(), Spanned::span);
        let name = name.map_or_else(|| container.case.apply(&variant.ident), |name| name.value());
        if let Some(words) = refusal(&name, direction) {
            errors.push(syn::Error::new(span, words));
        } else if let Some(other) = variants.iter().find(|other| other.name == name) {
            let words = format!("`{}` has the name `{name}` already", other.ident);
            errors.push(syn::Error::new(span, words));
        }
        if let Some(payload) = payload {
            variants.push(Variant { ident: variant.ident.clone(), name, payload, outbox });
        }
    }
    variants
}

/// What a variant carries; `None` where that is reported.
fn payload(fields: &Fields, errors: &mut Errors) -> Option<Option<Type>> {
    for field in fields {
        attributes::none(&field.attrs, errors);
    }
    match fields {
        Fields::Unit => Some(None),
        Fields::Unnamed(unnamed) => {
            let mut fields = unnamed.unnamed.iter();
            match (fields.next(), fields.next()) {
                (None, _) => Some(None),
                (Some(field), None) => Some(Some(field.ty.clone())),
                (Some(_), Some(_)) => {
                    errors.at(unnamed, "a message carries one payload: put the fields into a struct");
                    None
                }
            }
        }
        Fields::Named(named) => {
            errors.at(named, "a message carries one payload: put the fields into a struct, as in `Join(Join)`");
            None
        }
    }
}
