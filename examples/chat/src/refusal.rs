//! What a user is told when something is not possible, in words.

use channels::Error;

pub(crate) fn not_a_member(room: &str) -> Error {
    Error::authorization(format!("You are not a member of “{room}”. Join the room first."))
}

pub(crate) fn already_in(room: &str) -> Error {
    Error::validation("room", format!("you are already in “{room}”"))
}

pub(crate) fn unknown_room(room: &str) -> Error {
    Error::validation("room", format!("there is no room “{room}”"))
}

pub(crate) fn private_room(room: &str) -> Error {
    Error::authorization(format!("“{room}” exists and is private. Choose another name."))
}

pub(crate) fn unknown_user(user: &str) -> Error {
    Error::validation("target_user_id", format!("nobody called “{user}” has ever been here"))
}
