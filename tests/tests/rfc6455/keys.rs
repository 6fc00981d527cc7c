//! What proves that the server has read the client's key (RFC 6455, 4.2.2).

use channels_tests::socket::soon;
use channels_tests::wire::Wire;

use crate::case::WHOLE;
use crate::house::House;

/// The example of the RFC, and others that were computed elsewhere.
const ACCEPTS: [(&str, &str); 9] = [
    ("dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
    ("AAAAAAAAAAAAAAAAAAAAAA==", "ICX+Yqv66kxgM0FcWaLWlFLwTAI="),
    ("/////////////////////w==", "XXpj4jYzLM2yUE0C7TIgMwTQh2g="),
    ("AAECAwQFBgcICQoLDA0ODw==", "Bz3qJYTGdOe8gUSpLosEdiLKDrk="),
    ("IjSOCBpFqEPiaSYECo7TVg==", "r2pHAxiylo6dqxz9GNmH03gwhOU="),
    ("cJ+OXXcgjwn6tm9opqngsg==", "a9w6JtzCiMzzNCDJzTsp12DgE9o="),
    ("f8akcvB3Nv6CtmXZKUnIag==", "M6FKrcTxp8GCWilmR+Sak2aUEoE="),
    ("r2KNJ+tHdNO87U5F4IYE6g==", "Uk2h5LL/UDGvFKcVfvKKQD+CQfE="),
    ("ttkzM32teDCqCrJY5GcqFw==", "U5bV76NpJMmIblc2llJQjPtSflk="),
];

#[tokio::test]
async fn the_response_bears_the_hash_of_the_key() {
    let house = House::open().await;
    for (key, accept) in ACCEPTS {
        for value in [key.to_owned(), format!("  {key}\t ")] {
            let mut wire = Wire::connect(house.address).await.unwrap();
            let request = format!(
                "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                 Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key:{value}\r\n\r\n"
            );
            wire.write(request.as_bytes(), WHOLE).await;
            let head = soon("the response", wire.head()).await.unwrap();
            assert_eq!((head.status, head.get("sec-websocket-accept")), (101, Some(accept)), "{value:?}");
        }
    }
}
