//! The four ways in that the guide shows as whole programs: what is compiled here is what stands there, to be copied.

const GUIDE: &str = include_str!("../../../channels/src/docs/authentication.md");

/// The program below a heading of the guide.
fn shown(heading: &str) -> &'static str {
    let (_, below) = GUIDE.split_once(&format!("\n# {heading}\n")).unwrap();
    let (_, program) = below.split_once("```rust,no_run\n").unwrap();
    program.split_once("```").unwrap().0
}

#[test]
fn the_guide_shows_these_programs() {
    for (heading, program) in [
        ("A session cookie", include_str!("shown/cookie.rs")),
        ("A bearer header", include_str!("shown/bearer.rs")),
        ("A token as a subprotocol", include_str!("shown/subprotocol.rs")),
        ("A signed ticket in the query", include_str!("shown/ticket.rs")),
    ] {
        assert_eq!(shown(heading), program, "{heading}");
    }
}

#[allow(dead_code, reason = "a program's `main` is not called")]
mod cookie {
    use axum::response::IntoResponse;

    include!("shown/cookie.rs");

    fn given(key: &Key, until: u64) -> String {
        let jar = SignedCookieJar::new(key.clone()).add(login(&UserId::new("ada").unwrap(), until));
        let response = jar.into_response();
        response.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned()
    }

    #[tokio::test]
    async fn a_signed_cookie_lets_in_until_its_time_is_over() {
        let key = Key::generate();
        let (layer, app) = (ChannelLayer::memory(), App { key: key.clone() });
        let connect = |cookie: &str| channels::testing::connect::<Chat>(&layer, app.clone()).header("cookie", cookie);
        let ada = connect(&given(&key, now() + 60)).await.unwrap();
        assert_eq!(ada.connection().user().unwrap().as_str(), "ada");
        let forged = given(&Key::generate(), now() + 60);
        for cookie in [given(&key, now() - 1), forged, "session=ada".to_owned(), "a=b".to_owned()] {
            assert_eq!(connect(&cookie).await.unwrap_err().status(), StatusCode::UNAUTHORIZED, "{cookie}");
        }
    }
}

#[allow(dead_code, reason = "a program's `main` is not called")]
mod bearer {
    include!("shown/bearer.rs");

    #[tokio::test]
    async fn a_token_in_a_header_lets_in() {
        let layer = ChannelLayer::memory();
        let tokens = Tokens::of([("token-of-ada".to_owned(), UserId::new("ada").unwrap())]);
        let connect = |value: &str| {
            let connecting = channels::testing::connect::<Chat>(&layer, tokens.clone());
            connecting.header("authorization", value)
        };
        let ada = connect("Bearer token-of-ada").await.unwrap();
        assert_eq!(ada.connection().user().unwrap().as_str(), "ada");
        for wrong in ["token-of-ada", "Basic token-of-ada", "Bearer guess", "Bearer"] {
            assert_eq!(connect(wrong).await.unwrap_err().status(), StatusCode::UNAUTHORIZED, "{wrong}");
        }
    }
}

#[allow(dead_code, reason = "a program's `main` is not called")]
mod subprotocol {
    include!("shown/subprotocol.rs");

    #[tokio::test]
    async fn a_token_among_the_subprotocols_lets_in() {
        let layer = ChannelLayer::memory();
        let tokens = Tokens::of([("token-of-ada".to_owned(), UserId::new("ada").unwrap())]);
        let connect = |list: &str| channels::testing::connect::<Chat>(&layer, tokens.clone()).protocol(list);
        let ada = connect("channels.v1.json, bearer.dG9rZW4tb2YtYWRh").await.unwrap();
        assert_eq!(ada.connection().user().unwrap().as_str(), "ada");
        for wrong in ["channels.v1.json", "channels.v1.json, bearer.Z3Vlc3M", "bearer.!"] {
            assert_eq!(connect(wrong).await.unwrap_err().status(), StatusCode::UNAUTHORIZED, "{wrong}");
        }
    }
}

#[allow(dead_code, reason = "a program's `main` is not called")]
mod ticket {
    include!("shown/ticket.rs");

    #[tokio::test]
    async fn a_signed_ticket_lets_in_for_seconds() {
        let (layer, key) = (ChannelLayer::memory(), TicketKey([7; 32]));
        let connect = |ticket: &str| {
            let path = format!("/ws?ticket={ticket}");
            channels::testing::connect::<Chat>(&layer, TicketKey([7; 32])).route("/ws").path(path)
        };
        let ada = UserId::new("ada").unwrap();
        let good = key.sign(&ada, now() + 20);
        assert_eq!(connect(&good).await.unwrap().connection().user(), Some(&ada));
        let other = TicketKey([8; 32]).sign(&ada, now() + 20);
        let (old, late) = (key.sign(&ada, now() - 1), key.sign(&ada, now() + 3600));
        for wrong in [old, late, other, good.replace("ada", "bob"), "x".into()] {
            assert_eq!(connect(&wrong).await.unwrap_err().status(), StatusCode::UNAUTHORIZED, "{wrong}");
        }
    }
}
