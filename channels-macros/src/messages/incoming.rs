//! What `#[derive(Incoming)]` writes.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;

use super::model::{Messages, Variant};

pub(crate) fn expand(messages: &Messages) -> TokenStream {
    let krate = messages.private();
    let names = messages.variants.iter().map(|variant| &variant.name);
    let arms = messages.variants.iter().enumerate().map(|(index, variant)| arm(index, variant, &krate));
    let (message, name) = (local("message"), local("name"));
    let decode = quote! {
        match #message.name() {
            #(#arms)*
            #name => #krate::Err(#krate::unknown_message(#name)),
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
    indexed.params.push(syn::parse_quote!(const INDEX: usize));
    let (generics, _, where_clause) = indexed.split_for_impl();
    let itself = messages.itself();
    quote! {
        #incoming
        #[automatically_derived]
        impl #generics #krate::HasMessage<INDEX> for #itself #where_clause {
            type Payload = #krate::Nothing;
            type Kind = #krate::Broken;
            fn read(_: &#krate::Message) -> #krate::Result<#krate::Nothing, #krate::Error> {
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
        fn decode(#message: &#krate::Message) -> #krate::Result<Self, #krate::Error> {
            #decode
        }
    };
    messages.implement(quote!(#krate::Incoming), messages.itself(), body)
}

fn arm(index: usize, variant: &Variant, krate: &TokenStream) -> TokenStream {
    let Variant { ident, name, payload } = variant;
    let message = local("message");
    match payload {
        Some(_) => quote! {
            #name => #krate::Ok(Self::#ident(<Self as #krate::HasMessage<#index>>::read(#message)?)),
        },
        None => quote!(#name => #krate::Ok(Self::#ident {}),),
    }
}

/// The message at one place. That its payload can be read is asked here, once, at the payload's type.
fn kind(messages: &Messages, index: usize, variant: &Variant) -> TokenStream {
    let (krate, message) = (messages.private(), local("message"));
    let (payload, kind, read) = match &variant.payload {
        Some(ty) => {
            let read = quote_spanned!(ty.span()=> <#ty as #krate::ReadPayload>::read(#message));
            (quote!(#ty), quote!(#krate::Carried), read)
        }
        None => (
            quote!(#krate::Nothing),
            quote!(#krate::NotCarried),
            quote!({
                let _ = #message;
                #krate::Ok(#krate::Nothing)
            }),
        ),
    };
    let body = quote! {
        type Payload = #payload;
        type Kind = #kind;
        fn read(#message: &#krate::Message) -> #krate::Result<#payload, #krate::Error> {
            #read
        }
    };
    messages.implement(quote!(#krate::HasMessage<#index>), messages.itself(), body)
}

fn local(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}
