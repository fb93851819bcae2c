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

known_fields! {
    /// What the hub must know of the content of `publish`; a null message is a message too.
    pub(super) struct Publication {
        channel: "channel",
        message: "message",
    }
}
