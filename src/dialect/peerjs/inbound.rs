//! Text → command (step 4 of the message path).
//!
//! A message is read no further than it must be understood: what is forwarded of it stays the slice that came. Clients
//! never say who they are, so what a message says of its `src` is read over. Source: `PROTOCOLS.md` section 2, and
//! `MessageHandler` of npm `peer` 1.0.2.

use crate::dialect::json::{Raw, known_fields, plain, present};
use crate::hub::command::PeerFault;
use std::borrow::Cow;

/// What a client asks for.
#[derive(Debug)]
pub enum Command<'a> {
    /// Nothing: it is still there.
    Heartbeat,
    /// To be found under its id no longer.
    Unregister,
    /// To pass something on.
    Forward(Forward<'a>),
    /// To pass something on that would wait, to a number: no id, so nobody ever has it. This is its text.
    ToNobody(&'a str),
}

/// Something to pass on.
#[derive(Debug)]
pub struct Forward<'a> {
    /// What it is.
    pub kind: Kind,
    /// The id of the client that it is for.
    pub dst: Cow<'a, str>,
    /// What it says, as it came.
    pub payload: Option<Raw<'a>>,
}

/// What can be passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An offer to connect.
    Offer,
    /// The answer to an offer.
    Answer,
    /// A way to be reached.
    Candidate,
    /// The end of what there was between two clients.
    Leave,
    /// A word that a message was not collected, which is the server's rather than a client's.
    Expire,
}

impl Kind {
    /// Its `type`.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Offer => "OFFER",
            Kind::Answer => "ANSWER",
            Kind::Candidate => "CANDIDATE",
            Kind::Leave => "LEAVE",
            Kind::Expire => "EXPIRE",
        }
    }

    /// Whether it waits for a client that is not there.
    pub fn waits(self) -> bool {
        match self {
            Kind::Offer | Kind::Answer | Kind::Candidate => true,
            Kind::Leave | Kind::Expire => false,
        }
    }
}

/// How far a message may go.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Bytes in an id.
    pub name_bytes: usize,
    /// Levels of arrays and objects.
    pub json_depth: usize,
}

known_fields! {
    /// The fields that matter.
    struct Message { kind: "type", dst: "dst", payload: "payload" }
}

/// Reads one message. O(bytes); allocates only for a `dst` with escapes.
///
/// # Errors
/// All the client's: no JSON object, no known type, no destination where there must be one, or beyond a bound.
pub fn read(text: &str, bounds: Bounds) -> Result<Command<'_>, PeerFault> {
    let message = Message::read(text, bounds.json_depth)?;
    let kind = match message.kind.and_then(plain).as_deref() {
        Some("HEARTBEAT") => return Ok(Command::Heartbeat),
        Some("OFFER") => Kind::Offer,
        Some("ANSWER") => Kind::Answer,
        Some("CANDIDATE") => Kind::Candidate,
        Some("LEAVE") => Kind::Leave,
        Some("EXPIRE") => Kind::Expire,
        Some(_) | None => {
            let text =
                "a message has one of the types HEARTBEAT, OFFER, ANSWER, CANDIDATE, LEAVE, EXPIRE";
            return Err(PeerFault::new("E_UNKNOWNTYPE", text));
        }
    };
    let Some(dst) = present(message.dst).filter(|dst| dst.get() != "\"\"") else {
        return match kind {
            Kind::Leave => Ok(Command::Unregister),
            Kind::Offer | Kind::Answer | Kind::Candidate | Kind::Expire => {
                let text = format!("{} needs a dst: the id of a client", kind.name());
                Err(PeerFault::new("E_BADCONTENT", text))
            }
        };
    };
    if kind.waits()
        && dst
            .get()
            .starts_with(|first: char| first == '-' || first.is_ascii_digit())
    {
        check_name("dst", dst.get(), bounds.name_bytes)?;
        return Ok(Command::ToNobody(dst.get()));
    }
    let is_string = dst.get().starts_with('"');
    let dst = plain(dst)
        .filter(|_| is_string)
        .ok_or_else(|| PeerFault::new("E_BADCONTENT", "dst is the id of a client: a string"))?;
    check_name("dst", &dst, bounds.name_bytes)?;
    let payload = message.payload;
    Ok(Command::Forward(Forward { kind, dst, payload }))
}

/// Refuses a name of more than so many bytes. `what` says whose it is.
///
/// # Errors
/// The client's: it is too long.
pub fn check_name(what: &str, name: &str, most: usize) -> Result<(), PeerFault> {
    match name.len() <= most {
        true => Ok(()),
        false => {
            let text = format!("the {what} may have {most} bytes");
            Err(PeerFault::new("E_TOOLONG", text))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds {
        name_bytes: 8,
        json_depth: 3,
    };

    /// What is understood, in a form that is easily compared.
    fn understood(text: &str) -> Result<String, &'static str> {
        read(text, BOUNDS)
            .map(|command| match command {
                Command::Heartbeat => "alive".to_owned(),
                Command::Unregister => "gone".to_owned(),
                Command::ToNobody(dst) => format!("to nobody: {dst}"),
                Command::Forward(Forward { kind, dst, payload }) => {
                    let payload = payload.map_or("nothing", Raw::get);
                    format!("{} to {dst}: {payload}", kind.name())
                }
            })
            .map_err(|fault| fault.code)
    }

    #[test]
    fn a_fault_does_not_quote_a_whole_message() {
        let bounds = Bounds {
            name_bytes: 8,
            json_depth: 4,
        };
        let fault = read(&format!("\"{}\"", "x".repeat(100_000)), bounds).expect_err("no object");
        assert!(fault.text.len() < 300, "{} bytes", fault.text.len());
    }

    #[test]
    fn messages() {
        let cases = [
            (r#"{"type":"HEARTBEAT"}"#, Ok("alive")),
            (r#"{"type":"HEARTBEAT","dst":5}"#, Ok("alive")),
            (r#"{"type":"LEAVE"}"#, Ok("gone")),
            (r#"{"type":"LEAVE","dst":null}"#, Ok("gone")),
            (r#"{"type":"LEAVE","dst":""}"#, Ok("gone")),
            (r#"{"type":"LEAVE","dst":"b"}"#, Ok("LEAVE to b: nothing")),
            (
                r#"{"type":"OFFER","payload":{"a": 1.0},"dst":"b","src":"x"}"#,
                Ok(r#"OFFER to b: {"a": 1.0}"#),
            ),
            (
                r#" {"type":"\u0041NSWER","dst":"\u0062","payload":null} "#,
                Ok("ANSWER to b: null"),
            ),
            (
                r#"{"type":"OFFER","type":"CANDIDATE","dst":"a","dst":"12345678"}"#,
                Ok("CANDIDATE to 12345678: nothing"),
            ),
            (r#"{"type":"EXPIRE","dst":"b"}"#, Ok("EXPIRE to b: nothing")),
            (r#"{"type":"OFFER","dst":"123456789"}"#, Err("E_TOOLONG")),
            (
                r#"{"type":"OFFER","dst":"b","payload":[[[]]]}"#,
                Err("E_TOODEEP"),
            ),
            (r#"{"type":"OFFER"}"#, Err("E_BADCONTENT")),
            (r#"{"type":"EXPIRE"}"#, Err("E_BADCONTENT")),
            (r#"{"type":"OFFER","dst":""}"#, Err("E_BADCONTENT")),
            (r#"{"type":"OFFER","dst":5}"#, Ok("to nobody: 5")),
            (
                r#"{"type":"ANSWER","dst": -1.5e3 }"#,
                Ok("to nobody: -1.5e3"),
            ),
            (r#"{"type":"CANDIDATE","dst":123456789}"#, Err("E_TOOLONG")),
            (r#"{"type":"OFFER","dst":[5]}"#, Err("E_BADCONTENT")),
            (r#"{"type":"LEAVE","dst":5}"#, Err("E_BADCONTENT")),
            (r#"{"type":"LEAVE","dst":false}"#, Err("E_BADCONTENT")),
            (r#"{"type":"OFFER","dst":"\ud800"}"#, Err("E_BADCONTENT")),
            (r#"{"type":"OPEN","dst":"b"}"#, Err("E_UNKNOWNTYPE")),
            (r#"{"type":"offer","dst":"b"}"#, Err("E_UNKNOWNTYPE")),
            (r#"{"type":5}"#, Err("E_UNKNOWNTYPE")),
            (r#"{"type":"__proto__"}"#, Err("E_UNKNOWNTYPE")),
            ("{}", Err("E_UNKNOWNTYPE")),
            ("[]", Err("E_NOTJSON")),
            ("null", Err("E_NOTJSON")),
            ("", Err("E_NOTJSON")),
            (r#"{"type":"HEARTBEAT"} {}"#, Err("E_NOTJSON")),
        ];
        for (text, expected) in cases {
            assert_eq!(understood(text), expected.map(str::to_owned), "{text}");
        }
    }
}
