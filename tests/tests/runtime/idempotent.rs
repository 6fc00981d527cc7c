//! Requests that come again, on the same connection, on another, on another server, and at once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use channels::message::Frame;
use channels::prelude::*;
use channels::testing::{self, Client, Received};
use channels::{Config, Error, ErrorCode};
use channels_tests::cluster;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::Instant;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Order {
    what: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Ordered {
    number: usize,
}

#[derive(Debug, Incoming)]
enum Ask {
    Order(Order),
    Slow(Order),
    Many(Order),
    First,
    Quiet,
    Bytes,
    Large,
    Big,
    Fail(Order),
    Panic,
    Limited,
}

#[derive(Clone, Debug, Outgoing)]
enum Tell {
    Ordered(Ordered),
    Noise(Order),
}

/// How often handlers ran, and what they were asked for.
#[derive(Default)]
struct Shop {
    orders: Mutex<Vec<String>>,
    runs: AtomicUsize,
    ends: AtomicUsize,
}

impl Shop {
    fn order(&self, what: String) -> Tell {
        let mut orders = self.orders.lock().unwrap();
        orders.push(what);
        Tell::Ordered(Ordered { number: orders.len() })
    }

    fn orders(&self) -> Vec<String> {
        self.orders.lock().unwrap().clone()
    }

    fn run(&self) -> usize {
        self.runs.fetch_add(1, Ordering::SeqCst) + 1
    }

    fn runs(&self) -> usize {
        self.runs.load(Ordering::SeqCst)
    }
}

struct Counter {
    user: UserId,
}

#[consumer(incoming = Ask, outgoing = Tell, state = Arc<Shop>)]
impl Counter {
    #[accept]
    fn accept(Path(user): Path<UserId>) -> Self {
        Self { user }
    }

    /// The user `-` is nobody.
    #[user]
    fn user(&self) -> Option<&UserId> {
        Some(&self.user).filter(|user| user.as_str() != "-")
    }

    #[on("order")]
    #[idempotent(window = "5m")]
    fn order(&mut self, order: Order, State(shop): State<Arc<Shop>>) -> Tell {
        shop.order(order.what)
    }

    #[on("slow", concurrency = 4, timeout = "10s")]
    #[idempotent(window = "5m")]
    async fn slow(&self, order: Order, State(shop): State<Arc<Shop>>) -> Tell {
        shop.run();
        tokio::time::sleep(Duration::from_millis(order.what.parse().unwrap())).await;
        shop.order(order.what)
    }

    #[on("many")]
    #[idempotent(window = "5m")]
    async fn many(&self, order: Order, State(shop): State<Arc<Shop>>, conn: Connection) -> Vec<Tell> {
        // No answer, and so not repeated.
        let _ = conn.send(Tell::Noise(order.clone()));
        (0..3).map(|_| shop.order(order.what.clone())).collect()
    }

    #[on("first")]
    #[idempotent(window = "5m")]
    async fn first(&self, answer: Answer, State(shop): State<Arc<Shop>>) -> Result<(), Error> {
        answer.send(shop.order("answered".into()))?;
        answer.send(shop.order("later".into()))
    }

    #[on("quiet")]
    #[idempotent(window = "5m")]
    async fn quiet(&self, State(shop): State<Arc<Shop>>) {
        shop.run();
    }

    #[on("bytes")]
    #[idempotent(window = "5m")]
    async fn bytes(&self, State(shop): State<Arc<Shop>>) -> Frame {
        Frame::Binary(vec![u8::try_from(shop.run()).unwrap(), 0, 255].into())
    }

    #[on("large")]
    #[idempotent(window = "5m")]
    async fn large(&self, State(shop): State<Arc<Shop>>) -> Tell {
        shop.run();
        Tell::Noise(Order { what: "x".repeat(300_000) })
    }

    #[on("big")]
    #[idempotent(window = "5m")]
    async fn big(&self, State(shop): State<Arc<Shop>>) -> Tell {
        shop.run();
        Tell::Noise(Order { what: "x".repeat(250_000) })
    }

    #[on("fail")]
    #[idempotent(window = "5m")]
    async fn fail(&self, order: Order, State(shop): State<Arc<Shop>>) -> Result<(), Error> {
        shop.run();
        Err(match order.what.as_str() {
            "for good" => Error::authorization("Not here."),
            _ => Error::new(ErrorCode::BackendError, "Not now."),
        })
    }

    #[on("panic")]
    #[idempotent(window = "5m")]
    async fn panic(&self, State(shop): State<Arc<Shop>>) {
        panic!("run {}", shop.run());
    }

    #[on("limited")]
    #[rate_limit(1, per = "1h")]
    #[idempotent(window = "5m")]
    async fn limited(&self, State(shop): State<Arc<Shop>>) {
        shop.run();
    }

    #[disconnect]
    fn left(&mut self, State(shop): State<Arc<Shop>>) {
        shop.ends.fetch_add(1, Ordering::SeqCst);
    }
}

async fn connect(layer: &ChannelLayer, shop: &Arc<Shop>, user: &str) -> Client {
    testing::connect::<Counter>(layer, Arc::clone(shop)).path(format!("/ws/{user}")).await.unwrap()
}

async fn one() -> (ChannelLayer, Arc<Shop>, Client) {
    let (layer, shop) = (ChannelLayer::memory(), Arc::new(Shop::default()));
    let ada = connect(&layer, &shop, "ada").await;
    (layer, shop, ada)
}

fn order(what: &str) -> Order {
    Order { what: what.into() }
}

async fn asked(client: &mut Client, id: impl Into<Value>, name: &str, payload: &impl Serialize) -> Received {
    client.request(id, name, payload).await;
    client.next_message().await
}

#[tokio::test(start_paused = true)]
async fn the_same_request_again_has_the_same_answer_and_is_not_handled_again() {
    let (layer, shop, mut ada) = one().await;
    let first = asked(&mut ada, "a", "order", &order("tea")).await;
    assert_eq!((&first.data["number"], &first.re), (&json!(1), &Some(json!("a"))));
    assert_eq!(asked(&mut ada, "a", "order", &order("tea")).await, first);
    let mut elsewhere = connect(&layer, &shop, "ada").await;
    assert_eq!(asked(&mut elsewhere, "a", "order", &order("tea")).await, first);
    elsewhere.assert_silent().await;
    assert_eq!(shop.orders(), ["tea"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_another_request_is_handled() {
    let (layer, shop, mut ada) = one().await;
    let mut bob = connect(&layer, &shop, "bob").await;
    asked(&mut ada, 1, "order", &order("tea")).await;
    asked(&mut ada, 2, "order", &order("tea")).await;
    asked(&mut ada, "1", "order", &order("tea")).await;
    asked(&mut bob, 1, "order", &order("tea")).await;
    asked(&mut ada, 1, "slow", &order("1")).await;
    for _ in 0..2 {
        ada.send("order", &order("without an id")).await;
        ada.next_message().await;
    }
    assert_eq!(shop.orders().len(), 7);
}

#[tokio::test(start_paused = true)]
async fn nobodys_requests_are_their_connections_own() {
    let (layer, shop, _ada) = one().await;
    let (mut one, mut other) = (connect(&layer, &shop, "-").await, connect(&layer, &shop, "-").await);
    for client in [&mut one, &mut other] {
        let first = asked(client, 1, "order", &order("tea")).await;
        assert_eq!(asked(client, 1, "order", &order("tea")).await, first);
    }
    assert_eq!(shop.orders().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_id_that_was_another_messages_is_refused() {
    let (_layer, shop, mut ada) = one().await;
    asked(&mut ada, 1, "order", &order("tea")).await;
    let refused = asked(&mut ada, 1, "order", &order("coffee")).await;
    assert_eq!((&refused.data["error_code"], &refused.re), (&json!("VALIDATION_FAILED"), &Some(json!(1))));
    assert!(refused.data["details"]["id"].is_array(), "{}", refused.data);
    ada.send_text(r#"{ "id":1, "type":"order", "data" : { "what" : "tea" } }"#).await;
    assert_eq!(ada.recv::<Ordered>().await.number, 1, "white space is nothing");
    assert_eq!(shop.orders(), ["tea"]);
}

#[tokio::test(start_paused = true)]
async fn all_that_was_answered_comes_again_in_order() {
    let (_layer, shop, mut ada) = one().await;
    ada.request(1, "many", &order("tea")).await;
    assert_eq!(ada.next_message().await.name, "noise");
    let first = [ada.next_message().await, ada.next_message().await, ada.next_message().await];
    assert_eq!(first.each_ref().map(|answer| answer.re.is_some()), [false, false, true]);
    ada.request(1, "many", &order("tea")).await;
    assert_eq!([ada.next_message().await, ada.next_message().await, ada.next_message().await], first);

    let first = [asked(&mut ada, 2, "first", &()).await, ada.next_message().await];
    assert_eq!(first.each_ref().map(|answer| answer.re.is_some()), [true, false]);
    assert_eq!([asked(&mut ada, 2, "first", &()).await, ada.next_message().await], first);

    let first = asked(&mut ada, 3, "quiet", &()).await;
    assert_eq!((first.name.as_str(), &first.re), ("$ok", &Some(json!(3))));
    assert_eq!(asked(&mut ada, 3, "quiet", &()).await, first);
    ada.assert_silent().await;
    assert_eq!((shop.orders().len(), shop.runs()), (5, 1));
}

#[tokio::test(start_paused = true)]
async fn raw_frames_are_answers_too() {
    let (_layer, shop, mut ada) = one().await;
    for _ in 0..2 {
        ada.request(1, "bytes", &()).await;
        assert_eq!(ada.next_frame().await, channels::message::Frame::Binary(Bytes::from_static(&[1, 0, 255])));
        assert_eq!(ada.next_message().await.name, "$ok");
    }
    assert_eq!(shop.runs(), 1);
}

#[tokio::test(start_paused = true)]
async fn two_at_once_run_it_once() {
    let (layer, shop, mut ada) = one().await;
    let mut elsewhere = connect(&layer, &shop, "ada").await;
    ada.request(1, "slow", &order("1000")).await;
    ada.request(1, "slow", &order("1000")).await;
    elsewhere.request(1, "slow", &order("1000")).await;
    let began = Instant::now();
    let answers = [ada.next_message().await, ada.next_message().await, elsewhere.next_message().await];
    assert!(began.elapsed() < Duration::from_millis(1300), "{:?}", began.elapsed());
    assert!(answers.iter().all(|answer| *answer == answers[0] && answer.data["number"] == 1), "{answers:?}");
    assert_eq!((shop.runs(), shop.orders().len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn two_at_once_on_two_servers_run_it_once() {
    let shop = Arc::new(Shop::default());
    let mut layers = Vec::new();
    for node in cluster::nodes(2) {
        layers.push(ChannelLayer::builder(Config::default()).backend(node).connect().await.unwrap());
    }
    let mut clients = [connect(&layers[0], &shop, "ada").await, connect(&layers[1], &shop, "ada").await];
    for client in &mut clients {
        client.request("x", "slow", &order("500")).await;
    }
    let [one, other] = &mut clients;
    let answers = [one.next_message().await, other.next_message().await];
    assert_eq!(answers[0], answers[1]);
    assert_eq!((shop.runs(), shop.orders().len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_the_answer_of_another_waits_no_longer_than_a_handler_may() {
    let (layer, shop, mut ada) = one().await;
    let mut elsewhere = connect(&layer, &shop, "ada").await;
    ada.request(1, "slow", &order("9000")).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    ada.request(2, "slow", &order("60000")).await;
    elsewhere.request(2, "slow", &order("60000")).await;
    assert_eq!(ada.next_message().await.re, Some(json!(1)));
    // Ada's is over at 15 s and is no answer for good; so is elsewhere's.
    for client in [&mut ada, &mut elsewhere] {
        let late = client.next_message().await;
        assert_eq!((&late.data["error_code"], late.data["retryable"].as_bool()), (&json!("TIMEOUT_ERROR"), Some(true)));
    }
}

#[tokio::test(start_paused = true)]
async fn who_waited_handles_it_only_where_half_of_its_time_is_left() {
    for (waits_for, runs) in [(4, 2), (6, 1)] {
        let (layer, shop, mut ada) = one().await;
        let mut elsewhere = connect(&layer, &shop, "ada").await;
        // Ada's handler is cut short after ten seconds.
        ada.request(1, "slow", &order("60000")).await;
        tokio::time::sleep(Duration::from_secs(10 - waits_for)).await;
        elsewhere.request(1, "slow", &order("60000")).await;
        assert_eq!(ada.next_message().await.data["error_code"], "TIMEOUT_ERROR");
        let waited = Instant::now();
        let late = elsewhere.next_message().await;
        assert_eq!((late.data["error_code"].as_str(), shop.runs()), (Some("TIMEOUT_ERROR"), runs), "{waits_for} s");
        // As soon as it is asked about again: nothing was begun, so nothing is cut short.
        assert_eq!(waited.elapsed() < Duration::from_secs(1), runs == 1, "{waits_for} s: {:?}", waited.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_kept_for_a_client_that_has_gone() {
    let (layer, shop, mut ada) = one().await;
    ada.request(1, "slow", &order("3000")).await;
    ada.request(2, "many", &order("tea")).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    ada.lose();
    while shop.ends.load(Ordering::SeqCst) == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(shop.orders(), ["3000", "tea", "tea", "tea"], "it was handled to its end");
    let mut again = connect(&layer, &shop, "ada").await;
    assert_eq!(asked(&mut again, 1, "slow", &order("3000")).await.data["number"], 1);
    again.request(2, "many", &order("tea")).await;
    for number in 2..5 {
        assert_eq!(again.recv::<Ordered>().await.number, number);
    }
    assert_eq!(shop.orders().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn an_error_for_good_is_the_answer_and_another_is_none() {
    let (_layer, shop, mut ada) = one().await;
    let first = asked(&mut ada, 1, "fail", &order("for good")).await;
    assert_eq!(first.data["error_code"], "AUTHORIZATION_FAILED");
    assert_eq!(asked(&mut ada, 1, "fail", &order("for good")).await, first, "with its error_id");
    assert_eq!(shop.runs(), 1);
    for run in 2..4 {
        let refused = asked(&mut ada, 2, "fail", &order("now")).await;
        assert_eq!((refused.data["error_code"].as_str(), shop.runs()), (Some("BACKEND_ERROR"), run));
    }
    let first = asked(&mut ada, 3, "panic", &()).await;
    assert_eq!(first.data["error_code"], "SYSTEM_ERROR");
    assert_eq!(asked(&mut ada, 3, "panic", &()).await, first);
    assert_eq!((shop.runs(), shop.orders().len()), (4, 0));
}

#[tokio::test(start_paused = true)]
async fn of_what_never_ran_nothing_is_remembered() {
    let (_layer, shop, mut ada) = one().await;
    for _ in 0..2 {
        let refused = asked(&mut ada, 1, "order", &json!({"what": 1})).await;
        assert_eq!(refused.data["error_code"], "VALIDATION_FAILED");
        assert!(refused.data["details"]["id"].is_null(), "{}", refused.data);
    }
    assert_eq!(asked(&mut ada, 1, "order", &order("tea")).await.data["number"], 1);
    assert_eq!(shop.orders(), ["tea"]);
}

#[tokio::test(start_paused = true)]
async fn who_has_much_remembered_takes_no_room_from_others() {
    let (layer, shop, mut ada) = one().await;
    let mut bob = connect(&layer, &shop, "bob").await;
    let first = asked(&mut ada, 1, "big", &()).await;
    assert_eq!(first.name, "noise");
    let mut told = 1;
    // All of them are answered; one of them is the first that there is no room for.
    let forgotten = loop {
        told += 1;
        assert_eq!(asked(&mut ada, told, "big", &()).await.name, "noise");
        let again = asked(&mut ada, told, "big", &()).await;
        if again.name == "error" {
            break again;
        }
    };
    assert_eq!((told, &forgotten.data["error_code"]), (17, &json!("MESSAGE_ERROR")));
    let mut asked_for = 100;
    let refused = loop {
        asked_for += 1;
        let answer = asked(&mut ada, asked_for, "quiet", &()).await;
        if answer.name == "error" {
            break answer;
        }
        assert!(asked_for < 2000, "there is no end");
    };
    assert_eq!(refused.data["error_code"], "RATE_LIMIT_EXCEEDED");
    let after = refused.data["retry_after_ms"].as_u64().unwrap();
    assert!((1..=400_000).contains(&after), "{after}");
    let runs = shop.runs();
    assert_eq!(asked(&mut ada, 1, "big", &()).await, first, "what was done is told again");
    assert_eq!(shop.runs(), runs);
    assert_eq!(asked(&mut bob, 1, "big", &()).await.name, "noise");
    assert_eq!(asked(&mut bob, 1, "big", &()).await.name, "noise");
    tokio::time::sleep(Duration::from_millis(after)).await;
    assert_eq!(asked(&mut ada, asked_for, "quiet", &()).await.name, "$ok");
}

#[derive(Debug, Incoming)]
enum One {
    Order(Order),
}

/// Two consumers of one name, with a message of one name.
macro_rules! shop {
    ($module:ident, $number:literal) => {
        mod $module {
            use super::{One, Order, Ordered, Tell};
            use channels::prelude::*;

            #[derive(Default)]
            pub(super) struct Window;

            #[consumer(incoming = One, outgoing = Tell)]
            impl Window {
                #[user]
                fn user(&self) -> UserId {
                    UserId::new("ada").unwrap()
                }

                #[on("order")]
                #[idempotent(window = "5m")]
                async fn order(&self, order: Order) -> Tell {
                    let _ = order.what;
                    Tell::Ordered(Ordered { number: $number })
                }
            }
        }
    };
}
shop!(north, 1);
shop!(south, 2);

#[tokio::test(start_paused = true)]
async fn consumers_of_one_name_in_two_modules_have_nothing_in_common() {
    let layer = ChannelLayer::memory();
    let mut north = testing::connect::<north::Window>(&layer, ()).await.unwrap();
    let mut south = testing::connect::<south::Window>(&layer, ()).await.unwrap();
    for _ in 0..2 {
        assert_eq!(asked(&mut north, 1, "order", &order("tea")).await.data["number"], 1);
        assert_eq!(asked(&mut south, 1, "order", &order("tea")).await.data["number"], 2);
    }
}

/// Its handler fails after nine of ten seconds, and what it says of that takes 25 more.
#[derive(Default)]
struct Apologetic;

#[consumer(incoming = One, outgoing = Tell, state = Arc<Shop>)]
impl Apologetic {
    #[user]
    fn user(&self) -> UserId {
        UserId::new("ada").unwrap()
    }

    #[on("order", timeout = "10s")]
    #[idempotent(window = "5m")]
    async fn order(&self, _order: Order, State(shop): State<Arc<Shop>>) -> Result<(), Error> {
        shop.run();
        tokio::time::sleep(Duration::from_secs(9)).await;
        Err(Error::authorization("Not here."))
    }

    #[error]
    async fn failed(&self, error: Error) -> Result<(), Error> {
        tokio::time::sleep(Duration::from_secs(25)).await;
        Err(error)
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_stays_claimed_while_its_error_is_answered() {
    let (layer, shop) = (ChannelLayer::memory(), Arc::new(Shop::default()));
    let mut one = testing::connect::<Apologetic>(&layer, Arc::clone(&shop)).await.unwrap();
    let mut other = testing::connect::<Apologetic>(&layer, Arc::clone(&shop)).await.unwrap();
    one.request(1, "order", &order("tea")).await;
    tokio::time::sleep(Duration::from_secs(25)).await;
    other.request(1, "order", &order("tea")).await;
    let first = one.next_message().await;
    assert_eq!(first.data["error_code"], "AUTHORIZATION_FAILED");
    assert_eq!(other.next_message().await, first);
    assert_eq!(shop.runs(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_had_too_little_time_runs_again() {
    let (_layer, shop, mut ada) = one().await;
    for run in 1..3 {
        let late = asked(&mut ada, 1, "slow", &order("60000")).await;
        assert_eq!((late.data["error_code"].as_str(), shop.runs()), (Some("TIMEOUT_ERROR"), run));
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_comes_first_and_its_refusal_is_no_answer() {
    let (layer, shop, mut ada) = one().await;
    assert_eq!(asked(&mut ada, 1, "limited", &()).await.name, "$ok");
    for id in [1, 2] {
        assert_eq!(asked(&mut ada, id, "limited", &()).await.data["error_code"], "RATE_LIMIT_EXCEEDED");
    }
    let mut again = connect(&layer, &shop, "ada").await;
    assert_eq!(asked(&mut again, 1, "limited", &()).await.name, "$ok");
    assert_eq!(shop.runs(), 1);
}

#[tokio::test(start_paused = true)]
async fn of_an_answer_that_is_too_large_is_known_that_it_was_given() {
    let (_layer, shop, mut ada) = one().await;
    assert_eq!(asked(&mut ada, 1, "large", &()).await.name, "noise");
    for _ in 0..2 {
        let again = asked(&mut ada, 1, "large", &()).await;
        assert_eq!(
            (again.data["error_code"].as_str(), again.data["retryable"].as_bool()),
            (Some("MESSAGE_ERROR"), Some(false))
        );
    }
    assert_eq!(shop.runs(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_forgotten_after_its_window() {
    let (_layer, shop, mut ada) = one().await;
    asked(&mut ada, 1, "order", &order("tea")).await;
    tokio::time::sleep(Duration::from_secs(299)).await;
    assert_eq!(asked(&mut ada, 1, "order", &order("tea")).await.data["number"], 1);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(asked(&mut ada, 1, "order", &order("tea")).await.data["number"], 2);
    assert_eq!(shop.orders().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_told_again_in_the_encoding_of_whoever_asks() {
    let (layer, shop, mut ada) = one().await;
    asked(&mut ada, 1, "order", &order("tea")).await;
    let packed = testing::connect::<Counter>(&layer, Arc::clone(&shop)).path("/ws/ada").protocol("channels.v1.msgpack");
    let mut packed = packed.await.unwrap();
    let request = json!({"type": "order", "data": order("tea"), "id": 1});
    packed.send_binary(rmp_of(&request)).await;
    let channels::message::Frame::Binary(answer) = packed.next_frame().await else { panic!("no binary frame") };
    assert!(answer.windows(7).any(|part| part == b"ordered"), "{answer:?}");
    assert_eq!(shop.orders(), ["tea"]);
}

/// `{"type": …, "data": {"what": …}, "id": 1}` in MessagePack, by hand.
fn rmp_of(request: &Value) -> Vec<u8> {
    fn text(text: &str) -> Vec<u8> {
        let mut bytes = vec![0xa0 | u8::try_from(text.len()).unwrap()];
        bytes.extend(text.as_bytes());
        bytes
    }
    let (name, what) = (request["type"].as_str().unwrap(), request["data"]["what"].as_str().unwrap());
    let parts = [vec![0x83], text("type"), text(name), text("data"), vec![0x81], text("what"), text(what)];
    [parts.concat(), text("id"), vec![1]].concat()
}
