//! What clients are told → text (step 8 of the message path).
//!
//! Field by field in the order of PeerServer, without white space; a payload goes out as it came in.

use super::inbound::Kind;
use crate::dialect::json::{Raw, write_string};

/// The client is registered.
pub(super) fn open(out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"type":"OPEN"}"#);
}

/// Somebody else has the id.
pub(super) fn id_taken(out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"type":"ID-TAKEN","payload":{"msg":"ID is taken"}}"#);
}

/// Something is wrong with what the client said.
pub(super) fn error(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"type":"ERROR","payload":{"msg":"#);
    write_string(text, out);
    out.extend_from_slice(b"}}");
}

/// A message from one client to another, or from the server in a client's name.
pub(super) fn message(
    kind: Kind,
    src: &str,
    dst: &str,
    payload: Option<Raw<'_>>,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(br#"{"type":""#);
    out.extend_from_slice(kind.name().as_bytes());
    out.extend_from_slice(br#"","src":"#);
    write_string(src, out);
    out.extend_from_slice(br#","dst":"#);
    write_string(dst, out);
    if let Some(payload) = payload {
        out.extend_from_slice(br#","payload":"#);
        out.extend_from_slice(payload.get().as_bytes());
    }
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::json::scan;

    #[test]
    fn texts() {
        let written = |write: &dyn Fn(&mut Vec<u8>)| {
            let mut out = Vec::new();
            write(&mut out);
            String::from_utf8(out).expect("UTF-8")
        };
        let payload = scan("{\"b\": 1.0,\"a\":[ ]}", 2, |_, _| {}).expect("JSON");
        assert_eq!(
            written(&|out| message(Kind::Offer, "a\"", "\u{e4}", Some(payload), out)),
            "{\"type\":\"OFFER\",\"src\":\"a\\\"\",\"dst\":\"\u{e4}\",\"payload\":{\"b\": 1.0,\"a\":[ ]}}"
        );
        assert_eq!(
            written(&|out| message(Kind::Expire, "b", "a", None, out)),
            r#"{"type":"EXPIRE","src":"b","dst":"a"}"#
        );
        assert_eq!(
            written(&|out| error("no \"id\"", out)),
            r#"{"type":"ERROR","payload":{"msg":"no \"id\""}}"#
        );
    }
}
