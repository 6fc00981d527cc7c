//! A variable of the environment and the setting that it sets.

use super::error::Problem;
use super::settings::Settings;
use super::value::Kind;

/// One row of the table: a name, and how to get at its setting without knowing its type.
pub(super) struct Variable {
    pub(super) name: &'static str,
    /// The name of the getter and of the setter.
    pub(super) field: &'static str,
    pub(super) setting: &'static dyn Setting,
    /// Unit, default and what is allowed, as the docs of the getter say it.
    #[cfg(test)]
    pub(super) documented: [&'static str; 3],
}

impl Variable {
    /// Puts the text into the settings, which stay as they are if it is wrong.
    pub(super) fn read(&self, settings: &mut Settings, text: &str) -> Result<(), Problem> {
        if self.setting.read(settings, text) {
            return Ok(());
        }
        Err(Problem::value(self.name, &self.setting.quote(text), self.setting.expected()))
    }

    /// Tells whether the value in the settings is allowed; a setter takes any.
    pub(super) fn check(&self, settings: &Settings) -> Result<(), Problem> {
        if self.setting.allows(settings) {
            return Ok(());
        }
        Err(Problem::value(self.name, &self.setting.show(settings), self.setting.expected()))
    }
}

/// A field of [`Settings`] with its type erased, so that a table can hold them all.
pub(super) trait Setting: Sync {
    /// False if the text is no value of this kind, or not an allowed one.
    fn read(&self, settings: &mut Settings, text: &str) -> bool;
    fn allows(&self, settings: &Settings) -> bool;
    /// The value as its variable would be written, without secrets.
    fn show(&self, settings: &Settings) -> String;
    /// The text as an error may show it, without secrets.
    fn quote(&self, text: &str) -> String;
    fn expected(&self) -> String;
    /// Unit and what is allowed, as the docs say it.
    #[cfg(test)]
    fn documented(&self) -> [String; 2];
}

/// The field behind a setting and the kind of its values.
pub(super) struct Field<K: Kind> {
    pub(super) kind: K,
    pub(super) get: fn(&Settings) -> &K::Value,
    pub(super) get_mut: fn(&mut Settings) -> &mut K::Value,
}

impl<K: Kind> Setting for Field<K> {
    fn read(&self, settings: &mut Settings, text: &str) -> bool {
        match self.kind.read(text) {
            Some(value) if self.kind.allows(&value) => {
                self.kind.store((self.get_mut)(settings), value);
                true
            }
            _ => false,
        }
    }

    fn allows(&self, settings: &Settings) -> bool {
        self.kind.allows((self.get)(settings))
    }

    fn show(&self, settings: &Settings) -> String {
        self.kind.show((self.get)(settings))
    }

    fn quote(&self, text: &str) -> String {
        self.kind.quote(text)
    }

    fn expected(&self) -> String {
        self.kind.expected()
    }

    #[cfg(test)]
    fn documented(&self) -> [String; 2] {
        [self.kind.unit().to_owned(), self.kind.allowed()]
    }
}
