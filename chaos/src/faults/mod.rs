//! What can happen.

mod redis;

use std::future::Future;
use std::pin::Pin;

use crate::report::Report;
use crate::run::Setting;

type Running = Pin<Box<dyn Future<Output = Report> + Send>>;

/// Something that happens.
#[derive(Clone, Copy)]
pub struct Fault {
    /// What it is called.
    pub name: &'static str,
    run: fn(&'static str, Setting) -> Running,
}

impl Fault {
    /// Has it happen.
    pub async fn run(self, setting: Setting) -> Report {
        (self.run)(self.name, setting).await
    }
}

/// A row of the list.
macro_rules! fault {
    ($name:literal, $run:path) => {
        Fault { name: $name, run: |name, setting| Box::pin(async move { $run(name, &setting).await }) }
    };
}

/// All of them.
pub const ALL: &[Fault] = &[fault!("redis_killed", redis::killed)];

/// The fault of this name.
pub fn named(name: &str) -> Option<Fault> {
    ALL.iter().copied().find(|fault| fault.name == name)
}
