//! `/healthz`: whether the hub is up, for load balancers, service managers and people.

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
    if let Some(mesh) = status.mesh {
        body["netpeer"] = serde_json::json!({"members": mesh.members, "messages": mesh.messages});
    }
    Response {
        content_type: "application/json",
        headers: vec![NO_CACHE],
        ..Response::text(code, format!("{body}\n"))
    }
}
