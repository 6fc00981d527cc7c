//! A list of things to do, one after the other, with the time each took and a summary at the end.

use std::time::{Duration, Instant};

use crate::Failure;

type Action = Box<dyn FnOnce() -> Result<(), Failure>>;

/// What is to be done; nothing runs before [`Steps::run`].
#[derive(Default)]
pub(crate) struct Steps(Vec<(String, Action)>);

impl Steps {
    /// Adds a step at the end.
    pub(crate) fn add(&mut self, name: impl Into<String>, action: impl FnOnce() -> Result<(), Failure> + 'static) {
        self.0.push((name.into(), Box::new(action)));
    }

    /// Runs them up to the first that fails, then tells how each went, also those that were not run.
    ///
    /// # Errors
    ///
    /// The failure of the step that failed.
    pub(crate) fn run(self) -> Result<(), Failure> {
        let mut summary = Vec::new();
        let mut failure = None;
        let began = Instant::now();
        for (name, action) in self.0 {
            if failure.is_some() {
                summary.push(format!("not run            {name}"));
                continue;
            }
            println!("\n== {name}");
            let began = Instant::now();
            let outcome = action();
            let word = if outcome.is_ok() { "ok" } else { "FAILED" };
            summary.push(format!("{word:7} {}  {name}", seconds(began.elapsed())));
            failure = outcome.err().map(|error| format!("{name}: {error}"));
        }
        println!("\n== summary");
        for line in summary {
            println!("{line}");
        }
        let word = if failure.is_some() { "FAILED" } else { "ok" };
        println!("{word:7} {}  in all", seconds(began.elapsed()));
        failure.map_or(Ok(()), |failure| Err(failure.into()))
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:>7.1} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::rc::Rc;

    #[test]
    fn nothing_runs_behind_a_failure() {
        let done = Rc::new(RefCell::new(Vec::new()));
        let mut steps = Steps::default();
        for (name, fails) in [("one", false), ("two", true), ("three", false)] {
            let done = Rc::clone(&done);
            steps.add(name, move || {
                done.borrow_mut().push(name);
                if fails { Err("broken".into()) } else { Ok(()) }
            });
        }
        assert_eq!(steps.run().unwrap_err().to_string(), "two: broken");
        assert_eq!(*done.borrow(), ["one", "two"]);
    }
}
