//! The macro behind `settings.rs`: one row a setting, so that nothing about it is said twice.

/// Makes out of its rows: the `Settings` struct and its defaults, the table `VARIABLES`, the
/// getters of `Config` and the setters of `ConfigBuilder`.
///
/// What a row documents in words (unit, default, what is allowed) is compared by a test with what
/// its kind and its default expression say.
macro_rules! settings {
    ($(
        $(#[doc = $doc:literal])*
        $access:ident $field:ident: $type:ty = $default:expr,
        $name:literal as $kind:expr,
        documented ($unit:literal, $shown:literal, $allowed:literal),
        example $text:literal => $value:literal;
    )*) => {
        /// The values behind a `Config`; each is read and checked through its [`Variable`].
        #[derive(Clone)]
        pub(super) struct Settings {
            $(pub(super) $field: $type,)*
        }

        impl Default for Settings {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        /// Every variable that means something, in the order of the docs.
        pub(super) static VARIABLES: &[Variable] = &[$(
            Variable {
                name: $name,
                field: stringify!($field),
                setting: &Field {
                    kind: $kind,
                    get: |settings| &settings.$field,
                    get_mut: |settings| &mut settings.$field,
                },
                #[cfg(test)]
                documented: [$unit, $shown, $allowed],
            },
        )*];

        impl Config {
            $(settings! { @getter $access $field: $type,
                #[doc = concat!(
                    $($doc, "\n",)*
                    "\nVariable: `", $name, "`. Unit: ", $unit, ". Default: `", $shown,
                    "`. Allowed: `", $allowed, "`.",
                    "\n\n```\n# use channels::{BackendType, LimitFallback, LogLevel};\n# use std::time::Duration;\n",
                    "use channels::Config;\n\n",
                    "let config = Config::builder().vars([(\"", $name, "\", \"", $text,
                    "\")])?.build()?;\n",
                    "assert_eq!(config.", stringify!($field), "(), ", $value, ");\n",
                    "# Ok::<(), channels::ConfigError>(())\n```"
                )]
            })*
        }

        impl ConfigBuilder {
            $(settings! { @setter $access $field: $type,
                #[doc = concat!(
                    $($doc, "\n",)*
                    "\nVariable: `", $name, "`. Unit: ", $unit, ". Default: `", $shown,
                    "`. Anything but `", $allowed,
                    "` is an error of [`build`](ConfigBuilder::build).",
                    "\n\n```\n# use channels::{BackendType, LimitFallback, LogLevel};\n# use std::time::Duration;\n",
                    "use channels::Config;\n\n",
                    "let config = Config::builder().", stringify!($field), "(", $value,
                    ").build()?;\n",
                    "assert_eq!(config.", stringify!($field), "(), ", $value, ");\n",
                    "# Ok::<(), channels::ConfigError>(())\n```"
                )]
            })*
        }
    };

    (@getter copy $field:ident: $type:ty, #[$doc:meta]) => {
        #[$doc]
        pub fn $field(&self) -> $type {
            self.settings.$field
        }
    };
    (@setter copy $field:ident: $type:ty, #[$doc:meta]) => {
        #[$doc]
        pub fn $field(mut self, $field: $type) -> Self {
            self.config.settings.$field = $field;
            self
        }
    };

    // A setting that may be off: a setter takes a value as it is, or `None`.
    (@getter option $field:ident: $type:ty, #[$doc:meta]) => {
        #[$doc]
        pub fn $field(&self) -> $type {
            self.settings.$field
        }
    };
    (@setter option $field:ident: $type:ty, #[$doc:meta]) => {
        #[$doc]
        pub fn $field(mut self, $field: impl Into<$type>) -> Self {
            self.config.settings.$field = $field.into();
            self
        }
    };

    (@getter text $field:ident: $type:ty, #[$doc:meta]) => {
        #[$doc]
        pub fn $field(&self) -> &str {
            &self.settings.$field
        }
    };
    (@setter text $field:ident: $type:ty, #[$doc:meta]) => {
        #[$doc]
        pub fn $field(mut self, $field: impl Into<String>) -> Self {
            self.config.settings.$field = $field.into();
            self
        }
    };

    // The accessors of these are written by hand.
    (@getter special $field:ident: $type:ty, #[$doc:meta]) => {};
    (@setter special $field:ident: $type:ty, #[$doc:meta]) => {};
}
