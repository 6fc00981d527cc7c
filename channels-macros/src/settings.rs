//! `name = value, name, …`: the inside of an attribute's parentheses.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Ident, LitStr, Path, Token};

use crate::errors::Errors;
use crate::names::suggestion;

/// One `name = value` or `name`; the value is left as tokens.
#[derive(Debug)]
pub(crate) struct Setting {
    pub(crate) name: Ident,
    pub(crate) value: Option<TokenStream>,
}

impl Setting {
    /// The value, parsed whole.
    pub(crate) fn parse<T>(&self, parser: impl Parser<Output = T>, expected: &str) -> syn::Result<T> {
        let Some(value) = &self.value else {
            return Err(syn::Error::new(self.name.span(), format!("`{}` needs a value: {expected}", self.name)));
        };
        if value.is_empty() {
            return Err(syn::Error::new(self.name.span(), format!("`{}` needs a value: {expected}", self.name)));
        }
        let wrong = |_| syn::Error::new_spanned(value, format!("expected {expected}"));
        parser.parse2(value.clone()).map_err(wrong)
    }

    /// The value as a string literal.
    pub(crate) fn text(&self, expected: &str) -> syn::Result<LitStr> {
        self.parse(|input: ParseStream<'_>| input.parse(), expected)
    }

    /// The value of `crate = path`.
    pub(crate) fn path(&self) -> syn::Result<Path> {
        self.parse(Path::parse_mod_style, "the path of the crate `channels`, such as `crate = my::channels`")
    }

    /// Refuses a value.
    pub(crate) fn bare(&self, errors: &mut Errors) {
        if let Some(value) = &self.value {
            errors.at(value, format!("`{}` takes no value", self.name));
        }
    }
}

/// A name that stands in quotes or without; from within quotes it bears their span.
pub(crate) fn quoted_or_not<T>(
    input: ParseStream<'_>,
    parser: fn(ParseStream<'_>) -> syn::Result<T>,
) -> syn::Result<T> {
    if input.peek(LitStr) { input.parse::<LitStr>()?.parse_with(parser) } else { parser(input) }
}

/// Splits at the commas. What is no setting is reported, the others are kept; so is a name that is not
/// `known`, or stands twice.
pub(crate) fn settings(tokens: TokenStream, known: &[&str], of: &str, errors: &mut Errors) -> Vec<Setting> {
    let mut found: Vec<Setting> = Vec::new();
    for part in split(tokens) {
        let Some(setting) = errors.take(setting.parse2(part)) else { continue };
        let name = setting.name.to_string();
        if !known.contains(&name.as_str()) {
            let hint = suggestion(&name, known.iter().copied());
            errors.at(&setting.name, format!("{of} has no option `{name}`; {hint}"));
        } else if found.iter().any(|other| other.name == setting.name) {
            errors.at(&setting.name, format!("`{name}` is set twice"));
        } else {
            found.push(setting);
        }
    }
    found
}

fn setting(input: ParseStream<'_>) -> syn::Result<Setting> {
    let expected = |error: syn::Error| syn::Error::new(error.span(), "expected `name = value`");
    let name = input.call(Ident::parse_any).map_err(expected)?;
    if input.is_empty() {
        return Ok(Setting { name, value: None });
    }
    input.parse::<Token![=]>().map_err(expected)?;
    Ok(Setting { name, value: Some(input.parse()?) })
}

/// The parts between commas that stand outside of `<…>`; empty ones are left out.
pub(crate) fn split(tokens: TokenStream) -> Vec<TokenStream> {
    let mut parts = vec![TokenStream::new()];
    let (mut depth, mut arrow) = (0_usize, false);
    for token in tokens {
        if let TokenTree::Punct(punct) = &token {
            match punct.as_char() {
                '<' => depth += 1,
                // The end of `->` closes nothing.
                '>' if !arrow => depth = depth.saturating_sub(1),
                ',' if depth == 0 => {
                    parts.push(TokenStream::new());
                    continue;
                }
                _ => {}
            }
            arrow = punct.as_char() == '-';
        }
        if let Some(part) = parts.last_mut() {
            token.to_tokens(part);
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

/// The path of the crate, where the user names none.
pub(crate) fn default_path() -> Path {
    let mut path = Path::from(Ident::new("channels", Span::call_site()));
    path.leading_colon = Some(Token![::](Span::call_site()));
    path
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use super::*;

    #[test]
    fn commas_inside_of_generics_split_nothing() {
        let parts = |tokens: &str| split(TokenStream::from_str(tokens).unwrap()).len();
        assert_eq!(parts("incoming = In<A, B>, outgoing = Out,"), 2);
        assert_eq!(parts("incoming = fn(A, B) -> C, state = [A; 2]"), 2);
        assert_eq!(parts(""), 0);
    }
}
