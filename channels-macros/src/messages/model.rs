//! An enum of messages, checked.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{GenericParam, Generics, Ident, Path, Type};

use super::outbox::Outbox;
use crate::private::Private;

/// An enum of messages.
pub(crate) struct Messages {
    pub(crate) krate: Path,
    pub(crate) ident: Ident,
    pub(crate) generics: Generics,
    pub(crate) layout: Layout,
    pub(crate) variants: Vec<Variant>,
}

/// One message.
pub(crate) struct Variant {
    pub(crate) ident: Ident,
    /// Its name on the wire.
    pub(crate) name: String,
    pub(crate) payload: Option<Type>,
    /// What happens to it where a client is too slow, if it says so.
    pub(crate) outbox: Option<Outbox>,
}

/// The shape of the envelope.
pub(crate) struct Layout {
    pub(crate) tag: String,
    /// `None` where it is flat.
    pub(crate) content: Option<String>,
}

impl Messages {
    pub(crate) fn private(&self) -> Private {
        Private::of(&self.krate)
    }

    /// An impl of one of the crate's traits for `target`, with the enum's generics.
    pub(crate) fn implement(&self, what: TokenStream, target: TokenStream, body: TokenStream) -> TokenStream {
        self.implement_for_all(None, what, target, body)
    }

    /// The same for all types that the parameter may be.
    pub(crate) fn implement_for_all(
        &self,
        parameter: Option<&Ident>,
        what: TokenStream,
        target: TokenStream,
        body: TokenStream,
    ) -> TokenStream {
        let mut generics = self.generics.clone();
        generics.params.extend(parameter.map(|parameter| GenericParam::Type(parameter.clone().into())));
        let (generics, _, where_clause) = generics.split_for_impl();
        quote! {
            #[automatically_derived]
            #[allow(deprecated, unused_qualifications, clippy::all, clippy::pedantic, clippy::nursery)]
            impl #generics #what for #target #where_clause {
                #body
            }
        }
    }

    /// The enum with its parameters.
    pub(crate) fn itself(&self) -> TokenStream {
        let ident = &self.ident;
        let (_, generics, _) = self.generics.split_for_impl();
        quote!(#ident #generics)
    }
}

impl Layout {
    /// The expression that makes it.
    pub(crate) fn expand(&self, krate: &Private) -> TokenStream {
        let tag = &self.tag;
        match &self.content {
            Some(content) => quote!(#krate::Layout::nested(#tag, #content)),
            None => quote!(#krate::Layout::flat(#tag)),
        }
    }
}
