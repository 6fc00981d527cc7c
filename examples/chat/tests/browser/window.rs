//! One browser window: finding, waiting, clicking, typing. What the chat is, it does not know.
//!
//! A selector is CSS, in which `@name` stands for `[data-testid="name"]`.

use std::path::PathBuf;
use std::time::Duration;

use fantoccini::actions::{InputSource, KeyAction, KeyActions};
use fantoccini::elements::Element;
use fantoccini::error::CmdError;
use fantoccini::key::Key;
use fantoccini::{Client, Locator};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::server::PATIENCE;

/// How often the page is looked at while a test waits.
const GLANCE: Duration = Duration::from_millis(25);

/// What every script may use: the first element of a selector, all of them, and whether one can be seen.
const SCRIPT: &str = r#"
    const css = (selector) => selector.replace(/@([\w-]+)/g, '[data-testid="$1"]');
    const $ = (selector) => document.querySelector(css(selector));
    const $$ = (selector) => [...document.querySelectorAll(css(selector))];
    const seen = (element) => element?.checkVisibility({ visibilityProperty: true, opacityProperty: true }) ?? false;
"#;

pub struct Window {
    pub(crate) client: Client,
    pub downloads: PathBuf,
}

impl Window {
    pub async fn go_to(&self, url: &str) {
        self.client.goto(url).await.unwrap();
    }

    pub async fn reload(&self) {
        self.client.refresh().await.unwrap();
    }

    /// What a JavaScript expression says of the page right now; `a` are its arguments.
    pub async fn ask(&self, expression: &str, a: &[Value]) -> Value {
        let script = format!("{SCRIPT} const a = arguments; return ({expression});");
        self.client.execute(&script, a.to_vec()).await.unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    /// Waits until an expression is true.
    pub async fn until(&self, expression: &str, a: &[Value]) {
        let deadline = Instant::now() + PATIENCE;
        while self.ask(&format!("Boolean({expression})"), a).await != true {
            if Instant::now() > deadline {
                self.fail(&format!("{expression}, with {a:?}")).await;
            }
            sleep(GLANCE).await;
        }
    }

    /// Waits until an expression has a value.
    pub async fn until_equal(&self, expression: &str, wanted: &Value) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let is = self.ask(expression, &[]).await;
            if is == *wanted {
                return;
            }
            if Instant::now() > deadline {
                self.fail(&format!("{expression}\n  wanted: {wanted}\n  is:     {is}")).await;
            }
            sleep(GLANCE).await;
        }
    }

    pub async fn sees(&self, selector: &str) {
        self.until("$$(a[0]).some(seen)", &[selector.into()]).await;
    }

    pub async fn sees_no(&self, selector: &str) {
        self.until("!$$(a[0]).some(seen)", &[selector.into()]).await;
    }

    /// Waits until an element that can be seen has these words in it.
    pub async fn reads(&self, selector: &str, words: &str) {
        let found = "$$(a[0]).some((element) => seen(element) && element.innerText.includes(a[1]))";
        self.until(found, &[selector.into(), words.into()]).await;
    }

    pub async fn has_focus(&self, selector: &str) {
        self.until("document.activeElement === $(a[0])", &[selector.into()]).await;
    }

    /// Clicks as soon as it is there and nothing lies over it.
    pub async fn click(&self, selector: &str) {
        let click = async |element: Element| element.click().await;
        self.act(selector, click).await;
    }

    /// Types at the end of a field. Characters of [`Key`] are keys.
    pub async fn type_into(&self, selector: &str, text: &str) {
        let keys = async |element: Element| element.send_keys(text).await;
        self.act(selector, keys).await;
    }

    async fn act(&self, selector: &str, act: impl AsyncFn(Element) -> Result<(), CmdError>) {
        let css = css(selector);
        let deadline = Instant::now() + PATIENCE;
        loop {
            let done = match self.client.find(Locator::Css(&css)).await {
                Ok(element) => act(element).await,
                Err(error) => Err(error),
            };
            match done {
                Ok(()) => return,
                Err(error) if Instant::now() > deadline => self.fail(&format!("{selector}: {error}")).await,
                Err(_) => sleep(GLANCE).await,
            }
        }
    }

    /// Presses keys one after the other, wherever the focus is.
    pub async fn press(&self, keys: &str) {
        let keyboard = keys.chars().fold(KeyActions::new("keyboard".into()), |keyboard, key| {
            keyboard.then(KeyAction::Down { value: key }).then(KeyAction::Up { value: key })
        });
        self.client.perform_actions(keyboard).await.unwrap();
    }

    /// Presses a key while Shift is held.
    pub async fn press_with_shift(&self, key: Key) {
        let (shift, key) = (char::from(Key::Shift), char::from(key));
        let keyboard = KeyActions::new("keyboard".into())
            .then(KeyAction::Down { value: shift })
            .then(KeyAction::Down { value: key })
            .then(KeyAction::Up { value: key })
            .then(KeyAction::Up { value: shift });
        self.client.perform_actions(keyboard).await.unwrap();
    }

    /// A picture of the page, as PNG.
    pub async fn picture(&self) -> Vec<u8> {
        self.client.screenshot().await.unwrap()
    }

    /// Fails with what the page shows, and a picture of it.
    async fn fail(&self, waited_for: &str) -> ! {
        let shown =
            self.ask("[$('@me')?.textContent, document.title, document.body.innerText.slice(0, 2000)]", &[]).await;
        let name = self.client.session_id().await.ok().flatten().unwrap_or_default();
        let picture = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.png"));
        let picture = match self.client.screenshot().await {
            Ok(png) => std::fs::write(&picture, png).map(|()| picture.display().to_string()).unwrap_or_default(),
            Err(error) => error.to_string(),
        };
        let console = self.complaints().await;
        let [me, title, text] = [0, 1, 2].map(|part| shown[part].as_str().unwrap_or_default());
        panic!(
            "waited in vain, in the window of {me:?}, for\n  {waited_for}\n\npicture: {picture}\n\
             console: {}\ntitle: {title}\n{text}",
            json!(console)
        );
    }
}

fn css(selector: &str) -> String {
    let mut parts = selector.split('@');
    let mut css = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| !c.is_alphanumeric() && c != '-').unwrap_or(part.len());
        css += &format!("[data-testid=\"{}\"]{}", &part[..end], &part[end..]);
    }
    css
}
