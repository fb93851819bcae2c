//! The shapes of the messages that come in, looked into no further than the hub must (step 4 of the message path).
//!
//! Source: `PROTOCOLS.md` section 1, "Envelope".

use crate::dialect::json::known_fields;

known_fields! {
    /// The fields of every message.
    pub(super) struct Envelope {
        kind: "type",
        message_id: "messageid",
        peer: "peer",
        name: "name",
        content: "content",
        timeout: "timeout",
    }
}
