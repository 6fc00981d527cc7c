//! What a listening connection was asked for, in order, and which of it an answer is for.
//!
//! Each channel of a command is acknowledged by a push, in its order; a command that is refused by one error. But a server
//! of a Cluster that gives a slot away ends what was subscribed there by itself, by the same push as if it had been asked
//! to, and refuses then what it was asked meanwhile. So what is asked decides whose a push is, never what has become of
//! the topic; and a command to end something stays until a later answer shows that no refusal of it follows.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::SystemTime;

use super::fault::ErrorReply;
use super::subscriptions::Batch;

/// The commands without a whole answer, the oldest first.
#[derive(Debug, Default)]
pub(super) struct AskedCommands(VecDeque<Command>);

/// One of them, with what of it is not acknowledged yet.
#[derive(Debug)]
pub(super) enum Command {
    Subscribe { channels: Vec<Arc<str>>, left: usize, slot: Option<u16> },
    Unsubscribe { left: VecDeque<Arc<str>>, slot: Option<u16> },
    Ping { at: SystemTime },
}

impl AskedCommands {
    pub(super) fn subscribe(&mut self, batch: Batch) {
        let (left, slot) = (batch.channels.len(), slot_of(&batch));
        self.0.push_back(Command::Subscribe { channels: batch.channels, left, slot });
    }

    pub(super) fn unsubscribe(&mut self, batch: Batch) {
        let slot = slot_of(&batch);
        self.0.push_back(Command::Unsubscribe { left: batch.channels.into(), slot });
    }

    pub(super) fn ping(&mut self, at: SystemTime) {
        self.0.push_back(Command::Ping { at });
    }

    pub(super) fn is_pinging(&self) -> bool {
        self.0.iter().any(|command| matches!(command, Command::Ping { .. }))
    }

    /// A new connection was asked for nothing.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// A subscription began; whether that was asked for.
    pub(super) fn began(&mut self) -> bool {
        self.pass_ended();
        let Some(Command::Subscribe { left, .. }) = self.0.front_mut() else { return false };
        *left -= 1;
        if *left == 0 {
            self.0.pop_front();
        }
        true
    }

    /// A subscription ended; whether that was asked for.
    pub(super) fn stopped(&mut self, channel: &str) -> bool {
        let is_next = |command: Option<&Command>| match command {
            Some(Command::Unsubscribe { left, .. }) => left.front().is_some_and(|next| **next == *channel),
            _ => false,
        };
        if self.has_ended() && is_next(self.0.get(1)) {
            self.0.pop_front();
        }
        let is_asked = is_next(self.0.front());
        if is_asked && let Some(Command::Unsubscribe { left, .. }) = self.0.front_mut() {
            left.pop_front();
        }
        is_asked
    }

    /// A ping was answered: when it left. Nothing, where none was the next to be answered.
    pub(super) fn answered(&mut self) -> Option<SystemTime> {
        self.pass_ended();
        match self.0.pop_front() {
            Some(Command::Ping { at }) => Some(at),
            _ => None,
        }
    }

    /// The command that was refused.
    pub(super) fn refused(&mut self, error: &ErrorReply) -> Option<Command> {
        let moved = error.moved_slot();
        let is_its = match self.0.front() {
            // All of it was ended before the server read it, as the slot had gone.
            Some(Command::Unsubscribe { slot, .. }) => moved.is_some() && moved == *slot,
            _ => false,
        };
        if !is_its {
            self.pass_ended();
        } else if self.has_ended() && self.begins_in(moved) {
            // Or it was ended by the command, and the slot went before the next: that one is refused either way. If by itself, the
            // other refusal finds what is left here.
            return self.0.remove(1);
        }
        self.0.pop_front()
    }

    /// Whether the second command is to begin something in a slot, of which nothing is acknowledged.
    fn begins_in(&self, moved: Option<u16>) -> bool {
        match self.0.get(1) {
            Some(Command::Subscribe { channels, left, slot }) => *left == channels.len() && *slot == moved,
            _ => false,
        }
    }

    /// Whether all that the oldest command asks to end has ended, by itself or by the command.
    fn has_ended(&self) -> bool {
        matches!(self.0.front(), Some(Command::Unsubscribe { left, .. }) if left.is_empty())
    }

    /// Something later is answered.
    fn pass_ended(&mut self) {
        while self.has_ended() {
            self.0.pop_front();
        }
    }
}

fn slot_of(batch: &Batch) -> Option<u16> {
    batch.partition.map(|partition| partition.slot())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::redis::names::Partition;

    const HERE: Partition = Partition(1);
    const ELSEWHERE: Partition = Partition(2);

    fn batch(partition: Partition, channels: &[&str]) -> Batch {
        Batch { channels: channels.iter().map(|name| Arc::from(*name)).collect(), partition: Some(partition) }
    }

    fn moved(partition: Partition) -> ErrorReply {
        ErrorReply { code: "MOVED".to_owned(), details: format!("{} 10.0.0.1:7000", partition.slot()) }
    }

    #[test]
    fn answers_come_in_the_order_of_the_commands() {
        let mut asked = AskedCommands::default();
        asked.subscribe(batch(HERE, &["a", "b"]));
        asked.unsubscribe(batch(HERE, &["a", "b"]));
        asked.unsubscribe(batch(ELSEWHERE, &["c"]));
        let at = SystemTime::now();
        asked.ping(at);
        assert!(!asked.stopped("a"), "it is not its turn");
        assert!(asked.began() && asked.began() && !asked.began());
        assert!(!asked.stopped("d"), "nobody asked");
        assert!(asked.stopped("a") && asked.stopped("b") && asked.stopped("c") && !asked.stopped("c"));
        assert!(asked.is_pinging());
        assert_eq!(asked.answered(), Some(at));
        assert_eq!(asked.answered(), None);
        assert!(!asked.is_pinging() && asked.0.is_empty());
    }

    #[test]
    fn a_ping_is_answered_only_after_what_was_asked_before() {
        let mut asked = AskedCommands::default();
        asked.unsubscribe(batch(HERE, &["a", "b"]));
        asked.ping(SystemTime::now());
        assert!(asked.stopped("a"));
        assert_eq!(asked.answered(), None);
    }

    #[test]
    fn what_a_server_ended_by_itself_is_refused_when_it_reads_the_command() {
        let mut asked = AskedCommands::default();
        asked.unsubscribe(batch(HERE, &["a"]));
        asked.ping(SystemTime::now());
        assert!(asked.stopped("a"));
        let refused = asked.refused(&moved(HERE));
        assert!(matches!(refused, Some(Command::Unsubscribe { left, .. }) if left.is_empty()));
        assert!(asked.answered().is_some());
    }

    #[test]
    fn who_joins_where_a_slot_went_is_refused_whatever_ended_there_before() {
        for refused_by_itself in [false, true] {
            let mut asked = AskedCommands::default();
            asked.unsubscribe(batch(HERE, &["a"]));
            asked.subscribe(batch(HERE, &["b"]));
            asked.ping(SystemTime::now());
            assert!(asked.stopped("a"));
            let refused = asked.refused(&moved(HERE));
            assert!(matches!(refused, Some(Command::Subscribe { channels, .. }) if *channels[0] == *"b"));
            if refused_by_itself {
                let refused = asked.refused(&moved(HERE));
                assert!(matches!(refused, Some(Command::Unsubscribe { left, .. }) if left.is_empty()));
            }
            assert!(asked.answered().is_some());
        }
    }

    #[test]
    fn what_has_ended_as_asked_is_not_refused_for_what_comes_after_it() {
        for error in [moved(ELSEWHERE), ErrorReply { code: "CLUSTERDOWN".to_owned(), details: String::new() }] {
            let mut asked = AskedCommands::default();
            asked.unsubscribe(batch(HERE, &["a"]));
            asked.subscribe(batch(ELSEWHERE, &["b"]));
            asked.ping(SystemTime::now());
            assert!(asked.stopped("a"));
            let refused = asked.refused(&error);
            assert!(matches!(refused, Some(Command::Subscribe { channels, .. }) if *channels[0] == *"b"));
            assert!(asked.answered().is_some());
        }
    }
}
