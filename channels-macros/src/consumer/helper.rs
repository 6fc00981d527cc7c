//! The attributes that mean something inside a consumer's block.

use syn::{Attribute, Meta, Path};

use crate::settings::split;

/// Which attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Accept,
    User,
    Authorize,
    Connect,
    On,
    OnText,
    OnBinary,
    Disconnect,
    Error,
    Validate,
    RateLimit,
    Idempotent,
}

impl Kind {
    const ALL: [Self; 12] = [
        Self::Accept,
        Self::User,
        Self::Authorize,
        Self::Connect,
        Self::On,
        Self::OnText,
        Self::OnBinary,
        Self::Disconnect,
        Self::Error,
        Self::Validate,
        Self::RateLimit,
        Self::Idempotent,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::User => "user",
            Self::Authorize => "authorize",
            Self::Connect => "connect",
            Self::On => "on",
            Self::OnText => "on_text",
            Self::OnBinary => "on_binary",
            Self::Disconnect => "disconnect",
            Self::Error => "error",
            Self::Validate => "validate",
            Self::RateLimit => "rate_limit",
            Self::Idempotent => "idempotent",
        }
    }

    /// Whether it says what a function is, rather than how it is called.
    pub(crate) fn is_role(self) -> bool {
        !matches!(self, Self::Validate | Self::RateLimit | Self::Idempotent)
    }
}

/// One helper attribute.
#[derive(Debug)]
pub(crate) struct Helper {
    pub(crate) kind: Kind,
    pub(crate) attribute: Attribute,
}

/// Tells the helper attributes from others, by the names that lead to the crate.
pub(crate) struct Helpers {
    krate: Path,
}

impl Helpers {
    pub(crate) fn of(krate: Path) -> Self {
        Self { krate }
    }

    /// Takes the helper attributes out of the attributes of a function, and each `cfg_attr` that
    /// hides one, or a condition.
    pub(crate) fn take_from(&self, attributes: &mut Vec<Attribute>) -> (Vec<Helper>, Vec<Attribute>) {
        let (mut helpers, mut hidden) = (Vec::new(), Vec::new());
        attributes.retain(|attribute| {
            if let Some(kind) = self.kind(attribute.path()) {
                helpers.push(Helper { kind, attribute: attribute.clone() });
                return false;
            }
            if self.hides(attribute) {
                hidden.push(attribute.clone());
                return false;
            }
            true
        });
        (helpers, hidden)
    }

    fn hides(&self, attribute: &Attribute) -> bool {
        let Meta::List(list) = &attribute.meta else { return false };
        attribute.path().is_ident("cfg_attr")
            && split(list.tokens.clone()).into_iter().skip(1).any(|inner| {
                let meta = syn::parse2::<Meta>(inner);
                meta.is_ok_and(|meta| meta.path().is_ident("cfg") || self.kind(meta.path()).is_some())
            })
    }

    /// `on`, `channels::on`, `channels::prelude::on`, or either under the crate's other name.
    fn kind(&self, path: &Path) -> Option<Kind> {
        let names: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        let (last, way) = names.split_last()?;
        let kind = Kind::ALL.into_iter().find(|kind| kind.name() == last)?;
        let way = way.strip_suffix(&["prelude".to_owned()]).unwrap_or(way);
        let is_crate = |krate: &Path| krate.segments.iter().map(|segment| &segment.ident).eq(way.iter());
        (way.is_empty() || way == ["channels"] || is_crate(&self.krate)).then_some(kind)
    }
}
