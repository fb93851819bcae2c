//! `/healthz`: whether the hub is up, for load balancers, service managers and people; and what has become of those who came,
//! for operators.

use super::NO_CACHE;
use crate::dialect::netpeer::MeshStatus;
use crate::wire::Response;

/// What the loop tells about the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HubStatus {
    /// Peers that have joined.
    pub peers: usize,
    /// Open connections of any kind.
    pub connections: usize,
    /// Time since the hub started, ms.
    pub uptime_ms: u64,
    /// False once the hub has been told to stop and takes leave of its peers.
    pub ready: bool,
    /// The mesh of net-peer, if it is spoken.
    pub mesh: Option<MeshStatus>,
    /// What only operators are told.
    pub counters: Option<Counters>,
}

/// What has happened since the start, and how much memory of the hub's bound is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counters {
    /// Messages with something wrong.
    pub bad_messages: u64,
    /// Connections turned away, for want of room or of a good token.
    pub refused_connections: u64,
    /// Connections cut off for reading too slowly.
    pub slow_readers: u64,
    /// Connections cut off for want of memory.
    pub evicted: u64,
    /// Times that a connection had to rest for doing more than the rates allow.
    pub delayed: u64,
    /// Messages that were not heard for that reason.
    pub refused_messages: u64,
    /// Deliveries that were dropped for slow readers.
    pub dropped_deliveries: u64,
    /// Bytes that wait in the hub, to be sent or to become complete.
    pub waiting_bytes: usize,
}

/// 200 while new peers are welcome, 503 while the hub drains.
pub(super) fn answer(status: &HubStatus, version: &str) -> Response {
    let (code, word) = if status.ready {
        (200, "ok")
    } else {
        (503, "draining")
    };
    let mut body = serde_json::json!({
        "status": word,
        "version": version,
        "peers": status.peers,
        "connections": status.connections,
        "uptimeMs": status.uptime_ms,
    });
    if let Some(counters) = status.counters {
        body["counters"] = serde_json::json!({
            "badMessages": counters.bad_messages,
            "refusedConnections": counters.refused_connections,
            "slowReaders": counters.slow_readers,
            "evicted": counters.evicted,
            "delayed": counters.delayed,
            "refusedMessages": counters.refused_messages,
            "droppedDeliveries": counters.dropped_deliveries,
            "waitingBytes": counters.waiting_bytes,
        });
    }
    if let Some(mesh) = status.mesh {
        body["netpeer"] = serde_json::json!({"members": mesh.members, "messages": mesh.messages});
    }
    Response {
        content_type: "application/json",
        headers: vec![NO_CACHE],
        ..Response::text(code, format!("{body}\n"))
    }
}
