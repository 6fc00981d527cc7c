//! Every fault in its short form, each with servers and a Redis of its own.

use channels_chaos::faults;
use channels_chaos::run::{Form, Setting};

#[tokio::main]
async fn happens(name: &str) {
    let program = env!("CARGO_BIN_EXE_channels-chaos").into();
    let fault = faults::named(name).unwrap_or_else(|| panic!("there is no fault {name}"));
    let report = fault.run(Setting { program, form: Form::Short }).await;
    assert!(report.is_ok(), "{}", report.complaint());
}

macro_rules! tests {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                happens(stringify!($name));
            }
        )*

        #[test]
        fn every_fault_is_tested() {
            let tested = [$(stringify!($name)),*];
            let all: Vec<_> = faults::ALL.iter().map(|fault| fault.name).collect();
            assert_eq!(tested.as_slice(), all);
        }
    };
}

tests! {
    redis_killed
    redis_killed_for_long
    redis_back_empty
    redis_stalled
    redis_reconnects_twice
    redis_scripts_flushed
    redis_memory_full
    network_blackhole
    network_cannot_speak
    network_cannot_hear
    network_refused
    network_resets
    network_half_closed
    network_slow
    network_output_buffer
    sentinel_master_killed
    sentinel_master_stalled
    sentinel_failover
    sentinel_failover_unheard
    cluster_slots_move
    cluster_slots_gossiped
    cluster_node_replaced
    cluster_node_stalled
    cluster_node_back
    server_killed
    server_stalled
    server_paused
    servers_come_and_go
    request_killed
    request_paused
    limits_hold
    limits_forgotten
}
