//! A suite that cannot fail shows nothing: each fault is found, by the check that is about it.

use std::panic::AssertUnwindSafe;

use channels::backend::{Backend, MemoryBackend};
use channels::testing::conformance;
use channels_tests::cluster;
use channels_tests::faulty::{Fault, Faulty};
use futures_util::FutureExt;

/// Runs the whole suite, and says what it panics with.
async fn verdict<B: Backend>(fault: Fault, make: impl AsyncFn() -> Vec<B>) -> String {
    let outcome = AssertUnwindSafe(conformance::check(make)).catch_unwind().await;
    let Err(panic) = outcome else { panic!("{fault:?} was not found") };
    match panic.downcast::<String>() {
        Ok(words) => *words,
        Err(panic) => panic.downcast::<&str>().map(|words| (*words).to_owned()).unwrap_or_default(),
    }
}

async fn found_in_memory(fault: Fault, check: &str) {
    let words = verdict(fault, async || vec![Faulty::new(fault, MemoryBackend::new(), MemoryBackend::new())]).await;
    assert!(words.contains(check), "{fault:?} was found elsewhere: {words}");
}

async fn found_in_a_cluster(fault: Fault, check: &str) {
    let two = async || {
        let alone = || cluster::nodes(1).remove(0);
        cluster::nodes(2).into_iter().map(|node| Faulty::new(fault, node, alone())).collect()
    };
    let words = verdict(fault, two).await;
    assert!(words.contains(check), "{fault:?} was found elsewhere: {words}");
}

macro_rules! each_fault {
    ($find:ident: $($name:ident = $fault:ident by $check:ident;)*) => {$(
        #[tokio::test(start_paused = true)]
        async fn $name() {
            $find(Fault::$fault, stringify!($check)).await;
        }
    )*};
}

each_fault! { found_in_memory:
    lost_messages_are_found = Loses by one_order;
    doubled_messages_are_found = Doubles by one_order;
    reordered_messages_are_found = Reorders by one_order;
    changed_bytes_are_found = ChangesBytes by bytes_arrive_as_they_were;
    lost_large_messages_are_found = LosesLarge by bytes_arrive_as_they_were;
    mixed_kinds_of_topics_are_found = MixesKinds by names_are_distinct;
    lost_names_with_the_prefix_are_found = LosesPrefix by names_are_distinct;
    a_forgotten_exclusion_is_found = ForgetsExcluded by excluded_connection;
    a_command_that_arrives_as_a_message_is_found = ForgetsContent by commands_are_no_messages;
    a_refusal_of_empty_topics_is_found = RefusesEmpty by empty_topics;
    doubled_subscriptions_are_found = SubscribesTwice by subscribing_again;
    lost_personal_messages_are_found = LosesPersonal by always_live_topics;
    a_limit_that_is_checked_then_acted_on_is_found = ChecksThenActs by user_limit;
    a_missing_total_limit_is_found = NoTotal by total_limit;
    a_limit_of_anonymous_connections_is_found = AnonymousIsOne by user_limit;
    lost_places_are_found = NeverReleases by user_limit;
    a_refusal_that_takes_a_place_is_found = RefusalTakes by user_limit;
    an_admission_that_outlives_its_asker_is_found = KeepsDropped by dropped_admission;
    missing_rates_are_found = NoRates by rates_allow_a_burst;
    starving_rates_are_found = Starves by rates_refill;
    rates_without_keys_are_found = OneRate by rates_are_kept_by_key;
    rates_of_a_key_that_are_one_are_found = OneRateOfAKey by rates_of_one_key_count_apart;
    a_claim_of_everybody_is_found = ClaimsTwice by claims_are_exclusive;
    forgotten_answers_are_found = ForgetsAnswers by what_is_settled_is_told_to_all;
    an_answer_that_is_denied_to_who_asks_again_is_found = ForgetsWhoSettled by what_is_settled_is_told_to_all;
    claims_that_are_never_given_up_are_found = KeepsClaims by what_is_abandoned_is_claimed_again;
    a_claim_that_anybody_settles_is_found = AnybodySettles by only_the_holder_settles;
    a_lease_without_end_is_found = EndlessLease by claims_end_with_their_lease;
}

each_fault! { found_in_a_cluster:
    two_orders_are_found = OwnFirst by one_order;
    a_subscription_that_is_live_late_is_found = LiveLate by live_when_subscribed;
    a_subscription_that_ends_with_another_is_found = UnsubscribesAll by unsubscribing_disturbs_nobody;
    a_limit_that_servers_check_then_act_on_is_found = ChecksThenActs by user_limit;
    a_server_that_counts_itself_only_is_found = CountsItself by user_limit;
    a_server_that_knows_only_itself_is_found = KnowsItself by servers_are_told_apart;
    servers_of_one_name_that_are_told_as_one_are_found = MixesNames by servers_are_told_apart;
    a_drain_that_nobody_hears_of_is_found = HidesDrains by servers_are_told_apart;
    rates_of_each_server_are_found = RatesOfItsOwn by rates_allow_a_burst;
    claims_of_each_server_are_found = ClaimsOfItsOwn by claims_are_exclusive;
}
