//! What `#[derive(Outgoing)]` writes.

use std::collections::HashMap;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote};
use syn::{GenericParam, Type};

use super::model::{Messages, Variant};
use crate::hygiene::local;
use crate::private::through;

pub(crate) fn expand(messages: &Messages) -> TokenStream {
    write(messages, &TokenStream::new())
}

/// What of it is right, so that little is said beside what is wrong.
pub(crate) fn stand_in(messages: &Messages) -> TokenStream {
    write(messages, &quote!(_ => ::core::unreachable!(),))
}

fn write(messages: &Messages, otherwise: &TokenStream) -> TokenStream {
    let outgoing = outgoing(messages, otherwise);
    let message = message(messages);
    let payloads = own_payloads(messages).map(|(variant, ty)| payload(messages, variant, ty));
    quote!(#outgoing #message #(#payloads)*)
}

fn outgoing(messages: &Messages, otherwise: &TokenStream) -> TokenStream {
    let krate = messages.private();
    let [payload, re] = ["payload", "re"].map(local);
    let names = messages.variants.iter().map(|Variant { ident, name, .. }| quote!(Self::#ident { .. } => #name,));
    let layout = messages.layout.expand(&krate);
    let written = messages.variants.iter().map(|Variant { ident, name, payload: ty, .. }| match ty {
        Some(ty) => {
            let trait_ = quote!(#krate::WritePayload);
            let write = through(ty, &trait_, "write", &quote!(#payload, #layout, #name, #re));
            quote!(Self::#ident(#payload) => #write,)
        }
        None => quote!(Self::#ident {} => #krate::write_empty(#layout, #name, #re),),
    });
    let policies = policies(messages, otherwise);
    // A reference to an enum without variants is not known to be nothing.
    let itself = if messages.variants.is_empty() { quote!(*self) } else { quote!(self) };
    let body = quote! {
        fn name(&self) -> &'static str {
            match #itself { #(#names)* #otherwise }
        }
        fn to_json(
            &self,
            #re: ::core::option::Option<&#krate::RequestId>,
        ) -> ::core::result::Result<#krate::ByteString, #krate::Error> {
            match #itself { #(#written)* #otherwise }
        }
        #policies
    };
    messages.implement(quote!(#krate::Outgoing), messages.itself(), body)
}

/// What happens to each message where a client is too slow, if one says so.
fn policies(messages: &Messages, otherwise: &TokenStream) -> Option<TokenStream> {
    messages.variants.iter().find(|variant| variant.outbox.is_some())?;
    let krate = messages.private();
    let policies = messages.variants.iter().map(|Variant { ident, name, outbox, .. }| match outbox {
        Some(outbox) => {
            let policy = outbox.expand(name, &krate);
            let fields = outbox.payload().map_or_else(|| quote!({ .. }), |payload| quote!((#payload)));
            quote!(Self::#ident #fields => #policy,)
        }
        None => quote!(Self::#ident { .. } => ::core::result::Result::Ok(#krate::MessagePolicy::OfConsumer),),
    });
    Some(quote! {
        fn outbox(&self) -> ::core::result::Result<#krate::MessagePolicy, #krate::Error> {
            match self { #(#policies)* #otherwise }
        }
    })
}

/// The enum is a reply.
fn message(messages: &Messages) -> TokenStream {
    let (krate, itself) = (messages.private(), messages.itself());
    let sink = local("sink");
    reply(messages, itself, true, &quote!(#krate::ReplySink::message(#sink, self)))
}

/// Of handlers of messages; of those that reply frames as well, unless it is one there.
fn reply(messages: &Messages, what: TokenStream, everywhere: bool, body: &TokenStream) -> TokenStream {
    let (krate, itself, sink) = (messages.private(), messages.itself(), local("sink"));
    let body = quote! {
        fn reply(self, #sink: &mut dyn #krate::ReplySink<#itself>) -> ::core::result::Result<(), #krate::Error> {
            #body
        }
    };
    let kind = everywhere.then(|| Ident::new("__As", Span::mixed_site()));
    let stated = kind.as_ref().map(|kind| quote!(, #kind));
    messages.implement_for_all(kind.as_ref(), quote!(#krate::Reply<#itself #stated>), what, body)
}

/// A payload that one variant carries becomes it.
fn payload(messages: &Messages, variant: &Variant, ty: &Type) -> TokenStream {
    let (krate, itself, ident) = (messages.private(), messages.itself(), &variant.ident);
    let (payload, sink) = (local("payload"), local("sink"));
    let body = quote! {
        fn from(#payload: #ty) -> Self {
            Self::#ident(#payload)
        }
    };
    let from = messages.implement(quote!(::core::convert::From<#ty>), itself.clone(), body);
    if is_nothing_or_several(ty) {
        return from;
    }
    let body = quote!(#krate::ReplySink::message(#sink, <#itself as ::core::convert::From<#ty>>::from(self)));
    let reply = reply(messages, quote!(#ty), !is_frame(ty), &body);
    quote!(#from #reply)
}

/// The payloads that exactly one variant carries, as far as their tokens tell.
fn own_payloads(messages: &Messages) -> impl Iterator<Item = (&Variant, &Type)> {
    let mut carriers: HashMap<String, usize> = HashMap::new();
    let shown = |ty: &Type| ty.to_token_stream().to_string();
    for ty in messages.variants.iter().filter_map(|variant| variant.payload.as_ref()) {
        *carriers.entry(shown(ty)).or_default() += 1;
    }
    let is_parameter = |ty: &Type| {
        messages.generics.params.iter().any(|parameter| match parameter {
            GenericParam::Type(parameter) => matches!(ty, Type::Path(path) if path.path.is_ident(&parameter.ident)),
            GenericParam::Lifetime(_) | GenericParam::Const(_) => false,
        })
    };
    messages.variants.iter().filter_map(move |variant| {
        let ty = variant.payload.as_ref()?;
        (carriers.get(&shown(ty)) == Some(&1) && !is_parameter(ty)).then_some((variant, ty))
    })
}

/// As a reply, these are several, one or none, whatever carries them: such a payload is returned as its variant.
fn is_nothing_or_several(ty: &Type) -> bool {
    matches!(ty, Type::Tuple(tuple) if tuple.elems.is_empty()) || is_called(ty, &["Option", "Vec", "Result"])
}

/// Where handlers reply frames, these are some.
fn is_frame(ty: &Type) -> bool {
    is_called(ty, &["String", "ByteString", "Bytes"])
}

fn is_called(ty: &Type, names: &[&str]) -> bool {
    let Type::Path(path) = ty else { return false };
    path.path.segments.last().is_some_and(|last| names.iter().any(|name| last.ident == name))
}
