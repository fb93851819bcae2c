//! Text → what a node says (step 4 of the message path): its id first, then routed messages.
//!
//! `data` stays the raw text that came. Must not: keep more of a message than its bounds allow, however it is written.

use super::node_id::NodeId;
use super::routing::Router;
use crate::dialect::json::{self, known_fields};
use crate::hub::command::PeerFault;
use serde::de::{Deserialize, Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

/// A message that is on its way.
#[derive(Debug)]
pub struct Message<'a> {
    /// Where it goes.
    pub to: NodeId,
    /// Who has made it.
    pub from: NodeId,
    /// The nodes that it has passed.
    pub path: Path,
    /// What its maker calls it, 1 to [`NONCE_BYTES_MAX`] bytes.
    pub nonce: Cow<'a, str>,
    /// What it says.
    pub data: Option<&'a RawValue>,
}

/// The nodes that a message has passed, in their order.
pub type Path = Ids<{ Router::HOPS_MAX }>;

/// At most so many ids. They are here and not on the heap, since each message has some.
#[derive(Clone)]
pub struct Ids<const MOST: usize> {
    ids: [NodeId; MOST],
    count: usize,
}

/// What a message to this node says.
#[derive(Debug, PartialEq, Eq)]
pub enum Data<'a> {
    /// Who is near to this id?
    FindPeers(NodeId),
    /// These are; no more than [`Router::FOUND_MAX`] are read.
    FoundPeers(Vec<NodeId>),
    /// Shall we be connected?
    HandshakeOffer,
    /// If so, here.
    HandshakeAnswer {
        /// The URL of a WebSocket.
        ws: Option<Cow<'a, str>>,
    },
    /// Something that a relay has nothing to do with.
    Other,
}

/// Bytes of a nonce, at most; those of the original have 15.
pub const NONCE_BYTES_MAX: usize = 64;

known_fields! {
    struct Envelope {
        to: "to",
        from: "from",
        path: "path",
        nonce: "nonce",
        data: "data",
    }
}

known_fields! {
    struct Buffer {
        kind: "type",
        data: "data",
    }
}

known_fields! {
    struct Content {
        kind: "type",
        data: "data",
    }
}

known_fields! {
    struct Answer {
        ws: "ws",
    }
}

/// Reads a node's first message, its id.
///
/// # Errors
/// The peer's: it is no id.
pub fn read_greeting(text: &str) -> Result<NodeId, PeerFault> {
    let raw: &RawValue = serde_json::from_str(text).map_err(|_| no_id())?;
    read_id(raw).ok_or_else(no_id)
}

/// Reads a routed message. O(text).
///
/// # Errors
/// The peer's: it is no JSON object, a field that it needs is missing or not what it should be, or the path is too long.
pub fn read_message(text: &str) -> Result<Message<'_>, PeerFault> {
    let fields: Envelope<'_> =
        serde_json::from_str(text).map_err(|error| json::no_object(&error))?;
    let id = |raw: Option<&RawValue>, text| raw.and_then(read_id).ok_or_else(|| bad(text));
    let to = id(fields.to, "`to` must be a node's id")?;
    let from = id(fields.from, "`from` must be a node's id")?;
    let nonce = fields.nonce.and_then(json::plain);
    let nonce = nonce.filter(|nonce| (1..=NONCE_BYTES_MAX).contains(&nonce.len()));
    let path: Option<List<{ Router::HOPS_MAX }>> = read_list(fields.path);
    let path = path.ok_or_else(|| bad("`path` must be a list of nodes' ids"))?;
    if path.has_more {
        return Err(PeerFault::new(
            "E_TOOLONG",
            format!("a path may have {} nodes", Router::HOPS_MAX),
        ));
    }
    Ok(Message {
        to,
        from,
        path: path.first,
        nonce: nonce.ok_or_else(|| bad("`nonce` must be a short text of digits"))?,
        data: fields.data,
    })
}

/// Reads what a message to this node says.
///
/// # Errors
/// The peer's: its type is known and the rest does not suit it.
pub fn read_data(data: Option<&RawValue>) -> Result<Data<'_>, PeerFault> {
    let content = data.and_then(|data| serde_json::from_str::<Content<'_>>(data.get()).ok());
    let Some(Content {
        kind: Some(kind),
        data,
    }) = content
    else {
        return Ok(Data::Other);
    };
    match json::plain(kind).as_deref() {
        Some("findPeers") => {
            let target = data.and_then(read_id);
            target
                .map(Data::FindPeers)
                .ok_or_else(|| bad("`findPeers` needs a node's id"))
        }
        Some("foundPeers") => {
            let ids: Option<List<{ Router::FOUND_MAX }>> = read_list(data);
            ids.map(|ids| Data::FoundPeers(ids.first.to_vec()))
                .ok_or_else(|| bad("`foundPeers` needs a list of nodes' ids"))
        }
        Some("handshake-offer") => Ok(Data::HandshakeOffer),
        Some("handshake-answer") => {
            let answer = data.and_then(|data| serde_json::from_str::<Answer<'_>>(data.get()).ok());
            let ws = answer.and_then(|answer| answer.ws);
            Ok(Data::HandshakeAnswer {
                ws: ws.and_then(json::plain),
            })
        }
        Some(_) | None => Ok(Data::Other),
    }
}

/// An id: 40 hexadecimal digits, or 20 bytes as Node.js writes a Buffer.
fn read_id(raw: &RawValue) -> Option<NodeId> {
    match raw.get().as_bytes()[0] {
        b'"' => NodeId::from_hex(&json::plain(raw)?),
        b'{' => {
            let buffer: Buffer<'_> = serde_json::from_str(raw.get()).ok()?;
            let is_buffer = json::plain(buffer.kind?)? == "Buffer";
            let bytes = serde_json::from_str(buffer.data?.get()).ok()?;
            is_buffer.then_some(NodeId::new(bytes))
        }
        _ => None,
    }
}

fn read_list<const MOST: usize>(raw: Option<&RawValue>) -> Option<List<MOST>> {
    serde_json::from_str(raw?.get()).ok()
}

/// The first so many ids of a list, and whether there are more.
struct List<const MOST: usize> {
    first: Ids<MOST>,
    has_more: bool,
}

impl<'de, const MOST: usize> Deserialize<'de> for List<MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader<const MOST: usize>;
        impl<'de, const MOST: usize> Visitor<'de> for Reader<MOST> {
            type Value = List<MOST>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of nodes' ids")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
                let mut first = Ids::default();
                while first.len() < MOST {
                    let Some(raw) = items.next_element::<&RawValue>()? else {
                        let has_more = false;
                        return Ok(List { first, has_more });
                    };
                    first.push(read_id(raw).ok_or_else(|| serde::de::Error::custom("no id"))?);
                }
                let has_more = items.next_element::<IgnoredAny>()?.is_some();
                while items.next_element::<IgnoredAny>()?.is_some() {}
                Ok(List { first, has_more })
            }
        }
        deserializer.deserialize_seq(Reader)
    }
}

impl<const MOST: usize> Ids<MOST> {
    /// Puts one more at the end.
    ///
    /// # Panics
    /// If there are as many as may be: the caller looks first.
    pub fn push(&mut self, id: NodeId) {
        self.ids[self.count] = id;
        self.count += 1;
    }
}

impl<const MOST: usize> Default for Ids<MOST> {
    fn default() -> Self {
        Ids {
            ids: [NodeId::new([0; NodeId::BYTES]); MOST],
            count: 0,
        }
    }
}

impl<const MOST: usize> Deref for Ids<MOST> {
    type Target = [NodeId];

    fn deref(&self) -> &[NodeId] {
        &self.ids[..self.count]
    }
}

impl<const MOST: usize> fmt::Debug for Ids<MOST> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(out)
    }
}

fn bad(text: &'static str) -> PeerFault {
    PeerFault::new("E_BADMESSAGE", text)
}

fn no_id() -> PeerFault {
    let text =
        "the first message must be the node's id: 40 hexadecimal digits, or a Buffer of 20 bytes";
    PeerFault::new("E_BADID", text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "000102030405060708090a0b0c0d0e0f10111213";
    const BUFFER: &str =
        r#"{"type":"Buffer","data":[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19]}"#;

    fn id() -> NodeId {
        NodeId::new(std::array::from_fn(|place| place as u8))
    }

    #[test]
    fn greetings() {
        let quoted = format!("\"{HEX}\"");
        let shouted = quoted.to_uppercase();
        let swapped = BUFFER
            .replace(r#""type":"Buffer","#, "")
            .replace("]}", r#"],"type":"Buffer"}"#);
        for good in [BUFFER, &quoted, &shouted, &swapped, &format!(" {BUFFER}\n")] {
            assert_eq!(read_greeting(good), Ok(id()), "{good}");
        }
        for bad in [
            "",
            "{}",
            "[]",
            "5",
            "null",
            HEX,
            &format!("{quoted}{quoted}"),
            &quoted[1..],
            &quoted.replace("13", "1"),
            &quoted.replace("13", "1g"),
            &BUFFER.replace("Buffer", "buffer"),
            &BUFFER.replace(",19", ""),
            &BUFFER.replace(",19", ",19,20"),
            &BUFFER.replace(",19", ",256"),
            &BUFFER.replace(",19", ",-1"),
            &BUFFER.replace(",19", ",1.5"),
            r#"{"type":"Buffer"}"#,
            r#"{"to":"a"}"#,
        ] {
            assert_eq!(read_greeting(bad).expect_err(bad).code, "E_BADID");
        }
    }

    #[test]
    fn messages() {
        let text = format!(
            r#"{{"data":{{"type": 1}},"nonce":"42","path":["{HEX}",{BUFFER}],"more":[{{}}],"from":{BUFFER},"to":"{HEX}"}}"#
        );
        let message = read_message(&text).expect("a message");
        assert_eq!((message.to, message.from), (id(), id()));
        assert_eq!(*message.path, [id(), id()]);
        assert_eq!(message.nonce, "42");
        assert_eq!(message.data.expect("data").get(), r#"{"type": 1}"#);
        for (from, to, code) in [
            (r#""to""#, r#""too""#, "E_BADMESSAGE"),
            (r#""from""#, r#""form""#, "E_BADMESSAGE"),
            (r#""nonce":"42""#, r#""nonce":"""#, "E_BADMESSAGE"),
            (r#""nonce":"42""#, r#""nonce":[]"#, "E_BADMESSAGE"),
            (r#""nonce":"42","#, "", "E_BADMESSAGE"),
            (r#""path":["#, r#""path":["a","#, "E_BADMESSAGE"),
            (r#""path":["#, r#""path":[5,"#, "E_BADMESSAGE"),
            (r#""path""#, r#""paths""#, "E_BADMESSAGE"),
            (r#""more":[{}],"#, r#""more":[{],"#, "E_NOTJSON"),
        ] {
            let other = text.replacen(from, to, 1);
            assert_ne!(other, text);
            assert_eq!(read_message(&other).expect_err(&other).code, code);
        }
        for bad in ["[]", "5", "null", "\"\"", ""] {
            assert_eq!(read_message(bad).expect_err(bad).code, "E_NOTJSON");
        }
    }

    #[test]
    fn a_fault_does_not_quote_a_whole_message() {
        let fault = read_message(&format!("\"{}\"", "x".repeat(100_000))).expect_err("no object");
        assert!(fault.text.len() < 300, "{} bytes", fault.text.len());
    }

    #[test]
    fn bounds_of_a_message() {
        let message = |hops: usize, digits: usize| {
            let path = vec![format!("\"{HEX}\""); hops].join(",");
            let nonce = "7".repeat(digits);
            format!(r#"{{"to":"{HEX}","from":"{HEX}","path":[{path}],"nonce":"{nonce}"}}"#)
        };
        let at_bound = message(20, 64);
        let read = read_message(&at_bound).expect("a message at its bounds");
        assert_eq!((read.path.len(), read.nonce.len()), (20, 64));
        assert!(read.data.is_none());
        for (text, code) in [
            (message(21, 1), "E_TOOLONG"),
            (message(1, 65), "E_BADMESSAGE"),
        ] {
            assert_eq!(read_message(&text).expect_err("beyond").code, code);
        }
    }

    #[test]
    fn what_is_said_to_this_node() {
        let many = vec![format!("\"{HEX}\""); 25].join(",");
        let cases = [
            (
                format!(r#"{{"type":"findPeers","data":"{HEX}"}}"#),
                Some(Data::FindPeers(id())),
            ),
            (r#"{"type":"findPeers"}"#.into(), None),
            (r#"{"type":"findPeers","data":"x"}"#.into(), None),
            (
                format!(r#"{{"type":"foundPeers","data":["{HEX}"]}}"#),
                Some(Data::FoundPeers(vec![id()])),
            ),
            (
                format!(r#"{{"type":"foundPeers","data":[{many},5]}}"#),
                Some(Data::FoundPeers(vec![id(); 20])),
            ),
            (r#"{"type":"foundPeers","data":[5]}"#.into(), None),
            (r#"{"type":"foundPeers","data":{}}"#.into(), None),
            (
                r#"{"type":"handshake-offer"}"#.into(),
                Some(Data::HandshakeOffer),
            ),
            (
                r#"{"type":"handshake-answer","data":{"ws":"ws:\/\/a","wrtc":true}}"#.into(),
                Some(Data::HandshakeAnswer {
                    ws: Some("ws://a".into()),
                }),
            ),
            (
                r#"{"type":"handshake-answer","data":{"ws":null}}"#.into(),
                Some(Data::HandshakeAnswer { ws: None }),
            ),
            (
                r#"{"type":"handshake-answer"}"#.into(),
                Some(Data::HandshakeAnswer { ws: None }),
            ),
            (r#"{"type":"user","data":[]}"#.into(), Some(Data::Other)),
            (r#"{"type":7}"#.into(), Some(Data::Other)),
            ("[1]".into(), Some(Data::Other)),
            ("null".into(), Some(Data::Other)),
        ];
        for (text, expected) in cases {
            let raw = RawValue::from_string(text.clone()).expect("JSON");
            assert_eq!(read_data(Some(&raw)).ok(), expected, "{text}");
        }
        assert_eq!(read_data(None), Ok(Data::Other));
    }
}
