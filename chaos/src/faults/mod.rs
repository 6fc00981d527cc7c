//! What can happen.

mod network;
mod redis;
mod requests;
mod servers;
mod topologies;

use std::future::Future;
use std::pin::Pin;

use crate::report::Report;
use crate::run::Setting;

type Running = Pin<Box<dyn Future<Output = Report> + Send>>;

/// Something that happens.
#[derive(Clone, Copy)]
pub struct Fault {
    /// What it is called.
    pub name: &'static str,
    run: fn(&'static str, Setting) -> Running,
}

impl Fault {
    /// Has it happen.
    pub async fn run(self, setting: Setting) -> Report {
        (self.run)(self.name, setting).await
    }
}

/// A row of the list.
macro_rules! fault {
    ($name:literal, $run:path) => {
        Fault { name: $name, run: |name, setting| Box::pin(async move { $run(name, &setting).await }) }
    };
}

/// All of them.
pub const ALL: &[Fault] = &[
    fault!("redis_killed", redis::killed),
    fault!("redis_killed_for_long", redis::killed_for_long),
    fault!("redis_back_empty", redis::back_empty),
    fault!("redis_stalled", redis::stalled),
    fault!("redis_reconnects_twice", redis::reconnects_twice),
    fault!("redis_scripts_flushed", redis::scripts_flushed),
    fault!("redis_memory_full", redis::memory_full),
    fault!("network_blackhole", network::blackhole),
    fault!("network_cannot_speak", network::cannot_speak),
    fault!("network_cannot_hear", network::cannot_hear),
    fault!("network_refused", network::refused),
    fault!("network_resets", network::resets),
    fault!("network_half_closed", network::half_closed),
    fault!("network_slow", network::slow),
    fault!("network_output_buffer", network::output_buffer),
    fault!("sentinel_master_killed", topologies::master_killed),
    fault!("sentinel_master_stalled", topologies::master_stalled),
    fault!("sentinel_failover", topologies::failover),
    fault!("sentinel_failover_unheard", topologies::failover_unheard),
    fault!("cluster_slots_move", topologies::slots_move),
    fault!("cluster_slots_gossiped", topologies::slots_gossiped),
    fault!("cluster_node_replaced", topologies::node_replaced),
    fault!("cluster_node_stalled", topologies::node_stalled),
    fault!("cluster_node_back", topologies::node_back),
    fault!("server_killed", servers::killed),
    fault!("server_stalled", servers::stalled),
    fault!("server_paused", servers::paused),
    fault!("servers_come_and_go", servers::come_and_go),
    fault!("request_killed", requests::killed),
    fault!("request_paused", requests::paused),
    fault!("limits_hold", servers::limits),
    fault!("limits_forgotten", servers::limits_forgotten),
];

/// Two servers at the same Redis.
fn two(url: String) -> [String; 2] {
    [url.clone(), url]
}

/// The fault of this name.
pub fn named(name: &str) -> Option<Fault> {
    ALL.iter().copied().find(|fault| fault.name == name)
}
