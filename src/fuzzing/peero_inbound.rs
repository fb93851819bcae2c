//! Any bytes as a message of peero: no panic, and what the reader understands is what a naive twin does.
//!
//! Owns: the twin, which parses the whole message into a tree. Where a tree cannot hold what a message says (lone
//! surrogates, numbers out of range) the twin keeps silent.

use crate::config::Config;
use crate::dialect::peero::{Kind, Reader, Said};
use crate::hub::command::PeerFault;
use serde_json::Value;
use std::borrow::Cow;

/// Reads `data` as text, with a wide bound on signals and with a narrow one.
///
/// # Panics
/// If reader and twin disagree.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let read = reader(usize::MAX).read(&text);
    match serde_json::from_str::<Value>(&text) {
        Ok(said) => agree(wish(&said), &read),
        Err(error) => {
            let reason = error.to_string();
            let beyond_trees = ["surrogate", "hex escape", "out of range", "recursion limit"];
            assert!(
                read.is_err() || beyond_trees.iter().any(|beyond| reason.contains(beyond)),
                "no JSON was accepted: {reason}"
            );
        }
    }
    if let Ok(Said::Signal(signal)) = &read {
        let narrow = reader(signal.body.len()).read(&text);
        assert!(narrow.is_ok(), "the bound is among what is allowed");
        let narrow = reader(signal.body.len() - 1).read(&text);
        assert_eq!(narrow.expect_err("beyond the bound").code, "E_TOOLONG");
    }
}

fn reader(signal_bytes: usize) -> Reader {
    let mut config = Config::default();
    config.peero.signal_bytes = signal_bytes;
    config.limits.json_depth = DEPTH_MAX;
    Reader::new(&config)
}

fn agree(wish: Result<Wish<'_>, &str>, read: &Result<Said<'_>, PeerFault>) {
    match (wish, read) {
        (Ok(Wish::Register), Ok(Said::Register)) => {}
        (Ok(Wish::Signal(kind, to, body)), Ok(Said::Signal(signal))) => {
            assert_eq!(kind, signal.kind);
            let same = to.as_deref() == signal.to.as_deref() || are_near(&to, &signal.to);
            assert!(same, "{to:?} was read as {:?}", signal.to);
            let heard: Value = serde_json::from_str(signal.body).expect("a signal is JSON");
            assert_eq!(body, &heard);
        }
        // What the tree does not show: the depth of a field that was repeated or is read over.
        (_, Err(fault)) if fault.code == "E_TOODEEP" => {}
        (Err(code), Err(fault)) => assert_eq!(code, fault.code),
        (wish, read) => panic!("{wish:?} was read as {read:?}"),
    }
}

/// Whether both are numbers and next to each other: a tree's are not rounded correctly.
fn are_near(one: &Option<String>, other: &Option<Cow<'_, str>>) -> bool {
    let number = |id: &str| id.parse::<f64>().ok();
    let numbers = (
        one.as_deref().and_then(number),
        other.as_deref().and_then(number),
    );
    matches!(numbers, (Some(one), Some(other)) if (one - other).abs() <= one.abs() * f64::EPSILON)
}

#[derive(Debug)]
enum Wish<'a> {
    Register,
    Signal(Kind, Option<String>, &'a Value),
}

/// What a message asks for, out of its tree, or the code of its fault.
fn wish(said: &Value) -> Result<Wish<'_>, &'static str> {
    let said = said.as_object().ok_or("E_NOTJSON")?;
    let body = |name| {
        let body: &Value = said.get(name).ok_or("E_BADSIGNAL")?;
        match body.is_object() || body.is_string() {
            true => Ok(body),
            false => Err("E_BADSIGNAL"),
        }
    };
    match said.get("type").and_then(Value::as_str) {
        Some("register") => Ok(Wish::Register),
        Some("offer") => Ok(Wish::Signal(Kind::Offer, None, body("signal")?)),
        Some("answer") => {
            let to = receiver(said.get("peerId"))?.ok_or("E_BADPEER")?;
            Ok(Wish::Signal(Kind::Answer, Some(to), body("signal")?))
        }
        Some("signal") => {
            let data = body("data")?;
            let kind = match data.get("type").and_then(Value::as_str) {
                Some("offer") => Kind::Offer,
                Some("answer") => Kind::Answer,
                _ => Kind::Other,
            };
            let to = match receiver(data.get("peerId"))? {
                None => receiver(said.get("peerId"))?,
                named => named,
            };
            Ok(Wish::Signal(kind, to, data))
        }
        _ => Err("E_UNKNOWNTYPE"),
    }
}

fn receiver(named: Option<&Value>) -> Result<Option<String>, &'static str> {
    match named {
        None | Some(Value::Null | Value::Bool(false)) => Ok(None),
        Some(Value::String(id)) => Ok(Some(id.clone()).filter(|id| !id.is_empty())),
        Some(Value::Number(number)) => {
            let number = number.as_f64().expect("a tree's numbers are finite");
            Ok(Some(number.to_string()).filter(|_| number != 0.0))
        }
        Some(Value::Bool(true) | Value::Array(_) | Value::Object(_)) => Err("E_BADPEER"),
    }
}

/// Below the 128 levels that serde_json's trees may have.
const DEPTH_MAX: usize = 100;
