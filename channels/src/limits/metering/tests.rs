use super::*;

fn metering(vars: &[(&str, &str)]) -> Arc<Metering> {
    let config = Config::builder().vars(vars.iter().copied()).unwrap().build().unwrap();
    Metering::new(&config, &Arc::new(Verdicts::new(&config, Arc::default()))).unwrap()
}

fn whose<'a>(user: Option<&'a UserId>, address: &str) -> Whose<'a> {
    let address = address.parse::<std::net::IpAddr>().ok().map(Address::from);
    Whose { connection: ConnectionId::new(1, 1), user, address }
}

fn message(frames: u32, bytes: usize) -> Arrived {
    Arrived { what: What::Message, frames, bytes, at: Instant::now() }
}

fn part(bytes: usize) -> Arrived {
    Arrived { what: What::Part, frames: 0, bytes, at: Instant::now() }
}

fn one() -> Arrived {
    message(1, 10)
}

#[tokio::test(start_paused = true)]
async fn a_client_is_told_once_a_second_and_closed_after_ten_bursts() {
    let metering = metering(&[("WS_FRAMES_PER_CONNECTION", "5/1s")]);
    let (meter, whose) = (Meter::default(), whose(None, ""));
    for _ in 0..5 {
        assert!(matches!(metering.take(whose, &meter, one()), Verdict::Taken));
    }
    let told = metering.take(whose, &meter, one());
    assert!(matches!(told, Verdict::Told(Excess { refused: 1, limit: LimitName::FramesPerConnection, .. })));
    for _ in 0..30 {
        assert!(matches!(metering.take(whose, &meter, one()), Verdict::Untold));
    }
    tokio::time::advance(Duration::from_secs(1)).await;
    for _ in 0..5 {
        assert!(matches!(metering.take(whose, &meter, one()), Verdict::Taken));
    }
    // A pause of a whole period: what was refused before is forgiven, but told.
    assert!(matches!(metering.take(whose, &meter, one()), Verdict::Told(Excess { refused: 31, .. })));
    let more = (0..100).map(|_| metering.take(whose, &meter, one()));
    assert_eq!(more.take_while(|verdict| matches!(verdict, Verdict::Untold)).count(), 49);
}

#[tokio::test(start_paused = true)]
async fn fragments_count_each_and_bytes_are_paid_for() {
    let metering = metering(&[("WS_FRAMES_PER_CONNECTION", "10/1s"), ("WS_BYTES_PER_CONNECTION", "1KiB/1s")]);
    let (meter, whose) = (Meter::default(), whose(None, ""));
    let take = |frames, bytes| metering.take(whose, &meter, message(frames, bytes));
    assert!(matches!(take(9, 4096), Verdict::Taken));
    let Verdict::Told(excess) = take(1, 1) else { panic!("four seconds' bytes were not paid for") };
    assert_eq!(excess.limit, LimitName::BytesPerConnection);
    assert!(excess.wait > Duration::from_secs(3) && excess.wait <= Duration::from_secs(4), "{:?}", excess.wait);
    assert!(matches!(take(1, 0), Verdict::Untold), "the tenth frame was taken though its byte was refused");
}

#[tokio::test(start_paused = true)]
async fn users_and_addresses_are_counted_over_connections_and_forgotten() {
    let metering = metering(&[("WS_FRAMES_PER_USER", "3/1s"), ("WS_FRAMES_PER_ADDRESS", "5/1s")]);
    let (ada, bob) = (UserId::new("ada").unwrap(), UserId::new("bob").unwrap());
    let taken = |user, address: &str| {
        let frames = (0..100).map(|_| metering.take(whose(user, address), &Meter::default(), one()));
        frames.take_while(|verdict| matches!(verdict, Verdict::Taken)).count()
    };
    assert_eq!(taken(Some(&ada), "2001:db8::1"), 3);
    assert_eq!(taken(Some(&bob), "2001:db8::ffff"), 2, "the same /64");
    assert_eq!(taken(None, "2001:db8:0:1::1"), 5, "an anonymous connection is nobody else's user");
    assert_eq!(metering.remembered(), 4);
    metering.sweep();
    assert_eq!(metering.remembered(), 4);
    tokio::time::advance(Duration::from_secs(2)).await;
    metering.sweep();
    assert_eq!(metering.remembered(), 0);
}

#[tokio::test(start_paused = true)]
async fn one_large_message_is_told_of_before_anybody_is_closed() {
    let metering = metering(&[("WS_BYTES_PER_CONNECTION", "1KiB/1s")]);
    let (meter, whose) = (Meter::default(), whose(None, ""));
    let take = |bytes| metering.take(whose, &meter, message(1, bytes));
    assert!(matches!(take(1), Verdict::Taken));
    assert!(matches!(take(1 << 20), Verdict::Told(Excess { refused: 1, .. })));
    assert_eq!((0..20).take_while(|_| matches!(take(1 << 20), Verdict::Untold)).count(), 9);
}

#[tokio::test(start_paused = true)]
async fn what_comes_in_parts_is_judged_as_if_it_had_come_at_once() {
    let metering = metering(&[("WS_BYTES_PER_CONNECTION", "1KiB/1s")]);
    let (meter, whose) = (Meter::default(), whose(None, ""));
    let take = |arrived| metering.take(whose, &meter, arrived);
    for bytes in [500, 1000, 5000] {
        assert!(matches!(take(part(bytes)), Verdict::Taken), "larger than a burst, but the first");
    }
    assert!(matches!(take(message(1, 6144)), Verdict::Taken));
    let Verdict::Told(excess) = take(part(1)) else { panic!("six seconds' bytes were not paid for") };
    assert_eq!((excess.limit, excess.refused), (LimitName::BytesPerConnection, 1));
    assert!(excess.wait > Duration::from_secs(5), "{:?}: who knows how large it becomes", excess.wait);
    tokio::time::advance(Duration::from_secs(20)).await;
    // What is refused is so as a whole, whatever could be taken by now, and costs nothing.
    assert!(matches!(take(part(2000)), Verdict::Untold));
    assert!(matches!(take(message(1, 2001)), Verdict::Untold));
    assert!(matches!(take(message(1, 1024)), Verdict::Taken));
    assert!(matches!(take(message(1, 1)), Verdict::Told(Excess { refused: 1, .. })));
    tokio::time::advance(Duration::from_secs(20)).await;
    // Half of a burst is another's; compressed, a message may be smaller in the end than what came of it.
    assert!(matches!(take(message(1, 512)), Verdict::Taken));
    assert!(matches!(take(part(512)), Verdict::Taken));
    assert!(matches!(take(message(1, 300)), Verdict::Taken));
    assert!(matches!(take(part(1)), Verdict::Told(_)));
}

/// Costs of whole nanoseconds, so that the two ways may be compared to the last byte.
#[tokio::test(start_paused = true)]
async fn however_messages_are_cut_the_same_ones_pass() {
    let vars =
        [("WS_BYTES_PER_CONNECTION", "500/1s"), ("WS_BYTES_PER_USER", "800/1s"), ("WS_BYTES_PER_ADDRESS", "1000/2s")];
    let (whole, cut) = (metering(&vars), metering(&vars));
    let users = ["ada", "bob"].map(|name| UserId::new(name).unwrap());
    // Two connections of each user, in both.
    let meters: [[Meter; 2]; 4] = Default::default();
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % below as u64) as usize
    };
    let mut passed = 0;
    for number in 0..5000 {
        tokio::time::advance(Duration::from_micros(random(800_000) as u64)).await;
        let (connection, size) = (random(4), if random(8) == 0 { random(5000) } else { random(300) });
        let whose = whose(Some(&users[connection % 2]), "203.0.113.7");
        let [at_once, in_parts] = &meters[connection];
        let expected = matches!(whole.take(whose, at_once, message(1, size)), Verdict::Taken);
        let mut so_far = 0;
        for _ in 0..random(5) {
            so_far += random(size - so_far + 1);
            cut.take(whose, in_parts, part(so_far));
        }
        let is_taken = matches!(cut.take(whose, in_parts, message(1, size)), Verdict::Taken);
        assert_eq!(is_taken, expected, "number {number}, of {size} bytes");
        passed += u32::from(is_taken);
    }
    assert!((1000..4000).contains(&passed), "{passed}: neither all nor none");
}

#[tokio::test(start_paused = true)]
async fn who_sends_more_than_it_may_in_parts_gets_through_what_it_may() {
    let metering = metering(&[("WS_BYTES_PER_CONNECTION", "1KiB/1s")]);
    let (meter, whose) = (Meter::default(), whose(None, ""));
    let mut passed = 0;
    // Twice as much as it may, but not so long that it is closed.
    for _ in 0..28 {
        for bytes in (64..640).step_by(64) {
            tokio::time::advance(Duration::from_micros(31_250)).await;
            assert!(!matches!(metering.take(whose, &meter, part(bytes)), Verdict::Flooded(_)));
        }
        tokio::time::advance(Duration::from_micros(31_250)).await;
        passed += u32::from(matches!(metering.take(whose, &meter, message(1, 640)), Verdict::Taken));
    }
    assert!((13..=15).contains(&passed), "{passed} of the 14 that fit");
}

#[tokio::test(start_paused = true)]
async fn parts_of_one_message_are_a_burst_at_most() {
    let metering = metering(&[("WS_BYTES_PER_CONNECTION", "1KiB/1h")]);
    let (meter, whose) = (Meter::default(), whose(None, ""));
    let take = |arrived| metering.take(whose, &meter, arrived);
    assert!(matches!(take(message(1, 1024)), Verdict::Taken));
    for number in 0..10 {
        for bytes in (1..100_000).step_by(7) {
            let verdict = take(part(bytes));
            assert!(!matches!(verdict, Verdict::Flooded(_) | Verdict::Taken), "{number}: {verdict:?} at {bytes}");
        }
        assert!(matches!(take(message(1, 100_000)), Verdict::Untold));
    }
    let Verdict::Flooded(last) = take(part(1024)) else { panic!("it goes on and on") };
    assert_eq!((last.refused, last.wait), (10, Duration::from_secs(3600)), "nine that nobody told, and this one");
}

#[tokio::test(start_paused = true)]
async fn what_never_becomes_a_message_leaves_nothing_of_it_to_the_next() {
    let metering = metering(&[("WS_BYTES_PER_USER", "1KiB/1s")]);
    let (ada, meter) = (UserId::new("ada").unwrap(), Meter::default());
    let whose = whose(Some(&ada), "");
    assert!(matches!(metering.take(whose, &meter, part(1000)), Verdict::Taken));
    metering.charge(whose, &meter, Arrived { frames: 1, ..part(1000) });
    let another = Meter::default();
    assert!(matches!(metering.take(whose, &another, part(24)), Verdict::Taken), "no byte counts twice");
    // The end of a connection gets nothing back, however it comes.
    metering.charge(whose, &another, Arrived { frames: 1, ..part(2000) });
    assert!(matches!(metering.take(whose, &Meter::default(), part(1)), Verdict::Told(_)));
}

#[tokio::test(start_paused = true)]
async fn what_was_never_taken_is_not_given_back() {
    let metering = metering(&[("WS_FRAMES_PER_CONNECTION", "10/1s"), ("WS_BYTES_PER_ADDRESS", "100KiB/1s")]);
    let (one, other, whose) = (Meter::default(), Meter::default(), whose(None, "203.0.113.7"));
    assert!(matches!(metering.take(whose, &other, message(1, 100 << 10)), Verdict::Taken));
    for _ in 0..10 {
        let ping = Arrived { what: What::Control, frames: 1, bytes: 0, at: Instant::now() };
        assert!(matches!(metering.take(whose, &one, ping), Verdict::Taken));
    }
    // Refused for its frame, before anybody was asked for its bytes.
    let begun = Arrived { frames: 1, ..part(60 << 10) };
    assert!(matches!(metering.take(whose, &one, begun), Verdict::Told(_)));
    metering.take(whose, &one, part((60 << 10) + 1));
    let Verdict::Told(excess) = metering.take(whose, &other, message(1, 1)) else { panic!("it still owes a burst") };
    assert_eq!(excess.limit, LimitName::BytesPerAddress);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(matches!(metering.take(whose, &one, message(0, 61 << 10)), Verdict::Untold), "refused as a whole");
    assert!(matches!(metering.take(whose, &other, message(1, 100 << 10)), Verdict::Taken), "which cost nothing");
}

#[tokio::test(start_paused = true)]
async fn bytes_that_were_taken_are_given_back_where_frames_are_refused_too() {
    let metering = metering(&[("WS_FRAMES_PER_CONNECTION", "2/1s"), ("WS_BYTES_PER_ADDRESS", "100KiB/1s")]);
    let (one, other, whose) = (Meter::default(), Meter::default(), whose(None, "203.0.113.7"));
    assert!(matches!(metering.take(whose, &one, Arrived { frames: 2, ..part(60 << 10) }), Verdict::Taken));
    assert!(matches!(metering.take(whose, &other, message(1, 40 << 10)), Verdict::Taken));
    // Half of the 60 KiB is paid for: the other pays for that half.
    tokio::time::advance(Duration::from_millis(300)).await;
    assert!(matches!(metering.take(whose, &one, Arrived { frames: 2, ..part(70 << 10) }), Verdict::Told(_)));
    assert!(matches!(metering.take(whose, &other, message(1, 60 << 10)), Verdict::Taken));
    assert!(matches!(metering.take(whose, &other, message(0, 1)), Verdict::Told(_)));
}

#[tokio::test(start_paused = true)]
async fn what_time_has_paid_for_is_neither_given_back_nor_credited() {
    for (before, more) in [(50 << 10, 1), (100 << 10, 100 << 10)] {
        let metering = metering(&[("WS_BYTES_PER_ADDRESS", "100KiB/1s")]);
        let (slow, other, whose) = (Meter::default(), Meter::default(), whose(None, "203.0.113.7"));
        assert!(matches!(metering.take(whose, &slow, part(before)), Verdict::Taken));
        tokio::time::advance(Duration::from_secs(10)).await;
        assert!(matches!(metering.take(whose, &other, message(1, 100 << 10)), Verdict::Taken));
        assert!(matches!(metering.take(whose, &slow, part(before + more)), Verdict::Told(_)), "{before}");
        assert!(matches!(metering.take(whose, &other, message(1, 1)), Verdict::Told(_)), "{before}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_limit_only_observed_and_did_not_take_is_not_given_back() {
    let vars = [
        ("WS_BYTES_PER_CONNECTION", "100KiB/1h"),
        ("WS_BYTES_PER_ADDRESS", "100KiB/1h"),
        ("WS_OBSERVE_ONLY", "bytes_per_address"),
    ];
    let config = Config::builder().vars(vars).unwrap().build().unwrap();
    let counters = Arc::<crate::stats::Counters>::default();
    let metering = Metering::new(&config, &Arc::new(Verdicts::new(&config, Arc::clone(&counters)))).unwrap();
    let observed = || counters.snapshot(0, 0, 0).observed(LimitName::BytesPerAddress);
    let (one, other, whose) = (Meter::default(), Meter::default(), whose(None, "203.0.113.7"));
    assert!(matches!(metering.take(whose, &one, message(1, 30 << 10)), Verdict::Taken));
    assert!(matches!(metering.take(whose, &other, message(1, 40 << 10)), Verdict::Taken));
    assert!(matches!(metering.take(whose, &one, part(50 << 10)), Verdict::Taken));
    assert_eq!(observed(), 1);
    assert!(matches!(metering.take(whose, &one, part(80 << 10)), Verdict::Told(_)));
    assert!(matches!(metering.take(whose, &other, message(1, 30 << 10)), Verdict::Taken));
    assert_eq!(observed(), 1, "70 of 100 were taken");
    assert!(matches!(metering.take(whose, &other, message(1, 1)), Verdict::Taken));
    assert_eq!(observed(), 2, "and now all of them are");
    metering.take(whose, &one, message(0, 80 << 10));
    assert!(
        matches!(metering.take(whose, &one, message(1, 70 << 10)), Verdict::Taken),
        "the connection got its own back"
    );
}

const SCOPES: [(&str, &str); 3] =
    [("WS_BYTES_PER_CONNECTION", "500/1s"), ("WS_BYTES_PER_USER", "800/1s"), ("WS_BYTES_PER_ADDRESS", "1000/2s")];

/// Below a number, at random, and the same every time.
fn random(seed: &mut u64, below: usize) -> usize {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    (*seed % below as u64) as usize
}

/// The most that was owed at any time of a rate whose unit takes so many microseconds.
fn most_owed(passed: impl Iterator<Item = (u64, usize)>, micros: u64) -> u64 {
    let (mut paid_at, mut most) = (0_u64, 0);
    for (at, bytes) in passed {
        paid_at = paid_at.max(at) + bytes as u64 * micros;
        most = most.max(paid_at - at);
    }
    most
}

#[tokio::test(start_paused = true)]
async fn however_slowly_messages_come_beside_others_no_more_passes_than_may() {
    // The smallest burst is that of a user, so that what passes there is not less for its connections.
    let vars =
        [("WS_BYTES_PER_CONNECTION", "1000/1s"), ("WS_BYTES_PER_USER", "500/1s"), ("WS_BYTES_PER_ADDRESS", "800/1s")];
    // None is larger than a burst, and some are.
    for largest in [500, 3000] {
        let metering = metering(&vars);
        let users = ["ada", "bob"].map(|name| UserId::new(name).unwrap());
        let meters: [Meter; 4] = Default::default();
        let mut seed = 0x2545_f491_4f6c_dd1d_u64;
        let mut random = move |below| random(&mut seed, below);
        // How large each is, and when so much of it came.
        let mut arriving: [(usize, Vec<(u64, usize)>); 4] = Default::default();
        let (mut passed, mut ended, began) = (Vec::new(), 0, Instant::now());
        for _ in 0..20_000 {
            if random(3) > 0 {
                let most = if random(10) == 0 { 2_000_000 } else { 100_000 };
                tokio::time::advance(Duration::from_micros(random(most) as u64)).await;
            }
            let connection = random(4);
            let whose = whose(Some(&users[connection % 2]), "203.0.113.7");
            let (size, parts) = &mut arriving[connection];
            if parts.is_empty() {
                let most = if random(2) == 0 { largest } else { 100 };
                *size = 1 + random(most);
            }
            let before = parts.iter().map(|(_, bytes)| bytes).sum::<usize>();
            let more = if random(3) == 0 { *size - before } else { random(*size - before + 1) };
            parts.push((began.elapsed().as_micros() as u64, more));
            if before + more < *size {
                metering.take(whose, &meters[connection], part(before + more));
                continue;
            }
            let parts = std::mem::take(parts);
            ended += 1;
            if matches!(metering.take(whose, &meters[connection], message(1, *size)), Verdict::Taken) {
                passed.push((connection, parts));
            }
        }
        assert!(
            (ended / 5..ended * 9 / 10).contains(&passed.len()),
            "{} of {ended}: neither all nor none",
            passed.len()
        );
        let mut parts: Vec<_> =
            passed.iter().flat_map(|(connection, parts)| parts.iter().map(move |part| (*connection, *part))).collect();
        parts.sort_by_key(|(_, (at, _))| *at);
        let owed = |is_of: &dyn Fn(usize) -> bool, micros| {
            most_owed(parts.iter().filter(|(connection, _)| is_of(*connection)).map(|(_, part)| *part), micros) / micros
        };
        for number in 0..4 {
            let (own, user) = (owed(&|of| of == number, 1000), owed(&|of| of % 2 == number % 2, 2000));
            let all = owed(&|_| true, 1250);
            let most = |burst: usize| burst.max(largest) as u64;
            assert!(own <= most(1000) && user <= most(500) && all <= most(800), "{largest}: {own}, {user}, {all}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn however_slowly_a_message_comes_it_passes_where_nothing_else_is_owed() {
    let ada = UserId::new("ada").unwrap();
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move |below| random(&mut seed, below);
    for _ in 0..500 {
        let (metering, meter, whose) = (metering(&SCOPES), Meter::default(), whose(Some(&ada), "203.0.113.7"));
        let (size, mut so_far) = (1 + random(5000), 0);
        for _ in 0..random(20) {
            so_far += random((size - so_far) / 2 + 1);
            assert!(matches!(metering.take(whose, &meter, part(so_far)), Verdict::Taken), "{so_far} of {size}");
            tokio::time::advance(Duration::from_micros(random(2_000_000) as u64)).await;
        }
        assert!(matches!(metering.take(whose, &meter, message(1, size)), Verdict::Taken), "{size}");
    }
}

#[test]
fn what_is_off_is_not_there() {
    let config = Config::default();
    assert!(Metering::new(&config, &Arc::new(Verdicts::new(&config, Arc::default()))).is_none());
}

#[test]
fn what_was_to_be_told_of_fragments_is_told_before_the_end() {
    let of = |refused| Excess { limit: LimitName::FramesPerUser, wait: Duration::from_secs(1), refused };
    for (fragments, told) in [(Verdict::Told(of(7)), 8), (Verdict::Untold, 1), (Verdict::Taken, 1)] {
        let Verdict::Flooded(last) = fragments.beside(Verdict::Flooded(of(1))) else { panic!("it goes on") };
        assert_eq!(last.refused, told);
    }
    assert!(matches!(Verdict::Told(of(7)).beside(Verdict::Untold), Verdict::Told(Excess { refused: 7, .. })));
    assert!(matches!(Verdict::Untold.beside(Verdict::Told(of(2))), Verdict::Told(Excess { refused: 2, .. })));
}
