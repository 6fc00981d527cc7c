//! Which encoding a client gets.

use axum::http::header::SEC_WEBSOCKET_PROTOCOL;
use axum::http::{HeaderMap, HeaderValue};

use crate::config::Config;
use crate::connection::{Serializers, Variant};
use crate::message::subprotocol;
use crate::websocket::{Deflate, negotiate_deflate};

/// What was agreed on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Negotiated {
    /// Index into the layer's serializers.
    pub(super) serializer: u8,
    /// What is echoed. Without it the client gets JSON and the core of the protocol.
    pub(super) protocol: Option<String>,
    /// Compression, and what is answered to its offer.
    pub(super) deflate: Option<(Deflate, HeaderValue)>,
}

/// The first of the client's protocols that this layer speaks. Others, such as `bearer.…`, are never echoed.
pub(super) fn negotiate(headers: &HeaderMap, serializers: &Serializers, config: &Config) -> Negotiated {
    let deflate = if config.compression() { negotiate_deflate(headers) } else { None };
    let offered = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|value| value.to_str().ok());
    for protocol in offered.flat_map(|list| list.split(',')).map(str::trim) {
        let known = serializers.iter().position(|serializer| subprotocol(&**serializer) == protocol);
        if let Some(serializer) = known.and_then(|index| u8::try_from(index).ok()) {
            return Negotiated { serializer, protocol: Some(protocol.to_owned()), deflate };
        }
    }
    Negotiated { serializer: 0, protocol: None, deflate }
}

impl Negotiated {
    /// How messages look on the wire.
    pub(super) fn variant(&self) -> Variant {
        Variant {
            serializer: self.serializer,
            window: self.deflate.as_ref().map_or(0, |(deflate, _)| deflate.server_bits),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::message::{Json, Serializer};

    #[test]
    fn a_token_is_never_echoed() {
        let serializers: Serializers = vec![Arc::new(Json) as Arc<dyn Serializer>].into();
        let mut headers = HeaderMap::new();
        let config = Config::default();
        let nothing = Negotiated { serializer: 0, protocol: None, deflate: None };
        assert_eq!(negotiate(&headers, &serializers, &config), nothing);
        headers.append(SEC_WEBSOCKET_PROTOCOL, "bearer.c2VjcmV0, channels.v1.json".parse().unwrap());
        let negotiated = negotiate(&headers, &serializers, &config);
        assert_eq!(negotiated.protocol.as_deref(), Some("channels.v1.json"));
    }
}
