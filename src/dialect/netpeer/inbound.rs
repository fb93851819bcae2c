//! A line → what it says (step 4 of the message path).
//!
//! The envelope is read once; the state stays a slice of the line. Must not judge what depends on who else is there.
//! Source: `PROTOCOLS.md` section 4.

use crate::config::Limits;
use crate::dialect::json::{Raw, known_fields, plain, present, truthy};
use crate::hub::command::PeerFault;
use std::borrow::Cow;

/// What a line says.
#[derive(Debug)]
pub enum Inbound<'a> {
    /// A peer says who it is. With a fault in it, it is refused.
    Presentation(Result<Presentation<'a>, PeerFault>),
    /// A member tells what it knows of the network. Which hosts there are the hub knows from their own connections.
    Information {
        /// The state, as JSON text; none if it has none to tell.
        state: Option<&'a str>,
    },
    /// A member asks for what is known of the network.
    InformationRequest,
    /// The other side ends the connection.
    Closed,
    /// Anything else is for the application.
    Application {
        /// The type.
        kind: Cow<'a, str>,
        /// The size of the content as JSON text.
        content_bytes: usize,
    },
}

/// Who a peer says it is.
#[derive(Debug, PartialEq, Eq)]
pub struct Presentation<'a> {
    /// Its name, within the bound and not empty.
    pub name: Cow<'a, str>,
    /// The port at which it listens itself; not 0.
    pub main_port: u16,
    /// Whether it wants to be told what is known of the network.
    pub needs_information: bool,
}

known_fields! {
    struct Envelope {
        sender_name: "senderName",
        kind: "type",
        content: "content",
    }
}

known_fields! {
    struct PresentationContent {
        port: "port",
        needs_information: "needNetworkInformation",
    }
}

known_fields! {
    struct InformationContent {
        network: "network",
    }
}

known_fields! {
    struct Network {
        state: "state",
    }
}

/// Reads one line. An error says that it is no message at all. O(bytes).
pub fn read<'a>(text: &'a str, limits: &Limits) -> Result<Inbound<'a>, PeerFault> {
    let envelope = Envelope::read(text, limits.json_depth)?;
    let kind = envelope.kind.and_then(string).ok_or_else(|| {
        PeerFault::new(
            "E_NOTYPE",
            "a message needs a type, which is a string of Unicode text",
        )
    })?;
    Ok(match &*kind {
        "@PRESENTATION" => Inbound::Presentation(presentation(&envelope, limits)),
        "@NETWORK_INFORMATION" => {
            let content = envelope
                .content
                .and_then(InformationContent::of)
                .unwrap_or_default();
            let network = content.network.and_then(Network::of).unwrap_or_default();
            Inbound::Information {
                state: present(network.state).map(Raw::get),
            }
        }
        "@REQUEST_NETWORK_INFORMATION" => Inbound::InformationRequest,
        "@CONNECTION_CLOSED" => Inbound::Closed,
        _ => Inbound::Application {
            content_bytes: envelope.content.map_or(0, |content| content.get().len()),
            kind,
        },
    })
}

fn presentation<'a>(
    envelope: &Envelope<'a>,
    limits: &Limits,
) -> Result<Presentation<'a>, PeerFault> {
    let name = envelope.sender_name.and_then(string);
    let name = name.filter(|name| !name.is_empty()).ok_or_else(|| {
        PeerFault::new(
            "E_BADNAME",
            "A peer needs a name: senderName is a string that is not empty.",
        )
    })?;
    if name.len() > limits.name_bytes {
        let text = format!("A name may have {} bytes.", limits.name_bytes);
        return Err(PeerFault::new("E_TOOLONG", text));
    }
    let content = envelope
        .content
        .and_then(PresentationContent::of)
        .unwrap_or_default();
    let main_port = content.port.and_then(port).ok_or_else(|| {
        PeerFault::new(
            "E_BADPORT",
            "The port of a presentation is the one that the peer listens on, a whole number from 1 to 65535.",
        )
    })?;
    Ok(Presentation {
        name,
        main_port,
        needs_information: content.needs_information.is_some_and(truthy),
    })
}

/// A port as its number, in whichever way JSON writes it. A string is none: members compare ports without converting them.
fn port(raw: Raw<'_>) -> Option<u16> {
    let number: f64 = raw.get().parse().ok()?;
    let is_port = number.fract() == 0.0 && (1.0..=65_535.0).contains(&number);
    is_port.then_some(number as u16)
}

fn string(raw: Raw<'_>) -> Option<Cow<'_, str>> {
    match raw.get().starts_with('"') {
        true => plain(raw),
        false => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::json::scan;

    #[test]
    fn ports_are_whole_numbers_that_can_be_dialled() {
        for (text, number) in [
            ("1", Some(1)),
            ("65535", Some(65_535)),
            ("5e3", Some(5_000)),
            ("80.0", Some(80)),
            ("0", None),
            ("-1", None),
            ("65536", None),
            ("80.5", None),
            ("1e999", None),
            ("\"80\"", None),
            ("true", None),
            ("null", None),
            ("[80]", None),
        ] {
            let raw = scan(text, 1, |_, _| {}).expect("JSON");
            assert_eq!(port(raw), number, "{text}");
        }
    }

    #[test]
    fn the_state_stays_as_it_came() {
        for (content, state) in [
            (
                r#"{"network":{"hosts":[],"state":{"a": 1 }}}"#,
                Some(r#"{"a": 1 }"#),
            ),
            (r#"{"network":{"state":"\ud800"}}"#, Some(r#""\ud800""#)),
            (r#"{"network":{"state":0}}"#, Some("0")),
            (r#"{"network":{"state":1,"state":false}}"#, Some("false")),
            (r#"{"network":{"state":null}}"#, None),
            (r#"{"network":{}}"#, None),
            (r#"{"network":[]}"#, None),
            (r#"{"state":1}"#, None),
            ("7", None),
        ] {
            let line = format!(r#"{{"type":"@NETWORK_INFORMATION","content":{content}}}"#);
            match read(&line, &Limits::default()) {
                Ok(Inbound::Information { state: read }) => assert_eq!(read, state, "{content}"),
                other => panic!("{content}: {other:?}"),
            }
        }
    }
}
