//! The commands of the floors. What is to be forwarded goes along whole, as long as a hub's message would be, so that the
//! floors move as many bytes.

use super::{CHANNEL, Letter, Newcomer, Step, spelt};
use crate::rig::floor::command;
use crate::rig::load::stamp;
use std::io::Write;

pub(super) fn open(newcomer: &mut Newcomer, out: &mut Vec<u8>) {
    let number = u64::from(newcomer.number);
    newcomer.id = spelt(number, command::NUMBER_LETTERS);
    let id = &newcomer.id;
    if newcomer.manner.announced && newcomer.manner.together {
        out.push(command::JOIN);
        write!(
            out,
            concat!(
                r#"{{"type":"presence","messageid":"p{short}-k7vsj2og","name":"","peer":"{id}-k7vsj2o","#,
                r#""content":{{"id":"{id}-k7vsj2o","userid":"","linkageKey":"beside-aaaaaaaa","tags":["beside"],"#,
                r#""properties":{{"name":"{name}","role":"guest"}},"remoteAddress":"127.0.0.1","startTime":1790000000000}}}}"#
            ),
            short = spelt(number, 6),
            id = id,
            name = stamp::Stamps::new(0).payload(number),
        )
        .expect("memory takes everything");
    } else {
        out.push(command::NUMBER);
        out.extend_from_slice(id.as_bytes());
    }
}

pub(super) fn join(message: &[u8]) -> Step {
    if message == command::DONE {
        Step::Joined
    } else {
        Step::Wait
    }
}

pub(super) fn subscribe(out: &mut Vec<u8>) {
    out.push(command::SUBSCRIBE);
}

pub(super) fn publish(from: &str, number: u64, payload: &str, out: &mut Vec<u8>) {
    out.push(command::PUBLISH);
    write!(
        out,
        concat!(
            r#"{{"type":"message","messageid":"m{id}-k7vsj2og","peer":"{from}-k7vsj2o","#,
            r#""content":{{"channel":"{channel}","message":"{payload}","options":{{}}}}}}"#
        ),
        id = spelt(number, 6),
        from = from,
        channel = CHANNEL,
        payload = payload,
    )
    .expect("memory takes everything");
}

pub(super) fn send(letter: &Letter, out: &mut Vec<u8>) {
    out.push(command::TO);
    write!(
        out,
        r#"{to}{{"type":"{kind}","messageid":"r{id}-k7vsj2og","name":"echo","peer":"{from}-k7vsj2o","content":"{payload}"}}"#,
        to = letter.to,
        kind = if letter.is_answer { "response" } else { "request" },
        id = spelt(letter.number, 6),
        from = letter.from,
        payload = letter.payload,
    )
    .expect("memory takes everything");
}
