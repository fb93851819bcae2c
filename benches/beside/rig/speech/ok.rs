//! ok-peerhub's own protocol, spoken as its client does: accept, initiate, confirm.

use super::{CHANNEL, Letter, Newcomer, Step, begins_with_type, spelt};
use crate::rig::load::stamp;
use std::io::Write;

pub(super) fn join(newcomer: &mut Newcomer, message: &[u8], out: &mut Vec<u8>) -> Step {
    if newcomer.id.is_empty() {
        if let Some(id) = accepted(message) {
            newcomer.id = id;
            initiate(newcomer, out);
        }
        Step::Wait
    } else if begins_with_type(message, "\"confirm\"") {
        Step::Joined
    } else {
        Step::Wait
    }
}

/// The id that an `accept` gives.
fn accepted(message: &[u8]) -> Option<String> {
    if !begins_with_type(message, "\"accept\"") {
        return None;
    }
    let text = std::str::from_utf8(message).ok()?;
    let (_, id) = text.split_once("\"id\":\"")?;
    Some(id.split_once('"')?.0.to_owned())
}

fn initiate(newcomer: &Newcomer, out: &mut Vec<u8>) {
    let number = newcomer.number.into();
    let linkage = if newcomer.manner.together { 0 } else { number };
    let announced = newcomer.manner.announced;
    write!(
        out,
        concat!(
            r#"{{"type":"initiate","content":{{"userid":"","#,
            r#""options":{{"deboutReceiver":false,"peerInitiationReceiver":{announced},"peerInitiationSender":{announced}}},"#,
            r#""properties":{{"name":"{name}","role":"guest"}},"linkageKey":"beside-{linkage}","#,
            r#""startTime":1790000000000,"tags":["beside"]}},"messageid":"i{id}-k7vsj2og"}}"#
        ),
        announced = announced,
        name = stamp::Stamps::new(0).payload(number),
        linkage = spelt(linkage, 8),
        id = spelt(number, 6),
    )
    .expect("memory takes everything");
}

pub(super) fn subscribe(out: &mut Vec<u8>) {
    write!(
        out,
        r#"{{"type":"subscribe","content":{{"channels":["{CHANNEL}"]}},"messageid":"saaaaaa-k7vsj2og"}}"#
    )
    .expect("memory takes everything");
}

pub(super) fn publish(number: u64, payload: &str, out: &mut Vec<u8>) {
    write!(
        out,
        concat!(
            r#"{{"type":"publish","content":{{"channel":"{channel}","message":"{payload}","options":{{}}}},"#,
            r#""messageid":"m{id}-k7vsj2og"}}"#
        ),
        channel = CHANNEL,
        payload = payload,
        id = spelt(number, 6),
    )
    .expect("memory takes everything");
}

pub(super) fn send(letter: &Letter, out: &mut Vec<u8>) {
    write!(
        out,
        r#"{{"type":"{kind}","peer":"{to}","messageid":"r{id}-k7vsj2og","name":"echo","content":"{payload}"}}"#,
        kind = if letter.is_answer { "response" } else { "request" },
        to = letter.to,
        id = spelt(letter.number, 6),
        payload = letter.payload,
    )
    .expect("memory takes everything");
}
