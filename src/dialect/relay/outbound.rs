//! What this node says → text (step 8 of the message path).

use super::node_id::NodeId;
use crate::dialect::json::write_string;
use std::io::Write;

/// What this node says in a message of its own.
#[derive(Clone, Copy, Debug)]
pub enum Said<'a> {
    /// Who is near to this id?
    FindPeers(NodeId),
    /// These are.
    FoundPeers(&'a [NodeId]),
    /// Shall we be connected?
    HandshakeOffer,
    /// If so, at this URL, if there is one.
    HandshakeAnswer(Option<&'a str>),
}

/// The fields of a message around what it says.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'a> {
    /// Where it goes.
    pub to: NodeId,
    /// Who has made it.
    pub from: NodeId,
    /// The nodes that it has passed, this one the last.
    pub path: &'a [NodeId],
    /// What its maker calls it.
    pub nonce: &'a str,
}

/// Appends this node's first message, its id as Node.js writes a Buffer.
pub fn write_greeting(id: NodeId, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"type":"Buffer","data":["#);
    for (place, byte) in id.bytes().iter().enumerate() {
        let comma = if place > 0 { "," } else { "" };
        write!(out, "{comma}{byte}").expect("a vector takes all that is written");
    }
    out.extend_from_slice(b"]}");
}

/// Appends a message whose `data` is the JSON text that `write_data` appends, in the original's order of fields; without
/// one, the message has no `data`.
pub fn write_message(
    envelope: Envelope<'_>,
    write_data: Option<impl FnOnce(&mut Vec<u8>)>,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(br#"{"to":"#);
    write_id(envelope.to, out);
    out.extend_from_slice(br#","from":"#);
    write_id(envelope.from, out);
    out.extend_from_slice(br#","path":"#);
    write_ids(envelope.path, out);
    out.extend_from_slice(br#","nonce":"#);
    write_string(envelope.nonce, out);
    if let Some(write_data) = write_data {
        out.extend_from_slice(br#","data":"#);
        write_data(out);
    }
    out.push(b'}');
}

impl Said<'_> {
    /// Appends it as the `data` of a message.
    pub fn write(self, out: &mut Vec<u8>) {
        match self {
            Said::FindPeers(target) => {
                out.extend_from_slice(br#"{"type":"findPeers","data":"#);
                write_id(target, out);
            }
            Said::FoundPeers(ids) => {
                out.extend_from_slice(br#"{"type":"foundPeers","data":"#);
                write_ids(ids, out);
            }
            Said::HandshakeOffer => out.extend_from_slice(br#"{"type":"handshake-offer""#),
            Said::HandshakeAnswer(url) => {
                out.extend_from_slice(br#"{"type":"handshake-answer","data":{"ws":"#);
                match url {
                    Some(url) => write_string(url, out),
                    None => out.extend_from_slice(b"null"),
                }
                // The hub speaks no WebRTC.
                out.extend_from_slice(br#","wrtc":false}"#);
            }
        }
        out.push(b'}');
    }
}

fn write_id(id: NodeId, out: &mut Vec<u8>) {
    out.push(b'"');
    id.write_hex(out);
    out.push(b'"');
}

fn write_ids(ids: &[NodeId], out: &mut Vec<u8>) {
    out.push(b'[');
    for (place, &id) in ids.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        write_id(id, out);
    }
    out.push(b']');
}
