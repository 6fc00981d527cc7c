//! The check of a `#[rate_limit]`, before anything is parsed.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;

use super::call::Scope;
use crate::consumer::duration::millis;
use crate::consumer::rate_limit::{By, Limit};

pub(crate) fn check(limit: Option<&Limit>, scope: &Scope) -> Option<TokenStream> {
    let Limit { count, per, by, bucket, observe_only } = limit?;
    let Scope { krate, cx, .. } = scope;
    let by = Ident::new(
        match by {
            By::Connection => "Connection",
            By::User => "User",
            By::Ip => "Ip",
        },
        Span::call_site(),
    );
    let per = millis(*per);
    let per = quote!(::core::time::Duration::from_millis(#per));
    let observe_only = observe_only.then(|| quote!(.observe_only()));
    Some(quote! {
        #krate::check_rate(#cx, &const { #krate::limit(#bucket, #count, #per, #krate::By::#by) #observe_only }).await?;
    })
}

impl Limit {
    pub(crate) fn is_by_ip(&self) -> bool {
        self.by == By::Ip
    }
}
