//! What becomes of a request that is done once, where the server that does it gets no further.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use channels_tests::redis::{RedisServer, eventually};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::block_in_place;
use tokio::time::{Instant, sleep};

use super::two;
use crate::client::Client;
use crate::clock::{At, millis, now};
use crate::crowd::Size;
use crate::report::Report;
use crate::run::{Run, Setting};
use crate::servers::RUNS;
use crate::wire::{Order, Ordered};

/// Whose request it is.
const USER: &str = "buyer";
/// What it is known by.
const ID: &str = "an order";
/// It takes so long that its server can be stopped meanwhile, and less than half of what its handler may take, which is what
/// whoever waited for it has left.
const ORDER: Order = Order { millis: 1500 };
/// How long nobody else does it: the four seconds of its handler, and ten.
const CLAIMED_FOR: Duration = Duration::from_secs(14);
/// How long after that somebody who asks may wait: who has waited for half of the handler's time asks again, and then it is
/// done, on a busy machine.
const SOON: Duration = Duration::from_secs(8);
/// The places of a dead server are free by then.
const FREE_WITHIN: Duration = Duration::from_secs(26);

/// kill -9 of one of three servers while it does something that is done once.
pub(super) async fn killed(fault: &'static str, setting: &Setting) -> Report {
    let redis = block_in_place(RedisServer::start);
    let urls = [redis.url(), redis.url(), redis.url()];
    let runs = Runs::new();
    let mut run = Run::start_with(setting, fault, &urls, Size::default(), &runs.environment()).await;
    run.is_undisturbed(&[1, 2]);
    let mut first = client(&run, 0).await;
    let asked = now();
    first.request(ID, "order", ORDER).await;
    runs.begin().await;
    run.end(0, true);
    let mut second = client(&run, 1).await;
    let answer = until_answered(&mut second).await;
    let mut third = client(&run, 2).await;
    let again = [ask(&mut second).await, ask(&mut third).await];
    judge(&mut run, &runs, asked, answer, &again);
    run.totals_agree("L2 free within 25 s", FREE_WITHIN).await;
    let report = run.finish().await;
    drop((first, second, third));
    report
}

/// SIGSTOP of a server while it does something that is done once, until another has done it, and SIGCONT.
pub(super) async fn paused(fault: &'static str, setting: &Setting) -> Report {
    let redis = block_in_place(RedisServer::start);
    let runs = Runs::new();
    let urls = two(redis.url());
    let mut run = Run::start_with(setting, fault, &urls, Size::default(), &runs.environment()).await;
    run.is_undisturbed(&[1]);
    let (mut first, mut second) = (client(&run, 0).await, client(&run, 1).await);
    let asked = now();
    first.request(ID, "order", ORDER).await;
    runs.begin().await;
    run.pauses(0);
    run.server(0).pause();
    let answer = until_answered(&mut second).await;
    run.server(0).resume();
    run.is_back();
    // What it has come to itself is not the answer: nobody will ever be told that again.
    let late = first.answered().await;
    let code = late.as_ref().map_or(&Value::Null, |late| &late["data"]["error_code"]);
    if code != "TIMEOUT_ERROR" {
        run.complain(ONE_ANSWER, || format!("who asked a server that stood still heard {late:?}, others {answer:?}"));
    }
    let mut third = client(&run, 0).await;
    let again = [ask(&mut first).await, ask(&mut second).await, ask(&mut third).await];
    judge(&mut run, &runs, asked, answer, &again);
    sleep(setting.form.seconds(1, 3)).await;
    let report = run.finish().await;
    drop((first, second, third));
    report
}

const ONE_RUN: &str = "O1 one run at a time";
const ONE_ANSWER: &str = "O2 one answer";

/// It ran once more when its claim had ended, and not before; whoever asks has the answer of that.
fn judge(run: &mut Run, runs: &Runs, asked: At, answer: Option<Value>, again: &[Option<Value>]) {
    let runs = runs.all();
    let [first, second] = runs[..] else {
        return run.complain(ONE_RUN, || format!("it ran {} times: {runs:?}", runs.len()));
    };
    if second.began < asked + millis(CLAIMED_FOR) {
        run.complain(ONE_RUN, || format!("asked for at {asked}, and run twice while it was claimed: {runs:?}"));
    }
    if second.began > first.began + millis(CLAIMED_FOR + SOON) {
        run.complain(ONE_RUN, || format!("nobody did it when it was claimed no more: {runs:?}"));
    }
    let right = json!({"type": "ordered", "data": second, "re": ID});
    if answer.as_ref() != Some(&right) || again.iter().any(|again| *again != answer) {
        run.complain(ONE_ANSWER, || format!("{right} is right; there was {answer:?}, and then {again:?}"));
    }
}

async fn client(run: &Run, server: usize) -> Client {
    Client::open(&run.books, server, run.address(server), USER).await.unwrap()
}

async fn ask(client: &mut Client) -> Option<Value> {
    client.request(ID, "order", ORDER).await;
    client.answered().await
}

/// Asks until there is an answer for good.
async fn until_answered(client: &mut Client) -> Option<Value> {
    let deadline = Instant::now() + CLAIMED_FOR + SOON;
    loop {
        let answer = ask(client).await?;
        if answer["data"]["retryable"] != true || Instant::now() > deadline {
            return Some(answer);
        }
    }
}

/// Who has begun to do it, as it is noted outside the servers.
struct Runs {
    _folder: TempDir,
    file: PathBuf,
}

impl Runs {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        Self { file: folder.path().join("runs"), _folder: folder }
    }

    fn environment(&self) -> [(&str, &str); 1] {
        [(RUNS, self.file.to_str().unwrap())]
    }

    fn all(&self) -> Vec<Ordered> {
        read(&self.file)
    }

    async fn begin(&self) {
        eventually("a server begins", || (!self.all().is_empty()).then_some(())).await;
    }
}

fn read(file: &Path) -> Vec<Ordered> {
    let noted = fs::read_to_string(file).unwrap_or_default();
    noted.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
