//! NATS's client protocol; packets are a stream, whatever frames they come in.

use super::{Newcomer, Step, spelt};
use std::io::Write;

pub(super) fn join(newcomer: &mut Newcomer, message: &[u8], out: &mut Vec<u8>) -> Step {
    // The server may say INFO again at any time.
    if message.starts_with(b"INFO") && newcomer.id.is_empty() {
        newcomer.id = format!("peer-{}", spelt(newcomer.number.into(), 8));
        out.extend_from_slice(
            b"CONNECT {\"verbose\":false,\"pedantic\":false,\"lang\":\"rust\",\"version\":\"0\",\"protocol\":1}\r\n",
        );
        if newcomer.manner.addressed {
            subscribe(&newcomer.id, out);
        }
        out.extend_from_slice(b"PING\r\n");
        Step::Wait
    } else if message.starts_with(b"PONG") {
        Step::Joined
    } else {
        Step::Wait
    }
}

pub(super) fn answer(message: &[u8]) -> Option<&'static [u8]> {
    message.starts_with(b"PING").then_some(b"PONG\r\n")
}

pub(super) fn subscribe(subject: &str, out: &mut Vec<u8>) {
    write!(out, "SUB {subject} 1\r\n").expect("memory takes everything");
}

pub(super) fn publish(subject: &str, payload: &str, out: &mut Vec<u8>) {
    let length = payload.len();
    write!(out, "PUB {subject} {length}\r\n{payload}\r\n").expect("memory takes everything");
}

/// The length of the packet that `bytes` begin with, if it is there whole. A line, and with MSG as many bytes as its last
/// word says, and an empty line.
pub(super) fn packet(bytes: &[u8]) -> Option<usize> {
    let line_end = 1 + bytes.iter().position(|&byte| byte == b'\n')?;
    if !bytes.starts_with(b"MSG ") {
        return Some(line_end);
    }
    let digits = bytes[..line_end - 2].rsplit(|&byte| byte == b' ').next()?;
    let length = digits.iter().fold(0, |length, digit| {
        10 * length + usize::from(digit.wrapping_sub(b'0'))
    });
    let end = line_end + length + 2;
    (end <= bytes.len()).then_some(end)
}
