//! How much memory peers have the hub keep: their tags and properties, subscriptions, requests and claims, each counted for the
//! peer that has caused it. What every connection costs, a few names among it, is not counted.

use super::Peer;

/// Of one kind of thing, how much is kept for all peers together.
#[derive(Debug, Default)]
pub(super) struct Kept {
    bytes: usize,
}

impl Kept {
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// So much more is kept for this peer.
    pub(super) fn add(&mut self, peer: &mut Peer, bytes: usize) {
        self.bytes += bytes;
        peer.kept_bytes += bytes;
    }

    /// So much of what was kept for this peer is free again.
    pub(super) fn free(&mut self, peer: &mut Peer, bytes: usize) {
        self.bytes -= bytes;
        peer.kept_bytes -= bytes;
    }
}
