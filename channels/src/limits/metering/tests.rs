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
            assert!(!matches!(metering.take(whose, &meter, part(bytes)), Verdict::Flooded));
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
            assert!(!matches!(verdict, Verdict::Flooded | Verdict::Taken), "{number}: {verdict:?} at {bytes}");
        }
        assert!(matches!(take(message(1, 100_000)), Verdict::Untold));
    }
    assert!(matches!(take(part(1024)), Verdict::Flooded));
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

#[test]
fn what_is_off_is_not_there() {
    let config = Config::default();
    assert!(Metering::new(&config, &Arc::new(Verdicts::new(&config, Arc::default()))).is_none());
}
