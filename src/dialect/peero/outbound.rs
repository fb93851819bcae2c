//! What a peer is told → text (step 8 of the message path).
//!
//! The format is the hub's own, see `mod.rs`. Ids are the hub's, of digits and hyphens: they need no escapes.

use super::inbound::Kind;
use crate::dialect::json::write_string;
use crate::hub::command::PeerFault;
use crate::hub::id::Uuid;

/// The receiver's own id.
pub(super) fn id(id: &Uuid, out: &mut Vec<u8>) {
    of_one(r#"{"type":"id","id":""#, id, out);
}

/// Everybody else who is there. O(ids).
pub(super) fn peers<'a>(ids: impl Iterator<Item = &'a Uuid>, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"type":"peers","peers":["#);
    for (place, id) in ids.enumerate() {
        if place > 0 {
            out.push(b',');
        }
        out.push(b'"');
        out.extend_from_slice(id.as_str().as_bytes());
        out.push(b'"');
    }
    out.extend_from_slice(b"]}");
}

/// Somebody has come.
pub(super) fn announce(id: &Uuid, out: &mut Vec<u8>) {
    of_one(r#"{"type":"announce","id":""#, id, out);
}

/// Somebody has gone.
pub(super) fn remove(id: &Uuid, out: &mut Vec<u8>) {
    of_one(r#"{"type":"remove","id":""#, id, out);
}

/// Somebody's signal, which is JSON.
pub(super) fn signal(kind: Kind, from: &Uuid, body: &str, out: &mut Vec<u8>) {
    let name = match kind {
        Kind::Offer => "offer",
        Kind::Answer => "answer",
        Kind::Other => "signal",
    };
    let parts = [
        r#"{"type":""#,
        name,
        r#"","peerId":""#,
        from.as_str(),
        r#"","signal":"#,
        body,
        "}",
    ];
    for part in parts {
        out.extend_from_slice(part.as_bytes());
    }
}

/// Why something was not done.
pub(super) fn error(fault: &PeerFault, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"type":"error","code":"#);
    write_string(fault.code, out);
    out.extend_from_slice(br#","message":"#);
    write_string(&fault.text, out);
    out.push(b'}');
}

fn of_one(beginning: &str, id: &Uuid, out: &mut Vec<u8>) {
    out.extend_from_slice(beginning.as_bytes());
    out.extend_from_slice(id.as_str().as_bytes());
    out.extend_from_slice(br#""}"#);
}
