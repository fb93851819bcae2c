//! What can be said to the hub in each dialect: sentences with gaps, which the tape fills.
//!
//! Owns the sentences. A gap is a word in braces that no JSON has: a name, a node, a text, a number or some JSON.

use super::Tape;

/// Who says something, which decides what is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tribe {
    Ok,
    PeerJs,
    Relay,
    Peero,
    NetPeer,
    Echo,
    Http,
}

impl Tribe {
    pub(super) const ALL: [Tribe; 7] = [
        Tribe::Ok,
        Tribe::PeerJs,
        Tribe::Relay,
        Tribe::Peero,
        Tribe::NetPeer,
        Tribe::Echo,
        Tribe::Http,
    ];

    fn sentences(self) -> &'static [&'static str] {
        match self {
            Tribe::Ok => OK,
            Tribe::PeerJs => PEERJS,
            Tribe::Relay => RELAY,
            Tribe::Peero => PEERO,
            Tribe::NetPeer => NETPEER,
            Tribe::Echo => ECHO,
            Tribe::Http => HTTP,
        }
    }

    /// The paths at which this dialect is spoken, and some at which it is not.
    fn paths(self) -> &'static [&'static str] {
        match self {
            Tribe::Ok => &["/", "/anything?a=b"],
            Tribe::PeerJs => &[
                "/peerjs?key=peerjs&id={name}&token=t",
                "/peerjs?key=peerjs&id={name}&token={name}&version=1.5.5",
                "/peerjs?key=peerjs&id={name}",
                "/peerjs?key=other&id={name}&token=t",
                "/{name}/peerjs?key=peerjs&id=%41&token=t",
            ],
            Tribe::Relay => &["/peer-relay"],
            Tribe::Peero => &["/peero"],
            Tribe::Echo => &["/echo"],
            Tribe::NetPeer | Tribe::Http => &["/"],
        }
    }

    /// Something that this tribe says. `known` are names that somebody has been told.
    pub(super) fn phrase(self, tape: &mut Tape<'_>, known: &[String]) -> String {
        let sentences = self.sentences();
        fill(sentences[tape.below(sentences.len())], tape, known)
    }

    /// A path for an upgrade.
    pub(super) fn path(self, tape: &mut Tape<'_>, known: &[String]) -> String {
        let paths = self.paths();
        fill(paths[tape.below(paths.len())], tape, known)
    }
}

/// Fields that an upgrade may have.
pub(super) const FIELDS: [&str; 6] = [
    "",
    "Origin: https://page.example\r\n",
    "Origin: null\r\n",
    "Sec-WebSocket-Protocol: one, two\r\n",
    "X-Forwarded-For: 198.51.100.7\r\n",
    "Sec-WebSocket-Extensions: permessage-deflate\r\n",
];

/// The relay node that the hub is.
pub(super) const HUB_NODE: &str = "7777777777777777777777777777777777777777";

const NODES: [&str; 4] = [
    HUB_NODE,
    "00000000000000000000000000000000000000a1",
    "7777777777777777777777777777777777777776",
    "ffffffffffffffffffffffffffffffffffffffff",
];

const NAMES: [&str; 5] = ["a", "b", "c", "", "hub"];

const JSONS: [&str; 10] = [
    "null",
    "0",
    "\"\"",
    "{}",
    "[]",
    "true",
    "{\"a\":[1,{\"b\":null}]}",
    "\"\\ud800\"",
    "-1.5e300",
    "[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]",
];

/// Fills the gaps of a sentence, from left to right.
fn fill(sentence: &str, tape: &mut Tape<'_>, known: &[String]) -> String {
    let mut filled = String::with_capacity(sentence.len() + 32);
    let mut rest = sentence;
    while let Some(at) = rest.find('{') {
        let gaps: [(&str, Gap); 5] = [
            ("{name}", Gap::Name),
            ("{node}", Gap::Node),
            ("{text}", Gap::Text),
            ("{number}", Gap::Number),
            ("{json}", Gap::Json),
        ];
        filled.push_str(&rest[..at]);
        rest = &rest[at..];
        let found = gaps.iter().find(|(word, _)| rest.starts_with(word));
        let Some((word, gap)) = found else {
            filled.push('{');
            rest = &rest[1..];
            continue;
        };
        rest = &rest[word.len()..];
        match gap {
            Gap::Name => match tape.below(NAMES.len() + known.len()) {
                place if place < NAMES.len() => filled.push_str(NAMES[place]),
                place => filled.push_str(&known[place - NAMES.len()]),
            },
            Gap::Node => filled.push_str(NODES[tape.below(NODES.len())]),
            Gap::Text => {
                let (letter, count) = (tape.below(26), tape.magnitude(11));
                let letter = char::from(b'a' + letter as u8);
                filled.extend((0..count).map(|_| letter));
            }
            Gap::Number => filled.push_str(&tape.magnitude(40).to_string()),
            Gap::Json => filled.push_str(JSONS[tape.below(JSONS.len())]),
        }
    }
    filled.push_str(rest);
    filled
}

enum Gap {
    Name,
    Node,
    Text,
    Number,
    Json,
}

const OK: &[&str] = &[
    r#"{"type":"initiate","content":{"linkageKey":"{name}","options":{"peerInitiationReceiver":true,"peerInitiationSender":true}}}"#,
    r#"{"type":"initiate","content":{"id":"{name}","linkageKey":"room","resume":true,"options":{"peerInitiationReceiver":true,"peerInitiationSender":true}}}"#,
    r#"{"type":"initiate","content":{"id":"{name}","linkageKey":"room","resume":"{name}"}}"#,
    r#"{"type":"initiate","content":{"linkageKey":"{name}","userid":"{name}","deboutCluster":"{name}","tags":["{text}","x"],"properties":{"{name}":{json}},"startTime":{number}}}"#,
    r#"{"type":"addTag","content":["{name}","{text}"]}"#,
    r#"{"type":"removeTag","content":"{name}"}"#,
    r#"{"type":"setProperties","content":{"{name}":{json},"p":"{text}"}}"#,
    r#"{"type":"deboutSelection","content":{"client2hub":{json},"hub2client":true}}"#,
    r#"{"type":"subscribe","content":{"channels":["w2dutnc-k7vsj2og"]}}"#,
    r#"{"type":"retrievePeers","messageid":"{name}"}"#,
    r#"{"type":"notify","messageid":{number},"peer":["{name}","{name}"],"name":"n","content":{json}}"#,
    r#"{"type":"notify","peer":"{name}","content":"{text}"}"#,
    r#"{"type":"request","messageid":"{name}","peer":"{name}","name":"ask","timeout":{number},"content":{json}}"#,
    r#"{"type":"request","messageid":"m","peer":["{name}","{name}"],"content":"{text}"}"#,
    r#"{"type":"response","messageid":"{name}","peer":"{name}","content":{json}}"#,
    r#"{"type":"publish","messageid":"p","content":{"channel":"{name}","message":{json}}}"#,
    r#"{"type":"publish","content":{"channel":"c","message":"{text}"}}"#,
    r#"{"type":"subscribe","content":{"channels":["{name}","c"]}}"#,
    r#"{"type":"unsubscribe","content":{"channels":["{name}","c"]}}"#,
    r#"{"type":"debout","content":{json}}"#,
    r#"{"type":"leave"}"#,
    r#"{"type":{json},"content":{json}}"#,
];

const PEERJS: &[&str] = &[
    r#"{"type":"OFFER","dst":"{name}","payload":{"sdp":"{text}"}}"#,
    r#"{"type":"ANSWER","dst":"{name}","payload":{json}}"#,
    r#"{"type":"CANDIDATE","src":"{name}","dst":"{name}","payload":{json}}"#,
    r#"{"type":"LEAVE","dst":"{name}"}"#,
    r#"{"type":"LEAVE"}"#,
    r#"{"type":"EXPIRE","dst":"{name}"}"#,
    r#"{"type":"HEARTBEAT"}"#,
    r#"{"type":"{name}","dst":{json}}"#,
];

const RELAY: &[&str] = &[
    r#""{node}""#,
    r#"{"type":"Buffer","data":[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,{json}]}"#,
    r#"{"to":"{node}","from":"{node}","path":["{node}"],"nonce":"{number}","data":{"type":"user","data":"{text}"}}"#,
    r#"{"to":"{node}","from":"{node}","path":["{node}","{node}"],"nonce":"{number}","data":{"type":"findPeers","data":"{node}"}}"#,
    r#"{"to":"{node}","from":"{node}","path":[],"nonce":"{number}","data":{"type":"foundPeers","data":["{node}","{node}"]}}"#,
    r#"{"to":"{node}","from":"{node}","path":["{node}"],"nonce":"{number}","data":{"type":"handshake-offer"}}"#,
    r#"{"to":"{node}","from":"{node}","path":["{node}"],"nonce":"{number}","data":{"type":"handshake-answer","data":{"ws":"ws://10.0.0.9/","wrtc":false}}}"#,
    r#"{"to":"{node}","from":"{node}","path":["{node}"],"nonce":"{number}","data":{"type":"handshake-answer","data":{"ws":"ws://{name}:{number}/","wrtc":false}}}"#,
    r#"{"to":"{node}","from":{json},"path":{json},"nonce":"{number}","data":{json}}"#,
];

const PEERO: &[&str] = &[
    r#"{"type":"register"}"#,
    r#"{"type":"offer","signal":{"sdp":"{text}"}}"#,
    r#"{"type":"answer","peerId":"{name}","signal":{json}}"#,
    r#"{"type":"signal","data":{"type":"offer","peerId":"{name}","sdp":{json}}}"#,
    r#"{"type":"signal","data":{json}}"#,
    r#"{"type":"{name}"}"#,
];

const NETPEER: &[&str] = &[
    r#"{"senderName":"{name}","type":"@PRESENTATION","content":{"port":5001,"needNetworkInformation":true}}"#,
    r#"{"senderName":"{name}","type":"@PRESENTATION","content":{"port":{number}}}"#,
    r#"{"senderName":"{name}","type":"@NETWORK_INFORMATION","content":{"network":{"hosts":[],"state":{json}}}}"#,
    r#"{"senderName":"{name}","type":"@REQUEST_NETWORK_INFORMATION"}"#,
    r#"{"senderName":"{name}","type":"@CONNECTION_CLOSED","content":{"message":"{text}"}}"#,
    r#"{"senderName":"{name}","type":"{name}","content":"{text}"}"#,
    r#"{"senderName":{json},"type":{json},"content":{json}}"#,
];

const ECHO: &[&str] = &["{text}", "{json}", ""];

const HTTP: &[&str] = &[
    "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET /{name} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
    "GET /peerjs/id HTTP/1.1\r\nHost: h\r\nOrigin: https://page.example\r\n\r\n",
    "GET /peerjs/peers HTTP/1.0\r\n\r\n",
    "HEAD /ok-peerconnection.js HTTP/1.1\r\nHost: h\r\n\r\n",
    "OPTIONS /peerjs/id HTTP/1.1\r\nHost: h\r\nOrigin: https://page.example\r\nAccess-Control-Request-Method: POST\r\n\r\n",
    "POST /peerjs/{name}/t/offer HTTP/1.1\r\nHost: h\r\nContent-Length: 43\r\n\r\n{\"type\":\"OFFER\",\"dst\":\"b\",\"payload\":\"{number}\"}     ",
    "POST /peerjs/{name}/t/id?i=1 HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n",
    "POST /api HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 24\r\n\r\n{\"name\":\"getpeersource\"} ",
    "POST /api HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Type: application/json\r\nContent-Length: {number}\r\n\r\n{json}",
    "POST /api HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "GET /health HTTP/1.1\r\nHost: h\r\n{text}: {text}\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 12\r\nSec-WebSocket-Key: {name}\r\n\r\n",
    "GET /{name} HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
];
