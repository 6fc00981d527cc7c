//! What `#[derive(Incoming)]` writes.

use proc_macro2::TokenStream;
use quote::quote;

use super::model::{Messages, Variant};
use crate::hygiene::local;
use crate::private::{Private, through};

pub(crate) fn expand(messages: &Messages) -> TokenStream {
    let krate = messages.private();
    let names = messages.variants.iter().map(|variant| &variant.name);
    let arms = messages.variants.iter().enumerate().map(|(index, variant)| arm(index, variant, &krate));
    let (message, name) = (local("message"), local("name"));
    let read = read_fields(messages);
    let decode = quote! {
        #read
        match #message.name() {
            #(#arms)*
            #name => ::core::result::Result::Err(#krate::unknown_message(#name)),
        }
    };
    let incoming = implement(messages, quote!(#(#names),*), decode);
    let kinds = messages.variants.iter().enumerate().map(|(index, variant)| kind(messages, index, variant));
    quote!(#incoming #(#kinds)*)
}

/// Every message at every index, so that a consumer of it adds nothing to what is said.
pub(crate) fn stand_in(messages: &Messages) -> TokenStream {
    let krate = messages.private();
    let incoming = implement(messages, quote!(#krate::BROKEN), quote!(::core::unreachable!()));
    let mut indexed = messages.generics.clone();
    indexed.params.push(syn::parse_quote!(INDEX));
    let (generics, _, where_clause) = indexed.split_for_impl();
    let itself = messages.itself();
    quote! {
        #incoming
        #[automatically_derived]
        impl #generics #krate::HasMessage<INDEX> for #itself #where_clause {
            type Payload = #krate::Nothing;
            type Kind = #krate::Broken;
            fn read(_: &#krate::Message) -> ::core::result::Result<#krate::Nothing, #krate::Error> {
                ::core::unreachable!()
            }
        }
    }
}

fn implement(messages: &Messages, names: TokenStream, decode: TokenStream) -> TokenStream {
    let krate = messages.private();
    let (layout, message) = (messages.layout.expand(&krate), local("message"));
    let body = quote! {
        const NAMES: &'static [&'static str] = &[#names];
        const LAYOUT: #krate::Layout = #layout;
        fn decode(#message: &#krate::Message) -> ::core::result::Result<Self, #krate::Error> {
            #decode
        }
    };
    messages.implement(quote!(#krate::Incoming), messages.itself(), body)
}

fn arm(index: usize, variant: &Variant, krate: &Private) -> TokenStream {
    let Variant { ident, name, payload, .. } = variant;
    let message = local("message");
    match payload {
        Some(_) => quote! {
            #name => ::core::result::Result::Ok(Self::#ident(<Self as #krate::HasMessage<#krate::At<#index>>>::read(#message)?)),
        },
        None => quote!(#name => ::core::result::Result::Ok(Self::#ident {}),),
    }
}

/// Consumers handle payloads one by one, so nobody may ever match the enum: without this rustc would
/// say that its fields are never read.
fn read_fields(messages: &Messages) -> Option<TokenStream> {
    let payload = local("payload");
    let mut fields = messages.variants.iter().filter(|variant| variant.payload.is_some()).peekable();
    fields.peek()?;
    let arms = fields.map(|Variant { ident, .. }| quote!(Self::#ident(#payload) => { let _ = #payload; }));
    let message = local("message");
    Some(quote! {
        let _ = |#message: &Self| match #message {
            #(#arms)*
            #[allow(unreachable_patterns)]
            _ => (),
        };
    })
}

/// The message at one place. That its payload can be read is asked here, once, at the payload's type.
fn kind(messages: &Messages, index: usize, variant: &Variant) -> TokenStream {
    let (krate, message) = (messages.private(), local("message"));
    let (payload, kind, read) = match &variant.payload {
        Some(ty) => {
            let trait_ = quote!(#krate::ReadPayload);
            let read = through(ty, &trait_, "read", &quote!(#message));
            (quote!(#ty), quote!(#krate::Carried), read)
        }
        None => (
            quote!(#krate::Nothing),
            quote!(#krate::NotCarried),
            quote!({
                let _ = #message;
                ::core::result::Result::Ok(#krate::Nothing)
            }),
        ),
    };
    let body = quote! {
        type Payload = #payload;
        type Kind = #kind;
        fn read(#message: &#krate::Message) -> ::core::result::Result<#payload, #krate::Error> {
            #read
        }
    };
    messages.implement(quote!(#krate::HasMessage<#krate::At<#index>>), messages.itself(), body)
}
