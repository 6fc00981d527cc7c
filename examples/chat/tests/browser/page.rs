//! What a person does on the chat's page, and sees there.

use fantoccini::key::Key;
use serde_json::json;

use crate::chat::Chat;
use crate::window::Window;

/// The messages of the open conversation as `ada: hello`, a file as `ada: [notes.txt]`, and what is not
/// sent yet as `ada: hello (queued)`.
const LOG: &str = "
    $$('@message-log [data-message], @private-log [data-message]').filter(seen).map((message) => {
        const text = message.querySelector('.message-text')?.textContent;
        const file = message.querySelector('.file-name')?.textContent;
        const { from, state } = message.dataset;
        return `${from}: ${text ?? `[${file}]`}${state === 'sent' ? '' : ` (${state})`}`;
    })";

/// How many pixels of the open room's log are below what is in sight.
const BELOW: &str = "(({ scrollHeight, scrollTop, clientHeight }) => scrollHeight - scrollTop - clientHeight)
    ($('@message-log'))";

impl Window {
    pub async fn sign_in(&self, chat: &Chat, name: &str) {
        self.go_to(&chat.url()).await;
        self.type_into("@signin-name", name).await;
        self.click("@signin-submit").await;
        self.is_online().await;
        self.until("$('@me').textContent === a[0]", &[json!(name)]).await;
    }

    pub async fn is_online(&self) {
        self.sees("@connection-state[data-state=online]").await;
    }

    /// Joins by name and waits until the server says that one is in.
    pub async fn join(&self, room: &str) {
        self.type_into("@join-input", room).await;
        self.click("@join-submit").await;
        self.is_in(room).await;
    }

    /// The room is open, and this user a member of it right now.
    pub async fn is_in(&self, room: &str) {
        self.sees(&format!("@room-list [data-room='{room}'][data-joined=true][data-active]")).await;
        self.reads("@title", room).await;
        self.until("$(`@members [data-user=\"${$('@me').title}\"][data-status=online]`)", &[]).await;
    }

    /// Opens a room that one is in.
    pub async fn open_room(&self, room: &str) {
        self.click(&format!("@room-list [data-room='{room}'] button")).await;
        self.reads("@title", room).await;
    }

    pub async fn say(&self, text: &str) {
        self.type_into("@message-input", &(text.to_owned() + &Key::Enter)).await;
    }

    pub async fn say_privately(&self, text: &str) {
        self.type_into("@private-input", &(text.to_owned() + &Key::Enter)).await;
    }

    /// Waits until the open conversation holds exactly these messages, in this order.
    pub async fn reads_log(&self, messages: &[&str]) {
        self.until_equal(LOG, &json!(messages)).await;
    }

    /// Waits until the newest message is in sight.
    pub async fn is_at_the_end(&self) {
        self.until(&format!("{BELOW} < 2 && !seen($('@jump'))"), &[]).await;
    }

    /// The messages of the open conversation right now.
    pub async fn log(&self) -> Vec<String> {
        serde_json::from_value(self.ask(LOG, &[]).await).unwrap()
    }
}
