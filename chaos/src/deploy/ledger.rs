//! Every message that was sent, what became of it, and what each client got: nothing may be missing without a reason.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::time::{Duration, Instant};

use crate::wire::Outcome;

/// How long a message may be on its way. What a connection that ended did not get was taken at most so long before.
const ON_ITS_WAY: Duration = Duration::from_millis(200);

/// A message to a group.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    pub(super) group: usize,
    pub(super) at: Instant,
    /// When its sender was told that the backend has it. Nothing where it was closed before.
    pub(super) taken: Option<Instant>,
}

/// A time in which a client was a member, and what it got then.
#[derive(Clone, Debug)]
pub(super) struct Stay {
    /// Its join was answered.
    pub(super) from: Instant,
    /// It was closed, or the run was over.
    pub(super) to: Instant,
    /// The numbers of the messages, in this order.
    pub(super) got: Vec<u32>,
}

/// All messages of a run, by number; a copy is the same ledger.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger(Arc<Mutex<Vec<Sent>>>);

impl Ledger {
    fn lock(&self) -> MutexGuard<'_, Vec<Sent>> {
        self.0.lock().unwrap()
    }

    /// Notes a message before it is sent; its number.
    pub(super) fn send(&self, group: usize) -> u32 {
        let mut sent = self.lock();
        sent.push(Sent { group, at: Instant::now(), taken: None });
        u32::try_from(sent.len() - 1).unwrap()
    }

    /// Its sender was told what became of it.
    pub(super) fn answer(&self, number: u32, outcome: Outcome) {
        if outcome == Outcome::Ok {
            self.lock()[number as usize].taken = Some(Instant::now());
        }
    }

    /// All of them.
    pub(super) fn pages(&self) -> Vec<Sent> {
        self.lock().clone()
    }
}

/// What became of all messages, as many as there were members for each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Messages that were sent, and taken by the backend.
    pub sent: usize,
    /// Messages whose sender was closed before it was told what became of them. Nobody waits for them.
    pub unanswered: usize,
    /// Deliveries that came.
    pub got: usize,
    /// Deliveries to clients that were away: between their close frame and the answer to their next join.
    pub away: usize,
    /// Deliveries that were on their way when their client was closed.
    pub on_their_way: usize,
    /// Messages that a client got at both servers.
    pub at_both: usize,
    /// What none of this explains.
    pub lost: Vec<String>,
    /// Messages that came twice on one connection, or behind a younger one of their sender.
    pub misplaced: Vec<String>,
}

impl Account {
    /// Adds what a member of a group got, and what it did not.
    pub(super) fn add(&mut self, client: usize, group: usize, stays: &[Stay], sent: &[Sent]) {
        let mut got: HashSet<u32> = HashSet::new();
        for stay in stays {
            let mut here = HashSet::new();
            for number in &stay.got {
                if !here.insert(*number) {
                    self.misplaced.push(format!("client {client} got message {number} twice"));
                }
            }
            self.at_both += here.iter().filter(|number| !got.insert(**number)).count();
        }
        for (number, message) in sent.iter().enumerate().filter(|(_, message)| message.group == group) {
            let Some(taken) = message.taken else { continue };
            if got.contains(&u32::try_from(number).unwrap()) {
                self.got += 1;
                continue;
            }
            match stays.iter().find(|stay| stay.from < message.at && message.at < stay.to) {
                None => self.away += 1,
                Some(stay) if was_on_its_way(stay, taken, sent) => self.on_their_way += 1,
                Some(stay) => {
                    let (from, to) = (message.at - stay.from, stay.to - message.at);
                    self.lost.push(format!(
                        "client {client} never got message {number}, sent {from:?} after it joined and {to:?} before its end"
                    ));
                }
            }
        }
    }
}

/// Whether a message may have been overtaken by the end of the connection: nothing came that was sent after it had been
/// taken, and the end came soon.
fn was_on_its_way(stay: &Stay, taken: Instant, sent: &[Sent]) -> bool {
    let younger = stay.got.iter().any(|number| sent[*number as usize].at > taken);
    !younger && stay.to <= taken + ON_ITS_WAY
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message each 100 ms, taken 10 ms later.
    fn sent(many: u64, began: Instant) -> Vec<Sent> {
        let at = |number| began + Duration::from_millis(100 * number);
        let sent = |number| Sent { group: 0, at: at(number), taken: Some(at(number) + Duration::from_millis(10)) };
        (0..many).map(sent).collect()
    }

    fn stay(began: Instant, from: u64, to: u64, got: impl IntoIterator<Item = u32>) -> Stay {
        let at = |millis| began + Duration::from_millis(millis);
        Stay { from: at(from), to: at(to), got: got.into_iter().collect() }
    }

    fn account(stays: &[Stay], sent: &[Sent]) -> Account {
        let mut account = Account::default();
        account.add(1, 0, stays, sent);
        account
    }

    #[tokio::test(start_paused = true)]
    async fn who_was_away_misses_what_was_sent_then_and_nothing_else() {
        let began = Instant::now();
        let now = began + Duration::from_secs(1);
        let sent = sent(40, now);
        // Numbers 0 to 9 are sent in the first second, 20 to 39 in the last two.
        let stays = [stay(began, 0, 2000, 0..10), stay(began, 2990, 9000, 20..40)];
        let account = account(&stays, &sent);
        assert_eq!((account.got, account.away, account.on_their_way), (30, 10, 0), "{account:?}");
        assert_eq!((account.lost.len(), account.misplaced.len(), account.at_both), (0, 0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_before_the_close_may_be_on_its_way() {
        let began = Instant::now();
        let sent = sent(10, began + Duration::from_millis(1));
        let account = account(&[stay(began, 0, 950, 0..9)], &sent);
        assert_eq!((account.got, account.on_their_way, account.lost.len()), (9, 1, 0));
    }

    /// 100 ms apart: those that were taken 140 and 40 ms before the end may be, the one before them may not.
    #[tokio::test(start_paused = true)]
    async fn a_lost_tail_is_a_loss() {
        let began = Instant::now();
        let sent = sent(10, began + Duration::from_millis(1));
        let account = account(&[stay(began, 0, 950, 0..7)], &sent);
        assert_eq!((account.got, account.on_their_way, account.lost.len()), (7, 2, 1), "{account:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_gap_is_a_loss_however_near_the_close_is() {
        let began = Instant::now();
        let sent = sent(10, began + Duration::from_millis(1));
        let got = (0..10).filter(|number| *number != 8);
        assert_eq!(account(&[stay(began, 0, 950, got)], &sent).lost.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn silence_long_before_the_end_is_a_loss() {
        let began = Instant::now();
        let sent = sent(10, began + Duration::from_millis(1));
        assert_eq!(account(&[stay(began, 0, 9000, 0..8)], &sent).lost.len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn twice_is_once_too_often() {
        let began = Instant::now();
        let sent = sent(3, began + Duration::from_millis(1));
        assert_eq!(account(&[stay(began, 0, 9000, [0, 1, 1, 2])], &sent).misplaced.len(), 1);
    }
}
