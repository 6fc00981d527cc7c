//! One writer at a time, and nobody waits for it.
//!
//! Many push what is to be written, each for a moment under the lock; whoever is told so writes it, without the
//! lock. The order of the wire is the order of the pushes, since there is one writer, and it takes what
//! was pushed first. `tests/tests/model` checks this file with loom.

use super::sync::{Mutex, MutexGuard};

/// What is pushed and taken, under the lock of its [`Lane`].
pub(crate) trait Cargo {
    /// What a writer takes in one go.
    type Load;

    /// Whether there is anything to be written.
    fn is_waiting(&self) -> bool;

    /// What is to be written next; `None` where there is nothing, or no way to write it.
    fn load(&mut self) -> Option<Self::Load>;

    /// A load is done, or given up.
    fn unload(&mut self, load: Self::Load);
}

/// What a writer came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// All of the load is written, or nothing more ever will be.
    Done,
    /// The socket takes no more now.
    Blocked,
}

/// Who writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writer {
    Nobody,
    /// Somebody was told to, and will.
    Called,
    /// Somebody is at it, or waits for the socket with a load in hand; it looks again before it goes.
    Busy,
}

#[derive(Debug)]
pub(crate) struct Lane<C> {
    /// Keeps together what waits and who writes it: something waits only where there is a writer.
    state: Mutex<State<C>>,
}

#[derive(Debug)]
struct State<C> {
    cargo: C,
    writer: Writer,
}

impl<C: Cargo> Lane<C> {
    pub(crate) fn new(cargo: C) -> Self {
        Self { state: Mutex::new(State { cargo, writer: Writer::Nobody }) }
    }

    fn lock(&self) -> MutexGuard<'_, State<C>> {
        match self.state.lock() {
            Ok(state) => state,
            Err(poisoned) => poisoned.into_inner(),
        }
    }

    pub(crate) fn look<R>(&self, look: impl FnOnce(&C) -> R) -> R {
        look(&self.lock().cargo)
    }

    /// Changes what waits. Who gets `true` has been called: [`Lane::write`] is due, and nobody else will do it.
    pub(crate) fn change<R>(&self, change: impl FnOnce(&mut C) -> R) -> (R, bool) {
        let mut state = self.lock();
        let result = change(&mut state.cargo);
        let called = state.writer == Writer::Nobody && state.cargo.is_waiting();
        if called {
            state.writer = Writer::Called;
        }
        (result, called)
    }

    /// Writes until nothing waits, unless somebody else is at it. A load that the socket does not take now is
    /// handed back, for [`Lane::resume`].
    pub(crate) fn write(&self, step: impl FnMut(&mut C::Load) -> Progress) -> Option<C::Load> {
        let state = self.lock();
        if state.writer == Writer::Busy { None } else { self.go_on(state, step) }
    }

    /// Goes on with a load that was handed back.
    pub(crate) fn resume(&self, mut load: C::Load, mut step: impl FnMut(&mut C::Load) -> Progress) -> Option<C::Load> {
        if step(&mut load) == Progress::Blocked {
            return Some(load);
        }
        let mut state = self.lock();
        state.cargo.unload(load);
        self.go_on(state, step)
    }

    fn go_on<'a>(
        &'a self,
        mut state: MutexGuard<'a, State<C>>,
        mut step: impl FnMut(&mut C::Load) -> Progress,
    ) -> Option<C::Load> {
        while let Some(mut load) = state.cargo.load() {
            state.writer = Writer::Busy;
            drop(state);
            if step(&mut load) == Progress::Blocked {
                return Some(load);
            }
            state = self.lock();
            state.cargo.unload(load);
        }
        state.writer = Writer::Nobody;
        None
    }

    /// Takes a load without writing it, for the one who writes in its own time; [`Lane::put`] it back when done.
    pub(crate) fn take(&self) -> Option<C::Load> {
        let mut state = self.lock();
        let load = state.cargo.load();
        state.writer = if load.is_some() { Writer::Busy } else { Writer::Nobody };
        load
    }

    /// What was taken is done, or given up.
    pub(crate) fn put(&self, load: C::Load) {
        self.lock().cargo.unload(load);
    }
}
