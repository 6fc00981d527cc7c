//! One run: servers, their load, what is done to them, and what came of it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::books::Books;
use crate::checker::{Circumstances, Findings, Limits, NOTICED_WITHIN, check};
use crate::client::Client;
use crate::clock::{At, millis, now, seconds};
use crate::crowd::{Crowd, Size};
use crate::http;
use crate::report::Report;
use crate::rush::Rush;
use crate::servers::{Server, Settings};
use crate::told::{Reported, Status};
use crate::watch::Watch;
use crate::wire::{Outcome, Target};

/// How often it is looked whether something is so.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How long the last messages may be on their way.
const ARRIVES_WITHIN: Duration = Duration::from_secs(5);

/// Nothing more comes when nothing came for so long.
const QUIET: Duration = Duration::from_millis(400);

/// How long the counts may take to agree.
const AGREES_WITHIN: Duration = Duration::from_secs(8);

/// What a look at `/readyz` may be late.
const LOOKED_WITHIN: At = 500;

/// How long faults last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// In `cargo xtask test`.
    Short,
    /// In `cargo xtask chaos`.
    Long,
}

impl Form {
    /// One of two times in seconds.
    pub fn seconds(self, short: u64, long: u64) -> Duration {
        Duration::from_secs(match self {
            Self::Short => short,
            Self::Long => long,
        })
    }
}

/// How faults are run.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The program of `serve`.
    pub program: PathBuf,
    /// How long they last.
    pub form: Form,
}

/// A server and what is seen of it.
#[derive(Debug)]
struct Slot {
    server: Server,
    watch: Watch,
}

/// Servers under load.
#[derive(Debug)]
pub struct Run {
    fault: &'static str,
    /// How long its faults last.
    pub form: Form,
    settings: Vec<Settings>,
    slots: Vec<Slot>,
    /// Who sent and got what.
    pub books: Books,
    crowd: Crowd,
    circumstances: Circumstances,
    findings: Findings,
    /// Servers that have to turn red, from when on.
    deaf: Vec<(usize, At)>,
}

impl Run {
    /// Starts servers, one for each URL of Redis, and their load, and lets them run for a while.
    pub async fn start(setting: &Setting, fault: &'static str, urls: &[String]) -> Self {
        Self::start_with(setting, fault, urls, Size::default(), &[]).await
    }

    /// As [`start`](Self::start), with more load, or more of an environment.
    pub async fn start_with(
        setting: &Setting,
        fault: &'static str,
        urls: &[String],
        size: Size,
        environment: &[(&str, &str)],
    ) -> Self {
        let own = |url: &String| {
            let more = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            let environment = [("REDIS_URL".to_owned(), url.clone())].into_iter().chain(more).collect();
            Settings { program: setting.program.clone(), environment }
        };
        let settings: Vec<_> = urls.iter().map(own).collect();
        let mut slots = Vec::new();
        for settings in &settings {
            slots.push(slot(settings).await);
        }
        let books = Books::default();
        let addresses: Vec<_> = slots.iter().map(|slot| slot.server.address).collect();
        let crowd = Crowd::start(&books, size, &addresses).await;
        let (form, deaf) = (setting.form, Vec::new());
        let (circumstances, findings) = (Circumstances::default(), Findings::default());
        let run = Self { fault, form, settings, slots, books, crowd, circumstances, findings, deaf };
        sleep(form.seconds(2, 5)).await;
        run
    }

    /// The server of this number.
    pub fn server(&self, number: usize) -> &Server {
        &self.slots[number].server
    }

    /// Where a server listens.
    pub fn address(&self, number: usize) -> SocketAddr {
        self.server(number).address
    }

    fn living(&self) -> impl Iterator<Item = (usize, &Slot)> {
        self.slots.iter().enumerate().filter(|(_, slot)| slot.server.lives())
    }

    /// The fault begins.
    pub fn begins(&mut self) {
        self.circumstances.lost.get_or_insert_with(now);
    }

    /// The fault begins, and these servers have to say within 5 s that they are deaf.
    pub fn deafens(&mut self, servers: &[usize]) {
        self.begins();
        self.deaf.extend(servers.iter().map(|server| (*server, now())));
    }

    /// The fault is over: from now on everything has to come back.
    pub fn is_back(&mut self) {
        self.circumstances.back = Some(now());
    }

    /// A server stands still for a while.
    pub fn pauses(&mut self, server: usize) {
        self.begins();
        self.circumstances.paused.push(server);
    }

    /// Ends a server, by SIGTERM or by SIGKILL.
    pub fn end(&mut self, number: usize, kill: bool) {
        self.begins();
        self.circumstances.gone.insert(number, now());
        let server = &self.slots[number].server;
        if kill {
            server.kill_9();
        } else {
            let exit = server.terminate();
            assert!(exit.success(), "a server ended with {exit} after SIGTERM");
        }
    }

    /// Starts one more server, like the first.
    pub async fn add_server(&mut self) {
        self.begins();
        let slot = slot(&self.settings[0]).await;
        let address = slot.server.address;
        self.slots.push(slot);
        self.crowd.publish_at(self.slots.len() - 1, address, self.slots.len()).await;
    }

    /// These servers must not notice anything.
    pub fn is_undisturbed(&mut self, servers: &[usize]) {
        self.circumstances.undisturbed.extend(servers);
    }

    /// Messages are on their way for so much longer.
    pub fn slows(&mut self, by: Duration) {
        self.circumstances.slower = millis(by);
    }

    /// There may not be more connections at once than this, of a user and in all.
    pub fn limits(&mut self, per_user: usize, total: usize) {
        self.circumstances.limits = Some(Limits { per_user, total });
    }

    /// There are two masters for a while.
    pub fn splits(&mut self) {
        self.circumstances.split = true;
    }

    /// Redis forgets who has which places.
    pub fn forgets(&mut self) {
        self.circumstances.forgets = true;
    }

    /// Some members go, and others come.
    pub async fn members_change(&mut self) {
        let addresses: Vec<_> = self.slots.iter().map(|slot| slot.server.address).collect();
        self.crowd.change(&addresses).await;
    }

    /// What the server calls the connection of a member there.
    pub fn a_connection_at(&self, server: usize) -> String {
        let pages = self.books.pages();
        let client = pages.clients.iter().find(|client| client.server == server && client.closed.is_none());
        client.expect("a client there").connection.clone()
    }

    /// One more publisher, which publishes only what it is told to.
    pub async fn publisher_at(&self, server: usize) -> Publisher {
        let client = Client::open(&self.books, server, self.address(server), "told").await.unwrap();
        Publisher { client, number: self.books.publisher(server) }
    }

    /// Waits until a user is let in at a server.
    pub async fn place_within(&self, server: usize, user: &str, within: Duration) -> Option<Client> {
        let deadline = Instant::now() + within;
        while Instant::now() < deadline {
            if let Ok(client) = Client::open(&self.books, server, self.address(server), user).await {
                return Some(client);
            }
            sleep(LOOK_EVERY).await;
        }
        None
    }

    /// Many who want to be connected as these users, here and there.
    pub fn rush<const N: usize>(&self, users: [&'static str; N]) -> Rush {
        let servers: Vec<_> = self.slots.iter().map(|slot| slot.server.address).collect();
        Rush::start(&self.books, &servers, &users)
    }

    /// What a server tells of itself.
    ///
    /// # Errors
    ///
    /// In words.
    pub async fn status(&self, server: usize) -> Result<Status, String> {
        http::told(self.address(server), "/status").await
    }

    /// Notes what breaks a promise.
    pub fn complain(&mut self, promise: &'static str, what: impl FnOnce() -> String) {
        self.findings.violations.add(promise, what);
    }

    /// Waits until all servers are ready, as far as they get it in time.
    pub async fn recover(&self) {
        let deadline = Instant::now() + Duration::from_millis(2 * NOTICED_WITHIN);
        while Instant::now() < deadline && !self.living().all(|(_, slot)| slot.watch.ready_since().is_some()) {
            sleep(LOOK_EVERY).await;
        }
    }

    /// Goes on for a while, stops, and judges.
    pub async fn finish(mut self) -> Report {
        self.recover().await;
        sleep(self.form.seconds(3, 6)).await;
        self.crowd.stop().await;
        self.wait_for_the_last().await;
        self.counts_agree().await;
        self.read_reports().await;
        let pages = self.books.pages().clone();
        self.crowd.close().await;
        let mut findings = check(&pages, &self.circumstances);
        findings.violations.merge(self.findings.violations);
        let slots: BTreeMap<usize, &Slot> =
            self.slots.iter().enumerate().filter(|(_, slot)| slot.server.lives()).collect();
        let recovery = readiness(&self.circumstances, &self.deaf, &slots, &mut findings);
        let logs =
            self.slots.iter().enumerate().map(|(number, slot)| format!("server {number}:\n{}", slot.server.log()));
        let logs = logs.collect::<Vec<_>>().join("\n");
        Report { fault: self.fault, findings, recovery, logs }
    }

    async fn wait_for_the_last(&self) {
        let deadline = Instant::now() + ARRIVES_WITHIN;
        loop {
            let before = self.books.received();
            sleep(QUIET).await;
            if self.books.received() == before || Instant::now() > deadline {
                return;
            }
        }
    }

    async fn read_reports(&mut self) {
        let living: Vec<_> = self.living().map(|(number, slot)| (number, slot.server.address)).collect();
        for (number, address) in living {
            match http::told::<Vec<Reported>>(address, "/interruptions").await {
                Ok(reported) => drop(self.circumstances.reported.insert(number, reported)),
                Err(problem) => self.complain("a server answers", || problem),
            }
        }
    }

    /// What each server counts has to become what there is.
    async fn counts_agree(&mut self) {
        self.totals_agree("counts agree", AGREES_WITHIN).await;
        let deadline = Instant::now() + AGREES_WITHIN;
        while let Some(wrong) = self.wrong_group().await {
            if Instant::now() > deadline {
                return self.complain("counts agree", || wrong);
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// What the servers count together has to become what there is, without the members of groups.
    pub async fn totals_agree(&mut self, promise: &'static str, within: Duration) {
        let deadline = Instant::now() + within;
        while let Some(wrong) = self.wrong_total().await {
            if Instant::now() > deadline {
                return self.complain(promise, || wrong);
            }
            sleep(LOOK_EVERY).await;
        }
    }

    async fn wrong_total(&self) -> Option<String> {
        let servers = self.living().count();
        for (number, _) in self.living() {
            let told = self.status(number).await;
            // Counted afterwards: those who are rushing are different ones all the time.
            let (connections, users, _) = self.real_counts();
            match told {
                Ok(Status { servers: a, connections: b, users: c, .. })
                    if (a, b, c) == (servers, connections, users) => {}
                told => {
                    return Some(format!(
                        "server {number} says {told:?}; there are {servers} servers, {connections} connections, {users} users"
                    ));
                }
            }
        }
        None
    }

    async fn wrong_group(&self) -> Option<String> {
        let (.., groups) = self.real_counts();
        for (number, slot) in self.living() {
            for group in self.crowd.groups() {
                let real = groups.get(&group).copied().unwrap_or(0);
                match http::told::<usize>(slot.server.address, &format!("/groups/{group}")).await {
                    Ok(told) if told == real => {}
                    other => return Some(format!("server {number} says {other:?} of {group}, which has {real}")),
                }
            }
        }
        None
    }

    fn real_counts(&self) -> (usize, usize, BTreeMap<String, usize>) {
        let pages = self.books.pages();
        let open: Vec<_> = pages.clients.iter().filter(|client| client.closed.is_none()).collect();
        let mut users: Vec<_> = open.iter().map(|client| &client.user).collect();
        users.sort_unstable();
        users.dedup();
        let mut groups = BTreeMap::new();
        for client in &open {
            for (group, stays) in &client.groups {
                let is_in = stays.last().is_some_and(|stay| stay.to.is_none());
                *groups.entry(group.clone()).or_insert(0) += usize::from(is_in);
            }
        }
        (open.len(), users.len(), groups)
    }
}

/// Publishes what it is told to.
#[derive(Debug)]
pub struct Publisher {
    client: Client,
    number: u32,
}

impl Publisher {
    /// Publishes one message.
    pub async fn publish(&mut self, to: Target, padding: usize) -> Option<Outcome> {
        self.client.publish(self.number, to, padding).await
    }
}

async fn slot(settings: &Settings) -> Slot {
    let server = Server::start(settings).await;
    let watch = Watch::start(server.address);
    Slot { server, watch }
}

/// Who is deaf says so in time, and who hears again too; how long everything took to be as before.
fn readiness(
    circumstances: &Circumstances,
    deaf: &[(usize, At)],
    slots: &BTreeMap<usize, &Slot>,
    findings: &mut Findings,
) -> Option<f64> {
    for (server, from) in deaf {
        let Some(slot) = slots.get(server) else { continue };
        let red = slot.watch.first(false, *from);
        if red.is_none_or(|at| at > from + NOTICED_WITHIN + LOOKED_WITHIN) {
            findings
                .violations
                .add("R4 red within 5 s", || format!("server {server} was lost at {from} and turned red at {red:?}"));
        }
    }
    for server in &circumstances.undisturbed {
        let red = slots.get(server).and_then(|slot| slot.watch.first(false, 0));
        if let Some(at) = red {
            findings
                .violations
                .add("who is not concerned is undisturbed", || format!("server {server} was red at {at}"));
        }
    }
    let back = circumstances.back?;
    let mut recovered = findings.last_missed.unwrap_or(back).max(back);
    for (number, slot) in slots {
        // It may have been green still, and red only afterwards.
        match slot.watch.ready_since() {
            Some(green) => recovered = recovered.max(green),
            None => findings.violations.add("R4 green within 5 s", || format!("server {number} is not ready")),
        }
    }
    if recovered > back + NOTICED_WITHIN + LOOKED_WITHIN {
        findings.violations.add("R4 back within 5 s", || {
            format!(
                "it took {:.1} s; the last message that was missed was sent at {:?}, the fault healed at {back}",
                seconds(back, recovered),
                findings.last_missed
            )
        });
    }
    Some(seconds(back, recovered))
}
