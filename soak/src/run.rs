//! One run: a server, rounds of load, and what is left behind each.

use std::path::PathBuf;
use std::time::Duration;

use channels_chaos::http;
use channels_chaos::servers::{Server, Settings};
use channels_chaos::told::Status;
use channels_tests::redis::RedisServer;
use tokio::sync::watch;
use tokio::task::block_in_place;
use tokio::time::{Instant, sleep};

use crate::actors::{self, SETTINGS, Stage};
use crate::footprint;
use crate::report::{Report, Round};
use crate::tally::Tally;

/// How long it may take until nothing is left: a half-open client's goodbye is waited for.
const LEFT_WITHIN: Duration = Duration::from_secs(30);
/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// After the last has gone, before memory is judged: sweeps run, idle threads end.
const QUIET: Duration = Duration::from_secs(5);
/// Descriptors that may have come after the start: the connections to Redis, which come when they are needed.
const TO_REDIS: usize = 8;

/// glibc keeps what was freed, by thread and for as long as it likes. Of a server of nine megabytes that is more than what
/// is judged: the caches of its threads alone fill for three minutes, by 350 KiB. With these it keeps little, and what is left
/// is the server's.
const ALLOCATOR: [(&str, &str); 5] = [
    ("MALLOC_ARENA_MAX", "1"),
    ("MALLOC_TOP_PAD_", "0"),
    ("MALLOC_TRIM_THRESHOLD_", "8192"),
    ("MALLOC_MMAP_THRESHOLD_", "8192"),
    ("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0"),
];

/// How a run is run.
#[derive(Clone, Debug)]
pub struct Form {
    /// The program of `serve`.
    pub program: PathBuf,
    /// How often everybody comes and goes.
    pub rounds: u32,
    /// How long each round's load lasts, without its end.
    pub load: Duration,
    /// Whether memory is judged: seconds reach no level.
    pub judges_memory: bool,
    /// Whether the backend is Redis.
    pub with_redis: bool,
}

impl Form {
    /// Two rounds of seconds.
    pub fn quick(program: PathBuf) -> Self {
        Self { program, rounds: 2, load: Duration::from_secs(3), judges_memory: false, with_redis: false }
    }

    /// So many minutes of load, in rounds of one; with what is behind each it takes longer.
    pub fn minutes(program: PathBuf, rounds: u32) -> Self {
        Self { program, rounds, load: Duration::from_secs(60), judges_memory: rounds > 1, with_redis: false }
    }
}

/// Runs it. `told` hears of each round when it is over.
pub async fn run(form: &Form, told: impl Fn(&Round)) -> Report {
    let redis = form.with_redis.then(|| block_in_place(RedisServer::start));
    let mut environment: Vec<(String, String)> =
        SETTINGS.iter().chain(&ALLOCATOR).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    environment.push(match &redis {
        Some(redis) => ("REDIS_URL".to_owned(), redis.url()),
        None => ("BACKEND_TYPE".to_owned(), "memory".to_owned()),
    });
    let server = Server::start(&Settings { program: form.program.clone(), environment }).await;
    let process = server.id();
    let at_first = footprint::descriptors(process).unwrap_or(0);
    let may_be = at_first + if redis.is_some() { TO_REDIS } else { 0 };
    let tally = Tally::default();
    let mut report = Report { judges_memory: form.judges_memory, ..Report::default() };
    for number in 1..=form.rounds {
        let (end, over) = watch::channel(false);
        let stage = Stage { server: server.address, tally: tally.clone(), over };
        let began = Instant::now();
        tokio::join!(actors::act(&stage), async {
            sleep(form.load).await;
            end.send_replace(true);
        });
        let left = until_nothing_is_left(&server, process, may_be).await;
        if let Err(left) = &left {
            report.problems.push(format!("round {number}: {LEFT_WITHIN:?} after the last has gone {left}"));
        }
        sleep(if form.judges_memory { QUIET } else { Duration::ZERO }).await;
        let memory = footprint::memory(process).await.unwrap_or_default();
        let descriptors = footprint::descriptors(process).unwrap_or(0);
        let opened = tally.counts().opened;
        let messages = left.map_or(0, |status| status.here.messages_in);
        let round = Round { number, lasted: began.elapsed(), opened, messages, memory, descriptors };
        told(&round);
        report.rounds.push(round);
    }
    match http::told::<Status>(server.address, "/status").await {
        Ok(status) => report.problems.extend(tally.counts().differences(&status.here)),
        Err(problem) => report.problems.push(problem),
    }
    report.counts = tally.counts().clone();
    report.log = server.log();
    if report.log.contains("panicked") {
        report.problems.push("the server's log tells of a panic".to_owned());
    }
    let exit = server.terminate();
    if !exit.success() {
        report.problems.push(format!("the server ended with {exit} after SIGTERM"));
    }
    report
}

/// What the server says when nothing is left, or in words what is.
async fn until_nothing_is_left(server: &Server, process: u32, descriptors: usize) -> Result<Status, String> {
    let deadline = Instant::now() + LEFT_WITHIN;
    loop {
        let told = http::told::<Status>(server.address, "/status").await;
        let open = footprint::descriptors(process).unwrap_or(usize::MAX);
        let left = match told {
            Ok(status) if is_empty(&status) && open <= descriptors => return Ok(status),
            Ok(status) => format!("there are {open} descriptors, at first {descriptors}, and {status:?}"),
            Err(problem) => problem,
        };
        if Instant::now() > deadline {
            return Err(left);
        }
        sleep(LOOK_EVERY).await;
    }
}

fn is_empty(status: &Status) -> bool {
    let here = &status.here;
    (status.connections, status.users, here.connections, here.users, here.groups) == (0, 0, 0, 0, 0)
}
