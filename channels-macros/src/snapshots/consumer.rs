//! `#[consumer]`.

use expect_test::expect;
use proc_macro2::TokenStream;
use quote::quote;

use super::check;

#[test]
fn a_handler_with_all_there_is() {
    let options = quote!(crate = c, incoming = In, outgoing = Out, state = App, outbox = "drop_newest");
    let block = quote! {
        impl<T: Store> Chat<T> {
            #[on("chat.message")]
            #[validate]
            #[rate_limit(20, per = "10s", by = user, bucket = "posting")]
            #[idempotent(window = "5m")]
            #[cfg(feature = "chat")]
            async fn chat(&mut self, message: Text, State(db): State<Db>) -> Result<(), ChatError> {}
            #[user]
            fn user(&self) -> UserId {}
        }
    };
    check(
        crate::consumer::consumer(options, block),
        1,
        expect![[r#"
            impl<T: Store> c::__private::Consumer for Chat<T> {
                type State = App;
                type Outgoing = Out;
                const NAMES: &'static [&'static str] = &[#[cfg(feature = "chat")] "chat.message"];
                const LAYOUT: c::__private::Layout = <In as c::__private::Incoming>::LAYOUT;
                const OUTBOX: c::__private::OutboxPolicy = c::__private::OutboxPolicy::DropNewest;
                const BUCKETS: &'static [&'static str] = &["posting"];
                async fn accept(
                    __parts: &mut c::__private::Parts,
                    __state: &App,
                ) -> ::core::result::Result<Self, c::__private::Response> {
                    ::core::result::Result::Ok(
                        <Chat<T> as c::__private::AcceptsByDefault>::accept_by_default(),
                    )
                }
                fn is_ready(__name: &str) -> bool {
                    match __name {
                        #[cfg(feature = "chat")]
                        "chat.message" => false,
                        _ => true,
                    }
                }
                async fn message(
                    &mut self,
                    __cx: &c::__private::Context<'_, App>,
                    __replies: &mut dyn c::__private::ReplySink<Out>,
                ) -> ::core::result::Result<(), c::__private::Error> {
                    match __cx.message().name() {
                        #[cfg(feature = "chat")]
                        "chat.message" => {
                            type __Message = c::__private::At<
                                {
                                    c::__private::index(
                                        <In as c::__private::Incoming>::NAMES,
                                        "chat.message",
                                        "In",
                                    )
                                },
                            >;
                            c::__private::check_rate(
                                    __cx,
                                    &const {
                                        c::__private::limit(
                                            "posting",
                                            20u32,
                                            ::core::time::Duration::from_millis(10000u64),
                                            c::__private::By::User,
                                        )
                                    },
                                )
                                .await?;
                            let __argument_0 = <Text as c::__private::FirstArgument<
                                <In as c::__private::HasMessage<__Message>>::Payload,
                                <In as c::__private::HasMessage<__Message>>::Kind,
                                App,
                            >>::take(__cx, <In as c::__private::HasMessage<__Message>>::read)
                                .await?;
                            <Text as c::__private::Validatable>::check(&__argument_0)?;
                            if c::__private::once(
                                    __cx,
                                    &const {
                                        c::__private::idempotent(
                                            ::core::concat!(::core::module_path!(), "::", "Chat<T>"),
                                            "chat.message",
                                            ::core::time::Duration::from_millis(300000u64),
                                            ::core::option::Option::None,
                                            false,
                                        )
                                    },
                                )
                                .await?
                            {
                                return ::core::result::Result::Ok(());
                            }
                            let __argument_1 = <State<
                                Db,
                            > as c::__private::Extract<App, c::__private::OnMessage>>::extract(__cx)
                                .await?;
                            let __returned = c::__private::sendable(
                                    Self::chat(self, __argument_0, __argument_1),
                                )
                                .await;
                            <Result<
                                (),
                                ChatError,
                            > as c::__private::Reply<Out>>::reply(__returned, __replies)
                        }
                        __unknown => {
                            ::core::result::Result::Err(c::__private::unknown_message(__unknown))
                        }
                    }
                }
                fn user(&self) -> ::core::option::Option<c::__private::UserId> {
                    let __returned = Self::user(self);
                    <UserId as c::__private::IntoUser>::into_user(__returned)
                }
            }
            const _: () = c::__private::complete(
                <In as c::__private::Incoming>::NAMES,
                &[#[cfg(feature = "chat")] "chat.message"],
                "Chat",
            );
        "#]],
    );
}

#[test]
fn handlers_that_overlap() {
    let block = quote! {
        impl Boards {
            #[on("search", concurrency = 4, timeout = "5s")]
            async fn search(&self, query: Query) -> Found {}
            #[on("move", concurrency = 8, ordered_by = "board")]
            async fn shift(&self, shift: Move) {}
            #[error]
            fn failed(&self, error: Error) {}
            #[on_binary(timeout = "1m")]
            fn binary(&mut self, data: Bytes) {}
        }
    };
    check(
        crate::consumer::consumer(quote!(crate = c, incoming = In, outgoing = Out), block),
        1,
        expect![[r#"
        impl c::__private::Consumer for Boards {
            type State = c::__private::NoState;
            type Outgoing = Out;
            const NAMES: &'static [&'static str] = &["search", "move"];
            const LAYOUT: c::__private::Layout = <In as c::__private::Incoming>::LAYOUT;
            const TAKES_BINARY: bool = true;
            const TAKES_ERRORS: bool = true;
            const BINARY_IS_READY: bool = true;
            const BINARY_TIMEOUT: ::core::option::Option<c::__private::Timeout> = c::__private::timeout(
                60000u64,
            );
            fn timeout(__name: &str) -> ::core::option::Option<c::__private::Timeout> {
                match __name {
                    "search" => const { c::__private::timeout(5000u64) }
                    _ => ::core::option::Option::None,
                }
            }
            const OVERLAPS: bool = true;
            fn overlap(
                __message: &c::__private::Message,
            ) -> ::core::option::Option<c::__private::Overlap> {
                match __message.name() {
                    "search" => {
                        ::core::option::Option::Some(
                            c::__private::Overlap::new(1u16, 4u16, ::core::option::Option::None),
                        )
                    }
                    "move" => {
                        ::core::option::Option::Some(
                            c::__private::Overlap::new(
                                2u16,
                                8u16,
                                {
                                    type __Message = c::__private::At<
                                        {
                                            c::__private::index(
                                                <In as c::__private::Incoming>::NAMES,
                                                "move",
                                                "In",
                                            )
                                        },
                                    >;
                                    let __payload = <In as c::__private::HasMessage<
                                        __Message,
                                    >>::read(__message);
                                    ::core::result::Result::ok(
                                        ::core::result::Result::map(
                                            __payload,
                                            |__payload| c::__private::order(&__payload.board),
                                        ),
                                    )
                                },
                            ),
                        )
                    }
                    _ => ::core::option::Option::None,
                }
            }
            fn shared(
                &self,
            ) -> ::core::option::Option<
                &dyn c::__private::Overlapping<c::__private::NoState, Out>,
            > {
                ::core::option::Option::Some(self)
            }
            async fn accept(
                __parts: &mut c::__private::Parts,
                __state: &c::__private::NoState,
            ) -> ::core::result::Result<Self, c::__private::Response> {
                ::core::result::Result::Ok(
                    <Boards as c::__private::AcceptsByDefault>::accept_by_default(),
                )
            }
            fn is_ready(__name: &str) -> bool {
                match __name {
                    "search" => false,
                    "move" => false,
                    _ => true,
                }
            }
            async fn message(
                &mut self,
                __cx: &c::__private::Context<'_, c::__private::NoState>,
                __replies: &mut dyn c::__private::ReplySink<Out>,
            ) -> ::core::result::Result<(), c::__private::Error> {
                match __cx.message().name() {
                    "search" => c::__private::alone(self, __cx, __replies).await,
                    "move" => c::__private::alone(self, __cx, __replies).await,
                    __unknown => {
                        ::core::result::Result::Err(c::__private::unknown_message(__unknown))
                    }
                }
            }
            async fn failed(
                &mut self,
                __given: c::__private::Error,
                __cx: &c::__private::Context<'_, c::__private::NoState, c::__private::OnError>,
                __replies: &mut dyn c::__private::ReplySink<Out>,
            ) -> ::core::result::Result<(), c::__private::Error> {
                let __argument_0 = <Error as c::__private::ErrorArgument>::from_error(__given);
                let __returned = Self::failed(self, __argument_0);
                <() as c::__private::Reply<Out>>::reply(__returned, __replies)
            }
            async fn binary(
                &mut self,
                __given: c::__private::Bytes,
                __cx: &c::__private::Context<'_, c::__private::NoState, c::__private::OnFrame>,
                __replies: &mut dyn c::__private::ReplySink<Out>,
            ) -> ::core::result::Result<(), c::__private::Error> {
                let __argument_0 = <Bytes as c::__private::FromBinary>::from_binary(__given);
                let __returned = Self::binary(self, __argument_0);
                <() as c::__private::Reply<
                    Out,
                    c::__private::AsFrames,
                >>::reply(__returned, __replies)
            }
        }
        impl c::__private::Overlapping<c::__private::NoState, Out> for Boards {
            fn message<'__a>(
                &'__a self,
                __cx: &'__a c::__private::Context<'_, c::__private::NoState>,
                __replies: &'__a mut dyn c::__private::ReplySink<Out>,
            ) -> c::__private::BoxFuture<'__a, ::core::result::Result<(), c::__private::Error>> {
                c::__private::boxed(async move {
                    match __cx.message().name() {
                        "search" => {
                            type __Message = c::__private::At<
                                {
                                    c::__private::index(
                                        <In as c::__private::Incoming>::NAMES,
                                        "search",
                                        "In",
                                    )
                                },
                            >;
                            let __argument_0 = <Query as c::__private::FirstArgument<
                                <In as c::__private::HasMessage<__Message>>::Payload,
                                <In as c::__private::HasMessage<__Message>>::Kind,
                                c::__private::NoState,
                            >>::take(__cx, <In as c::__private::HasMessage<__Message>>::read)
                                .await?;
                            let __returned = c::__private::sendable(
                                    Self::search(self, __argument_0),
                                )
                                .await;
                            <Found as c::__private::Reply<Out>>::reply(__returned, __replies)
                        }
                        "move" => {
                            type __Message = c::__private::At<
                                {
                                    c::__private::index(
                                        <In as c::__private::Incoming>::NAMES,
                                        "move",
                                        "In",
                                    )
                                },
                            >;
                            let __argument_0 = <Move as c::__private::FirstArgument<
                                <In as c::__private::HasMessage<__Message>>::Payload,
                                <In as c::__private::HasMessage<__Message>>::Kind,
                                c::__private::NoState,
                            >>::take(__cx, <In as c::__private::HasMessage<__Message>>::read)
                                .await?;
                            let __returned = c::__private::sendable(
                                    Self::shift(self, __argument_0),
                                )
                                .await;
                            <() as c::__private::Reply<Out>>::reply(__returned, __replies)
                        }
                        __unknown => {
                            ::core::result::Result::Err(c::__private::not_overlapping(__unknown))
                        }
                    }
                })
            }
            fn failed<'__a>(
                &'__a self,
                __given: c::__private::Error,
                __cx: &'__a c::__private::Context<
                    '_,
                    c::__private::NoState,
                    c::__private::OnError,
                >,
                __replies: &'__a mut dyn c::__private::ReplySink<Out>,
            ) -> c::__private::BoxFuture<'__a, ::core::result::Result<(), c::__private::Error>> {
                c::__private::boxed(async move {
                    let __argument_0 = <Error as c::__private::ErrorArgument>::from_error(
                        __given,
                    );
                    let __returned = Self::failed(self, __argument_0);
                    <() as c::__private::Reply<Out>>::reply(__returned, __replies)
                })
            }
        }
        const _: () = c::__private::complete(
            <In as c::__private::Incoming>::NAMES,
            &["search", "move"],
            "Boards",
        );
    "#]],
    );
}

#[test]
fn every_hook() {
    let block = quote! {
        impl Echo {
            #[accept]
            async fn accept(Path(user): Path<UserId>) -> Result<Self, StatusCode> {}
            #[user]
            fn user(&self) -> &UserId {}
            #[authorize]
            async fn may_join(group: &str, State(db): State<Db>) -> Result<bool, DbError> {}
            #[connect]
            fn connected(&mut self, connection: Connection) -> Welcome {}
            #[on_text]
            fn text(&self, text: String) -> impl Reply<Out> {}
            #[on_binary]
            #[cfg(feature = "binary")]
            async fn binary(&self, data: Bytes) -> Bytes {}
            #[error]
            fn failed(&self, error: Error) {}
            #[disconnect]
            async fn left(&mut self, reason: CloseReason) {}
        }
    };
    check(
        crate::consumer::consumer(quote!(crate = c, outgoing = Out), block),
        1,
        expect![[r#"
            impl c::__private::Consumer for Echo {
                type State = c::__private::NoState;
                type Outgoing = Out;
                const NAMES: &'static [&'static str] = &[];
                const TAKES_TEXT: bool = true;
                const TAKES_BINARY: bool = ::core::cfg!(all(feature = "binary"));
                const TAKES_ERRORS: bool = true;
                const AUTHORIZES: bool = true;
                const TEXT_IS_READY: bool = true;
                async fn accept(
                    __parts: &mut c::__private::Parts,
                    __state: &c::__private::NoState,
                ) -> ::core::result::Result<Self, c::__private::Response> {
                    let __argument_0 = <Path<
                        UserId,
                    > as c::__private::AcceptArgument<
                        c::__private::NoState,
                    >>::extract(__parts, __state)
                        .await?;
                    let __returned = c::__private::sendable(Self::accept(__argument_0)).await;
                    <Result<Self, StatusCode> as c::__private::Accepted<Self>>::accepted(__returned)
                }
                fn is_ready(__name: &str) -> bool {
                    match __name {
                        _ => true,
                    }
                }
                async fn message(
                    &mut self,
                    __cx: &c::__private::Context<'_, c::__private::NoState>,
                    __replies: &mut dyn c::__private::ReplySink<Out>,
                ) -> ::core::result::Result<(), c::__private::Error> {
                    match __cx.message().name() {
                        __unknown => {
                            ::core::result::Result::Err(c::__private::unknown_message(__unknown))
                        }
                    }
                }
                fn user(&self) -> ::core::option::Option<c::__private::UserId> {
                    let __returned = Self::user(self);
                    <&UserId as c::__private::IntoUser>::into_user(__returned)
                }
                async fn authorize(
                    __cx: &c::__private::Context<'_, c::__private::NoState, c::__private::OnJoin>,
                ) -> ::core::result::Result<(), c::__private::Error> {
                    let __given = __cx.group();
                    let __argument_0 = <&str as c::__private::GroupArgument<
                        '_,
                    >>::from_group(__given);
                    let __argument_1 = <State<
                        Db,
                    > as c::__private::Extract<
                        c::__private::NoState,
                        c::__private::OnJoin,
                    >>::extract(__cx)
                        .await?;
                    let __returned = c::__private::sendable(
                            Self::may_join(__argument_0, __argument_1),
                        )
                        .await;
                    <Result<bool, DbError> as c::__private::Allowed>::allowed(__returned)
                }
                async fn connected(
                    &mut self,
                    __cx: &c::__private::Context<'_, c::__private::NoState, c::__private::OnConnect>,
                    __replies: &mut dyn c::__private::ReplySink<Out>,
                ) -> ::core::result::Result<(), c::__private::Error> {
                    let __argument_0 = <Connection as c::__private::Extract<
                        c::__private::NoState,
                        c::__private::OnConnect,
                    >>::extract(__cx)
                        .await?;
                    let __returned = Self::connected(self, __argument_0);
                    <Welcome as c::__private::Reply<
                        Out,
                        c::__private::AsFrames,
                    >>::reply(__returned, __replies)
                }
                async fn text(
                    &mut self,
                    __given: c::__private::ByteString,
                    __cx: &c::__private::Context<'_, c::__private::NoState, c::__private::OnFrame>,
                    __replies: &mut dyn c::__private::ReplySink<Out>,
                ) -> ::core::result::Result<(), c::__private::Error> {
                    let __argument_0 = <String as c::__private::FromText>::from_text(__given);
                    let __returned = Self::text(self, __argument_0);
                    <_ as c::__private::Reply<
                        Out,
                        c::__private::AsFrames,
                    >>::reply(__returned, __replies)
                }
                #[cfg(feature = "binary")]
                async fn binary(
                    &mut self,
                    __given: c::__private::Bytes,
                    __cx: &c::__private::Context<'_, c::__private::NoState, c::__private::OnFrame>,
                    __replies: &mut dyn c::__private::ReplySink<Out>,
                ) -> ::core::result::Result<(), c::__private::Error> {
                    let __argument_0 = <Bytes as c::__private::FromBinary>::from_binary(__given);
                    let __returned = c::__private::sendable(Self::binary(self, __argument_0)).await;
                    <Bytes as c::__private::Reply<
                        Out,
                        c::__private::AsFrames,
                    >>::reply(__returned, __replies)
                }
                async fn failed(
                    &mut self,
                    __given: c::__private::Error,
                    __cx: &c::__private::Context<'_, c::__private::NoState, c::__private::OnError>,
                    __replies: &mut dyn c::__private::ReplySink<Out>,
                ) -> ::core::result::Result<(), c::__private::Error> {
                    let __argument_0 = <Error as c::__private::ErrorArgument>::from_error(__given);
                    let __returned = Self::failed(self, __argument_0);
                    <() as c::__private::Reply<
                        Out,
                        c::__private::AsFrames,
                    >>::reply(__returned, __replies)
                }
                async fn disconnected(
                    &mut self,
                    __cx: &c::__private::Context<
                        '_,
                        c::__private::NoState,
                        c::__private::OnDisconnect,
                    >,
                ) -> ::core::result::Result<(), c::__private::Error> {
                    let __argument_0 = <CloseReason as c::__private::Extract<
                        c::__private::NoState,
                        c::__private::OnDisconnect,
                    >>::extract(__cx)
                        .await?;
                    let __returned = c::__private::sendable(Self::left(self, __argument_0)).await;
                    <() as c::__private::Departed>::departed(__returned)
                }
            }
        "#]],
    );
}

#[test]
fn a_block_with_a_mistake() {
    let block = quote! {
        impl Chat {
            #[on(ping)]
            fn ping(&self) {}
        }
    };
    check(
        crate::consumer::consumer(quote!(crate = c, incoming = In), block),
        0,
        expect![[r#"
        impl Chat {
            fn ping(&self) {}
        }
        ::core::compile_error! {
            "the name of a message is a string: `\"ping\"`"
        }
        impl c::__private::Consumer for Chat {
            type State = c::__private::NoState;
            type Outgoing = c::__private::NoMessages;
            const NAMES: &'static [&'static str] = &[];
            async fn accept(
                __parts: &mut c::__private::Parts,
                __state: &c::__private::NoState,
            ) -> ::core::result::Result<Self, c::__private::Response> {
                ::core::future::pending().await
            }
            async fn message(
                &mut self,
                __cx: &c::__private::Context<'_, c::__private::NoState>,
                __replies: &mut dyn c::__private::ReplySink<c::__private::NoMessages>,
            ) -> ::core::result::Result<(), c::__private::Error> {
                ::core::future::pending().await
            }
        }
    "#]],
    );
}

#[test]
fn names_stand_in_quotes_or_without() {
    let written = |by: TokenStream, member: TokenStream| {
        let block = quote! {
            impl Chat {
                #[on("move", concurrency = 8, ordered_by = #member)]
                #[rate_limit(3, per = "1s", by = #by)]
                async fn shift(&self, shift: Move) {}
            }
        };
        crate::consumer::consumer(quote!(crate = c, incoming = In), block).to_string()
    };
    let without = written(quote!(user), quote!(board));
    assert_eq!(written(quote!("user"), quote!("board")), without);
    assert!(!without.contains("compile_error"), "{without}");
    assert_eq!(written(quote!("user"), quote!("0")), written(quote!(user), quote!(0)));
}
