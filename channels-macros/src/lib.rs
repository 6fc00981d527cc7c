//! The macros of axum-channels; use them through that crate, whose guide shows them at work.
//!
//! From tokens to syntax (`parse`), from syntax to a checked model (`check`, `model`), from the model to
//! tokens (`expand`, which cannot fail). Whatever is wrong goes into one `Errors`, so that
//! all mistakes of a block are told in one compile, each on its own token. What only rustc can know,
//! such as which messages an enum has, is written so that rustc says it there as well.

mod consumer;
mod errors;
mod hygiene;
mod messages;
mod names;
mod outbox;
mod outside;
mod private;
mod settings;
#[cfg(test)]
mod snapshots;

use proc_macro::TokenStream;

/// Makes a consumer of an impl block: one value of the type lives as long as one connection.
///
/// ```text
/// #[consumer(incoming = ClientMessage, outgoing = ServerMessage, state = AppState)]
/// impl Chat {
///     #[accept]
///     async fn accept(Path(user): Path<UserId>) -> Result<Self, StatusCode> { Ok(Self { user }) }
///
///     #[on("chat_message")]
///     #[validate]
///     #[rate_limit(20, per = "10s", by = user)]
///     async fn chat(&mut self, message: ChatMessage, State(db): State<Db>) -> Result<Posted, ChatError> { … }
/// }
/// ```
///
/// # Options
///
/// | option | what it names | without it |
/// |---|---|---|
/// | `incoming` | the enum, by `#[derive(Incoming)]`, of what clients may send | needed, unless an `#[on_text]` takes every text frame |
/// | `outgoing` | the enum, by `#[derive(Outgoing)]`, of what handlers reply | handlers reply nothing but raw frames |
/// | `state` | the router's state, which `State<T>` arguments are taken from | nothing is taken |
/// | `outbox` | what happens where a client is too slow, unless a message says so itself: `"close"`, `"drop_newest"` or `"latest"`; see `channels::OutboxPolicy` | `"close"` |
/// | `first_frame` | how long a client may be silent at first, such as `"10s"`: one that has sent no data frame by then is closed with 4408 | for ever |
/// | `crate` | where the crate is, under another name: `crate = my::channels` | `::channels` |
///
/// # Functions
///
/// `#[accept]`, `#[user]`, `#[authorize]`, `#[connect]`, `#[on("…")]`, `#[on_text]`, `#[on_binary]`, `#[error]` and
/// `#[disconnect]` say what a function is called for, `#[validate]`, `#[rate_limit(…)]` and `#[idempotent(…)]` what
/// comes before the call. What bears none of them is the consumer's own business.
///
/// Functions are `async` or not, take `&self` or `&mut self` (`#[accept]` and `#[authorize]` neither), and after it
/// arguments by value: extractors, as in axum. What they return is the reply: nothing, a message, a
/// payload that exactly one message carries, or an `Option`, `Vec` or `Result` of these; `channels::message::Reply` says more.
///
/// Every message of `incoming` needs its handler; an unknown, missing or doubled name, and a handler that
/// takes another payload, do not compile.
///
/// # What is written
///
/// The block comes out as it is, without these attributes: bodies are not touched, and functions can be called by
/// others and by tests. After it comes an implementation of `channels::Consumer`. A handler under
/// a `#[cfg(…)]` is handled under it; a `cfg_attr` cannot hide one.
#[proc_macro_attribute]
pub fn consumer(arguments: TokenStream, item: TokenStream) -> TokenStream {
    consumer::consumer(arguments.into(), item.into()).into()
}

/// Makes messages of an enum's variants, for clients to send.
///
/// ```text
/// #[derive(Incoming)]
/// #[channels(rename_all = "kebab-case")]
/// enum ClientMessage {
///     ChatMessage(ChatMessage),           // {"type": "chat-message", "data": {…}}
///     #[channels(rename = "room:join")]
///     Join(Join),                         // {"type": "room:join", "data": {…}}
///     Ping,                               // {"type": "ping"}
/// }
/// ```
///
/// A variant carries nothing, or one payload that implements serde's `Deserialize`.
///
/// # Attributes of the enum
///
/// | `#[channels(…)]` | meaning | default |
/// |---|---|---|
/// | `rename_all = "…"` | how names are made of variants: `snake_case`, `camelCase`, `kebab-case`, `PascalCase`, `SCREAMING_SNAKE_CASE`, `SCREAMING-KEBAB-CASE`, `lowercase`, `UPPERCASE` | `snake_case` |
/// | `tag = "…"` | the member that holds the name | `type` |
/// | `content = "…"` | the member that holds the payload | `data` |
/// | `flat` | the payload's members stand beside the name | they do not |
/// | `crate = path` | where the crate is, under another name | `::channels` |
///
/// # Attributes of a variant
///
/// `#[channels(rename = "…")]` gives it any name of at most 64 bytes without control characters. Names that begin with
/// `$`, `error`, and of incoming messages `pong`, are the framework's.
#[proc_macro_derive(Incoming, attributes(channels))]
pub fn incoming(input: TokenStream) -> TokenStream {
    messages::incoming(input.into()).into()
}

/// Makes messages of an enum's variants, for the server to send.
///
/// ```text
/// #[derive(Outgoing)]
/// enum ServerMessage {
///     ChatMessage(Posted),                // {"type": "chat_message", "data": {…}}
///     UserJoined(User),
///     UserLeft(User),
///     Pong,                               // {"type": "pong"}
/// }
/// ```
///
/// A variant carries nothing, or one payload that implements serde's `Serialize`. The attributes are
/// those of `#[derive(Incoming)]`, and of a variant two more:
///
/// | `#[channels(…)]` | meaning | default |
/// |---|---|---|
/// | `outbox = "…"` | what happens to the message where a client is too slow: `"close"` closes the connection, `"drop_newest"` does without the message, `"latest"` lets it take the place of one with the same key that still waits | what the consumer says |
/// | `key = …` | with `"latest"`: the field of the payload (`user`, or `position.room` of a field of it), or several fields (`[room, user]`), by which messages take each other's place; they implement `Serialize` | the message's name alone |
///
/// ```text
/// #[derive(Outgoing)]
/// enum ServerMessage {
///     ChatMessage(Posted),
///     #[channels(outbox = "latest", key = user)]
///     Cursor(Cursor),
///     #[channels(outbox = "drop_newest")]
///     Typing(User),
/// }
/// ```
///
/// A payload that exactly one variant carries becomes it by `From`, and is a reply by itself: here
/// `Posted`, but not `User`, which is returned as its variant. `Vec`, `Option`, `Result` and `()` mean
/// something else as replies, so they are returned as their variant too; so are `String`, `ByteString` and `Bytes`
/// by `#[on_text]` and `#[on_binary]`, where they are raw frames.
#[proc_macro_derive(Outgoing, attributes(channels))]
pub fn outgoing(input: TokenStream) -> TokenStream {
    messages::outgoing(input.into()).into()
}

/// Inside `#[consumer]`: makes the consumer, before the upgrade.
///
/// ```text
/// #[accept]
/// async fn accept(Path(user): Path<UserId>, headers: HeaderMap) -> Result<Self, StatusCode> { … }
/// ```
///
/// Its arguments are axum's extractors of request parts: `Path`, `Query`, `HeaderMap`, `State`, one's own.
/// It returns `Self`, or a `Result` whose error is an HTTP response; a rejected argument is one too. It keeps what is needed later
/// in `Self`: afterwards there is no request any more.
///
/// Without it, the consumer is made by `Default`.
#[proc_macro_attribute]
pub fn accept(_arguments: TokenStream, item: TokenStream) -> TokenStream {
    outside::outside("accept", item.into()).into()
}

/// Inside `#[consumer]`: says whose connection it is, for `send_to_user`, limits by user, and the
/// `UserId` argument.
///
/// ```text
/// #[user]
/// fn user(&self) -> &UserId { &self.user }
/// ```
///
/// It returns a `UserId`, a reference to one, or an `Option` of either; it is called once, after
/// `#[accept]`. Without it, a connection is anonymous.
#[proc_macro_attribute]
pub fn user(_arguments: TokenStream, item: TokenStream) -> TokenStream {
    outside::outside("user", item.into()).into()
}

/// Inside `#[consumer]`: says whether a connection may join a group.
///
/// ```text
/// #[authorize]
/// async fn may_join(group: &str, user: UserId, State(db): State<Db>) -> Result<bool, DbError> { … }
/// ```
///
/// It is asked for *every* join of this consumer's connections, whoever asks for it: a handler, another task, a REST
/// endpoint by `layer.join_group`. They have no other way to become members. So it takes no `self`, which a handler
/// may have at that moment: the first argument is the group's name, the others are extractors. What it needs of
/// `#[accept]` the connection can carry as metadata.
///
/// It is not asked about connections of *other* consumers, which join the same groups where they are served by the same layer:
/// each needs one of its own, or the layer a hook for all of them, `ChannelLayer::builder(config).authorize(…)`. That one
/// is asked first.
///
/// It returns a `bool`, a `Result<(), E>`, or a `Result<bool, E>`. `false` is answered with `AUTHORIZATION_FAILED`,
/// an error with what it says; both are counted. A hook that panics or takes longer than `WS_HANDLER_TIMEOUT` has not
/// allowed anything.
///
/// What was allowed once stays until the connection leaves, or is asked again: by `conn.recheck()`,
/// `layer.recheck_user(…)` or `layer.recheck_group(…)`, which take out whoever is no longer allowed. A join that was under
/// way meanwhile is asked about once more, so twice at most.
///
/// `State` is that of the router that the connection came by, as its first request found it: a value that is replaced later
/// belongs behind a shared pointer. Clones of one route may be mounted with different states, and each is asked with its own.
#[proc_macro_attribute]
pub fn authorize(_arguments: TokenStream, item: TokenStream) -> TokenStream {
    outside::outside("authorize", item.into()).into()
}

/// Inside `#[consumer]`: is called after the upgrade, before the first message.
///
/// ```text
/// #[connect]
/// async fn connected(&mut self, connection: Connection) -> Result<Welcome, channels::Error> { … }
/// ```
///
/// What it returns is the first that the client gets: what groups and others send meanwhile follows. An
/// error is told to the client and ends the connection, unless it is `not_closing()`.
#[proc_macro_attribute]
pub fn connect(_arguments: TokenStream, item: TokenStream) -> TokenStream {
    outside::outside("connect", item.into()).into()
}

/// Inside `#[consumer]`: handles one message.
///
/// ```text
/// #[on("chat_message")]
/// async fn chat(&mut self, message: ChatMessage, State(db): State<Db>, layer: ChannelLayer) -> Result<(), ChatError> { … }
///
/// #[on("ping")]
/// fn ping(&self) -> Pong { Pong::now() }
/// ```
///
/// The name is the one on the wire. The first argument is the payload, where the message has one; the
/// others are extractors, taken one after the other. The first that fails answers the client; the
/// handler is not called then. What the handler returns is the reply.
///
/// # Options
///
/// ```text
/// #[on("search", concurrency = 4, timeout = "5s")]
/// async fn search(&self, query: Query, State(index): State<Index>) -> Result<Found, SearchError> { … }
///
/// #[on("move", concurrency = 8, ordered_by = "board")]
/// async fn shift(&self, shift: Move, State(db): State<Db>) -> Result<(), BoardError> { … }
/// ```
///
/// | option | meaning | without it |
/// |---|---|---|
/// | `timeout` | how long it may take: a whole number with `ms`, `s`, `m` or `h`. Then it is dropped where it is, the client gets `TIMEOUT_ERROR`, and the connection lives on | `WS_HANDLER_TIMEOUT` |
/// | `concurrency` | how many of it run at once for one connection, 1 to 1000 | it runs alone |
/// | `ordered_by` | a member of the payload that implements `Hash`: messages with the same value in it run in order, others overlap | nothing orders those that overlap |
///
/// # Order
///
/// The handlers of one connection run one after the other, in the order of the messages. A handler with `concurrency`
/// is an `async fn` with `&self`, and does not keep those that come after it from beginning, if they have `concurrency`, too.
/// A handler without it runs alone: it begins when all that came before it have ended, and nothing that came after it
/// begins before it has ended. So `&mut self` is its own.
///
/// What may not begin yet is read no further: a client that asks for more than there are places is slowed down, not refused.
/// Of those that wait for one with the same value of `ordered_by`, up to 32, or 64 KiB, let others pass. Each is one answer
/// with its own `re`, in whatever order they end, and a panic, an error or a time-out is that of one message only. An
/// `#[error]` function takes `&self` then, as it answers while others run. When the client leaves, or is closed, those that
/// run may finish, as others may; `#[disconnect]` comes after all of them.
///
/// A payload that is `ordered_by` something is parsed before the handler's turn, and again in it. Whether a message overlaps
/// is decided by the name it came with, before the middleware.
#[proc_macro_attribute]
pub fn on(_arguments: TokenStream, item: TokenStream) -> TokenStream {
    outside::outside("on", item.into()).into()
}

/// Inside `#[consumer]`: takes every text frame as it is, instead of messages.
///
/// ```text
/// #[on_text]
/// fn echo(&self, text: ByteString) -> ByteString { text }
/// ```
///
/// The first argument is the frame, a `ByteString` or a `String`; the others are extractors. A `ByteString` or `String` that
/// it returns is sent as a text frame. `#[on_text(timeout = "5s")]` gives it a time of its own, as of `#[on]`.
#[proc_macro_attribute]
pub fn on_text(_arguments: TokenStream, item: TokenStream) -> TokenStream {
    outside::outside("on_text", item.into()).into()
}

/// Inside `#[consumer]`: takes binary frames as they are.
///
/// ```text
/// #[on_binary]
/// async fn upload(&mut self, data: Bytes) -> Result<(), channels::Error> { … }
/// ```
///
/// The first argument is the frame, `Bytes` or a `Vec<u8>`; the others are extractors. `Bytes` that it returns are sent as
/// a binary frame. Without it, a binary frame is an error, unless a binary encoding was negotiated.
/// `#[on_binary(timeout = "5s")]` gives it a time of its own, as of `#[on]`.
#[proc_macro_attribute]
pub fn on_binary(_arguments: TokenStream, item: TokenStream) -> TokenStream {
    outside::outside("on_binary", item.into()).into()
}

/// Inside `#[consumer]`: is called when the connection has ended, once for every `#[connect]` that was
/// entered, while the groups can still be read.
///
/// ```text
/// #[disconnect]
/// async fn left(&mut self, reason: CloseReason, layer: ChannelLayer) { … }
/// ```
///
/// It returns nothing, or a `Result` whose error is counted and logged: nobody is left to be answered.
#[proc_macro_attribute]
pub fn disconnect(_arguments: TokenStream, item: TokenStream) -> TokenStream {
    outside::outside("disconnect", item.into()).into()
}

/// Inside `#[consumer]`: answers errors of the other functions, in place of the framework.
///
/// ```text
/// #[error]
/// fn failed(&mut self, error: channels::Error) -> Result<Option<Hint>, channels::Error> { … }
/// ```
///
/// The first argument is the error, already counted and logged; the others are extractors. What it
/// returns is sent instead; an `Err` is answered as it would have been without it.
#[proc_macro_attribute]
pub fn error(_arguments: TokenStream, item: TokenStream) -> TokenStream {
    outside::outside("error", item.into()).into()
}

/// Beside `#[on("…")]`: checks the payload by garde's rules before the handler is called.
///
/// ```text
/// #[on("chat_message")]
/// #[validate]
/// async fn chat(&mut self, message: ChatMessage) { … }
/// ```
///
/// The payload derives `garde::Validate`, with a context that has a `Default`; it comes from
/// `cargo add garde@0.23 --features derive`, of the version that this crate was built with. The answer to a payload
/// that breaks rules is `VALIDATION_FAILED`, with every field in `details`. Needs the feature
/// `validation`, which is on by default.
#[proc_macro_attribute]
pub fn validate(_arguments: TokenStream, item: TokenStream) -> TokenStream {
    outside::outside("validate", item.into()).into()
}

/// Beside `#[on("…")]`, `#[on_text]` or `#[on_binary]`: so many at once, refilled evenly over a period.
///
/// ```text
/// #[on("chat_message")]
/// #[rate_limit(20, per = "10s", by = user, bucket = "posting")]
/// async fn chat(&mut self, message: ChatMessage) { … }
/// ```
///
/// | argument | meaning | default |
/// |---|---|---|
/// | the first | how many, 1 or more | needed |
/// | `per` | over what time: a whole number with `ms`, `s`, `m` or `h`, at most 365 days | needed |
/// | `by` | whose are counted together: `connection`, `user` or `ip`; the latter two over all servers and reconnects; `ip` needs `into_route_with_connect_info` | `connection` |
/// | `bucket` | handlers of one bucket count together, and state the same limit; also its name in `WS_RATE_LIMITS` | the message's name, or the function's |
/// | `observe_only` | nothing is refused: what is too much is counted by `Stats::observed` and logged | refuses |
///
/// It is checked before the payload is parsed. The answer to one too many is `RATE_LIMIT_EXCEEDED`, with
/// `retry_after_ms`.
#[proc_macro_attribute]
pub fn rate_limit(_arguments: TokenStream, item: TokenStream) -> TokenStream {
    outside::outside("rate_limit", item.into()).into()
}

/// Beside `#[on("…")]`: the same request again gets the same answer, and the handler does not run again.
///
/// ```text
/// #[on("order")]
/// #[idempotent(window = "5m")]
/// async fn order(&self, order: Order, State(shop): State<Shop>) -> Result<Ordered, ShopError> { … }
/// ```
///
/// A client whose connection broke does not know whether its last request was done. It connects again and sends it again, with
/// the same `id`: then it is done once, on whichever connection and server. Needs a `#[user]`; a connection that is nobody's
/// knows only its own requests. A message without an `id` is handled as ever.
///
/// | the same user sends the same message with the same `id` | what happens |
/// |---|---|
/// | for the first time | the handler runs; what it answers is kept for the `window`, a whole number with `ms`, `s`, `m` or `h` |
/// | again within the window | the same frames again, with the same `re` |
/// | while the first is handled, here or on another server | it waits for that answer, within the handler's time-out; then `TIMEOUT_ERROR`. Where the first ends without one, this one runs the handler, as long as half of its time is left |
/// | with another payload | `VALIDATION_FAILED` for the field `id`; white space makes no difference, the order of members does; in the layout `flat` the envelope's members are the payload's |
/// | with a payload that does not parse or breaks a rule | `VALIDATION_FAILED`: nothing ran, so nothing is remembered |
/// | while they have too much remembered | `RATE_LIMIT_EXCEEDED`, with `retry_after_ms`; what was done before is still told again |
/// | while the backend is away | `BACKEND_ERROR`: nothing is done twice in silence |
///
/// The answer is what the handler returns, what it sends by `Answer`, or the error it fails with; what it sends by other ways
/// is not repeated. Where the answer was given by then, nothing that fails afterwards takes it back: the error, without `re`, is told
/// again behind it.
///
/// | where no answer was given yet | what is kept |
/// |---|---|
/// | an error that is retryable, such as `TIMEOUT_ERROR` or `BACKEND_ERROR` | nothing: the next attempt runs the handler again |
/// | the handler is dropped at the drain's deadline | nothing |
/// | whatever it is, after its claim has ended, since the server stood still | nothing: who asked gets `TIMEOUT_ERROR`, and whoever asks again the answer of the attempt that overtook it, or a new one |
/// | another error | that error |
/// | a panic | the `SYSTEM_ERROR` that it is answered by |
/// | a `CONNECTION_ERROR`, as `conn.send(…)?` to a client that has gone fails with | that error: it is not run again, and nobody knows how far it got |
/// | an answer of more than 256 KiB, or than there is room for | that it was given; who asks again gets `MESSAGE_ERROR` |
///
/// `#[rate_limit]` comes before, so each attempt counts. It is wanted beside it: each `id` is remembered for the whole window. On
/// each server a user, or a connection that is nobody's, has 4 MiB for that, and all that are nobody's 16 MiB.
///
/// A request is told from others by the consumer's module and type, as they are written: a deploy that renames them or moves them
/// knows nothing of what was done before, and those of a generic consumer count as one, whatever their parameters.
///
/// # What it is not
///
/// The handler runs *to its end* at most once as long as the server that runs it lives and reaches the backend. One that was cut
/// short before it answered runs again, and what it did until then it has done: by its time-out, by an error that is retryable, by the
/// drain's deadline, or because its client left. A handler whose client leaves, or is closed, has `WS_DISCONNECT_TIMEOUT` (10 s) from
/// then on and not the rest of its own time-out, together with all that the client sent before. What takes longer answers first, by
/// `Answer`, or hands its work to a task.
///
/// Where the server dies half-way, nobody knows how far the handler got: its claim ends ten seconds after the handler's time-out
/// and that of `#[error]`, where there is one, and then an attempt runs it again. So it does where Redis loses what it had, or cannot be written to for that long after the
/// handler has ended. What must not be done twice even then is written in one transaction with the `id`, in the application's own
/// database.
#[proc_macro_attribute]
pub fn idempotent(_arguments: TokenStream, item: TokenStream) -> TokenStream {
    outside::outside("idempotent", item.into()).into()
}
