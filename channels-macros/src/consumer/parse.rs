//! The impl block as syntax. Bodies stay untouched tokens: what is half-typed in them comes out as it
//! went in, and an editor completes it.

use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, TokenStreamExt, quote};
use syn::parse::discouraged::Speculative;
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Generics, ImplItem, Path, Signature, Token, Type, Visibility, braced, token};

use super::helper::{Helper, Helpers};

/// What `#[consumer]` stands on.
pub(crate) struct Block {
    attributes: Vec<Attribute>,
    unsafety: Option<Token![unsafe]>,
    pub(crate) impl_token: Token![impl],
    pub(crate) generics: Generics,
    /// Of an impl of a trait, which a consumer is not.
    pub(crate) trait_: Option<(Path, Token![for])>,
    pub(crate) self_ty: Type,
    brace: token::Brace,
    inner: Vec<Attribute>,
    pub(crate) items: Vec<Item>,
}

/// What stands in the block.
pub(crate) enum Item {
    Method(Box<Method>),
    /// A constant, a type, a macro, or something half-typed.
    Other(TokenStream),
}

/// A function, its helper attributes taken off.
pub(crate) struct Method {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) helpers: Vec<Helper>,
    /// Each `cfg_attr` that has a helper attribute, or a condition, inside.
    pub(crate) hidden: Vec<Attribute>,
    visibility: Visibility,
    defaultness: Option<Token![default]>,
    pub(crate) signature: Signature,
    body: TokenTree,
}

impl Block {
    /// Whether this could be an impl block at all.
    pub(crate) fn starts(input: ParseStream<'_>) -> bool {
        let fork = input.fork();
        let _ = fork.call(Attribute::parse_outer);
        let _: Result<Option<Token![unsafe]>, _> = fork.parse();
        fork.peek(Token![impl])
    }

    pub(crate) fn parse(input: ParseStream<'_>, helpers: &Helpers) -> syn::Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        let unsafety = input.parse()?;
        let impl_token = input.parse()?;
        let mut generics: Generics = if input.peek(Token![<]) { input.parse()? } else { Generics::default() };
        let mut self_ty: Type = input.parse()?;
        let mut trait_ = None;
        if let Some(for_token) = input.parse::<Option<Token![for]>>()? {
            let Type::Path(path) = self_ty else {
                return Err(syn::Error::new_spanned(self_ty, "expected a trait"));
            };
            trait_ = Some((path.path, for_token));
            self_ty = input.parse()?;
        }
        generics.where_clause = input.parse()?;
        let content;
        let brace = braced!(content in input);
        let inner = content.call(Attribute::parse_inner)?;
        let mut items = Vec::new();
        while !content.is_empty() {
            items.push(Item::parse(&content, helpers)?);
        }
        Ok(Self { attributes, unsafety, impl_token, generics, trait_, self_ty, brace, inner, items })
    }
}

impl Item {
    fn parse(input: ParseStream<'_>, helpers: &Helpers) -> syn::Result<Self> {
        let fork = input.fork();
        if let Ok(method) = Method::parse(&fork, helpers) {
            input.advance_to(&fork);
            return Ok(Self::Method(Box::new(method)));
        }
        let fork = input.fork();
        if let Ok(item) = ImplItem::parse(&fork) {
            input.advance_to(&fork);
            return Ok(Self::Other(item.into_token_stream()));
        }
        rest_of_item(input).map(Self::Other)
    }
}

impl Method {
    fn parse(input: ParseStream<'_>, known: &Helpers) -> syn::Result<Self> {
        let mut attributes = input.call(Attribute::parse_outer)?;
        let (helpers, hidden) = known.take_from(&mut attributes);
        let visibility = input.parse()?;
        let defaultness = if input.peek(Token![default]) { Some(input.parse()?) } else { None };
        let signature = input.parse()?;
        let body: TokenTree = input.parse()?;
        match &body {
            TokenTree::Group(_) => {}
            TokenTree::Punct(punct) if punct.as_char() == ';' => {}
            other => return Err(syn::Error::new(other.span(), "expected a body")),
        }
        Ok(Self { attributes, helpers, hidden, visibility, defaultness, signature, body })
    }
}

/// Tokens up to the first braces or semicolon: what no grammar knows, such as the item under the cursor.
fn rest_of_item(input: ParseStream<'_>) -> syn::Result<TokenStream> {
    let mut tokens = TokenStream::new();
    while !input.is_empty() {
        let token: TokenTree = input.parse()?;
        let is_last = match &token {
            TokenTree::Group(group) => group.delimiter() == proc_macro2::Delimiter::Brace,
            TokenTree::Punct(punct) => punct.as_char() == ';',
            TokenTree::Ident(_) | TokenTree::Literal(_) => false,
        };
        tokens.append(token);
        if is_last {
            break;
        }
    }
    Ok(tokens)
}

/// The block without the helper attributes.
impl ToTokens for Block {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self { attributes, unsafety, impl_token, generics, trait_, self_ty, brace, inner, items } = self;
        let trait_ = trait_.as_ref().map(|(path, for_token)| quote!(#path #for_token));
        let where_clause = &generics.where_clause;
        tokens.append_all(quote!(#(#attributes)* #unsafety #impl_token #generics #trait_ #self_ty #where_clause));
        brace.surround(tokens, |tokens| tokens.append_all(quote!(#(#inner)* #(#items)*)));
    }
}

impl ToTokens for Item {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match self {
            Self::Method(method) => method.to_tokens(tokens),
            Self::Other(other) => tokens.append_all(other.clone()),
        }
    }
}

impl ToTokens for Method {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self { attributes, helpers: _, hidden: _, visibility, defaultness, signature, body } = self;
        tokens.append_all(quote!(#(#attributes)* #visibility #defaultness #signature #body));
    }
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use syn::parse::Parser;

    use super::*;
    use crate::settings::default_path;

    /// The block as it comes out, and how many of its items are functions.
    fn through(block: &str) -> (String, usize) {
        let helpers = Helpers::of(default_path());
        let tokens = TokenStream::from_str(block).unwrap();
        let block = (|input: ParseStream<'_>| Block::parse(input, &helpers)).parse2(tokens).unwrap();
        let methods = block.items.iter().filter(|item| matches!(item, Item::Method(_))).count();
        (block.into_token_stream().to_string().replace(' ', ""), methods)
    }

    fn normal(tokens: &str) -> String {
        TokenStream::from_str(tokens).unwrap().to_string().replace(' ', "")
    }

    #[test]
    fn a_half_typed_body_comes_out_as_it_went_in() {
        for body in ["self.", "let x = ", "match self.user. { }", "a b ; c :: ", "if let Some(x) = self.", "fn"] {
            let block = format!("impl Chat {{ async fn chat(&mut self, text: Text) -> Reply {{ {body} }} }}");
            assert_eq!(through(&block), (normal(&block), 1), "{body}");
        }
    }

    #[test]
    fn a_half_typed_item_comes_out_as_it_went_in() {
        for item in
            ["pub", "async fn chat(", "fn chat(&self, text: )", "#[doc = \"x\"] fn", "const X: = 1;", "x y z {}"]
        {
            if let Ok(tokens) = TokenStream::from_str(item) {
                let block = format!("impl Chat {{ fn before(&self) {{}} {tokens} }}");
                assert_eq!(through(&block).0, normal(&block), "{item}");
            }
        }
    }

    #[test]
    fn only_the_helper_attributes_are_taken_off() {
        let block = "#[doc = \"a\"] impl<T> Chat<T> where T: Send {
            #![allow(unused)]
            const X: usize = { 1 };
            #[on(\"a\")] #[inline] #[channels::validate] #[::channels::prelude::rate_limit(1, per = \"1s\")]
            #[other::on] #[must_use] pub(crate) fn chat(&self, #[allow(x)] a: [u8; { 1 }]) -> Array<{ 1 }> { 1 }
            type Y = u8; macros! {} }";
        let without = block
            .replace("#[on(\"a\")]", "")
            .replace("#[channels::validate]", "")
            .replace("#[::channels::prelude::rate_limit(1, per = \"1s\")]", "");
        assert_eq!(through(block), (normal(&without), 1));
    }
}
