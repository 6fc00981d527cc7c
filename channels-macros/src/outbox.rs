//! `outbox = "…"`, of a consumer and of a message.

use proc_macro2::{Ident, Span};

use crate::names::suggestion;
use crate::settings::Setting;

/// What happens where a client is too slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    Close,
    DropNewest,
    Latest,
}

impl Policy {
    const ALL: [(&'static str, Self); 3] =
        [("close", Self::Close), ("drop_newest", Self::DropNewest), ("latest", Self::Latest)];

    pub(crate) fn of(setting: &Setting) -> syn::Result<Self> {
        let literal = setting.text("a policy in quotes, such as `\"drop_newest\"`")?;
        let stated = literal.value();
        let found = Self::ALL.iter().find(|(name, _)| *name == stated);
        found.map(|(_, policy)| *policy).ok_or_else(|| {
            let hint = suggestion(&stated, Self::ALL.map(|(name, _)| name));
            syn::Error::new(literal.span(), format!("unknown policy; {hint}"))
        })
    }

    /// The variant that it is of `OutboxPolicy` and of `MessagePolicy`.
    pub(crate) fn variant(self) -> Ident {
        let name = match self {
            Self::Close => "Close",
            Self::DropNewest => "DropNewest",
            Self::Latest => "Latest",
        };
        Ident::new(name, Span::call_site())
    }
}
