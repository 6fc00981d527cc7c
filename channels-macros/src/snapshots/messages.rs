//! The derives.

use expect_test::expect;
use proc_macro2::TokenStream;
use quote::quote;

use super::check;

#[test]
fn incoming() {
    let item = quote! {
        #[channels(crate = c, tag = "event", content = "payload", rename_all = "kebab-case")]
        enum ClientMessage {
            JoinRoom(JoinRoom),
            #[channels(rename = "chat:ping")]
            Ping,
        }
    };
    check(
        crate::messages::incoming(item),
        0,
        expect![[r#"
        impl c::__private::Incoming for ClientMessage {
            const NAMES: &'static [&'static str] = &["join-room", "chat:ping"];
            const LAYOUT: c::__private::Layout = c::__private::Layout::nested(
                "event",
                "payload",
            );
            fn decode(
                __message: &c::__private::Message,
            ) -> ::core::result::Result<Self, c::__private::Error> {
                let _ = |__message: &Self| match __message {
                    Self::JoinRoom(__payload) => {
                        let _ = __payload;
                    }
                    #[allow(unreachable_patterns)]
                    _ => {}
                };
                match __message.name() {
                    "join-room" => {
                        ::core::result::Result::Ok(
                            Self::JoinRoom(
                                <Self as c::__private::HasMessage<
                                    c::__private::At<0usize>,
                                >>::read(__message)?,
                            ),
                        )
                    }
                    "chat:ping" => ::core::result::Result::Ok(Self::Ping {}),
                    __name => ::core::result::Result::Err(c::__private::unknown_message(__name)),
                }
            }
        }
        impl c::__private::HasMessage<c::__private::At<0usize>> for ClientMessage {
            type Payload = JoinRoom;
            type Kind = c::__private::Carried;
            fn read(
                __message: &c::__private::Message,
            ) -> ::core::result::Result<JoinRoom, c::__private::Error> {
                <JoinRoom as c::__private::ReadPayload>::read(__message)
            }
        }
        impl c::__private::HasMessage<c::__private::At<1usize>> for ClientMessage {
            type Payload = c::__private::Nothing;
            type Kind = c::__private::NotCarried;
            fn read(
                __message: &c::__private::Message,
            ) -> ::core::result::Result<c::__private::Nothing, c::__private::Error> {
                {
                    let _ = __message;
                    ::core::result::Result::Ok(c::__private::Nothing)
                }
            }
        }
    "#]],
    );
}

#[test]
fn outgoing_with_policies() {
    let item = quote! {
        #[channels(crate = c)]
        enum ServerMessage {
            #[channels(outbox = "latest", key = [at.room, user])]
            Cursor(Cursor),
            #[channels(outbox = "drop_newest")]
            Typing(User),
            Pong,
        }
    };
    check(
        crate::messages::outgoing(item),
        0,
        expect![[r#"
        impl c::__private::Outgoing for ServerMessage {
            fn name(&self) -> &'static str {
                match self {
                    Self::Cursor { .. } => "cursor",
                    Self::Typing { .. } => "typing",
                    Self::Pong { .. } => "pong",
                }
            }
            fn to_json(
                &self,
                __re: ::core::option::Option<&c::__private::RequestId>,
            ) -> ::core::result::Result<c::__private::ByteString, c::__private::Error> {
                match self {
                    Self::Cursor(__payload) => {
                        <Cursor as c::__private::WritePayload>::write(
                            __payload,
                            c::__private::Layout::nested("type", "data"),
                            "cursor",
                            __re,
                        )
                    }
                    Self::Typing(__payload) => {
                        <User as c::__private::WritePayload>::write(
                            __payload,
                            c::__private::Layout::nested("type", "data"),
                            "typing",
                            __re,
                        )
                    }
                    Self::Pong {} => {
                        c::__private::write_empty(
                            c::__private::Layout::nested("type", "data"),
                            "pong",
                            __re,
                        )
                    }
                }
            }
            fn outbox(
                &self,
            ) -> ::core::result::Result<c::__private::MessagePolicy, c::__private::Error> {
                match self {
                    Self::Cursor(__payload) => {
                        c::__private::KeyFields::of("cursor")
                            .field(&__payload.at.room)
                            .field(&__payload.user)
                            .key()
                            .map(c::__private::MessagePolicy::Latest)
                    }
                    Self::Typing { .. } => {
                        ::core::result::Result::Ok(c::__private::MessagePolicy::DropNewest)
                    }
                    Self::Pong { .. } => {
                        ::core::result::Result::Ok(c::__private::MessagePolicy::OfConsumer)
                    }
                }
            }
        }
        impl<__As> c::__private::Reply<ServerMessage, __As> for ServerMessage {
            fn reply(
                self,
                __sink: &mut dyn c::__private::ReplySink<ServerMessage>,
            ) -> ::core::result::Result<(), c::__private::Error> {
                c::__private::ReplySink::message(__sink, self)
            }
        }
        impl ::core::convert::From<Cursor> for ServerMessage {
            fn from(__payload: Cursor) -> Self {
                Self::Cursor(__payload)
            }
        }
        impl<__As> c::__private::Reply<ServerMessage, __As> for Cursor {
            fn reply(
                self,
                __sink: &mut dyn c::__private::ReplySink<ServerMessage>,
            ) -> ::core::result::Result<(), c::__private::Error> {
                c::__private::ReplySink::message(
                    __sink,
                    <ServerMessage as ::core::convert::From<Cursor>>::from(self),
                )
            }
        }
        impl ::core::convert::From<User> for ServerMessage {
            fn from(__payload: User) -> Self {
                Self::Typing(__payload)
            }
        }
        impl<__As> c::__private::Reply<ServerMessage, __As> for User {
            fn reply(
                self,
                __sink: &mut dyn c::__private::ReplySink<ServerMessage>,
            ) -> ::core::result::Result<(), c::__private::Error> {
                c::__private::ReplySink::message(
                    __sink,
                    <ServerMessage as ::core::convert::From<User>>::from(self),
                )
            }
        }
    "#]],
    );
}

#[test]
fn outgoing() {
    let item = quote! {
        #[channels(crate = c, flat)]
        enum ServerMessage {
            RoomJoined(Joined),
            UserJoined(User),
            UserLeft(User),
            Names(Vec<String>),
            Pong,
        }
    };
    check(
        crate::messages::outgoing(item),
        0,
        expect![[r#"
        impl c::__private::Outgoing for ServerMessage {
            fn name(&self) -> &'static str {
                match self {
                    Self::RoomJoined { .. } => "room_joined",
                    Self::UserJoined { .. } => "user_joined",
                    Self::UserLeft { .. } => "user_left",
                    Self::Names { .. } => "names",
                    Self::Pong { .. } => "pong",
                }
            }
            fn to_json(
                &self,
                __re: ::core::option::Option<&c::__private::RequestId>,
            ) -> ::core::result::Result<c::__private::ByteString, c::__private::Error> {
                match self {
                    Self::RoomJoined(__payload) => {
                        <Joined as c::__private::WritePayload>::write(
                            __payload,
                            c::__private::Layout::flat("type"),
                            "room_joined",
                            __re,
                        )
                    }
                    Self::UserJoined(__payload) => {
                        <User as c::__private::WritePayload>::write(
                            __payload,
                            c::__private::Layout::flat("type"),
                            "user_joined",
                            __re,
                        )
                    }
                    Self::UserLeft(__payload) => {
                        <User as c::__private::WritePayload>::write(
                            __payload,
                            c::__private::Layout::flat("type"),
                            "user_left",
                            __re,
                        )
                    }
                    Self::Names(__payload) => {
                        <Vec<
                            String,
                        > as c::__private::WritePayload>::write(
                            __payload,
                            c::__private::Layout::flat("type"),
                            "names",
                            __re,
                        )
                    }
                    Self::Pong {} => {
                        c::__private::write_empty(
                            c::__private::Layout::flat("type"),
                            "pong",
                            __re,
                        )
                    }
                }
            }
        }
        impl<__As> c::__private::Reply<ServerMessage, __As> for ServerMessage {
            fn reply(
                self,
                __sink: &mut dyn c::__private::ReplySink<ServerMessage>,
            ) -> ::core::result::Result<(), c::__private::Error> {
                c::__private::ReplySink::message(__sink, self)
            }
        }
        impl ::core::convert::From<Joined> for ServerMessage {
            fn from(__payload: Joined) -> Self {
                Self::RoomJoined(__payload)
            }
        }
        impl<__As> c::__private::Reply<ServerMessage, __As> for Joined {
            fn reply(
                self,
                __sink: &mut dyn c::__private::ReplySink<ServerMessage>,
            ) -> ::core::result::Result<(), c::__private::Error> {
                c::__private::ReplySink::message(
                    __sink,
                    <ServerMessage as ::core::convert::From<Joined>>::from(self),
                )
            }
        }
        impl ::core::convert::From<Vec<String>> for ServerMessage {
            fn from(__payload: Vec<String>) -> Self {
                Self::Names(__payload)
            }
        }
    "#]],
    );
}

#[test]
fn fields_of_a_key_stand_in_quotes_or_without() {
    let written = |key: TokenStream| {
        let item = quote!(
            enum ServerMessage {
                #[channels(outbox = "latest", key = #key)]
                Cursor(Cursor),
            }
        );
        crate::messages::outgoing(item).to_string()
    };
    assert_eq!(written(quote!("user")), written(quote!(user)));
    assert_eq!(written(quote!("at.room")), written(quote!(at.room)));
    assert_eq!(written(quote!(["at.room", user, "0"])), written(quote!([at.room, user, 0])));
}
