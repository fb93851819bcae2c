//! peero: WebRTC discovery and signalling.
//!
//! Source of truth: `PROTOCOLS.md` section 5.

mod lobby;

pub use lobby::Lobby;
