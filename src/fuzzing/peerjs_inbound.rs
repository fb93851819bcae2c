//! Any bytes as a message of a PeerJS client: no panic, and what is passed on of it is JSON with the payload's own bytes.
//!
//! Owns: the twin, which parses the whole message into a tree and says in plain words what it asks for. Where a tree
//! cannot hold what a message says (lone surrogates, numbers out of range) the twin keeps silent.

use crate::config::Config;
use crate::dialect::peerjs::Realm;
use crate::dialect::peerjs::inbound::{Bounds, Command, Forward, read};
use crate::dialect::{Act, Arrival, Lent, Mail};
use crate::hub::id::FreshIds;
use crate::index::ConnKey;
use serde_json::Value;
use std::hash::RandomState;
use std::net::SocketAddr;

/// Reads `data` as text, and lets a client say it in a realm where it finds everybody whom it may mean.
///
/// # Panics
/// If reader and twin disagree, or if what is passed on is not what was said.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let heard = read(&text, BOUNDS);
    match serde_json::from_str::<Value>(&text) {
        Ok(said) => match (&heard, wish(&said)) {
            (Ok(command), Some(wish)) => assert_eq!(describe(command), wish, "{text}"),
            (Err(_), None) => {}
            // A tree does not show in how many digits a number came.
            (Err(fault), Some(wish)) if wish == "to nobody" => {
                assert!(["E_TOODEEP", "E_TOOLONG"].contains(&fault.code), "{text}");
            }
            (Err(fault), Some(_)) => assert_eq!(fault.code, "E_TOODEEP", "{text}"),
            (Ok(command), None) => panic!("{text} was heard as {command:?}"),
        },
        Err(error) => {
            let reason = error.to_string();
            let beyond_trees = ["surrogate", "hex escape", "out of range", "recursion"];
            assert!(
                heard.is_err() || beyond_trees.iter().any(|beyond| reason.contains(beyond)),
                "no JSON was accepted: {reason}"
            );
        }
    }
    if let Ok(Command::Forward(forward)) = &heard {
        pass_on(&text, forward);
    }
}

/// What a message asks for, out of its tree; none if it is not as it must be.
fn wish(said: &Value) -> Option<String> {
    let said = said.as_object()?;
    let kind = said.get("type")?.as_str()?;
    let dst = said.get("dst").unwrap_or(&Value::Null);
    let is_nobody = dst.is_null() || dst == "";
    match kind {
        "HEARTBEAT" => Some("alive".to_owned()),
        "LEAVE" if is_nobody => Some("gone".to_owned()),
        "OFFER" | "ANSWER" | "CANDIDATE" if dst.is_number() => Some("to nobody".to_owned()),
        "OFFER" | "ANSWER" | "CANDIDATE" | "LEAVE" | "EXPIRE" if !is_nobody => {
            let dst = dst.as_str().filter(|dst| dst.len() <= BOUNDS.name_bytes)?;
            let has_payload = said.contains_key("payload");
            Some(format!("{kind} {dst:?} {has_payload}"))
        }
        _ => None,
    }
}

fn describe(command: &Command<'_>) -> String {
    match command {
        Command::Heartbeat => "alive".to_owned(),
        Command::Unregister => "gone".to_owned(),
        Command::ToNobody(_) => "to nobody".to_owned(),
        Command::Forward(Forward { kind, dst, payload }) => {
            format!("{} {dst:?} {}", kind.name(), payload.is_some())
        }
    }
}

/// Lets a client whose id needs escapes say this to one that is there.
fn pass_on(text: &str, forward: &Forward<'_>) {
    let (mut ids, mut mail) = (FreshIds::default(), Mail::default());
    let mut realm = Realm::new(&Config::default(), RandomState::new(), 0);
    let mut dst = String::new();
    for byte in forward.dst.bytes() {
        dst.push_str(&format!("%{byte:02x}"));
    }
    let mut join = |conn: usize, id: &str| {
        let query = format!("key=peerjs&id={id}&token=t");
        let arrival = Arrival {
            conn: ConnKey::at(conn),
            remote: SocketAddr::from(([127, 0, 0, 1], 1)),
            local_port: 1,
            query: &query,
            has_fixed_id: false,
        };
        let lent = Lent {
            now: 0,
            ids: &mut ids,
            mail: &mut mail,
        };
        realm.join(arrival, lent).expect("an id that is free")
    };
    join(1, &dst);
    let sender = join(0, SENDER_ESCAPED);
    mail.clear();
    let lent = Lent {
        now: 0,
        ids: &mut ids,
        mail: &mut mail,
    };
    realm.hear(sender, text, lent).expect("it was read before");
    let [
        Act::Send {
            to, text: number, ..
        },
    ] = mail.acts()
    else {
        panic!("one is told, and nothing else is done: {:?}", mail.acts());
    };
    assert_eq!(*to, ConnKey::at(1));
    let told = std::str::from_utf8(mail.read(*number)).expect("UTF-8");
    let is_json = serde_json::from_str::<serde::de::IgnoredAny>(told).is_ok();
    assert!(is_json, "{told}");
    let head = serde_json::json!([forward.kind.name(), SENDER, forward.dst]);
    let expected = format!(
        r#"{{"type":{},"src":{},"dst":{}{}{}}}"#,
        head[0],
        head[1],
        head[2],
        forward.payload.map_or("", |_| r#","payload":"#),
        forward.payload.map_or("", |payload| payload.get()),
    );
    assert_eq!(told, expected);
}

const SENDER: &str = "\"\u{7f}\u{e4}\n\\";
const SENDER_ESCAPED: &str = "%22%7f%C3%A4%0a%5C";

const BOUNDS: Bounds = Bounds {
    name_bytes: 512,
    json_depth: 512,
};
