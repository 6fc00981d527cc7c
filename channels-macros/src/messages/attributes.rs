//! `#[channels(…)]` on an enum and on its variants.

use quote::quote;
use syn::{Attribute, LitStr, Meta, Path};

use super::model::Layout;
use super::outbox::Outbox;
use crate::errors::Errors;
use crate::names::{Case, Direction, suggestion};
use crate::settings::{Setting, default_path, settings};

/// Members of the envelope that have a meaning already, or are kept for one.
const RESERVED: [&str; 8] = ["id", "re", "metadata", "ttl_seconds", "priority", "group", "seq", "epoch"];

/// What an enum says of itself.
pub(crate) struct Container {
    pub(crate) krate: Path,
    pub(crate) case: Case,
    pub(crate) layout: Layout,
}

impl Container {
    pub(crate) fn parse(attributes: &[Attribute], errors: &mut Errors) -> Self {
        const KNOWN: [&str; 5] = ["rename_all", "tag", "content", "flat", "crate"];
        let mut container = Self {
            krate: default_path(),
            case: Case::default(),
            layout: Layout { tag: "type".into(), content: Some("data".into()) },
        };
        let (mut tag, mut content, mut flat) = (None, None, None);
        for setting in inside(attributes, &KNOWN, "an enum of messages", errors) {
            match setting.name.to_string().as_str() {
                "rename_all" => {
                    if let Some(case) = errors.take(case(&setting)) {
                        container.case = case;
                    }
                }
                "tag" => tag = errors.take(member(&setting)),
                "content" => content = errors.take(member(&setting)),
                "flat" => {
                    setting.bare(errors);
                    flat = Some(setting.name);
                }
                _ => {
                    if let Some(path) = errors.take(setting.path()) {
                        container.krate = path;
                    }
                }
            }
        }
        if let Some(tag) = &tag {
            container.layout.tag = tag.value();
        }
        match (&content, flat) {
            (Some(content), Some(_)) => errors.at(content, "there is no `content` where the envelope is `flat`"),
            (Some(content), None) => container.layout.content = Some(content.value()),
            (None, Some(_)) => container.layout.content = None,
            (None, None) => {}
        }
        if container.layout.content.as_ref() == Some(&container.layout.tag) {
            let words = format!("the name and the payload cannot both stand under `{}`", container.layout.tag);
            errors.at(content.or(tag), words);
        }
        container
    }
}

/// What a variant says of itself.
pub(crate) struct Stated {
    pub(crate) name: Option<LitStr>,
    pub(crate) outbox: Option<Outbox>,
}

impl Stated {
    /// Of a variant that carries something or not.
    pub(crate) fn parse(attributes: &[Attribute], carries: bool, direction: Direction, errors: &mut Errors) -> Self {
        let known: &[&str] = match direction {
            Direction::Incoming => &["rename"],
            Direction::Outgoing => &["rename", "outbox", "key"],
        };
        let settings = inside(attributes, known, "a message", errors);
        let rename = settings.iter().find(|setting| setting.name == "rename");
        let name = |setting: &Setting| setting.text("a name in quotes, such as `\"chat.message\"`");
        let name = rename.and_then(|setting| errors.take(name(setting)));
        Self { name, outbox: Outbox::parse(&settings, carries, errors) }
    }
}

/// Refuses `#[channels(…)]` where it means nothing.
pub(crate) fn none(attributes: &[Attribute], errors: &mut Errors) {
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("channels")) {
        errors.at(attribute, "`#[channels(…)]` goes on the enum or on a variant");
    }
}

fn inside(attributes: &[Attribute], known: &[&str], of: &str, errors: &mut Errors) -> Vec<Setting> {
    let mut tokens = proc_macro2::TokenStream::new();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("channels")) {
        match &attribute.meta {
            Meta::List(list) => {
                let inside = &list.tokens;
                tokens.extend(quote!(#inside,));
            }
            other => errors.at(other, "expected `#[channels(…)]`"),
        }
    }
    settings(tokens, known, of, errors)
}

fn case(setting: &Setting) -> syn::Result<Case> {
    let literal = setting.text("a case in quotes, such as `\"camelCase\"`")?;
    Case::of(&literal.value()).ok_or_else(|| {
        let stated = literal.value();
        let hint = suggestion(&stated, Case::ALL.map(|(name, _)| name));
        syn::Error::new(literal.span(), format!("unknown case; {hint}"))
    })
}

fn member(setting: &Setting) -> syn::Result<LitStr> {
    let literal = setting.text("the name of a member in quotes, such as `\"event\"`")?;
    let name = literal.value();
    if name.is_empty() {
        return Err(syn::Error::new(literal.span(), "a member's name cannot be empty"));
    }
    if RESERVED.contains(&name.as_str()) {
        return Err(syn::Error::new(literal.span(), format!("the member `{name}` is the framework's")));
    }
    Ok(literal)
}
