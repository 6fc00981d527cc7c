//! What a request asks for in its path, its query or a form: text, or it is refused. The decoders make U+FFFD of what is no
//! UTF-8, and that would be another name than the one that was asked for.

use std::collections::HashMap;

use axum::body::{Body, Bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{Form, FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use channels::Error;
use percent_encoding::percent_decode;
use serde::de::DeserializeOwned;

/// What a path names.
pub(crate) type Named = Result<Path<String>, PathRejection>;

/// The name in a path.
pub(crate) fn named(what: &str, path: Named) -> Result<String, Error> {
    path.map(|Path(name)| name).map_err(|refused| Error::validation(what, refused.body_text()))
}

/// The parameters of a query.
pub(crate) struct Parameters(pub(crate) HashMap<String, String>);

impl<S: Send + Sync> FromRequestParts<S> for Parameters {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        check("query", parts.uri.query().unwrap_or_default().as_bytes())?;
        let Query(all) =
            Query::try_from_uri(&parts.uri).map_err(|refused| Error::validation("query", refused.body_text()))?;
        Ok(Self(all))
    }
}

/// A form that was filled in.
pub(crate) struct Filled<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Filled<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        let (parts, body) = request.into_parts();
        let body = Bytes::from_request(Request::from_parts(parts.clone(), body), state).await;
        let body = body.map_err(|refused| Error::validation("form", refused.body_text()))?;
        check("form", &body)?;
        let form = Form::from_request(Request::from_parts(parts, Body::from(body)), state).await;
        form.map(|Form(filled)| Self(filled)).map_err(|refused| Error::validation("form", refused.body_text()))
    }
}

/// Whether it decodes to text: what stands between its parts is ASCII, so that it does if each of them does.
fn check(what: &str, encoded: &[u8]) -> Result<(), Error> {
    match percent_decode(encoded).decode_utf8() {
        Ok(_) => Ok(()),
        Err(_) => Err(Error::validation(what, "is no UTF-8")),
    }
}
