//! Text of a peer → what it wants (step 4 of the message path).
//!
//! Reads no further than it must: the signal stays the bytes that came. Must not: know who is there.

use crate::config::Config;
use crate::dialect::json::{Raw, known_fields, plain, present, truthy};
use crate::hub::command::PeerFault;
use std::borrow::Cow;

/// Reads messages, within the bounds that it was made with.
#[derive(Debug)]
pub struct Reader {
    signal_bytes_max: usize,
    json_depth_max: usize,
}

/// What a peer wants.
#[derive(Debug)]
pub enum Said<'a> {
    /// To be told its id and the list of the others.
    Register,
    /// To have a signal passed on.
    Signal(Signal<'a>),
}

/// A signal and where it goes.
#[derive(Debug)]
pub struct Signal<'a> {
    /// What it calls itself.
    pub kind: Kind,
    /// The id of the peer that it is for; none is for all the others.
    pub to: Option<Cow<'a, str>>,
    /// The signal as it came: an object or a string, of bounded size and depth.
    pub body: &'a str,
}

/// What a signal calls itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A session description that asks for a connection.
    Offer,
    /// The session description that accepts one.
    Answer,
    /// Something else that the two sides understand.
    Other,
}

known_fields! {
    /// A message, in any of its forms.
    struct Envelope {
        kind: "type",
        peer_id: "peerId",
        signal: "signal",
        data: "data",
    }
}

known_fields! {
    /// What the hub must know of the `data` of a message of type `signal`.
    struct Data {
        kind: "type",
        peer_id: "peerId",
    }
}

impl Reader {
    /// A reader with the bounds of these settings.
    pub fn new(config: &Config) -> Reader {
        Reader {
            signal_bytes_max: config.peero.signal_bytes,
            json_depth_max: config.limits.json_depth,
        }
    }

    /// Reads one message. Every fault is the sender's. O(bytes of the message).
    pub fn read<'a>(&self, text: &'a str) -> Result<Said<'a>, PeerFault> {
        let envelope = Envelope::read(text, self.json_depth_max)?;
        let kind = envelope.kind.and_then(plain);
        let signal = match kind.as_deref() {
            Some("register") => return Ok(Said::Register),
            Some("offer") => Signal {
                kind: Kind::Offer,
                to: None,
                body: self.body(envelope.signal, "signal")?,
            },
            Some("answer") => Signal {
                kind: Kind::Answer,
                to: Some(receiver(envelope.peer_id)?.ok_or_else(no_peer)?),
                body: self.body(envelope.signal, "signal")?,
            },
            Some("signal") => self.signal_form(&envelope)?,
            Some(_) | None => {
                let text = "the types of messages are register, offer, answer and signal";
                return Err(PeerFault::new("E_UNKNOWNTYPE", text));
            }
        };
        Ok(Said::Signal(signal))
    }

    /// `data` says itself what it is and for whom; the receiver may also be named beside it.
    fn signal_form<'a>(&self, envelope: &Envelope<'a>) -> Result<Signal<'a>, PeerFault> {
        let body = self.body(envelope.data, "data")?;
        // A string says nothing about itself.
        let known = envelope.data.and_then(Data::of).unwrap_or_default();
        let kind = match known.kind.and_then(plain).as_deref() {
            Some("offer") => Kind::Offer,
            Some("answer") => Kind::Answer,
            Some(_) | None => Kind::Other,
        };
        Ok(Signal {
            kind,
            to: match receiver(known.peer_id)? {
                None => receiver(envelope.peer_id)?,
                named => named,
            },
            body,
        })
    }

    fn body<'a>(&self, raw: Option<Raw<'a>>, field: &str) -> Result<&'a str, PeerFault> {
        let body = raw.map_or("null", Raw::get);
        if !body.starts_with(['{', '"']) {
            return Err(bad_signal(field));
        }
        if body.len() > self.signal_bytes_max {
            let text = format!("a signal may have {} bytes", self.signal_bytes_max);
            return Err(PeerFault::new("E_TOOLONG", text));
        }
        Ok(body)
    }
}

/// The peer that a message names. As often in JavaScript, what is false stands for nobody.
fn receiver(raw: Option<Raw<'_>>) -> Result<Option<Cow<'_, str>>, PeerFault> {
    let raw = present(raw).filter(|&raw| truthy(raw));
    raw.map(|raw| {
        plain(raw).ok_or_else(|| PeerFault::new("E_BADPEER", "`peerId` must be the id of a peer"))
    })
    .transpose()
}

fn bad_signal(field: &str) -> PeerFault {
    let text = format!("`{field}` must be the signal: an object or a string");
    PeerFault::new("E_BADSIGNAL", text)
}

fn no_peer() -> PeerFault {
    PeerFault::new(
        "E_BADPEER",
        "an answer needs the `peerId` of whom it is for",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader() -> Reader {
        let mut config = Config::default();
        config.peero.signal_bytes = 64;
        config.limits.json_depth = 4;
        Reader::new(&config)
    }

    #[test]
    fn what_a_message_asks_for() {
        for (text, kind, to, body) in [
            (
                r#"{"type":"offer","signal":{"sdp":"x"}}"#,
                Kind::Offer,
                None,
                r#"{"sdp":"x"}"#,
            ),
            // Whatever else it names, an offer in its long form is for all.
            (
                r#"{"signal":"sdp", "peerId":"a","type":"\u006fffer","x":[]}"#,
                Kind::Offer,
                None,
                r#""sdp""#,
            ),
            (
                r#"{"type":"answer","peerId":"a","signal":{ "sdp" : 1.0 }}"#,
                Kind::Answer,
                Some("a"),
                r#"{ "sdp" : 1.0 }"#,
            ),
            (
                r#"{"type":"answer","peerId":7,"signal":""}"#,
                Kind::Answer,
                Some("7"),
                r#""""#,
            ),
            (
                r#"{"type":"signal","data":{"type":"offer","peerId":"\u0061","sdp":"x"}}"#,
                Kind::Offer,
                Some("a"),
                r#"{"type":"offer","peerId":"\u0061","sdp":"x"}"#,
            ),
            (
                r#"{"type":"signal","peerId":"b","data":{"type":"offer","sdp":"x"}}"#,
                Kind::Offer,
                Some("b"),
                r#"{"type":"offer","sdp":"x"}"#,
            ),
            (
                r#"{"type":"signal","peerId":"b","data":{"peerId":"a"}}"#,
                Kind::Other,
                Some("a"),
                r#"{"peerId":"a"}"#,
            ),
            (
                r#"{"type":"signal","data":{"type":"answer"}}"#,
                Kind::Answer,
                None,
                r#"{"type":"answer"}"#,
            ),
            (
                r#"{"type":"signal","data":{"type":["offer"],"peerId":null}}"#,
                Kind::Other,
                None,
                r#"{"type":["offer"],"peerId":null}"#,
            ),
            (
                r#"{"type":"signal","data":{"peerId":""}}"#,
                Kind::Other,
                None,
                r#"{"peerId":""}"#,
            ),
            (
                r#"{"type":"signal","data":"x"}"#,
                Kind::Other,
                None,
                r#""x""#,
            ),
            // As in JavaScript, the last field of a name counts.
            (
                r#"{"type":"register","type":"offer","signal":1,"signal":{}}"#,
                Kind::Offer,
                None,
                "{}",
            ),
        ] {
            match reader().read(text) {
                Ok(Said::Signal(signal)) => {
                    assert_eq!(
                        (signal.kind, signal.to.as_deref(), signal.body),
                        (kind, to, body),
                        "{text}"
                    );
                }
                other => panic!("{text} is {other:?}"),
            }
        }
        for text in [
            r#"{"type":"register"}"#,
            r#"{"type":"register","signal":5}"#,
        ] {
            assert!(matches!(reader().read(text), Ok(Said::Register)), "{text}");
        }
    }

    #[test]
    fn what_is_no_message() {
        for (text, code) in [
            ("", "E_NOTJSON"),
            ("register", "E_NOTJSON"),
            (r#"[{"type":"register"}]"#, "E_NOTJSON"),
            (r#"{"type":"register"} x"#, "E_NOTJSON"),
            ("{}", "E_UNKNOWNTYPE"),
            (r#"{"type":"announce","id":"a"}"#, "E_UNKNOWNTYPE"),
            (r#"{"type":{"type":"offer"},"signal":{}}"#, "E_UNKNOWNTYPE"),
            (r#"{"type":"offer"}"#, "E_BADSIGNAL"),
            (r#"{"type":"offer","signal":null}"#, "E_BADSIGNAL"),
            (r#"{"type":"offer","signal":[]}"#, "E_BADSIGNAL"),
            (r#"{"type":"offer","data":{}}"#, "E_BADSIGNAL"),
            (r#"{"type":"signal","signal":{}}"#, "E_BADSIGNAL"),
            (r#"{"type":"signal","data":7}"#, "E_BADSIGNAL"),
            (r#"{"type":"answer","signal":{}}"#, "E_BADPEER"),
            (r#"{"type":"answer","peerId":0,"signal":{}}"#, "E_BADPEER"),
            (
                r#"{"type":"answer","peerId":["a"],"signal":{}}"#,
                "E_BADPEER",
            ),
            (
                r#"{"type":"answer","peerId":"\ud800","signal":{}}"#,
                "E_BADPEER",
            ),
            (
                r#"{"type":"signal","data":{"peerId":{"a":1}}}"#,
                "E_BADPEER",
            ),
            (r#"{"type":"offer","signal":{"a":[[[]]]}}"#, "E_TOODEEP"),
        ] {
            let fault = reader().read(text).expect_err(text);
            assert_eq!(fault.code, code, "{text}");
        }
    }

    #[test]
    fn signals_have_a_bound() {
        let message = |count| format!(r#"{{"type":"offer","signal":"{}"}}"#, "x".repeat(count));
        assert!(reader().read(&message(62)).is_ok());
        let fault = reader().read(&message(63)).expect_err("too long");
        assert_eq!(fault.code, "E_TOOLONG");
        let data = |count| format!(r#"{{"type":"signal","data":"{}"}}"#, "x".repeat(count));
        assert!(reader().read(&data(62)).is_ok());
        assert!(reader().read(&data(63)).is_err());
    }
}
