//! `#[channels(outbox = "…", key = …)]` on a variant.

use proc_macro2::{Ident, TokenStream};
use quote::{quote, quote_spanned};
use syn::parse::ParseStream;
use syn::punctuated::Punctuated;
use syn::{Member, Token, bracketed, token};

use crate::errors::Errors;
use crate::outbox::Policy;
use crate::private::{Private, ends};
use crate::settings::{Setting, quoted_or_not};

/// What a message says of itself.
pub(crate) struct Outbox {
    policy: Policy,
    key: Vec<Field>,
}

/// A field of the payload, or of a field of it. As tokens of the user's, so that what rustc has to say of it is said there.
type Field = Punctuated<Member, Token![.]>;

impl Outbox {
    /// Reads it from a variant's settings; `carries` is whether the variant has a payload.
    pub(crate) fn parse(settings: &[Setting], carries: bool, errors: &mut Errors) -> Option<Self> {
        let find = |name: &str| settings.iter().find(|setting| setting.name == name);
        let policy = find("outbox").map(|setting| (setting, errors.take(Policy::of(setting))));
        let key = find("key").map(|setting| (setting, errors.take(fields(setting)).unwrap_or_default()));
        if let Some((setting, _)) = &key {
            match &policy {
                None => errors.at(
                    &setting.name,
                    "`key` says which messages take each other's place: it needs `outbox = \"latest\"` beside it",
                ),
                Some((_, Some(Policy::Close | Policy::DropNewest))) => {
                    errors.at(&setting.name, "only with `outbox = \"latest\"` does a message take another's place");
                }
                Some(_) if !carries => errors.at(&setting.name, "the message carries nothing that has fields"),
                Some(_) => {}
            }
        }
        let policy = policy?.1?;
        let key = key.map(|(_, fields)| fields).filter(|_| carries);
        Some(Self { policy, key: key.unwrap_or_default() })
    }

    /// The local that the payload has to be in, where its fields are needed. It stands where the key does: an expression of
    /// tokens from two places would be underlined at neither.
    pub(crate) fn payload(&self) -> Option<Ident> {
        let (first, _) = ends(self.key.first()?);
        Some(Ident::new("__payload", first))
    }

    /// The expression that makes it, for the message of this name.
    pub(crate) fn expand(&self, name: &str, krate: &Private) -> TokenStream {
        let variant = self.policy.variant();
        if self.policy != Policy::Latest {
            return quote!(::core::result::Result::Ok(#krate::MessagePolicy::#variant));
        }
        let payload = self.payload();
        let fields = self.key.iter().map(|field| {
            let (first, last) = ends(field);
            let field = quote_spanned!(last=> (&#payload.#field));
            quote_spanned!(first=> .field #field)
        });
        quote!(#krate::KeyFields::of(#name) #(#fields)* .key().map(#krate::MessagePolicy::#variant))
    }
}

fn fields(setting: &Setting) -> syn::Result<Vec<Field>> {
    let field = |input: ParseStream<'_>| quoted_or_not(input, Field::parse_separated_nonempty);
    let several = |input: ParseStream<'_>| {
        if !input.peek(token::Bracket) {
            return Ok(vec![field(input)?]);
        }
        let inside;
        bracketed!(inside in input);
        let fields = Punctuated::<Field, Token![,]>::parse_terminated_with(&inside, field)?;
        if fields.is_empty() { Err(inside.error("none")) } else { Ok(fields.into_iter().collect()) }
    };
    setting.parse(several, "a field of the payload, such as `user`, or several: `[room, user]`")
}
