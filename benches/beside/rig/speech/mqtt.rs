//! MQTT 3.1.1 with quality of service 0; packets are a stream, whatever frames they come in.

use super::{Newcomer, Step, spelt};

/// The first bytes of the packets, flags included (MQTT 3.1.1, section 2.2).
const CONNECT: u8 = 0x10;
const CONNACK: u8 = 0x20;
const PUBLISH: u8 = 0x30;
const SUBSCRIBE: u8 = 0x82;
const SUBACK: u8 = 0x90;

pub(super) fn connect(newcomer: &mut Newcomer, out: &mut Vec<u8>) {
    newcomer.id = format!("peer-{}", spelt(newcomer.number.into(), 8));
    let mut rest = Vec::new();
    text("MQTT", &mut rest);
    // Version 4, a clean session, and no interval in which something must be said.
    rest.extend_from_slice(&[4, 2, 0, 0]);
    text(&newcomer.id, &mut rest);
    write(CONNECT, &[&rest], out);
}

pub(super) fn join(newcomer: &Newcomer, message: &[u8], out: &mut Vec<u8>) -> Step {
    match message[0] {
        CONNACK if newcomer.manner.addressed => {
            subscribe(&newcomer.id, out);
            Step::Wait
        }
        CONNACK | SUBACK => Step::Joined,
        _ => Step::Wait,
    }
}

pub(super) fn subscribe(topic: &str, out: &mut Vec<u8>) {
    let mut rest = vec![0, 1];
    text(topic, &mut rest);
    rest.push(0);
    write(SUBSCRIBE, &[&rest], out);
}

pub(super) fn publish(topic: &str, payload: &str, out: &mut Vec<u8>) {
    let mut name = Vec::new();
    text(topic, &mut name);
    write(PUBLISH, &[&name, payload.as_bytes()], out);
}

/// The length of the packet that `bytes` begin with, if it is there whole.
pub(super) fn packet(bytes: &[u8]) -> Option<usize> {
    let mut rest = 0;
    for (at, byte) in bytes.iter().enumerate().skip(1).take(4) {
        rest |= usize::from(byte & 0x7f) << (7 * (at - 1));
        if byte & 0x80 == 0 {
            let end = at + 1 + rest;
            return (end <= bytes.len()).then_some(end);
        }
    }
    None
}

fn text(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(&(text.len() as u16).to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn write(first: u8, parts: &[&[u8]], out: &mut Vec<u8>) {
    out.push(first);
    let mut length: usize = parts.iter().map(|part| part.len()).sum();
    loop {
        let more = if length > 0x7f { 0x80 } else { 0 };
        out.push((length & 0x7f) as u8 | more);
        length >>= 7;
        if length == 0 {
            break;
        }
    }
    for part in parts {
        out.extend_from_slice(part);
    }
}
