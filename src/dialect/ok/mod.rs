//! ok-peerhub, the hub's own protocol: one JSON object in each text frame.
//!
//! Source of truth: `PROTOCOLS.md` section 1. What is pinned by the transcripts in `tests/transcripts/ok`: the order of
//! fields, which messages have no `name` or `peer`, that message ids are kept whatever their JSON type, that binary frames
//! count as text. *Tokens* of the hub are JSON texts here, brought into one form where the hub compares them
//! (`json::canonical`).

pub mod inbound;
pub mod outbound;
mod shape;
pub mod user_id;

pub use inbound::{Inbound, Reader};
pub use outbound::Writer;

/// The name of the debug channel, fixed by the original.
pub const DEBOUT_CHANNEL: &str = "w2dutnc-k7vsj2og";

/// The debug channel's name as the hub knows it.
pub fn debout_channel_token() -> Box<str> {
    format!("\"{DEBOUT_CHANNEL}\"").into()
}
