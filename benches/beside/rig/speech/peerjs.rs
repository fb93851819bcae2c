//! PeerJS's signalling: a request is an OFFER, its answer an ANSWER.

use super::{Letter, Newcomer, Step, begins_with_type, spelt};
use std::io::Write;

pub(super) fn target(newcomer: &Newcomer) -> String {
    let id = id(newcomer);
    format!("/peerjs?key=peerjs&id={id}&token=token-{id}&version=1.5.5")
}

fn id(newcomer: &Newcomer) -> String {
    format!("peer-{}", spelt(newcomer.number.into(), 8))
}

pub(super) fn join(newcomer: &mut Newcomer, message: &[u8]) -> Step {
    if !begins_with_type(message, "\"OPEN\"") {
        return Step::Wait;
    }
    newcomer.id = id(newcomer);
    Step::Joined
}

pub(super) fn send(letter: &Letter, out: &mut Vec<u8>) {
    write!(
        out,
        r#"{{"type":"{kind}","payload":{{"sdp":"{payload}","connectionId":"dc_besidethem"}},"dst":"{to}"}}"#,
        kind = if letter.is_answer { "ANSWER" } else { "OFFER" },
        payload = letter.payload,
        to = letter.to,
    )
    .expect("memory takes everything");
}
