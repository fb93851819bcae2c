//! Any bytes as a line of net-peer: no panic, and what the reader understands is what a naive twin does.
//!
//! Owns: the twin, which parses the whole line into a tree. Where a tree cannot hold what a line says (lone surrogates,
//! numbers out of range) the twin keeps silent.

use crate::config::Limits;
use crate::dialect::netpeer::inbound::{Inbound, Presentation, read};
use crate::hub::command::PeerFault;
use serde_json::{Map, Value};

/// Reads `data` as text, with wide bounds and with narrow ones.
///
/// # Panics
/// If reader and twin disagree, or if a bound changes more than what is over it.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let wide = read(&text, &limits(usize::MAX, DEPTH_MAX));
    match serde_json::from_str::<Value>(&text) {
        Ok(Value::Object(said)) => match &wide {
            Ok(inbound) => agree(&said, inbound),
            Err(fault) if fault.code == "E_NOTYPE" => {
                assert!(!said.get("type").is_some_and(Value::is_string));
            }
            Err(fault) => {
                assert_eq!(fault.code, "E_TOODEEP");
                let openers = text.bytes().filter(|byte| matches!(byte, b'{' | b'['));
                assert!(openers.count() > DEPTH_MAX);
            }
        },
        Ok(_) => assert!(wide.is_err(), "only an object is a message"),
        Err(error) => {
            let reason = error.to_string();
            let beyond_trees = ["surrogate", "hex escape", "out of range", "recursion"];
            assert!(
                wide.is_err() || beyond_trees.iter().any(|beyond| reason.contains(beyond)),
                "no JSON was accepted: {reason}"
            );
        }
    }
    match (&read(&text, &limits(NAME_BYTES, 4)), &wide) {
        (Err(fault), wide) => assert!(fault.code == "E_TOODEEP" || wide.is_err()),
        (Ok(_), Err(fault)) => panic!("narrow bounds let in what wide ones do not: {fault}"),
        (Ok(Inbound::Presentation(Err(fault))), Ok(Inbound::Presentation(wide))) => {
            let is_long = |who: &Presentation<'_>| who.name.len() > NAME_BYTES;
            assert!(fault.code == "E_TOOLONG" || wide.is_err());
            assert!(wide.as_ref().map_or(true, is_long));
        }
        (Ok(Inbound::Presentation(Ok(narrow))), Ok(Inbound::Presentation(wide))) => {
            assert_eq!(Ok(narrow), wide.as_ref());
            assert!(narrow.name.len() <= NAME_BYTES);
        }
        (Ok(_), Ok(_)) => {}
    }
}

fn limits(name_bytes: usize, json_depth: usize) -> Limits {
    Limits {
        name_bytes,
        json_depth,
        ..Limits::default()
    }
}

/// Asserts that `inbound` is what `said` says.
fn agree(said: &Map<String, Value>, inbound: &Inbound<'_>) {
    let kind = said.get("type").and_then(Value::as_str);
    let content = said.get("content");
    match (kind.expect("there is no message without a type"), inbound) {
        ("@PRESENTATION", Inbound::Presentation(presentation)) => {
            agree_on_presentation(said, presentation);
        }
        ("@NETWORK_INFORMATION", Inbound::Information { state }) => {
            let told = content.and_then(|content| content.get("network")?.get("state"));
            let told = told.filter(|told| !told.is_null());
            let state = state.map(|state| serde_json::from_str::<Value>(state).expect("JSON"));
            assert_eq!(told, state.as_ref());
        }
        ("@REQUEST_NETWORK_INFORMATION", Inbound::InformationRequest)
        | ("@CONNECTION_CLOSED", Inbound::Closed) => {}
        (other, Inbound::Application { kind, .. }) => {
            assert_eq!(other, kind);
            let own = [
                "@PRESENTATION",
                "@NETWORK_INFORMATION",
                "@REQUEST_NETWORK_INFORMATION",
                "@CONNECTION_CLOSED",
            ];
            assert!(!own.contains(&other));
        }
        (kind, inbound) => panic!("{kind:?} was heard as {inbound:?}"),
    }
}

fn agree_on_presentation(said: &Map<String, Value>, heard: &Result<Presentation<'_>, PeerFault>) {
    let name = said.get("senderName").and_then(Value::as_str);
    let name = name.filter(|name| !name.is_empty());
    let content = said.get("content").and_then(Value::as_object);
    let field = |name: &str| content.and_then(|content| content.get(name));
    let port = field("port").and_then(Value::as_f64);
    let port = port.filter(|port| port.fract() == 0.0 && *port >= 1.0 && *port <= 65_535.0);
    match heard {
        Ok(heard) => {
            assert_eq!(name, Some(&*heard.name));
            assert_eq!(port, Some(f64::from(heard.main_port)));
            let needs = field("needNetworkInformation").is_some_and(|needs| match needs {
                Value::Null | Value::Bool(false) => false,
                Value::Number(number) => number.as_f64() != Some(0.0),
                Value::String(text) => !text.is_empty(),
                Value::Bool(true) | Value::Array(_) | Value::Object(_) => true,
            });
            assert_eq!(heard.needs_information, needs);
        }
        Err(fault) => match fault.code {
            "E_BADNAME" => assert_eq!(name, None),
            "E_BADPORT" => assert!(name.is_some() && port.is_none()),
            other => panic!("refused with {other}"),
        },
    }
}

/// Low, so that the bound is met often.
const NAME_BYTES: usize = 4;

/// Below the 128 levels that serde_json's trees may have.
const DEPTH_MAX: usize = 100;
